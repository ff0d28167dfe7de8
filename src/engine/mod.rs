//! Runs a plan: loads sources, computes tables, checks and publishes them.
//!
//! [`Engine`] is the one seam: a plan goes in, an outcome comes out. [`local::Local`] runs it with
//! Polars in this process.

mod before;
pub mod books;
mod checked;
mod encode;
pub mod explain;
pub mod local;
pub mod lower;
mod write;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::metrics::Headline;
use crate::plan::RunPlan;
use crate::publish::{LockError, PublishError, VerifyError};
use crate::sources::{LoadedSource, SourceError};

/// Something that runs plans.
pub trait Engine {
    /// Runs `plan` as `run_id`.
    ///
    /// # Errors
    /// When the machine or the engine failed. Data that breaks a contract is an outcome, not an error.
    fn run(&self, plan: &RunPlan, run: &RunId, watch: &dyn Watch) -> Result<RunOutcome, EngineError>;
}

/// Identity of a run, made by the command line, which alone knows the clock.
#[derive(Clone, Debug)]
pub struct RunId {
    /// Unique name, sortable by time.
    pub id: String,
    /// When the run started.
    pub started: jiff::Timestamp,
}

/// What a run tells while it goes on, and asks; what nobody listens to may be left as it is.
pub trait Watch: Sync {
    /// A stage begins.
    fn stage(&self, _stage: Stage<'_>) {}
    /// Asked between steps: true when the run shall stop.
    fn cancelled(&self) -> bool {
        false
    }
    /// Guards the moment in which tables become visible: a cancelled run waits for it.
    fn publishing(&self) -> &Publishing;
}

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'a> {
    /// Waits for or takes the lock and settles what an earlier run left.
    Preparing,
    /// Reads so many sources, rows and bytes.
    Loading {
        /// Sources.
        sources: usize,
        /// Rows in their files.
        rows: u64,
        /// Bytes of their files.
        bytes: u64,
    },
    /// Reads a source.
    Reading {
        /// Its name.
        source: &'a str,
    },
    /// A source is read.
    Loaded {
        /// Its name.
        source: &'a str,
        /// Rows read.
        read: u64,
        /// Rows used.
        used: u64,
    },
    /// Computes tables that read only what is there.
    Computing {
        /// Their names.
        tables: &'a [&'a str],
    },
    /// Writes a table to staging and verifies it.
    Writing {
        /// Its name.
        table: &'a str,
    },
    /// A table is computed, written to staging and verified.
    Written {
        /// Its name.
        table: &'a str,
        /// Its rows.
        rows: u64,
    },
    /// Checks a computed table.
    Checking {
        /// Its name.
        table: &'a str,
    },
    /// Makes the tables visible.
    Publishing,
}

/// The moment in which tables become visible.
#[derive(Debug, Default)]
pub struct Publishing {
    /// Held while a swap runs, and by whoever stops the process.
    swap: Mutex<()>,
    stopped: AtomicBool,
}

impl Publishing {
    /// Runs the swap unless the run was stopped before; `None` then.
    pub fn swap<T>(&self, swap: impl FnOnce() -> T) -> Option<T> {
        let _guard = self.swap.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (!self.stopped.load(Ordering::Acquire)).then(swap)
    }

    /// Waits for a swap that runs, and keeps later ones from starting.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.swap.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// What a run did. Holds no frames.
#[derive(Debug, Default)]
pub struct RunOutcome {
    /// How it ended.
    pub status: Status,
    /// Sources in the order of the plan.
    pub sources: Vec<SourceOutcome>,
    /// Tables in the order of the plan.
    pub tables: Vec<TableOutcome>,
    /// Tables that left their group and stay published as they are.
    pub detached: Vec<String>,
    /// What an interrupted earlier run had left, in words.
    pub recovered: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Every selected table is published.
    #[default]
    Succeeded,
    /// A table failed while it was computed; what does not depend on it is published.
    Failed,
    /// Data broke a contract; nothing that depends on it is published.
    Rejected,
    /// A source is older than its contract allows; nothing is published before its next export.
    Stale,
    /// Stopped before anything became visible.
    Cancelled,
}

/// What happened to a source.
#[derive(Debug)]
pub struct SourceOutcome {
    /// Its name.
    pub name: String,
    /// Files.
    pub files: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Rows read, used and left out, and the contracts that were broken.
    pub loaded: LoadedSource,
    /// Where the rows were put that were set aside.
    pub quarantine: Option<PathBuf>,
}

/// What happened to a table.
#[derive(Debug)]
pub struct TableOutcome {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: String,
    /// How it ended.
    pub state: TableState,
    /// Input rows by whether and why they count, where the metric says so.
    pub attrition: Vec<(String, u64)>,
    /// Identities that were checked.
    pub checks: Vec<CheckOutcome>,
    /// Figures for the summary.
    pub headlines: Vec<Figure>,
}

/// How a table ended.
#[derive(Debug)]
pub enum TableState {
    /// Readers see it.
    Published {
        /// Where.
        path: PathBuf,
        /// Rows.
        rows: u64,
        /// Bytes of the file.
        bytes: u64,
        /// SHA-256 of the file.
        sha256: String,
        /// Version of its group, or of the table.
        version: String,
        /// False when readers saw the same bytes before.
        changed: bool,
    },
    /// Computed for another table, not selected.
    Helper {
        /// Rows.
        rows: u64,
    },
    /// Computed, but a check failed here or in its group.
    Rejected {
        /// Rows.
        rows: u64,
    },
    /// Could not be computed.
    Failed {
        /// What the engine said.
        message: String,
    },
    /// Not computed, because what it reads failed or the run stopped.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Result of an identity.
#[derive(Debug)]
pub struct CheckOutcome {
    /// Name of the identity.
    pub name: &'static str,
    /// The equation in words.
    pub meaning: &'static str,
    /// Rows that break it.
    pub broken: u64,
    /// The first of them, as text.
    pub samples: Vec<String>,
}

/// A figure for the summary.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub headline: Headline,
    /// Currency of the row it was read from.
    pub currency: String,
    /// First day of the period it was read from.
    pub period_start: Option<jiff::civil::Date>,
    /// The value; `None` where it is NULL. Money in units of the pipeline's scale.
    pub value: Option<Value>,
}

/// The value of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Whole number, or money in units.
    Int(i64),
    /// Rate or ratio.
    Float(f64),
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Publishing failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A staged file is not what was written.
    #[error("the staged file of table `{table}` is not what was written")]
    Verify {
        /// The table.
        table: String,
        /// What differs.
        source: VerifyError,
    },
    /// A staged file could not be written.
    #[error("could not write table `{table}` to `{path}`")]
    Write {
        /// The table.
        table: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of a group would be published beside tables of another day.
    #[error("a part of the tables published together would be as of {as_of}, beside others of the version `{held}`")]
    TornGroup {
        /// Day of this run.
        as_of: jiff::civil::Date,
        /// Version that readers see.
        held: String,
    },
    /// The query engine failed outside of any one table.
    #[error("the query engine failed while {action}: {message}")]
    Query {
        /// What was being done.
        action: String,
        /// What it said.
        message: String,
    },
}
