//! Why a described source could not be loaded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use polars::error::PolarsError;

use super::problem::Problem;

/// What an operator can do about a [`SourceError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceErrorClass {
    /// The export is broken or still being written: exit code 5.
    Incomplete,
    /// Reading may succeed if simply repeated: exit code 6.
    Transient,
    /// The query failed although the files are sound: exit code 1.
    Failed,
    /// The run was told to stop.
    Cancelled,
}

/// Runs `work`; a panic in it becomes its words.
///
/// Readers of foreign bytes stop so where they are not careful.
///
/// # Errors
///
/// The words of the panic.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let words =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        words.unwrap_or("a panic without a message").to_owned()
    })
}

/// Why a source could not be loaded; never a broken data contract, which is an outcome.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file is another one than when the run began.
    #[error("source `{source_name}`: `{}` changed while the run was reading it", path.display())]
    Changed {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
    },
    /// A file whose footer was sound cannot be opened any more.
    #[error(transparent)]
    File(#[from] Problem),
    /// A file with a sound footer has broken data.
    #[error("source `{source_name}`: could not read `{}`: its data is corrupt: {error}", path.display())]
    Corrupt {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
        /// What the reader met.
        error: PolarsError,
    },
    /// More rows than a source can number.
    #[error("source `{source_name}` has {rows} rows; at most {limit} can be read", limit = u32::MAX - 1)]
    TooManyRows {
        /// The source.
        source_name: String,
        /// Its rows.
        rows: u64,
    },
    /// The engine refused the query.
    #[error("source `{source_name}`: {error}")]
    Engine {
        /// The source.
        source_name: String,
        /// The engine's words.
        error: PolarsError,
    },
    /// The run was told to stop.
    #[error("loading was cancelled")]
    Cancelled,
}

impl SourceError {
    /// What can be done about it.
    #[must_use]
    pub fn class(&self) -> SourceErrorClass {
        match self {
            Self::File(problem) if problem.fault.is_transient() => SourceErrorClass::Transient,
            Self::Changed { .. } | Self::Corrupt { .. } | Self::File(_) => SourceErrorClass::Incomplete,
            Self::TooManyRows { .. } | Self::Engine { .. } => SourceErrorClass::Failed,
            Self::Cancelled => SourceErrorClass::Cancelled,
        }
    }
}
