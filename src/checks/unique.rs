//! Rows that repeat: versions of one row, and keys that identify nothing.

use polars::prelude::*;

/// The rows that have other versions, with what identifies and orders them.
///
/// Versions of a row have an equal `key`; a row with a NULL in its key has none.
pub(crate) fn versions(rows: LazyFrame, key: &[String], order_by: &[String], row: &str) -> LazyFrame {
    let mut needed: Vec<&String> = key.iter().collect();
    needed.extend(order_by.iter().filter(|column| !key.contains(column)));
    let mut needed: Vec<Expr> = needed.into_iter().map(|c| col(c.as_str())).collect();
    needed.push(col(row));
    let rows = rows.select(needed).filter(all_given(key));
    rows.clone().join(several(rows, key), columns(key), columns(key), JoinArgs::new(JoinType::Semi))
}

/// Of [`versions`], those that a later one replaces, as values of `row`, which numbers the rows.
///
/// The greatest by `order_by` stays, NULL being the least; of equals the one with the greatest `row`.
pub(crate) fn superseded(versions: LazyFrame, key: &[String], order_by: &[String], row: &str) -> LazyFrame {
    let mut order: Vec<PlSmallStr> = order_by.iter().map(|c| c.as_str().into()).collect();
    order.push(row.into());
    let last = versions
        .clone()
        .sort(order, SortMultipleOptions::new().with_nulls_last(false))
        .group_by(columns(key))
        .agg([col(row).last().alias(row)])
        .select([col(row)]);
    versions.select([col(row)]).join(last, [col(row)], [col(row)], JoinArgs::new(JoinType::Anti))
}

/// The rows whose values of `names` are all given and stand in another row too.
pub(crate) fn repeated(rows: LazyFrame, names: &[String], row: &str) -> LazyFrame {
    let mut needed = columns(names);
    needed.push(col(row));
    let rows = rows.select(needed).filter(all_given(names));
    rows.clone()
        .join(several(rows, names), columns(names), columns(names), JoinArgs::new(JoinType::Semi))
        .select([col(row)])
}

/// The keys that stand in more than one row.
fn several(rows: LazyFrame, key: &[String]) -> LazyFrame {
    rows.group_by(columns(key)).agg([len().alias("#times")]).filter(col("#times").gt(lit(1u32)))
}

fn columns(names: &[String]) -> Vec<Expr> {
    names.iter().map(|name| col(name.as_str())).collect()
}

fn all_given(columns: &[String]) -> Expr {
    columns.iter().fold(lit(true), |all, column| all.and(col(column.as_str()).is_not_null()))
}
