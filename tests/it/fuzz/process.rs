//! Damaged files through the binary: the exit code is one of those documented, and stderr says where.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use proptest::prelude::*;

use super::damage::{changed, changes, edited, edits};
use super::text::{nightly, nightly_tree};
use crate::laws::law;
use crate::process::{project, run, stderr};

/// A folder with the sample where the nightly pipeline looks for it, deep enough that `..` stays inside.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("a/b");
        fs::create_dir_all(here.join("pipelines")).unwrap();
        std::os::unix::fs::symlink(project().join("sample_data"), here.join("sample_data")).unwrap();
        Self { folder }
    }

    /// The pipeline file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("a/b/pipelines/damaged.yml")
    }

    /// What `verb` says to these bytes.
    pub fn told(&self, verb: &str, bytes: &[u8]) -> Output {
        fs::write(self.file(), bytes).unwrap();
        run(&[Path::new(verb), &self.file()])
    }
}

/// The exit code of `check`, after what it promises was looked at.
pub fn checked(output: &Output) -> Result<i32, String> {
    let text = stderr(output);
    let code = output.status.code().ok_or_else(|| format!("ended by {:?}: {text}", output.status))?;
    match code {
        0 | 2 | 5 => {}
        3 if says_where(&text) => {}
        3 => return Err(format!("says not where: {text}")),
        _ => return Err(format!("exit code {code}: {text}")),
    }
    if code != 0 && !text.starts_with("error") && !text.starts_with("warning") {
        return Err(format!("exit code {code} without a message: {text}"));
    }
    if text.contains("panicked") || text.contains("internal error") {
        return Err(text);
    }
    Ok(code)
}

/// Whether a text names a line and a column of the file.
fn says_where(text: &str) -> bool {
    let numbers = |rest: &str| {
        let mut parts = rest.splitn(3, ':').map(|part| part.bytes().take_while(u8::is_ascii_digit).count());
        matches!((parts.next(), parts.next()), (Some(1..), Some(1..)))
    };
    text.split("damaged.yml:").skip(1).any(numbers)
}

#[test]
fn damaged_files_have_their_exit_code() {
    let place = Place::new();
    law("damaged files", 300, (edits(), changes()), |(edits, changes)| {
        let text = edited(changed(nightly_tree(), changes).write(), edits);
        checked(&place.told("check", text.as_bytes())).map(drop)
    });
}

#[test]
fn bytes_that_are_no_text_are_refused_with_a_place() {
    let place = Place::new();
    let text = nightly();
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(checked(&place.told("check", &utf16)), Ok(3));
    law("broken bytes", 100, (any::<prop::sample::Index>(), 0x80..=0xffu8), |(at, byte)| {
        let mut bytes = text.clone().into_bytes();
        bytes.insert(at.index(bytes.len()), *byte);
        match checked(&place.told("check", &bytes))? {
            3 => Ok(()),
            code => Err(format!("exit code {code}")),
        }
    });
}

#[test]
fn verbs_agree_on_a_damaged_file() {
    let place = Place::new();
    for (from, to) in [
        ("version: 1", "version: 2"),
        ("type: nps", "type: npz"),
        ("tables:", "tabels:"),
        ("  customers:", "\tcustomers:"),
    ] {
        let text = nightly().replacen(from, to, 1);
        for verb in ["check", "plan", "run"] {
            assert_eq!(checked(&place.told(verb, text.as_bytes())), Ok(3), "{verb} {to}");
        }
    }
}
