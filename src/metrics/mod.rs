//! Metrics: one file and one page each, and the registry that lists them.
//!
//! A metric is a pure function from lazy frames to a lazy frame. It never collects, knows no path
//! and asks no clock, so its query is a plan that can be explained, run jointly with others, and
//! shipped to another engine.

use polars::prelude::*;
use serde::Serialize;

pub use inputs::{Inputs, Promise};

use crate::expr::condense::{Condense, Project};
use crate::kernel::{Chain, Numbering, Pass, Whole};
use crate::plan::resolver::Resolver;
use crate::schema::TableSchema;

macro_rules! metrics {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+

        /// Every metric, sorted by name.
        pub static REGISTRY: &[MetricType] = &[$(
            MetricType {
                name: stringify!($name),
                page: include_str!(concat!(stringify!($name), ".md")),
                schema: || crate::spec::decode::schema_of::<$name::Spec>(),
                resolve: $name::resolve,
            },
        )+];
    };
}

pub mod behind;
pub mod formula;
mod inputs;
pub mod usage;
pub mod view;

metrics! {
    active_users,
    churn,
    cohort_retention,
    committed_mrr,
    expansion,
    ltv,
    mrr_ledger,
    mrr_movements,
    nps,
    renewals,
    revenue_retention,
    sql,
    usage_cohorts,
}

/// A kind of table: its name in the pipeline file, its page and how it is resolved.
pub struct MetricType {
    /// The value of `type:`.
    pub name: &'static str,
    /// The page: definition, inputs, output, cases. Printed by `tenure metrics NAME`.
    pub page: &'static str,
    /// JSON Schema of the keys this metric adds to a table.
    pub schema: fn() -> serde_json::Value,
    /// From the table as written to a metric that can no longer fail for a reason the file controls.
    pub resolve: fn(&mut Resolver<'_>) -> Option<Box<dyn Metric>>,
}

impl MetricType {
    /// The sentence under the title of the page: the question the metric answers.
    pub fn summary(&self) -> &'static str {
        self.page.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default()
    }
}

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static MetricType> {
    REGISTRY.iter().find(|m| m.name == name)
}

/// A resolved metric.
pub trait Metric: Send + Sync {
    /// The columns promised, in order, and the grain. Compared with the query's schema before data is read.
    fn output(&self) -> TableSchema;

    /// The query: pure, sorted on the grain, money as `Int64` at the pipeline's scale.
    ///
    /// # Errors
    /// Only when Polars refuses to build an expression, which is a bug.
    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame>;

    /// Names of intermediate frames that the queries of this metric share, each after those it builds on.
    ///
    /// An engine that can compute them once hands them back with [`Inputs::put_step`]; without that
    /// the queries contain them, which gives the same result.
    fn steps(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The intermediate frame of that name.
    ///
    /// # Errors
    /// When there is none, which is a bug, and as [`Metric::query`].
    fn step(&self, name: &str, _inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Err(polars_err!(InvalidOperation: "no step `{name}`"))
    }

    /// The step of that name as a pass, where there is one: the same rows, in any order unless other steps rely on it.
    fn pass(&self, _name: &str) -> Option<Pass<'_>> {
        None
    }

    /// The steps that number customers as a pass, where there are some.
    fn numbering(&self) -> Option<Numbering> {
        None
    }

    /// The whole table as a pass over steps, where it is a ledger for which there is one.
    fn whole(&self) -> Option<Whole<'_>> {
        None
    }

    /// What one walk over the written rows proves, where they are a ledger.
    fn chain(&self) -> Option<Chain> {
        None
    }

    /// The source of which this metric needs no rows, and what is enough of it: [`Inputs::condensed`] is
    /// the only way in which its queries read it.
    ///
    /// # Errors
    /// As [`Metric::query`].
    fn condense(&self) -> PolarsResult<Option<Condense>> {
        Ok(None)
    }

    /// The source of which this metric needs no more of a row than these values: [`Inputs::projected`] gives
    /// them, in place of its rows, where no other table reads it.
    fn project(&self) -> Option<Project> {
        None
    }

    /// What must hold between the inputs and the written table; each frame selects the rows that break it.
    ///
    /// # Errors
    /// As [`Metric::query`].
    fn identities(&self, _inputs: &Inputs, _output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        Ok(Vec::new())
    }

    /// Input rows that the metric does not use, by reason: a frame of `reason`, `rows`; the used rows too.
    ///
    /// # Errors
    /// As [`Metric::query`].
    fn attrition(&self, _inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        Ok(None)
    }

    /// Columns worth a line in the summary of a run, read from the last complete total row.
    fn headlines(&self) -> Vec<Headline> {
        Vec::new()
    }

    /// How columns follow from others of their row; what `explain` prints with values.
    fn formulas(&self) -> Vec<formula::Formula> {
        Vec::new()
    }

    /// The rows that add up to the cells of one row of the table; `output` is the table. `columns` are
    /// the ones asked for, none for all.
    ///
    /// # Errors
    /// As [`Metric::query`].
    fn behind(
        &self,
        _inputs: &Inputs,
        _output: &LazyFrame,
        _row: &behind::Row,
        _columns: &[String],
    ) -> PolarsResult<Vec<behind::Behind>> {
        Ok(Vec::new())
    }

    /// Sources with rows of customers, the one with what they pay first.
    fn customer_rows(&self) -> Vec<behind::Belonging> {
        Vec::new()
    }

    /// The ids that the sources give to customers, `source_id` by `customer_id`; `None` where they are the same.
    ///
    /// # Errors
    /// As [`Metric::query`].
    fn source_ids(&self, _inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        Ok(None)
    }

    /// What later tables may rely on when this one is a ledger.
    fn ledger(&self) -> Option<LedgerShape> {
        None
    }
}

/// An equation between tables that is checked in every run.
pub struct Identity {
    /// Name in messages and records, snake case.
    pub name: &'static str,
    /// The equation in words.
    pub meaning: &'static str,
    /// Rows for which it does not hold.
    pub broken: LazyFrame,
}

/// A figure for the summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headline {
    /// What a person calls it.
    pub label: String,
    /// Column that holds it.
    pub column: String,
    /// Rows it is read from: pairs of column and value, beside "total" and "last complete".
    pub only: Vec<(String, String)>,
    /// How it is shown.
    pub shown_as: ShownAs,
}

/// How a headline figure is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownAs {
    /// An amount in the row's currency.
    Money,
    /// A rate in per cent.
    Percent,
    /// A plain number.
    Number,
}

/// What a ledger offers to the tables made from it.
#[allow(clippy::struct_excessive_bools, reason = "each is a property of the ledger")]
#[derive(Clone)]
pub struct LedgerShape {
    /// Dimension columns.
    pub dimensions: Vec<String>,
    /// Whether dimensions change over time, so that the ledger holds transfers.
    pub transfers: bool,
    /// Whether the churn rows carry a reason.
    pub reasons: bool,
    /// Type of `customer_id`.
    pub customer_type: crate::schema::ColumnType,
    /// Whether expansions and contractions are taken apart.
    pub parts: bool,
    /// Whether amounts are in the reporting currency, with rows of kind `fx` and amounts at constant rates.
    pub fx: bool,
    /// Whether pauses are movements of their own.
    pub pauses: bool,
    /// Source columns the ledger reads, filled in by the plan.
    pub reads: indexmap::IndexMap<String, Vec<String>>,
    /// The ledger itself, for tables that look ahead.
    pub definition: std::sync::Arc<mrr_ledger::MrrLedger>,
}
