#![doc = include_str!("ltv.md")]

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::{amount, bridge, count};
use crate::expr::calendar::{Grain, date_lit};
use crate::expr::cohort::{Cells, Cohorts};
use crate::expr::dims::{cols_of, int, sort_on, with_total};
use crate::expr::lmdi::{contribution, log_mean};
use crate::expr::money::{div_half_even, float_to_units, share_of};
use crate::expr::ratio::{ratio, reason};
use crate::expr::steps::ValueAt;
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, Term, of};
use crate::metrics::cohort_retention::{self, BASES, CHANGES};
use crate::metrics::view::{LedgerView, MOVEMENTS};
use crate::metrics::{Headline, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};
use crate::spec::types::Percent;

/// `type: ltv`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger.
    pub from: String,
    /// Share of revenue left after the cost of serving it. There is no honest default.
    pub gross_margin: Percent,
    /// One row per month, or the cumulative value of each cohort.
    #[serde(default)]
    pub view: View,
    /// Dimensions of the ledger to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
    /// Months whose churn is averaged, the month itself included. Default 6.
    #[serde(default)]
    pub churn_months: Option<u32>,
    /// Which churn is averaged.
    #[serde(default)]
    pub churn_basis: Option<ChurnBasis>,
    /// Fewer churned customers than this in those months give no value. Default 10.
    #[serde(default)]
    pub min_churn_events: Option<u32>,
    /// What was spent to win and to keep customers.
    #[serde(default)]
    pub costs: Option<CostsSpec>,
    /// Last month after entry, for the view `cohorts`. Default 24.
    #[serde(default)]
    pub horizon: Option<u32>,
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// A month: ARPA times margin over trailing churn, with CAC and CRC.
    #[default]
    Months,
    /// A cohort and month after entry: margin earned so far per customer.
    Cohorts,
}

/// Which churn ends a lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChurnBasis {
    /// Customers lost over customers.
    #[default]
    Logo,
    /// Revenue lost (churn and contraction) over revenue.
    Revenue,
}

/// What was spent to win and to keep customers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostsSpec {
    /// Source of costs.
    pub from: String,
    /// Date column: any day of the month of the spend.
    pub month: String,
    /// Money column.
    pub amount: String,
    /// Text column that says what the money was for.
    pub category: String,
    /// Categories spent to win customers.
    #[serde(default)]
    pub acquisition: Vec<String>,
    /// Categories spent to keep customers.
    #[serde(default)]
    pub retention: Vec<String>,
    /// Months between the spend and the customers it wins: the sales cycle. Required with `acquisition`.
    #[serde(default)]
    pub lag_months: Option<u32>,
    /// Columns of the source that hold the dimensions, by dimension.
    #[serde(default)]
    pub by: indexmap::IndexMap<String, String>,
}

struct Costs {
    from: String,
    month: String,
    amount: String,
    category: String,
    currency: Expr,
    acquisition: Vec<String>,
    retention: Vec<String>,
    lag: i32,
    /// Source columns in the order of the dimensions; `None` where costs are not split.
    by: Option<Vec<String>>,
}

/// Resolved lifetime value.
pub struct Ltv {
    view: LedgerView,
    kind: View,
    /// In millionths.
    margin: i64,
    months: i64,
    basis: ChurnBasis,
    min_events: i64,
    costs: Option<Costs>,
    horizon: i32,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let view = LedgerView::resolve(cx, &spec.from, &spec.by, Grain::Month, ValueAt::PeriodEnd)?;
    let margin = spec.gross_margin.millionths();
    if !(1..=ONE).contains(&margin) {
        cx.error("gross_margin", "the gross margin is out of range", "give more than 0% and at most 100%");
    }
    let no_effect: [(&str, bool, View); 6] = [
        ("by", !spec.by.is_empty(), View::Cohorts),
        ("churn_months", spec.churn_months.is_some(), View::Cohorts),
        ("churn_basis", spec.churn_basis.is_some(), View::Cohorts),
        ("min_churn_events", spec.min_churn_events.is_some(), View::Cohorts),
        ("costs", spec.costs.is_some(), View::Cohorts),
        ("horizon", spec.horizon.is_some(), View::Months),
    ];
    for (key, given, kind) in no_effect {
        if given && spec.view == kind {
            let name = if kind == View::Cohorts { "cohorts" } else { "months" };
            cx.error(key, &format!("`{key}` has no effect in the view `{name}`"), "remove it, or declare a second table with the other view");
        }
    }
    let months = spec.churn_months.unwrap_or(6);
    if !(1..=60).contains(&months) {
        cx.error("churn_months", &format!("averaging {months} months is out of range"), "give 1 to 60 months");
    }
    let horizon = spec.horizon.unwrap_or(24);
    if !(1..=240).contains(&horizon) {
        cx.error("horizon", &format!("a horizon of {horizon} is out of range"), "give 1 to 240 months");
    }
    let costs = match &spec.costs {
        None => None,
        Some(c) => Some(resolve_costs(cx, c, &spec.by)?),
    };
    Some(Box::new(Ltv {
        view,
        kind: spec.view,
        margin,
        months: i64::from(months),
        basis: spec.churn_basis.unwrap_or_default(),
        min_events: i64::from(spec.min_churn_events.unwrap_or(10)),
        costs,
        horizon: i32::try_from(horizon).ok()?,
    }))
}

fn resolve_costs(cx: &mut Resolver<'_>, spec: &CostsSpec, by: &[String]) -> Option<Costs> {
    let source = cx.source("costs.from", &spec.from)?;
    let month = cx.column(&source, "costs.month", &spec.month, &[ColumnType::Date]);
    let amount = cx.column(&source, "costs.amount", &spec.amount, &[ColumnType::Money]);
    let category = cx.column(&source, "costs.category", &spec.category, &[ColumnType::String]);
    let currency = amount.as_ref().and_then(|a| cx.currency_of(&source, a));
    if spec.acquisition.is_empty() && spec.retention.is_empty() {
        cx.error("costs", "`costs` names no category", "list the categories under `acquisition` and `retention`");
    }
    match (spec.acquisition.is_empty(), spec.lag_months) {
        (false, None) => cx.error("costs", "`lag_months` is missing", "give the sales cycle in months, for example `lag_months: 1`: spend wins customers that many months later"),
        (true, Some(_)) => cx.error("costs.lag_months", "`lag_months` has no effect without `acquisition`", "remove it, or list the acquisition categories"),
        (false, Some(n)) if n > 24 => cx.error("costs.lag_months", &format!("a lag of {n} months is out of range"), "give 0 to 24 months"),
        _ => {}
    }
    for (i, c) in spec.retention.iter().enumerate() {
        if spec.acquisition.contains(c) {
            cx.error(&format!("costs.retention.{i}"), &format!("the category `{c}` is both acquisition and retention"), "keep it under one of them");
        }
    }
    let mut columns = Vec::new();
    for (dimension, column) in &spec.by {
        let path = format!("costs.by.{dimension}");
        if !by.contains(dimension) {
            cx.error(&path, &format!("`{dimension}` is not in `by` of this table"), "costs can be split by the dimensions of the table only");
        }
        columns.push((dimension.clone(), cx.column(&source, &path, column, &[ColumnType::String])?));
    }
    let split = by.iter().map(|d| columns.iter().find(|(name, _)| name == d).map(|(_, c)| c.clone())).collect::<Option<Vec<_>>>();
    if split.is_none() && !spec.by.is_empty() {
        cx.error("costs.by", "`costs.by` does not name every dimension of `by`", "name a column for each, or none: then only the grand total has CAC and CRC");
    }
    Some(Costs {
        from: spec.from.clone(),
        month: month?,
        amount: amount?,
        category: category?,
        currency: currency?,
        acquisition: spec.acquisition.clone(),
        retention: spec.retention.clone(),
        lag: i32::try_from(spec.lag_months.unwrap_or(0)).ok()?,
        by: split,
    })
}

/// One, in millionths.
const ONE: i64 = 1_000_000;

impl Ltv {
    fn margin_rate(&self) -> Expr {
        lit(self.margin).cast(DataType::Float64) / lit(ONE).cast(DataType::Float64)
    }

    /// The cost rows of a row of the table.
    fn costs_of(&self, costs: &Costs, inputs: &Inputs, row: &Row, period: i32) -> PolarsResult<Behind> {
        use ColumnType::{Date, Money, String as Text};
        let is_in = |names: &[String]| names.iter().map(|n| col("category").eq(lit(n.as_str()))).reduce(Expr::or).unwrap_or_else(|| lit(false));
        let mut columns = vec![
            costs.currency.clone().alias("currency"),
            col(costs.month.as_str()).alias("month"),
            self.view.periods().index(col(costs.month.as_str())).alias("period"),
            col(costs.category.as_str()).alias("category"),
            col(costs.amount.as_str()).alias("amount"),
        ];
        let by = self.view.by();
        columns.extend(costs.by.iter().flatten().zip(by).map(|(c, d)| col(c.as_str()).alias(d.as_str())));
        let side = |is: Expr, period: i32| when(is.and(col("period").eq(lit(period)))).then(col("amount")).otherwise(int(0));
        let group = if costs.by.is_some() || row.is("is_total") { self.view.of_row(row) } else { lit(false) };
        let rows = inputs
            .get(&costs.from)?
            .filter(col(costs.month.as_str()).lt_eq(date_lit(self.view.as_of())))
            .select(columns)
            .filter(group)
            .with_columns([
                side(is_in(&costs.acquisition), period - costs.lag).alias("acquisition_cost"),
                side(is_in(&costs.retention), period).alias("retention_cost"),
            ])
            .filter(col("acquisition_cost").neq(int(0)).or(col("retention_cost").neq(int(0))))
            .sort(["month", "category"], SortMultipleOptions::default());
        let mut shown = vec![("month", Date), ("category", Text)];
        if costs.by.is_some() {
            shown.extend(by.iter().map(|d| (d.as_str(), Text)));
        }
        shown.push(("amount", Money));
        Ok(Behind::customers(format!("rows of `{}`", costs.from), rows, &shown)
            .adds("acquisition_cost", "acquisition_cost")
            .adds("retention_cost", "retention_cost"))
    }

    /// Spend per currency, month and group: `acquisition_cost` (in the month it wins customers) and `retention_cost`.
    fn spend(&self, costs: &Costs, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let is_in = |names: &[String]| {
            names.iter().map(|n| col("category").eq(lit(n.as_str()))).reduce(Expr::or).unwrap_or_else(|| lit(false))
        };
        let mut columns = vec![
            costs.currency.clone().alias("currency"),
            self.view.periods().index(col(costs.month.as_str())).alias("month"),
            col(costs.category.as_str()).alias("category"),
            col(costs.amount.as_str()).alias("amount"),
        ];
        match &costs.by {
            Some(split) => columns.extend(split.iter().zip(by).map(|(c, d)| col(c.as_str()).alias(d.as_str()))),
            None => columns.extend(by.iter().map(|d| lit(NULL).cast(DataType::String).alias(d.as_str()))),
        }
        let known = col(costs.month.as_str()).lt_eq(date_lit(self.view.as_of()));
        let rows = inputs.get(&costs.from)?.filter(known).select(columns);
        let mut keys = cols_of(&["currency", "period"]);
        keys.extend(cols_of(by));
        let side = |is: Expr, lag: i32, name: &str, other: &str| {
            rows.clone()
                .filter(is)
                .with_columns([(col("month") + lit(lag)).alias("period"), col("amount").alias(name), lit(NULL).cast(DataType::Int64).alias(other)])
        };
        let mut order = keys.clone();
        order.extend(cols_of(&["acquisition_cost", "retention_cost"]));
        let both = concat(
            [
                side(is_in(&costs.acquisition), costs.lag, "acquisition_cost", "retention_cost").select(order.clone()),
                side(is_in(&costs.retention), 0, "retention_cost", "acquisition_cost").select(order),
            ],
            UnionArgs::default(),
        )?;
        // A month without any row of a kind is unknown, not zero.
        let known = |name: &str| when(col(name).count().eq(lit(0))).then(lit(NULL)).otherwise(col(name).sum()).alias(name);
        let parts = both.clone().group_by(keys).agg([known("acquisition_cost"), known("retention_cost")]);
        if by.is_empty() {
            return with_total(&parts, &["currency", "period"], by, &["acquisition_cost", "retention_cost"]);
        }
        let total = both
            .group_by(cols_of(&["currency", "period"]))
            .agg([known("acquisition_cost"), known("retention_cost")])
            .with_columns(by.iter().map(|d| lit(NULL).cast(DataType::String).alias(d.as_str())).collect::<Vec<_>>())
            .with_column(lit(true).alias("is_total"));
        let mut columns = cols_of(&["currency", "period"]);
        columns.extend(cols_of(by));
        columns.extend(cols_of(&["is_total", "acquisition_cost", "retention_cost"]));
        let parts = parts.with_column(lit(false).alias("is_total")).select(columns.clone());
        if costs.by.is_none() { Ok(total.select(columns)) } else { concat([parts, total.select(columns)], UnionArgs::default()) }
    }

    /// Adds ARPA, trailing churn and LTV to the rows of a bridge.
    fn with_ltv(&self, rows: LazyFrame) -> PolarsResult<LazyFrame> {
        let mut group = self.view.group();
        group.push(col("is_total"));
        let (lost, base) = match self.basis {
            ChurnBasis::Logo => (col(count("churned")), col("opening_customers")),
            ChurnBasis::Revenue => (int(0) - col(amount("churned")) - col(amount("contraction")), col("opening_mrr")),
        };
        let monthly = ratio(lost, base);
        let trailing = |e: Expr| (0..self.months).map(|k| e.clone().shift(lit(k))).reduce(|a, b| a + b).unwrap_or_else(|| lit(NULL));
        // Counted in a short history too, as far as it reaches.
        let events = (0..self.months)
            .map(|k| col(count("churned")).shift(lit(k)).fill_null(int(0)))
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| int(0));
        let customers = || col("closing_customers");
        let safe = || when(customers().eq(int(0))).then(int(1)).otherwise(customers());
        Ok(rows
            .with_column(monthly.alias("churn"))
            .with_columns([
                (trailing(col("churn")) / lit(self.months).cast(DataType::Float64)).over(group.clone())?.alias("trailing_churn_rate"),
                events.over(group)?.alias("churn_events"),
                when(customers().eq(int(0))).then(lit(NULL)).otherwise(div_half_even(col("closing_mrr"), safe())).alias("arpa"),
            ])
            .with_column(
                reason([
                    (col("period").gt(lit(self.view.last_complete())), "period_incomplete"),
                    (customers().eq(int(0)), "no_customers"),
                    (col("trailing_churn_rate").is_null(), "short_history"),
                    (col("churn_events").lt(lit(self.min_events)), "few_churn_events"),
                    (col("trailing_churn_rate").eq(lit(0.0)), "no_churn"),
                ])
                .alias("ltv_reason"),
            )
            .with_columns([
                (col("closing_mrr").cast(DataType::Float64) * self.margin_rate()
                    / customers().cast(DataType::Float64)
                    / col("trailing_churn_rate"))
                .alias("lifetime_value"),
                (col("closing_mrr").cast(DataType::Float64) / customers().cast(DataType::Float64)).alias("mean_mrr"),
            ])
            .with_columns(["lifetime_value", "mean_mrr"].map(|name| when(col("ltv_reason").is_null()).then(col(name)).otherwise(lit(NULL)).alias(name)))
            .with_column(float_to_units(col("lifetime_value")).alias("ltv")))
    }

    /// Adds the change of LTV since the month before, and what ARPA and churn did to it.
    fn with_change(&self, rows: LazyFrame) -> PolarsResult<LazyFrame> {
        let mut group = self.view.group();
        group.push(col("is_total"));
        let names = ["ltv", "lifetime_value", "mean_mrr"];
        let before = |name: &str| format!("{name}_before");
        let shifted = names.iter().map(|n| Ok(col(*n).shift(lit(1)).over(group.clone())?.alias(before(n)))).collect::<PolarsResult<Vec<_>>>()?;
        let mean = log_mean(&col("lifetime_value"), &col(before("lifetime_value")));
        Ok(rows
            .with_columns(shifted)
            .with_columns([
                reason([(col("ltv").is_null(), "no_ltv"), (col(before("ltv")).is_null(), "no_previous_ltv")]).alias("ltv_change_reason"),
                (col("ltv") - col(before("ltv"))).alias("ltv_change"),
                float_to_units(contribution(mean, col("mean_mrr"), col(before("mean_mrr")))).alias("ltv_change_from_arpa"),
            ])
            // The margin is the same in every month, so the rest is churn; what rounding leaves is in it too.
            .with_column((col("ltv_change") - col("ltv_change_from_arpa")).alias("ltv_change_from_churn")))
    }

    /// Adds CAC, payback and CRC to rows that have LTV.
    fn with_costs(&self, rows: LazyFrame, costs: &Costs, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let mut keys = cols_of(&["currency", "period", "is_total"]);
        keys.extend(cols_of(self.view.by()));
        let mut left = JoinArgs::new(JoinType::Left);
        left.nulls_equal = true;
        let new = || col(count("new"));
        let new_mrr = || col(amount("new"));
        let spent = || col("acquisition_cost");
        let kept = || col("retention_cost");
        let positive = |e: Expr| when(e.clone().eq(int(0))).then(int(1)).otherwise(e);
        let twice_average = || col("opening_customers") + col("closing_customers");
        Ok(rows
            .join(self.spend(costs, inputs)?, keys.clone(), keys, left)
            .with_columns([
                reason([
                    (col("period").gt(lit(self.view.last_complete())), "period_incomplete"),
                    (spent().is_null(), "no_acquisition_cost"),
                    (new().eq(int(0)), "no_new_customers"),
                ])
                .alias("cac_reason"),
                reason([
                    (col("period").gt(lit(self.view.last_complete())), "period_incomplete"),
                    (kept().is_null(), "no_retention_cost"),
                    (twice_average().eq(int(0)), "no_customers"),
                ])
                .alias("crc_reason"),
            ])
            .with_columns([
                when(col("cac_reason").is_null()).then(div_half_even(spent(), positive(new()))).otherwise(lit(NULL)).alias("cac"),
                when(col("cac_reason").is_null().and(new_mrr().gt(int(0))))
                    .then(spent().cast(DataType::Float64) / (new_mrr().cast(DataType::Float64) * self.margin_rate()))
                    .otherwise(lit(NULL))
                    .alias("cac_payback_months"),
                when(col("crc_reason").is_null())
                    .then(div_half_even(kept() * int(2), positive(twice_average())))
                    .otherwise(lit(NULL))
                    .alias("crc"),
            ])
            .with_columns([
                ratio(col("ltv"), col("cac")).alias("ltv_cac_ratio"),
                // The retention cost of a lifetime is CRC over churn: both sides span the same months.
                (col("ltv").cast(DataType::Float64) * col("trailing_churn_rate") / {
                    let crc = col("crc").cast(DataType::Float64);
                    when(crc.clone().eq(lit(0.0))).then(lit(NULL)).otherwise(crc)
                })
                .alias("ltv_crc_ratio"),
            ]))
    }

    /// The months that a row averages, oldest first, with the churn of each.
    fn averaged(&self, inputs: &Inputs, row: &Row, period: i32) -> PolarsResult<Behind> {
        use ColumnType::{Date, Float, Int, Money};
        let (lost, base, unit) = match self.basis {
            ChurnBasis::Logo => (col(count("churned")), "opening_customers", Int),
            ChurnBasis::Revenue => (int(0) - col(amount("churned")) - col(amount("contraction")), "opening_mrr", Money),
        };
        let first = period - i32::try_from(self.months).unwrap_or(i32::MAX) + 1;
        let rows = self
            .bridge_of(inputs)?
            .filter(self.view.of_row(row).and(col("is_total").eq(lit(row.is("is_total")))))
            .filter(col("period").gt_eq(lit(first)).and(col("period").lt_eq(lit(period))))
            .with_columns([lost.clone().alias("lost"), ratio(lost, col(base)).alias("churn")])
            .sort(["period"], SortMultipleOptions::default());
        let shown = [("period_start", Date), (base, unit), ("lost", unit), ("churn", Float)];
        let title = format!("months whose {} churn is averaged", if self.basis == ChurnBasis::Logo { "logo" } else { "revenue" });
        Ok(Behind::customers(title, rows, &shown).means("trailing_churn_rate", "churn"))
    }

    /// The bridge, with transfers in the opening as in `churn`.
    fn bridge_of(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Ok(bridge(&self.view.movements(inputs)?, &self.view.of())?.with_columns([
            (col("opening_mrr") + col(amount("transfer_in")) + col(amount("transfer_out"))).alias("opening_mrr"),
            (col("opening_customers") + col(count("transfer_in")) - col(count("transfer_out"))).alias("opening_customers"),
            self.view.periods().start(col("period")).alias("period_start"),
            col("period").lt_eq(lit(self.view.last_complete())).alias("is_complete"),
        ]))
    }

    fn months_query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = self.with_ltv(self.bridge_of(inputs)?)?;
        let rows = self.with_change(rows)?.with_column(self.margin_rate().alias("gross_margin"));
        match &self.costs {
            None => Ok(rows),
            Some(costs) => self.with_costs(rows, costs, inputs),
        }
    }

    fn cohorts(&self) -> Cohorts {
        Cohorts {
            periods: self.view.periods(),
            last: self.view.last(),
            last_complete: self.view.last_complete(),
            horizon: self.horizon,
            dimension: None,
            born: None,
            value: self.view.value(),
            unbounded: false,
            ratchet: false,
        }
    }

    fn cohorts_query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let (changes, bases) = (inputs.step(CHANGES, || self.step(CHANGES, inputs))?, inputs.step(BASES, || self.step(BASES, inputs))?);
        let Cells { cells, total: _ } = self.cohorts().cells(&changes, &bases)?;
        let mature = |e: Expr| when(col("is_mature")).then(e).otherwise(lit(NULL));
        Ok(cells
            .sort(["currency", "cohort", "period_offset"], SortMultipleOptions::default())
            .with_column(col("net").cum_sum(false).over(cols_of(&["currency", "cohort"]))?.alias("cumulative"))
            .with_columns([
                mature(col("cumulative")).alias("cumulative_revenue"),
                mature(share_of(&col("cumulative"), self.margin, ONE)).alias("cumulative_margin"),
                self.margin_rate().alias("gross_margin"),
            ])
            .with_column(div_half_even(col("cumulative_margin"), col("cohort_size")).alias("ltv_to_date")))
    }
}

impl Metric for Ltv {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Currency, Date, Float, Int, Money, String as Text};
        if self.kind == View::Cohorts {
            return TableSchema::with_grain(["currency", "cohort", "period_offset"])
                .column("currency", Currency, "", "currency of the amounts")
                .column("cohort", Date, "", "first day of the month of the first payment")
                .column("period_offset", Int, "months", "months since entry")
                .column("period_start", Date, "", "first day of the month at that offset")
                .column("is_mature", Bool, "", "whether that month was over at as_of")
                .column("cohort_size", Int, "customers", "n: customers of the cohort")
                .column("gross_margin", Float, "rate", "margin applied")
                .nullable("cumulative_revenue", Money, "money", "sum of the cohort's MRR at entry and at the end of each month since")
                .nullable("cumulative_margin", Money, "money", "cumulative revenue times margin; numerator of ltv_to_date")
                .nullable("ltv_to_date", Money, "money per customer", "cumulative margin over cohort size; NULL in immature cells");
        }
        let mut schema = self
            .view
            .keys()
            .column("opening_customers", Int, "customers", "paying customers at the start of the month")
            .column("closing_customers", Int, "customers", "n: paying customers at the end of the month")
            .column("closing_mrr", Money, "money per month", "recurring revenue at the end of the month")
            .nullable("arpa", Money, "money per month", "closing MRR per paying customer")
            .column("gross_margin", Float, "rate", "margin applied")
            .column("churn_events", Int, "customers", "customers churned in the months that are averaged")
            .nullable("trailing_churn_rate", Float, "rate", "mean of the monthly churn rates")
            .nullable("ltv", Money, "money per customer", "ARPA times margin over trailing churn")
            .nullable("ltv_reason", Text, "", "why ltv is NULL: `period_incomplete`, `no_customers`, `short_history`, `few_churn_events`, `no_churn`")
            .nullable("ltv_change", Money, "money per customer", "LTV less that of the month before")
            .nullable("ltv_change_from_arpa", Money, "money per customer", "what the change of ARPA did to LTV")
            .nullable("ltv_change_from_churn", Money, "money per customer", "what the change of trailing churn did to LTV; the two sum to the change")
            .nullable("ltv_change_reason", Text, "", "why the change is NULL: `no_ltv`, `no_previous_ltv`");
        if self.costs.is_some() {
            schema = schema
                .column("new_customers", Int, "customers", "customers of kind new in the month; denominator of CAC")
                .column("new_mrr", Money, "money per month", "their recurring revenue")
                .nullable("acquisition_cost", Money, "money", "spend to win customers, of the month `lag_months` before; numerator of CAC")
                .nullable("cac", Money, "money per customer", "acquisition cost per new customer")
                .nullable("cac_payback_months", Float, "months", "acquisition cost over the margin of the new MRR")
                .nullable("ltv_cac_ratio", Float, "ratio", "LTV over CAC")
                .nullable("cac_reason", Text, "", "why CAC is NULL: `period_incomplete`, `no_acquisition_cost`, `no_new_customers`")
                .nullable("retention_cost", Money, "money", "spend to keep customers in the month; numerator of CRC")
                .nullable("crc", Money, "money per customer and month", "retention cost over the mean of opening and closing customers")
                .nullable("ltv_crc_ratio", Float, "ratio", "LTV over the retention cost of the same lifetime")
                .nullable("crc_reason", Text, "", "why CRC is NULL: `period_incomplete`, `no_retention_cost`, `no_customers`");
        }
        schema
    }

    fn steps(&self) -> Vec<&'static str> {
        match self.kind {
            View::Months => vec![MOVEMENTS],
            View::Cohorts => vec![CHANGES, BASES],
        }
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        match name {
            CHANGES => Ok(self.cohorts().changes_by_cell(&self.view.ledger(inputs)?, None)),
            BASES => Ok(self.cohorts().bases(&self.view.ledger(inputs)?, None)),
            _ => self.view.movements(inputs),
        }
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        Some(match self.kind {
            View::Months => self.view.movements_pass(),
            View::Cohorts => cohort_retention::pass(name, self.view.from(), self.cohorts()),
        })
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = match self.kind {
            View::Months => self.months_query(inputs)?,
            View::Cohorts => self.cohorts_query(inputs)?,
        };
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn headlines(&self) -> Vec<Headline> {
        if self.kind == View::Cohorts {
            return Vec::new();
        }
        let mut out = vec![("LTV", "ltv", ShownAs::Money)];
        if self.costs.is_some() {
            out.extend([
                ("CAC", "cac", ShownAs::Money),
                ("LTV:CAC", "ltv_cac_ratio", ShownAs::Number),
                ("CAC payback, months", "cac_payback_months", ShownAs::Number),
            ]);
        }
        out.into_iter()
            .map(|(label, column, shown_as)| Headline { label: label.to_owned(), column: column.to_owned(), only: Vec::new(), shown_as })
            .collect()
    }

    fn formulas(&self) -> Vec<Formula> {
        if self.kind == View::Cohorts {
            return vec![
                Formula::new("cumulative_margin", of("cumulative_revenue") * of("gross_margin")),
                Formula::new("ltv_to_date", of("cumulative_margin") / of("cohort_size")),
            ];
        }
        let why = |column: &str| format!("`{column}` says why there is none");
        let mut out = vec![
            Formula::new("arpa", of("closing_mrr") / of("closing_customers")),
            Formula::new("ltv", of("closing_mrr") * of("gross_margin") / of("closing_customers") / of("trailing_churn_rate"))
                .unless(why("ltv_reason")),
            Formula::new("ltv_change", of("ltv") - Term::Earlier("ltv".to_owned(), 1)),
            Formula::new("ltv_change_from_churn", of("ltv_change") - of("ltv_change_from_arpa")),
        ];
        if self.costs.is_some() {
            out.extend([
                Formula::new("cac", of("acquisition_cost") / of("new_customers")).unless(why("cac_reason")),
                Formula::new("cac_payback_months", of("acquisition_cost") / (of("new_mrr") * of("gross_margin"))).unless(why("cac_reason")),
                Formula::new("ltv_cac_ratio", of("ltv") / of("cac")),
                Formula::new(
                    "crc",
                    of("retention_cost") * Term::Number(2) / (of("opening_customers") + of("closing_customers")),
                )
                .unless(why("crc_reason")),
                Formula::new("ltv_crc_ratio", of("ltv") * of("trailing_churn_rate") / of("crc")),
            ]);
        }
        out
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        use ColumnType::{Date, Money, String as Text};
        if self.kind == View::Cohorts {
            let offset = row.int("period_offset").and_then(|k| i32::try_from(k).ok());
            let Some((cohort, offset)) = row.date("cohort").zip(offset) else { return Ok(Vec::new()) };
            let currency = lit(row.text("currency").unwrap_or_default().to_owned());
            let rows = self
                .cohorts()
                .members(&self.view.ledger(inputs)?, None, offset)?
                .filter(self.cohorts().of_cell(Some(date_lit(cohort)), offset).and(col("currency").eq(currency)))
                .with_column(int(1).alias("one"));
            let shown = [("customer_id", Text), ("entry", Money), ("net", Money), ("cumulative", Money)];
            return Ok(vec![
                Behind::customers(format!("customers of the cohort, what they pay at offset {offset} and paid so far"), rows, &shown)
                    .adds("cohort_size", "one")
                    .adds("cumulative_revenue", "cumulative")
                    .by("cumulative")
                    .ledger(self.view.ledger_until(self.view.as_of())),
            ]);
        }
        let Some(period) = self.view.period_of(row) else { return Ok(Vec::new()) };
        let first = period - i32::try_from(self.months).unwrap_or(i32::MAX) + 1;
        let churned = self.view.moves_of(inputs, row, first, period)?.filter(col("kind").eq(lit("churned")));
        let mut shown = vec![("period_start", Date), ("customer_id", Text), ("before", Money)];
        if self.view.reasons {
            shown.push(("reason", Text));
        }
        let churned = Behind::customers("customers lost in the months that are averaged", churned, &shown)
            .adds("churn_events", "one")
            .by("before")
            .ledger(self.view.ledger_rows(first, period));
        let mut out = vec![self.averaged(inputs, row, period)?, churned];
        if let Some(costs) = &self.costs {
            let new = self.view.moves_of(inputs, row, period, period)?.filter(col("kind").eq(lit("new")));
            let shown = [("customer_id", Text), ("after", Money)];
            out.push(
                Behind::customers("customers won in the month", new, &shown)
                    .adds("new_customers", "one")
                    .adds("new_mrr", "amount")
                    .by("amount")
                    .brief()
                    .ledger(self.view.ledger_rows(period, period)),
            );
            out.push(self.costs_of(costs, inputs, row, period)?);
        }
        // The table has no opening revenue.
        let mut opening = self.view.paying(inputs, row, period, false)?;
        opening.adds.retain(|a| a.column == "opening_customers");
        out.extend([opening, self.view.paying(inputs, row, period, true)?]);
        Ok(out)
    }
}
