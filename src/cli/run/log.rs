//! Log lines: formatted on any thread, written by the one that owns stderr.

use std::io::{self, Write};
use std::sync::mpsc::Sender;

use tracing::{Dispatch, Level, dispatcher};
use tracing_subscriber::fmt::MakeWriter;

use super::watch::Event;
use crate::cli::args::{LogFormat, LogLevel};

/// Where the log of one run goes.
pub(super) struct Log {
    dispatch: Dispatch,
}

impl Log {
    /// A log whose lines become events.
    pub(super) fn new(format: LogFormat, level: LogLevel, color: bool, events: Sender<Event>) -> Self {
        let level = match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        };
        let base = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_target(false)
            .with_ansi(color)
            .with_writer(Lines(events));
        let dispatch = match format {
            LogFormat::Text => Dispatch::new(base.finish()),
            LogFormat::Json => Dispatch::new(base.json().flatten_event(true).finish()),
        };
        Self { dispatch }
    }

    /// Runs `act` so that what it logs on this thread, and in the program on every thread, comes here.
    pub(super) fn with<T>(&self, process: bool, act: impl FnOnce() -> T) -> T {
        if process {
            // One run per process; should there be another log already, this thread has its own.
            let _ = dispatcher::set_global_default(self.dispatch.clone());
        }
        dispatcher::with_default(&self.dispatch, act)
    }

    /// The same log for another thread.
    pub(super) fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }
}

struct Lines(Sender<Event>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { events: self.0.clone(), text: Vec::new() }
    }
}

/// One event of the log, sent as a whole.
struct Line {
    events: Sender<Event>,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody listens any more when the run is over.
        let _ = self.events.send(Event::Log(std::mem::take(&mut self.text)));
    }
}
