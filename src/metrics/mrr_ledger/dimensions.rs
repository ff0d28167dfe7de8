//! Attributes of the customer on the rows of a ledger, and the transfers where they change.

use polars::prelude::*;

use super::{CHANGE, Dimensions, MOVEMENT, MrrLedger, VERSION, in_order};
use crate::expr::dims::{NOT_SET, cols_of, int};
use crate::expr::key::packed;
use crate::expr::sequence::{INTO, OUT, REVALUED};
use crate::expr::steps::first_of_series;
use crate::metrics::Inputs;

/// Name of the step with the versions of the dimensions.
pub(super) const VERSIONS: &str = "versions";

/// Before any date an export can hold: 0001-01-01.
const FIRST_DAY: i32 = -719_162;

impl MrrLedger {
    /// Versions of the dimensions per series and day, a number for each combination of values, oldest first.
    fn versions(&self, d: &Dimensions, inputs: &Inputs, series: &LazyFrame) -> PolarsResult<LazyFrame> {
        let rows = inputs.step(VERSIONS, || self.version_rows(d, inputs))?;
        let key = cols_of(&["customer_id"]);
        Ok(series.clone().join(rows, key.clone(), key, JoinArgs::new(JoinType::Inner)).drop(by_name(["customer_id", "currency"], true, false)))
    }

    /// Versions of the dimensions: `customer_id`, `day` (from when on; NULL where they have no date), the dimensions.
    pub(super) fn version_rows(&self, d: &Dimensions, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let mut columns = vec![col(d.customer.as_str()).alias("customer_id")];
        columns.push(d.valid_from.as_ref().map_or_else(|| lit(NULL).cast(DataType::Date), |v| col(v.as_str())).alias("day"));
        columns.extend(d.columns.iter().map(|c| col(c.as_str()).fill_null(lit(NOT_SET))));
        let rows = inputs.get(&d.from)?.select(columns);
        Ok(if d.valid_from.is_some() { rows.filter(col("day").lt(self.horizon())) } else { rows })
    }

    /// Movement rows with the one value each dimension has for a customer.
    pub(super) fn with_fixed(&self, d: &Dimensions, inputs: &Inputs, moves: LazyFrame, series: &LazyFrame) -> PolarsResult<LazyFrame> {
        let versions = self.versions(d, inputs, series)?;
        let mut order = vec!["series".to_owned(), "day".to_owned()];
        order.extend(d.columns.iter().cloned());
        let latest = versions
            .sort(order, SortMultipleOptions::default())
            .unique_stable(Some(by_name(["series"], true, false)), UniqueKeepStrategy::Last)
            .drop(by_name(["day"], true, false));
        let key = cols_of(&["series"]);
        Ok(moves
            .join(latest, key.clone(), key, in_order())
            .with_columns(d.columns.iter().map(|c| col(c.as_str()).fill_null(lit(NOT_SET))).collect::<Vec<_>>()))
    }

    /// Movement rows with the values that held on their day, and transfers where a value changed while revenue ran.
    pub(super) fn with_history(&self, d: &Dimensions, inputs: &Inputs, moves: LazyFrame, series: &LazyFrame) -> PolarsResult<LazyFrame> {
        let filled = |name: &str| col(name).fill_null_with_strategy(FillNullStrategy::Forward(None));
        let mut order = vec!["series".to_owned(), "day".to_owned()];
        order.extend(d.columns.iter().cloned());
        // The oldest version also holds before its first day.
        let versions = self
            .versions(d, inputs, series)?
            .sort(order, SortMultipleOptions::default())
            .unique_stable(Some(by_name(["series", "day"], true, false)), UniqueKeepStrategy::Last)
            .with_column(
                when(first_of_series()).then(lit(FIRST_DAY).cast(DataType::Date)).otherwise(col("day")).alias("day"),
            );
        let mut version_columns = cols_of(&["series", "day"]);
        version_columns.extend(MOVEMENT[2..].iter().map(|c| match *c {
            "sequence" => lit(1).cast(DataType::Int64).alias("sequence"),
            "kind" | "reason" => lit(NULL).cast(DataType::String).alias(*c),
            "first_paid_on" => lit(NULL).cast(DataType::Date).alias(*c),
            // A series begins at nothing, whatever the row above it says.
            "after" => when(first_of_series()).then(lit(0).cast(DataType::Int64)).otherwise(lit(NULL)).alias(*c),
            _ => lit(NULL).cast(DataType::Int64).alias(*c),
        }));
        let extras = self.extras();
        let balances: Vec<&String> = extras.iter().filter(|e| e.ends_with("_after")).collect();
        version_columns.extend(extras.iter().map(|e| {
            let nothing = if e.ends_with("_after") { lit(NULL) } else { int(0) };
            when(first_of_series()).then(int(0)).otherwise(nothing).cast(DataType::Int64).alias(e.as_str())
        }));
        version_columns.extend(cols_of(&d.columns));
        let mut move_columns = cols_of(&MOVEMENT);
        move_columns.extend(cols_of(&extras));
        move_columns.extend(d.columns.iter().map(|c| lit(NULL).cast(DataType::String).alias(c.as_str())));
        version_columns.push(packed(col("series"), col("day"), VERSION).alias("key"));
        move_columns.push((packed(col("series"), col("day"), CHANGE - REVALUED) + col("sequence")).alias("key"));
        let merged = concat([versions.select(version_columns), moves.select(move_columns)], UnionArgs::default())?
            .sort(["key"], SortMultipleOptions::default())
            .with_columns(
                d.columns
                    .iter()
                    .map(|c| {
                        // A series without any version starts with a movement; nothing may leak into it.
                        when(first_of_series()).then(col(c.as_str()).fill_null(lit(NOT_SET))).otherwise(col(c.as_str())).alias(c.as_str())
                    })
                    .collect::<Vec<_>>(),
            )
            .with_columns([filled("after"), filled("first_paid_on")])
            .with_columns(balances.iter().map(|b| filled(b)).collect::<Vec<_>>())
            .with_columns(d.columns.iter().map(|c| filled(c)).collect::<Vec<_>>())
            .with_columns(d.columns.iter().map(|c| col(c.as_str()).shift(lit(1)).alias(format!("previous_{c}"))).collect::<Vec<_>>());
        let changed = d
            .columns
            .iter()
            .map(|c| col(c.as_str()).neq(col(format!("previous_{c}"))))
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false));
        let moved = merged.clone().filter(col("kind").is_null().and(first_of_series().not()).and(col("after").gt(int(0))).and(changed));
        let nothing = || lit(0).cast(DataType::Int64);
        let constant = || col("constant_after");
        let transfer = |kind: &str, sequence: i64, before: Expr, delta: Expr, after: Expr, old: bool| {
            let mut columns = cols_of(&["series", "day"]);
            columns.extend([
                lit(sequence).cast(DataType::Int64).alias("sequence"),
                lit(kind.to_owned()).alias("kind"),
                before.alias("before"),
                delta.alias("delta"),
                after.alias("after"),
                col("first_paid_on"),
                lit(NULL).cast(DataType::String).alias("reason"),
            ]);
            columns.extend(extras.iter().map(|e| match e.as_str() {
                "constant_delta" if old => (int(0) - constant()).alias(e.as_str()),
                "constant_delta" => constant().alias(e.as_str()),
                "constant_after" if old => nothing().alias(e.as_str()),
                _ => col(e.as_str()),
            }));
            columns.extend(d.columns.iter().map(|c| if old { col(format!("previous_{c}")).alias(c.as_str()) } else { col(c.as_str()) }));
            moved.clone().select(columns)
        };
        let out = transfer("transfer_out", OUT, col("after"), int(0) - col("after"), nothing(), true);
        let into = transfer("transfer_in", INTO, nothing(), col("after"), col("after"), false);
        let mut columns = cols_of(&MOVEMENT);
        columns.extend(cols_of(&extras));
        columns.extend(cols_of(&d.columns));
        concat([merged.filter(col("kind").is_not_null()).select(columns), out, into], UnionArgs::default())
    }
}
