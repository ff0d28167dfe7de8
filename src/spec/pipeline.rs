//! The pipeline file as written: what each section may say, and its defaults.
//!
//! These types are the source of the JSON Schema (`tenure schema`), of the checks of structure and
//! of the values that `plan::resolve` works on. Positions live in the tree beside them
//! ([`crate::spec::tree`]) and are looked up by path.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dialect::Dialect;
use crate::schema::ColumnType;
use crate::spec::contract::{CheckSpec, FreshnessSpec, LengthSpec, RowCountSpec, RuleSpec};
use crate::spec::types::{CurrencyCode, Date, Duration, MemoryLimit, Name, PathTemplate, Percent, RegexText, ZoneName};

/// Sections of a pipeline file other than `params`, `environments` and `tables`, which are read on their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the file format. Always 1.
    pub version: u32,
    /// Name of the pipeline; written into every table it publishes.
    pub pipeline: Name,
    /// What the pipeline is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Who to ask.
    #[serde(default)]
    pub owner: Option<String>,
    /// IANA time zone in which instants become civil dates.
    pub timezone: ZoneName,
    /// Reporting currency, ISO 4217. Required once a money column exists.
    #[serde(default)]
    pub currency: Option<CurrencyCode>,
    /// Vendor whose way of counting every table takes over, where its own keys do not say otherwise.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// First day of a week.
    #[serde(default)]
    pub week_start: Weekday,
    /// First month of the fiscal year.
    #[serde(default)]
    pub fiscal_year_start: Month,
    /// Last civil day the results cover. Usually given by the run (`--as-of` or `--cutoff`).
    #[serde(default)]
    pub as_of: Option<Date>,
    /// Folder that receives the tables, relative to this file.
    #[serde(default)]
    pub root: Option<PathTemplate>,
    /// What is published together, and how.
    #[serde(default)]
    pub publish: PublishSpec,
    /// Resources a run may use.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Weekday {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A month of the year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Month {
    #[default]
    January,
    February,
    March,
    April,
    May,
    June,
    July,
    August,
    September,
    October,
    November,
    December,
}

/// How the tables become visible.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// Tables that become visible in one step: all or none.
    #[serde(default)]
    pub together: Vec<String>,
    /// How many earlier versions of a group to keep. Default 2.
    #[serde(default)]
    pub retain: Option<u32>,
    /// How long to wait for another run on the same root, for example `10m`. Default: do not wait.
    #[serde(default)]
    pub lock_wait: Option<Duration>,
}

/// An environment: where to write, and what differs there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Folder that receives the tables, relative to this file.
    #[serde(default)]
    pub root: Option<PathTemplate>,
    /// Values of `params` in this environment, as text.
    #[serde(default)]
    pub params: IndexMap<String, String>,
    /// Overrides of `publish`.
    #[serde(default)]
    pub publish: Option<EnvironmentPublishSpec>,
    /// Resources a run may use, each in place of what the file says.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// What an environment may change about publishing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentPublishSpec {
    /// How many earlier versions of a group to keep.
    #[serde(default)]
    pub retain: Option<u32>,
    /// How long to wait for another run on the same root.
    #[serde(default)]
    pub lock_wait: Option<Duration>,
}

/// Resources a run may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Threads for queries. Default: all cores.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4096))]
    pub threads: Option<u32>,
    /// Most memory a run may hold before it stops with exit code 8: a size such as `8GiB`, or a share of
    /// the container or machine such as `80%`. Default: what that has, less a reserve.
    #[serde(default)]
    pub memory: Option<MemoryLimit>,
}

impl LimitsSpec {
    /// Each of these limits, else that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { threads: self.threads.or(other.threads), memory: self.memory.or(other.memory) }
    }
}

/// A source: Parquet files, the columns taken from them and the contracts they must keep.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// A file, or a glob such as `exports/items/*.parquet` or `exports/items/**/*.parquet`; relative to the pipeline file.
    pub path: PathTemplate,
    /// What a row is.
    #[serde(default)]
    pub description: Option<String>,
    /// When true, a path that matches no file gives an empty source instead of an error.
    #[serde(default)]
    pub optional: bool,
    /// Columns by the name used in this pipeline.
    pub columns: IndexMap<Name, ColumnSpec>,
    /// Columns that identify a row; two rows with the same key break the contract.
    #[serde(default)]
    pub key: Vec<String>,
    /// Keep one row per key: the last in the given order.
    #[serde(default)]
    pub deduplicate: Option<DeduplicateSpec>,
    /// Bool column that marks a row as deleted; such rows are left out and counted.
    #[serde(default)]
    pub deleted: Option<String>,
    /// Named SQL conditions a row must meet to be used; rows that do not are counted under the name.
    #[serde(default)]
    pub filters: IndexMap<Name, String>,
    /// Named SQL conditions that every used row must meet (`expr`), or all of them together (`aggregate`).
    #[serde(default)]
    pub checks: IndexMap<Name, CheckSpec>,
    /// How rules of columns are meant, by the names that reports give them, such as `not_null(customer_id)`.
    #[serde(default)]
    pub rules: IndexMap<String, RuleSpec>,
    /// How many rows the files hold together.
    #[serde(default)]
    pub row_count: Option<RowCountSpec>,
    /// How old the newest row may be.
    #[serde(default)]
    pub freshness: Option<FreshnessSpec>,
    /// What happens to rows that break the contract.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// What happens when the files hold columns that are not declared here.
    #[serde(default)]
    pub extra_columns: ExtraColumns,
}

/// One row per key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeduplicateSpec {
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// Columns that order the versions of a row; the greatest is kept.
    pub order_by: Vec<String>,
}

/// What happens to rows that break the contract.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// Nothing is published.
    #[default]
    Fail,
    /// The rows are used, and a warning is printed.
    Warn,
    /// The rows are set aside in a file, up to a cap.
    Quarantine(QuarantineSpec),
}

/// Caps of a quarantine; beyond either, nothing is published.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineSpec {
    /// Most rows that may be set aside.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Largest share of the rows read that may be set aside, for example `0.1%`.
    #[serde(default)]
    pub max_share: Option<Percent>,
}

/// What happens when the files hold columns that are not declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumns {
    /// Nothing.
    #[default]
    Ignore,
    /// A warning.
    Warn,
    /// An error.
    Error,
}

/// A column of a source.
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the file")]
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// Type of the column in this pipeline.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Name of the column in the files. Default: the same name.
    #[serde(default)]
    pub from: Option<String>,
    /// How the stored values are read where their type alone does not say it.
    #[serde(default)]
    pub parse: Option<Parse>,
    /// Time zone of instants stored without one, for example `UTC`.
    #[serde(default)]
    pub zone: Option<ZoneName>,
    /// Whether stored amounts are in minor units (cents) or major units (dollars). Required for money.
    #[serde(default)]
    pub unit: Option<MoneyUnit>,
    /// Currency of the amounts: a code such as `USD`, or the name of a currency column. Default: the pipeline's.
    #[serde(default)]
    pub currency: Option<String>,
    /// Value that takes the place of NULL, as text.
    #[serde(default)]
    pub null_as: Option<String>,
    /// When true, a file without the column gives NULL instead of an error.
    #[serde(default)]
    pub optional: bool,
    /// The value comes from the folder names (`year=2026/`), not from the files.
    #[serde(default)]
    pub hive: bool,
    /// Contract: no NULL.
    #[serde(default)]
    pub not_null: bool,
    /// Contract: no two rows with the same value.
    #[serde(default)]
    pub unique: bool,
    /// Contract: one of these values, as text.
    #[serde(default)]
    pub one_of: Option<Vec<String>>,
    /// Contract: at least this value, as text.
    #[serde(default)]
    pub min: Option<String>,
    /// Contract: at most this value, as text.
    #[serde(default)]
    pub max: Option<String>,
    /// Contract: text that this regular expression matches.
    #[serde(default)]
    pub matches: Option<RegexText>,
    /// Contract: text of so many characters.
    #[serde(default)]
    pub length: Option<LengthSpec>,
    /// Contract: a value of that column exists, written `source.column`.
    #[serde(default)]
    pub references: Option<String>,
    /// What a value means.
    #[serde(default)]
    pub description: Option<String>,
}

/// How stored values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// Text such as `2026-03-31`.
    IsoDate,
    /// Text such as `2026-03-31T23:15:00Z` or `2026-03-31 23:15:00+09:00`.
    IsoTimestamp,
    /// Whole seconds since 1970-01-01T00:00:00Z.
    EpochS,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMs,
    /// Microseconds since 1970-01-01T00:00:00Z.
    EpochUs,
    /// Text that holds a decimal number, read exactly.
    Number,
    /// Text `true`/`false`, `1`/`0`, `t`/`f`, `yes`/`no`, in any case; or the numbers 1 and 0.
    Flag,
}

/// Whether amounts are stored in cents or in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MoneyUnit {
    /// Minor units: cents, yen.
    Minor,
    /// Major units: dollars, yen.
    Major,
}

/// Keys that a table of every type has.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableCommon {
    /// Which metric computes the table; `tenure metrics` lists them.
    #[serde(rename = "type")]
    pub ty: String,
    /// What the table is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Vendor whose way of counting this table takes over, where its own keys do not say otherwise.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// Words to select the table by (`--select tag:finance`).
    #[serde(default)]
    pub tags: Vec<Name>,
}
