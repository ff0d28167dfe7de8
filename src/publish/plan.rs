//! Planning compares what was staged with what readers see, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::disk;
use super::error::{Action, At, PublishError};
use super::journal::{Content, GroupStep, Journal, Version};
use super::root::{self, Root, Seat};
use super::verify::{self, Verified};
use super::{Detached, Publication, Published, Unit};

/// What a publish was asked to do.
pub(super) struct Request<'a> {
    pub root: &'a Root,
    pub run_id: &'a str,
    pub as_of: Date,
    pub units: &'a [Unit],
    pub staged: &'a BTreeMap<String, Verified>,
    pub retain: NonZeroUsize,
}

/// The steps still to do, and the result once they are done.
pub(super) fn plan(request: &Request<'_>) -> Result<(Journal, Publication), PublishError> {
    request.check()?;
    let mut planner = Planner {
        request,
        digests: BTreeMap::new(),
        journal: Journal::new(request.run_id),
        outcome: Publication::default(),
    };
    for unit in request.units {
        match unit {
            Unit::Single { table } => planner.single(table)?,
            Unit::Group { name, tables } => {
                planner.group(name, &tables.iter().cloned().collect())?;
            }
        }
    }
    Ok((planner.journal, planner.outcome))
}

impl Request<'_> {
    fn check(&self) -> Result<(), PublishError> {
        let mut known = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for unit in self.units {
            let tables = match unit {
                Unit::Single { table } => std::slice::from_ref(table),
                Unit::Group { name, tables } => {
                    root::check_name("group", name)?;
                    if !groups.insert(name) {
                        return Err(PublishError::Twice { table: name.clone() });
                    }
                    tables.as_slice()
                }
            };
            for table in tables {
                root::check_name("table", table)?;
                if !known.insert(table) {
                    let table = table.clone();
                    return Err(PublishError::Twice { table });
                }
            }
        }
        for (table, verified) in self.staged {
            if !known.contains(table) {
                let table = table.clone();
                return Err(PublishError::NoUnit { table });
            }
            let path = self.root.at(&root::staged_file(self.run_id, table));
            let found = fs::metadata(&path).at(Action::Read, &path)?.len();
            if found != verified.bytes {
                return Err(PublishError::StagedChanged { path, expected: verified.bytes, found });
            }
        }
        Ok(())
    }
}

struct Planner<'a> {
    request: &'a Request<'a>,
    /// Size and hash by path relative to the root; each file is read once.
    digests: BTreeMap<PathBuf, (u64, String)>,
    journal: Journal,
    outcome: Publication,
}

impl Planner<'_> {
    fn single(&mut self, table: &str) -> Result<(), PublishError> {
        let root = self.request.root;
        let Some(verified) = self.request.staged.get(table) else {
            return Ok(());
        };
        let seat = self.seat(table)?;
        let visible = self.visible(table, &seat)?;
        let same = match &visible {
            Some(path) => self.is(path, verified.bytes, &verified.sha256)?,
            None => false,
        };
        if !same || seat != Seat::File {
            self.journal.singles.push(self.staged(table, verified));
        }
        if let Seat::Member(group) = seat {
            self.outcome.detached.push(Detached { table: table.to_owned(), group });
        }
        self.outcome.tables.push(Published {
            table: table.to_owned(),
            path: root.path_of(table),
            rows: verified.rows,
            bytes: verified.bytes,
            sha256: verified.sha256.clone(),
            changed: !same,
            carried: false,
            group: None,
            version: short(&verified.sha256),
        });
        Ok(())
    }

    fn group(&mut self, group: &str, tables: &BTreeSet<String>) -> Result<(), PublishError> {
        let root = self.request.root;
        if !tables.iter().any(|t| self.request.staged.contains_key(t)) {
            return Ok(());
        }
        let from = root.current_version(group)?;
        let held = match &from {
            Some(version) => version_files(root, group, version)?,
            None => BTreeMap::new(),
        };
        let mut contents = Vec::new();
        let mut join = Vec::new();
        // What readers see of tables that are not yet links into this group.
        let mut seen_elsewhere = BTreeMap::new();
        let mut published = Vec::new();
        for table in tables {
            let seat = self.seat(table)?;
            let visible = self.visible(table, &seat)?;
            let visible = visible.or_else(|| held.get(table).cloned());
            let Some((content, changed)) = self.content(table, visible.as_deref())? else {
                tracing::warn!(group, table, "never published and not in this run");
                continue;
            };
            if seat != Seat::Member(group.to_owned()) {
                if let Seat::Member(other) = seat {
                    self.outcome.detached.push(Detached { table: table.clone(), group: other });
                }
                join.push(table.clone());
                if let Some(path) = visible {
                    seen_elsewhere.insert(table.clone(), path);
                }
            }
            published.push((changed, content.clone()));
            contents.push(content);
        }
        let mut detach = Vec::new();
        for table in held.keys().filter(|table| !tables.contains(*table)) {
            if self.seat(table)? == Seat::Member(group.to_owned()) {
                detach.push(table.clone());
            }
        }

        let to = self.version(group, from.as_deref(), contents)?;
        let bridge = if seen_elsewhere.is_empty() {
            None
        } else {
            let mut seen = held;
            seen.extend(seen_elsewhere);
            let seen = seen.iter().map(|(table, path)| self.existing(table, path));
            let seen = seen.collect::<Result<Vec<_>, _>>()?;
            let bridge = self.version(group, from.as_deref(), seen)?;
            Some(bridge).filter(|bridge| from.as_ref() != Some(&bridge.name))
        };

        for (changed, content) in published {
            let carried = !self.request.staged.contains_key(&content.table);
            self.outcome.tables.push(Published {
                path: root.path_of(&content.table),
                rows: content.rows.unwrap_or_default(),
                bytes: content.bytes,
                sha256: content.sha256,
                changed,
                carried,
                group: Some(group.to_owned()),
                version: to.name.clone(),
                table: content.table,
            });
        }
        self.outcome
            .detached
            .extend(detach.iter().map(|table| Detached { table: table.clone(), group: group.to_owned() }));
        if from.as_ref() != Some(&to.name) || !join.is_empty() || !detach.is_empty() {
            self.journal.groups.push(GroupStep {
                group: group.to_owned(),
                from,
                bridge,
                to,
                join,
                detach,
                retain: self.request.retain.get(),
            });
        }
        Ok(())
    }

    /// What a table of a group is to hold, and whether that differs from what is visible. A staged
    /// file with the visible bytes gives way to the visible file, which keeps its inode and mtime.
    fn content(&mut self, table: &str, visible: Option<&Path>) -> Result<Option<(Content, bool)>, PublishError> {
        Ok(match (self.request.staged.get(table), visible) {
            (Some(verified), Some(path)) if self.is(path, verified.bytes, &verified.sha256)? => {
                let mut content = self.staged(table, verified);
                path.clone_into(&mut content.source);
                Some((content, false))
            }
            (Some(verified), _) => Some((self.staged(table, verified), true)),
            (None, Some(path)) => {
                let mut content = self.existing(table, path)?;
                content.rows = Some(verify::rows(&self.request.root.at(path))?);
                Some((content, false))
            }
            (None, None) => None,
        })
    }

    fn staged(&self, table: &str, verified: &Verified) -> Content {
        Content {
            table: table.to_owned(),
            source: root::staged_file(self.request.run_id, table),
            bytes: verified.bytes,
            sha256: verified.sha256.clone(),
            rows: Some(verified.rows),
        }
    }

    fn existing(&mut self, table: &str, path: &Path) -> Result<Content, PublishError> {
        let (bytes, sha256) = self.digest(path)?;
        Ok(Content { table: table.to_owned(), source: path.to_path_buf(), bytes, sha256, rows: None })
    }

    fn seat(&self, table: &str) -> Result<Seat, PublishError> {
        match self.request.root.seat(table)? {
            Seat::Foreign(found) => Err(PublishError::Occupied { path: self.request.root.path_of(table), found }),
            seat => Ok(seat),
        }
    }

    /// The file that a reader of the table gets now, relative to the root.
    fn visible(&self, table: &str, seat: &Seat) -> Result<Option<PathBuf>, PublishError> {
        let root = self.request.root;
        Ok(match seat {
            Seat::File => Some(PathBuf::from(root::file_name(table))),
            Seat::Member(group) => root
                .current_version(group)?
                .map(|version| root::version_file(group, &version, table))
                .filter(|path| root.at(path).is_file()),
            Seat::Empty | Seat::Foreign(_) => None,
        })
    }

    fn is(&mut self, path: &Path, bytes: u64, sha256: &str) -> Result<bool, PublishError> {
        let full = self.request.root.at(path);
        let len = fs::metadata(&full).at(Action::Read, &full)?.len();
        Ok(len == bytes && self.digest(path)?.1 == sha256)
    }

    fn digest(&mut self, path: &Path) -> Result<(u64, String), PublishError> {
        if let Some(known) = self.digests.get(path) {
            return Ok(known.clone());
        }
        let full = self.request.root.at(path);
        let found = disk::digest(&full)?.ok_or(PublishError::SourceChanged { path: full })?;
        self.digests.insert(path.to_path_buf(), found.clone());
        Ok(found)
    }

    /// The version with these tables: the one readers are at if it has them, else a name derived
    /// from them.
    fn version(&mut self, group: &str, from: Option<&str>, tables: Vec<Content>) -> Result<Version, PublishError> {
        if let Some(from) = from
            && self.holds(group, from, &tables)?
        {
            let name = from.to_owned();
            return Ok(Version { name, tables });
        }
        let base = version_name(group, self.request.as_of, &tables);
        let mut name = base.clone();
        let mut attempt = 1;
        // A folder of this name with other content was altered by someone; versions are never
        // written to, so it is passed over.
        while self.request.root.version(group, &name).exists() && !self.holds(group, &name, &tables)? {
            attempt += 1;
            name = format!("{base}.{attempt}");
        }
        Ok(Version { name, tables })
    }

    fn holds(&mut self, group: &str, version: &str, tables: &[Content]) -> Result<bool, PublishError> {
        let files = version_files(self.request.root, group, version)?;
        if !files.keys().eq(tables.iter().map(|content| &content.table)) {
            return Ok(false);
        }
        for content in tables {
            if !self.is(&files[&content.table], content.bytes, &content.sha256)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The tables in a version, by name, as paths relative to the root.
pub(super) fn version_files(
    root: &Root,
    group: &str,
    version: &str,
) -> Result<BTreeMap<String, PathBuf>, PublishError> {
    let names = disk::names(&root.version(group, version))?;
    let tables = names.iter().filter_map(|name| name.strip_suffix(".parquet"));
    Ok(tables.map(|table| (table.to_owned(), root::version_file(group, version, table))).collect())
}

/// `<as_of>-<hash of group, tables, and contents>`: the same result has the same name, always.
fn version_name(group: &str, as_of: Date, tables: &[Content]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{group}\n"));
    for Content { table, sha256, .. } in tables {
        hash.update(format!("{table} {sha256}\n"));
    }
    format!("{as_of}-{}", short(&disk::hex(&hash.finalize())))
}

fn short(hex: &str) -> String {
    hex.chars().take(12).collect()
}
