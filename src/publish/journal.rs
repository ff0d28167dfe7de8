//! The journal says what a publish is about to change, so that the next process can finish it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk;
use super::error::{Action, At, FsError, PublishError};
use super::root::Root;

const FORMAT: u32 = 1;

/// How far a publish got. Each state is durable before the first step that it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Everything is staged and verified; nothing that a reader sees has changed.
    Prepared,
    /// Readers may see some units new and some old, each unit whole.
    Swapping,
    /// Readers see all units new; only rubbish is left to remove.
    Done,
}

/// One publish. All paths are relative to the root, so that a root can be moved or be reached by
/// another path between crash and recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub format: u32,
    pub run_id: String,
    pub state: State,
    pub groups: Vec<GroupStep>,
    pub singles: Vec<Content>,
}

/// A group's switch from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupStep {
    pub group: String,
    /// The version before.
    pub from: Option<String>,
    /// A version with exactly what readers see before the switch, through which tables that were
    /// published otherwise can become links without changing.
    pub bridge: Option<Version>,
    /// The version after.
    pub to: Version,
    /// Tables whose path is not yet a link into this group.
    pub join: Vec<String>,
    /// Tables of the version before that the group no longer has; they become regular files.
    pub detach: Vec<String>,
    /// How many versions to keep.
    pub retain: usize,
}

/// A version directory and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub name: String,
    pub tables: Vec<Content>,
}

/// The bytes of one table, and where to find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    pub table: String,
    pub source: PathBuf,
    pub bytes: u64,
    pub sha256: String,
    /// Unknown for the tables of a bridge.
    pub rows: Option<u64>,
}

impl Content {
    /// Whether the file at `path` has exactly these bytes.
    pub(super) fn is_at(&self, path: &Path) -> Result<bool, FsError> {
        let found = disk::digest(path)?;
        Ok(found.is_some_and(|(bytes, sha256)| bytes == self.bytes && sha256 == self.sha256))
    }
}

impl Journal {
    pub(super) fn new(run_id: &str) -> Journal {
        Journal {
            format: FORMAT,
            run_id: run_id.to_owned(),
            state: State::Prepared,
            groups: Vec::new(),
            singles: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.singles.is_empty()
    }

    /// The tables that change, in the order in which they are published.
    pub(super) fn tables(&self) -> Vec<String> {
        let grouped = self.groups.iter().flat_map(|step| &step.to.tables);
        let contents = grouped.chain(&self.singles);
        contents.map(|content| content.table.clone()).collect()
    }

    pub(super) fn path(root: &Root) -> PathBuf {
        root.own("journal.json")
    }

    /// Records the state, durably.
    pub(super) fn write(&self, root: &Root) -> Result<(), PublishError> {
        let path = Journal::path(root);
        let bytes = serde_json::to_vec_pretty(self).map_err(io::Error::from).at(Action::Write, &path)?;
        Ok(disk::write_atomic(&root.tmp("journal.json"), &path, &bytes)?)
    }

    /// The journal of an interrupted publish, if any.
    ///
    /// One that cannot be parsed is set aside: journals are written in one step, so it was damaged
    /// by someone else, and each unit is whole without it.
    pub(super) fn read(root: &Root) -> Result<Option<Journal>, PublishError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = Journal::path(root);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.at(Action::Read, &path)?,
        };
        if let Ok(Format { format: found }) = serde_json::from_slice(&bytes)
            && found > FORMAT
        {
            return Err(PublishError::NewerJournal { path, found, known: FORMAT });
        }
        match serde_json::from_slice(&bytes) {
            Ok(journal) => Ok(Some(journal)),
            Err(error) => {
                let aside = root.own("journal.unreadable.json");
                tracing::warn!(journal = %path.display(), aside = %aside.display(), %error,
                    "the journal is damaged and was set aside");
                disk::replace(&path, &aside)?;
                Ok(None)
            }
        }
    }

    /// Forgets the publish, durably.
    pub(super) fn remove(root: &Root) -> Result<(), PublishError> {
        disk::remove_file(&Journal::path(root))?;
        Ok(disk::sync_dir(&root.own(""))?)
    }
}
