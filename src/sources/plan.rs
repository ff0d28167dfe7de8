//! A source, resolved: which files, how every declared column is read from them, which rows count.

use std::collections::BTreeMap;
use std::ops::Range;

use super::catalog::FileInfo;
use super::condition::Condition;
use crate::checks::{Literal, RowRule};
use crate::schema::ColumnType;
use crate::spec::contract::{RowCountSpec, Severity};
use crate::spec::pipeline::{MoneyUnit, OnViolation, Parse};
use crate::spec::types::{CurrencyCode, Duration, Percent};

/// A source, resolved. One that exists can only fail because of data or the machine.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its files, those of one layout together; rows are numbered through in this order, from 0.
    pub files: Vec<FileInfo>,
    /// Runs of files that have the same columns.
    pub layouts: Vec<Layout>,
    /// The declared columns, in the order of the file.
    pub columns: Vec<ColumnPlan>,
    /// Bool column that marks deleted rows.
    pub deleted: Option<String>,
    /// Conditions that a row must meet to be used.
    pub filters: Vec<Condition>,
    /// Contracts on single rows; attrition counts a row under the first that it breaks.
    pub rules: Vec<RowRule>,
    /// Contracts on single rows that the footers of the files prove; no row is read for them.
    pub proven: Vec<RowRule>,
    /// Conditions on totals of the used rows.
    pub aggregates: Vec<Aggregate>,
    /// How rules are meant, by their names in reports; the others are errors without tolerance.
    pub bearings: BTreeMap<String, Bearing>,
    /// How many rows the files hold together.
    pub row_count: Option<RowCountSpec>,
    /// How old the newest row may be.
    pub freshness: Option<Freshness>,
    /// What the rules of the pipeline file's own making ask; a [`RowRule::Check`] each.
    pub checks: Vec<Condition>,
    /// Columns that identify a row; empty when none are declared.
    pub key: Vec<String>,
    /// Lists of columns whose values may not repeat, the key first.
    pub unique: Vec<Vec<String>>,
    /// Which of several versions of a row is used.
    pub deduplicate: Option<Deduplicate>,
    /// Columns whose values must exist elsewhere.
    pub references: Vec<Reference>,
    /// What happens to rows that break a contract.
    pub on_violation: OnViolation,
    /// IANA zone in which instants become civil dates.
    pub zone: String,
    /// Money is kept in units of 10^-`money_scale` of the major unit.
    pub money_scale: u8,
}

/// What it comes to when a rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bearing {
    /// Whether it is an error.
    pub severity: Severity,
    /// So many rows may break it with a warning.
    pub max_rows: Option<u64>,
    /// Such a share of the rows read may break it with a warning.
    pub max_share: Option<Percent>,
}

impl Bearing {
    /// Whether so many of the rows read are within the tolerance; none is given, none are.
    #[must_use]
    pub fn tolerates(&self, rows: u64, read: u64) -> bool {
        (self.max_rows.is_some() || self.max_share.is_some())
            && self.max_rows.is_none_or(|most| rows <= most)
            && self.max_share.is_none_or(|share| !exceeds(rows, read, share))
    }

    /// The tolerance in words, such as `10 rows and 0.1% of the rows`; empty without one.
    #[must_use]
    pub fn words(&self) -> String {
        let rows = self.max_rows.map(|most| format!("{most} row{}", if most == 1 { "" } else { "s" }));
        let share = self.max_share.map(|share| format!("{share} of the rows"));
        rows.into_iter().chain(share).collect::<Vec<_>>().join(" and ")
    }
}

/// Whether `rows` are more than such a share of those read; exact.
pub(super) fn exceeds(rows: u64, read: u64, share: Percent) -> bool {
    u128::from(rows) * 1_000_000 > u128::from(read) * u128::from(share.millionths().unsigned_abs())
}

/// A condition on totals of the used rows.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The condition.
    pub condition: Condition,
    /// Whether it is an error when it does not hold.
    pub severity: Severity,
    /// Why it exists.
    pub description: Option<String>,
}

/// How old the newest row may be, counted back from the cut-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Date or timestamp column that says when a row came about.
    pub column: String,
    /// Beyond this age there is a warning.
    pub warn_after: Option<Duration>,
    /// Beyond this age the source is stale.
    pub error_after: Option<Duration>,
}

/// Files with the same columns in the same order.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Positions in [`SourcePlan::files`].
    pub files: Range<usize>,
    /// How each of [`SourcePlan::columns`] is stored there.
    pub stored: Vec<Stored>,
    /// Of which of these the footers prove that every value can be read.
    pub readable: Vec<bool>,
}

/// A declared column.
#[derive(Clone, Debug)]
pub struct ColumnPlan {
    /// Its name in the pipeline.
    pub name: String,
    /// Its type in the pipeline.
    pub ty: ColumnType,
    /// Its name in the files, or the key in the names of their folders.
    pub from: String,
    /// Whether its values stand in the names of the folders.
    pub hive: bool,
    /// Whether a file may lack it.
    pub optional: bool,
    /// How stored values are read where their type does not say it.
    pub parse: Option<Parse>,
    /// IANA zone of stored local times.
    pub zone: Option<String>,
    /// Unit and currency; only for money, and there always.
    pub money: Option<MoneyPlan>,
    /// What takes the place of NULL.
    pub null_as: Option<Literal>,
}

/// How stored amounts are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyPlan {
    /// Whether 1999 means 1999 or 19.99.
    pub unit: MoneyUnit,
    /// Their currency.
    pub currency: Currency,
}

/// Where the currency of an amount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Currency {
    /// One for all rows.
    Code(CurrencyCode),
    /// A currency column of the same source.
    Column(String),
}

/// One row per key: the greatest by `order_by`, of equals the last in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplicate {
    /// Columns that identify a row; a row with a NULL in them is kept as it is.
    pub key: Vec<String>,
    /// Columns that order its versions, the first weighs most; a NULL is the least.
    pub order_by: Vec<String>,
}

/// Every non-NULL value of `column` must be a value of `target_column` in a used row of `target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The column that refers.
    pub column: String,
    /// The source it refers to.
    pub target: String,
    /// The column there.
    pub target_column: String,
}

impl SourcePlan {
    /// How a rule is meant, by its name in reports.
    #[must_use]
    pub fn bearing(&self, rule: &str) -> Bearing {
        self.bearings.get(rule).copied().unwrap_or_default()
    }

    /// The declared column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnPlan> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Rows of all files.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The file that holds a row, and the number of the row in it, from 1.
    #[must_use]
    pub fn locate(&self, row: u64) -> Option<(&FileInfo, u64)> {
        let mut first = 0;
        for file in &self.files {
            if row - first < file.rows {
                return Some((file, row - first + 1));
            }
            first += file.rows;
        }
        None
    }
}

/// How a column is stored, as far as reading it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Not at all, or without any value: NULL in every row.
    Absent,
    /// Text.
    Text,
    /// Text as a dictionary.
    Category,
    /// Text as bytes.
    Bytes,
    /// Whole number.
    Whole {
        /// Whether it may exceed 63 bits.
        unsigned: bool,
    },
    /// Floating-point number.
    Float,
    /// Exact decimal number with so many digits behind the point.
    Decimal(i8),
    /// True or false.
    Flag,
    /// Civil date.
    Date,
    /// Instant.
    Instant,
    /// Local time of the declared zone.
    Local,
}

impl Stored {
    /// Whether the value is a text, in whatever form.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Category | Self::Bytes)
    }
}

impl ColumnPlan {
    /// The column that holds the currency of an amount, where it differs by row.
    #[must_use]
    pub fn currency_column(&self) -> Option<&str> {
        match &self.money.as_ref()?.currency {
            Currency::Column(name) => Some(name),
            Currency::Code(_) => None,
        }
    }
}
