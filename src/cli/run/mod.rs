//! `tenure run`

mod finish;
mod log;
mod progress;
mod watch;
mod work;

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use super::args::{FailpointAction, LogLevel, RunArgs};
use super::memory::{self, Budget, budget};
use super::voice::Voice;
use super::world::World;
use super::{Exit, Io, prepare, process};
use crate::engine::RunId;
use crate::plan::RunPlan;
use crate::publish::{FailAction, arm_failpoint};
use crate::report::Trouble;
use crate::spec::pipeline::LimitsSpec;

pub(super) fn run(args: &RunArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let begun = Instant::now();
    let started = World::now();
    let voice = Voice::new(args.log_format, io.world);
    if let Some(exit) = settle(args, voice, io)? {
        return Ok(exit);
    }
    let read = prepare::read(&args.pipeline, io.world);
    let asked = LimitsSpec { threads: args.threads, memory: args.memory };
    let limits = read.as_ref().map_or(asked, |read| asked.or(read.file.limits()));
    if let Err(error) = process::start_again(io.world, limits.threads) {
        let threads = limits.threads.unwrap_or_default();
        let text = format!("queries use all cores: could not start again with {threads} threads: {error}");
        voice.trouble(io.err, &Trouble::warning(&text))?;
    }
    let prepared = read.and_then(|read| read.prepare(&args.pipeline, asked));
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(refused) => {
            let exit = refused.tell(voice, io)?;
            return finish::refused(args, exit, &refused, io);
        }
    };
    voice.diagnostics(io.err, &prepared.warnings)?;
    let memory = watched(&prepared.plan, voice, io)?;
    let run = RunId { id: World::run_id(started), started };
    let limit = memory.as_ref().map(|budget| budget.bytes);
    let plan = Arc::new(prepared.plan);
    let (events, heard) = mpsc::channel();
    let level = level(args, io.world);
    let log = log::Log::new(args.log_format, level, io.world.color(), events.clone());
    let ended = log.with(io.world.process, || {
        let bars =
            args.log_format == super::args::LogFormat::Text && !args.quiet && io.world.process && io.world.err_tty;
        let progress = if bars { progress::Progress::bar(&plan) } else { progress::Progress::lines() };
        let job = work::Job {
            plan: Arc::clone(&plan),
            run: run.clone(),
            timeout: args.timeout,
            memory,
            begun,
            panic: args.panic,
        };
        work::work(job, &log, (events, heard), progress, io)
    });
    finish::finish(
        finish::Facts { args, plan: &plan, run: &run, ended, limit, warnings: &prepared.warnings, begun },
        voice,
        io,
    )
}

/// What must be in place before anything is read.
fn settle(args: &RunArgs, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Option<Exit>> {
    if let Some(failpoint) = &args.failpoint {
        let (name, visit) = failpoint.split_once(':').unwrap_or((failpoint, "1"));
        let action = match args.failpoint_action {
            FailpointAction::Kill => FailAction::Kill,
            FailpointAction::Error => FailAction::Error(io::ErrorKind::Other),
            FailpointAction::Full => FailAction::Error(io::ErrorKind::StorageFull),
        };
        if let Err(error) = arm_failpoint(name, visit.parse().unwrap_or(1), action) {
            voice.trouble(io.err, &Trouble::error(&error.to_string()))?;
            return Ok(Some(Exit::Usage));
        }
    }
    let by_default = io.world.var("AIRFLOW_CTX_TRY_NUMBER").is_some();
    if io.world.process && args.die_with_parent.unwrap_or(by_default) {
        match process::die_with_parent() {
            Ok(()) => {}
            Err(error) if args.die_with_parent == Some(true) => {
                voice.trouble(io.err, &Trouble::error(&format!("could not follow the parent process: {error}")))?;
                return Ok(Some(Exit::Failed));
            }
            Err(error) => tracing::debug!(%error, "could not follow the parent process"),
        }
    }
    Ok(None)
}

/// The limit of memory that is watched: only in the program, which is the process that it counts.
fn watched(plan: &RunPlan, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Option<Budget>> {
    if !io.world.process {
        return Ok(None);
    }
    let told = memory::held().ok_or("the system does not say how much this process holds");
    match told.and_then(|_| budget(plan.limits.memory, io.world.machine)) {
        Ok(budget) => Ok(Some(budget)),
        Err(reason) => {
            if let Some(limit) = plan.limits.memory {
                let text = format!("the memory limit of {limit} is not watched: {reason}");
                voice.trouble(io.err, &Trouble::warning(&text))?;
            }
            Ok(None)
        }
    }
}

fn level(args: &RunArgs, world: &World) -> LogLevel {
    let default = if args.quiet || (world.process && world.err_tty) { LogLevel::Warn } else { LogLevel::Info };
    args.log_level.unwrap_or(default)
}
