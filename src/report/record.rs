//! `run.json`: one folder per run below the root, written whole or not at all, never replaced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::RunReport;

/// A record that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write `{}`", path.display())]
pub struct RecordError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The folder that holds what a run recorded.
#[must_use]
pub fn folder_of(root: &Path, run_id: &str) -> PathBuf {
    root.join("_tenure").join("runs").join(run_id)
}

/// Writes the record of a run below its root and says where it is.
///
/// # Errors
///
/// When a file cannot be written, or the run has a record already.
pub fn write(root: &Path, report: &RunReport) -> Result<PathBuf, RecordError> {
    let folder = folder_of(root, &report.run_id);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RecordError { path, source }
    };
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    // Fails if it exists: two runs never share a folder.
    fs::create_dir(&folder).map_err(at(&folder))?;
    let path = folder.join("run.json");
    let mut text = serde_json::to_vec_pretty(report).map_err(io::Error::from).map_err(at(&path))?;
    text.push(b'\n');
    replace(&path, &text).map_err(at(&path))?;
    Ok(path)
}

/// Writes a file so that it is seen whole or not at all.
///
/// # Errors
///
/// What the system says.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written
}
