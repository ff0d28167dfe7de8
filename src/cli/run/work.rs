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
use crate::cli::memory::{self, Budget};
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
    /// Most memory that the process may hold; not looked at where `None`.
    pub(super) memory: Option<Budget>,
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
    /// The limit of memory that was exceeded, where that stopped the run.
    pub(super) exceeded: Option<Exceeded>,
}

/// A limit of memory that was exceeded.
pub(super) struct Exceeded {
    /// What the process held.
    pub(super) held: u64,
    /// What it was allowed.
    pub(super) budget: Budget,
    /// What the engine was doing.
    pub(super) during: String,
}

/// What stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Timeout,
    Memory,
    Signal(i32),
}

impl Cause {
    /// Its exit code.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Timeout => Exit::Timeout,
            Self::Memory => Exit::Budget,
            Self::Signal(SIGINT) => Exit::Interrupted,
            Self::Signal(_) => Exit::Terminated,
        }
    }

    /// Its name in records.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory limit",
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
    let memory = job.memory.clone().map(|budget| Gauge { budget, due: Instant::now() });
    let watcher = Arc::new(Watcher::new(events.clone()));
    let mut listener = Listener {
        heard: &heard,
        watcher: &watcher,
        progress: &mut progress,
        limit,
        memory,
        stop: None,
        exceeded: None,
    };
    let (result, cause) = match start(job, log, events, Arc::clone(&watcher)) {
        Ok(()) => listener.listen(io),
        Err(error) => (Err(Failure::Panic(format!("could not start a thread: {error}"))), None),
    };
    let exceeded = listener.exceeded.take();
    let ended = Ended { result, cause, publishing: watcher.reached_publishing(), exceeded };
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
    memory: Option<Gauge>,
    stop: Option<Stop>,
    exceeded: Option<Exceeded>,
}

/// The memory of the process beside what it may hold.
struct Gauge {
    budget: Budget,
    /// When it is looked at next.
    due: Instant,
}

impl Gauge {
    /// Looks when it is due; what the process holds where that is too much.
    fn exceeded(&mut self, now: Instant) -> Option<u64> {
        if now < self.due {
            return None;
        }
        // Whoever asked for a limit saw at the start that this system does not tell.
        let held = memory::held().unwrap_or(0);
        self.due = now + memory::pause(held, self.budget.bytes);
        (held > self.budget.bytes).then_some(held)
    }
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
    fn listen(&mut self, io: &mut Io<'_>) -> (Result<RunOutcome, Failure>, Option<Cause>) {
        loop {
            let now = Instant::now();
            if self.stop.is_none_or(|stop| !stop.closed)
                && let Some(held) = self.memory.as_mut().and_then(|gauge| gauge.exceeded(now))
            {
                self.exceed(held);
            }
            match self.stop {
                None if self.limit.is_some_and(|limit| now >= limit) => self.cancel(Cause::Timeout),
                Some(Stop { cause, until, closed: false }) if now >= until => {
                    // Waits for a swap that runs: from here on it is decided what readers see.
                    self.watcher.publishing().stop();
                    self.stop = Some(Stop { cause, until: Instant::now() + LAST_WORD, closed: true });
                }
                Some(Stop { cause, until, closed: true }) if now >= until => {
                    return (Err(Failure::Abandoned), Some(cause));
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
                Ok(Event::Done(result)) => return (result, self.stop.map(|stop| stop.cause)),
                Err(RecvTimeoutError::Disconnected) => {
                    return (Err(Failure::Panic("the engine ended without a word".to_owned())), None);
                }
            }
        }
    }

    fn cancel(&mut self, cause: Cause) {
        tracing::warn!(by = cause.name(), "stopping; nothing more becomes visible, a second signal ends at once");
        self.watcher.cancel();
        self.stop = Some(Stop { cause, until: Instant::now() + GRACE, closed: false });
    }

    /// Stops a run that holds too much. Its query is not waited for: it would take more, and what the
    /// kernel does next leaves no record.
    fn exceed(&mut self, held: u64) {
        let Some(Gauge { budget, .. }) = self.memory.take() else { return };
        self.exceeded = Some(Exceeded { held, budget, during: self.watcher.during() });
        self.watcher.cancel();
        self.watcher.publishing().stop();
        // Where tables have become visible already, the engine says so.
        let grace = if self.watcher.reached_publishing() { LAST_WORD } else { Duration::ZERO };
        let cause = self.stop.map_or(Cause::Memory, |stop| stop.cause);
        self.stop = Some(Stop { cause, until: Instant::now() + grace, closed: true });
    }

    /// How long there is nothing to do but to listen.
    fn wait(&self) -> Duration {
        let due = self.memory.as_ref().filter(|_| self.stop.is_none_or(|stop| !stop.closed)).map(|gauge| gauge.due);
        let stop = match &self.stop {
            Some(stop) => Some(stop.until),
            None => self.limit,
        };
        let next = stop.into_iter().chain(due).chain(self.progress.due()).min();
        next.map_or(Duration::from_secs(3600), |next| next.saturating_duration_since(Instant::now()))
    }
}
