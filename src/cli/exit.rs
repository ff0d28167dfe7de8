//! Exit codes: public interface, the same for every verb.

use std::io;

use crate::diag::{Code, Diagnostics, Severity};
use crate::engine::{EngineError, Status};
use crate::publish::{FsError, LockError, PublishError, VerifyError};
use crate::sources::{Problems, SourceErrorClass};

/// What the process says with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success, also with warnings, also when nothing had changed.
    Success = 0,
    /// A table failed, or the machine refused something that a retry does not mend.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The pipeline file or the plan is invalid.
    Plan = 3,
    /// A data contract or a check failed at severity error.
    Contract = 4,
    /// A source is missing, incomplete or stale.
    Source = 5,
    /// Input or output failed for a reason that may pass.
    Transient = 6,
    /// Another run holds the lock.
    Locked = 7,
    /// Memory or disk are used up.
    Budget = 8,
    /// A comparison found what it cannot explain.
    Differences = 10,
    /// A bug.
    Internal = 70,
    /// `--timeout` was reached.
    Timeout = 124,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The table that `tenure help exit-codes` prints: code, meaning, whether a retry helps.
pub(super) const TABLE: &[(&str, &str, &str)] = &[
    ("0", "success, also with warnings, also when nothing had changed", ""),
    ("1", "a table failed while executing, a test failed, or the output cannot be written", "no"),
    ("2", "command line wrong: unknown flag, a selector term that matches nothing, bad parameter, no `as_of`", "no"),
    ("3", "pipeline file or plan invalid", "no"),
    ("4", "a data contract or check failed at severity error; what it concerns is not published", "no, fix the data"),
    ("5", "source missing, incomplete, or older than its `freshness` allows; nothing is published", "later"),
    ("6", "transient input or output error", "yes"),
    ("7", "another run holds the lock", "yes"),
    ("8", "memory, disk or quota exceeded", "with more resources"),
    ("9", "reserved: fenced, a newer version was published meanwhile", "no"),
    ("10", "differences that no option explains (`tenure reconcile`)", "no"),
    ("70", "internal error (a bug); the message names the run", "no"),
    ("99", "reserved: nothing to do", ""),
    ("124", "stopped by --timeout", "yes"),
    ("130", "stopped by SIGINT", "yes"),
    ("143", "stopped by SIGTERM", "yes"),
];

/// The code of mistakes in the pipeline file, on the command line, and of files that cannot be read.
///
/// Mistakes in the file come first: they are there whatever the exports do.
pub(super) fn of_mistakes(diags: &Diagnostics, problems: Option<&Problems>) -> Exit {
    let errors = diags.sorted();
    let errors: Vec<_> = errors.into_iter().filter(|d| d.severity == Severity::Error).collect();
    let exits: Vec<Exit> = errors
        .iter()
        .map(|d| match d.code {
            Code::UnknownSelection | Code::UnknownEnvironment | Code::AsOfMissing => Exit::Usage,
            // Without a place they were given on the command line or by the environment.
            Code::UnknownParam | Code::ParamValue if d.span.is_none() => Exit::Usage,
            Code::NoFiles => Exit::Source,
            Code::Internal => Exit::Internal,
            _ => Exit::Plan,
        })
        .collect();
    let order = [Exit::Internal, Exit::Plan, Exit::Usage, Exit::Source];
    if let Some(exit) = order.into_iter().find(|exit| exits.contains(exit)) {
        return exit;
    }
    match problems {
        Some(problems) if problems.is_transient() => Exit::Transient,
        Some(problems) if !problems.is_empty() => Exit::Source,
        _ => Exit::Success,
    }
}

/// The code of a run that came to an end; `None` where it was stopped and the reason decides.
pub(super) fn of_status(status: Status) -> Option<Exit> {
    match status {
        Status::Succeeded => Some(Exit::Success),
        Status::Failed => Some(Exit::Failed),
        Status::Rejected => Some(Exit::Contract),
        Status::Stale => Some(Exit::Source),
        Status::Cancelled => None,
    }
}

/// The code of a run that could not be carried out; `None` where it was stopped and the reason decides.
pub(super) fn of_error(error: &EngineError) -> Option<Exit> {
    match error {
        EngineError::Source(error) => match error.class() {
            SourceErrorClass::Incomplete => Some(Exit::Source),
            SourceErrorClass::Transient => Some(Exit::Transient),
            SourceErrorClass::Failed => Some(Exit::Failed),
            SourceErrorClass::Cancelled => None,
        },
        EngineError::Lock(LockError::Held { .. }) => Some(Exit::Locked),
        EngineError::Lock(LockError::Cancelled { .. }) => None,
        EngineError::Lock(LockError::Fs(error)) => Some(of_fs(error)),
        EngineError::Publish(error) => Some(of_publish(error)),
        EngineError::Verify { source, .. } => Some(of_verify(source)),
        EngineError::Write { source, .. } => Some(of_io(source)),
        EngineError::TornGroup { .. } => Some(Exit::Usage),
        EngineError::Query { .. } => Some(Exit::Failed),
    }
}

fn of_publish(error: &PublishError) -> Exit {
    match error {
        PublishError::Fs(error) => of_fs(error),
        PublishError::Verify(error) => of_verify(error),
        // Someone else touched the files; what the next run finds is whole.
        PublishError::StagedChanged { .. } | PublishError::SourceChanged { .. } | PublishError::Unfinished { .. } => {
            Exit::Transient
        }
        PublishError::Name { .. } | PublishError::Twice { .. } | PublishError::NoUnit { .. } => Exit::Internal,
        PublishError::Occupied { .. } | PublishError::NewerJournal { .. } | PublishError::TwoFileSystems { .. } => {
            Exit::Failed
        }
    }
}

fn of_verify(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Fs(error) => of_fs(error),
        // The engine promised other columns or rows than it wrote.
        VerifyError::Rows { .. } | VerifyError::Columns { .. } => Exit::Internal,
        VerifyError::Footer { .. } | VerifyError::Cut { .. } => Exit::Failed,
    }
}

fn of_fs(error: &FsError) -> Exit {
    if error.is_disk_full() {
        Exit::Budget
    } else if error.is_transient() {
        Exit::Transient
    } else {
        Exit::Failed
    }
}

/// The code of a refused system call.
pub(super) fn of_io(error: &io::Error) -> Exit {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::OutOfMemory | Kind::FileTooLarge => Exit::Budget,
        Kind::Interrupted | Kind::WouldBlock | Kind::TimedOut | Kind::StaleNetworkFileHandle => Exit::Transient,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diag::Span;
    use crate::publish::Action;
    use crate::sources::{FileFault, Problem, SourceError};

    fn fs(kind: io::ErrorKind) -> FsError {
        FsError { action: Action::Write, path: PathBuf::from("x"), source: kind.into() }
    }

    fn problem(fault: FileFault) -> Problem {
        Problem { source_name: "items".to_owned(), path: PathBuf::from("x"), fault }
    }

    #[test]
    fn every_code_is_in_the_table() {
        use Exit::{
            Budget, Contract, Differences, Failed, Internal, Interrupted, Locked, Plan, Source, Success, Terminated,
            Timeout, Transient, Usage,
        };
        let all = [
            Success,
            Failed,
            Usage,
            Plan,
            Contract,
            Source,
            Transient,
            Locked,
            Budget,
            Differences,
            Internal,
            Timeout,
            Interrupted,
            Terminated,
        ];
        for exit in all {
            assert!(TABLE.iter().any(|(code, ..)| *code == exit.code().to_string()), "{exit:?}");
        }
        assert!(TABLE.iter().map(|(code, ..)| code.parse::<u8>().unwrap()).is_sorted());
    }

    #[test]
    fn errors_of_the_engine_have_their_codes() {
        let io = io::ErrorKind::TimedOut;
        let table = || "t".to_owned();
        for (error, exit) in [
            (SourceError::Changed { source_name: table(), path: PathBuf::new() }.into(), Some(Exit::Source)),
            (SourceError::File(problem(FileFault::Gone)).into(), Some(Exit::Source)),
            (SourceError::File(problem(FileFault::Io(io.into()))).into(), Some(Exit::Transient)),
            (SourceError::TooManyRows { source_name: table(), rows: 1 }.into(), Some(Exit::Failed)),
            (SourceError::Cancelled.into(), None),
            (LockError::Held { path: PathBuf::new(), holder: None }.into(), Some(Exit::Locked)),
            (LockError::Cancelled { path: PathBuf::new() }.into(), None),
            (LockError::Fs(fs(io::ErrorKind::PermissionDenied)).into(), Some(Exit::Failed)),
            (PublishError::Fs(fs(io::ErrorKind::StorageFull)).into(), Some(Exit::Budget)),
            (PublishError::Fs(fs(io)).into(), Some(Exit::Transient)),
            (PublishError::Twice { table: table() }.into(), Some(Exit::Internal)),
            (PublishError::Occupied { path: PathBuf::new(), found: String::new() }.into(), Some(Exit::Failed)),
            (
                EngineError::Write { table: table(), path: PathBuf::new(), source: io::ErrorKind::StorageFull.into() },
                Some(Exit::Budget),
            ),
            (
                EngineError::Verify {
                    table: table(),
                    source: VerifyError::Rows { path: PathBuf::new(), expected: 1, found: 2 },
                },
                Some(Exit::Internal),
            ),
            (EngineError::Query { action: String::new(), message: String::new() }, Some(Exit::Failed)),
        ] {
            let error: EngineError = error;
            assert_eq!(of_error(&error), exit, "{error}");
        }
    }

    #[test]
    fn mistakes_have_their_codes() {
        let at = Span::new(0, 1);
        let of = |told: &dyn Fn(&mut Diagnostics)| {
            let mut diags = Diagnostics::new("p.yml", "text");
            told(&mut diags);
            of_mistakes(&diags, None)
        };
        assert_eq!(of(&|_| ()), Exit::Success);
        assert_eq!(of(&|d| d.unused_source(at, "s", &[])), Exit::Success);
        assert_eq!(of(&|d| d.unknown_selection("--select", "x", &["y"])), Exit::Usage);
        assert_eq!(of(&|d| d.unknown_environment("x", &[])), Exit::Usage);
        assert_eq!(of(&|d| d.as_of_missing()), Exit::Usage);
        assert_eq!(of(&|d| d.unknown_param(None, "x", &[])), Exit::Usage);
        assert_eq!(of(&|d| d.unknown_param(Some(at), "x", &[])), Exit::Plan);
        assert_eq!(of(&|d| d.param_value(None, "x", Some("`--param`"), "no", &[])), Exit::Usage);
        assert_eq!(of(&|d| d.internal(at, "x", "y")), Exit::Internal);
        let both = |d: &mut Diagnostics| {
            d.as_of_missing();
            d.unknown_input(at, "x", &[]);
        };
        assert_eq!(of(&both), Exit::Plan);
    }

    #[test]
    fn files_that_cannot_be_read_have_their_codes() {
        let none = Diagnostics::without_file();
        let broken = |faults: Vec<FileFault>| Problems(faults.into_iter().map(problem).collect());
        let io = || FileFault::Io(io::ErrorKind::TimedOut.into());
        assert_eq!(of_mistakes(&none, Some(&broken(vec![]))), Exit::Success);
        assert_eq!(of_mistakes(&none, Some(&broken(vec![FileFault::Truncated]))), Exit::Source);
        assert_eq!(of_mistakes(&none, Some(&broken(vec![io()]))), Exit::Transient);
        assert_eq!(of_mistakes(&none, Some(&broken(vec![io(), FileFault::Empty]))), Exit::Source);
        let mut diags = Diagnostics::without_file();
        diags.root_missing(Span::new(0, 1));
        assert_eq!(of_mistakes(&diags, Some(&broken(vec![FileFault::Truncated]))), Exit::Plan);
    }
}
