//! Sources and tables as a run record shows them.

use std::fmt::Write as _;
use std::path::Path;

use jiff::civil::Date;
use serde::Serialize;

use super::{fingerprint, format};
use crate::engine::{Figure, RunOutcome, TableOutcome, TableState, Value};
use crate::metrics::ShownAs;
use crate::plan::{RunPlan, TablePlan};
use crate::sources::{Action, Finding, Reason, SourcePlan};

/// A source in a run record.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceReport {
    /// Its name.
    pub name: String,
    /// Files.
    pub files: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Rows that the footers of the files announce.
    pub rows: u64,
    /// Hash over names, sizes and footers of the files.
    pub fingerprint: String,
    /// Rows read; `None` where the run did not come so far.
    pub read: Option<u64>,
    /// Rows used.
    pub used: Option<u64>,
    /// Rows left out, by reason; with `used` they add up to `read`.
    pub attrition: Vec<ReasonReport>,
    /// Contracts that rows broke.
    pub violations: Vec<ViolationRecord>,
    /// What the contracts of the source as a whole came to.
    pub findings: Vec<FindingRecord>,
    /// Rules that the footers of the files prove, so that no row was read for them.
    pub proven_by_footers: Vec<String>,
    /// The cap that quarantined rows exceed.
    pub exceeded: Option<String>,
    /// File with the rows that were set aside.
    pub quarantine: Option<String>,
}

/// Rows by reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonReport {
    /// Why, with the name of the filter or rule: `filter(paid)`.
    pub reason: String,
    /// Why, in one word: `used`, `deleted`, `filtered`, `duplicate`, `quarantined`; of a table its own words.
    pub kind: String,
    /// The filter or the rule, where it was one.
    pub rule: Option<String>,
    /// How many.
    pub rows: u64,
}

impl ReasonReport {
    /// Rows of a source that were left out.
    fn of_source(reason: &Reason, rows: u64) -> Self {
        let (kind, rule) = match reason {
            Reason::Deleted => ("deleted", None),
            Reason::Filter(name) => ("filtered", Some(name.clone())),
            Reason::Duplicate => ("duplicate", None),
            Reason::Quarantined(rule) => ("quarantined", Some(rule.clone())),
        };
        Self { reason: reason.to_string(), kind: kind.to_owned(), rule, rows }
    }

    /// Rows for a reason that is told by one text.
    #[must_use]
    pub fn plain(reason: &str, rows: u64) -> Self {
        Self { reason: reason.to_owned(), kind: reason.to_owned(), rule: None, rows }
    }
}

/// What a contract of a source as a whole came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingRecord {
    /// The rule.
    pub rule: String,
    /// `held`, `unchecked`, `warned`, `failed`, `late` or `stale`.
    pub verdict: String,
    /// What was found.
    pub said: String,
    /// What is allowed, or why the rule exists.
    pub allowed: String,
}

/// A contract that rows broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ViolationRecord {
    /// The rule.
    pub rule: String,
    /// Rows that broke it.
    pub rows: u64,
    /// `fail`, `warn` or `quarantine`.
    pub action: String,
    /// The first of them.
    pub samples: Vec<String>,
}

/// A table in a run record.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// `published`, `helper`, `rejected`, `failed`, `skipped` or `unknown`.
    pub state: String,
    /// Why it is not published.
    pub reason: Option<String>,
    /// Rows.
    pub rows: Option<u64>,
    /// Bytes of the file.
    pub bytes: Option<u64>,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// Version of its group, or of the table.
    pub version: Option<String>,
    /// False when readers saw the same bytes before.
    pub changed: Option<bool>,
    /// Where readers open it, absolute.
    pub uri: Option<String>,
    /// SHA-256 of its definition.
    pub definition: String,
    /// Input rows by whether and why they count.
    pub attrition: Vec<ReasonReport>,
    /// Identities that were checked.
    pub checks: Vec<CheckReport>,
    /// Headline figures.
    pub figures: Vec<FigureReport>,
}

/// An identity that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// The equation in words.
    pub meaning: String,
    /// Rows that break it.
    pub broken: u64,
    /// The first of them.
    pub samples: Vec<String>,
}

/// A headline figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FigureReport {
    /// What it is.
    pub label: String,
    /// Currency of its row.
    pub currency: String,
    /// First day of the period it is of.
    pub period_start: Option<Date>,
    /// The value, exact and as text: money in major units, rates from 0 to 1. `None` where it is NULL.
    pub value: Option<String>,
    /// The value as the summary shows it.
    pub shown: String,
}

impl SourceReport {
    pub(super) fn new(plan: &SourcePlan, outcome: Option<&RunOutcome>) -> Self {
        let mut out = Self {
            name: plan.name.clone(),
            files: plan.files.len(),
            bytes: plan.files.iter().map(|file| file.bytes).sum(),
            rows: plan.rows(),
            fingerprint: fingerprint(plan.files.iter().map(|file| &file.fingerprint)),
            ..Self::default()
        };
        let Some(source) = outcome.and_then(|o| o.sources.iter().find(|s| s.name == plan.name)) else {
            return out;
        };
        let attrition = &source.loaded.attrition;
        (out.read, out.used) = (Some(attrition.read), Some(attrition.used));
        out.attrition = attrition.reasons.iter().map(|(why, rows)| ReasonReport::of_source(why, *rows)).collect();
        let finding = |finding: &Finding| FindingRecord {
            rule: finding.rule.clone(),
            verdict: finding.verdict.word().to_owned(),
            said: finding.said.clone(),
            allowed: finding.allowed.clone(),
        };
        out.findings = source.loaded.findings.iter().map(finding).collect();
        out.proven_by_footers.clone_from(&source.loaded.proven);
        let violations = source.loaded.violations.iter().map(|violation| ViolationRecord {
            rule: violation.rule.clone(),
            rows: violation.rows,
            action: match violation.action {
                Action::Fail => "fail",
                Action::Warn => "warn",
                Action::Quarantine => "quarantine",
            }
            .to_owned(),
            samples: violation.samples.iter().map(ToString::to_string).collect(),
        });
        out.violations = violations.collect();
        out.exceeded.clone_from(&source.loaded.exceeded);
        out.quarantine = source.quarantine.as_ref().map(|path| path.display().to_string());
        out
    }
}

impl TableReport {
    pub(super) fn new(table: &TablePlan, plan: &RunPlan, outcome: Option<&RunOutcome>, root: &Path) -> Self {
        let mut out = Self {
            name: table.name.clone(),
            ty: table.ty.clone(),
            state: "unknown".to_owned(),
            definition: table.definition.clone(),
            ..Self::default()
        };
        let Some(told) = outcome.and_then(|o| o.tables.iter().find(|t| t.name == table.name)) else {
            out.reason = Some("the run ended before".to_owned());
            return out;
        };
        out.state(told, root);
        out.attrition = told.attrition.iter().map(|(reason, rows)| ReasonReport::plain(reason, *rows)).collect();
        let check = |check: &crate::engine::CheckOutcome| CheckReport {
            name: check.name.to_owned(),
            meaning: check.meaning.to_owned(),
            broken: check.broken,
            samples: check.samples.clone(),
        };
        out.checks = told.checks.iter().map(check).collect();
        out.figures = told.headlines.iter().map(|figure| FigureReport::new(figure, plan.context.scale)).collect();
        out
    }

    fn state(&mut self, told: &TableOutcome, root: &Path) {
        let word = match &told.state {
            TableState::Published { path, rows, bytes, sha256, version, changed } => {
                (self.rows, self.bytes, self.changed) = (Some(*rows), Some(*bytes), Some(*changed));
                (self.sha256, self.version) = (Some(sha256.clone()), Some(version.clone()));
                let path = path.file_name().map_or_else(|| path.clone(), |name| root.join(name));
                self.uri = Some(uri(&path));
                "published"
            }
            TableState::Helper { rows } => {
                self.rows = Some(*rows);
                "helper"
            }
            TableState::Rejected { rows } => {
                self.rows = Some(*rows);
                let own = told.checks.iter().any(|check| check.broken > 0);
                let reason =
                    if own { "a check failed" } else { "held back, a check failed in its group or in what it reads" };
                self.reason = Some(reason.to_owned());
                "rejected"
            }
            TableState::Failed { message } => {
                self.reason = Some(message.clone());
                "failed"
            }
            TableState::Skipped { reason } => {
                self.reason = Some(reason.clone());
                "skipped"
            }
        };
        word.clone_into(&mut self.state);
    }
}

impl FigureReport {
    fn new(figure: &Figure, scale: u8) -> Self {
        let money = figure.headline.shown_as == ShownAs::Money;
        let value = figure.value.map(|value| match value {
            Value::Int(units) if money => format::exact(units, scale),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
        });
        Self {
            label: figure.headline.label.clone(),
            currency: figure.currency.clone(),
            period_start: figure.period_start,
            value,
            shown: shown(figure, scale),
        }
    }
}

fn shown(figure: &Figure, scale: u8) -> String {
    match (figure.value, figure.headline.shown_as) {
        (None, _) => "-".to_owned(),
        (Some(Value::Int(units)), ShownAs::Money) => format::money(units, scale, &figure.currency),
        (Some(Value::Int(rate)), ShownAs::Percent) => format!("{}%", format::whole(rate.saturating_mul(100))),
        (Some(Value::Int(number)), ShownAs::Number) => format::whole(number),
        (Some(Value::Float(rate)), ShownAs::Percent) => format::percent(rate),
        (Some(Value::Float(number)), ShownAs::Money | ShownAs::Number) => format::decimals(number, 2),
    }
}

/// A path as a URI that readers of records can open: `file:///mart/churn.parquet`.
fn uri(path: &Path) -> String {
    let mut out = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri(Path::new("/mart/cs 1/churn.parquet")), "file:///mart/cs%201/churn.parquet");
    }
}
