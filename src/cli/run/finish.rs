//! The end of a run: record, result line, summary, exit code.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::watch::Failure;
use super::work::{Cause, Ended, Exceeded};
use crate::cli::Io;
use crate::cli::args::{RunArgs, Target};
use crate::cli::exit::{self, Exit};
use crate::cli::prepare::Refused;
use crate::cli::voice::Voice;
use crate::cli::world::{World, absolute, lexical, memory};
use crate::diag::Diagnostics;
use crate::engine::{RunId, RunOutcome};
use crate::plan::RunPlan;
use crate::report::format::bytes;
use crate::report::{self, Circumstances, RunReport, RunStatus, Style, Trouble};

/// Most bytes that Kubernetes shows of a termination message.
const TERMINATION_BYTES: usize = 4096;

/// All that is known when a run has ended.
pub(super) struct Facts<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) plan: &'a RunPlan,
    pub(super) run: &'a RunId,
    pub(super) ended: Ended,
    /// Most memory that the process was allowed to hold.
    pub(super) limit: Option<u64>,
    pub(super) warnings: &'a Diagnostics,
    pub(super) begun: Instant,
}

/// Tells what happened, everywhere where someone listens.
pub(super) fn finish(facts: Facts<'_>, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Exit> {
    let Facts { args, plan, run, ended, limit, warnings, begun } = facts;
    let (exit, status, outcome, mut troubles) = judge(&ended, run);
    let took = begun.elapsed();
    let root = absolute(&plan.publish.root);
    let mut told: Vec<Trouble> = warnings.sorted().into_iter().map(Trouble::from).collect();
    told.extend(troubles.iter().cloned());
    let circumstances = Circumstances {
        status,
        exit_code: exit.code(),
        stopped_by: ended.cause.filter(|_| status == RunStatus::Cancelled).map(|cause| cause.name().to_owned()),
        ended: World::now(),
        took,
        labels: io.world.labels(),
        root: root.display().to_string(),
        peak_memory_bytes: memory().1,
        memory_limit_bytes: limit,
        publishing_unfinished: ended.publishing && ended.result.is_err(),
    };
    let report = RunReport::new(plan, run, outcome, &told, circumstances);
    let record = match report::write(&root, &report) {
        Ok(path) => {
            // Where a query still takes memory that is not there, the next run brings the history up to date.
            let hurry = ended.cause == Some(Cause::Memory) && ended.result.is_err();
            let refreshed = if hurry { Ok(()) } else { report::refresh(&root) };
            if let Err(error) = refreshed {
                troubles.push(Trouble::warning(&format!(
                    "the history of runs is not up to date: {error}: {}",
                    error.source
                )));
            }
            Some(path)
        }
        Err(error) => {
            troubles.push(Trouble::warning(&format!("the run has no record: {error}: {}", error.source)));
            None
        }
    };
    let summary = (voice.is_text() && !args.quiet).then(|| {
        let shown = lexical(&plan.publish.root);
        let record = record.as_ref().map(|_| report::folder_of(&shown, &run.id).join("run.json").display().to_string());
        report::summary(&report, &Style { color: io.world.color(), root: shown.display().to_string(), record })
    });
    // A reader of messages that is gone does not change how a run ended.
    if let Some((facts, _)) = &summary {
        let _ = writeln!(io.err, "{facts}");
    }
    let _ = voice.troubles(io.err, &troubles);
    if let Some((_, last)) = &summary {
        let gap = if troubles.is_empty() { "" } else { "\n" };
        let _ = write!(io.err, "{gap}{last}");
    }
    if !voice.is_text() && !args.quiet {
        log_end(&report, took, record.as_deref(), io);
    }
    let line = report::result_line(&report, record.as_ref().map(|path| path.display().to_string()).as_deref());
    result(args, exit, &line, report.errors.first().map(String::as_str), io)?;
    Ok(exit)
}

/// The result and the termination message where no run came about.
pub(super) fn refused(args: &RunArgs, exit: Exit, refused: &Refused, io: &mut Io<'_>) -> io::Result<Exit> {
    let title = refused.title();
    let line = report::refused_line(exit.code(), &args.pipeline.pipeline.display().to_string(), &title);
    result(args, exit, &line, Some(&title), io)?;
    Ok(exit)
}

/// Exit code and status, and the messages that explain them.
fn judge<'e>(ended: &'e Ended, run: &RunId) -> (Exit, RunStatus, Option<&'e RunOutcome>, Vec<Trouble>) {
    let (exit, status, outcome, mut troubles) = judge_result(ended, run);
    if exit == Exit::Budget
        && status == RunStatus::Cancelled
        && let Some(exceeded) = &ended.exceeded
    {
        troubles.insert(0, too_much(exceeded, ended.publishing));
    }
    (exit, status, outcome, troubles)
}

/// The message of a run that was stopped at its limit of memory.
fn too_much(exceeded: &Exceeded, publishing: bool) -> Trouble {
    let Exceeded { held, budget, during } = exceeded;
    let title = format!(
        "the run was stopped {during}: it held {} of memory, allowed are {}",
        bytes(*held),
        bytes(budget.bytes)
    );
    let kept = "nothing was published; the previous tables were kept";
    let kept =
        if publishing { "every published table is old or new as a whole; the next run settles it" } else { kept };
    Trouble::error(&title)
        .detail(format!("the limit is {}", budget.why))
        .help(kept)
        .help("raise `limits: {memory: ..}` or `--memory` where the machine has more, give it more, or compute fewer tables at once with `--select`")
}

/// What the engine said, or that it said nothing.
fn judge_result<'e>(ended: &'e Ended, run: &RunId) -> (Exit, RunStatus, Option<&'e RunOutcome>, Vec<Trouble>) {
    // A run that ends as cancelled without a cause was stopped by somebody all the same.
    let stopped = || ended.cause.map_or(Exit::Interrupted, super::work::Cause::exit);
    match &ended.result {
        Ok(outcome) => {
            let exit = exit::of_status(outcome.status).unwrap_or_else(stopped);
            let status = match exit {
                Exit::Success => RunStatus::Succeeded,
                Exit::Failed => RunStatus::Failed,
                Exit::Contract | Exit::Source => RunStatus::Rejected,
                _ => RunStatus::Cancelled,
            };
            (exit, status, Some(outcome), report::of_outcome(outcome))
        }
        Err(Failure::Engine(error)) => match exit::of_error(error) {
            Some(exit) => (exit, RunStatus::Failed, None, vec![report::of_error(error)]),
            None => (stopped(), RunStatus::Cancelled, None, Vec::new()),
        },
        Err(Failure::Panic(message)) => {
            let trouble = Trouble::error(&format!("internal error in run {}: {message}", run.id));
            (
                Exit::Internal,
                RunStatus::Failed,
                None,
                vec![trouble.help(
                    "this is a bug of tenure; every published table is whole; please report it with the run record",
                )],
            )
        }
        Err(Failure::Abandoned) => (stopped(), RunStatus::Cancelled, None, Vec::new()),
    }
}

/// The last line of a log for machines.
fn log_end(report: &RunReport, took: Duration, record: Option<&Path>, io: &mut Io<'_>) {
    let line = serde_json::json!({
        "timestamp": report.ended.to_string(),
        "level": if report.exit_code == 0 { "INFO" } else { "ERROR" },
        "message": "run ended",
        "run": report.run_id,
        "status": report.status.word(),
        "exit_code": report.exit_code,
        "duration_s": took.as_secs_f64(),
        "record": record.map(|path| path.display().to_string()),
    });
    let _ = writeln!(io.err, "{line}");
}

/// Writes the result line where it was asked for and where orchestrators look.
fn result(args: &RunArgs, exit: Exit, line: &str, error: Option<&str>, io: &mut Io<'_>) -> io::Result<()> {
    let warn = |io: &mut Io<'_>, path: &Path, error: &io::Error| {
        let trouble = Trouble::warning(&format!("could not write the result to `{}`: {error}", path.display()));
        let _ = io.err.write_all(trouble.render(io.world.color()).as_bytes());
    };
    if let (Some(path), Some(error), false) = (&io.world.termination_log, error, exit == Exit::Success) {
        // Only there below Kubernetes, and nobody else's file.
        let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut file| {
            let text = format!("exit code {}: {error}\n", exit.code());
            file.write_all(&text.as_bytes()[..text.len().min(TERMINATION_BYTES)])
        });
    }
    if args.result == Target::None {
        return Ok(());
    }
    let with_break = format!("{line}\n");
    if let Some(folder) = io.world.xcom.clone().filter(|folder| folder.is_dir()) {
        let path = folder.join("return.json");
        if let Err(error) = report::replace(&path, with_break.as_bytes()) {
            warn(io, &path, &error);
        }
    }
    match &args.result {
        Target::File(path) => {
            if let Err(error) = report::replace(path, with_break.as_bytes()) {
                warn(io, path, &error);
            }
        }
        Target::Stdout => print(io, &with_break)?,
        Target::Auto if !io.world.out_tty => print(io, &with_break)?,
        Target::Auto | Target::None => {}
    }
    Ok(())
}

/// The run keeps its exit code when nobody reads the result.
fn print(io: &mut Io<'_>, line: &str) -> io::Result<()> {
    match io.out.write_all(line.as_bytes()).and_then(|()| io.out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
