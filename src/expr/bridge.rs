//! The MRR bridge: opening, movements by kind and closing, for every period and group.

use polars::prelude::*;

use crate::expr::dims::{cols_of, int, with_total};
use crate::expr::steps::{StepsOf, previous, series_number};

/// Kinds of movement in the order of the bridge, as column stems.
pub const KINDS: [&str; 10] = [
    "new",
    "reactivation",
    "resumed",
    "expansion",
    "contraction",
    "paused",
    "churned",
    "fx",
    "transfer_in",
    "transfer_out",
];

/// Kinds by which customers come.
pub const GAINED: [&str; 4] = ["new", "reactivation", "resumed", "transfer_in"];
/// Kinds by which customers go.
pub const LOST: [&str; 3] = ["paused", "churned", "transfer_out"];

/// Column of a kind's amount.
pub fn amount(kind: &str) -> String {
    format!("{kind}_mrr")
}

/// Column of a kind's number of customers.
pub fn count(kind: &str) -> String {
    format!("{kind}_customers")
}

/// The movements of a ledger's steps by `currency`, `period` and dimensions: what [`bridge`] is made of.
///
/// Columns beside the keys: `<kind>_mrr` and `<kind>_customers` of every kind, `Int64`. Unsorted.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn movements(steps: &LazyFrame, of: &StepsOf<'_>) -> PolarsResult<LazyFrame> {
    Ok(summed(moves(steps, of)?, of.by))
}

/// The bridge of [`movements`] on the full grid of periods and groups.
///
/// One row per `currency`, `period`, dimensions and `is_total`, from the first period of the
/// currency to `last`, without gaps. Columns beside the keys: `opening_mrr`, `<kind>_mrr` (losses
/// negative), `closing_mrr`, `opening_customers`, `<kind>_customers` (never negative),
/// `closing_customers`; all `Int64`. A customer counts once per period, by its net change.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn bridge(movements: &LazyFrame, of: &StepsOf<'_>) -> PolarsResult<LazyFrame> {
    let by = of.by;
    let sums = sum_columns();
    let sum_names: Vec<&str> = sums.iter().map(String::as_str).collect();
    let with_total = with_total(movements, &["currency", "period"], by, &sum_names)?;
    let on_grid = on_grid(&with_total, by, of.last, &sum_names)?;

    let mut group = cols_of(&["currency"]);
    group.extend(cols_of(by));
    group.push(col("is_total"));
    let net_mrr = KINDS.iter().map(|k| col(amount(k))).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
    let gained = GAINED.map(|k| col(count(k))).into_iter().reduce(|a, b| a + b);
    let lost = LOST.map(|k| col(count(k))).into_iter().reduce(|a, b| a + b);
    let net_customers = gained.unwrap_or_else(|| int(0)) - lost.unwrap_or_else(|| int(0));
    Ok(on_grid
        .with_columns([net_mrr.alias("net_new_mrr"), net_customers.alias("net_new_customers")])
        .with_columns([
            col("net_new_mrr").cum_sum(false).over(group.clone())?.alias("closing_mrr"),
            col("net_new_customers").cum_sum(false).over(group)?.alias("closing_customers"),
        ])
        .with_columns([
            (col("closing_mrr") - col("net_new_mrr")).alias("opening_mrr"),
            (col("closing_customers") - col("net_new_customers")).alias("opening_customers"),
        ]))
}

/// The kind of a ledger row as the bridge names it.
pub fn published_kind() -> Expr {
    let named = [("churn", "churned"), ("pause", "paused"), ("resume", "resumed")];
    named
        .iter()
        .fold(col("kind"), |rest, (kind, name)| when(col("kind").eq(lit(*kind))).then(lit(*name)).otherwise(rest))
}

/// The bridge of every single change of a ledger, so that a customer may count several times in a period.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn bridge_of_events(ledger: LazyFrame, of: &StepsOf<'_>) -> PolarsResult<LazyFrame> {
    bridge(&summed(events(ledger, of), of.by), of)
}

/// Every single change of a ledger, as [`moves`].
pub fn events(ledger: LazyFrame, of: &StepsOf<'_>) -> LazyFrame {
    let mut columns = vec![series_number(), col("currency"), of.index(col("effective_on")).alias("period")];
    columns.extend(cols_of(of.by));
    columns.extend([published_kind().alias("kind"), col("mrr_delta").alias("amount")]);
    columns.extend([col("mrr_before").alias("before"), col("mrr_after").alias("after"), col("reason")]);
    ledger.select(columns).filter(col("period").lt_eq(lit(of.last)))
}

fn sum_columns() -> Vec<String> {
    KINDS.iter().flat_map(|k| [amount(k), count(k)]).collect()
}

/// What a step changes, without the effect of exchange rates.
pub fn change_of_step(of: &StepsOf<'_>) -> Expr {
    let change = col("after") - col("before");
    if of.fx { change - col("fx") } else { change }
}

/// Kind of a step, from what a customer paid before and after it; NULL where only exchange rates moved.
pub fn kind_of_step(of: &StepsOf<'_>) -> Expr {
    let on_pause = |name: &str| if of.pauses { col(name).gt(int(0)) } else { lit(false) };
    let change = change_of_step(of);
    when(change.clone().eq(int(0)))
        .then(lit(NULL))
        .when(col("before").eq(int(0)).and(on_pause("paused_before")))
        .then(lit("resumed"))
        .when(col("before").eq(int(0)).and(col("first_period").eq(col("period"))))
        .then(lit("new"))
        .when(col("before").eq(int(0)))
        .then(lit("reactivation"))
        .when(col("after").eq(int(0)).and(on_pause("paused_after")))
        .then(lit("paused"))
        .when(col("after").eq(int(0)))
        .then(lit("churned"))
        .when(change.gt(int(0)))
        .then(lit("expansion"))
        .otherwise(lit("contraction"))
}

/// The movements behind a bridge, one row per series and movement.
///
/// Columns: `series`, `currency`, `period`, the dimensions, `kind`, `amount` (losses negative),
/// `before`, `after` and `reason` of the step. The bridge is their sum.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn moves(steps: &LazyFrame, of: &StepsOf<'_>) -> PolarsResult<LazyFrame> {
    let rows = |kind: Expr, amount: Expr, renamed: bool| {
        let mut out = cols_of(&["series", "currency", "period"]);
        for d in of.by {
            out.push(if renamed { col(previous(d)).alias(d.as_str()) } else { col(d.as_str()) });
        }
        out.extend([kind.alias("kind"), amount.alias("amount")]);
        out.extend(cols_of(&["before", "after", "reason"]));
        out
    };
    let changed = steps.clone().filter(change_of_step(of).neq(int(0)));
    let mut moves = vec![changed.select(rows(kind_of_step(of), change_of_step(of), false))];
    if of.fx {
        moves.push(steps.clone().filter(col("fx").neq(int(0))).select(rows(lit("fx"), col("fx"), false)));
    }
    if of.transfers && !of.by.is_empty() {
        let changed = of
            .by
            .iter()
            .map(|d| col(d.as_str()).neq_missing(col(previous(d))))
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false));
        let moved = steps.clone().filter(changed.and(col("before").gt(int(0))));
        moves.push(moved.clone().select(rows(lit("transfer_out"), int(0) - col("before"), true)));
        moves.push(moved.select(rows(lit("transfer_in"), col("before"), false)));
    }
    if moves.len() == 1 { Ok(moves.swap_remove(0)) } else { concat(moves, UnionArgs::default()) }
}

/// Movements summed per currency, period and group: one column per kind for amounts and for customers.
fn summed(moves: LazyFrame, by: &[String]) -> LazyFrame {
    let mut keys = cols_of(&["currency", "period"]);
    keys.extend(cols_of(by));
    let mut by_kind = keys.clone();
    by_kind.push(col("kind"));
    let mut aggregates = Vec::new();
    for kind in KINDS {
        let of_kind = |name: &str| when(col("kind").eq(lit(kind))).then(col(name)).otherwise(int(0)).sum();
        aggregates.push(of_kind("amount").alias(amount(kind)));
        aggregates.push(of_kind("customers").alias(count(kind)));
    }
    moves
        .group_by(by_kind)
        .agg([col("amount").sum(), len().cast(DataType::Int64).alias("customers")])
        .group_by(keys)
        .agg(aggregates)
}

/// Puts sums per currency, `period`, dimensions and `is_total` on the full grid of periods; missing cells are 0.
///
/// The grid runs from the first period of the currency to `last`. Sorted by group and period.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn on_grid(sums: &LazyFrame, by: &[String], last: i32, names: &[&str]) -> PolarsResult<LazyFrame> {
    let mut group: Vec<String> = vec!["currency".to_owned()];
    group.extend(by.iter().cloned());
    group.push("is_total".to_owned());
    let groups = sums.clone().select(cols_of(&group)).unique(None, UniqueKeepStrategy::Any);
    let periods = sums
        .clone()
        .group_by([col("currency")])
        .agg([col("period").min().alias("from")])
        .with_column(
            int_ranges(col("from").cast(DataType::Int64), int(i64::from(last) + 1), int(1), DataType::Int64)
                .alias("period"),
        )
        .explode(by_name(["period"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
        .select([col("currency"), col("period").cast(DataType::Int32)]);
    let mut keys = group.clone();
    keys.push("period".to_owned());
    let same = |names: &[String]| names.iter().map(|n| col(n.as_str())).collect::<Vec<_>>();
    let mut args = JoinArgs::new(JoinType::Left);
    args.nulls_equal = true;
    Ok(groups
        .join(periods, [col("currency")], [col("currency")], JoinArgs::new(JoinType::Inner))
        .join(sums.clone(), same(&keys), same(&keys), args)
        .with_columns(names.iter().map(|n| col(*n).fill_null(int(0))).collect::<Vec<_>>())
        .sort(keys, SortMultipleOptions::default()))
}
