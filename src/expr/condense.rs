//! Rows condensed to the combinations of some values, with how many rows have each.

use polars::prelude::*;

/// The column that counts the rows of a combination.
pub const ROWS: &str = "#rows";

/// What is needed of a source when it is not its rows.
#[derive(Clone)]
pub struct Condense {
    /// The source.
    pub source: String,
    /// The values, each an expression over the columns of one row, by a name that says what it is:
    /// under the name of a column stands that column.
    pub keys: Vec<(String, Expr)>,
}

/// What is needed of a source when it is some values of each row.
#[derive(Clone)]
pub struct Project {
    /// The source.
    pub source: String,
    /// The values.
    pub values: Values,
}

/// Values of a row, computed in steps: an engine computes what several of them look at once, and as a part of each
/// otherwise.
#[derive(Clone, Default)]
pub struct Values {
    /// Columns that only those after them look at: each may look at the source and at the steps before.
    pub helpers: Vec<Vec<Expr>>,
    /// The values by name.
    pub keys: Vec<(String, Expr)>,
}

impl Values {
    /// The rows with the helpers beside their columns.
    pub fn with_helpers(&self, rows: LazyFrame) -> LazyFrame {
        self.helpers.iter().fold(rows, |rows, helpers| rows.with_columns(helpers.clone()))
    }

    /// The values, each under the name that `named` gives it.
    pub fn named(&self, named: impl Fn(&str) -> String) -> Vec<Expr> {
        self.keys.iter().map(|(name, value)| value.clone().alias(named(name))).collect()
    }

    /// The values of rows.
    pub fn of(&self, rows: LazyFrame) -> LazyFrame {
        self.with_helpers(rows).select(self.named(str::to_owned))
    }
}

/// One row per combination of values: the values, [`ROWS`], and further aggregates. In no order.
pub fn condensed(rows: LazyFrame, keys: &[(String, Expr)], further: &[Expr]) -> LazyFrame {
    let keys: Vec<Expr> = keys.iter().map(|(name, value)| value.clone().alias(name.as_str())).collect();
    let mut aggregates = vec![len().cast(DataType::Int64).alias(ROWS)];
    aggregates.extend_from_slice(further);
    rows.group_by(keys).agg(aggregates)
}
