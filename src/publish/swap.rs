//! Carrying out a journal. Every step first looks whether it is done, so that the same code
//! publishes and finishes a publish that was interrupted anywhere.

use super::disk;
use super::error::{FsError, PublishError};
use super::failpoint::failpoint;
use super::journal::{Content, GroupStep, Journal, State};
use super::root::{Root, Seat, file_name, link_content};
use super::versions;

/// Makes everything that can be made before a reader sees a change.
pub(super) fn prepare(root: &Root, journal: &Journal) -> Result<(), PublishError> {
    for step in &journal.groups {
        for version in step.bridge.iter().chain([&step.to]) {
            versions::build(root, &step.group, version)?;
            versions::describe(root, &journal.run_id, &step.group, version)?;
        }
    }
    Ok(())
}

/// Shows readers the new tables: first the groups, each in one step, then each single table.
pub(super) fn swap(root: &Root, journal: &mut Journal) -> Result<(), PublishError> {
    if journal.state == State::Prepared {
        failpoint("journal.swapping.before")?;
        journal.state = State::Swapping;
        journal.write(root)?;
        failpoint("journal.swapping.after")?;
    }
    for step in &journal.groups {
        swap_group(root, step)?;
    }
    for content in &journal.singles {
        swap_single(root, content)?;
    }
    failpoint("journal.done.before")?;
    journal.state = State::Done;
    journal.write(root)?;
    failpoint("journal.done.after")?;
    Ok(())
}

/// Removes what the publish no longer needs, and last the journal.
pub(super) fn clean(root: &Root, journal: &Journal) -> Result<(), PublishError> {
    for step in &journal.groups {
        let spare = versions::in_use(journal, &step.group);
        versions::sweep(root, &step.group, &spare)?;
    }
    discard_staging(root, &journal.run_id)?;
    forget(root)
}

/// Removes the journal.
pub(super) fn forget(root: &Root) -> Result<(), PublishError> {
    failpoint("journal.removed.before")?;
    Journal::remove(root)?;
    failpoint("journal.removed.after")?;
    Ok(())
}

/// Removes what a run staged.
pub(super) fn discard_staging(root: &Root, run_id: &str) -> Result<(), PublishError> {
    failpoint("cleanup.staging.before")?;
    disk::remove_tree(&root.own("staging").join(run_id))?;
    failpoint("cleanup.staging.after")?;
    Ok(())
}

fn swap_group(root: &Root, step: &GroupStep) -> Result<(), PublishError> {
    let group = &step.group;
    let member = Seat::Member(group.clone());
    let mut unlinked = Vec::new();
    for table in &step.join {
        if root.seat(table)? != member {
            unlinked.push(table);
        }
    }
    if !unlinked.is_empty()
        && let Some(bridge) = &step.bridge
    {
        failpoint("bridge.before")?;
        switch(root, group, &bridge.name)?;
        failpoint("bridge.after")?;
        versions::remember(root, group, &bridge.name, step.retain)?;
    }
    // From here a link shows what its table showed before, or dangles if there was no table.
    for table in unlinked {
        failpoint("link.before")?;
        let content = link_content(group, table);
        disk::symlink(&content, &root.tmp(&file_name(table)), &root.table(table))?;
        failpoint("link.after")?;
    }
    for table in &step.detach {
        if root.seat(table)? == member {
            detach(root, table)?;
        }
    }
    failpoint("switch.before")?;
    switch(root, group, &step.to.name)?;
    failpoint("switch.after")?;
    versions::remember(root, group, &step.to.name, step.retain)
}

/// Points a group at a version: the one step in which all its tables change.
fn switch(root: &Root, group: &str, version: &str) -> Result<(), FsError> {
    if root.current_version(group)?.is_some_and(|current| current == version) {
        return Ok(());
    }
    let content = format!("versions/{version}");
    disk::symlink(content.as_ref(), &root.tmp("current"), &root.current(group))
}

/// Replaces the link of a table by the very file that it shows.
fn detach(root: &Root, table: &str) -> Result<(), FsError> {
    failpoint("detach.before")?;
    let (path, aside) = (root.table(table), root.tmp(&file_name(table)));
    disk::remove_file(&aside)?;
    disk::hard_link(&path, &aside)?;
    disk::sync_dir(disk::parent(&aside))?;
    failpoint("detach.linked")?;
    disk::replace(&aside, &path)?;
    failpoint("detach.after")
}

fn swap_single(root: &Root, content: &Content) -> Result<(), PublishError> {
    let (staged, path) = (root.at(&content.source), root.table(&content.table));
    failpoint("single.before")?;
    if staged.is_file() {
        disk::replace(&staged, &path)?;
    } else if !content.is_at(&path)? {
        return Err(PublishError::SourceChanged { path: staged });
    }
    failpoint("single.after")?;
    Ok(())
}
