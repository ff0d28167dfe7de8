//! Values that must exist in another source.

use polars::prelude::*;

/// The values of a column, each once, without NULL.
pub(crate) fn distinct_values(rows: LazyFrame, column: &str) -> LazyFrame {
    rows.select([col(column)]).filter(col(column).is_not_null()).unique(None, UniqueKeepStrategy::Any)
}

/// The values of `column` that are not among `targets` in `target_column`.
pub(crate) fn unknown_values(rows: LazyFrame, column: &str, targets: LazyFrame, target_column: &str) -> LazyFrame {
    distinct_values(rows, column).join(targets, [col(column)], [col(target_column)], JoinArgs::new(JoinType::Anti))
}

/// The rows whose value of `column` is given and is not among `targets` in `target_column`.
pub(crate) fn orphans(rows: LazyFrame, column: &str, targets: LazyFrame, target_column: &str, row: &str) -> LazyFrame {
    rows.filter(col(column).is_not_null())
        .select([col(column), col(row)])
        .join(targets, [col(column)], [col(target_column)], JoinArgs::new(JoinType::Anti))
        .select([col(row)])
}
