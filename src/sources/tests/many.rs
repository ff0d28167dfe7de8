//! What a folder of many files costs: each is opened once, and a query grows with layouts, not with files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use polars::prelude::*;

use super::{Bench, pipeline, rows};
use crate::sources::describe::describe_with;
use crate::sources::{SourceRequest, footer, scan_plan};

/// Files of three layouts in turn: whole numbers, text, and a column that the others lack.
fn folder(files: usize) -> Bench {
    let bench = Bench::new();
    for at in 0..files {
        let number = i64::try_from(at).unwrap();
        let frame = match at % 3 {
            0 => df!("id" => [number]),
            1 => df!("id" => [number], "note" => ["a"]),
            _ => df!("note" => ["b"], "id" => [number], "more" => [true]),
        };
        bench.polars(&format!("part-{at:05}.parquet"), frame.unwrap());
    }
    bench
}

/// How often each file is opened to describe the folder.
fn opens(bench: &Bench) -> BTreeMap<PathBuf, usize> {
    let opened = Mutex::new(BTreeMap::new());
    let requests = [SourceRequest { name: "s".to_owned(), path: bench.root().join("*.parquet"), optional: false }];
    let described = describe_with(&requests, |path, name| {
        *opened.lock().unwrap().entry(path.to_owned()).or_insert(0) += 1;
        footer::read(path, name)
    });
    assert!(described.problems.is_empty(), "{}", described.problems);
    opened.into_inner().unwrap()
}

#[test]
fn every_file_is_opened_once_however_many_there_are() {
    for files in [6, 60, 600] {
        let opened = opens(&folder(files));
        assert_eq!(opened.len(), files);
        assert!(opened.values().all(|opens| *opens == 1), "{opened:?}");
    }
}

#[test]
fn a_query_grows_with_layouts_and_not_with_files() {
    let text = pipeline(&["id: {type: int, not_null: true}", "note: {type: string, optional: true}"], &[]);
    let planned = |files: usize| {
        let bench = folder(files);
        let plan = bench.plans(&text).unwrap_or_else(|messages| panic!("{messages}")).remove(0);
        assert_eq!(plan.files.len(), files);
        let query = scan_plan(&plan, &["id", "note"]).unwrap();
        let steps = query.clone().explain(true).unwrap().lines().count();
        let scans = query.explain(true).unwrap().matches("SCAN").count();
        (plan.layouts.len(), scans, steps, bench)
    };
    let (few, many) = (planned(6), planned(600));
    assert_eq!((few.0, few.1), (3, 3));
    assert_eq!((many.0, many.1, many.2), (few.0, few.1, few.2));
    // Every row of every file is there all the same.
    let loaded = many.3.one(&text);
    assert_eq!(loaded.attrition.used, 600);
    let mut ids: Vec<usize> =
        rows(&loaded.frame.select(["id"]).unwrap()).iter().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..600));
}
