//! Exchange rates: native balances in the reporting currency, and the effect of rates as a movement of its own.

use jiff::civil;
use polars::prelude::*;

use super::changes::Book;
use super::spec::RateOf;
use super::{CHANGE, MrrLedger};
use crate::expr::calendar::{Periods, date_lit};
use crate::expr::dims::{cols_of, int};
use crate::expr::key::packed;
use crate::expr::money::with_products;
use crate::kernel::Conversion;
use crate::metrics::Inputs;

/// Rates are whole numbers of 10^-12.
const RATE: i64 = 1_000_000_000_000;

/// Resolved exchange rates.
#[derive(Clone)]
pub(super) struct Fx {
    pub(super) from: String,
    pub(super) date: String,
    pub(super) currency: String,
    pub(super) to: Option<String>,
    pub(super) rate: String,
    pub(super) rate_of: RateOf,
    pub(super) periods: Periods,
    pub(super) constant_on: civil::Date,
    pub(super) max_age: i32,
    /// The pipeline's currency.
    pub(super) reporting: String,
}

impl Fx {
    /// First day of a period.
    fn first_day(&self, period: Expr) -> Expr {
        self.periods.start(period)
    }

    /// Day whose rate holds in a period, of which the first is `period`; nothing after `known` is known.
    fn rate_day(&self, period: &Expr, known: civil::Date) -> Expr {
        let before = |date: Expr| (date.cast(DataType::Int32) - lit(1)).cast(DataType::Date);
        let day = match self.rate_of {
            RateOf::FirstDay => self.first_day(period.clone()),
            RateOf::DayBefore => before(self.first_day(period.clone())),
            RateOf::LastDay => before(self.first_day(period.clone() + lit(1))),
        };
        when(day.clone().gt(date_lit(known))).then(date_lit(known)).otherwise(day)
    }

    /// Published rates: `rate_currency`, `rated_on`, `rate`.
    fn rates(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = inputs.get(&self.from)?;
        let rows = match &self.to {
            Some(to) => rows.filter(col(to.as_str()).eq(lit(self.reporting.as_str()))),
            None => rows,
        };
        #[allow(clippy::cast_precision_loss, reason = "a power of ten below 2^53")]
        let scaled = (col(self.rate.as_str()).cast(DataType::Float64) * lit(RATE as f64)).round(0, RoundMode::HalfToEven);
        Ok(rows
            .select([
                col(self.currency.as_str()).alias("rate_currency"),
                col(self.date.as_str()).alias("rated_on"),
                scaled.cast(DataType::Int64).alias("rate"),
            ])
            .filter(col("rate").gt(int(0))))
    }

    /// The rate of each currency and day asked for (`rate_currency`, `rate_day`): the latest on or before it
    /// that is not too old, as `rate`; NULL where there is none.
    fn rates_on(&self, wanted: LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rates = self.rates(inputs)?.select([
            col("rate_currency"),
            col("rated_on").alias("rate_day"),
            lit(0i32).alias("asked"),
            col("rated_on"),
            col("rate"),
        ]);
        let asked = wanted.select([
            col("rate_currency"),
            col("rate_day"),
            lit(1i32).alias("asked"),
            lit(NULL).cast(DataType::Date).alias("rated_on"),
            lit(NULL).cast(DataType::Int64).alias("rate"),
        ]);
        let filled = |name: &str| {
            col(name).fill_null_with_strategy(FillNullStrategy::Forward(None)).over([col("rate_currency")])
        };
        let own = col("rate_currency").eq(lit(self.reporting.as_str()));
        let age = col("rate_day").cast(DataType::Int32) - col("rated_on").cast(DataType::Int32);
        let fresh = age.lt_eq(lit(self.max_age));
        Ok(concat([rates, asked], UnionArgs::default())?
            .sort(["rate_currency", "rate_day", "asked", "rate"], SortMultipleOptions::default())
            .with_columns([filled("rated_on")?, filled("rate")?])
            .filter(col("asked").eq(lit(1)))
            .select([
                col("rate_currency"),
                col("rate_day"),
                when(own).then(int(RATE)).when(fresh).then(col("rate")).otherwise(lit(NULL)).alias("rate"),
            ])
            .unique(None, UniqueKeepStrategy::Any))
    }
}

impl MrrLedger {
    /// Rates by currency and period of revaluation from the first change to the horizon: `currency`, `period`, `rate`, `constant`.
    pub(super) fn rate_grid(&self, series: &LazyFrame, changes: &LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let Some(fx) = &self.fx else { return Ok(LazyFrame::default()) };
        let last = fx.periods.index_of(self.as_of);
        let span = changes
            .clone()
            .select([fx.periods.index(col("day")).min().alias("first")])
            .with_column(int_ranges(col("first").cast(DataType::Int64), int(i64::from(last) + 1), int(1), DataType::Int64).alias("period"))
            .explode(by_name(["period"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
            .select([col("period").cast(DataType::Int32)]);
        let currencies = series.clone().select([col("currency")]).unique(None, UniqueKeepStrategy::Any);
        let grid = currencies
            .cross_join(span, None)
            .with_columns([
            fx.rate_day(&col("period"), self.known_until).alias("rate_day"),
            col("currency").alias("rate_currency"),
        ])
        .cache();
        let fixed = grid.clone().select([col("rate_currency"), date_lit(fx.constant_on).alias("rate_day")]);
        let wanted = concat([grid.clone().select(cols_of(&["rate_currency", "rate_day"])), fixed], UnionArgs::default())?
            .unique(None, UniqueKeepStrategy::Any);
        let rates = fx.rates_on(wanted, inputs)?.cache();
        let key = || cols_of(&["rate_currency", "rate_day"]);
        let constant = rates
            .clone()
            .filter(col("rate_day").eq(date_lit(fx.constant_on)))
            .select([col("rate_currency"), col("rate").alias("constant")]);
        Ok(grid
            .join(rates, key(), key(), JoinArgs::new(JoinType::Left))
            .join(constant, [col("rate_currency")], [col("rate_currency")], JoinArgs::new(JoinType::Left))
            .select([col("currency"), col("period"), col("rate_day"), col("rate"), col("constant")]))
    }

    /// Currencies and days without a rate.
    pub(super) fn missing_rates(&self, book: &Book) -> Option<LazyFrame> {
        let fx = self.fx.as_ref()?;
        let grid = book.rates.clone()?;
        let key = || cols_of(&["currency", "period"]);
        Some(
            self.periods_held(fx, book)
                .join(grid, key(), key(), JoinArgs::new(JoinType::Left))
                .filter(col("rate").is_null().or(col("constant").is_null()))
                .select(cols_of(&["currency", "rate_day"]))
                .unique(None, UniqueKeepStrategy::Any),
        )
    }

    /// Rates given twice for a day, and different.
    pub(super) fn ambiguous_rates(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let Some(fx) = &self.fx else { return Ok(None) };
        Ok(Some(
            fx.rates(inputs)?
                .group_by(cols_of(&["rate_currency", "rated_on"]))
                .agg([col("rate").n_unique().alias("rates")])
                .filter(col("rates").gt(lit(1))),
        ))
    }

    /// Currencies and periods in which something is paid: `currency`, `period`.
    fn periods_held(&self, fx: &Fx, book: &Book) -> LazyFrame {
        let spans = self.held(fx, &book.changes);
        let currency = book.series.clone().select(cols_of(&["series", "currency"]));
        spans
            .join(currency, [col("series")], [col("series")], JoinArgs::new(JoinType::Inner))
            .select([col("currency"), col("from_period"), col("until_period")])
            .unique(None, UniqueKeepStrategy::Any)
            .with_column(
                int_ranges(col("from_period").cast(DataType::Int64), col("until_period").cast(DataType::Int64) + int(1), int(1), DataType::Int64)
                    .alias("period"),
            )
            .explode(by_name(["period"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
            .select([col("currency"), col("period").cast(DataType::Int32)])
            .unique(None, UniqueKeepStrategy::Any)
    }

    /// Changes with the periods from their day to the day before the next one.
    fn held(&self, fx: &Fx, changes: &LazyFrame) -> LazyFrame {
        let same_next = col("series").eq(col("series").shift(lit(-1))).fill_null(lit(false));
        let next = when(same_next).then(col("day").shift(lit(-1))).otherwise(self.horizon());
        let eve = (next.cast(DataType::Int32) - lit(1)).cast(DataType::Date);
        changes.clone().with_columns([
            fx.periods.index(col("day")).alias("from_period"),
            fx.periods.index(eve).alias("until_period"),
        ])
    }

    /// What a pass needs to know to convert amounts as [`Self::converted`] does.
    pub(super) fn conversion(&self) -> Option<Conversion<'_>> {
        let fx = self.fx.as_ref()?;
        let unit = self.unit_of(&fx.reporting);
        Some(Conversion { rates: "rates", periods: fx.periods, reporting: &fx.reporting, unit, one: RATE })
    }

    /// Adds `to`, the column `from` of a row's own currency in the reporting currency at the rate in a column, for each.
    fn reported(&self, fx: &Fx, rows: LazyFrame, columns: &[(String, &str, String)]) -> LazyFrame {
        // Rounding to the reporting currency's own unit: the rate per unit, in one division.
        let unit = self.unit_of(&fx.reporting);
        with_products(rows, columns, RATE * unit, unit)
    }

    /// Units of the pipeline's scale that amounts in `currency` are rounded to.
    fn unit_of(&self, currency: &str) -> i64 {
        let exponent = crate::money::exponent(currency).unwrap_or(self.scale.saturating_sub(4));
        10i64.pow(u32::from(self.scale.saturating_sub(4 + exponent)))
    }

    /// Changes in the reporting currency per customer and day: as [`MrrLedger::changes`], with `fx` (the effect
    /// of rates, before the change), `constant_delta` and `constant_after` (at constant rates).
    pub(super) fn converted(&self, fx: &Fx, book: &Book) -> PolarsResult<LazyFrame> {
        let parts = self.part_columns();
        let pauses = self.has_pauses();
        let grid = book.rates.clone().unwrap_or_default();
        let held = self.held(fx, &book.changes);
        let mut columns = cols_of(&["series", "day", "delta", "after"]);
        columns.extend(cols_of(&parts));
        if pauses {
            columns.extend(cols_of(&["paused_after"]));
        }
        let foreign = book
            .series
            .clone()
            .filter(col("currency").neq(lit(fx.reporting.as_str())))
            .select([col("series")]);
        let revalued = {
            let mut out = vec![col("series"), fx.first_day(col("period").cast(DataType::Int32)).alias("day"), int(0).alias("delta"), col("after")];
            out.extend(parts.iter().map(|p| int(0).alias(p.as_str())));
            if pauses {
                out.push(col("paused_after"));
            }
            held.filter(col("after").neq(int(0)))
                .join(foreign, [col("series")], [col("series")], JoinArgs::new(JoinType::Semi))
                .with_column(
                    int_ranges(col("from_period").cast(DataType::Int64) + int(1), col("until_period").cast(DataType::Int64) + int(1), int(1), DataType::Int64)
                        .alias("period"),
                )
                .explode(by_name(["period"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
                .select(out)
        };
        let by_series = [col("series")];
        let rows = concat([book.changes.clone().select(columns), revalued], UnionArgs::default())?
            .join(book.series.clone(), by_series.clone(), by_series, JoinArgs::new(JoinType::Inner))
            .with_column(fx.periods.index(col("day")).alias("period"))
            .join(grid, cols_of(&["currency", "period"]), cols_of(&["currency", "period"]), JoinArgs::new(JoinType::Left))
            .with_column(packed(col("series"), col("day"), CHANGE).alias("key"))
            .sort(["key"], SortMultipleOptions::default());
        // Parts are converted as differences of running sums, so that they add up to the change.
        let so_far = |i: usize| format!("__so_far_{i}");
        let mut opening = col("after") - col("delta");
        let mut running = vec![opening.clone().alias(so_far(0))];
        for (i, p) in parts.iter().enumerate() {
            opening = opening + col(p.as_str());
            running.push(opening.clone().alias(so_far(i + 1)));
        }
        let value = |i: usize| format!("__value_{i}");
        let mut products: Vec<(String, &str, String)> = (0..=parts.len()).map(|i| (so_far(i), "rate", value(i))).collect();
        products.push(("after".to_owned(), "rate", "value".to_owned()));
        products.push(("after".to_owned(), "constant", "constant_after".to_owned()));
        if pauses {
            products.push(("paused_after".to_owned(), "rate", "paused_value".to_owned()));
        }
        let rows = self.reported(fx, rows.with_columns(running), &products);
        let mut values = vec![col(value(0)).alias("value_before")];
        values.extend(parts.iter().enumerate().map(|(i, p)| (col(value(i + 1)) - col(value(i))).alias(p.as_str())));
        if pauses {
            values.push(col("paused_value").alias("paused_after"));
        }
        let same = || col("series").eq(col("series").shift(lit(1))).fill_null(lit(false));
        let since = |name: &str| when(same()).then(col(name).shift(lit(1))).otherwise(int(0));
        let mut steps = vec![
            (col("value_before") - since("value")).alias("fx"),
            (col("value") - col("value_before")).alias("delta"),
            (col("constant_after") - since("constant_after")).alias("constant_delta"),
        ];
        let mut sums: Vec<String> = ["fx", "delta", "constant_delta"].map(str::to_owned).to_vec();
        sums.extend(parts.iter().cloned());
        if pauses {
            steps.push((col("paused_after") - since("paused_after")).alias("paused"));
            sums.push("paused".to_owned());
        }
        let moved = ["fx", "delta", "constant_delta"].iter().map(|c| col(*c).neq(int(0))).reduce(Expr::or);
        let mut moved = moved.unwrap_or_else(|| lit(true));
        if pauses {
            moved = moved.or(col("paused").neq(int(0)));
        }
        let owners = rows
            .with_columns(values)
            .with_columns(steps)
            .with_column(packed(col("owner"), col("day"), CHANGE).alias("key"))
            .group_by([col("key")])
            .agg(sums.iter().map(|s| col(s.as_str()).sum()).collect::<Vec<_>>())
            .filter(moved)
            .sort(["key"], SortMultipleOptions::default())
            .with_columns([
                crate::expr::key::series_of(col("key")).alias("series"),
                crate::expr::key::position_of(col("key")).cast(DataType::Date).alias("day"),
            ]);
        // Customers still there at the horizon do not sum to zero here, so each runs on its own.
        let running = |e: Expr| e.cum_sum(false).over([col("series")]);
        let mut balances = vec![
            running(col("fx") + col("delta"))?.alias("after"),
            running(col("constant_delta"))?.alias("constant_after"),
        ];
        if pauses {
            balances.push(running(col("paused"))?.alias("paused_after"));
        }
        Ok(owners.with_columns(balances))
    }

    /// Amounts per currency at `as_of`, in the reporting currency: the column `mrr` of rows with a `currency`.
    pub(super) fn reported_at_as_of(&self, fx: &Fx, amounts: LazyFrame, book: &Book) -> LazyFrame {
        let last = fx.periods.index_of(self.as_of);
        let grid = book.rates.clone().unwrap_or_default().filter(col("period").eq(lit(last)));
        let rows = amounts.join(grid, [col("currency")], [col("currency")], JoinArgs::new(JoinType::Left));
        self.reported(fx, rows, &[("mrr".to_owned(), "rate", "reported".to_owned())]).with_columns([
            col("reported").alias("mrr"),
            lit(fx.reporting.as_str()).cast(DataType::String).alias("currency"),
        ])
    }
}
