//! What a customer pays as a sum of intervals: list prices, and what discounts, pauses and usage add to them.
//!
//! Every policy adds intervals, mostly negative ones; nothing is cut. So the running sum of all of
//! them is the amount at any day, and each kind of component can be told apart in it.

use polars::prelude::*;

use super::spec::{DiscountPolicy, PausePolicy, UsagePolicy};
use super::{MrrLedger, Subject};
use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::expr::money::{div_half_even, mul_div_by, rounding_unit};
use crate::metrics::Inputs;

/// Product of what belongs to none: discounts, pauses and usage.
const NO_PRODUCT: &str = "";

/// Percents are kept in hundredths of a per cent.
const WHOLE: i64 = 10_000;

/// Most percent discounts that can be combined exactly.
const MAX_PERCENTS: i64 = 3;

impl MrrLedger {
    /// Columns of the amounts that make up what a customer pays.
    pub(super) fn amounts(&self) -> Vec<&'static str> {
        let mut out = vec!["list"];
        if self.discounts.is_some() {
            out.push("discount");
        }
        if self.pauses.is_some() {
            out.push("paused");
        }
        if self.usage.is_some() {
            out.push("usage");
        }
        out
    }

    /// Whether pauses are movements of their own.
    pub(super) fn has_pauses(&self) -> bool {
        self.pauses.as_ref().is_some_and(|p| p.policy == PausePolicy::Pause)
    }

    /// Intervals of all components: `customer_id`, `currency`, `starts`, `ends`, `reason`, the amounts, and
    /// with products also `product`, and `quantity`, `items`, `plan` and `cycle` as numbers that add up.
    pub(super) fn components(&self, items: &LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let items = items.clone().filter(super::is_used());
        let items = if self.lines.is_some() { coded(items) } else { items };
        let items = if self.discounts.is_some() { items.cache() } else { items };
        let mut subjects = Vec::new();
        if !self.is_plain() {
            subjects.push("account");
            subjects.extend(self.subscription.iter().map(|_| "subscription"));
        }
        let texts = if self.reason.is_some() { vec!["product", "reason"] } else { vec!["product"] };
        let mut parts = vec![self.filled(&items, &subjects, &["list", "quantity", "items", "plan", "cycle"], &texts)];
        if self.discounts.is_some() {
            parts.push(self.filled(&self.discounted(&items, inputs)?, &subjects, &["discount"], &[]));
        }
        if let Some(p) = self.pauses.as_ref().filter(|p| p.policy != PausePolicy::Keep) {
            let paid = concat(parts.clone(), UnionArgs::default())?.cache();
            parts = vec![paid.clone()];
            let (paused, gone) = self.paused(&paid, inputs)?;
            if p.policy == PausePolicy::Pause {
                parts.push(self.filled(&paused, &subjects, &["paused"], &[]));
            }
            parts.push(self.filled(&gone, &subjects, &["list", "discount", "quantity", "items", "plan", "cycle"], &["product"]));
        }
        if self.usage.is_some() {
            parts.push(self.filled(&self.used(inputs)?, &subjects, &["usage"], &[]));
        }
        let all = if parts.len() == 1 { parts.swap_remove(0) } else { concat(parts, UnionArgs::default())? };
        Ok(all.select(cols_of(&self.component_columns())))
    }

    fn component_columns(&self) -> Vec<&'static str> {
        let mut out = vec!["customer_id", "currency", "starts", "ends", "reason"];
        out.extend(self.amounts());
        if self.lines.is_some() {
            out.extend(["product", "quantity", "items", "plan", "cycle"]);
        }
        out
    }

    /// A frame with the columns of a component, of which it has some: the others are zero, or NULL where text.
    fn filled(&self, rows: &LazyFrame, subjects: &[&str], numbers: &[&str], texts: &[&str]) -> LazyFrame {
        let mut out = Vec::new();
        for name in self.component_columns() {
            out.push(match name {
                "reason" if !texts.contains(&name) => lit(NULL).cast(DataType::String).alias(name),
                "product" if !texts.contains(&name) => lit(NO_PRODUCT).alias(name),
                "customer_id" | "currency" | "starts" | "ends" | "reason" | "product" => col(name),
                _ if numbers.contains(&name) => col(name),
                _ => int(0).alias(name),
            });
        }
        // What a discount or pause is for is known of items and discounts only.
        for subject in subjects {
            let known = numbers.contains(&"list") || numbers.contains(&"discount");
            let named = if known { col(*subject) } else { lit(NULL).cast(self.subject_type(subject)).alias(*subject) };
            out.push(named);
        }
        rows.clone().select(out)
    }

    fn subject_type(&self, subject: &str) -> DataType {
        let ty = if subject == "account" { self.customer_type } else { self.subscription_type };
        if ty == crate::schema::ColumnType::Int { DataType::Int64 } else { DataType::String }
    }

    /// Discounts as declared: the subject, `from_day`, `to_day`, `keeps` (what is left, in 1/10000), `off`, `off_currency`.
    fn own_discounts(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let Some(d) = &self.discounts else { return Ok(LazyFrame::default()) };
        let duration = d.duration.as_ref().map_or_else(|| lit("repeating"), |c| col(c.as_str()));
        let start = col(d.start.as_str());
        let end = d.end.as_ref().map_or_else(|| lit(NULL).cast(DataType::Date), |e| col(e.as_str()));
        let by_months = d.months.as_ref().map_or_else(
            || lit(NULL).cast(DataType::Date),
            |m| {
                let text = concat_str([col(m.as_str()).cast(DataType::String), lit("mo")], "", false);
                when(col(m.as_str()).is_not_null()).then(start.clone().dt().offset_by(text)).otherwise(lit(NULL))
            },
        );
        let percent = d.percent.as_ref().map_or_else(
            || lit(NULL).cast(DataType::Int64),
            |p| {
                let off = (col(p.as_str()).cast(DataType::Float64) * lit(100.0)).round(0, RoundMode::HalfToEven);
                int(WHOLE) - off.cast(DataType::Int64)
            },
        );
        let kept = match d.policy {
            DiscountPolicy::Recurring => col("duration").neq(lit("once")),
            DiscountPolicy::All => lit(true),
            DiscountPolicy::Forever => col("duration").eq(lit("forever")),
            DiscountPolicy::None => lit(false),
        };
        let (name, column) = d.subject.pair();
        Ok(inputs
            .get(&d.from)?
            .select([
                col(column).alias(name),
                duration.alias("duration"),
                start.alias("from_day"),
                end.fill_null(by_months).alias("to_day"),
                percent.alias("keeps"),
                d.amount.as_ref().map_or_else(|| lit(NULL).cast(DataType::Int64), |a| col(a.as_str())).alias("off"),
                d.currency.clone().alias("off_currency"),
            ])
            .filter(kept))
    }

    /// Discounts per piece of time in which items and discounts of a subject stay the same:
    /// `day`, `next`, `list`, `percents`, `keeps`, `off`.
    fn discount_pieces(&self, items: &LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let Some(d) = &self.discounts else { return Ok(LazyFrame::default()) };
        let name = d.subject.pair().0;
        let open = self.horizon();
        let own = self
            .own_discounts(inputs)?
            .with_column(col("to_day").fill_null(open.clone()).alias("to_day"))
            .filter(col("to_day").gt(col("from_day")).and(col("from_day").lt(open.clone())))
            .cache();
        let subject = || vec![col(name)];
        let book = items
            .clone()
            .select([col(name), col("currency"), col("customer_id"), col("starts"), col("ends"), col("list"), col("per_month"), col("months")])
            .join(own.clone().select(subject()), subject(), subject(), JoinArgs::new(JoinType::Semi))
            .cache();
        let group = || vec![col(name), col("currency")];
        let days = |rows: &LazyFrame, day: &str| rows.clone().select([col(name), col("currency"), col(day).alias("day")]);
        let both = book
            .clone()
            .select(group())
            .unique(None, UniqueKeepStrategy::Any)
            .join(own.clone(), subject(), subject(), JoinArgs::new(JoinType::Inner))
            .cache();
        let same = col(name).eq(col(name).shift(lit(-1))).and(col("currency").eq(col("currency").shift(lit(-1))));
        let pieces = concat(
            [days(&book, "starts"), days(&book, "ends"), days(&both, "from_day"), days(&both, "to_day")],
            UnionArgs::default(),
        )?
        .filter(col("day").lt_eq(open))
        .unique(None, UniqueKeepStrategy::Any)
        .sort([name, "currency", "day"], SortMultipleOptions::default())
        .with_column(when(same).then(col("day").shift(lit(-1))).otherwise(lit(NULL)).alias("next"))
        .filter(col("next").is_not_null())
        .cache();
        let first = |column: &str| {
            let longest = SortMultipleOptions::default().with_order_descending(true);
            col(column).sort_by([col("months"), col("per_month")], longest).first()
        };
        let priced = pieces
            .clone()
            .join(book, group(), group(), JoinArgs::new(JoinType::Inner))
            .filter(col("starts").lt_eq(col("day")).and(col("ends").gt(col("day"))))
            .group_by([col(name), col("currency"), col("day"), col("next")])
            .agg([
                col("list").sum(),
                col("customer_id").min(),
                // An amount is taken off each invoice: of the longest billing period, where they differ.
                first("per_month").alias("invoices_per_month"),
                first("months").alias("invoice_months"),
            ]);
        let off = when(col("off_currency").eq(col("currency"))).then(col("off")).otherwise(int(0));
        let reduced = pieces
            .join(both, group(), group(), JoinArgs::new(JoinType::Inner))
            .filter(col("from_day").lt_eq(col("day")).and(col("to_day").gt(col("day"))))
            .group_by([col(name), col("currency"), col("day")])
            .agg([
                col("keeps").sum().alias("sum"),
                (col("keeps") * col("keeps")).sum().alias("squares"),
                (col("keeps") * col("keeps") * col("keeps")).sum().alias("cubes"),
                col("keeps").count().cast(DataType::Int64).alias("percents"),
                off.sum().alias("off"),
            ]);
        // The product of up to three numbers from the sums of their powers: whole numbers, so exact.
        let (s, p2, p3) = (|| col("sum"), || col("squares"), || col("cubes"));
        let keeps = when(col("percents").eq(int(0)))
            .then(int(1))
            .when(col("percents").eq(int(1)))
            .then(s())
            .when(col("percents").eq(int(2)))
            .then((s() * s() - p2()).floor_div(int(2)))
            .otherwise((s() * s() * s() - int(3) * s() * p2() + int(2) * p3()).floor_div(int(6)));
        let key = || vec![col(name), col("currency"), col("day")];
        Ok(priced.join(reduced.with_column(keeps.alias("keeps")), key(), key(), JoinArgs::new(JoinType::Inner)))
    }

    /// Reductions as negative intervals: percents compound first, then amounts; nothing goes below zero.
    fn discounted(&self, items: &LazyFrame, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let unit = rounding_unit(&col("currency"), self.scale);
        let units = col("list").floor_div(unit.clone());
        let mut whole = lit(NULL).cast(DataType::Int64);
        for n in 0..=MAX_PERCENTS {
            let size = WHOLE.pow(u32::try_from(n).unwrap_or(0));
            whole = when(col("percents").eq(int(n))).then(int(size)).otherwise(whole);
        }
        let net = mul_div_by(&col("units"), &col("keeps"), &col("whole"));
        let amount = div_half_even(
            col("off") * col("invoices_per_month"),
            col("invoice_months") * unit.clone(),
        ) * unit.clone();
        let mut columns = cols_of(&["customer_id", "currency"]);
        columns.extend([col("day").alias("starts"), col("next").alias("ends"), col("discount")]);
        // The subject, as items have it.
        let known = self.discounts.as_ref().map_or("account", |d| d.subject.pair().0);
        columns.push(col(known));
        if known == "subscription" {
            columns.push(lit(NULL).cast(self.subject_type("account")).alias("account"));
        } else if self.subscription.is_some() {
            columns.push(lit(NULL).cast(self.subject_type("subscription")).alias("subscription"));
        }
        Ok(self
            .discount_pieces(items, inputs)?
            .with_columns([units.alias("units"), whole.alias("whole"), amount.alias("amount")])
            .with_column((net * unit).alias("net"))
            .with_column(when(col("amount").lt(col("net"))).then(col("amount")).otherwise(col("net")).alias("taken"))
            .with_column((col("net") - col("list") - col("taken")).fill_null(int(0)).alias("discount"))
            .filter(col("discount").neq(int(0)))
            .select(columns))
    }

    /// Number of pieces whose discounts exceed what there was to reduce.
    pub(super) fn floored(&self, items: &LazyFrame, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        if self.discounts.is_none() {
            return Ok(None);
        }
        let items = items.clone().filter(super::is_used());
        let list = || col("list").cast(DataType::Float64);
        let mut keeps = col("keeps").cast(DataType::Float64);
        keeps = keeps / lit(10_000.0).pow(col("percents").cast(DataType::Float64));
        let off = col("off").cast(DataType::Float64) * col("invoices_per_month").cast(DataType::Float64)
            / col("invoice_months").cast(DataType::Float64);
        Ok(Some(
            self.discount_pieces(&items, inputs)?
                // A hair above: what only rounding makes larger is not floored.
                .filter(off.gt(list() * keeps + lit(1.0)))
                .select([lit("discount_floored_at_zero").alias("reason"), len().cast(DataType::Int64).alias("rows")])
                .filter(col("rows").gt(int(0))),
        ))
    }

    /// Discounts that cannot be applied exactly.
    pub(super) fn odd_discounts(&self, items: &LazyFrame, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let Some(d) = &self.discounts else { return Ok(None) };
        let known = lit(Series::new("known".into(), ["once", "repeating", "forever"])).implode(true);
        let undated = col("to_day").is_null().and(col("duration").neq(lit("forever")));
        let undated = if d.duration.is_some() { undated } else { lit(false) };
        let keeps = col("keeps").lt(int(0)).or(col("keeps").gt(int(WHOLE)));
        let odd = col("duration").is_null().or(col("duration").is_in(known, false).not()).or(undated).or(keeps.fill_null(lit(false)));
        let odd = odd.or(col("off").lt(int(0)).fill_null(lit(false))).or(col("from_day").is_null());
        let name = d.subject.pair().0;
        let own = self.own_discounts(inputs)?.filter(odd).select([col(name), col("from_day").alias("day")]);
        let items = items.clone().filter(super::is_used());
        let many = self
            .discount_pieces(&items, inputs)?
            .filter(col("percents").gt(int(MAX_PERCENTS)))
            .select([col(name), col("day")]);
        Ok(Some(concat([own, many], UnionArgs::default())?))
    }

    /// Pauses as declared: the subject, `from_day`, `to_day`.
    fn own_pauses(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let Some(p) = &self.pauses else { return Ok(LazyFrame::default()) };
        let (name, column) = p.subject.pair();
        let end = p.end.as_ref().map_or_else(|| lit(NULL).cast(DataType::Date), |e| col(e.as_str()));
        Ok(inputs
            .get(&p.from)?
            .select([col(column).alias(name), col(p.start.as_str()).alias("from_day"), end.fill_null(self.horizon()).alias("to_day")])
            .filter(col("to_day").gt(col("from_day"))))
    }

    /// Pauses of one subject that overlap.
    pub(super) fn overlapping_pauses(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let Some(p) = &self.pauses else { return Ok(None) };
        let name = p.subject.pair().0;
        let overlaps = col(name).eq(col(name).shift(lit(1))).and(col("from_day").lt(col("to_day").shift(lit(1))));
        Ok(Some(
            self.own_pauses(inputs)?
                .sort([name, "from_day", "to_day"], SortMultipleOptions::default())
                .filter(overlaps.fill_null(lit(false)).or(col("from_day").is_null())),
        ))
    }

    /// What pauses take away: while they count as pauses, and once they count as churn.
    fn paused(&self, paid: &LazyFrame, inputs: &Inputs) -> PolarsResult<(LazyFrame, LazyFrame)> {
        let Some(p) = &self.pauses else { return Ok((LazyFrame::default(), LazyFrame::default())) };
        let subject = [col(p.subject.pair().0)];
        let later = |a: &str, b: &str| when(col(a).gt(col(b))).then(col(a)).otherwise(col(b));
        let sooner = |a: &str, b: &str| when(col(a).lt(col(b))).then(col(a)).otherwise(col(b));
        let turns = match (p.policy, p.churn_after) {
            (PausePolicy::Churn, _) => col("from_day"),
            (_, Some(days)) => (col("from_day").cast(DataType::Int32) + lit(days)).cast(DataType::Date),
            (_, None) => col("to_day"),
        };
        let mut minus = vec![later("starts", "from_day").alias("starts"), sooner("ends", "to_day").alias("ends"), turns.alias("turns")];
        let sum = self.amounts().iter().filter(|a| ["list", "discount"].contains(a)).map(|a| col(*a)).reduce(|a, b| a + b);
        minus.push((int(0) - sum.unwrap_or_else(|| int(0))).alias("paused"));
        let mut numbers = vec!["list"];
        if self.discounts.is_some() {
            numbers.push("discount");
        }
        if self.lines.is_some() {
            numbers.extend(["quantity", "items", "plan", "cycle"]);
        }
        minus.extend(numbers.iter().map(|n| (int(0) - col(*n)).alias(*n)));
        let rows = paid
            .clone()
            .join(self.own_pauses(inputs)?, subject.clone(), subject, JoinArgs::new(JoinType::Inner))
            .with_columns(minus)
            .filter(col("starts").lt(col("ends")))
            .cache();
        let paused = rows.clone().with_column(sooner("ends", "turns").alias("ends")).filter(col("starts").lt(col("ends")));
        let gone = rows.with_column(later("starts", "turns").alias("starts")).filter(col("starts").lt(col("ends")));
        Ok((paused, gone))
    }

    /// Usage as intervals.
    fn used(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let Some(u) = &self.usage else { return Ok(LazyFrame::default()) };
        let month = || col(u.month.as_str()).dt().month_start();
        let unit = rounding_unit(&u.currency, self.scale);
        let (starts, ends, amount) = match u.policy {
            UsagePolicy::Trailing => (
                month().dt().month_end(),
                month().dt().offset_by(lit(format!("{}mo", u.months))).dt().month_end(),
                div_half_even(col(u.amount.as_str()), int(i64::from(u.months)) * unit.clone()) * unit,
            ),
            // Excluded usage is not resolved into a ledger at all.
            UsagePolicy::Committed | UsagePolicy::Exclude => {
                (month(), month().dt().offset_by(lit("1mo")), div_half_even(col(u.amount.as_str()), unit.clone()) * unit)
            }
        };
        let horizon = self.horizon();
        let known = date_lit(self.known_until);
        let rows = inputs
            .get(&u.from)?
            .select([
                col(u.customer.as_str()).alias("customer_id"),
                u.currency.clone().alias("currency"),
                starts.alias("starts"),
                ends.alias("ends"),
                amount.alias("usage"),
            ])
            .filter(col("starts").lt_eq(known.clone()).and(col("usage").neq(int(0))))
            // What runs at the last day that is known is taken to go on.
            .with_column(
                when(col("ends").gt(known).or(col("ends").gt(horizon.clone()))).then(horizon).otherwise(col("ends")).alias("ends"),
            );
        self.owned(rows, inputs)
    }
}

/// Items with plans as numbers. Sums of them tell one set of plans from another.
fn coded(items: LazyFrame) -> LazyFrame {
    let items = items.cache();
    let index = || col("plan_index").cast(DataType::Int64) + int(1);
    let codes = items
        .clone()
        .select([col("plan")])
        .unique(None, UniqueKeepStrategy::Any)
        .sort(["plan"], SortMultipleOptions::default())
        .with_row_index("plan_index", None)
        .select([col("plan"), (index() * index() * index()).alias("plan_code")]);
    items
        .join(codes, [col("plan")], [col("plan")], JoinArgs::new(JoinType::Left))
        .with_column((col("plan_code") * col("items")).alias("plan"))
        .drop(by_name(["plan_code"], true, false))
}

impl Subject {
    /// Name of the subject among the items, and its column in the source at hand.
    pub(super) fn pair(&self) -> (&'static str, &str) {
        match self {
            Self::Subscription(column) => ("subscription", column),
            Self::Customer(column) => ("account", column),
        }
    }
}
