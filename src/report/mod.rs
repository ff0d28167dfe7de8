//! What a run tells: its record, its result line, its summary for people, and what went wrong.
//!
//! All of them are made from one [`RunReport`], so they never disagree. Nothing here asks the
//! clock or writes to a terminal.

pub(crate) mod cell;
pub mod explain;
pub mod format;
mod history;
mod line;
mod record;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::engine::{RunId, RunOutcome};
use crate::plan::RunPlan;

pub use history::refresh;
pub use line::{LIMIT, refused_line, result_line};
pub use record::{RecordError, folder_of, replace, write};
pub use summary::{Style, summary};
pub use tables::{CheckReport, FigureReport, FindingRecord, ReasonReport, SourceReport, TableReport, ViolationRecord};
pub use trouble::{Trouble, of_error, of_outcome};

/// Version of the format of `run.json`. Keys are only added within one version.
pub const SCHEMA_VERSION: u32 = 1;

/// How a run ended, as records and the result line say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Every selected table is published.
    Succeeded,
    /// The machine, the engine or a table failed.
    Failed,
    /// Data broke a contract or a check.
    Rejected,
    /// Stopped by a signal, the timeout or the limit of memory.
    Cancelled,
}

impl RunStatus {
    /// The word used in records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The record of a run. Serialised as `run.json`.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program.
    pub tenure: String,
    /// How the run ended.
    pub status: RunStatus,
    /// Exit code of the process.
    pub exit_code: u8,
    /// What stopped a cancelled run: `timeout`, `memory limit`, `SIGINT` or `SIGTERM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// Identity of the run.
    pub run_id: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Last civil day the results cover.
    pub as_of: Date,
    /// Zone in which instants became civil dates.
    pub timezone: String,
    /// Reporting currency.
    pub currency: Option<String>,
    /// Chosen environment.
    pub environment: Option<String>,
    /// Values of the parameters.
    pub params: IndexMap<String, String>,
    /// What the orchestrator said about itself.
    pub labels: BTreeMap<String, String>,
    /// Folder of the tables, absolute.
    pub root: String,
    /// When the run started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// Most memory the process held at once.
    pub peak_memory_bytes: Option<u64>,
    /// Most memory it was allowed to hold.
    pub memory_limit_bytes: Option<u64>,
    /// Sources in the order of the pipeline file.
    pub sources: Vec<SourceReport>,
    /// Tables in the order they are computed.
    pub tables: Vec<TableReport>,
    /// True where publishing may have begun and did not finish: each table is then old or new as a
    /// whole, and the next run finishes what was begun.
    pub publishing_unfinished: bool,
    /// Tables that left their group and stay published as they are.
    pub detached: Vec<String>,
    /// What an interrupted earlier run had left.
    pub recovered: Vec<String>,
    /// Why the run did not succeed, one line each.
    pub errors: Vec<String>,
    /// What someone should look at, one line each.
    pub warnings: Vec<String>,
}

/// What only the command line knows about a run.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// How the run ended.
    pub status: RunStatus,
    /// Exit code of the process.
    pub exit_code: u8,
    /// What stopped a cancelled run.
    pub stopped_by: Option<String>,
    /// When the run ended.
    pub ended: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Labels of the orchestrator.
    pub labels: BTreeMap<String, String>,
    /// Folder of the tables, absolute.
    pub root: String,
    /// Most memory the process held at once.
    pub peak_memory_bytes: Option<u64>,
    /// Most memory it was allowed to hold.
    pub memory_limit_bytes: Option<u64>,
    /// See [`RunReport::publishing_unfinished`].
    pub publishing_unfinished: bool,
}

impl RunReport {
    /// The report of a run; `outcome` is missing where the engine did not return one.
    #[must_use]
    pub fn new(
        plan: &RunPlan,
        run: &RunId,
        outcome: Option<&RunOutcome>,
        troubles: &[Trouble],
        told: Circumstances,
    ) -> Self {
        let lines = |error: bool| troubles.iter().filter(|t| t.is_error() == error).map(|t| t.title.clone()).collect();
        Self {
            schema_version: SCHEMA_VERSION,
            tenure: env!("CARGO_PKG_VERSION").to_owned(),
            status: told.status,
            exit_code: told.exit_code,
            stopped_by: told.stopped_by,
            run_id: run.id.clone(),
            pipeline: plan.pipeline.clone(),
            as_of: plan.context.as_of,
            timezone: plan.zone.clone(),
            currency: plan.context.currency.clone(),
            environment: plan.environment.clone(),
            params: plan.params.clone(),
            labels: told.labels,
            started: run.started,
            ended: told.ended,
            duration_s: told.took.as_secs_f64(),
            peak_memory_bytes: told.peak_memory_bytes,
            memory_limit_bytes: told.memory_limit_bytes,
            sources: plan.sources.iter().map(|source| SourceReport::new(source, outcome)).collect(),
            tables: plan
                .tables
                .iter()
                .map(|table| TableReport::new(table, plan, outcome, Path::new(&told.root)))
                .collect(),
            root: told.root,
            publishing_unfinished: told.publishing_unfinished,
            detached: outcome.map(|o| o.detached.clone()).unwrap_or_default(),
            recovered: outcome.map(|o| o.recovered.clone()).unwrap_or_default(),
            errors: lines(true),
            warnings: lines(false),
        }
    }

    /// Checks that held and checks that did not.
    #[must_use]
    pub fn checks(&self) -> (usize, usize) {
        let all = self.tables.iter().flat_map(|table| &table.checks);
        let failed = all.clone().filter(|check| check.broken > 0).count();
        (all.count() - failed, failed)
    }
}

/// One hash for all the files of a source: another content has another hash.
fn fingerprint<'a>(files: impl IntoIterator<Item = &'a [u8; 32]>) -> String {
    let mut hash = Sha256::new();
    files.into_iter().for_each(|file| hash.update(file));
    hash.finalize().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
