//! Recovery: what a run does first, so that a crash of the one before leaves nothing behind.

use std::path::PathBuf;

use super::disk;
use super::error::PublishError;
use super::failpoint::failpoint;
use super::journal::{Content, GroupStep, Journal, State, Version};
use super::lock::Lock;
use super::root::{Root, Seat};
use super::{swap, versions};

/// What [`Lock::recover`] found and did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The run whose publish was interrupted, if one was.
    pub interrupted: Option<String>,
    /// Tables of that publish that readers now see as that run made them.
    pub finished: Vec<String>,
    /// Tables of that publish that stay as they were before it, because what it had staged is gone
    /// or damaged.
    pub abandoned: Vec<String>,
    /// Leftovers that were removed: staging folders, unused versions, links without a table.
    pub removed: Vec<PathBuf>,
}

impl Lock {
    /// Finishes or undoes an interrupted publish and removes leftovers. Every run starts with it,
    /// before it stages anything: **all** staging folders are removed.
    ///
    /// A publish whose journal is `prepared` goes forward if everything it needs is there with the
    /// recorded SHA-256, else nothing of it becomes visible. One that is `swapping` goes forward
    /// with each unit that can, and leaves each other unit whole as it was. Afterwards there is no
    /// journal. Recovering twice, or being killed in it and recovering again, ends the same.
    ///
    /// # Errors
    ///
    /// [`PublishError::NewerJournal`], or an I/O error; then the journal is kept for the next try.
    pub fn recover(&self) -> Result<Recovery, PublishError> {
        let root = &self.root;
        let mut recovery = Recovery::default();
        failpoint("recover.before")?;
        let mut journal = Journal::read(root)?;
        if let Some(journal) = &mut journal {
            settle(root, journal, &mut recovery)?;
        }
        sweep(root, journal.as_ref(), &mut recovery)?;
        if journal.is_some() {
            swap::forget(root)?;
        }
        failpoint("recover.after")?;
        Ok(recovery)
    }
}

fn settle(root: &Root, journal: &mut Journal, recovery: &mut Recovery) -> Result<(), PublishError> {
    recovery.interrupted = Some(journal.run_id.clone());
    let all = journal.tables();
    if journal.state != State::Done {
        let (mut groups, mut singles) = (Vec::new(), Vec::new());
        for step in &journal.groups {
            if can_switch(root, step)? {
                groups.push(step.clone());
            }
        }
        for content in &journal.singles {
            if content.is_at(&root.at(&content.source))? || content.is_at(&root.table(&content.table))? {
                singles.push(content.clone());
            }
        }
        let whole = groups.len() == journal.groups.len() && singles.len() == journal.singles.len();
        (journal.groups, journal.singles) = (groups, singles);
        failpoint("recover.judged")?;
        if journal.state == State::Prepared && !whole {
            failpoint("recover.rollback")?;
            journal.groups.clear();
            journal.singles.clear();
        } else {
            swap::prepare(root, journal)?;
            swap::swap(root, journal)?;
        }
    }
    recovery.finished = journal.tables();
    recovery.abandoned = all;
    recovery.abandoned.retain(|table| !recovery.finished.contains(table));
    tracing::warn!(run = journal.run_id, finished = ?recovery.finished, abandoned = ?recovery.abandoned,
        "an interrupted publish was settled");
    Ok(())
}

fn can_switch(root: &Root, step: &GroupStep) -> Result<bool, PublishError> {
    let bridge = match &step.bridge {
        // Past the bridge its sources may be gone, and it is not needed any more.
        Some(_) if root.current_version(&step.group)?.as_ref() == Some(&step.to.name) => true,
        Some(bridge) => can_have(root, &step.group, bridge)?,
        None => true,
    };
    Ok(bridge && can_have(root, &step.group, &step.to)?)
}

/// Whether a version is there, or can be made, with the recorded bytes.
fn can_have(root: &Root, group: &str, version: &Version) -> Result<bool, PublishError> {
    let dir = root.version(group, &version.name);
    for content in &version.tables {
        let Content { table, source, .. } = content;
        let path = if dir.is_dir() { dir.join(super::root::file_name(table)) } else { root.at(source) };
        if !content.is_at(&path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sweep(root: &Root, journal: Option<&Journal>, recovery: &mut Recovery) -> Result<(), PublishError> {
    for run_id in disk::names(&root.own("staging"))? {
        swap::discard_staging(root, &run_id)?;
        recovery.removed.push(root.own("staging").join(run_id));
    }
    for name in disk::names(&root.own("tmp"))? {
        disk::remove_tree(&root.tmp(&name))?;
    }
    let mut known = Vec::new();
    for group in disk::names(&root.own("groups"))? {
        // Without an interrupted publish there is nothing half-made; and a reader that was on its
        // way into an old version when the run before ended may be so still.
        if let Some(journal) = journal {
            let spare = versions::in_use(journal, &group);
            let removed = versions::sweep(root, &group, &spare)?;
            let removed = removed.iter().map(|version| root.version(&group, version));
            recovery.removed.extend(removed);
        }
        known.extend(disk::names(&root.versions(&group))?);
    }
    for manifest in disk::names(&root.own("manifests"))? {
        if !known.iter().any(|version| manifest == format!("{version}.json")) {
            disk::remove_file(&root.own("manifests").join(manifest))?;
        }
    }
    // A first publish that came to nothing leaves links into nowhere, which a reader of `*.parquet`
    // would stumble over.
    for table in root.table_names()? {
        let path = root.table(&table);
        if matches!(root.seat(&table)?, Seat::Member(_)) && !path.exists() {
            disk::remove_file(&path)?;
            disk::sync_dir(root.dir())?;
            recovery.removed.push(path);
        }
    }
    failpoint("recover.swept")?;
    Ok(())
}
