//! Tables are written while others are computed: what happens when one cannot be written.

use std::fs;
use std::path::PathBuf;

use tenure::engine::local::Local;
use tenure::engine::{Engine, EngineError, Publishing, RunId, Stage, Status, Watch};

use crate::nightly::TABLES;
use crate::process::{mart, project};
use crate::scans::planned;

/// Takes the folder away in which a table is about to be written.
struct Taking {
    table: &'static str,
    staging: PathBuf,
    publishing: Publishing,
}

impl Watch for Taking {
    fn stage(&self, stage: Stage<'_>) {
        if matches!(stage, Stage::Writing { table } if table == self.table) {
            fs::remove_dir_all(&self.staging).unwrap();
        }
    }

    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

#[test]
fn a_table_that_cannot_be_written_ends_the_run_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("out");
    let plan = planned(&project().join("sample_data"), &root);
    let watch = |table| Taking { table, staging: root.join("_tenure/staging"), publishing: Publishing::default() };
    // With queries alone the later tables wait for the file of the ledger; with passes most need none.
    for queries_only in [true, false] {
        let id = RunId { id: format!("taken-{queries_only}"), started: jiff::Timestamp::UNIX_EPOCH };
        let outcome = Local { queries_only }.run(&plan, &id, &watch("ledger"));
        match outcome {
            Err(EngineError::Write { table, .. }) => assert_eq!(table, "ledger"),
            other => panic!("{other:?}"),
        }
        assert_eq!(mart(&root).len(), 0, "nothing is published");
    }
    let id = RunId { id: "after".to_owned(), started: jiff::Timestamp::UNIX_EPOCH };
    let outcome = Local::default().run(&plan, &id, &watch("no table")).unwrap();
    assert_eq!((outcome.status, mart(&root).len()), (Status::Succeeded, TABLES));
}
