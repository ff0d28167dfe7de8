//! Random command lines: help or work, a mistake with exit code 2, never a panic.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use proptest::prelude::*;
use proptest::sample::select;

use crate::laws::law;
use crate::process::{stderr, tenure};

const WORDS: &[&str] = &[
    "run",
    "check",
    "plan",
    "metrics",
    "schema",
    "init",
    "inspect",
    "show",
    "help",
    "exit-codes",
    "nps",
    "broken.yml",
    "none.yml",
    ".",
    "..",
    "/",
    "",
    "-",
    "--",
    "-h",
    "-V",
    "-q",
    "-x",
    "--help",
    "--version",
    "--select",
    "--select=",
    "--select=a,,b",
    "--exclude",
    "--as-of",
    "--as-of=2026-02-30",
    "--as-of=2026-06-30",
    "--as-of=9999-12-31",
    "--cutoff",
    "--cutoff=2026-06-30",
    "--cutoff=2026-06-30T00:00:00Z",
    "--cutoff=-9999-01-01T00:00:00Z",
    "--param",
    "--param=a",
    "--param==",
    "--param=a=b",
    "--param=exports=x",
    "--env",
    "--env=prod",
    "--root",
    "--root=",
    "--root=x",
    "--threads=0",
    "--threads=-1",
    "--threads=2",
    "--threads=99999999999",
    "--timeout=0s",
    "--timeout=1",
    "--timeout=1h",
    "--timeout=-5m",
    "--log-format=json",
    "--log-format=xml",
    "--log-level=debug",
    "--result=none",
    "--result=stdout",
    "--result",
    "--quiet",
    "--die-with-parent",
    "--die-with-parent=maybe",
    "--limit=3",
    "--limit=-1",
    "--limit=99999999999999999999",
    "--where",
    "--columns=a",
    "--json",
    "tag:",
    "tag:board",
    "+",
    "++",
    "*",
    "[",
    "2026-06-30",
    "日本語",
    "\u{202e}",
    "a\nb",
    "%s%n",
    "$(id)",
    "`",
    "\\",
];

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        12 => select(WORDS).prop_map(OsString::from),
        1 => prop::collection::vec(1..=255u8, 0..12).prop_map(OsString::from_vec),
        1 => (1..5_000usize).prop_map(|n| OsString::from("x".repeat(n))),
    ]
}

#[test]
fn a_wrong_command_line_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.yml"), "version: 1\npipeline: [\n").unwrap();
    law("command line", 600, prop::collection::vec(word(), 0..6), |words| {
        let output = tenure(words).current_dir(folder.path()).output().map_err(|e| e.to_string())?;
        let (text, code) = (stderr(&output), output.status.code());
        match code {
            Some(0) => {}
            Some(1 | 3 | 5) if text.starts_with("error") || text.starts_with('{') => {}
            Some(2)
                if text.contains("error: ")
                    && (text.contains("Usage: ") || text.contains("help: ") || text.contains("--help")) => {}
            Some(2) if text.contains("Usage: ") || text.starts_with('{') => {}
            _ => return Err(format!("{:?}: {text}", output.status)),
        }
        if text.contains("panicked") || text.contains("internal error") { Err(text) } else { Ok(()) }
    });
}

#[test]
fn unknown_words_are_usage_mistakes() {
    for words in [
        &["frobnicate"][..],
        &["run"],
        &["run", "--nope", "x.yml"],
        &["check", "a.yml", "b.yml"],
        &["help", "nope"],
        &["run", "none.yml"],
    ] {
        let output = tenure(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: "), "{words:?}: {}", stderr(&output));
    }
}
