//! Rows of the source as intervals with an amount per month.

use polars::prelude::*;

use super::spec::ChurnAt;
use super::{Amounts, MrrLedger, next_day};
use crate::expr::condense::{Project, Values};
use crate::expr::dims::{NOT_SET, int};
use crate::expr::money::{MAX_EXACT, div_half_even_in_steps, rounding_unit};
use crate::metrics::Inputs;

/// A price as an exact fraction: `exact * per_month / months` is the amount of one month.
pub(super) struct Price {
    pub(super) exact: Expr,
    /// The same as `exact` in floats, which cannot wrap: the guard of the integer product.
    pub(super) float: Expr,
    pub(super) per_month: Expr,
    pub(super) months: Expr,
}

/// Later than any date of an export: an open end while ends are compared.
const NEVER: i32 = 2_932_896;

fn no_date() -> Expr {
    lit(NULL).cast(DataType::Date)
}

fn text() -> Expr {
    lit(NULL).cast(DataType::String)
}

fn least(a: Expr, b: &Expr) -> Expr {
    when(b.clone().is_null().or(a.clone().is_not_null().and(a.clone().lt_eq(b.clone())))).then(a).otherwise(b.clone())
}

impl MrrLedger {
    /// One row per row of the source: `customer_id`, `currency`, `begins` (with the trial), `starts`, `ends`
    /// (never NULL, at most the horizon), `fits` (whether the price is exact), `list` (per month, before discounts),
    /// `recurs`, `reason`, and as needed `subscription`, `account`, `product`, `plan`, `quantity`, `cycle`, `per_month`, `months`.
    ///
    /// `list` is NULL where it cannot be computed; an identity refuses such rows.
    pub(super) fn items(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = match inputs.projected(&self.from) {
            Some(rows) => rows,
            None => self.item_values().of(self.priced(inputs)?),
        };
        self.owned(rows, inputs)
    }

    /// The columns of [`Self::items`] from those of the source.
    fn item_values(&self) -> Values {
        let mut columns =
            vec![col(self.customer.as_str()).alias("customer_id"), self.currency.clone().alias("currency")];
        let (begins, starts, ends) = self.span();
        let horizon = self.horizon();
        let is_open = ends.clone().is_null().or(ends.clone().gt(horizon.clone()));
        let ends = when(is_open).then(horizon).otherwise(ends);
        columns.extend([begins.alias("begins"), starts.alias("starts"), ends.alias("ends")]);
        let price = self.price();
        let prices = vec![
            price.exact.alias("#exact"),
            price.float.alias("#float"),
            price.per_month.alias("#per_month"),
            price.months.alias("#months"),
            rounding_unit(&self.currency, self.scale).alias("#unit"),
        ];
        let fraction = vec![
            (col("#exact") * col("#per_month")).alias("#numerator"),
            (col("#months") * col("#unit")).alias("#denominator"),
        ];
        let (rounding, rounded) = div_half_even_in_steps("#numerator", "#denominator", "list");
        let helpers = [prices, fraction].into_iter().chain(rounding).collect();
        let (per_month, months) = (|| col("#per_month"), || col("#months"));
        let magnitude = (col("#float") * per_month().cast(DataType::Float64)).abs();
        columns.push(magnitude.lt(lit(MAX_EXACT)).alias("fits"));
        columns.push((rounded * col("#unit")).alias("list"));
        columns.push(self.recurs().alias("recurs"));
        columns.extend(self.reason.as_ref().map(|r| col(r.as_str()).alias("reason")));
        if !self.is_plain() {
            if let Some(subscription) = &self.subscription {
                columns.push(col(subscription.as_str()).alias("subscription"));
            }
            columns.push(col(self.customer.as_str()).alias("account"));
        }
        if let Some(lines) = &self.lines {
            let product = lines.families.iter().fold(col(lines.product.as_str()), |rest, (product, family)| {
                when(col(lines.product.as_str()).eq(lit(product.as_str()))).then(lit(family.as_str())).otherwise(rest)
            });
            columns.push(product.fill_null(lit(NOT_SET)).alias("product"));
            columns.push(lines.plan.as_ref().map_or_else(text, |p| col(p.as_str())).fill_null(lit(NOT_SET)).alias("plan"));
            let quantity = match &self.amounts {
                Amounts::Intervals { quantity, .. } | Amounts::Changes { quantity, .. } => quantity.as_ref(),
                Amounts::Snapshots { .. } => None,
            };
            columns.push(quantity.map_or_else(|| int(0), |q| col(q.as_str()).cast(DataType::Int64)).alias("quantity"));
            // The end of an item is a change as well, which takes its plan and period away.
            let counts = match &self.amounts {
                Amounts::Changes { mrr, .. } => when(col(mrr.as_str()).lt(int(0))).then(int(-1)).otherwise(int(1)),
                _ => int(1),
            };
            columns.push(counts.clone().alias("items"));
            // A number for each length of the billing period; only whether it stays the same matters.
            let cycle = match &self.amounts {
                Amounts::Intervals { interval: Some(_), .. } => {
                    per_month() * int(1_000_003) + months()
                }
                _ => int(1),
            };
            columns.push((cycle * counts).alias("cycle"));
        }
        if !self.is_plain() {
            columns.extend([per_month().alias("per_month"), months().alias("months")]);
        }
        let named = |value: Expr| Some((value.clone().meta().output_name().ok()?.to_string(), value));
        Values { helpers, keys: columns.into_iter().filter_map(named).collect() }
    }

    /// The columns of [`Self::items`] as all that is needed of the source.
    pub(super) fn projection(&self) -> Project {
        Project { source: self.from.clone(), values: self.item_values() }
    }

    /// Whether an item follows from its row alone, and nothing else is needed of the source.
    pub(super) fn is_row_by_row(&self) -> bool {
        let looks_around = self.ending.churn_at == ChurnAt::PeriodEnd && self.subscription.is_some();
        self.is_plain() && !looks_around && !matches!(self.amounts, Amounts::Snapshots { .. })
    }

    /// First day with the trial, first paid day, and the day after the last; the last may be NULL.
    fn span(&self) -> (Expr, Expr, Expr) {
        match &self.amounts {
            Amounts::Snapshots { month, .. } => {
                let start = col(month.as_str()).dt().month_start();
                (start.clone(), start.clone(), start.dt().offset_by(lit("1mo")))
            }
            Amounts::Changes { at, .. } => (col(at.as_str()), col(at.as_str()), no_date()),
            Amounts::Intervals { start, trial_end, .. } => {
                let start = col(start.as_str());
                let first_paid = match trial_end {
                    Some(t) if !self.include_trials => {
                        let trial = col(t.as_str());
                        when(trial.clone().gt(start.clone())).then(trial).otherwise(start.clone())
                    }
                    _ => start.clone(),
                };
                (start, first_paid, self.end())
            }
        }
    }

    /// Day after the last day of an interval.
    fn end(&self) -> Expr {
        let Amounts::Intervals { end, end_inclusive, .. } = &self.amounts else { return no_date() };
        let end = end.as_ref().map_or_else(no_date, |e| col(e.as_str()));
        let end = if *end_inclusive { next_day(end) } else { end };
        let end = match (self.ending.churn_at, &self.ending.requested, &self.ending.period_end) {
            (ChurnAt::Request, Some(requested), _) => least(end, &col(requested.as_str())),
            (ChurnAt::PeriodEnd, _, Some(period_end)) => {
                let period_end = col(period_end.as_str());
                let known = end.clone().fill_null(lit(NEVER).cast(DataType::Date));
                let last = match &self.subscription {
                    Some(s) => known.clone().eq(known.max().over([col(s.as_str())]).unwrap_or_else(|_| lit(true))),
                    None => lit(true),
                };
                when(end.clone().is_not_null().and(last).and(period_end.clone().gt(end.clone())))
                    .then(period_end)
                    .otherwise(end)
            }
            _ => end,
        };
        match &self.ending.past_due {
            None => end,
            Some((since, grace)) => {
                let limit = (col(since.as_str()).cast(DataType::Int32) + lit(*grace)).cast(DataType::Date);
                least(end, &limit)
            }
        }
    }

    /// What an interval pays, before it is divided into months.
    pub(super) fn price(&self) -> Price {
        let plain = |name: &str| (col(name), col(name).cast(DataType::Float64));
        let monthly = |(exact, float): (Expr, Expr)| Price { exact, float, per_month: int(1), months: int(1) };
        let (price, total, quantity, interval, count) = match &self.amounts {
            Amounts::Snapshots { mrr, .. } | Amounts::Changes { mrr, .. } => return monthly(plain(mrr)),
            Amounts::Intervals { price, total, quantity, interval, count, .. } => {
                (price, *total, quantity.as_ref(), interval.as_ref(), count.as_ref())
            }
        };
        if total {
            let (exact, float) = plain(price);
            let (per_month, months) = self.service_months();
            return Price { exact, float, per_month, months };
        }
        let (exact, float) = match quantity {
            None => plain(price),
            Some(q) => {
                let (p, f) = plain(price);
                (p * col(q.as_str()), f * col(q.as_str()).cast(DataType::Float64))
            }
        };
        let (exact, float) = if self.tiers.is_some() {
            let tiered = || col("tiered");
            (
                when(col("has_tiers")).then(tiered()).otherwise(exact),
                when(col("has_tiers")).then(tiered().cast(DataType::Float64)).otherwise(float),
            )
        } else {
            (exact, float)
        };
        let Some(interval) = interval else { return monthly((exact, float)) };
        let (mut num, mut den) = (lit(NULL).cast(DataType::Int64), lit(NULL).cast(DataType::Int64));
        for (name, n, d) in self.factors.per_month() {
            let is = || col(interval.as_str()).eq(lit(name));
            num = when(is()).then(lit(n)).otherwise(num);
            // A price per year divides by twelve; the fraction is kept exact until the one rounding.
            den = when(is()).then(lit(d)).otherwise(den);
        }
        let count = count.map_or_else(
            || int(1),
            |c| when(col(c.as_str()).gt(int(0))).then(col(c.as_str()).cast(DataType::Int64)).otherwise(lit(NULL)),
        );
        Price { exact, float, per_month: num, months: den * count }
    }

    /// Months of a service period as a fraction: whole where it spans whole months, else in days of 12/365 of a month.
    fn service_months(&self) -> (Expr, Expr) {
        let Amounts::Intervals { start, end: Some(end), end_inclusive, .. } = &self.amounts else {
            return (int(1), int(1));
        };
        let start = col(start.as_str());
        let end = if *end_inclusive { next_day(col(end.as_str())) } else { col(end.as_str()) };
        let index = |date: &Expr| {
            date.clone().dt().year().cast(DataType::Int64) * int(12) + date.clone().dt().month().cast(DataType::Int64)
        };
        let months = index(&end) - index(&start);
        let month_end = |date: &Expr| date.clone().eq(date.clone().dt().month_end());
        let same_day = start.clone().dt().offset_by(concat_str([months.clone().cast(DataType::String), lit("mo")], "", false));
        let whole = months.clone().gt(int(0)).and(same_day.eq(end.clone()).or(month_end(&start).and(month_end(&end))));
        let days = (end.cast(DataType::Int32) - start.cast(DataType::Int32)).cast(DataType::Int64);
        let days = when(days.clone().gt(int(0))).then(days).otherwise(lit(NULL));
        (
            when(whole.clone()).then(int(1)).otherwise(int(365)),
            when(whole).then(months).otherwise(days * int(12)),
        )
    }

    /// Whether a row is recurring: a service period may be too short for that.
    fn recurs(&self) -> Expr {
        match &self.amounts {
            Amounts::Intervals { total: true, start, end: Some(end), end_inclusive, min_service, .. } => {
                let end = if *end_inclusive { next_day(col(end.as_str())) } else { col(end.as_str()) };
                let days = end.cast(DataType::Int32) - col(start.as_str()).cast(DataType::Int32);
                days.gt_eq(lit(*min_service)).fill_null(lit(true))
            }
            _ => lit(true),
        }
    }

    /// The source, with `has_tiers` where the plan has some, and there the price of all units as `tiered`:
    /// NULL beyond the last tier, and where a mode is none.
    pub(super) fn priced(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = inputs.get(&self.from)?;
        let rows = if self.tiers.is_some() { rows.cache() } else { rows };
        let (Some(tiers), Amounts::Intervals { quantity: Some(quantity), .. }) = (&self.tiers, &self.amounts) else {
            return Ok(rows);
        };
        let own = inputs.get(&tiers.from)?.select([
            col(tiers.plan.as_str()).alias("tier_plan"),
            tiers.currency.clone().alias("tier_currency"),
            col(tiers.up_to.as_str()).cast(DataType::Int64).fill_null(int(i64::MAX)).alias("up_to"),
            col(tiers.unit_amount.as_str()).alias("unit_amount"),
            tiers.flat_amount.as_ref().map_or_else(|| int(0), |f| col(f.as_str()).fill_null(int(0))).alias("flat_amount"),
            col(tiers.mode.as_str()).eq(lit("graduated")).alias("graduated"),
            col(tiers.mode.as_str()).eq(lit("volume")).alias("volume"),
        ]);
        let key = cols(&["tier_plan", "tier_currency"]);
        let sorted = own.sort(["tier_plan", "tier_currency", "up_to"], SortMultipleOptions::default());
        let same = col("tier_plan")
            .eq(col("tier_plan").shift(lit(1)))
            .and(col("tier_currency").eq(col("tier_currency").shift(lit(1))));
        let tiered = sorted.with_column(when(same).then(col("up_to").shift(lit(1))).otherwise(int(0)).alias("above"));
        let wanted = rows
            .clone()
            .select([
                col(tiers.item_plan.as_str()).alias("tier_plan"),
                self.currency.clone().alias("tier_currency"),
                col(quantity.as_str()).cast(DataType::Int64).alias("units"),
            ])
            .unique(None, UniqueKeepStrategy::Any);
        let upper = when(col("units").lt(col("up_to"))).then(col("units")).otherwise(col("up_to"));
        let reached = col("units").gt(col("above"));
        let all_units = col("units").lt_eq(col("up_to"));
        let of_tier = when(col("graduated"))
            .then((upper - col("above")) * col("unit_amount") + col("flat_amount"))
            .when(all_units)
            .then(col("units") * col("unit_amount") + col("flat_amount"))
            .otherwise(int(0));
        let is_mode = col("graduated").or(col("volume")).fill_null(lit(false));
        let has_price = col("units").lt_eq(col("last")).and(col("units").gt_eq(int(0))).and(col("modes"));
        let totals = wanted
            .join(tiered, key.clone(), key, JoinArgs::new(JoinType::Inner))
            .with_column(when(reached).then(of_tier).otherwise(int(0)).alias("tiered"))
            .group_by(cols(&["tier_plan", "tier_currency", "units"]))
            .agg([col("tiered").sum(), col("up_to").max().alias("last"), is_mode.all(false).alias("modes")])
            .select([
                col("tier_plan"),
                col("tier_currency"),
                col("units"),
                when(has_price).then(col("tiered")).otherwise(lit(NULL)).alias("tiered"),
                lit(true).alias("has_tiers"),
            ]);
        Ok(rows.join(
            totals,
            [col(tiers.item_plan.as_str()), self.currency.clone(), col(quantity.as_str()).cast(DataType::Int64)],
            [col("tier_plan"), col("tier_currency"), col("units")],
            JoinArgs::new(JoinType::Left),
        ))
    }

    /// Rows under the customer they count for: merged ids followed to the last one, then the parent.
    pub(super) fn owned(&self, rows: LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let mut rows = rows;
        let mapped = |rows: LazyFrame, map: LazyFrame| {
            rows.join(map, [col("customer_id")], [col("mapped_id")], JoinArgs::new(JoinType::Left))
                .with_column(col("mapped_to").fill_null(col("customer_id")).alias("customer_id"))
                .drop(by_name(["mapped_to"], true, false))
        };
        if let Some(resolved) = self.resolved_ids(inputs)? {
            rows = mapped(rows, resolved);
        }
        if let Some(p) = &self.parents {
            let map = inputs
                .get(&p.from)?
                .select([col(p.id.as_str()).alias("mapped_id"), col(p.customer.as_str()).alias("mapped_to")])
                .filter(col("mapped_to").is_not_null());
            rows = mapped(rows, map);
        }
        Ok(rows)
    }

    /// Merged ids (`mapped_id`) with the id at the end of their chain (`mapped_to`).
    pub(super) fn resolved_ids(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let Some(i) = &self.identities else { return Ok(None) };
        let pairs = inputs
            .get(&i.from)?
            .select([col(i.id.as_str()).alias("mapped_id"), col(i.customer.as_str()).alias("mapped_to")]);
        // Each round follows twice as many links: four rounds follow sixteen merges.
        let mut out = pairs.cache();
        for _ in 0..4 {
            let next = out.clone().select([col("mapped_id").alias("again_id"), col("mapped_to").alias("again_to")]);
            out = out
                .join(next, [col("mapped_to")], [col("again_id")], JoinArgs::new(JoinType::Left))
                .select([col("mapped_id"), col("again_to").fill_null(col("mapped_to")).alias("mapped_to")])
                .cache();
        }
        Ok(Some(out))
    }
}

fn cols(names: &[&str]) -> Vec<Expr> {
    crate::expr::dims::cols_of(names)
}
