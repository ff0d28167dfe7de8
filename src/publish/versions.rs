//! The version folders of a group: built aside, named once, never written to again.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::disk;
use super::error::{Action, At, PublishError};
use super::failpoint::failpoint;
use super::journal::{Content, Journal, Version};
use super::root::{Root, file_name};

/// Where a version comes from and what it holds: `_tenure/manifests/<version>.json`. The version
/// folder itself holds nothing but Parquet, because readers may open it as a folder of tables.
#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    version: &'a str,
    group: &'a str,
    run_id: &'a str,
    tables: Vec<ManifestTable<'a>>,
}

#[derive(Serialize)]
struct ManifestTable<'a> {
    table: &'a str,
    sha256: &'a str,
    rows: Option<u64>,
    bytes: u64,
}

impl ManifestTable<'_> {
    fn of(content: &Content) -> ManifestTable<'_> {
        ManifestTable { table: &content.table, sha256: &content.sha256, rows: content.rows, bytes: content.bytes }
    }
}

/// The versions that were current, the latest last.
#[derive(Default, Serialize, Deserialize)]
struct History {
    versions: Vec<String>,
}

/// Makes the folder of a version, whole or not at all; nothing to do if it is there.
pub(super) fn build(root: &Root, group: &str, version: &Version) -> Result<(), PublishError> {
    let dir = root.version(group, &version.name);
    failpoint("version.before")?;
    if dir.is_dir() {
        return Ok(());
    }
    let aside = root.tmp(&version.name);
    disk::remove_tree(&aside)?;
    disk::create_dir(&aside)?;
    for content in &version.tables {
        let source = root.at(&content.source);
        let target = aside.join(file_name(&content.table));
        disk::hard_link(&source, &target)?;
        let found = fs::metadata(&target).at(Action::Read, &target)?.len();
        if found != content.bytes {
            return Err(PublishError::SourceChanged { path: source });
        }
    }
    disk::sync_dir(&aside)?;
    failpoint("version.linked")?;
    disk::create_dir(&root.versions(group))?;
    disk::replace(&aside, &dir)?;
    failpoint("version.after")?;
    Ok(())
}

/// Writes the manifest of a version.
pub(super) fn describe(root: &Root, run_id: &str, group: &str, version: &Version) -> Result<(), PublishError> {
    failpoint("manifest.before")?;
    let path = root.manifest(&version.name);
    let manifest = Manifest {
        format: 1,
        version: &version.name,
        group,
        run_id,
        tables: version.tables.iter().map(ManifestTable::of).collect(),
    };
    let bytes = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from).at(Action::Write, &path)?;
    disk::write_atomic(&root.tmp("manifest.json"), &path, &bytes)?;
    failpoint("manifest.after")?;
    Ok(())
}

/// Records that a group is at this version, and forgets all but the last `retain`.
pub(super) fn remember(root: &Root, group: &str, version: &str, retain: usize) -> Result<(), PublishError> {
    let mut versions = history(root, group)?.unwrap_or_default();
    if versions.last().is_none_or(|last| last != version) {
        versions.retain(|known| known != version);
        versions.push(version.to_owned());
    }
    let surplus = versions.len().saturating_sub(retain.max(1));
    versions.drain(..surplus);
    let path = root.group(group).join("history.json");
    let bytes = serde_json::to_vec(&History { versions }).map_err(io::Error::from).at(Action::Write, &path)?;
    disk::write_atomic(&root.tmp("history.json"), &path, &bytes)?;
    failpoint("history.after")?;
    Ok(())
}

/// The versions that were current; `None` when that is not known.
fn history(root: &Root, group: &str) -> Result<Option<Vec<String>>, PublishError> {
    let path = root.group(group).join("history.json");
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => {
            let bytes = other.at(Action::Read, &path)?;
            let history = serde_json::from_slice::<History>(&bytes);
            Ok(history.ok().map(|history| history.versions))
        }
    }
}

/// Removes the versions of a group that are neither current, nor remembered, nor in `spare`.
///
/// A folder is moved away before it is emptied, so that no partial version ever has a name.
/// Nothing is removed when the history of a published group is not known.
pub(super) fn sweep(root: &Root, group: &str, spare: &[&str]) -> Result<Vec<String>, PublishError> {
    let current = root.current_version(group)?;
    let history = history(root, group)?;
    if history.is_none() && current.is_some() {
        return Ok(Vec::new());
    }
    let mut keep: BTreeSet<String> = history.unwrap_or_default().into_iter().collect();
    keep.extend(current);
    let mut removed = Vec::new();
    for version in disk::names(&root.versions(group))? {
        if keep.contains(&version) || spare.contains(&version.as_str()) {
            continue;
        }
        failpoint("cleanup.version.before")?;
        let aside = root.tmp(&version);
        disk::remove_tree(&aside)?;
        disk::replace(&root.version(group, &version), &aside)?;
        failpoint("cleanup.version.moved")?;
        disk::remove_tree(&aside)?;
        disk::remove_file(&root.manifest(&version))?;
        removed.push(version);
    }
    Ok(removed)
}

/// The versions that a publish made or left, which some reader may be on its way into.
pub(super) fn in_use<'j>(journal: &'j Journal, group: &str) -> Vec<&'j str> {
    let steps = journal.groups.iter().filter(|step| step.group == group);
    steps
        .flat_map(|step| {
            let bridge = step.bridge.as_ref().map(|bridge| bridge.name.as_str());
            [step.from.as_deref(), bridge, Some(step.to.name.as_str())]
        })
        .flatten()
        .collect()
}
