//! The lock of a root: one run at a time stages, recovers, and publishes.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Action, At, FsError, LockError};
use super::root::Root;

const POLL: Duration = Duration::from_millis(100);

/// Who holds a lock, for the message to whoever waits. Never used to decide anything: the kernel
/// alone knows whether the lock is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run_id: String,
    /// Its process, in its own host or container.
    pub pid: u32,
    /// When the run started.
    pub started: Timestamp,
}

impl Holder {
    /// This process, for the run that started then.
    #[must_use]
    pub fn this_process(run_id: &str, started: Timestamp) -> Holder {
        Holder { run_id: run_id.to_owned(), pid: std::process::id(), started }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { run_id, pid, started } = self;
        write!(f, "run {run_id} (pid {pid}, started {started})")
    }
}

/// The right to change a root, until dropped. The kernel frees it when the process ends, however
/// it ends, so there is nothing to break or to clean up.
#[derive(Debug)]
pub struct Lock {
    pub(super) root: Root,
    // Held for its lock.
    _file: File,
}

impl Root {
    /// Takes the lock, waiting up to `wait` and asking `cancelled` about ten times a second.
    ///
    /// `wait` is counted in the naps taken, so a suspended machine does not use it up.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] when another run has it to the end of the wait,
    /// [`LockError::Cancelled`], or [`LockError::Fs`] when the lock file cannot be used.
    pub fn lock(&self, holder: &Holder, wait: Duration, cancelled: &dyn Fn() -> bool) -> Result<Lock, LockError> {
        let path = self.own("lock");
        let mut waited = Duration::ZERO;
        loop {
            if let Some(mut file) = attempt(&path)? {
                write_holder(&mut file, holder).at(Action::Write, &path)?;
                return Ok(Lock { root: self.clone(), _file: file });
            }
            if cancelled() {
                return Err(LockError::Cancelled { path });
            }
            if waited >= wait {
                let holder = read_holder(&path);
                return Err(LockError::Held { path, holder });
            }
            let nap = POLL.min(wait.saturating_sub(waited));
            std::thread::sleep(nap);
            waited += nap;
        }
    }
}

/// The locked file, or `None` while another process has it.
fn attempt(path: &Path) -> Result<Option<File>, FsError> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .at(Action::Create, path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).at(Action::Lock, path),
        }
        // Someone may have deleted the file between open and lock; a lock on a file without a name
        // excludes nobody.
        let ours = file.metadata().at(Action::Read, path)?;
        if fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(Some(file));
        }
    }
}

fn write_holder(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(holder)?)
}

fn read_holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
