//! What can be wrong with the files of a source before any of them is read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a file or a path.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The pattern matches nothing.
    #[error("no file matches{}", Nearby(.nearest.as_ref()))]
    NoMatch {
        /// The deepest folder of the pattern that exists, and some of the names in it.
        nearest: Option<(PathBuf, Vec<String>)>,
    },
    /// The path is no valid pattern.
    #[error("the pattern is not valid: {0}")]
    Pattern(String),
    /// It was there when the folder was listed, and is gone.
    #[error("the file has disappeared")]
    Gone,
    /// The system does not let this user read it.
    #[error("no permission to read it")]
    Permission,
    /// Reading failed for a reason that may pass.
    #[error("it could not be read: {0}")]
    Io(#[source] io::Error),
    /// It has no byte.
    #[error("the file is empty (0 bytes); an export without rows still has a footer")]
    Empty,
    /// It begins as Parquet and has no end.
    #[error("the file ends before its footer (truncated export?)")]
    Truncated,
    /// It is something else.
    #[error("this is not a Parquet file{}", .guess.map(|g| format!(" (it looks like {g})")).unwrap_or_default())]
    NotParquet {
        /// What the first bytes look like.
        guess: Option<&'static str>,
    },
    /// The footer contradicts itself or the file.
    #[error("the footer is corrupt: {0}")]
    Corrupt(String),
    /// It is encrypted.
    #[error("the file is encrypted, which is not supported")]
    Encrypted,
    /// It uses a part of the format that the query engine does not know yet.
    #[error(
        "the file was written with {0}, which the query engine cannot read yet; write it with an older format version"
    )]
    Newer(&'static str),
    /// A column has a type that the query engine cannot even skip.
    #[error("its column `{column}` is of type {ty}, which the query engine cannot read; leave it out of the export")]
    UnknownType {
        /// The column.
        column: String,
        /// Its type.
        ty: String,
    },
    /// Two columns have one name.
    #[error("the file has two columns named `{0}`")]
    DuplicateColumn(String),
}

impl FileFault {
    /// Whether the same read may succeed if simply repeated (exit code 6); all else is a source
    /// that is missing or incomplete (exit code 5).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io(_))
    }

    pub(super) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Gone,
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

/// A source, a path of it, and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("source `{source_name}`: could not read `{}`: {fault}", path.display())]
pub struct Problem {
    /// The source.
    pub source_name: String,
    /// The file; the whole pattern where no file matches.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: FileFault,
}

/// Everything that is wrong with the files of all sources, one line each.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

/// Most problems that are told one by one.
const SHOWN: usize = 20;

impl Problems {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every problem may pass by itself: exit code 6 instead of 5.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|problem| problem.fault.is_transient())
    }

    /// The problems of one source.
    pub fn of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Problem> {
        self.0.iter().filter(move |problem| problem.source_name == source)
    }

    /// One message per problem, the first 20 of them, then a line that counts the rest.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().take(SHOWN).map(ToString::to_string).collect();
        if self.0.len() > SHOWN {
            lines.push(format!("{} more files cannot be read", self.0.len() - SHOWN));
        }
        lines
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Problems {}

struct Nearby<'a>(Option<&'a (PathBuf, Vec<String>)>);

impl fmt::Display for Nearby<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((folder, names)) = self.0 else {
            return Ok(());
        };
        let folder: &Path = folder;
        if names.is_empty() {
            write!(f, "; the nearest existing folder is `{}`, and it is empty", folder.display())
        } else {
            write!(f, "; the nearest existing folder is `{}`, with {}", folder.display(), names.join(", "))
        }
    }
}
