//! A customer's recurring revenue as a step function over periods, one row per change.

use jiff::civil;
use polars::prelude::*;

use crate::expr::calendar::{Periods, date_lit};
use crate::expr::dims::{cols_of, int};
use crate::expr::key::packed;

/// Which instant of a period its value is taken at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueAt {
    /// The last instant: a change on any day belongs to the period that contains the day.
    #[default]
    PeriodEnd,
    /// The first instant: a change belongs to the first period that starts on or after the day.
    PeriodStart,
}

/// How ledger rows become steps.
#[allow(clippy::struct_excessive_bools, reason = "each is a property of the ledger")]
#[derive(Clone, Debug)]
pub struct StepsOf<'a> {
    /// Periods of the steps.
    pub periods: Periods,
    /// Where in the period the value is taken.
    pub value_at: ValueAt,
    /// Steps after this period are left out.
    pub last: i32,
    /// Dimensions carried along.
    pub by: &'a [String],
    /// Whether the ledger holds transfers between dimension values.
    pub transfers: bool,
    /// Column of the balance: `mrr_after`, or `constant_after` for amounts at constant rates.
    pub value: &'static str,
    /// Whether the effect of exchange rates is told apart.
    pub fx: bool,
    /// Whether the ledger tells pauses from churn.
    pub pauses: bool,
}

/// Name of the step with the rows of [`daily`], of the ledger itself.
pub const DAILY: &str = "daily";

/// The changes of a ledger by currency and day, of which there are few: `currency`, `effective_on`, `mrr_delta`.
pub fn daily(ledger: LazyFrame) -> LazyFrame {
    ledger.group_by(cols_of(&["currency", "effective_on"])).agg([col("mrr_delta").sum()])
}

/// Name of a dimension's value before a step.
pub fn previous(dimension: &str) -> String {
    format!("previous_{dimension}")
}

/// Name of a dimension's value where the customer last entered.
fn entered(dimension: &str) -> String {
    format!("entered_{dimension}")
}

/// Numbers the series of a ledger sorted on its grain: 1, 2, 3, ...
///
/// A series is a customer in a currency from its first payment on; who comes back too late to be a
/// reactivation starts another one.
pub fn series_number() -> Expr {
    let changed = |name: &str| col(name).neq_missing(col(name).shift(lit(1)));
    changed("customer_id")
        .or(changed("currency"))
        .or(changed("first_paid_on"))
        .cast(DataType::UInt32)
        .cum_sum(false)
        .alias("series")
}

/// Whether a row is the first of its series, in a frame sorted by series.
pub fn first_of_series() -> Expr {
    col("series").neq_missing(col("series").shift(lit(1)))
}

/// When each customer of a ledger paid: `customer_id`, the first day `from`, and `until`, the day after the last.
///
/// `until` is NULL while it goes on at `as_of`. One row per customer and stretch of time without a gap.
///
/// # Errors
/// When Polars refuses to build the plan.
pub fn paid_spans(ledger: LazyFrame, as_of: civil::Date) -> PolarsResult<LazyFrame> {
    let one_if = |condition: Expr| when(condition).then(int(1)).otherwise(int(0));
    let pays = |name: &str| one_if(col(name).gt(int(0)));
    let id = || col("customer_id");
    let same_next = id().eq(id().shift(lit(-1))).fill_null(lit(false));
    Ok(ledger
        .filter(col("effective_on").lt_eq(date_lit(as_of)))
        .group_by([id(), col("effective_on").alias("from")])
        .agg([(pays("mrr_after") - pays("mrr_before")).sum().alias("change")])
        .filter(col("change").neq(int(0)))
        .sort(["customer_id", "from"], SortMultipleOptions::default())
        // In how many currencies and series the customer pays.
        .with_column(col("change").cum_sum(false).over([id()])?.alias("paid"))
        .filter(col("paid").eq(int(0)).or(col("paid").eq(col("change"))))
        .with_column(when(same_next).then(col("from").shift(lit(-1))).otherwise(lit(NULL)).alias("until"))
        .filter(col("paid").gt(int(0)))
        .select(cols_of(&["customer_id", "from", "until"])))
}

impl StepsOf<'_> {
    /// Index of the period that a change on a date belongs to.
    pub fn index(&self, date: Expr) -> Expr {
        match self.value_at {
            ValueAt::PeriodEnd => self.periods.index(date),
            ValueAt::PeriodStart => self.periods.index_on_or_after(date),
        }
    }

    /// Steps of a ledger: one row per series and period in which the value or a dimension changed.
    ///
    /// Columns: `series`, `currency`, `period` (index), `first_period` (of the first payment),
    /// `before`, `after`, `reason`, the dimensions, with transfers `previous_<dimension>`, with
    /// exchange rates `fx` (their effect on who paid before and after), and with pauses
    /// `paused_before` and `paused_after`.
    /// Sorted by series and period. Dimensions are as of the start of the period, or of entry for a
    /// customer that enters in it.
    pub fn of(&self, ledger: LazyFrame) -> LazyFrame {
        let rows = ledger.with_column(series_number());
        let steps = if self.transfers { self.dated_dimensions(rows) } else { self.fixed_dimensions(rows) };
        let last_of_step = col("series")
            .neq_missing(col("series").shift(lit(-1)))
            .or(col("period").neq_missing(col("period").shift(lit(-1))));
        let same_series = || first_of_series().not();
        let mut moved = col("before").neq(col("after"));
        let steps = steps.filter(col("period").lt_eq(lit(self.last)));
        let steps = if self.fx { steps.with_column(col("fx").cum_sum(false)) } else { steps };
        let last = |name: &str| when(same_series()).then(col(name).shift(lit(1))).otherwise(int(0));
        let mut state = vec![last("after").alias("before")];
        if self.fx {
            state.push(col("fx") - col("fx").shift(lit(1)).fill_null(int(0)));
        }
        if self.pauses {
            state.push(last("paused_after").alias("paused_before"));
        }
        let steps = steps.filter(last_of_step).with_columns(state);
        let steps = if self.fx {
            // Who comes or goes does so at the rate of the day; the rate counts for those who stay.
            let stays = col("before").gt(int(0)).and(col("after").gt(int(0)));
            steps.with_column(when(stays).then(col("fx")).otherwise(int(0)).alias("fx"))
        } else {
            steps
        };
        if self.fx {
            moved = moved.or(col("fx").neq(int(0)));
        }
        if !self.transfers {
            return steps.filter(moved);
        }
        let mut of_period = Vec::new();
        let mut of_previous = Vec::new();
        for d in self.by {
            // Who paid when the period began has the dimensions of its start, even after an absence
            // within it; who enters in it has those of entry. At a period's start both are known.
            let enters = col("before").eq(int(0)).and(lit(self.value_at == ValueAt::PeriodEnd));
            of_period.push(when(enters).then(col(entered(d))).otherwise(col(d.as_str())).alias(d.as_str()));
            let before = when(same_series()).then(col(d.as_str()).shift(lit(1))).otherwise(col(d.as_str()));
            of_previous.push(before.alias(previous(d)));
            moved = moved.or(col("before").gt(int(0)).and(col(previous(d)).neq_missing(col(d.as_str()))));
        }
        let entered_columns = by_name(self.by.iter().map(|d| entered(d)), true, false);
        steps.with_columns(of_period).drop(entered_columns).with_columns(of_previous).filter(moved)
    }

    fn columns(&self, rest: Vec<Expr>) -> Vec<Expr> {
        let mut out = vec![col("series"), col("currency"), self.index(col("first_paid_on")).alias("first_period")];
        out.extend(rest);
        out
    }

    /// Columns of the state that only some ledgers have; NULL ones where a row does not change it.
    fn states(&self, known: bool) -> Vec<Expr> {
        let mut out = Vec::new();
        if self.fx {
            let effect = when(col("kind").eq(lit("fx"))).then(col("mrr_delta")).otherwise(int(0));
            out.push(if known { effect } else { int(0) }.alias("fx"));
        }
        if self.pauses {
            let paused = if known { col("paused_after") } else { lit(NULL).cast(DataType::Int64) };
            out.push(paused.alias("paused_after"));
        }
        out
    }

    fn fixed_dimensions(&self, rows: LazyFrame) -> LazyFrame {
        let mut rest =
            vec![self.index(col("effective_on")).alias("period"), col(self.value).alias("after"), col("reason")];
        rest.extend(self.states(true));
        rest.extend(cols_of(self.by));
        rows.select(self.columns(rest))
    }

    /// Changes of value at their period, changes of dimensions at the next period start, merged and filled forward.
    fn dated_dimensions(&self, rows: LazyFrame) -> LazyFrame {
        // A value at a period's end follows the dimensions of its start; at a period's start both are
        // those of one instant, so the days alone decide.
        let after_dimensions = match self.value_at {
            ValueAt::PeriodEnd => 1i32,
            ValueAt::PeriodStart => 0,
        };
        let transfer = || col("kind").eq(lit("transfer_in")).or(col("kind").eq(lit("transfer_out")));
        // An entry or the second half of a transfer: from here on the customer has these dimensions.
        let begins = || col("mrr_before").eq(int(0));
        let unknown = |name: String| lit(NULL).cast(DataType::String).alias(name);
        let mut value = vec![
            self.index(col("effective_on")).alias("period"),
            col(self.value).alias("after"),
            col("reason"),
            lit(after_dimensions).alias("order"),
            col("effective_on"),
            col("sequence"),
        ];
        value.extend(self.states(true));
        value.extend(self.by.iter().map(|d| unknown(d.clone())));
        value.extend(
            self.by.iter().map(|d| when(begins()).then(col(d.as_str())).otherwise(lit(NULL)).alias(entered(d))),
        );
        let mut moved = vec![
            self.periods.index_on_or_after(col("effective_on")).alias("period"),
            lit(NULL).cast(DataType::Int64).alias("after"),
            lit(NULL).cast(DataType::String).alias("reason"),
            lit(0i32).alias("order"),
            col("effective_on"),
            col("sequence"),
        ];
        moved.extend(self.states(false));
        moved.extend(cols_of(self.by));
        moved.extend(self.by.iter().map(|d| unknown(entered(d))));
        let values = rows.clone().filter(transfer().not()).select(self.columns(value));
        let moves = rows.filter(begins()).select(self.columns(moved));
        let forward = |name: &str| col(name).fill_null_with_strategy(FillNullStrategy::Forward(None));
        let mut fill = vec![forward("after")];
        if self.pauses {
            fill.push(forward("paused_after"));
        }
        fill.extend(self.by.iter().flat_map(|d| [forward(d), forward(&entered(d))]));
        // Both frames have the same columns, so the union cannot fail to build.
        concat([values, moves], UnionArgs::default())
            .unwrap_or_default()
            .with_columns([
                (packed(col("series"), col("period"), 0) + col("order").cast(DataType::Int64)).alias("key"),
                (col("effective_on").cast(DataType::Int32).cast(DataType::Int64) * int(8) + col("sequence"))
                    .alias("at"),
            ])
            .sort(["key", "at"], SortMultipleOptions::default())
            .with_columns(fill)
            .drop(by_name(["order", "effective_on", "sequence", "key", "at"], true, false))
    }
}
