//! Signs of life: a bar on a terminal, elsewhere a line every half minute.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::watch::Step;
use crate::cli::world::memory;
use crate::plan::RunPlan;
use crate::report::format::bytes;

/// Between two lines.
const BEAT: Duration = Duration::from_secs(30);

/// The display of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    beat: Instant,
    doing: String,
}

impl Progress {
    fn new(bar: Option<ProgressBar>) -> Self {
        let now = Instant::now();
        Self { bar, begun: now, beat: now + BEAT, doing: "starting".to_owned() }
    }

    /// A bar on the terminal.
    pub(super) fn bar(plan: &RunPlan) -> Self {
        let published = plan.tables.iter().filter(|table| table.published).count();
        let read =
            plan.sources.iter().filter(|source| plan.tables.iter().any(|table| table.reads.contains_key(&source.name)));
        let steps = (published + read.count() + 1) as u64;
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("[{elapsed}] {bar:24} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::new(Some(bar))
    }

    /// Lines in the log.
    pub(super) fn lines() -> Self {
        Self::new(None)
    }

    /// The engine has come to a step.
    pub(super) fn step(&mut self, step: Step) {
        if let Some(bar) = &self.bar {
            bar.inc(step.done);
            bar.set_message(step.doing.clone());
        }
        self.doing = step.doing;
    }

    /// Writes a line of the log, beside the bar where there is one.
    pub(super) fn log(&self, line: &[u8], err: &mut dyn Write) {
        // A log that cannot be written is no reason to stop a run.
        let mut write = || drop(err.write_all(line));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// When the next sign of life is due; never with a bar, which shows itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.bar.is_none().then_some(self.beat)
    }

    /// Gives the sign of life.
    pub(super) fn beat(&mut self) {
        let elapsed_s = self.begun.elapsed().as_secs();
        let memory = memory().0.map(bytes);
        tracing::info!(elapsed_s, memory, doing = self.doing, "still running");
        self.beat += BEAT;
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
