//! A folder of small Parquet files, a pipeline text, and what comes out.

mod broken;
mod condense;
mod contracts;
mod drift;
mod engine;
mod footers;
mod forms;
mod fuzz;
mod laws;
mod many;
mod moments;
mod money;
mod tolerance;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use indexmap::IndexMap;
use parquet::arrow::ArrowWriter;
use polars::prelude::*;
use tempfile::TempDir;

use super::{LoadedSource, Silent, SourcePlan, SourceRequest, describe, load};
use crate::diag::{Color, Diagnostics};
use crate::plan::source::{Context, money_scale, resolve};
use crate::spec::decode::{Place, decode_at};
use crate::spec::pipeline::SourceSpec;
use crate::spec::tree::parse;
use crate::spec::types::{CurrencyCode, Name, ZoneName};

pub(super) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file with Polars.
    #[allow(clippy::needless_pass_by_value, reason = "frames are made in place")]
    pub(super) fn polars(&self, name: &str, frame: DataFrame) -> &Self {
        ParquetWriter::new(File::create(self.path(name)).unwrap()).finish(&mut frame.clone()).unwrap();
        self
    }

    /// Writes a file with arrow-rs.
    pub(super) fn arrow(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> &Self {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(self.path(name)).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self
    }

    /// Resolves the pipeline; its messages as text when there are errors.
    pub(super) fn plans(&self, text: &str) -> Result<Vec<SourcePlan>, String> {
        let mut diags = Diagnostics::new("p.yml", text);
        let root = parse(text, &mut diags).expect("a tree");
        let mut specs: IndexMap<Name, SourceSpec> = IndexMap::new();
        for entry in root.get("sources").expect("sources").entries() {
            let place = Place::new(format!("sources.{}", entry.key), entry.key_span);
            if let Some(spec) = decode_at(&entry.value, &place, &mut diags) {
                specs.insert(entry.key.parse().unwrap(), spec);
            }
        }
        let text_of = |key: &str| root.get(key).and_then(|node| node.text()).map(str::to_owned);
        let zone: ZoneName = text_of("timezone").as_deref().unwrap_or("UTC").parse().unwrap();
        let currency: Option<CurrencyCode> = text_of("currency").map(|code| code.parse().unwrap());
        let requests: Vec<SourceRequest> = specs
            .iter()
            .map(|(name, spec)| SourceRequest {
                name: name.as_str().to_owned(),
                path: self.root().join(spec.path.as_str()),
                optional: spec.optional,
            })
            .collect();
        let described = describe(&requests);
        assert!(described.problems.is_empty(), "{}", described.problems);
        let context = Context {
            zone: &zone,
            currency,
            money_scale: money_scale(currency, specs.values()),
            sources: &specs,
            root: &root,
        };
        let plans: Vec<Option<SourcePlan>> = specs
            .iter()
            .map(|(name, spec)| {
                resolve(name.as_str(), spec, &described.catalog.sources[name.as_str()], context, &mut diags)
            })
            .collect();
        if diags.is_empty() {
            Ok(plans.into_iter().map(|plan| plan.expect("a plan")).collect())
        } else {
            Err(diags.render(Color::Never, None))
        }
    }

    /// Loads every declared column of every source.
    pub(super) fn load(&self, text: &str) -> Vec<LoadedSource> {
        let plans = self.plans(text).unwrap_or_else(|messages| panic!("{messages}"));
        load_all(&plans)
    }

    /// Loads the only source.
    pub(super) fn one(&self, text: &str) -> LoadedSource {
        let mut loaded = self.load(text);
        assert_eq!(loaded.len(), 1);
        loaded.remove(0)
    }
}

pub(super) fn load_all(plans: &[SourcePlan]) -> Vec<LoadedSource> {
    let wanted: Vec<(usize, Vec<String>)> =
        plans.iter().enumerate().map(|(i, plan)| (i, plan.columns.iter().map(|c| c.name.clone()).collect())).collect();
    load(plans, &wanted, &mut Silent).unwrap()
}

/// A pipeline with one source `s` over `*.parquet`; `columns` are lines of `name: {..}`.
pub(super) fn pipeline(columns: &[&str], more: &[&str]) -> String {
    zoned("UTC", columns, more)
}

pub(super) fn zoned(zone: &str, columns: &[&str], more: &[&str]) -> String {
    let mut text = format!("timezone: {zone}\ncurrency: USD\nsources:\n  s:\n    path: '*.parquet'\n    columns:\n");
    for column in columns {
        text.push_str(&format!("      {column}\n"));
    }
    for line in more {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

/// A row per line, values separated by `|`, in the order of the frame.
pub(super) fn rows(frame: &DataFrame) -> Vec<String> {
    (0..frame.height())
        .map(|at| {
            let values = frame.columns().iter().map(|column| match column.get(at).unwrap() {
                AnyValue::Null => "-".to_owned(),
                other => crate::sources::sample::text(&other),
            });
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
}

/// `rule x rows` per violation.
pub(super) fn broken_rules(loaded: &LoadedSource) -> Vec<String> {
    loaded.violations.iter().map(|v| format!("{} x {}", v.rule, v.rows)).collect()
}

/// `reason x rows` per reason.
pub(super) fn reasons(loaded: &LoadedSource) -> Vec<String> {
    assert!(loaded.attrition.adds_up());
    loaded.attrition.reasons.iter().map(|(reason, rows)| format!("{reason} x {rows}")).collect()
}

pub(super) fn array<A: arrow::array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
