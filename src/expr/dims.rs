//! Grouping by dimensions, with the grand total beside the parts.

use polars::prelude::*;

/// Name under which a missing dimension value is reported.
pub const NOT_SET: &str = "(not set)";

/// A whole number as `Int64`: a bare literal takes the narrowest type that its neighbours allow.
pub fn int(value: i64) -> Expr {
    lit(value).cast(DataType::Int64)
}

/// Columns as expressions.
pub fn cols_of<S: AsRef<str>>(names: &[S]) -> Vec<Expr> {
    names.iter().map(|n| col(n.as_ref())).collect()
}

/// Adds the grand total to parts: rows summed over the columns `by`, which are NULL there, with `is_total` true.
///
/// The parts come back with `is_total` false; with no `by` there is one row per key, and it is the total.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn with_total(parts: &LazyFrame, keys: &[&str], by: &[String], sums: &[&str]) -> PolarsResult<LazyFrame> {
    let order = |total: bool| {
        let mut out = cols_of(keys);
        out.extend(cols_of(by));
        out.push(lit(total).alias("is_total"));
        out.extend(cols_of(sums));
        out
    };
    if by.is_empty() {
        return Ok(parts.clone().select(order(true)));
    }
    let total = parts
        .clone()
        .group_by(cols_of(keys))
        .agg(sums.iter().map(|s| col(*s).sum()).collect::<Vec<_>>())
        .with_columns(by.iter().map(|b| lit(NULL).cast(DataType::String).alias(b.as_str())).collect::<Vec<_>>());
    concat([parts.clone().select(order(false)), total.select(order(true))], UnionArgs::default())
}

/// Sorts on the grain: the given columns ascending, NULL last, so that a total follows its parts.
pub fn sort_on(frame: LazyFrame, grain: &[String]) -> LazyFrame {
    frame.sort(grain, SortMultipleOptions::default().with_nulls_last(true).with_maintain_order(false))
}

/// Whether a text is in a list.
pub fn is_one_of(value: Expr, list: Vec<&str>) -> Expr {
    /// Up to so many texts are compared faster than they are looked up.
    const FEW: usize = 8;
    if (1..=FEW).contains(&list.len()) {
        let any = list.iter().map(|text| value.clone().eq(lit(*text))).reduce(Expr::or);
        return any.unwrap_or_else(|| lit(false));
    }
    value.is_in(lit(Series::new("list".into(), list)).implode(true), false)
}
