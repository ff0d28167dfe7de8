//! Identities and headline figures of computed tables.

use polars::prelude::*;

use crate::engine::lower::inner_type;
use crate::engine::{CheckOutcome, Figure, Value};
use crate::kernel::Rows;
use crate::metrics::{Headline, Identity};
use crate::plan::TablePlan;

/// Most rows shown of those that break an identity.
const SAMPLES: u32 = 5;

/// Runs the identities of a table jointly, but for those that are proven; the result is in their order.
pub(super) fn check(identities: Vec<Identity>, proven: &[&str]) -> PolarsResult<Vec<CheckOutcome>> {
    let is_proven = |identity: &Identity| proven.contains(&identity.name);
    let counted = |i: &Identity| i.broken.clone().select([len().cast(DataType::Int64).alias("broken")]);
    let open = identities.iter().filter(|identity| !is_proven(identity));
    let mut counts = collect_all(&open.map(counted).collect::<Vec<_>>())?.into_iter();
    let outcome = |identity: Identity| {
        let broken = match if is_proven(&identity) { None } else { counts.next() } {
            Some(count) => count.column("broken")?.i64()?.get(0).unwrap_or(0),
            None => 0,
        };
        Ok(CheckOutcome {
            name: identity.name,
            meaning: identity.meaning,
            broken: broken.unsigned_abs(),
            samples: if broken == 0 { Vec::new() } else { samples(identity.broken.limit(SAMPLES))? },
        })
    };
    identities.into_iter().map(outcome).collect()
}

/// Rows as `column=value` texts.
fn samples(rows: LazyFrame) -> PolarsResult<Vec<String>> {
    let frame = rows.collect()?;
    Ok((0..frame.height())
        .map(|row| {
            let cells = frame.columns().iter().map(|c| match c.get(row) {
                Ok(value) => format!("{}={}", c.name(), value.to_string().trim_matches('"')),
                Err(_) => c.name().to_string(),
            });
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect())
}

/// Runs several queries jointly on the streaming engine, so that what they share is computed once.
pub(super) fn collect_all(frames: &[LazyFrame]) -> PolarsResult<Vec<DataFrame>> {
    let plans = frames.iter().map(|f| f.logical_plan.clone()).collect();
    let opt = frames.first().map_or_else(OptFlags::default, LazyFrame::get_current_optimizations);
    LazyFrame::collect_all_with_engine(
        plans,
        Engine::Streaming,
        opt | OptFlags::COMM_SUBPLAN_ELIM | OptFlags::COMM_SUBEXPR_ELIM,
    )
}

/// The headline figures of a table: per currency, from the total row of the last complete period.
pub(super) fn figures(table: &TablePlan, rows: &Rows) -> Vec<Figure> {
    let headlines = table.metric.headlines();
    if headlines.is_empty() {
        return Vec::new();
    }
    // A figure that cannot be read is no reason to fail a run whose tables are right.
    let Ok(frame) = rows.frame() else { return Vec::new() };
    headlines.into_iter().flat_map(|h| read(table, &frame, &h).unwrap_or_default()).collect()
}

fn read(table: &TablePlan, frame: &DataFrame, headline: &Headline) -> PolarsResult<Vec<Figure>> {
    let mut rows = frame.clone().lazy();
    for flag in ["is_total", "is_complete"] {
        if table.schema.get(flag).is_some() {
            rows = rows.filter(col(flag));
        }
    }
    for (column, value) in &headline.only {
        rows = rows.filter(col(column.as_str()).cast(DataType::String).eq(lit(value.as_str())));
    }
    // What is no amount has no currency.
    let currency = if table.schema.get("currency").is_some() { col("currency") } else { lit("").alias("currency") };
    let last = rows
        .select([currency, col("period_start"), col(headline.column.as_str()).alias("value")])
        .sort(["currency", "period_start"], SortMultipleOptions::default())
        .unique_stable(Some(by_name(["currency"], true, false)), UniqueKeepStrategy::Last)
        .collect()?;
    let ty = table.schema.get(&headline.column).map(|c| inner_type(c.ty));
    let (currency, period) =
        (last.column("currency")?.str()?.clone(), last.column("period_start")?.cast(&DataType::Int32)?);
    let (period, value) = (period.i32()?.clone(), last.column("value")?);
    (0..last.height())
        .map(|row| {
            let value = match ty {
                Some(DataType::Float64) => value.f64()?.get(row).map(Value::Float),
                _ => value.i64()?.get(row).map(Value::Int),
            };
            let day = period
                .get(row)
                .map(|d| jiff::civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(d)));
            Ok(Figure {
                headline: headline.clone(),
                currency: currency.get(row).unwrap_or_default().to_owned(),
                period_start: day,
                value,
            })
        })
        .collect()
}
