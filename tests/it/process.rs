//! The binary as a process: how tests start it and what they read from what it published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The binary with a clean environment and a working directory that nothing may depend on.
pub fn tenure<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(args).env_clear().env("NO_COLOR", "1").current_dir(std::env::temp_dir());
    command
}

/// Runs the binary to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    tenure(args).output().unwrap()
}

/// Exit code, with everything that was printed when it is not the expected one.
pub fn expect_code(output: &Output, code: i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout:\n{}\nstderr:\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The last line of standard output as JSON.
pub fn result(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e} in:\n{text}"))
}

/// The footer's `tenure.*` entries of a published table; `None` when no reader can open it.
pub fn footer(path: &Path) -> Option<BTreeMap<String, String>> {
    let file = fs::File::open(path).ok()?;
    let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    Some(pairs.into_iter().filter_map(|kv| Some((kv.key, kv.value?))).collect())
}

/// Published tables of a root by name, with their bytes.
pub fn mart(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(root) else { return BTreeMap::new() };
    let paths = entries.map(|e| e.unwrap().path()).filter(|p: &PathBuf| p.extension().is_some_and(|e| e == "parquet"));
    paths.filter_map(|p| Some((p.file_stem()?.to_string_lossy().into_owned(), fs::read(&p).ok()?))).collect()
}
