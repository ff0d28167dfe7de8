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

/// Rows by the first case that holds, or `otherwise`: `reason`, `rows`, sorted by reason.
pub fn counted_by_case(rows: LazyFrame, cases: &[(Expr, &str)], otherwise: &str) -> LazyFrame {
    // Rows are grouped by the number of their case; texts would be made for every row.
    let numbered: Vec<(i32, &(Expr, &str))> = (0..).zip(cases).collect();
    let case =
        numbered.iter().rev().fold(lit(-1), |rest, (at, (case, _))| when(case.clone()).then(lit(*at)).otherwise(rest));
    let name = numbered
        .iter()
        .fold(lit(otherwise), |rest, (at, (_, name))| when(col("case").eq(lit(*at))).then(lit(*name)).otherwise(rest));
    rows.group_by([case.alias("case")])
        .agg([len().cast(DataType::Int64).alias("rows")])
        .select([name.alias("reason"), col("rows")])
        .sort(["reason"], SortMultipleOptions::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_the_first_case_that_holds() {
        let rows = df!("a" => [Some(1i64), Some(5), None, Some(9), Some(12)]).unwrap().lazy();
        let cases = [(col("a").gt(lit(10)), "large"), (col("a").gt(lit(4)), "fair"), (col("a").lt(lit(0)), "odd")];
        let found = counted_by_case(rows, &cases, "used").collect().unwrap();
        // NULL is no case; a case without rows is not there.
        let expected = df!("reason" => ["fair", "large", "used"], "rows" => [2i64, 1, 2]).unwrap();
        assert!(found.equals(&expected), "{found}");
    }
}
