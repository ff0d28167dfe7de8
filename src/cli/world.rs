//! The world of the command line: clock, environment, terminal, and what the process may do to itself.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::memory::Machine;
use crate::diag::Color;

/// Variables that give parameters, in front of their upper-case names.
const PARAM: &str = "TENURE_PARAM_";
/// Variables of Airflow that become labels.
const LABEL: &str = "AIRFLOW_CTX_";

/// What a verb may know of the world, asked once.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// Variables of the environment that are UTF-8.
    pub(super) vars: BTreeMap<String, String>,
    /// Whether this is the program and not a call from within another one: only the program
    /// catches signals, replaces itself, and ends itself.
    pub(super) process: bool,
    /// Whether the output is a terminal.
    pub(super) out_tty: bool,
    /// Whether the error output is a terminal.
    pub(super) err_tty: bool,
    /// Folder whose `return.json` Airflow on Kubernetes reads.
    pub(super) xcom: Option<PathBuf>,
    /// File whose content Kubernetes shows as the reason of a failure.
    pub(super) termination_log: Option<PathBuf>,
    /// Memory of the container or the machine.
    pub(super) machine: Machine,
}

impl World {
    /// The world of the program.
    pub(super) fn of_process() -> Self {
        Self {
            process: true,
            out_tty: std::io::stdout().is_terminal(),
            err_tty: std::io::stderr().is_terminal(),
            xcom: Some(PathBuf::from("/airflow/xcom")),
            termination_log: Some(PathBuf::from("/dev/termination-log")),
            machine: Machine::of_system(),
            ..Self::inside()
        }
    }

    /// The world of a call from within another program: its environment, no terminal, no side effects.
    pub(super) fn inside() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { vars: std::env::vars_os().filter_map(text).collect(), ..Self::default() }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the command line is the one place that asks the clock")]
    pub(super) fn now() -> Timestamp {
        Timestamp::now()
    }

    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether messages are coloured: `NO_COLOR`, then `CLICOLOR_FORCE`, then the terminal decides.
    pub(super) fn color(&self) -> bool {
        if self.var("NO_COLOR").is_some() {
            return false;
        }
        if self.var("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            return true;
        }
        self.err_tty && self.var("TERM") != Some("dumb")
    }

    /// The same in the words of diagnostics.
    pub(super) fn diag_color(&self) -> Color {
        if self.color() { Color::Always } else { Color::Never }
    }

    /// Columns of the terminal, where the shell exports them.
    pub(super) fn width(&self) -> Option<usize> {
        self.var("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns >= 40)
    }

    /// Values for those of the `declared` parameters that a variable is named after: name, value, variable.
    pub(super) fn params<'a>(&'a self, declared: &'a [String]) -> impl Iterator<Item = (String, String, String)> + 'a {
        declared.iter().filter_map(|name| {
            let variable = format!("{PARAM}{}", name.to_uppercase());
            let value = self.vars.get(&variable)?;
            Some((name.clone(), value.clone(), format!("`{variable}`")))
        })
    }

    /// What the orchestrator says about itself: `AIRFLOW_CTX_DAG_ID` is the label `airflow.dag_id`.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let label = |(name, value): (&String, &String)| {
            Some((format!("airflow.{}", name.strip_prefix(LABEL)?.to_lowercase()), value.clone()))
        };
        self.vars.iter().filter_map(label).collect()
    }

    /// A name for a run that starts now: sortable by time, different in every process.
    pub(super) fn run_id(started: Timestamp) -> String {
        use std::hash::{BuildHasher, Hasher};
        // Seeded by the system anew in every process and for every state.
        let mut random = std::collections::hash_map::RandomState::new().build_hasher();
        random.write_u32(std::process::id());
        let tail = random.finish() & 0xffff;
        format!("{}-{tail:04x}", started.strftime("%Y%m%dT%H%M%S%.3fZ"))
    }
}

/// Memory of this process in bytes, now and at most, where the system tells.
pub(super) fn memory() -> (Option<u64>, Option<u64>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// A path without `.` and `..`, found without looking at the disk.
pub(super) fn lexical(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// The absolute form of a path, also where it does not exist.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path)
        .unwrap_or_else(|_| lexical(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(vars: &[(&str, &str)]) -> World {
        World { vars: vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), ..World::default() }
    }

    #[test]
    fn colour_follows_the_conventions() {
        let tty = |vars: &[(&str, &str)]| World { err_tty: true, ..world(vars) }.color();
        assert!(tty(&[]));
        assert!(!tty(&[("NO_COLOR", "1")]));
        assert!(tty(&[("NO_COLOR", "")]));
        assert!(!tty(&[("TERM", "dumb")]));
        assert!(!world(&[]).color());
        assert!(world(&[("CLICOLOR_FORCE", "1")]).color());
        assert!(!world(&[("CLICOLOR_FORCE", "0")]).color());
        assert!(!world(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).color());
    }

    #[test]
    fn variables_become_parameters_and_labels() {
        let world = world(&[
            ("TENURE_PARAM_EXPORTS", "x"),
            ("TENURE_PARAM_OTHER", "y"),
            ("AIRFLOW_CTX_DAG_ID", "nightly"),
            ("PATH", "/bin"),
        ]);
        let declared = ["exports".to_owned(), "floor".to_owned()];
        let params: Vec<_> = world.params(&declared).collect();
        assert_eq!(params, [("exports".to_owned(), "x".to_owned(), "`TENURE_PARAM_EXPORTS`".to_owned())]);
        assert_eq!(
            world.labels().into_iter().collect::<Vec<_>>(),
            [("airflow.dag_id".to_owned(), "nightly".to_owned())]
        );
    }

    #[test]
    fn run_ids_are_sortable_names() {
        let id = World::run_id("2026-11-22T20:14:55.1234Z".parse().unwrap());
        assert_eq!(&id[..20], "20261122T201455.123Z");
        assert_eq!(id.len(), 25);
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{id}");
    }

    #[test]
    fn paths_are_tidied_without_the_disk() {
        for (path, tidy) in [("a/../b/./c", "b/c"), ("../x", "../x"), ("/a/../../b", "/../b"), ("a/..", ".")] {
            assert_eq!(lexical(Path::new(path)), Path::new(tidy), "{path}");
        }
    }
}
