//! The contract of a source as written: how rules are meant, and what holds for the source as a whole.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::types::{Duration, Percent};

/// What it comes to when a rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What `on_violation` says; for a source as a whole, nothing is published.
    #[default]
    Error,
    /// A warning; rows are used.
    Warn,
}

/// How a rule is meant, by the name that reports give it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Whether breaking it is an error or a warning.
    #[serde(default)]
    pub severity: Severity,
    /// So many rows may break it: they are used, with a warning. Beyond, the severity decides about all of them.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Such a share of the rows read may break it, for example `0.1%`. With `max_rows`, the smaller of the two.
    #[serde(default)]
    pub max_share: Option<Percent>,
}

/// A condition on each row, or on all used rows together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// SQL condition over the declared columns; a row for which it is false breaks the contract, NULL passes.
    #[serde(default)]
    pub expr: Option<String>,
    /// SQL condition over totals of the used rows, for example `sum(amount) > 0`; false breaks it, NULL passes.
    #[serde(default)]
    pub aggregate: Option<String>,
    /// Why the rule exists; printed when it is broken.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether breaking it is an error or a warning.
    #[serde(default)]
    pub severity: Severity,
    /// So many rows may break it: they are used, with a warning. Only with `expr`.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Such a share of the rows read may break it, for example `0.1%`. Only with `expr`.
    #[serde(default)]
    pub max_share: Option<Percent>,
}

/// How long a text may be, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthSpec {
    /// At least so many characters.
    #[serde(default)]
    pub min: Option<u32>,
    /// At most so many characters.
    #[serde(default)]
    pub max: Option<u32>,
}

/// How many rows the files of a source hold together, before anything is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCountSpec {
    /// At least so many.
    #[serde(default)]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default)]
    pub max: Option<u64>,
    /// Compared with the last run of this pipeline that succeeded in the same root. The first run compares nothing.
    #[serde(default)]
    pub change: Option<ChangeSpec>,
    /// Whether another count is an error or a warning.
    #[serde(default)]
    pub severity: Severity,
}

/// How far a count may move from one run to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSpec {
    /// Largest loss, as a share of the earlier count, for example `20%`.
    #[serde(default)]
    pub max_drop: Option<Percent>,
    /// Largest gain, as a share of the earlier count, for example `200%`.
    #[serde(default)]
    pub max_rise: Option<Percent>,
}

/// How old the newest row may be, counted back from the cut-off: `--cutoff`, or the end of the day of `as_of`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessSpec {
    /// Date or timestamp column that says when a row came about. A date counts as the end of its day.
    pub column: String,
    /// Beyond this age there is a warning, for example `26h`.
    #[serde(default)]
    pub warn_after: Option<Duration>,
    /// Beyond this age, and without any row, nothing is published, for example `50h`.
    #[serde(default)]
    pub error_after: Option<Duration>,
}
