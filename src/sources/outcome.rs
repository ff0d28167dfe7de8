//! What became of the rows of a source.

use std::fmt;
use std::sync::Arc;

use polars::frame::DataFrame;

use super::finding::{Finding, Verdict};
use crate::kernel::Tally;

/// A source in memory.
#[derive(Clone, Debug)]
pub struct LoadedSource {
    /// Its name.
    pub name: String,
    /// The used rows, in the order of the files; the wanted columns in the wanted order, canonical.
    pub frame: DataFrame,
    /// Whether `frame` has the values that were enough of each row instead.
    pub is_projected: bool,
    /// Whether it was condensed while it was read, so that no row was ever held.
    pub is_condensed: bool,
    /// Where combinations of values were enough, these and how many rows have each; `frame` is empty then.
    pub tally: Option<Arc<Tally>>,
    /// Where every row read went.
    pub attrition: Attrition,
    /// The rules that rows broke, in the order of the rules.
    pub violations: Vec<ViolationReport>,
    /// What the rules about the source as a whole came to.
    pub findings: Vec<Finding>,
    /// Rules that the footers of the files prove, so that no row was read for them.
    pub proven: Vec<String>,
    /// The rows set aside: stored values, then `_rule`, `_rules`, `_file` and `_row`. Sorted by file and row.
    pub quarantined: Option<DataFrame>,
    /// The cap that quarantined rows exceed, such as `500 rows`; nothing may be published then.
    pub exceeded: Option<String>,
}

impl LoadedSource {
    /// Whether the contract forbids to publish anything that reads this source.
    #[must_use]
    pub fn rejected(&self) -> bool {
        self.exceeded.is_some()
            || self.violations.iter().any(|violation| violation.action == Action::Fail)
            || self.findings.iter().any(|finding| finding.verdict == Verdict::Failed)
    }

    /// Whether nothing that reads this source may be published before its next export.
    #[must_use]
    pub fn stale(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Stale)
    }
}

/// Where every row of a source went: `read` is `used` and the `reasons` together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attrition {
    /// Rows in the files.
    pub read: u64,
    /// Rows that tables see.
    pub used: u64,
    /// Rows left out, by reason; none with zero rows.
    pub reasons: Vec<(Reason, u64)>,
}

impl Attrition {
    /// Whether every row is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.read == self.used + self.reasons.iter().map(|(_, rows)| rows).sum::<u64>()
    }
}

impl Attrition {
    /// Rows that were set aside.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        let aside = self.reasons.iter().filter(|(reason, _)| matches!(reason, Reason::Quarantined(_)));
        aside.map(|(_, rows)| rows).sum()
    }
}

/// Why a row is not used. Displays as in the attrition table: `deleted`, `filter(paid)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The `deleted` column says so.
    Deleted,
    /// It does not meet this filter.
    Filter(String),
    /// A later version of it is used.
    Duplicate,
    /// It breaks this rule, of those for which it was set aside the first.
    Quarantined(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("deleted"),
            Self::Filter(name) => write!(f, "filter({name})"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Quarantined(rule) => write!(f, "quarantined: {rule}"),
        }
    }
}

/// What happened to the rows that broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing may be published.
    Fail,
    /// They are used all the same.
    Warn,
    /// They were set aside.
    Quarantine,
}

/// A rule that rows broke. A row is counted under every rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViolationReport {
    /// The rule, such as `not_null(customer_id)`.
    pub rule: String,
    /// Rows that broke it.
    pub rows: u64,
    /// The first few of them.
    pub samples: Vec<Sample>,
    /// What happened to them.
    pub action: Action,
    /// How many rows may break it with a warning, in words.
    pub allowed: Option<String>,
    /// What the rule means or what would help, where its name does not say it.
    pub help: Option<String>,
}

/// A row that broke a rule. Displays as `item_id=si_1 ended_on=soon (2026-03.parquet, row 17)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The key columns and the columns of the rule, as stored.
    pub values: Vec<(String, String)>,
    /// The file, below the folder that the path of the source names.
    pub file: String,
    /// The row in the file, from 1.
    pub row: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (column, value) in &self.values {
            write!(f, "{column}={value} ")?;
        }
        write!(f, "({}, row {})", self.file, self.row)
    }
}
