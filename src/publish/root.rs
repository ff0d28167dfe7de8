//! An output root: the directory of published tables, and `_tenure/` beside them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::disk;
use super::error::{Action, At, FsError, PublishError};

/// The folder inside a root that holds everything that is not a published table.
const ALONGSIDE: &str = "_tenure";

/// An output root. It can be looked at freely; to change it, [`lock`](Root::lock) it.
#[derive(Debug, Clone)]
pub struct Root {
    shown: PathBuf,
    real: PathBuf,
}

/// What is at the path of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seat {
    /// Nothing.
    Empty,
    /// A regular file.
    File,
    /// Our symlink into this group; it may dangle.
    Member(String),
    /// Anything else, in words.
    Foreign(String),
}

impl Root {
    /// Opens the root at `path`, creating it and its `_tenure/` where missing.
    ///
    /// Symlinks in `path` are resolved once, here: retargeting one later does not move an open
    /// root.
    ///
    /// # Errors
    ///
    /// [`PublishError::Fs`] when a folder cannot be made or read, and
    /// [`PublishError::TwoFileSystems`] when `_tenure/` is a mount or a symlink to elsewhere.
    pub fn open(path: &Path) -> Result<Root, PublishError> {
        disk::create_dir(path)?;
        let real = fs::canonicalize(path).at(Action::Read, path)?;
        let root = Root { shown: path.to_path_buf(), real };
        for dir in ["staging", "tmp", "groups", "manifests"] {
            disk::create_dir(&root.own(dir))?;
        }
        let device = |dir: &Path| -> Result<u64, FsError> { Ok(fs::metadata(dir).at(Action::Read, dir)?.dev()) };
        for dir in ["staging", "tmp", "groups"] {
            let dir = root.own(dir);
            if device(&dir)? != device(&root.real)? {
                return Err(PublishError::TwoFileSystems { staging: dir, root: root.real });
            }
        }
        Ok(root)
    }

    /// The root as it was given to [`open`](Root::open).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Where a table is published, under the root as it was given. Readers open this path.
    #[must_use]
    pub fn path_of(&self, table: &str) -> PathBuf {
        self.shown.join(file_name(table))
    }

    /// The tables that a reader can open now, sorted.
    ///
    /// # Errors
    ///
    /// When the root cannot be listed.
    pub fn tables(&self) -> Result<Vec<String>, PublishError> {
        let mut tables = self.table_names()?;
        tables.retain(|table| self.table(table).is_file());
        Ok(tables)
    }

    /// The version a group is at; `None` before its first publish.
    ///
    /// The folder of that version, `_tenure/groups/<group>/versions/<version>/`, never changes: a
    /// reader that opens its files has one consistent set of tables.
    ///
    /// # Errors
    ///
    /// When the link cannot be read.
    pub fn version_of(&self, group: &str) -> Result<Option<String>, PublishError> {
        Ok(self.current_version(group)?)
    }

    /// The inputs among `paths` that are outputs too: an own table, or anything below `_tenure/`.
    ///
    /// Symlinks and hard spellings (`a/../b`) are resolved as far as the path exists. Nothing is
    /// created, so that it can be asked before a run.
    ///
    /// # Errors
    ///
    /// When the current directory is needed and cannot be read.
    pub fn overlaps<'p>(root: &Path, tables: &[String], paths: &'p [PathBuf]) -> Result<Vec<&'p Path>, FsError> {
        let root = resolve(root)?;
        let mut found = Vec::new();
        for path in paths {
            // A table of a group is a symlink into `_tenure/`, so both ends are compared.
            let named = match (path.parent(), path.file_name()) {
                (Some(dir), Some(name)) => resolve(dir)?.join(name),
                _ => resolve(path)?,
            };
            let real = resolve(path)?;
            let is_output = |path: &Path| {
                path.starts_with(root.join(ALONGSIDE)) || tables.iter().any(|t| path == root.join(file_name(t)))
            };
            if is_output(&named) || is_output(&real) {
                found.push(path.as_path());
            }
        }
        Ok(found)
    }

    /// A path below `_tenure/`.
    pub(super) fn own(&self, path: impl AsRef<Path>) -> PathBuf {
        self.real.join(ALONGSIDE).join(path)
    }

    /// A path relative to the root, as journals record it.
    pub(super) fn at(&self, relative: &Path) -> PathBuf {
        self.real.join(relative)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.real
    }

    pub(super) fn table(&self, table: &str) -> PathBuf {
        self.real.join(file_name(table))
    }

    /// A scratch path on the same file system; whatever is found there is rubbish.
    pub(super) fn tmp(&self, name: &str) -> PathBuf {
        self.own("tmp").join(name)
    }

    pub(super) fn group(&self, group: &str) -> PathBuf {
        self.own("groups").join(group)
    }

    pub(super) fn current(&self, group: &str) -> PathBuf {
        self.group(group).join("current")
    }

    pub(super) fn versions(&self, group: &str) -> PathBuf {
        self.group(group).join("versions")
    }

    pub(super) fn version(&self, group: &str, version: &str) -> PathBuf {
        self.versions(group).join(version)
    }

    pub(super) fn manifest(&self, version: &str) -> PathBuf {
        self.own("manifests").join(format!("{version}.json"))
    }

    /// The version that `current` points to, if that version is there.
    pub(super) fn current_version(&self, group: &str) -> Result<Option<String>, FsError> {
        let Some(content) = disk::read_link(&self.current(group))? else {
            return Ok(None);
        };
        let version = content
            .strip_prefix("versions")
            .ok()
            .and_then(|name| name.to_str())
            .filter(|name| self.version(group, name).is_dir());
        Ok(version.map(str::to_owned))
    }

    /// Names of the `*.parquet` entries in the root, whatever they are.
    pub(super) fn table_names(&self) -> Result<Vec<String>, FsError> {
        let names = disk::names(&self.real)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".parquet")).map(str::to_owned).collect())
    }

    pub(super) fn seat(&self, table: &str) -> Result<Seat, FsError> {
        let path = self.table(table);
        let kind = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seat::Empty),
            other => other.at(Action::Read, &path)?.file_type(),
        };
        if kind.is_file() {
            return Ok(Seat::File);
        }
        let Some(content) = disk::read_link(&path)? else {
            let found = if kind.is_dir() { "a directory" } else { "a special file" };
            return Ok(Seat::Foreign(found.to_owned()));
        };
        let parts: Vec<_> = content.components().collect();
        if let [Component::Normal(own), Component::Normal(groups), Component::Normal(group), ..] = parts[..]
            && own == ALONGSIDE
            && groups == "groups"
            && let Some(group) = group.to_str()
            && content == link_content(group, table)
        {
            return Ok(Seat::Member(group.to_owned()));
        }
        Ok(Seat::Foreign(format!("a symlink to `{}`", content.display())))
    }
}

/// `<table>.parquet`.
pub(super) fn file_name(table: &str) -> String {
    format!("{table}.parquet")
}

/// What the symlink of a group's table contains: relative, so that a root can be moved.
pub(super) fn link_content(group: &str, table: &str) -> PathBuf {
    Path::new(ALONGSIDE).join("groups").join(group).join("current").join(file_name(table))
}

/// Where a version keeps a table, relative to the root.
pub(super) fn version_file(group: &str, version: &str, table: &str) -> PathBuf {
    Path::new(ALONGSIDE).join("groups").join(group).join("versions").join(version).join(file_name(table))
}

/// Where a run stages a table, relative to the root.
pub(super) fn staged_file(run_id: &str, table: &str) -> PathBuf {
    Path::new(ALONGSIDE).join("staging").join(run_id).join(file_name(table))
}

/// Refuses a name that could leave its folder, hide, or differ only in case.
pub(super) fn check_name(kind: &'static str, name: &str) -> Result<(), PublishError> {
    let is_run = kind == "run";
    let fits = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || c == '_'
            || (is_run && (c.is_ascii_uppercase() || c == '-' || c == '.'))
    };
    let starts = |c: char| c.is_ascii_alphanumeric();
    if name.len() <= 128 && name.starts_with(starts) && name.chars().all(fits) {
        return Ok(());
    }
    Err(PublishError::Name { kind, name: name.to_owned() })
}

/// The absolute path with symlinks resolved up to where it exists.
fn resolve(path: &Path) -> Result<PathBuf, FsError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let path = std::path::absolute(path).at(Action::Read, path)?;
    for known in path.ancestors() {
        if let Ok(real) = fs::canonicalize(known) {
            let rest = path.strip_prefix(known).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
        }
    }
    Ok(path)
}
