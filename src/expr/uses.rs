//! Uses: the combinations of a condensed source of events, and which of them count.

use polars::prelude::*;

use crate::expr::condense::ROWS;
use crate::expr::dims::{NOT_SET, cols_of};
use crate::expr::ratio::reason;

/// Who is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Persons.
    #[default]
    User,
    /// The customers they belong to.
    Customer,
}

impl Unit {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::User, Self::Customer];

    /// The name used in the pipeline file and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Customer => "customer",
        }
    }

    /// Why a row does not count that does not name one.
    pub fn missing(self) -> &'static str {
        match self {
            Self::User => "no_user",
            Self::Customer => "no_customer",
        }
    }
}

/// Why a row does not count that has no day.
pub const NO_DATE: &str = "no_date";
/// Why a row does not count that is of a day after `as_of`.
pub const AFTER_AS_OF: &str = "after_as_of";
/// Why a row does not count that is of another kind.
pub const OTHER_EVENT: &str = "other_event";
/// What became of a row that counts.
pub const USED: &str = "used";

/// The uses in a condensed source, by the names of its values.
#[derive(Clone, Debug)]
pub struct Uses<'a> {
    /// The source.
    pub source: &'a str,
    /// The civil day.
    pub day: String,
    /// Whether the kind of event counts; without it all do.
    pub counts: Option<String>,
    /// The user; without it nobody asks for one.
    pub user: Option<&'a str>,
    /// The customer; without it nobody asks for one.
    pub customer: Option<&'a str>,
    /// The dimensions.
    pub by: &'a [String],
    /// Last day that counts, since 1970-01-01.
    pub last: i32,
}

/// Name of a dimension inside of a query, where it cannot meet another column.
pub fn group(at: usize) -> String {
    format!("dimension_{at}")
}

impl Uses<'_> {
    /// Name of the value of a unit.
    pub fn of(&self, unit: Unit) -> Option<&str> {
        match unit {
            Unit::User => self.user,
            Unit::Customer => self.customer,
        }
    }

    /// The dimensions, as frames of [`Self::rows`] call them.
    pub fn groups(&self) -> Vec<String> {
        (0..self.by.len()).map(group).collect()
    }

    /// Every combination with its [`ROWS`], and `why` it is left out, if it is.
    ///
    /// Columns: `on`, `user` and `customer` where they are named, the groups. A combination may come more than once.
    pub fn rows(&self, combinations: LazyFrame) -> LazyFrame {
        let counts = self.counts.as_ref().map_or_else(|| lit(true), |name| col(name.as_str()));
        let mut reasons = vec![
            (col("on").is_null(), NO_DATE),
            (col("on").gt(lit(self.last).cast(DataType::Date)), AFTER_AS_OF),
            (col("counts").not(), OTHER_EVENT),
        ];
        let mut columns = vec![col(self.day.as_str()).alias("on"), counts.alias("counts"), col(ROWS)];
        let mut result = cols_of(&["on", ROWS, "why"]);
        for (unit, name) in Unit::ALL.into_iter().filter_map(|unit| Some((unit, self.of(unit)?))) {
            columns.push(col(name).alias(unit.name()));
            reasons.push((col(unit.name()).is_null(), unit.missing()));
            result.push(col(unit.name()));
        }
        let dimensions = self.by.iter().enumerate();
        columns.extend(dimensions.map(|(i, name)| col(name.as_str()).fill_null(lit(NOT_SET)).alias(group(i))));
        result.extend(cols_of(&self.groups()));
        combinations.select(columns).with_column(reason(reasons).alias("why")).select(result)
    }

    /// The part of [`Self::rows`] that counts.
    pub fn usable(rows: LazyFrame) -> LazyFrame {
        rows.filter(col("why").is_null())
    }

    /// Rows of the source by what became of them: `reason`, `rows`.
    pub fn fates(rows: LazyFrame) -> LazyFrame {
        rows.group_by([col("why").fill_null(lit(USED)).alias("reason")])
            .agg([col(ROWS).sum().alias("rows")])
            .sort(["reason"], SortMultipleOptions::default())
    }

    /// How many of each unit there were at all: `unit`, `everybody`.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn everybody(&self, rows: &LazyFrame) -> PolarsResult<LazyFrame> {
        let units = Unit::ALL.into_iter().filter(|unit| self.of(*unit).is_some()).map(|unit| {
            let number = col(unit.name()).n_unique().cast(DataType::Int64).alias("everybody");
            Self::usable(rows.clone()).select([lit(unit.name()).alias("unit"), number])
        });
        concat(units.collect::<Vec<_>>(), UnionArgs::default())
    }
}
