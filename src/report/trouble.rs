//! What went wrong or deserves a look, as blocks of what, evidence and next step.

use std::error::Error;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diag::{Code, Diagnostic, Diagnostics, Severity};
use crate::engine::{CheckOutcome, EngineError, RunOutcome, SourceOutcome, TableOutcome, TableState};
use crate::publish::{LockError, PublishError};
use crate::report::format::{count, counted};
use crate::sources::{Action, Finding, SourceErrorClass, Verdict, ViolationReport};

/// One message about a run. Reads like a [`Diagnostic`], and has no place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it stopped the run or a table.
    pub severity: Severity,
    /// What kind of message it is, where it has a code.
    pub code: Option<Code>,
    /// What is wrong, in one line.
    pub title: String,
    /// Evidence, such as sample rows.
    pub details: Vec<String>,
    /// The next step.
    pub help: Vec<String>,
}

/// Most lines of evidence shown.
const DETAILS: usize = 12;

impl Trouble {
    /// An error without a code. Lines after the first become details.
    #[must_use]
    pub fn error(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let title = lines.next().unwrap_or_default().to_owned();
        let details = lines.map(str::to_owned).collect();
        Self { severity: Severity::Error, code: None, title, details, help: Vec::new() }
    }

    /// A warning without a code.
    #[must_use]
    pub fn warning(text: &str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(text) }
    }

    /// Adds a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    fn coded(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The block for people, ending in a line break.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let (paint, help, bold, off) = match (color, self.is_error()) {
            (false, _) => ("", "", "", ""),
            (true, true) => ("\x1b[1;31m", "\x1b[1;36m", "\x1b[1m", "\x1b[0m"),
            (true, false) => ("\x1b[1;33m", "\x1b[1;36m", "\x1b[1m", "\x1b[0m"),
        };
        let code = self.code.map(|code| format!("[{code}]")).unwrap_or_default();
        let mut out = format!("{paint}{}{code}{off}{bold}: {}{off}\n", self.severity.word(), plain(&self.title));
        for detail in self.details.iter().take(DETAILS) {
            let _ = writeln!(out, "  {}", plain(detail));
        }
        if self.details.len() > DETAILS {
            let _ = writeln!(out, "  {} more lines", self.details.len() - DETAILS);
        }
        for line in &self.help {
            let _ = writeln!(out, "{help}help{off}: {}", plain(line));
        }
        out
    }

    /// The block for machines, with the keys of [`Diagnostics::to_json`] that apply.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.word(),
            "code": self.code.map(Code::id),
            "title": self.title,
            "details": self.details,
            "help": self.help,
        })
    }
}

/// Values of an export must not move the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

impl From<&Diagnostic> for Trouble {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity,
            code: Some(diagnostic.code),
            title: diagnostic.title.clone(),
            details: diagnostic.details.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// The messages of an outcome: broken contracts first, then tables, then notes.
#[must_use]
pub fn of_outcome(outcome: &RunOutcome) -> Vec<Trouble> {
    let mut out: Vec<Trouble> = outcome.sources.iter().flat_map(of_source).collect();
    out.extend(outcome.tables.iter().flat_map(of_table));
    for text in &outcome.recovered {
        out.push(Trouble::warning(text));
    }
    for table in &outcome.detached {
        out.push(
            Trouble::warning(&format!("table `{table}` left its publish group and stays published as it was"))
                .help("list it under `together` again, or delete its file if nobody reads it"),
        );
    }
    out
}

fn of_source(source: &SourceOutcome) -> Vec<Trouble> {
    let loaded = &source.loaded;
    let read = loaded.attrition.read;
    let mut out = Vec::new();
    for violation in &loaded.violations {
        match violation.action {
            Action::Fail => out.push(refused(source, violation)),
            Action::Warn => out.push(used_all_the_same(source, violation)),
            Action::Quarantine => {}
        }
    }
    out.extend(loaded.findings.iter().filter_map(|finding| found(source, finding)));
    let aside: Vec<&ViolationReport> = loaded.violations.iter().filter(|v| v.action == Action::Quarantine).collect();
    let rows: u64 = loaded.attrition.quarantined();
    let mut diags = Diagnostics::without_file();
    let folder = source.quarantine.as_ref().map(|path| path.display().to_string());
    match (&loaded.exceeded, rows) {
        (Some(limit), _) => diags.quarantine_exceeded(&source.name, rows, read, limit),
        (None, 1..) => diags.rows_quarantined(&source.name, rows, read, folder.as_deref().unwrap_or("the run record")),
        (None, 0) => {}
    }
    for diagnostic in diags.sorted() {
        let mut block = Trouble::from(diagnostic);
        // The path is there to be copied, so it is given in full.
        if let (None, Some(folder)) = (&loaded.exceeded, &folder) {
            block.help = vec![format!("the rows and their reasons are in `{folder}`")];
        }
        block.details.extend(aside.iter().map(|violation| {
            let first = violation.samples.first().map(|sample| format!(", such as {sample}")).unwrap_or_default();
            format!("{}: {}{first}", violation.rule, counted(violation.rows, "row"))
        }));
        if let (Some(_), Some(folder)) = (&loaded.exceeded, &folder) {
            block = block.help(format!("the rows and their reasons are in `{folder}`"));
        }
        if loaded.exceeded.is_some() {
            block = block.help("nothing was published; the previous tables were kept");
        }
        out.push(block);
    }
    out
}

/// The message about a source as a whole, where there is something to say.
fn found(source: &SourceOutcome, finding: &Finding) -> Option<Trouble> {
    let mut diags = Diagnostics::without_file();
    let Finding { rule, verdict, said, allowed } = finding;
    match verdict {
        Verdict::Held | Verdict::Unchecked => {}
        Verdict::Warned => diags.source_check(&source.name, rule, said, allowed, Severity::Warning),
        Verdict::Failed => diags.source_check(&source.name, rule, said, allowed, Severity::Error),
        Verdict::Late => diags.source_late(&source.name, said, allowed),
        Verdict::Stale => diags.source_stale(&source.name, said, allowed),
    }
    diags.sorted().first().map(|diagnostic| Trouble::from(*diagnostic))
}

fn refused(source: &SourceOutcome, violation: &ViolationReport) -> Trouble {
    let samples = violation.samples.iter().map(ToString::to_string).collect();
    let mut diags = Diagnostics::without_file();
    let (name, counts) = (&source.name, (violation.rows, source.loaded.attrition.read));
    diags.source_rejected(name, counts, &violation.rule, violation.allowed.as_deref(), samples);
    let mut out = diags.sorted().first().map_or_else(|| Trouble::error(&violation.rule), |d| Trouble::from(*d));
    // Rows read better one below the other.
    out.details = lines_of(violation);
    out.help.splice(0..0, violation.help.clone());
    out.help("nothing was published; the previous tables were kept")
}

fn used_all_the_same(source: &SourceOutcome, violation: &ViolationReport) -> Trouble {
    let (name, read) = (&source.name, source.loaded.attrition.read);
    let allowed = violation.allowed.as_ref().map(|allowed| format!(", allowed are {allowed}")).unwrap_or_default();
    let title = format!(
        "source `{name}`: {} of {} rows fail `{}` and are used all the same{allowed}",
        count(violation.rows),
        count(read),
        violation.rule
    );
    let mut out = Trouble::warning(&title).coded(Code::SourceRejected);
    out.details = lines_of(violation);
    out.help.extend(violation.help.clone());
    out
}

fn lines_of(violation: &ViolationReport) -> Vec<String> {
    let mut lines: Vec<String> = violation.samples.iter().map(ToString::to_string).collect();
    let shown = u64::try_from(lines.len()).unwrap_or(0);
    if shown > 0 && violation.rows > shown {
        lines.push(format!("{} more", count(violation.rows - shown)));
    }
    lines
}

fn of_table(table: &TableOutcome) -> Vec<Trouble> {
    let mut out: Vec<Trouble> =
        table.checks.iter().filter(|check| check.broken > 0).map(|check| broken(table, check)).collect();
    if let TableState::Failed { message } = &table.state {
        out.push(
            Trouble::error(&format!("table `{}` failed: {message}", table.name))
                .help("the previous table was kept; tables that do not read it are not affected"),
        );
    }
    out
}

fn broken(table: &TableOutcome, check: &CheckOutcome) -> Trouble {
    let size = match &table.state {
        TableState::Rejected { rows } => format!(" ({})", counted(*rows, "row")),
        _ => String::new(),
    };
    let title = format!(
        "table `{}`{size} rejected: {} {} `{}`",
        table.name,
        counted(check.broken, "row"),
        fail(check.broken),
        check.name
    );
    let mut out = Trouble::error(&title).coded(Code::TableRejected);
    out.details.clone_from(&check.samples);
    let shown = u64::try_from(check.samples.len()).unwrap_or(0);
    if shown > 0 && check.broken > shown {
        out.details.push(format!("{} more", count(check.broken - shown)));
    }
    out.help(format!("what must hold: {}", check.meaning)).help("the previous table was kept")
}

fn fail(rows: u64) -> &'static str {
    if rows == 1 { "fails" } else { "fail" }
}

/// The message of a run that could not be carried out, with its causes.
#[must_use]
pub fn of_error(error: &EngineError) -> Trouble {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    let trouble = Trouble::error(&text);
    match help_of(error) {
        Some(help) => trouble.help(help),
        None => trouble,
    }
}

fn help_of(error: &EngineError) -> Option<&'static str> {
    match error {
        EngineError::Source(source) => match source.class() {
            SourceErrorClass::Incomplete => {
                Some("run again when the export is complete; the previous tables were kept")
            }
            SourceErrorClass::Transient => Some("run again; the previous tables were kept"),
            SourceErrorClass::Failed | SourceErrorClass::Cancelled => None,
        },
        EngineError::Lock(LockError::Held { .. }) => Some(
            "wait for that run to end, or let this one wait: `publish: {lock_wait: 10m}`; the lock goes with its process, there is nothing to remove",
        ),
        EngineError::Publish(PublishError::Occupied { .. }) => Some("move it away, or choose another `root`"),
        EngineError::Publish(error) if error.is_disk_full() => {
            Some("free space below the `root`; every published table is whole")
        }
        EngineError::TornGroup { .. } => Some("select the whole group, or give the `--as-of` of that version"),
        EngineError::Write { .. } => Some("the previous table was kept"),
        EngineError::Lock(_) | EngineError::Publish(_) | EngineError::Verify { .. } | EngineError::Query { .. } => None,
    }
}
