#![doc = include_str!("revenue_retention.md")]

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::{amount, bridge, count, on_grid};
use crate::expr::calendar::Grain;
use crate::expr::dims::{cols_of, int, sort_on, with_total};
use crate::expr::key::packed;
use crate::expr::money::float_to_units;
use crate::expr::ratio::{ratio, reason};
use crate::expr::steps::{ValueAt, first_of_series};
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, of};
use crate::metrics::view::{FxRates, LedgerView, MOVEMENTS};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: revenue_retention`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger.
    pub from: String,
    /// Months between the two points that are compared.
    #[serde(default = "default_windows")]
    pub windows: Vec<u32>,
    /// How the retained revenue is found.
    #[serde(default = "default_methods")]
    pub methods: Vec<Method>,
    /// Dimensions of the ledger to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
    /// At which exchange rates, where the ledger has them. Default: `constant`.
    #[serde(default)]
    pub fx: Option<FxRates>,
}

fn default_windows() -> Vec<u32> {
    vec![1, 3, 12]
}

fn default_methods() -> Vec<Method> {
    vec![Method::Cohort]
}

/// How the retained revenue is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The customers that paid at the start of the window, then and now.
    Cohort,
    /// The opening of the window and the movements of everybody within it.
    Flow,
    /// The product of the monthly flow rates of the window.
    Chained,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Flow => "flow",
            Self::Chained => "chained",
        }
    }
}

/// Resolved revenue retention.
pub struct RevenueRetention {
    view: LedgerView,
    windows: Vec<u32>,
    methods: Vec<Method>,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    if spec.windows.is_empty() {
        cx.error("windows", "`windows` is empty", "name at least one number of months, for example `[1, 3, 12]`");
    }
    for (i, months) in spec.windows.iter().enumerate() {
        if !(1..=120).contains(months) {
            cx.error(&format!("windows.{i}"), &format!("a window of {months} months is out of range"), "give 1 to 120 months");
        }
        if spec.windows[..i].contains(months) {
            cx.error(&format!("windows.{i}"), &format!("the window {months} is given twice"), "remove one");
        }
    }
    if spec.methods.is_empty() {
        cx.error("methods", "`methods` is empty", "name at least one of `cohort`, `flow`, `chained`");
    }
    for (i, method) in spec.methods.iter().enumerate() {
        if spec.methods[..i].contains(method) {
            cx.error(&format!("methods.{i}"), &format!("the method `{}` is given twice", method.name()), "remove one");
        }
    }
    let view = LedgerView::resolve(cx, &spec.from, &spec.by, Grain::Month, ValueAt::PeriodEnd)?.at_rates(cx, spec.fx);
    Some(Box::new(RevenueRetention { view, windows: spec.windows, methods: spec.methods }))
}

/// Name of the step with the changes of every window.
const WINDOWS: &str = "windows";

/// What is summed over the customers of a window's start.
pub(crate) const SUMS: [&str; 5] = ["base", "net", "gross", "base_customers", "retained_customers"];

impl RevenueRetention {
    /// What the customers of `window` months ago paid then and pay now, on the grid of months.
    fn cohort(&self, windows: &LazyFrame, window: u32) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let window = i32::try_from(window).unwrap_or(i32::MAX);
        let parts = windows.clone().filter(col("window").eq(lit(window))).drop(by_name(["window"], true, false));
        let sums = with_total(&parts, &["currency", "period"], by, &SUMS)?;
        let mut group = self.view.group();
        group.push(col("is_total"));
        let running = SUMS.iter().map(|s| Ok(col(*s).cum_sum(false).over(group.clone())?.alias(*s))).collect::<PolarsResult<Vec<_>>>()?;
        Ok(on_grid(&sums, by, self.view.last(), &SUMS)?.with_columns(running))
    }

    /// How the sums over the customers of a window's start change, for every window.
    fn windows(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let steps = self.view.steps(inputs)?;
        let all = self.windows.iter().map(|window| self.window(&steps, *window)).collect::<PolarsResult<Vec<_>>>()?;
        concat(all, UnionArgs::default())
    }

    /// The changes for one window, by `window`, `currency`, `period` and dimensions.
    fn window(&self, steps: &LazyFrame, window: u32) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let keyed = |rest: Vec<Expr>| {
            let mut out = cols_of(&["series", "currency"]);
            out.extend(rest);
            out
        };
        let unknown = || lit(NULL).cast(DataType::Int64);
        // Both step functions in one list of changes: the amount now, and the amount a window ago.
        let mut now = vec![col("period"), col("after").alias("now"), when(first_of_series()).then(int(0)).otherwise(unknown()).alias("then")];
        let window = i32::try_from(window).unwrap_or(i32::MAX);
        let mut then = vec![col("period") + lit(window), unknown().alias("now"), col("after").alias("then")];
        // The window begins with the month after the base, and the dimensions are those of its first
        // day; before that nothing of the customer counts.
        let mut stands = vec![col("period") + lit(window - 1), unknown().alias("now"), unknown().alias("then")];
        now.extend(by.iter().map(|d| when(first_of_series()).then(col(d.as_str())).otherwise(lit(NULL)).alias(d.as_str())));
        then.extend(by.iter().map(|d| lit(NULL).cast(DataType::String).alias(d.as_str())));
        stands.extend(cols_of(by));
        let mut changes = vec![steps.clone().select(keyed(now)), steps.clone().select(keyed(then))];
        if self.view.transfers() {
            changes.push(steps.clone().select(keyed(stands)));
        }
        let forward = |name: &str| col(name).fill_null_with_strategy(FillNullStrategy::Forward(None));
        let mut filled = vec![forward("now"), forward("then")];
        filled.extend(by.iter().map(|d| forward(d)));
        let last_of_step = col("series").neq_missing(col("series").shift(lit(-1))).or(col("period").neq_missing(col("period").shift(lit(-1))));
        let based = || col("then").gt(int(0));
        let one_if = |condition: Expr| when(condition).then(lit(1)).otherwise(lit(0)).cast(DataType::Int64);
        let points = concat(changes, UnionArgs::default())?
            .filter(col("period").lt_eq(lit(self.view.last())))
            .with_column(packed(col("series"), col("period"), 0).alias("key"))
            .sort(["key"], SortMultipleOptions::default())
            .with_columns(filled)
            .filter(last_of_step)
            .with_columns([
                col("then").alias("base"),
                when(based()).then(col("now")).otherwise(int(0)).alias("net"),
                when(col("now").lt(col("then"))).then(col("now")).otherwise(col("then")).alias("gross"),
                one_if(based()).alias("base_customers"),
                one_if(based().and(col("now").gt(int(0)))).alias("retained_customers"),
            ]);
        let mut columns = vec![lit(window).alias("window")];
        columns.extend(cols_of(&["currency", "period"]));
        columns.extend(cols_of(by));
        columns.extend(cols_of(&SUMS));
        Ok(self.contributions(points)?.select(columns))
    }

    /// Changes of the sums per currency, period and group, from the state of each series at its points.
    fn contributions(&self, points: LazyFrame) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let mut keys = cols_of(&["currency", "period"]);
        keys.extend(cols_of(by));
        let before = |name: &str| when(first_of_series()).then(int(0)).otherwise(col(name).shift(lit(1)));
        let summed = |frame: LazyFrame| {
            frame.group_by(keys.clone()).agg(SUMS.iter().map(|s| col(*s).sum()).collect::<Vec<_>>())
        };
        if !self.view.transfers() {
            let change = SUMS.iter().map(|s| (col(*s) - before(s)).alias(*s)).collect::<Vec<_>>();
            return Ok(summed(points.with_columns(change)));
        }
        // A group may change: the old state leaves its group and the new one enters its own.
        let mut enter = keys.clone();
        enter.extend(cols_of(&SUMS));
        let mut leave = cols_of(&["currency", "period"]);
        leave.extend(by.iter().map(|d| when(first_of_series()).then(col(d.as_str())).otherwise(col(d.as_str()).shift(lit(1))).alias(d.as_str())));
        leave.extend(SUMS.iter().map(|s| (int(0) - before(s)).alias(*s)));
        Ok(summed(concat([points.clone().select(enter), points.select(leave)], UnionArgs::default())?))
    }

    /// The monthly bridge. Transfers happen at the start of a period: they belong to its base, as in `churn`.
    fn bridge(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Ok(bridge(&self.view.movements(inputs)?, &self.view.of())?.with_columns([
            (col("opening_mrr") + col(amount("transfer_in")) + col(amount("transfer_out"))).alias("opening_mrr"),
            (col("opening_customers") + col(count("transfer_in")) - col(count("transfer_out"))).alias("opening_customers"),
        ]))
    }

    /// Who paid at the start of a window, and what each pays at its end: the state that `cohort` sums.
    fn base_of(&self, inputs: &Inputs, row: &Row, period: i32, window: i32) -> PolarsResult<LazyFrame> {
        let unknown = || lit(NULL).cast(DataType::Int64);
        let at = |period: i32, value: Expr| when(col("period").lt_eq(lit(period))).then(value).otherwise(unknown());
        let last = |e: Expr, name: &str| e.sort_by([col("period")], SortMultipleOptions::default()).drop_nulls().last().alias(name);
        let mut values = vec![
            last(at(period - window, col("after")), "then"),
            last(col("after"), "now"),
        ];
        // The dimensions are those of the first day of the window.
        values.extend(self.view.by().iter().map(|d| {
            let known = when(col("period").lt_eq(lit(period - window + 1))).then(col(d.as_str())).otherwise(lit(NULL));
            last(known, d)
        }));
        let one_if = |condition: Expr| when(condition).then(int(1)).otherwise(int(0));
        let rows = self
            .view
            .steps(inputs)?
            .filter(col("period").lt_eq(lit(period)))
            .group_by(cols_of(&["series", "currency"]))
            .agg(values)
            .filter(col("then").gt(int(0)).and(self.view.of_row(row)))
            .with_columns([
                (col("now") - col("then")).alias("change"),
                when(col("now").lt(col("then"))).then(col("now")).otherwise(col("then")).alias("gross"),
                one_if(col("then").gt(int(0))).alias("one"),
                one_if(col("now").gt(int(0))).alias("stayed"),
            ]);
        self.view.named(inputs, rows)
    }

    /// What the base paid when the window opened, and every movement that the flow counts, per customer.
    fn flow_of(&self, inputs: &Inputs, row: &Row, period: i32, window: i32) -> PolarsResult<LazyFrame> {
        let first = period - window + 1;
        let is = |kinds: &[&str]| kinds.iter().map(|k| col("kind").eq(lit((*k).to_owned()))).reduce(Expr::or).unwrap_or_else(|| lit(false));
        let only = |kinds: &[&str]| when(is(kinds)).then(col("amount")).otherwise(int(0));
        let columns = ["customer_id", "base", "lost", "gained", "one"];
        let opening = self
            .view
            .standing(inputs, row, first)?
            .filter(col("opening").gt(int(0)))
            .with_columns([col("opening").alias("base"), int(0).alias("lost"), int(0).alias("gained"), col("opening_one").alias("one")]);
        let moved = self
            .view
            .moves_of(inputs, row, first, period)?
            .filter(is(&["contraction", "paused", "churned", "expansion", "resumed"]))
            .with_columns([int(0).alias("base"), only(&["contraction", "paused", "churned"]).alias("lost"), only(&["expansion", "resumed"]).alias("gained"), int(0).alias("one")]);
        Ok(concat([opening.select(cols_of(&columns)), moved.select(cols_of(&columns))], UnionArgs::default())?
            .group_by([col("customer_id")])
            .agg(columns[1..].iter().map(|c| col(*c).sum()).collect::<Vec<_>>())
            .with_columns([(col("base") + col("lost")).alias("gross"), (col("base") + col("lost") + col("gained")).alias("net")])
            .with_column((col("lost") + col("gained")).alias("change")))
    }

    /// Opening of the window and what its movements left of it, from the monthly bridge.
    fn flow(&self, bridge: &LazyFrame, window: u32) -> PolarsResult<LazyFrame> {
        let mut group = self.view.group();
        group.push(col("is_total"));
        let n = i64::from(window);
        let over_window = |kinds: &[&str]| -> PolarsResult<Expr> {
            let sum = kinds.iter().map(|k| col(amount(k))).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
            let running = sum.cum_sum(false);
            (running.clone() - running.shift(lit(n)).fill_null(int(0))).over(group.clone())
        };
        let lost = over_window(&["contraction", "paused", "churned"])?;
        let gained = over_window(&["expansion", "resumed"])?;
        Ok(bridge
            .clone()
            .with_columns([
                col("opening_mrr").shift(lit(n - 1)).over(group.clone())?.fill_null(int(0)).alias("base"),
                col("opening_customers").shift(lit(n - 1)).over(group.clone())?.fill_null(int(0)).alias("base_customers"),
            ])
            .with_columns([(col("base") + lost.clone()).alias("gross"), (col("base") + lost + gained).alias("net")])
            .with_column(lit(NULL).cast(DataType::Int64).alias("retained_customers")))
    }

    /// The product of monthly flow rates over the window, as the amount that rate leaves of the opening.
    fn chained(&self, bridge: &LazyFrame, window: u32) -> PolarsResult<LazyFrame> {
        let mut group = self.view.group();
        group.push(col("is_total"));
        let monthly = self.flow(bridge, 1)?.with_columns([
            ratio(col("net"), col("base")).alias("net_rate"),
            ratio(col("gross"), col("base")).alias("gross_rate"),
        ]);
        let product = |rate: &str| -> PolarsResult<Expr> {
            (0..i64::from(window))
                .map(|k| col(rate).shift(lit(k)))
                .reduce(|a, b| a * b)
                .unwrap_or_else(|| lit(1.0))
                .over(group.clone())
        };
        let base = |name: &str| -> PolarsResult<Expr> {
            Ok(col(name).shift(int(i64::from(window) - 1)).over(group.clone())?.fill_null(int(0)))
        };
        Ok(monthly
            .with_columns([
                product("net_rate")?.alias("nrr"),
                product("gross_rate")?.alias("grr"),
                base("opening_mrr")?.alias("base"),
                base("opening_customers")?.alias("base_customers"),
            ])
            .with_columns([
                float_to_units(col("nrr") * col("base").cast(DataType::Float64)).alias("net"),
                float_to_units(col("grr") * col("base").cast(DataType::Float64)).alias("gross"),
            ]))
    }
}

impl Metric for RevenueRetention {
    fn output(&self) -> TableSchema {
        use ColumnType::{Float, Int, Money, String as Text};
        let mut schema = self.view.keys();
        schema.grain.insert(1, "window_months".to_owned());
        schema.grain.insert(2, "method".to_owned());
        schema
            .column("window_months", Int, "months", "distance of the two points compared; the later one is the end of the period")
            .column("method", Text, "", "cohort, flow or chained")
            .column("base_customers", Int, "customers", "n: customers that paid at the start of the window")
            .nullable("retained_customers", Int, "customers", "of these, the ones that pay at the end; only for the method cohort")
            .nullable("nrr_numerator", Money, "money per month", "what the base pays at the end of the window")
            .column("nrr_denominator", Money, "money per month", "what the base paid at the start of the window")
            .nullable("nrr", Float, "rate", "net revenue retention")
            .nullable("grr_numerator", Money, "money per month", "what the base pays at the end, expansion left out")
            .column("grr_denominator", Money, "money per month", "what the base paid at the start of the window")
            .nullable("grr", Float, "rate", "gross revenue retention, at most 1 for the method cohort")
            .nullable("reason", Text, "", "why the rates are NULL: `no_base`, `base_ran_out`")
    }

    fn steps(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        if self.methods.contains(&Method::Cohort) {
            out.push(WINDOWS);
        }
        if self.methods.iter().any(|m| *m != Method::Cohort) {
            out.push(MOVEMENTS);
        }
        out
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        if name == WINDOWS { self.windows(inputs) } else { self.view.movements(inputs) }
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        Some(if name == WINDOWS {
            Pass::Windows(self.view.from(), self.view.of(), &self.windows)
        } else {
            self.view.movements_pass()
        })
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let windows = inputs.step(WINDOWS, || self.windows(inputs))?;
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        let mut parts = Vec::new();
        for method in &self.methods {
            for window in &self.windows {
                let rows = match method {
                    Method::Cohort => self.cohort(&windows, *window)?,
                    Method::Flow => self.flow(&self.bridge(inputs)?, *window)?,
                    Method::Chained => self.chained(&self.bridge(inputs)?, *window)?,
                };
                let rows = match method {
                    Method::Chained => rows,
                    _ => rows.with_columns([ratio(col("net"), col("base")).alias("nrr"), ratio(col("gross"), col("base")).alias("grr")]),
                };
                parts.push(
                    rows.with_columns([
                        self.view.periods().start(col("period")).alias("period_start"),
                        col("period").lt_eq(lit(self.view.last_complete())).alias("is_complete"),
                        int(i64::from(*window)).cast(DataType::Int64).alias("window_months"),
                        lit(method.name()).alias("method"),
                        col("net").alias("nrr_numerator"),
                        col("base").alias("nrr_denominator"),
                        col("gross").alias("grr_numerator"),
                        col("base").alias("grr_denominator"),
                        reason([(col("base").eq(int(0)), "no_base"), (col("nrr").is_null(), "base_ran_out")]).alias("reason"),
                    ])
                    .select(cols_of(&names)),
                );
            }
        }
        Ok(sort_on(concat(parts, UnionArgs::default())?, &schema.grain))
    }

    fn identities(&self, _inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let cohort = output.clone().filter(col("method").eq(lit("cohort")));
        let side = |total: bool| when(col("is_total").eq(lit(total))).then(col("nrr_numerator")).otherwise(int(0)).sum();
        let mut out = vec![Identity {
            name: "gross_at_most_net",
            meaning: "GRR is at most 1 and at most NRR",
            broken: cohort.clone().filter(
                col("grr_numerator").gt(col("grr_denominator")).or(col("grr_numerator").gt(col("nrr_numerator"))),
            ),
        }];
        if !self.view.by().is_empty() {
            out.push(Identity {
                name: "parts_sum_to_total",
                meaning: "the retained revenue per dimension value sums to the grand total",
                broken: cohort
                    .group_by(cols_of(&["period_start", "window_months", "currency"]))
                    .agg([side(false).alias("parts"), side(true).alias("total")])
                    .filter(col("parts").neq(col("total"))),
            });
        }
        Ok(out)
    }

    fn headlines(&self) -> Vec<Headline> {
        let window = self.windows.iter().max().copied().unwrap_or(12);
        let method = self.methods.first().copied().unwrap_or(Method::Cohort);
        let only = vec![("window_months".to_owned(), window.to_string()), ("method".to_owned(), method.name().to_owned())];
        [("NRR", "nrr"), ("GRR", "grr")]
            .map(|(label, column)| Headline {
                label: format!("{label} {window} months"),
                column: column.to_owned(),
                only: only.clone(),
                shown_as: ShownAs::Percent,
            })
            .to_vec()
    }

    fn formulas(&self) -> Vec<Formula> {
        ["nrr", "grr"]
            .into_iter()
            .flat_map(|rate| {
                let (numerator, denominator) = (format!("{rate}_numerator"), format!("{rate}_denominator"));
                [
                    Formula::new(rate, of(&numerator) / of(&denominator)).only("method", &["cohort", "flow"]),
                    Formula::new(&numerator, of(rate) * of(&denominator)).only("method", &["chained"]),
                ]
            })
            .collect()
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        use ColumnType::{Date, Float, Money, String as Text};
        let window = row.int("window_months").and_then(|n| i32::try_from(n).ok());
        let (Some(period), Some(window)) = (self.view.period_of(row), window) else { return Ok(Vec::new()) };
        let first = period - window + 1;
        let then = self.view.last_day(period - window);
        let base = match row.text("method") {
            Some("cohort") => {
                let shown = [("customer_id", Text), ("then", Money), ("now", Money), ("change", Money)];
                Behind::customers(format!("customers that paid on {then}, then and now"), self.base_of(inputs, row, period, window)?, &shown)
                    .adds("base_customers", "one")
                    .adds("retained_customers", "stayed")
                    .adds("nrr_numerator", "now")
                    .adds("grr_numerator", "gross")
            }
            Some("flow") => {
                let shown = [("customer_id", Text), ("base", Money), ("lost", Money), ("gained", Money), ("net", Money)];
                let rows = self.flow_of(inputs, row, period, window)?.with_column(col("base").alias("then"));
                Behind::customers("customers of the base, and everybody who moved in the window", rows, &shown)
                    .adds("base_customers", "one")
                    .adds("nrr_numerator", "net")
                    .adds("grr_numerator", "gross")
            }
            _ => {
                let columns = ["period_start", "base", "net", "gross", "nrr", "grr"];
                let rows = self
                    .flow(&self.bridge(inputs)?, 1)?
                    .filter(self.view.of_row(row).and(col("is_total").eq(lit(row.is("is_total")))))
                    .filter(col("period").gt_eq(lit(first)).and(col("period").lt_eq(lit(period))))
                    .with_columns([
                        self.view.periods().start(col("period")).alias("period_start"),
                        ratio(col("net"), col("base")).alias("nrr"),
                        ratio(col("gross"), col("base")).alias("grr"),
                    ])
                    .sort(["period"], SortMultipleOptions::default())
                    .select(cols_of(&columns));
                let shown = [("period_start", Date), ("base", Money), ("net", Money), ("gross", Money), ("nrr", Float), ("grr", Float)];
                return Ok(vec![Behind::customers("months whose rates are multiplied", rows, &shown)]);
            }
        };
        let base = base.adds("nrr_denominator", "then").adds("grr_denominator", "then").by("change");
        Ok(vec![base.ledger(self.view.ledger_rows(first, period))])
    }
}
