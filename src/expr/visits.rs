//! Visits: who was there on which day, each once and in order, and what follows from the gaps between.

use polars::prelude::*;

use crate::expr::calendar::Periods;
use crate::expr::dims::cols_of;

/// The days on which each unit was there, once each, sorted by group, unit and day.
///
/// `rows` has `on`, the column `id` and the columns `group`; who is there in two groups is two units.
/// Columns: the groups, `series` (1, 2, 3, .. by unit), `on`, and `id` where it is kept.
pub fn visits(rows: LazyFrame, id: &str, group: &[String], keep_id: bool) -> LazyFrame {
    let mut unit = group.to_vec();
    unit.push(id.to_owned());
    let changed = |name: &str| col(name).neq_missing(col(name).shift(lit(1)));
    let begins = unit.iter().map(|name| changed(name)).reduce(Expr::or).unwrap_or_else(|| lit(false));
    let mut order = unit;
    order.push("on".to_owned());
    let mut kept = cols_of(group);
    kept.extend([col("begins").cast(DataType::UInt32).cum_sum(false).alias("series"), col("on")]);
    if keep_id {
        kept.push(col(id).alias("id"));
    }
    // One sort is all: periods of any length keep this order.
    rows.select(cols_of(&order))
        .sort(order, SortMultipleOptions::default())
        .with_column(begins.alias("begins"))
        .filter(col("begins").or(changed("on")))
        .select(kept)
}

/// Adds the `period` of each visit, and how many periods the visits before and after it are away.
///
/// `since` is NULL in the first visit of a unit, `until` in the last; both are 0 within one period.
pub fn gaps(visits: LazyFrame, periods: Periods) -> LazyFrame {
    let beside = |by: i64, distance: Expr| {
        let same = col("series").eq(col("series").shift(lit(by)));
        when(same).then(distance).otherwise(lit(NULL)).cast(DataType::Int32)
    };
    let period = || col("period");
    visits.with_column(periods.index(col("on")).alias("period")).with_columns([
        beside(1, period() - period().shift(lit(1))).alias("since"),
        beside(-1, period().shift(lit(-1)) - period()).alias("until"),
    ])
}

/// How often a unit was there `on` a day and `before` last, which is NULL when it came for the first time.
///
/// Columns: the groups, `before`, `on`, and `visits`, how many units did so. `visits` are those of [`visits`].
pub fn returns(visits: LazyFrame, group: &[String]) -> LazyFrame {
    let same = col("series").eq(col("series").shift(lit(1)));
    let mut keys = cols_of(group);
    keys.extend([col("before"), col("on")]);
    visits
        .with_column(when(same).then(col("on").shift(lit(1))).otherwise(lit(NULL)).alias("before"))
        .group_by(keys)
        .agg([len().cast(DataType::Int64).alias("visits")])
}

/// Adds the `period` of each row of [`returns`], and how many periods the day before it is away: `since`, NULL
/// without one, 0 within one period.
pub fn spaced(returns: LazyFrame, periods: Periods) -> LazyFrame {
    let since = (periods.index(col("on")) - periods.index(col("before"))).cast(DataType::Int32);
    returns.with_columns([periods.index(col("on")).alias("period"), since.alias("since")])
}

/// The periods in which each unit was there: `series`, `origin`, the first one, `k` periods after it, and `id`
/// where it was kept.
pub fn activity(visits: LazyFrame, periods: Periods, keep_id: bool) -> LazyFrame {
    let first = when(col("since").is_null()).then(col("period")).otherwise(lit(NULL));
    let mut columns = vec![col("series"), col("origin"), (col("period") - col("origin")).alias("k")];
    if keep_id {
        columns.push(col("id"));
    }
    gaps(visits, periods)
        .filter(enters(1))
        .with_column(first.fill_null_with_strategy(FillNullStrategy::Forward(None)).alias("origin"))
        .select(columns)
}

/// How many units of each cohort were there at each offset: `origin`, `k`, `active`, and how many of these for the
/// `last` time.
pub fn cohorts(visits: LazyFrame, periods: Periods) -> LazyFrame {
    // In rows sorted by unit and period, the last of a unit is followed by another one.
    let last = col("series").neq_missing(col("series").shift(lit(-1)));
    activity(visits, periods, false)
        .with_column(last.alias("is_last"))
        .group_by(cols_of(&["origin", "k"]))
        .agg([len().cast(DataType::Int64).alias("active"), col("is_last").sum().cast(DataType::Int64).alias("last")])
}

/// Whether a row of [`gaps`] or [`spaced`] is the first of its unit in at least so many periods.
pub fn enters(after: i32) -> Expr {
    col("since").is_null().or(col("since").gt_eq(lit(after)))
}

/// Whether a row of [`gaps`] is the last of its unit for at least so many periods.
pub fn leaves(before: i32) -> Expr {
    col("until").is_null().or(col("until").gt_eq(lit(before)))
}

/// The number of rows for which a condition holds.
pub fn number_of(condition: Expr) -> Expr {
    condition.sum().cast(DataType::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::calendar::{Calendar, Grain};

    #[test]
    fn visits_are_numbered_and_apart() {
        let rows = df!(
            "user" => ["b", "a", "a", "b", "a", "a"],
            "on" => [3i32, 20, 3, 3, 12, 3],
        )
        .unwrap()
        .lazy()
        .with_column(col("on").cast(DataType::Date));
        let weeks = Periods::new(Grain::Week, Calendar::default());
        let out = gaps(visits(rows, "user", &[], true), weeks)
            .with_columns([enters(1).alias("enters"), leaves(2).alias("leaves")])
            .collect()
            .unwrap();
        let ints = |name: &str| -> Vec<Option<i64>> {
            out.column(name).unwrap().cast(&DataType::Int64).unwrap().i64().unwrap().iter().collect()
        };
        // 1970-01-04 was a Sunday, the last day of its week.
        assert_eq!(ints("series"), [Some(1), Some(1), Some(1), Some(2)]);
        assert_eq!(ints("period"), [Some(0), Some(2), Some(3), Some(0)]);
        assert_eq!(ints("since"), [None, Some(2), Some(1), None]);
        assert_eq!(ints("until"), [Some(2), Some(1), None, None]);
        assert_eq!(ints("enters"), [Some(1), Some(1), Some(1), Some(1)]);
        assert_eq!(ints("leaves"), [Some(1), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn days_follow_days() {
        let rows = df!(
            "user" => ["b", "a", "a", "c", "b"],
            "on" => [3i32, 5, 3, 3, 5],
        )
        .unwrap()
        .lazy()
        .with_column(col("on").cast(DataType::Date));
        let out = returns(visits(rows, "user", &[], false), &[])
            .with_columns([col("on").cast(DataType::Int32), col("before").cast(DataType::Int32)])
            .sort(["on"], SortMultipleOptions::default())
            .collect()
            .unwrap();
        // Three come on day 3 for the first time; a and b return on day 5.
        let expected = df!("before" => [None, Some(3i32)], "on" => [3i32, 5], "visits" => [3i64, 2]).unwrap();
        assert!(out.equals_missing(&expected), "{out}");
    }
}
