#![doc = include_str!("renewals.md")]

use jiff::civil;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::on_grid;
use crate::expr::calendar::{Grain, Periods, date_lit};
use crate::expr::dims::{NOT_SET, cols_of, int, sort_on};
use crate::expr::money::MAX_EXACT;
use crate::expr::ratio::{ratio, reason, wilson};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::{Resolver, SourceRef};
use crate::schema::{ColumnType, TableSchema};
use crate::spec::types::Duration;

/// `type: renewals`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of contracts, one row per term that comes up for renewal.
    pub from: String,
    /// Column that identifies the customer.
    pub customer: String,
    /// Date column: the day the contract is due. It decides the period.
    pub due: String,
    /// Money column: the amount up for renewal.
    pub target: String,
    /// Date column: the day of the renewal, and with `status` also of a loss. NULL is undecided.
    pub decided_on: String,
    /// Money column: the amount renewed. May be the same as `target`.
    pub renewed: String,
    /// What the decision was. Without it, every decision is a renewal.
    #[serde(default)]
    pub status: Option<StatusSpec>,
    /// How far from the due day a renewal may be. Default: any time before, never after.
    #[serde(default)]
    pub window: WindowSpec,
    /// Bool column: whether the contract renews by itself. Adds the rates of both sorts.
    #[serde(default)]
    pub auto_renew: Option<String>,
    /// Length of a period.
    #[serde(default)]
    pub grain: Grain,
    /// String columns of the source to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
}

/// What a decision was.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSpec {
    /// String or bool column.
    pub column: String,
    /// Values that mean renewed.
    pub renewed: Vec<String>,
    /// Values that mean lost. Every other value is undecided.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// How far from the due day a renewal may be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// Days before the due day. A contract renewed earlier never came up. Default: any time before.
    #[serde(default)]
    pub early: Option<Duration>,
    /// Days after the due day. A contract renewed later had lapsed. Default: none.
    #[serde(default)]
    pub late: Option<Duration>,
}

struct Status {
    column: String,
    is_bool: bool,
    renewed: Vec<String>,
    lost: Vec<String>,
}

/// Resolved renewals.
pub struct Renewals {
    from: String,
    customer: String,
    due: String,
    target: String,
    target_currency: Expr,
    decided_on: String,
    renewed: String,
    renewed_currency: Expr,
    status: Option<Status>,
    /// Days before the due day; `None` is any time before.
    early: Option<i32>,
    /// Days after the due day.
    late: i32,
    auto_renew: Option<String>,
    periods: Periods,
    by: Vec<String>,
    as_of: civil::Date,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let source = cx.source("from", &spec.from)?;
    let customer = cx.column(&source, "customer", &spec.customer, &[ColumnType::String, ColumnType::Int]);
    let due = cx.column(&source, "due", &spec.due, &[ColumnType::Date]);
    let target = cx.column(&source, "target", &spec.target, &[ColumnType::Money]);
    let decided_on = cx.column(&source, "decided_on", &spec.decided_on, &[ColumnType::Date]);
    let renewed = cx.column(&source, "renewed", &spec.renewed, &[ColumnType::Money]);
    let target_currency = target.as_ref().and_then(|c| cx.currency_of(&source, c));
    let renewed_currency = renewed.as_ref().and_then(|c| cx.currency_of(&source, c));
    let auto_renew = cx.optional_column(&source, "auto_renew", spec.auto_renew.as_deref(), &[ColumnType::Bool]);
    let status = match &spec.status {
        None => Some(None),
        Some(s) => resolve_status(cx, &source, s).map(Some),
    };
    let early = days(cx, "window.early", spec.window.early);
    let late = days(cx, "window.late", spec.window.late);
    let mut renewals = Renewals {
        from: spec.from.clone(),
        customer: customer?,
        due: due?,
        target: target?,
        target_currency: target_currency?,
        decided_on: decided_on?,
        renewed: renewed?,
        renewed_currency: renewed_currency?,
        status: status?,
        early,
        late: late.unwrap_or(0),
        auto_renew: auto_renew?,
        periods: Periods::new(spec.grain, cx.context().calendar),
        by: Vec::new(),
        as_of: cx.context().as_of,
    };
    let taken = renewals.output();
    let mut sound = true;
    for (i, name) in spec.by.iter().enumerate() {
        let path = format!("by.{i}");
        if spec.by[..i].contains(name) {
            cx.error(&path, &format!("the dimension `{name}` is given twice"), "remove one");
            sound = false;
        } else if name == PERIOD || taken.get(name).is_some() {
            cx.error(&path, &format!("`{name}` is a column of this table already"), "give the column of the source another name with `from`");
            sound = false;
        }
        sound &= cx.column(&source, &path, name, &[ColumnType::String]).is_some();
    }
    renewals.by = spec.by;
    sound.then(|| Box::new(renewals) as Box<dyn Metric>)
}

fn resolve_status(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &StatusSpec) -> Option<Status> {
    if spec.renewed.is_empty() {
        cx.error("status.renewed", "`status` names no value that means renewed", "list the values, for example `renewed: [Closed Won]`");
    }
    for (i, value) in spec.lost.iter().enumerate() {
        if spec.renewed.contains(value) {
            cx.error(&format!("status.lost.{i}"), &format!("the value `{value}` is both renewed and lost"), "keep it under one of them");
        }
    }
    let column = cx.column(source, "status.column", &spec.column, &[ColumnType::String, ColumnType::Bool])?;
    let is_bool = source.type_of(&column) == Some(ColumnType::Bool);
    if is_bool {
        for (key, values) in [("renewed", &spec.renewed), ("lost", &spec.lost)] {
            for (i, value) in values.iter().enumerate().filter(|(_, v)| !["true", "false"].contains(&v.as_str())) {
                let title = format!("`{value}` is no value of `{column}`, which is a bool");
                cx.error(&format!("status.{key}.{i}"), &title, "write `true` or `false`");
            }
        }
    }
    Some(Status { column, is_bool, renewed: spec.renewed.clone(), lost: spec.lost.clone() })
}

/// Longest window: two years, so that the day it ends on is always a day.
const MAX_DAYS: u64 = 731;

/// A window in civil days, where it is given and can be used.
fn days(cx: &mut Resolver<'_>, path: &str, given: Option<Duration>) -> Option<i32> {
    let window = given?;
    let days = window.days().filter(|d| *d <= MAX_DAYS).and_then(|d| i32::try_from(d).ok());
    if days.is_none() {
        cx.error(path, &format!("a window of `{window}` cannot be used"), &format!("give whole days such as `30d`, at most `{MAX_DAYS}d`"));
    }
    days
}

/// Index of a period in the frames of the query.
const PERIOD: &str = "period";
/// Columns of the rows before they are summed; no column of a source begins with `_`.
const CUSTOMER: &str = "_customer";
const OUTCOME: &str = "_outcome";
const AUTO: &str = "_auto";
const TARGET: &str = "_target";
const RENEWED: &str = "_renewed";

/// What became of a contract by `as_of`; all but the last were due.
const OUTCOMES: [&str; 6] = ["renewed", "lost", "late", "lapsed", "open", "replaced"];
const REPLACED: &str = "replaced";

/// Amounts that are summed, beside those of the sorts.
const AMOUNTS: [&str; 5] = ["due_target", "renewed_capped", "renewed_amount", "open_target", "replaced_target"];

/// Contracts that renew by themselves, and those that somebody signs.
const SORTS: [(&str, bool); 2] = [("auto", true), ("signed", false)];

fn contracts(outcome: &str) -> String {
    format!("{outcome}_contracts")
}

impl Renewals {
    /// Whether a date is at or before `as_of`; false where it is NULL.
    fn known(&self, date: &str) -> Expr {
        col(date).is_not_null().and(col(date).lt_eq(date_lit(self.as_of)))
    }

    /// Whether the decision is one of the values; without a status every decision is a renewal.
    fn decision(&self, renewed: bool) -> Expr {
        let Some(status) = &self.status else { return lit(renewed) };
        let value = col(status.column.as_str());
        let value = if status.is_bool { value.cast(DataType::String) } else { value };
        let values = if renewed { &status.renewed } else { &status.lost };
        let is = values.iter().map(|v| value.clone().eq(lit(v.as_str()))).reduce(Expr::or);
        is.unwrap_or_else(|| lit(false)).fill_null(lit(false))
    }

    fn outcome(&self) -> Expr {
        let decided = || self.known(&self.decided_on);
        let renewed = || decided().and(self.decision(true));
        let day = |name: &str| col(name).cast(DataType::Int32);
        let after_due = || day(&self.decided_on) - day(&self.due);
        let too_early = match self.early {
            None => lit(false),
            Some(early) => after_due().lt(lit(-early)),
        };
        when(renewed().and(too_early))
            .then(lit(REPLACED))
            .when(renewed().and(after_due().gt(lit(self.late))))
            .then(lit("late"))
            .when(renewed())
            .then(lit("renewed"))
            .when(decided().and(self.decision(false)))
            .then(lit("lost"))
            .when((day(&self.due) + lit(self.late)).gt(date_lit(self.as_of).cast(DataType::Int32)))
            .then(lit("open"))
            .otherwise(lit("lapsed"))
    }

    /// Contracts due by `as_of`: currency, period, dimensions, customer, outcome and amounts.
    fn rows(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let mut columns = vec![
            self.target_currency.clone().alias("currency"),
            self.periods.index(col(self.due.as_str())).alias(PERIOD),
            col(self.customer.as_str()).alias(CUSTOMER),
            self.outcome().alias(OUTCOME),
            col(self.target.as_str()).alias(TARGET),
            col(self.renewed.as_str()).alias(RENEWED),
        ];
        columns.extend(self.auto_renew.as_ref().map(|a| col(a.as_str()).alias(AUTO)));
        columns.extend(self.by.iter().map(|d| col(d.as_str()).fill_null(lit(NOT_SET)).alias(d.as_str())));
        Ok(inputs.get(&self.from)?.filter(self.known(&self.due)).select(columns))
    }

    /// Names of the sums, in no order that means anything.
    fn sum_names(&self) -> Vec<String> {
        let mut out: Vec<String> = OUTCOMES.iter().map(|o| contracts(o)).collect();
        out.extend(["due_contracts", "due_customers", "renewed_customers", "open_customers"].map(str::to_owned));
        out.extend(AMOUNTS.map(str::to_owned));
        if self.auto_renew.is_some() {
            out.extend(SORTS.iter().flat_map(|(sort, _)| sort_sums(sort)));
        }
        out
    }

    /// Sums per currency, period and the given dimensions.
    fn sums(&self, rows: &LazyFrame, by: &[String]) -> LazyFrame {
        let mut keys = cols_of(&["currency", PERIOD]);
        keys.extend(cols_of(by));
        let is = |outcome: &str| col(OUTCOME).eq(lit(outcome.to_owned()));
        let due = || col(OUTCOME).neq(lit(REPLACED));
        let number = |of: Expr, name: String| when(of).then(int(1)).otherwise(int(0)).sum().alias(name);
        let sum = |of: Expr, amount: Expr, name: &str| when(of).then(amount).otherwise(int(0)).sum().alias(name);
        let capped = || when(col(RENEWED).lt(col(TARGET))).then(col(RENEWED)).otherwise(col(TARGET));
        let mut aggregates: Vec<Expr> = OUTCOMES.iter().map(|o| number(is(o), contracts(o))).collect();
        aggregates.extend([
            number(due(), "due_contracts".to_owned()),
            sum(due(), col(TARGET), "due_target"),
            sum(is("renewed"), capped(), "renewed_capped"),
            sum(is("renewed"), col(RENEWED), "renewed_amount"),
            sum(is("open"), col(TARGET), "open_target"),
            sum(is(REPLACED), col(TARGET), "replaced_target"),
        ]);
        if self.auto_renew.is_some() {
            for (sort, auto) in SORTS {
                let of = |e: Expr| e.and(col(AUTO).eq(lit(auto)));
                let [due_contracts, renewed_contracts, due_target, renewed_capped] = sort_sums(sort);
                aggregates.extend([
                    number(of(due()), due_contracts),
                    number(of(is("renewed")), renewed_contracts),
                    sum(of(due()), col(TARGET), &due_target),
                    sum(of(is("renewed")), capped(), &renewed_capped),
                ]);
            }
        }
        // A customer that keeps one contract is no lost customer: the best of its contracts counts.
        let mut per_customer = keys.clone();
        per_customer.push(col(CUSTOMER));
        let has = |outcome: &str, name: &str| is(outcome).any(true).alias(name);
        let customers = rows
            .clone()
            .filter(due())
            .group_by(per_customer)
            .agg([has("renewed", "_kept"), has("open", "_open")])
            .group_by(keys.clone())
            .agg([
                len().cast(DataType::Int64).alias("due_customers"),
                number(col("_kept"), "renewed_customers".to_owned()),
                number(col("_open").and(col("_kept").not()), "open_customers".to_owned()),
            ]);
        rows.clone().group_by(keys.clone()).agg(aggregates).join(customers, keys.clone(), keys, JoinArgs::new(JoinType::Left))
    }

    /// Sums per group and in total, which is no sum of its parts: a customer may be in several.
    fn with_total(&self, rows: &LazyFrame) -> PolarsResult<LazyFrame> {
        let names = self.sum_names();
        let order = |total: bool| {
            let mut out = cols_of(&["currency", PERIOD]);
            let dimension = |d: &String| if total { lit(NULL).cast(DataType::String).alias(d.as_str()) } else { col(d.as_str()) };
            out.extend(self.by.iter().map(dimension));
            out.push(lit(total).alias("is_total"));
            out.extend(cols_of(&names));
            out
        };
        let total = self.sums(rows, &[]).select(order(true));
        if self.by.is_empty() {
            return Ok(total);
        }
        concat([self.sums(rows, &self.by).select(order(false)), total], UnionArgs::default())
    }

    fn rates(&self, rows: LazyFrame) -> LazyFrame {
        let (low, high) = wilson(&col("renewed_customers"), &col("due_customers"));
        let mut columns = vec![
            self.periods.start(col(PERIOD)).alias("period_start"),
            col(PERIOD).lt_eq(lit(self.periods.last_complete(self.as_of))).alias("is_complete"),
            col(PERIOD).lt_eq(lit(self.last_mature())).alias("is_mature"),
            ratio(col("renewed_contracts"), col("due_contracts")).alias("contract_renewal_rate"),
            ratio(col("renewed_customers"), col("due_customers")).alias("logo_renewal_rate"),
            low.alias("logo_renewal_ci_low"),
            high.alias("logo_renewal_ci_high"),
            ratio(col("renewed_capped"), col("due_target")).alias("gross_renewal_rate"),
            ratio(col("renewed_amount"), col("due_target")).alias("net_renewal_rate"),
            reason([(col("due_contracts").eq(int(0)), "nothing_due"), (col("due_target").eq(int(0)), "no_target")]).alias("reason"),
        ];
        if self.auto_renew.is_some() {
            for (sort, _) in SORTS {
                let [due_contracts, renewed_contracts, due_target, renewed_capped] = sort_sums(sort);
                columns.push(ratio(col(renewed_contracts), col(due_contracts)).alias(format!("{sort}_contract_renewal_rate")));
                columns.push(ratio(col(renewed_capped), col(due_target)).alias(format!("{sort}_gross_renewal_rate")));
            }
        }
        rows.with_columns(columns)
    }

    /// Index of the last period of which no outcome can change any more.
    fn last_mature(&self) -> i32 {
        self.periods.last_complete(self.as_of.saturating_sub(jiff::Span::new().days(self.late)))
    }
}

/// Sums of a sort of contracts: those due, those renewed, the amount up for renewal, the amount renewed.
fn sort_sums(sort: &str) -> [String; 4] {
    ["due_contracts", "renewed_contracts", "due_target", "renewed_capped"].map(|name| format!("{sort}_{name}"))
}

impl Metric for Renewals {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Currency, Date, Float, Int, Money, String as Text};
        let mut grain = vec!["period_start".to_owned(), "currency".to_owned(), "is_total".to_owned()];
        grain.extend(self.by.iter().cloned());
        let mut schema = TableSchema::with_grain(grain)
            .column("period_start", Date, "", format!("first day of the {} in which the contracts are due", self.periods.grain().name()))
            .column("currency", Currency, "", "currency of the amounts");
        for d in &self.by {
            schema = schema.nullable(d.as_str(), Text, "", "value of the dimension; NULL in the grand total");
        }
        schema = schema
            .column("is_total", Bool, "", "true in the grand total over all values of the dimensions")
            .column("is_complete", Bool, "", "whether the period was over at as_of")
            .column("is_mature", Bool, "", "whether the late window of its last day was over too, so that no rate can change any more")
            .column("due_contracts", Int, "contracts", "n: contracts that came up for renewal")
            .column("renewed_contracts", Int, "contracts", "of these, renewed within the window")
            .column("lost_contracts", Int, "contracts", "of these, recorded as lost")
            .column("late_contracts", Int, "contracts", "of these, renewed after the window: not in the numerator")
            .column("lapsed_contracts", Int, "contracts", "of these, without a decision when the window was over")
            .column("open_contracts", Int, "contracts", "of these, undecided while the window runs: not in the numerator")
            .column("replaced_contracts", Int, "contracts", "renewed before the window: they never came up and are in no rate")
            .nullable("contract_renewal_rate", Float, "rate", "renewed over due contracts")
            .column("due_customers", Int, "customers", "n: customers with a contract due; denominator of the logo rate")
            .column("renewed_customers", Int, "customers", "of these, customers that renewed at least one; numerator of the logo rate")
            .column("open_customers", Int, "customers", "of these, customers that renewed none so far and have one open")
            .nullable("logo_renewal_rate", Float, "rate", "renewed over due customers")
            .nullable("logo_renewal_ci_low", Float, "rate", "lower end of the 95 % Wilson interval")
            .nullable("logo_renewal_ci_high", Float, "rate", "upper end of the 95 % Wilson interval")
            .column("due_target", Money, "money", "amount up for renewal; denominator of the value rates")
            .column("renewed_capped", Money, "money", "amount renewed, of each contract at most its target; numerator of the gross rate")
            .nullable("gross_renewal_rate", Float, "rate", "renewed_capped over due_target; never above 1")
            .column("renewed_amount", Money, "money", "amount renewed; numerator of the net rate")
            .nullable("net_renewal_rate", Float, "rate", "renewed_amount over due_target; above 1 where renewals grow")
            .column("open_target", Money, "money", "amount up for renewal of the open contracts")
            .column("replaced_target", Money, "money", "amount of the replaced contracts; in no rate");
        if self.auto_renew.is_some() {
            for (sort, auto) in SORTS {
                let which = if auto { "that renew by themselves" } else { "that somebody has to sign" };
                let [due_contracts, renewed_contracts, due_target, renewed_capped] = sort_sums(sort);
                schema = schema
                    .column(due_contracts, Int, "contracts", format!("due contracts {which}"))
                    .column(renewed_contracts, Int, "contracts", "of these, renewed within the window")
                    .nullable(format!("{sort}_contract_renewal_rate"), Float, "rate", "renewed over due contracts of this sort")
                    .column(due_target, Money, "money", format!("amount up for renewal of contracts {which}"))
                    .column(renewed_capped, Money, "money", "amount renewed of these, of each at most its target")
                    .nullable(format!("{sort}_gross_renewal_rate"), Float, "rate", "capped renewed amount over target of this sort");
            }
        }
        schema.nullable("reason", Text, "", "why rates are NULL: `nothing_due`, or `no_target` for the value rates")
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let sums = self.with_total(&self.rows(inputs)?)?;
        let names = self.sum_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows = self.rates(on_grid(&sums, &self.by, self.periods.index_of(self.as_of), &names)?);
        let schema = self.output();
        let columns: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.select(cols_of(&columns)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let source = inputs.get(&self.from)?;
        let amount = |name: &str| col(name);
        let is_null = |name: &str| col(name).is_null();
        let renewed = || self.known(&self.decided_on).and(self.decision(true));
        let magnitude = |name: &str| col(name).cast(DataType::Float64).abs().sum().alias(format!("sum_of_{name}"));
        let mut sizes = vec![magnitude(&self.target)];
        if self.renewed != self.target {
            sizes.push(magnitude(&self.renewed));
        }
        let too_large = [&self.target, &self.renewed].map(|n| col(format!("sum_of_{n}")).gt_eq(lit(MAX_EXACT)));
        let mut out = vec![
            Identity {
                name: "contracts_are_placed",
                meaning: "every contract has a customer, a due day and a currency",
                broken: source.clone().filter(is_null(&self.customer).or(is_null(&self.due)).or(self.target_currency.clone().is_null())),
            },
            Identity {
                name: "targets_are_known",
                meaning: "every contract has an amount up for renewal that is not below zero",
                broken: source.clone().filter(is_null(&self.target).or(amount(&self.target).lt(int(0)))),
            },
            Identity {
                name: "renewed_amounts_are_known",
                meaning: "every renewal has an amount that is not below zero, in the currency of its target",
                broken: source.clone().filter(renewed().and(
                    is_null(&self.renewed)
                        .or(amount(&self.renewed).lt(int(0)))
                        .or(self.renewed_currency.clone().neq_missing(self.target_currency.clone())),
                )),
            },
            Identity {
                name: "total_fits",
                meaning: "the sums of the amounts fit 64 bits",
                broken: source.clone().select(sizes).filter(too_large.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false))),
            },
        ];
        if self.status.is_some() {
            out.push(Identity {
                name: "decisions_are_dated",
                meaning: "every contract that is renewed or lost says on which day",
                broken: source.clone().filter(is_null(&self.decided_on).and(self.decision(true).or(self.decision(false)))),
            });
        }
        if let Some(auto) = &self.auto_renew {
            out.push(Identity {
                name: "auto_renew_is_known",
                meaning: "every contract says whether it renews by itself",
                broken: source.clone().filter(is_null(auto)),
            });
        }
        let sum_of = |outcomes: &[&str]| outcomes.iter().map(|o| col(contracts(o))).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        out.push(Identity {
            name: "outcomes_sum_to_due",
            meaning: "renewed, lost, late, lapsed and open contracts sum to those due",
            broken: output.clone().filter(sum_of(&OUTCOMES[..5]).neq(col("due_contracts"))),
        });
        let mut full = JoinArgs::new(JoinType::Full);
        full.coalesce = JoinCoalesce::CoalesceColumns;
        let counted = output
            .clone()
            .filter(col("is_total"))
            .group_by([col("currency")])
            .agg([(col("due_contracts") + col("replaced_contracts")).sum().alias("counted")]);
        let known = source
            .filter(self.known(&self.due))
            .group_by([self.target_currency.clone().alias("currency")])
            .agg([len().cast(DataType::Int64).alias("rows")]);
        out.push(Identity {
            name: "every_due_contract_counts",
            meaning: "due and replaced contracts of all periods are the rows of the source that are due by as_of",
            broken: counted
                .join(known, [col("currency")], [col("currency")], full)
                .filter(col("counted").fill_null(int(0)).neq(col("rows").fill_null(int(0)))),
        });
        if !self.by.is_empty() {
            let side = |total: bool, name: &str| when(col("is_total").eq(lit(total))).then(col(name)).otherwise(int(0)).sum();
            let differs = |name: &str| col(format!("{name}_of_parts")).neq(col(name));
            let names = ["due_contracts", "renewed_contracts", "due_target", "renewed_amount"];
            let sides = names.iter().flat_map(|n| [side(false, n).alias(format!("{n}_of_parts")), side(true, n).alias(*n)]);
            out.push(Identity {
                name: "parts_sum_to_total",
                meaning: "contracts and amounts per dimension value sum to the grand total",
                broken: output
                    .clone()
                    .group_by(cols_of(&["period_start", "currency"]))
                    .agg(sides.collect::<Vec<_>>())
                    .filter(names.map(differs).into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false))),
            });
        }
        Ok(out)
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let why = when(self.known(&self.due)).then(lit("used")).otherwise(lit("due_after_as_of"));
        Ok(Some(
            inputs
                .get(&self.from)?
                .group_by([why.alias("reason")])
                .agg([len().cast(DataType::Int64).alias("rows")])
                .sort(["reason"], SortMultipleOptions::default()),
        ))
    }

    fn headlines(&self) -> Vec<Headline> {
        [("logo renewal", "logo_renewal_rate"), ("gross renewal", "gross_renewal_rate"), ("net renewal", "net_renewal_rate")]
            .map(|(label, column)| Headline {
                label: format!("{label}, {}", self.periods.grain().name()),
                column: column.to_owned(),
                only: vec![("is_mature".to_owned(), "true".to_owned())],
                shown_as: ShownAs::Percent,
            })
            .to_vec()
    }
}
