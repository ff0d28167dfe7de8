//! What can go wrong while publishing, in the terms an operator acts on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Holder;

/// What was being done to a path when the machine refused.
///
/// Displays as the words after "could not".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Create a file or directory.
    Create,
    /// Open or read a file, a directory, or a link.
    Read,
    /// Write to a file.
    Write,
    /// Force a file or directory to stable storage.
    Sync,
    /// Rename something onto this path.
    Replace,
    /// Give a file a second name, this path.
    HardLink,
    /// Create a symbolic link at this path.
    Symlink,
    /// Delete a file or directory.
    Remove,
    /// Take the lock.
    Lock,
    /// Pass the armed failpoint whose name stands in for the path.
    Failpoint,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Create => "create",
            Action::Read => "read",
            Action::Write => "write",
            Action::Sync => "sync to disk",
            Action::Replace => "replace",
            Action::HardLink => "hard-link",
            Action::Symlink => "create the symlink",
            Action::Remove => "remove",
            Action::Lock => "lock",
            Action::Failpoint => "pass the failpoint",
        })
    }
}

/// One refused file-system operation: what, where, and the system's reason (the `source`).
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{}`", path.display())]
pub struct FsError {
    /// What was attempted.
    pub action: Action,
    /// The path it was attempted on.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}

impl FsError {
    /// True when the same operation may succeed if simply repeated later (exit code 6).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::StaleNetworkFileHandle
        )
    }

    /// True when the disk or the quota is full (exit code 8).
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Adds action and path to a system error: `fs::read(p).at(Action::Read, p)?`.
pub(super) trait At<T> {
    fn at(self, action: Action, path: &Path) -> Result<T, FsError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: Action, path: &Path) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.to_path_buf(), source })
    }
}

/// Why a publish, a recovery, or the opening of a root did not succeed.
///
/// Whatever the variant, every published table is still whole, and a group is still of one
/// version.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The machine refused an operation.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A table, group, or run has a name that cannot be a file name of this layout.
    #[error("{kind} name `{name}` cannot be used as a file name")]
    Name {
        /// `table`, `group`, or `run`.
        kind: &'static str,
        /// The name as given.
        name: String,
    },
    /// A table is in two units of one publish, or was staged twice.
    #[error("table `{table}` is named twice in one publish")]
    Twice {
        /// The table.
        table: String,
    },
    /// A table was staged, but no unit publishes it.
    #[error("table `{table}` was staged, but belongs to nothing that is published")]
    NoUnit {
        /// The table.
        table: String,
    },
    /// A staged file is no longer the file that was verified.
    #[error("staged file `{}` changed after it was verified: {expected} bytes then, {found} now", path.display())]
    StagedChanged {
        /// The staged file.
        path: PathBuf,
        /// Its size when verified.
        expected: u64,
        /// Its size now.
        found: u64,
    },
    /// Something that `tenure` did not make is where a table is to be published. It is left alone.
    #[error("`{}` is {found}, which was not published by tenure", path.display())]
    Occupied {
        /// The path of the table.
        path: PathBuf,
        /// `a directory`, `a symlink to ...`.
        found: String,
    },
    /// An earlier publish has not been finished; [`Lock::recover`](super::Lock::recover) finishes it.
    #[error("an unfinished publish is recorded in `{}`", path.display())]
    Unfinished {
        /// The journal.
        path: PathBuf,
    },
    /// The journal was written by a newer version of the program.
    #[error("`{}` has format {found}; this version of tenure knows formats up to {known}", path.display())]
    NewerJournal {
        /// The journal.
        path: PathBuf,
        /// The format it declares.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// A file that a table version is made from is not the file that the publish was planned with.
    #[error("`{}` changed while it was being published", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// The staging area is on another file system than the tables, so a rename cannot be atomic.
    #[error("`{}` is on another file system than `{}`", staging.display(), root.display())]
    TwoFileSystems {
        /// The folder for staging.
        staging: PathBuf,
        /// The output root.
        root: PathBuf,
    },
    /// A table that is carried forward could not be read as Parquet.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl PublishError {
    /// See [`FsError::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.fs().is_some_and(FsError::is_transient)
    }

    /// See [`FsError::is_disk_full`].
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.fs().is_some_and(FsError::is_disk_full)
    }

    fn fs(&self) -> Option<&FsError> {
        match self {
            PublishError::Fs(error) | PublishError::Verify(VerifyError::Fs(error)) => Some(error),
            _ => None,
        }
    }
}

/// Why a staged file is not fit to be published. The file is left where it is.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The machine refused an operation.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The file is not a whole Parquet file.
    #[error("`{}` is not a complete Parquet file", path.display())]
    Footer {
        /// The file.
        path: PathBuf,
        /// What the Parquet reader found.
        source: parquet::errors::ParquetError,
    },
    /// The footer describes data beyond the end of the file.
    #[error("`{}` is cut: its footer describes data up to byte {needed}, the data ends at {found}", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Where the last column chunk ends according to the footer.
        needed: u64,
        /// Where the footer begins.
        found: u64,
    },
    /// The file holds another number of rows than were produced.
    #[error("`{}` has {found} rows, expected {expected}", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// Rows the caller produced.
        expected: u64,
        /// Rows in the file.
        found: u64,
    },
    /// The file has other columns, types, or another order than promised.
    #[error("`{}` has columns ({}), expected ({})", path.display(), list(found), list(expected))]
    Columns {
        /// The file.
        path: PathBuf,
        /// Name and type of each promised column.
        expected: Vec<(String, String)>,
        /// Name and type of each column in the file.
        found: Vec<(String, String)>,
    },
}

impl VerifyError {
    /// See [`FsError::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, VerifyError::Fs(error) if error.is_transient())
    }

    /// See [`FsError::is_disk_full`].
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, VerifyError::Fs(error) if error.is_disk_full())
    }
}

fn list(columns: &[(String, String)]) -> String {
    let columns: Vec<_> = columns.iter().map(|(n, t)| format!("{n}: {t}")).collect();
    columns.join(", ")
}

/// Why the lock of a root was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it, and still did when the wait was over (exit code 7).
    #[error("`{}` is held by {}", path.display(), said(holder.as_ref()))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as the lock file says.
        holder: Option<Holder>,
    },
    /// The wait was cancelled.
    #[error("cancelled while waiting for `{}`", path.display())]
    Cancelled {
        /// The lock file.
        path: PathBuf,
    },
    /// The machine refused an operation; on some network file systems locks do not exist.
    #[error(transparent)]
    Fs(#[from] FsError),
}

fn said(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

/// Why a failpoint was not armed.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// No failpoint has this name.
    #[error("unknown failpoint `{0}`")]
    Unknown(String),
    /// One failpoint can be armed per process, once.
    #[error("a failpoint is already armed")]
    Already,
}
