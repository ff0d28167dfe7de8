//! A failpoint is a named instant at which a test can make this process die or fail.
//!
//! They exist in every build, because a crash test of another binary proves nothing. Unarmed, a
//! failpoint is one atomic load.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{Action, ArmError, At, FsError};

/// Every failpoint, in the order in which a publish and then a recovery reach them.
pub const FAILPOINTS: &[&str] = &[
    "verify.before",
    "verify.after",
    "publish.before",
    "publish.planned",
    "journal.prepared.before",
    "journal.prepared.after",
    "version.before",
    "version.linked",
    "version.after",
    "manifest.before",
    "manifest.after",
    "journal.swapping.before",
    "journal.swapping.after",
    "bridge.before",
    "bridge.after",
    "link.before",
    "link.after",
    "detach.before",
    "detach.linked",
    "detach.after",
    "switch.before",
    "switch.after",
    "history.after",
    "single.before",
    "single.after",
    "journal.done.before",
    "journal.done.after",
    "cleanup.version.before",
    "cleanup.version.moved",
    "cleanup.staging.before",
    "cleanup.staging.after",
    "journal.removed.before",
    "journal.removed.after",
    "publish.after",
    "recover.before",
    "recover.judged",
    "recover.rollback",
    "recover.swept",
    "recover.after",
];

/// What an armed failpoint does when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailAction {
    /// The process sends itself SIGKILL: nothing is flushed, no destructor runs.
    Kill,
    /// The step fails with an I/O error of this kind.
    Error(io::ErrorKind),
}

struct Armed {
    name: String,
    visits_left: AtomicUsize,
    action: FailAction,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one failpoint for the rest of this process: it acts on its `visit`-th visit (from 1), once.
///
/// # Errors
///
/// [`ArmError`] when no failpoint has this name, or one is armed already.
pub fn arm_failpoint(name: &str, visit: usize, action: FailAction) -> Result<(), ArmError> {
    if !FAILPOINTS.contains(&name) {
        return Err(ArmError::Unknown(name.to_owned()));
    }
    let armed = Armed { name: name.to_owned(), visits_left: AtomicUsize::new(visit.max(1)), action };
    ARMED.set(armed).map_err(|_| ArmError::Already)
}

/// Marks an instant; does nothing unless this name is armed.
///
/// # Errors
///
/// The armed I/O error, with the failpoint's name in place of a path.
pub fn failpoint(name: &'static str) -> Result<(), FsError> {
    match ARMED.get() {
        Some(armed) if armed.name == name => reach(armed),
        _ => Ok(()),
    }
}

fn reach(armed: &Armed) -> Result<(), FsError> {
    // Below zero the counter wraps to a huge number, so the failpoint acts once.
    if armed.visits_left.fetch_sub(1, Ordering::SeqCst) != 1 {
        return Ok(());
    }
    match armed.action {
        FailAction::Kill => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // SIGKILL to oneself does not return; should it, the process ends here all the same.
            std::process::abort()
        }
        FailAction::Error(kind) => Err(io::Error::from(kind)).at(Action::Failpoint, Path::new(&armed.name)),
    }
}
