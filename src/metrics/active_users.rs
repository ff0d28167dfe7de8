#![doc = include_str!("active_users.md")]

mod eligible;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::on_grid;
use crate::expr::calendar::{Calendar, Grain, Periods, epoch_day};
use crate::expr::condense::Condense;
use crate::expr::dims::{cols_of, int, sort_on};
use crate::expr::ratio::{ratio, reason};
use crate::expr::uses::{Uses, group};
use crate::expr::visits::{enters, gaps, leaves, number_of, returns, spaced, visits};
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, of, sum};
use crate::metrics::usage::{EVERYBODY, FATES, Unit, Usage, UsageKeys};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};
use eligible::Eligible;

/// `type: active_users`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of usage events, one row per event.
    pub from: String,
    /// Date or timestamp column: when it happened.
    pub at: String,
    /// Column of the user. At least one of `user` and `customer` is needed.
    #[serde(default)]
    pub user: Option<String>,
    /// Column of the customer that the user belongs to.
    #[serde(default)]
    pub customer: Option<String>,
    /// String column of the kind of event; needs `events`.
    #[serde(default)]
    pub event: Option<String>,
    /// Kinds of event that count. Default: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// Lengths of the periods.
    #[serde(default = "default_grains")]
    pub grains: Vec<Grain>,
    /// Lengths of the trailing windows, in days.
    #[serde(default = "default_windows")]
    pub windows: Vec<i32>,
    /// Whom active customers are compared with; needs `customer`.
    #[serde(default)]
    pub eligible: Option<EligibleSpec>,
    /// String columns of the source to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Customers that could have been active.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EligibleSpec {
    /// Ledger whose paying customers they are.
    pub ledger: String,
}

fn default_grains() -> Vec<Grain> {
    vec![Grain::Day, Grain::Week, Grain::Month]
}

fn default_windows() -> Vec<i32> {
    vec![1, 7, 28]
}

/// Longest trailing window, in days.
const LONGEST: i32 = 366;

/// Resolved active users.
pub struct ActiveUsers {
    usage: Usage,
    grains: Vec<Grain>,
    calendar: Calendar,
    windows: Vec<i32>,
    eligible: Option<Eligible>,
    /// Types of the ids, user and customer.
    ids: [ColumnType; 2],
}

/// Columns of every table; `trailing_7d` and the like come on top.
const COLUMNS: [&str; 18] = [
    "grain",
    "unit",
    "period_start",
    "is_total",
    "is_complete",
    "active",
    "new",
    "returning",
    "resurrecting",
    "dormant",
    "active_days",
    "days",
    "mean_daily",
    "stickiness",
    "paying",
    "active_paying",
    "active_rate",
    "reason",
];

/// Counts per period and group, before they are on the grid.
const COUNTS: [&str; 5] = ["active", "new", "returning", "resurrecting", "active_days"];

/// The step with the trailing windows.
const TRAILING: &str = "trailing";

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let keys = UsageKeys {
        from: &spec.from,
        at: &spec.at,
        user: spec.user.as_deref(),
        customer: spec.customer.as_deref(),
        event: spec.event.as_deref(),
        events: &spec.events,
        by: &spec.by,
    };
    let usage = Usage::resolve(cx, &keys, |name| COLUMNS.contains(&name) || name.starts_with("trailing_"));
    if spec.user.is_none() && spec.customer.is_none() {
        cx.error(
            "",
            "neither `user` nor `customer` is given",
            "name the column that says who did it, or of which customer",
        );
        return None;
    }
    if spec.grains.is_empty() {
        cx.error("grains", "`grains` is empty", "name at least one of `day`, `week`, `month`, `quarter`, `year`");
    }
    for (i, grain) in spec.grains.iter().enumerate() {
        if spec.grains[..i].contains(grain) {
            cx.error(&format!("grains.{i}"), &format!("the grain `{}` is given twice", grain.name()), "remove one");
        }
    }
    for (i, days) in spec.windows.iter().enumerate() {
        let path = format!("windows.{i}");
        if !(1..=LONGEST).contains(days) {
            cx.error(&path, &format!("a window of {days} days is out of range"), &format!("give 1 to {LONGEST} days"));
        }
        if spec.windows[..i].contains(days) {
            cx.error(&path, &format!("the window of {days} days is given twice"), "remove one");
        }
    }
    let eligible = match &spec.eligible {
        None => None,
        Some(eligible) => Some(Eligible::resolve(cx, &spec, &eligible.ledger)?),
    };
    let ids = [&spec.user, &spec.customer].map(|name| type_of(cx, &spec.from, name.as_deref()));
    Some(Box::new(ActiveUsers {
        usage: usage?,
        grains: spec.grains,
        calendar: cx.context().calendar,
        windows: spec.windows,
        eligible,
        ids,
    }))
}

fn type_of(cx: &mut Resolver<'_>, source: &str, column: Option<&str>) -> ColumnType {
    let found = column.and_then(|column| cx.source("from", source)?.type_of(column));
    found.unwrap_or(ColumnType::String)
}

/// Name of the column of a trailing window.
fn trailing(days: i32) -> String {
    format!("trailing_{days}d")
}

/// The step that says how often a day of a unit follows another, all together or by group.
fn returns_step(unit: Unit, total: bool) -> &'static str {
    match (unit, total) {
        (Unit::User, true) => "users",
        (Unit::User, false) => "users by group",
        (Unit::Customer, true) => "customers",
        (Unit::Customer, false) => "customers by group",
    }
}

impl ActiveUsers {
    /// What is counted: units, all together and, with dimensions, by group.
    fn levels(&self) -> Vec<(Unit, bool)> {
        let of = |total: bool| self.usage.units().into_iter().map(move |unit| (unit, total));
        if self.usage.by().is_empty() { of(true).collect() } else { of(true).chain(of(false)).collect() }
    }

    /// The level of the step of that name.
    fn level_of(&self, step: &str) -> Option<(Unit, bool)> {
        self.levels().into_iter().find(|(unit, total)| returns_step(*unit, *total) == step)
    }

    /// The periods of each grain.
    fn periods(&self) -> Vec<Periods> {
        self.grains.iter().map(|grain| Periods::new(*grain, self.calendar)).collect()
    }

    /// The groups of a level: none in the total.
    fn groups(&self, total: bool) -> Vec<String> {
        if total { Vec::new() } else { self.usage.groups() }
    }

    /// How often a day of a unit follows another.
    fn returns(&self, inputs: &Inputs, unit: Unit, total: bool) -> PolarsResult<LazyFrame> {
        inputs.step(returns_step(unit, total), || {
            Ok(returns(self.visits(inputs, unit, total, false)?, &self.groups(total)))
        })
    }

    fn visits(&self, inputs: &Inputs, unit: Unit, total: bool, keep_id: bool) -> PolarsResult<LazyFrame> {
        Ok(visits(Uses::usable(self.usage.rows(inputs)?), unit.name(), &self.groups(total), keep_id))
    }

    fn fates(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(FATES, || Ok(Uses::fates(self.usage.rows(inputs)?)))
    }

    fn everybody(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(EVERYBODY, || self.usage.uses(false).everybody(&self.usage.rows(inputs)?))
    }

    /// Sums of a level under the columns that all levels have; the unit takes the place of a currency.
    fn labelled(&self, sums: LazyFrame, unit: Unit, total: bool, names: &[String]) -> LazyFrame {
        let mut label = vec![lit(unit.name()).alias("currency"), lit(total).alias("is_total")];
        if total {
            label.extend(self.usage.groups().iter().map(|g| lit(NULL).cast(DataType::String).alias(g.as_str())));
        }
        let mut order = self.cell();
        order.push("period".to_owned());
        order.extend_from_slice(names);
        sums.with_columns(label).select(cols_of(&order))
    }

    /// The columns that tell series of periods apart.
    fn cell(&self) -> Vec<String> {
        let mut out = vec!["currency".to_owned()];
        out.extend(self.usage.groups());
        out.push("is_total".to_owned());
        out
    }

    /// Sums per period of every level, on the grid.
    ///
    /// `rows` makes of the days of a level rows with a `period` and the values of `names`.
    fn summed(
        &self,
        inputs: &Inputs,
        periods: Periods,
        names: &[String],
        rows: impl Fn(LazyFrame) -> PolarsResult<LazyFrame>,
    ) -> PolarsResult<LazyFrame> {
        let mut levels = Vec::new();
        for (unit, total) in self.levels() {
            let mut keys = cols_of(&self.groups(total));
            keys.push(col("period"));
            let sums = names.iter().map(|name| col(name.as_str()).sum()).collect::<Vec<_>>();
            let rows = rows(self.returns(inputs, unit, total)?)?.group_by(keys).agg(sums);
            levels.push(self.labelled(rows, unit, total, names));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // The grid looks at the sums three times.
        let levels = concat(levels, UnionArgs::default())?.cache();
        on_grid(&levels, &self.usage.groups(), periods.index_of(self.usage.as_of()), &names)
    }

    /// Users in the trailing windows that end on a day, for every day.
    ///
    /// Whoever was away for a window's length or more enters it on a day; a window's length after the
    /// last day before such an absence it leaves. So the difference of two running sums is who is in it.
    fn trailing(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let days = Periods::new(Grain::Day, self.calendar);
        let (came, went) = (|w: &i32| format!("came_{w}"), |w: &i32| format!("went_{w}"));
        let names: Vec<String> = self.windows.iter().flat_map(|w| [came(w), went(w)]).collect();
        let visits = |condition: Expr, sign: i64| when(condition).then(col("visits") * int(sign)).otherwise(int(0));
        let rows = |returns: LazyFrame| {
            let returns = spaced(returns, days);
            // Everybody goes after every day, but for those who come again soon enough.
            let of_day = self.windows.iter().flat_map(|w| {
                [visits(enters(*w), 1).alias(came(w)), col("visits").alias(went(w))]
            });
            let of_day_before = self.windows.iter().flat_map(|w| {
                [int(0).alias(came(w)), visits(enters(*w).not(), -1).alias(went(w))]
            });
            concat(
                [
                    returns.clone().with_columns(of_day.collect::<Vec<_>>()),
                    returns
                        .filter(col("since").is_not_null())
                        .with_columns(of_day_before.collect::<Vec<_>>())
                        .with_column((col("period") - col("since")).alias("period")),
                ],
                UnionArgs::default(),
            )
        };
        let cell = self.cell();
        let run = |name: &str| Ok(col(name).cum_sum(false).over(cols_of(&cell))?.alias(name));
        let running = names.iter().map(|name| run(name)).collect::<PolarsResult<Vec<_>>>()?;
        let within = |w: &i32| {
            let gone = col(went(w)).shift(lit(*w)).over(cols_of(&cell))?.fill_null(int(0));
            Ok((col(came(w)) - gone).alias(trailing(*w)))
        };
        let within = self.windows.iter().map(within).collect::<PolarsResult<Vec<_>>>()?;
        let mut kept = cols_of(&cell);
        kept.push(col("period").alias("end"));
        kept.extend(self.windows.iter().map(|w| col(trailing(*w))));
        Ok(self.summed(inputs, days, &names, rows)?.with_columns(running).with_columns(within).select(kept))
    }

    /// Every period of a grain with its counts.
    fn of_grain(&self, inputs: &Inputs, periods: Periods) -> PolarsResult<LazyFrame> {
        let visits = |condition: Expr| when(condition).then(col("visits")).otherwise(int(0));
        let values = [
            visits(enters(1)),
            visits(col("since").is_null()),
            visits(col("since").eq(lit(1))),
            visits(col("since").gt(lit(1))),
            col("visits"),
        ];
        let values: Vec<Expr> = COUNTS.iter().zip(values).map(|(name, value)| value.alias(*name)).collect();
        let rows = |returns: LazyFrame| Ok(spaced(returns, periods).with_columns(values.clone()));
        let cell = self.cell();
        let day = |date: Expr| date.cast(DataType::Int32);
        let active_before = col("active").shift(lit(1)).over(cols_of(&cell))?.fill_null(int(0));
        let rows = self
            .summed(inputs, periods, &COUNTS.map(str::to_owned), rows)?
            // Whoever was there in the period before and did not return.
            .with_column((active_before - col("returning")).alias("dormant"))
            .with_columns([
                lit(periods.grain().name()).alias("grain"),
                periods.start(col("period")).alias("period_start"),
                col("period").lt_eq(lit(periods.last_complete(self.usage.as_of()))).alias("is_complete"),
                day(self.last_day(periods, col("period"))).alias("end"),
            ])
            .with_column((col("end") - day(col("period_start")) + lit(1)).cast(DataType::Int64).alias("days"));
        let mut left = JoinArgs::new(JoinType::Left);
        left.nulls_equal = true;
        let rows = if self.windows.is_empty() {
            rows
        } else {
            let mut at = cell.clone();
            at.push("end".to_owned());
            let windows = inputs.step(TRAILING, || self.trailing(inputs))?;
            rows.join(windows, cols_of(&at), cols_of(&at), left.clone())
        };
        match &self.eligible {
            None => Ok(rows),
            Some(eligible) => eligible.beside(self, inputs, rows, periods),
        }
    }

    /// Last day of a period, or `as_of` where that comes before.
    fn last_day(&self, periods: Periods, period: Expr) -> Expr {
        let last = periods.start(period + lit(1)).cast(DataType::Int32) - lit(1);
        let as_of = lit(epoch_day(self.usage.as_of()));
        when(last.clone().gt(as_of.clone())).then(as_of).otherwise(last).cast(DataType::Date)
    }

    /// The part of a table that belongs to a unit and grain.
    fn grain_and_unit() -> Vec<Expr> {
        cols_of(&["grain", "unit"])
    }
}

impl Metric for ActiveUsers {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Date, Float, Int, String as Text};
        let units = "users or customers";
        let mut grain = ["grain", "unit", "period_start", "is_total"].map(str::to_owned).to_vec();
        grain.extend(self.usage.by().iter().cloned());
        let mut schema = TableSchema::with_grain(grain)
            .column("grain", Text, "", "length of the period: day, week, month, quarter or year")
            .column("unit", Text, "", "who is counted: user or customer")
            .column("period_start", Date, "", "first day of the period");
        for d in self.usage.by() {
            schema = schema.nullable(d.as_str(), Text, "", "value of the dimension; NULL in the grand total");
        }
        schema = schema
            .column("is_total", Bool, "", "true in the grand total over all values of the dimensions")
            .column("is_complete", Bool, "", "whether the period was over at as_of")
            .column("active", Int, units, "active in the period")
            .column("new", Int, units, "of these, active for the first time")
            .column("returning", Int, units, "of these, active in the period before too")
            .column("resurrecting", Int, units, "of these, active before, but not in the period before")
            .column("dormant", Int, units, "active in the period before and not in this one");
        for w in &self.windows {
            schema = schema.column(
                trailing(*w),
                Int,
                units,
                format!("active in the {w} days up to the end of the period, or to as_of"),
            );
        }
        schema = schema
            .column("active_days", Int, "days", "days of activity in the period, summed over all who were active")
            .column("days", Int, "days", "days of the period up to as_of")
            .nullable("mean_daily", Float, units, "mean number of those active on a day of the period")
            .nullable("stickiness", Float, "rate", "mean daily over active; NULL where nobody was active");
        if self.eligible.is_some() {
            schema = schema
                .nullable("paying", Int, "customers", "denominator of the active rate: customers that pay at the end of the period, or at as_of; NULL for users")
                .nullable("active_paying", Int, "customers", "numerator: those of them that were active in the period; NULL for users")
                .nullable("active_rate", Float, "rate", "active over paying customers; NULL for users and where nobody pays");
        }
        schema.nullable(
            "reason",
            Text,
            "",
            "why rates are NULL: `nobody_active` the stickiness, `nobody_paying` the active rate alone",
        )
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let grains = self.periods().into_iter().map(|periods| self.of_grain(inputs, periods));
        let rows = concat(grains.collect::<PolarsResult<Vec<_>>>()?, UnionArgs::default())?;
        let mut reasons = vec![(col("active").eq(int(0)), "nobody_active")];
        let mut rates = vec![
            col("currency").alias("unit"),
            ratio(col("active_days"), col("days")).alias("mean_daily"),
            ratio(col("active_days"), col("days") * col("active")).alias("stickiness"),
        ];
        if self.eligible.is_some() {
            reasons.push((col("paying").eq(int(0)), "nobody_paying"));
            rates.push(ratio(col("active_paying"), col("paying")).alias("active_rate"));
        }
        rates.push(reason(reasons).alias("reason"));
        rates.extend(self.usage.by().iter().enumerate().map(|(i, d)| col(group(i)).alias(d.as_str())));
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.with_columns(rates).select(cols_of(&names)), &schema.grain))
    }

    fn condense(&self) -> PolarsResult<Option<Condense>> {
        self.usage.condense().map(Some)
    }

    fn steps(&self) -> Vec<&'static str> {
        let mut out = vec![FATES, EVERYBODY];
        out.extend(self.levels().into_iter().map(|(unit, total)| returns_step(unit, total)));
        if !self.windows.is_empty() {
            out.push(TRAILING);
        }
        out.extend(self.eligible.iter().flat_map(|eligible| eligible.steps(self)));
        out
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        if let Some((unit, total)) = self.level_of(name) {
            return self.returns(inputs, unit, total);
        }
        match (name, &self.eligible) {
            (FATES, _) => self.fates(inputs),
            (EVERYBODY, _) => self.everybody(inputs),
            (TRAILING, _) => self.trailing(inputs),
            (_, Some(eligible)) => eligible.step(name, self, inputs),
            _ => Err(polars_err!(InvalidOperation: "no step `{name}`")),
        }
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        if let Some((unit, total)) = self.level_of(name) {
            return Some(Pass::Returns(self.usage.uses(!total), unit));
        }
        match name {
            FATES => Some(Pass::Fates(self.usage.uses(false))),
            EVERYBODY => Some(Pass::Everybody(self.usage.uses(false))),
            _ => self.eligible.as_ref().and_then(|eligible| eligible.pass(name, self)),
        }
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let mut series = Self::grain_and_unit();
        series.extend(cols_of(self.usage.by()));
        series.push(col("is_total"));
        let before = col("active").shift(lit(1)).over(series)?.fill_null(int(0));
        let unit = [col("unit")];
        let newcomers = output
            .clone()
            .filter(col("is_total"))
            .group_by(Self::grain_and_unit())
            .agg([col("new").sum()])
            .join(self.everybody(inputs)?, unit.clone(), unit, JoinArgs::new(JoinType::Inner));
        let mut out = vec![
            Identity {
                name: "lifecycle_sums",
                meaning: "active is new, returning and resurrecting together",
                broken: output.clone().filter((col("new") + col("returning") + col("resurrecting")).neq(col("active"))),
            },
            Identity {
                name: "dormant_were_active",
                meaning: "dormant are those active in the period before that did not return",
                broken: output
                    .clone()
                    .with_column(before.alias("before"))
                    .filter((col("before") - col("returning")).neq(col("dormant"))),
            },
            Identity {
                name: "everybody_is_new_once",
                meaning: "the new ones of all periods are everybody who was ever active",
                broken: newcomers.filter(col("new").neq(col("everybody"))),
            },
            Identity {
                name: "active_days_fit",
                meaning: "whoever is active is so on one day at least and on every day at most",
                broken: output.clone().filter(col("active_days").lt(col("active")).or(col("active_days").gt(col(
                    "active",
                ) * col(
                    "days",
                )))),
            },
        ];
        let differs =
            self.windows.iter().map(|w| col("days").eq(int(i64::from(*w))).and(col(trailing(*w)).neq(col("active"))));
        if let Some(differs) = differs.reduce(Expr::or) {
            out.push(Identity {
                name: "windows_are_periods",
                meaning: "a window as long as the period counts as the period does",
                broken: output.clone().filter(differs),
            });
        }
        if self.eligible.is_some() {
            out.push(Identity {
                name: "active_paying_at_most",
                meaning: "those who are active and pay are no more than those who are active, or than those who pay",
                broken: output
                    .clone()
                    .filter(col("active_paying").gt(col("active")).or(col("active_paying").gt(col("paying")))),
            });
        }
        if !self.usage.by().is_empty() {
            let part = |value: Expr| value.filter(col("is_total").not());
            let total = col("active").filter(col("is_total")).sum();
            out.push(Identity {
                name: "parts_cover_total",
                meaning: "no group has more than the total, and all of them together have it at least",
                broken: output
                    .clone()
                    .group_by(cols_of(&["grain", "unit", "period_start"]))
                    .agg([
                        part(col("active")).sum().alias("parts"),
                        part(col("active")).max().alias("largest"),
                        total.alias("total"),
                    ])
                    .filter(col("parts").lt(col("total")).or(col("largest").gt(col("total")))),
            });
        }
        Ok(out)
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        self.fates(inputs).map(Some)
    }

    fn headlines(&self) -> Vec<Headline> {
        let Some(grain) = self.grains.iter().max_by(|a, b| b.per_year().total_cmp(&a.per_year())) else {
            return Vec::new();
        };
        let of = |unit: Unit, label: String, column: &str, shown_as| Headline {
            label,
            column: column.to_owned(),
            only: vec![("grain".to_owned(), grain.name().to_owned()), ("unit".to_owned(), unit.name().to_owned())],
            shown_as,
        };
        let mut out = Vec::new();
        for unit in self.usage.units() {
            out.push(of(unit, format!("active {}s, {}", unit.name(), grain.name()), "active", ShownAs::Number));
        }
        if self.eligible.is_some() {
            out.push(of(
                Unit::Customer,
                format!("active rate of customers, {}", grain.name()),
                "active_rate",
                ShownAs::Percent,
            ));
        }
        if let Some(unit) = self.usage.units().first() {
            out.push(of(
                *unit,
                format!("stickiness of {}s, {}", unit.name(), grain.name()),
                "stickiness",
                ShownAs::Percent,
            ));
        }
        out
    }

    fn formulas(&self) -> Vec<Formula> {
        let mut out = vec![
            Formula::new("active", sum(["new", "returning", "resurrecting"])),
            Formula::new("mean_daily", of("active_days") / of("days")),
            Formula::new("stickiness", of("active_days") / (of("days") * of("active"))),
        ];
        if self.eligible.is_some() {
            out.push(
                Formula::new("active_rate", of("active_paying") / of("paying")).only("unit", &[Unit::Customer.name()]),
            );
        }
        out
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        let grain = self.grains.iter().find(|g| Some(g.name()) == row.text("grain"));
        let unit = self.usage.units().into_iter().find(|u| Some(u.name()) == row.text("unit"));
        let (Some(grain), Some(unit), Some(day)) = (grain, unit, row.date("period_start")) else {
            return Ok(Vec::new());
        };
        let periods = Periods::new(*grain, self.calendar);
        let period = periods.index_of(day);
        let total = row.is("is_total");
        let in_group = self.usage.by().iter().enumerate().filter(|_| !total);
        let of_row = in_group
            .map(|(i, d)| col(group(i)).eq(lit(row.text(d).unwrap_or_default().to_owned())))
            .fold(lit(true), Expr::and);
        let (name, ty) = match unit {
            Unit::User => ("user_id", self.ids[0]),
            Unit::Customer => ("customer_id", self.ids[1]),
        };
        let of_period = |rows: LazyFrame, period: i32| {
            rows.filter(col("period").eq(lit(period))).with_column(col("id").alias(name))
        };
        let rows = gaps(self.visits(inputs, unit, total, true)?.filter(of_row), periods);
        let any = |condition: Expr, alias: &str| number_of(condition).alias(alias);
        let active = of_period(rows.clone(), period).group_by([col(name)]).agg([
            any(enters(1), "active"),
            any(col("since").is_null(), "new"),
            any(col("since").eq(lit(1)), "returning"),
            any(col("since").gt(lit(1)), "resurrecting"),
            len().cast(DataType::Int64).alias("active_days"),
        ]);
        let dormant = of_period(rows, period - 1).filter(leaves(2)).select([col(name), int(1).alias("dormant")]);
        let shown = ["active_days", "new", "returning", "resurrecting"].map(|column| (column, ColumnType::Int));
        let shown: Vec<(&str, ColumnType)> = std::iter::once((name, ty)).chain(shown).collect();
        let mut behind = Behind::customers(format!("{}s active in the {}", unit.name(), grain.name()), active, &shown)
            .by("active_days");
        for column in ["active", "new", "returning", "resurrecting", "active_days"] {
            behind = behind.adds(column, column);
        }
        let gone = format!("{}s active in the {} before and not in this one", unit.name(), grain.name());
        Ok(vec![behind, Behind::customers(gone, dormant, &[(name, ty)]).adds("dormant", "dormant").brief()])
    }
}
