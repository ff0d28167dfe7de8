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

/// One row per combination of values: the values, [`ROWS`], and further aggregates. In no order.
pub fn condensed(rows: LazyFrame, keys: &[(String, Expr)], further: &[Expr]) -> LazyFrame {
    let keys: Vec<Expr> = keys.iter().map(|(name, value)| value.clone().alias(name.as_str())).collect();
    let mut aggregates = vec![len().cast(DataType::Int64).alias(ROWS)];
    aggregates.extend_from_slice(further);
    rows.group_by(keys).agg(aggregates)
}
