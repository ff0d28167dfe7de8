//! File-system steps that survive a power cut once they return.
//!
//! The rule behind all of them: data is synced before the name that makes it reachable, and the
//! directory that holds a name is synced before anything relies on the name.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{Action, At, FsError};

/// Makes the names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), FsError> {
    let file = File::open(dir).at(Action::Read, dir)?;
    match file.sync_all() {
        // Some network and FUSE file systems have no such operation; their renames are
        // as durable as they will get.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            tracing::debug!(dir = %dir.display(), %error, "directory cannot be synced");
            Ok(())
        }
        other => other.at(Action::Sync, dir),
    }
}

/// Creates `dir` and its missing parents, each durable in its own parent.
pub(super) fn create_dir(dir: &Path) -> Result<(), FsError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = parent(dir);
    create_dir(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other.at(Action::Create, dir),
    }?;
    sync_dir(parent)
}

/// The directory that holds `path`; `.` for a bare relative name.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Writes `bytes` to a new file at `path` and syncs the file, not its directory.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = File::create(path).at(Action::Create, path)?;
    file.write_all(bytes).at(Action::Write, path)?;
    file.sync_all().at(Action::Sync, path)
}

/// Replaces `path` by `bytes`: a reader, or a crash, sees the old or the new content whole.
pub(super) fn write_atomic(tmp: &Path, path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    write_synced(tmp, bytes)?;
    replace(tmp, path)
}

/// Renames `from` over `to` and makes that durable.
pub(super) fn replace(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).at(Action::Replace, to)?;
    sync_dir(parent(to))
}

/// Gives the content of `source` the new name `target`; the caller syncs the directory.
///
/// The bytes are copied and synced where the file system has no hard links, or refuses one to a
/// file of another owner.
pub(super) fn hard_link(source: &Path, target: &Path) -> Result<(), FsError> {
    // link(2) would link a symlink itself on Linux.
    let source = fs::canonicalize(source).at(Action::Read, source)?;
    match fs::hard_link(&source, target) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::TooManyLinks
                    | io::ErrorKind::CrossesDevices
            ) =>
        {
            tracing::debug!(source = %source.display(), %error, "no hard link, copying");
            let mut reader = File::open(&source).at(Action::Read, &source)?;
            let mut writer = File::create_new(target).at(Action::Create, target)?;
            io::copy(&mut reader, &mut writer).at(Action::Write, target)?;
            writer.sync_all().at(Action::Sync, target)
        }
        other => other.at(Action::HardLink, target),
    }
}

/// Puts a symlink with this content at `path`, replacing what is there in one step.
pub(super) fn symlink(content: &Path, tmp: &Path, path: &Path) -> Result<(), FsError> {
    remove_file(tmp)?;
    std::os::unix::fs::symlink(content, tmp).at(Action::Symlink, tmp)?;
    sync_dir(parent(tmp))?;
    replace(tmp, path)
}

/// Removes a file or symlink; fine when there is none. Not synced.
pub(super) fn remove_file(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at(Action::Remove, path),
    }
}

/// Removes a tree; fine when there is none. Not synced. A symlink is removed, not followed.
pub(super) fn remove_tree(path: &Path) -> Result<(), FsError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at(Action::Remove, path),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).at(Action::Remove, path),
        Ok(_) => remove_file(path),
    }
}

/// The content of the symlink at `path`; `None` when nothing or something else is there.
pub(super) fn read_link(path: &Path) -> Result<Option<PathBuf>, FsError> {
    match fs::read_link(path) {
        Ok(content) => Ok(Some(content)),
        // EINVAL: not a symlink.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(None),
        Err(error) => Err(error).at(Action::Read, path),
    }
}

/// The names in `dir`, sorted; empty when there is no such directory. Names that are not UTF-8 are
/// skipped: nothing here makes one.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, FsError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at(Action::Read, dir)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.at(Action::Read, dir)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Size and SHA-256 (lower-case hex) of a file; `None` when there is none.
pub(super) fn digest(path: &Path) -> Result<Option<(u64, String)>, FsError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.at(Action::Read, path)?,
    };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some((bytes, hex(&hash.finalize())))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at(Action::Read, path),
        }
    }
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
