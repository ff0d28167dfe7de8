//! Which files a source has, and what their footers say: the only I/O before a run.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use rayon::prelude::*;

use super::catalog::{Catalog, FileColumn, FileInfo, SourceCatalog};
use super::footer;
use super::problem::{FileFault, Problem, Problems};

/// A source whose files are wanted.
#[derive(Clone, Debug)]
pub struct SourceRequest {
    /// Its name.
    pub name: String,
    /// A file, a folder (every `.parquet` below it), or a glob with `*`, `?`, `[..]` and `**`.
    pub path: PathBuf,
    /// Whether it may match no file.
    pub optional: bool,
}

/// What was found, and what is wrong with it.
#[derive(Debug)]
pub struct Described {
    /// Every requested source; one with problems is marked incomplete.
    pub catalog: Catalog,
    /// All problems of all sources, in the order of sources and paths.
    pub problems: Problems,
}

/// Lists the files of every source and reads their footers, all in parallel, each opened once.
///
/// Files and folders whose names start with `.` or `_` (staging, `_SUCCESS`, checksums) are not
/// data, unless the path itself names them. Nothing is computed from the files' rows.
#[must_use]
pub fn describe(requests: &[SourceRequest]) -> Described {
    describe_with(requests, footer::read)
}

/// As [`describe`], with what reads the footer of the file at a path, called so in messages.
pub(super) fn describe_with(
    requests: &[SourceRequest],
    read: impl Fn(&Path, &str) -> Result<FileInfo, FileFault> + Sync,
) -> Described {
    let mut problems = Vec::new();
    let mut catalog = Catalog::default();
    let mut found: Vec<(usize, PathBuf, String)> = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let pattern = request.path.to_string_lossy().into_owned();
        let mut complete = true;
        match files(&request.path) {
            Ok(listing) => {
                if listing.paths.is_empty() && listing.faults.is_empty() && !request.optional {
                    let fault = FileFault::NoMatch { nearest: nearest(&request.path) };
                    problems.push((index, request.path.clone(), fault));
                    complete = false;
                }
                complete &= listing.faults.is_empty();
                problems.extend(listing.faults.into_iter().map(|(path, fault)| (index, path, fault)));
                found.extend(listing.paths.into_iter().map(|path| {
                    let name = path.strip_prefix(&listing.base).unwrap_or(&path).to_string_lossy().into_owned();
                    (index, path, name)
                }));
            }
            Err(fault) => {
                problems.push((index, request.path.clone(), fault));
                complete = false;
            }
        }
        catalog.sources.insert(request.name.clone(), SourceCatalog { pattern, files: Vec::new(), complete });
    }
    let footers: Vec<_> = found.par_iter().map(|(index, path, name)| (*index, path, read(path, name))).collect();
    let mut schemas = HashSet::new();
    for (index, path, footer) in footers {
        let Some((_, source)) = catalog.sources.get_index_mut(index) else { continue };
        match footer {
            Ok(file) => source.files.push(share(file, &mut schemas)),
            Err(fault) => {
                source.complete = false;
                problems.push((index, path.clone(), fault));
            }
        }
    }
    problems.sort_by_key(|(index, ..)| *index);
    let named = |(index, path, fault): (usize, PathBuf, FileFault)| Problem {
        source_name: requests.get(index).map(|request| request.name.clone()).unwrap_or_default(),
        path,
        fault,
    };
    Described { catalog, problems: Problems(problems.into_iter().map(named).collect()) }
}

/// Ten thousand files of one table share one list of columns.
fn share(mut file: FileInfo, schemas: &mut HashSet<Arc<[FileColumn]>>) -> FileInfo {
    match schemas.get(&file.columns) {
        Some(known) => file.columns = Arc::clone(known),
        None => drop(schemas.insert(Arc::clone(&file.columns))),
    }
    file
}

struct Listing {
    /// The folder that names of files are shown below.
    base: PathBuf,
    paths: Vec<PathBuf>,
    faults: Vec<(PathBuf, FileFault)>,
}

fn files(path: &Path) -> Result<Listing, FileFault> {
    if path.is_file() {
        let base = path.parent().unwrap_or(path).to_owned();
        return Ok(Listing { base, paths: vec![path.to_owned()], faults: Vec::new() });
    }
    let Some(text) = path.to_str() else {
        return Err(FileFault::Pattern("it is not UTF-8".to_owned()));
    };
    let (base, pattern) = if path.is_dir() {
        (path.to_owned(), format!("{}/**/*.parquet", Pattern::escape(text)))
    } else {
        (literal_base(path), text.to_owned())
    };
    let mut listing = Listing { base, paths: Vec::new(), faults: Vec::new() };
    expand(&pattern, &mut listing)?;
    listing.paths.sort_unstable();
    listing.paths.dedup();
    Ok(listing)
}

fn expand(pattern: &str, listing: &mut Listing) -> Result<(), FileFault> {
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
    let entries = glob::glob_with(pattern, options).map_err(|e| FileFault::Pattern(e.msg.to_owned()))?;
    for entry in entries {
        let path = match entry {
            Ok(path) => path,
            Err(error) => {
                let path = error.path().to_owned();
                listing.faults.push((path, FileFault::from_io(error.into())));
                continue;
            }
        };
        if hidden(path.strip_prefix(&listing.base).unwrap_or(&path)) {
            continue;
        }
        if path.is_dir() {
            // Spark writes a folder where others write a file: `items.parquet/part-00000.parquet`.
            if path.extension() == Some(OsStr::new("parquet"))
                && let Some(folder) = path.to_str()
            {
                expand(&format!("{}/**/*.parquet", Pattern::escape(folder)), listing)?;
            }
            continue;
        }
        listing.paths.push(path);
    }
    Ok(())
}

/// Whether a file or one of its folders is bookkeeping of whoever wrote it.
fn hidden(path: &Path) -> bool {
    path.components().any(|component| match component {
        Component::Normal(name) => name.as_encoded_bytes().first().is_some_and(|b| matches!(b, b'.' | b'_')),
        _ => false,
    })
}

/// The leading folders of a pattern that hold no wildcard.
fn literal_base(pattern: &Path) -> PathBuf {
    let wild = |component: &Component<'_>| component.as_os_str().as_encoded_bytes().iter().any(|b| b"*?[".contains(b));
    let base: PathBuf = pattern.components().take_while(|component| !wild(component)).collect();
    if base == pattern { pattern.parent().unwrap_or(pattern).to_owned() } else { base }
}

/// The deepest folder of a pattern that exists, and a few of the names in it.
fn nearest(pattern: &Path) -> Option<(PathBuf, Vec<String>)> {
    const SHOWN: usize = 5;
    let base = literal_base(pattern);
    let folder = base.ancestors().find(|folder| folder.is_dir())?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("`{}{slash}`", entry.file_name().to_string_lossy())
        })
        .collect();
    names.sort_unstable();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("{more} more"));
    }
    Some((folder.to_owned(), names))
}
