//! What the engine tells while it works, and how it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use crate::engine::{EngineError, Publishing, RunOutcome, Stage, Watch};

/// Something the main thread hears.
pub(super) enum Event {
    /// A formatted line of the log.
    Log(Vec<u8>),
    /// The engine has come to a step.
    Step(Step),
    /// SIGINT or SIGTERM.
    Signal(i32),
    /// The engine has ended.
    Done(Result<RunOutcome, Failure>),
}

/// Why there is no outcome.
pub(super) enum Failure {
    /// The engine's error.
    Engine(EngineError),
    /// A panic and its words.
    Panic(String),
    /// The run was stopped, and its query still computes.
    Abandoned,
}

/// A step for the progress display: what is being done, and how many units of work are behind.
pub(super) struct Step {
    pub(super) doing: String,
    pub(super) done: u64,
}

/// The watch of one run.
pub(super) struct Watcher {
    events: Sender<Event>,
    cancelled: AtomicBool,
    publishing: Publishing,
    reached: AtomicBool,
    /// What the engine does now, for the message of a run that is stopped in it.
    during: Mutex<String>,
}

impl Watcher {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            cancelled: AtomicBool::new(false),
            publishing: Publishing::default(),
            reached: AtomicBool::new(false),
            during: Mutex::new("while starting".to_owned()),
        }
    }

    /// Asks the engine to end at its next step.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// What the engine does now, such as `while computing` and a table.
    pub(super) fn during(&self) -> String {
        self.during.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the engine has come to publishing.
    pub(super) fn reached_publishing(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }
}

impl Watch for Watcher {
    fn stage(&self, stage: Stage<'_>) {
        log(stage);
        if stage == Stage::Publishing {
            self.reached.store(true, Ordering::Release);
        }
        *self.during.lock().unwrap_or_else(PoisonError::into_inner) = during(stage);
        // The main thread leaves first when a stopped run is abandoned.
        let _ = self.events.send(Event::Step(step(stage)));
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

fn log(stage: Stage<'_>) {
    match stage {
        Stage::Preparing => tracing::debug!("preparing"),
        Stage::Loading { sources, rows, bytes } => tracing::info!(sources, rows, bytes, "loading"),
        Stage::Reading { source } => tracing::debug!(source, "reading"),
        Stage::Loaded { source, read, used } => tracing::info!(source, read, used, "source loaded"),
        Stage::Computing { tables } => tracing::debug!(tables = tables.join(","), "computing"),
        Stage::Writing { table } => tracing::debug!(table, "writing"),
        Stage::Written { table, rows } => tracing::info!(table, rows, "table written"),
        Stage::Checking { table } => tracing::debug!(table, "checking"),
        Stage::Publishing => tracing::debug!("publishing"),
    }
}

fn step(stage: Stage<'_>) -> Step {
    let (doing, done) = match stage {
        Stage::Preparing => ("preparing".to_owned(), 0),
        Stage::Loading { sources, .. } => {
            (format!("reading {}", crate::report::format::counted(sources as u64, "source")), 0)
        }
        Stage::Reading { source } => (format!("reading {source}"), 0),
        Stage::Loaded { source, .. } => (format!("read {source}"), 1),
        Stage::Computing { tables } => (format!("computing {}", tables.join(", ")), 0),
        Stage::Writing { table } => (format!("writing {table}"), 0),
        Stage::Written { table, .. } => (format!("wrote {table}"), 1),
        Stage::Checking { table } => (format!("checking {table}"), 0),
        Stage::Publishing => ("publishing".to_owned(), 1),
    };
    Step { doing, done }
}

/// A step in the words of a message.
fn during(stage: Stage<'_>) -> String {
    match stage {
        Stage::Preparing => "while taking the lock".to_owned(),
        Stage::Loading { .. } => "while reading the sources".to_owned(),
        Stage::Reading { source } => format!("while reading source `{source}`"),
        Stage::Loaded { source, .. } => format!("after reading source `{source}`"),
        Stage::Computing { tables } => format!("while computing table `{}`", tables.join("`, `")),
        Stage::Writing { table } => format!("while writing table `{table}`"),
        Stage::Written { table, .. } => format!("after writing table `{table}`"),
        Stage::Checking { table } => format!("while checking table `{table}`"),
        Stage::Publishing => "while publishing".to_owned(),
    }
}
