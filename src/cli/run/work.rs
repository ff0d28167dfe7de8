//! The engine on a thread of its own, and the main thread that listens to it, to signals and to the clock.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tracing::dispatcher;

use super::log::Log;
use super::progress::Progress;
use super::watch::{Event, Failure, Watcher};
use crate::cli::{Exit, Io, message_of};
use crate::engine::local::Local;
use crate::engine::{Engine as _, RunId, RunOutcome, Watch as _};
use crate::plan::RunPlan;

/// How long a stopped engine may take to end by itself.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long it may take after nothing can be published any more, to say how far it came.
const LAST_WORD: Duration = Duration::from_millis(300);
/// Query plans are deep, and their optimiser is recursive.
const STACK: usize = 64 << 20;

/// What is to be done.
pub(super) struct Job {
    pub(super) plan: Arc<RunPlan>,
    pub(super) run: RunId,
    pub(super) timeout: Option<Duration>,
    pub(super) begun: Instant,
    pub(super) panic: bool,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) result: Result<RunOutcome, Failure>,
    /// What stopped the run, where something did.
    pub(super) cause: Option<Cause>,
    /// Whether the engine had come to publishing.
    pub(super) publishing: bool,
}

/// What stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Timeout,
    Signal(i32),
}

impl Cause {
    /// Its exit code.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Timeout => Exit::Timeout,
            Self::Signal(SIGINT) => Exit::Interrupted,
            Self::Signal(_) => Exit::Terminated,
        }
    }

    /// Its name in records.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Signal(SIGINT) => "SIGINT",
            Self::Signal(_) => "SIGTERM",
        }
    }
}

/// Runs the job to its end, or to where it is stopped.
pub(super) fn work(
    job: Job,
    log: &Log,
    (events, heard): (Sender<Event>, Receiver<Event>),
    mut progress: Progress,
    io: &mut Io<'_>,
) -> Ended {
    if io.world.process
        && let Err(error) = listen(&events)
    {
        tracing::warn!(%error, "signals cannot be caught; one will end this process at once");
    }
    tracing::info!(run = job.run.id, pipeline = job.plan.pipeline, as_of = %job.plan.context.as_of, "run started");
    let limit = job.timeout.map(|timeout| job.begun + timeout);
    let watcher = Arc::new(Watcher::new(events.clone()));
    let mut ended = match start(job, log, events, Arc::clone(&watcher)) {
        Ok(()) => Listener { heard: &heard, watcher: &watcher, progress: &mut progress, limit, stop: None }.listen(io),
        Err(error) => Ended {
            result: Err(Failure::Panic(format!("could not start a thread: {error}"))),
            cause: None,
            publishing: false,
        },
    };
    ended.publishing = watcher.reached_publishing();
    progress.end();
    while let Ok(event) = heard.try_recv() {
        if let Event::Log(line) = event {
            progress.log(&line, io.err);
        }
    }
    ended
}

/// Starts the engine on a thread.
fn start(job: Job, log: &Log, events: Sender<Event>, watcher: Arc<Watcher>) -> io::Result<()> {
    let dispatch = log.dispatch();
    let engine = move || {
        let Job { plan, run, panic, .. } = job;
        let work = || {
            assert!(!panic, "asked to panic by a test");
            Local::default().run(&plan, &run, &*watcher)
        };
        let result = match dispatcher::with_default(&dispatch, || catch_unwind(AssertUnwindSafe(work))) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(Failure::Engine(error)),
            Err(panic) => Err(Failure::Panic(message_of(panic.as_ref()))),
        };
        // Nobody waits for a run that was abandoned.
        let _ = events.send(Event::Done(result));
    };
    thread::Builder::new().name("engine".to_owned()).stack_size(STACK).spawn(engine).map(drop)
}

/// Turns the first signal into an event; the second ends the process at once.
fn listen(events: &Sender<Event>) -> io::Result<()> {
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
        flag::register(signal, Arc::clone(&again))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let events = events.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

struct Listener<'a> {
    heard: &'a Receiver<Event>,
    watcher: &'a Watcher,
    progress: &'a mut Progress,
    limit: Option<Instant>,
    stop: Option<Stop>,
}

/// A run that was told to stop.
#[derive(Clone, Copy)]
struct Stop {
    cause: Cause,
    /// Until when the engine may end by itself.
    until: Instant,
    /// Whether nothing can become visible any more.
    closed: bool,
}

impl Listener<'_> {
    fn listen(mut self, io: &mut Io<'_>) -> Ended {
        loop {
            let now = Instant::now();
            match self.stop {
                None if self.limit.is_some_and(|limit| now >= limit) => self.cancel(Cause::Timeout),
                Some(Stop { cause, until, closed: false }) if now >= until => {
                    // Waits for a swap that runs: from here on it is decided what readers see.
                    self.watcher.publishing().stop();
                    self.stop = Some(Stop { cause, until: Instant::now() + LAST_WORD, closed: true });
                }
                Some(Stop { cause, until, closed: true }) if now >= until => {
                    return Ended { result: Err(Failure::Abandoned), cause: Some(cause), publishing: false };
                }
                _ => {}
            }
            if self.progress.due().is_some_and(|due| now >= due) {
                self.progress.beat();
            }
            match self.heard.recv_timeout(self.wait()) {
                Ok(Event::Log(line)) => self.progress.log(&line, io.err),
                Ok(Event::Step(step)) => self.progress.step(step),
                Ok(Event::Signal(signal)) if self.stop.is_none() => self.cancel(Cause::Signal(signal)),
                Ok(Event::Signal(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Done(result)) => {
                    return Ended { result, cause: self.stop.map(|stop| stop.cause), publishing: false };
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Ended {
                        result: Err(Failure::Panic("the engine ended without a word".to_owned())),
                        cause: None,
                        publishing: false,
                    };
                }
            }
        }
    }

    fn cancel(&mut self, cause: Cause) {
        tracing::warn!(by = cause.name(), "stopping; nothing more becomes visible, a second signal ends at once");
        self.watcher.cancel();
        self.stop = Some(Stop { cause, until: Instant::now() + GRACE, closed: false });
    }

    /// How long there is nothing to do but to listen.
    fn wait(&self) -> Duration {
        let stop = match &self.stop {
            Some(stop) => Some(stop.until),
            None => self.limit,
        };
        let next = stop.into_iter().chain(self.progress.due()).min();
        next.map_or(Duration::from_secs(3600), |next| next.saturating_duration_since(Instant::now()))
    }
}
