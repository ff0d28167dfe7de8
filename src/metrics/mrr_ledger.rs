#![doc = include_str!("mrr_ledger.md")]

mod dimensions;
mod spec;

use jiff::civil;
use polars::prelude::*;

use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::expr::key::{packed, position_of, series_of};
use crate::expr::money::{MAX_EXACT, div_half_even, rounding_unit};
use crate::expr::steps::first_of_series;
use crate::metrics::{Identity, Inputs, LedgerShape, Metric};
use crate::schema::{ColumnType, TableSchema};
pub use spec::{Spec, resolve};
use spec::Factors;

struct Dimensions {
    from: String,
    customer: String,
    columns: Vec<String>,
    valid_from: Option<String>,
    current: bool,
}

enum Amounts {
    Intervals {
        start: String,
        end: Option<String>,
        end_inclusive: bool,
        trial_end: Option<String>,
        price: String,
        quantity: Option<String>,
        interval: Option<String>,
        count: Option<String>,
    },
    Snapshots { month: String, mrr: String },
}

/// A price as an exact fraction: `exact * per_month / months` is the amount of one month.
struct Price {
    exact: Expr,
    /// The same as `exact` in floats, which cannot wrap: the guard of the integer product.
    float: Expr,
    per_month: Expr,
    months: Expr,
}

/// A resolved ledger.
pub struct MrrLedger {
    from: String,
    customer: String,
    customer_type: ColumnType,
    currency: Expr,
    amounts: Amounts,
    factors: Factors,
    reason: Option<String>,
    dimensions: Option<Dimensions>,
    as_of: civil::Date,
    scale: u8,
}

impl MrrLedger {
    fn transfers(&self) -> bool {
        self.dimensions.as_ref().is_some_and(|d| d.valid_from.is_some() && !d.current)
    }

    fn dimension_names(&self) -> &[String] {
        self.dimensions.as_ref().map_or(&[], |d| d.columns.as_slice())
    }

    /// Day after the last day that results cover.
    fn horizon(&self) -> Expr {
        date_lit(self.as_of.saturating_add(jiff::Span::new().days(1)))
    }

    /// Paid intervals: `customer_id`, `currency`, `begins` (with the trial), `starts`, `ends` (never NULL, at most the horizon), `mrr`, `reason`.
    ///
    /// `mrr` is NULL where it cannot be computed; an identity refuses such rows.
    fn paid_intervals(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = inputs.get(&self.from)?;
        let mut columns = vec![col(self.customer.as_str()).alias("customer_id"), self.currency.clone().alias("currency")];
        match &self.amounts {
            Amounts::Intervals { start, end, end_inclusive, trial_end, .. } => {
                let start = col(start.as_str());
                let col_start = start.clone();
                let first_paid = match trial_end {
                    None => start,
                    Some(t) => {
                        let trial = col(t.as_str());
                        when(trial.clone().gt(start.clone())).then(trial).otherwise(start)
                    }
                };
                let end = end.as_ref().map_or_else(|| lit(NULL).cast(DataType::Date), |e| col(e.as_str()));
                let end = if *end_inclusive { next_day(end) } else { end };
                columns.push(col_start.alias("begins"));
                columns.push(first_paid.alias("starts"));
                columns.push(end.alias("ends"));
            }
            Amounts::Snapshots { month, .. } => {
                let start = col(month.as_str()).dt().month_start();
                columns.push(start.clone().alias("begins"));
                columns.push(start.clone().alias("starts"));
                columns.push(start.dt().offset_by(lit("1mo")).alias("ends"));
            }
        }
        columns.push(self.mrr().alias("mrr"));
        columns.push(self.reason.as_ref().map_or_else(|| lit(NULL).cast(DataType::String), |r| col(r.as_str())).alias("reason"));
        let horizon = self.horizon();
        Ok(rows.select(columns).with_column(
            when(col("ends").is_null().or(col("ends").gt(horizon.clone()))).then(horizon).otherwise(col("ends")).alias("ends"),
        ))
    }

    /// What an interval pays, before it is divided into months.
    fn price(&self) -> Price {
        let price = |name: &str, quantity: Option<&String>| {
            let float = col(name).cast(DataType::Float64);
            match quantity {
                None => (col(name), float),
                Some(q) => (col(name) * col(q.as_str()), float * col(q.as_str()).cast(DataType::Float64)),
            }
        };
        let (name, quantity, interval, count) = match &self.amounts {
            Amounts::Snapshots { mrr, .. } => (mrr, None, None, None),
            Amounts::Intervals { price, quantity, interval, count, .. } => (price, quantity.as_ref(), interval.as_ref(), count.as_ref()),
        };
        let (exact, float) = price(name, quantity);
        let Some(interval) = interval else {
            return Price { exact, float, per_month: int(1), months: int(1) };
        };
        let (mut num, mut den) = (lit(NULL).cast(DataType::Int64), lit(NULL).cast(DataType::Int64));
        for (name, n, d) in self.factors.per_month() {
            let is = || col(interval.as_str()).eq(lit(name));
            num = when(is()).then(lit(n)).otherwise(num);
            // A price per year divides by twelve; the fraction is kept exact until the one rounding.
            den = when(is()).then(lit(d)).otherwise(den);
        }
        let count = count.map_or_else(|| int(1), |c| when(col(c.as_str()).gt(int(0))).then(col(c.as_str())).otherwise(lit(NULL)));
        Price { exact, float, per_month: num, months: den * count }
    }

    fn mrr(&self) -> Expr {
        let price = self.price();
        let unit = rounding_unit(&self.currency, self.scale);
        div_half_even(price.exact * price.per_month, price.months * unit.clone()) * unit
    }

    /// Snapshots that end before `as_of` would make everybody churn.
    fn snapshot_identities(&self, inputs: &Inputs) -> PolarsResult<Vec<Identity>> {
        let Amounts::Snapshots { month, .. } = &self.amounts else { return Ok(Vec::new()) };
        let last = inputs.get(&self.from)?.select([col(month.as_str()).max().alias("last_snapshot")]);
        Ok(vec![Identity {
            name: "snapshots_reach_as_of",
            meaning: "the last snapshot is of the month of as_of; else every customer would look churned",
            broken: last.filter(col("last_snapshot").dt().month_start().lt(date_lit(self.as_of.first_of_month()))),
        }])
    }

    /// Customers and currencies that ever paid, numbered in the order of the ledger.
    fn numbered(paid: &LazyFrame) -> LazyFrame {
        paid.clone()
            .select(cols_of(&["customer_id", "currency"]))
            .unique(None, UniqueKeepStrategy::Any)
            .sort(["customer_id", "currency"], SortMultipleOptions::default())
            .with_row_index("series", None)
    }

    /// Net changes per series and day with the running amount: `series`, `day`, `delta`, `after`, `reason`.
    ///
    /// Open intervals end at the horizon, so that every series sums to zero and one running sum over
    /// all rows is the running sum of each series.
    fn changes(&self, paid: &LazyFrame, series: &LazyFrame) -> PolarsResult<LazyFrame> {
        let key = cols_of(&["customer_id", "currency"]);
        let numbered = paid
            .clone()
            .join(series.clone(), key.clone(), key, JoinArgs::new(JoinType::Inner))
            .select(cols_of(&["series", "starts", "ends", "mrr", "reason"]));
        let at = |day: &str| packed(col("series"), col(day), CHANGE).alias("key");
        let starts = numbered.clone().select([at("starts"), col("mrr").alias("delta")]);
        let ends = numbered.clone().select([at("ends"), (int(0) - col("mrr")).alias("delta")]);
        let net = concat([starts, ends], UnionArgs::default())?
            .group_by([col("key")])
            .agg([col("delta").sum()])
            .filter(col("delta").neq(int(0)))
            .sort(["key"], SortMultipleOptions::default())
            .with_columns([
                col("delta").cum_sum(false).alias("after"),
                series_of(col("key")).alias("series"),
                position_of(col("key")).cast(DataType::Date).alias("day"),
            ])
            .filter(col("day").lt(self.horizon()));
        if self.reason.is_none() {
            return Ok(net.with_column(lit(NULL).cast(DataType::String).alias("reason")));
        }
        // The largest item that ended that day names the reason; equal amounts go by the name.
        let reasons = numbered
            .filter(col("reason").is_not_null().and(col("ends").lt(self.horizon())))
            .select([at("ends"), col("mrr"), col("reason")])
            .sort(["key", "mrr", "reason"], SortMultipleOptions::default().with_order_descending_multi([false, true, false]))
            .unique_stable(Some(by_name(["key"], true, false)), UniqueKeepStrategy::First)
            .select(cols_of(&["key", "reason"]));
        Ok(net.join(reasons, [col("key")], [col("key")], in_order()))
    }

    /// Movement rows without dimensions, sorted by series and day.
    fn movements(changes: LazyFrame) -> LazyFrame {
        let before = col("after") - col("delta");
        let kind = when(first_of_series())
            .then(lit("new"))
            .when(before.clone().eq(int(0)))
            .then(lit("reactivation"))
            .when(col("after").eq(int(0)))
            .then(lit("churn"))
            .when(col("delta").gt(int(0)))
            .then(lit("expansion"))
            .otherwise(lit("contraction"));
        changes
            .with_columns([
                before.alias("before"),
                kind.alias("kind"),
                when(first_of_series())
                    .then(col("day"))
                    .otherwise(lit(NULL))
                    .fill_null_with_strategy(FillNullStrategy::Forward(None))
                    .alias("first_paid_on"),
                lit(3).cast(DataType::Int64).alias("sequence"),
            ])
            .with_column(when(col("kind").eq(lit("churn"))).then(col("reason")).otherwise(lit(NULL)).alias("reason"))
            .select(cols_of(&MOVEMENT))
    }

}

/// Orders within a day: a new version of the dimensions, and what changed the amount.
const VERSION: i64 = 1;
const CHANGE: i64 = 3;

/// A left join that keeps the order of the left side.
fn in_order() -> JoinArgs {
    let mut args = JoinArgs::new(JoinType::Left);
    args.maintain_order = MaintainOrderJoin::Left;
    args
}

const MOVEMENT: [&str; 9] = ["series", "day", "sequence", "kind", "before", "delta", "after", "first_paid_on", "reason"];

impl Metric for MrrLedger {
    fn output(&self) -> TableSchema {
        use ColumnType::{Currency, Date, Int, Money, String as Text};
        let mut schema = TableSchema::with_grain(["customer_id", "currency", "effective_on", "sequence"])
            .column("customer_id", self.customer_type, "", "customer")
            .column("currency", Currency, "", "currency of the amounts")
            .column("effective_on", Date, "", "civil date of the change")
            .column("sequence", Int, "", "order within the day: transfer out, transfer in, change of amount")
            .column("kind", Text, "", "new, reactivation, expansion, contraction, churn, transfer_in or transfer_out")
            .column("mrr_before", Money, "money per month", "recurring revenue before the change")
            .column("mrr_delta", Money, "money per month", "the change")
            .column("mrr_after", Money, "money per month", "recurring revenue after the change")
            .column("first_paid_on", Date, "", "first date on which the customer's recurring revenue was above zero")
            .nullable("reason", Text, "", "reason of a churn, as the source gives it");
        for d in self.dimension_names() {
            schema = schema.column(d.as_str(), Text, "", "attribute of the customer at that time");
        }
        schema
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let paid = self.paid_intervals(inputs)?.filter(is_used());
        let series = Self::numbered(&paid);
        let moves = Self::movements(self.changes(&paid, &series)?);
        let moves = match &self.dimensions {
            None => moves,
            Some(d) if self.transfers() => self
                .with_history(d, inputs, moves, &series)?
                .with_column((packed(col("series"), col("day"), 0) + col("sequence")).alias("key"))
                .sort(["key"], SortMultipleOptions::default()),
            Some(d) => self.with_fixed(d, inputs, moves, &series)?,
        };
        let mut columns = vec![
            col("customer_id"),
            col("currency"),
            col("day").alias("effective_on"),
            col("sequence"),
            col("kind"),
            col("before").alias("mrr_before"),
            col("delta").alias("mrr_delta"),
            col("after").alias("mrr_after"),
            col("first_paid_on"),
            col("reason"),
        ];
        columns.extend(cols_of(self.dimension_names()));
        let key = cols_of(&["series"]);
        Ok(moves.join(series, key.clone(), key, in_order()).select(columns))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let price = self.price();
        let magnitude = (price.float * price.per_month.cast(DataType::Float64)).abs();
        let paid = self.paid_intervals(inputs)?;
        let same_series = || col("customer_id").eq(col("customer_id").shift(lit(1))).and(col("currency").eq(col("currency").shift(lit(1))));
        let chained = when(same_series()).then(col("mrr_after").shift(lit(1))).otherwise(int(0));
        let running = paid
            .clone()
            .filter(is_used().and(col("ends").eq(self.horizon())))
            .group_by([col("currency")])
            .agg([col("mrr").sum()]);
        let closing = output.clone().group_by([col("currency")]).agg([col("mrr_delta").sum()]);
        let mut identities = self.snapshot_identities(inputs)?;
        let mut full = JoinArgs::new(JoinType::Full);
        full.coalesce = JoinCoalesce::CoalesceColumns;
        identities.extend([
            Identity {
                name: "amounts_are_known",
                meaning: "every interval has a price, a quantity, a known billing interval and a known currency",
                broken: paid.clone().filter(col("mrr").is_null()),
            },
            Identity {
                name: "amounts_fit",
                meaning: "price times quantity fits 64 bits",
                broken: inputs.get(&self.from)?.filter(magnitude.gt_eq(lit(MAX_EXACT))),
            },
            Identity {
                name: "intervals_are_placed",
                meaning: "every interval has a customer and a start",
                broken: paid.filter(col("starts").is_null().or(col("customer_id").is_null())),
            },
            Identity {
                name: "total_fits",
                meaning: "the sum of all changes fits 64 bits",
                broken: output
                    .clone()
                    .select([col("mrr_delta").cast(DataType::Float64).abs().sum().alias("sum")])
                    .filter(col("sum").gt_eq(lit(MAX_EXACT))),
            },
            Identity {
                name: "changes_chain",
                meaning: "before + delta = after in every row, and after of one row is before of the next",
                broken: output
                    .clone()
                    .with_column(chained.alias("mrr_chained"))
                    .filter(col("mrr_before").neq(col("mrr_chained")).or((col("mrr_before") + col("mrr_delta")).neq(col("mrr_after")))),
            },
            Identity {
                name: "never_negative",
                meaning: "no customer's recurring revenue is below zero",
                broken: output.clone().filter(col("mrr_after").lt(int(0))),
            },
            Identity {
                name: "closing_is_running",
                meaning: "the sum of all changes is the amount of the intervals that run at as_of",
                broken: closing
                    .join(running, [col("currency")], [col("currency")], full)
                    .filter(col("mrr_delta").fill_null(int(0)).neq(col("mrr").fill_null(int(0)))),
            },
        ]);
        Ok(identities)
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let why = when(col("starts").gt_eq(self.horizon()))
            .then(lit("starts_after_as_of"))
            .when(col("ends").lt_eq(col("begins")))
            .then(lit("ends_before_start"))
            .when(col("ends").lt_eq(col("starts")))
            .then(lit("trial_only"))
            .when(col("mrr").eq(int(0)))
            .then(lit("zero_amount"))
            .otherwise(lit("used"));
        Ok(Some(
            self.paid_intervals(inputs)?
                .group_by([why.alias("reason")])
                .agg([len().cast(DataType::Int64).alias("rows")])
                .sort(["reason"], SortMultipleOptions::default()),
        ))
    }

    fn ledger(&self) -> Option<LedgerShape> {
        Some(LedgerShape {
            dimensions: self.dimension_names().to_vec(),
            transfers: self.transfers(),
            reasons: self.reason.is_some(),
            customer_type: self.customer_type,
        })
    }
}

/// Intervals that pay something for at least one day up to `as_of`.
fn is_used() -> Expr {
    col("ends").gt(col("starts")).and(col("mrr").neq(int(0)))
}

fn next_day(date: Expr) -> Expr {
    (date.cast(DataType::Int32) + lit(1)).cast(DataType::Date)
}
