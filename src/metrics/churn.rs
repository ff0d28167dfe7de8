#![doc = include_str!("churn.md")]

use indexmap::IndexMap;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::{amount, bridge, count, kind_of_step};
use crate::expr::calendar::Grain;
use crate::expr::dims::{cols_of, int, sort_on, with_total};
use crate::expr::ratio::{annualised, ratio, reason, wilson};
use crate::expr::steps::ValueAt;
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, Term, of};
use crate::metrics::view::{LedgerView, MOVEMENTS};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};
use crate::spec::types::Name;

/// `type: churn`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger.
    pub from: String,
    /// Length of a period.
    #[serde(default)]
    pub grain: Grain,
    /// Dimensions of the ledger to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
    /// Instant of a period at which its value is taken.
    #[serde(default)]
    pub value_at: ValueAt,
    /// Break the churned customers down by reason. Needs `reason` in the ledger.
    #[serde(default)]
    pub reasons: Option<ReasonsSpec>,
    /// Whether reactivations reduce net revenue churn.
    #[serde(default)]
    pub reactivation_in_net: bool,
    /// What logo churn is a share of.
    #[serde(default)]
    pub logo_base: LogoBase,
    /// What becomes of customers that come and go within one period.
    #[serde(default)]
    pub same_period: SamePeriod,
}

/// What logo churn is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogoBase {
    /// The customers of the opening.
    #[default]
    Opening,
    /// These and the new ones of the period, as Stripe has it.
    OpeningAndNew,
}

/// What becomes of customers that come and go within one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamePeriod {
    /// They are in the ledger and in no rate.
    #[default]
    ExcludeFromRate,
    /// They count as churned, and with `opening_and_new` as new.
    Both,
}

/// Reasons of churn in two levels.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonsSpec {
    /// Kind (such as voluntary, involuntary, closure), then reason, then the values in the data that mean it.
    pub map: IndexMap<Name, IndexMap<Name, Vec<String>>>,
}

/// Resolved churn.
pub struct Churn {
    view: LedgerView,
    /// Value in the data, kind, reason.
    reasons: Option<Vec<(String, String, String)>>,
    reactivation_in_net: bool,
    logo_base: LogoBase,
    same_period: SamePeriod,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let view = LedgerView::resolve(cx, &spec.from, &spec.by, spec.grain, spec.value_at)?;
    let reasons = match &spec.reasons {
        None => None,
        Some(r) => {
            if !view.reasons {
                cx.error(
                    "reasons",
                    &format!("`reasons` needs a ledger with reasons, and `{}` has none", spec.from),
                    "name the column with `reason:` in the ledger",
                );
            }
            let mut flat: Vec<(String, String, String)> = Vec::new();
            for (kind, by_reason) in &r.map {
                for (name, values) in by_reason {
                    for (i, value) in values.iter().enumerate() {
                        if flat.iter().any(|(v, _, _)| v == value) {
                            cx.error(
                                &format!("reasons.map.{kind}.{name}.{i}"),
                                &format!("the value `{value}` is mapped twice"),
                                "keep it under one reason, so that reasons sum to the total",
                            );
                        }
                        flat.push((value.clone(), kind.to_string(), name.to_string()));
                    }
                }
            }
            Some(flat)
        }
    };
    if spec.same_period == SamePeriod::Both {
        if spec.reasons.is_some() {
            cx.error("same_period", "`same_period: both` cannot be broken down by reason", "remove `reasons`, or make two tables");
        }
        if spec.value_at == ValueAt::PeriodStart {
            cx.error("same_period", "`same_period: both` has no effect with `value_at: period_start`", "remove one: a period then begins and ends at one instant");
        }
    }
    Some(Box::new(Churn {
        view,
        reasons,
        reactivation_in_net: spec.reactivation_in_net,
        logo_base: spec.logo_base,
        same_period: spec.same_period,
    }))
}

/// Name of the step with the churned customers by reason.
const LEFT: &str = "left";

/// Kind and reason of a churn without a value, and of one whose value is not mapped.
const NOT_GIVEN: (&str, &str) = ("unknown", "not_given");
const UNMAPPED: (&str, &str) = ("unknown", "unmapped");

impl Churn {
    /// A value of the data as a kind (`level` 0) or reason (1).
    fn mapped(map: &[(String, String, String)], level: usize) -> Expr {
        let pick = |pair: (&'static str, &'static str)| lit(if level == 0 { pair.0 } else { pair.1 });
        let unmapped = when(col("reason").is_null()).then(pick(NOT_GIVEN)).otherwise(pick(UNMAPPED));
        map.iter().fold(unmapped, |rest, (value, kind, name)| {
            let to = if level == 0 { kind } else { name };
            when(col("reason").eq(lit(value.as_str()))).then(lit(to.as_str())).otherwise(rest)
        })
    }

    /// Churned customers and what is lost with them (negative), by currency, period and the reason in the data.
    fn left(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Ok(self
            .view
            .steps(inputs)?
            .filter(kind_of_step(&self.view.of()).eq(lit("churned")))
            .group_by(cols_of(&["currency", "period", "reason"]))
            .agg([(int(0) - col("before").sum()).alias("lost"), len().cast(DataType::Int64).alias("customers")]))
    }

    /// Rows per reason: churned customers and revenue over the same base as the grand total.
    fn by_reason(map: &[(String, String, String)], left: LazyFrame, total: &LazyFrame) -> LazyFrame {
        let churned = left
            .select([
                col("currency"),
                col("period"),
                Self::mapped(map, 0).alias("reason_kind"),
                Self::mapped(map, 1).alias("churn_reason"),
                col("lost"),
                col("customers"),
            ])
            .group_by(cols_of(&["currency", "period", "reason_kind", "churn_reason"]))
            .agg(cols_of(&["lost", "customers"]).into_iter().map(Expr::sum).collect::<Vec<_>>());
        let key = cols_of(&["currency", "period"]);
        let none = || lit(NULL).cast(DataType::Int64);
        total
            .clone()
            .join(churned, key.clone(), key, JoinArgs::new(JoinType::Inner))
            .with_columns([
                (col("customers").cast(DataType::Float64) / col(count("churned")).cast(DataType::Float64)).alias("share_of_churned"),
                col("customers").alias(count("churned")),
                col("lost").alias(amount("churned")),
                none().alias(amount("contraction")),
                none().alias(amount("expansion")),
                none().alias(amount("reactivation")),
            ])
            .with_column(lit("reason").alias("breakdown"))
    }

    /// Whether logo churn is more than the closed group of the opening.
    fn is_open(&self) -> bool {
        self.logo_base != LogoBase::Opening || self.same_period != SamePeriod::ExcludeFromRate
    }

    /// Customers that pay neither at the start nor at the end of a period, and did in between; with the dimensions of entry.
    fn visits(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let transfer = col("kind").eq(lit("transfer_in")).or(col("kind").eq(lit("transfer_out")));
        let in_order = || [col("effective_on"), col("sequence")];
        let at = |name: &str| col(name).sort_by(in_order(), SortMultipleOptions::default());
        let mut of_visit = vec![at("mrr_before").first().alias("before"), at("mrr_after").last().alias("after")];
        of_visit.extend(by.iter().map(|d| at(d).first().alias(d.as_str())));
        Ok(self
            .view
            .ledger(inputs)?
            .filter(transfer.not())
            .with_column(self.view.periods().index(col("effective_on")).alias("period"))
            .group_by(cols_of(&["customer_id", "currency", "period"]))
            .agg(of_visit)
            .filter(col("before").eq(int(0)).and(col("after").eq(int(0)))))
    }

    /// Adds `visitors`: customers that pay neither at the start nor at the end of a period, and did in between.
    fn with_visitors(&self, inputs: &Inputs, rows: LazyFrame) -> PolarsResult<LazyFrame> {
        if self.same_period == SamePeriod::ExcludeFromRate {
            return Ok(rows.with_column(int(0).alias("visitors")));
        }
        let by = self.view.by();
        let mut group = cols_of(&["currency", "period"]);
        group.extend(cols_of(by));
        let parts = self
            .visits(inputs)?
            .group_by(group)
            .agg([len().cast(DataType::Int64).alias("visitors")]);
        let visitors = with_total(&parts, &["currency", "period"], by, &["visitors"])?;
        let mut key = cols_of(&["currency", "period", "is_total"]);
        key.extend(cols_of(by));
        // The grand total has no value of the dimensions.
        let args = JoinArgs { nulls_equal: true, ..JoinArgs::new(JoinType::Left) };
        Ok(rows.join(visitors, key.clone(), key, args).with_column(col("visitors").fill_null(int(0))))
    }

    fn rates(&self, rows: LazyFrame) -> LazyFrame {
        let opening = || col("opening_customers");
        let base = || match self.logo_base {
            LogoBase::Opening => opening(),
            LogoBase::OpeningAndNew => opening() + col(count("new")) + col("visitors"),
        };
        let lost = || int(0) - col(amount("churned"));
        let gross = || lost() - col(amount("contraction"));
        let net = || {
            let net = gross() - col(amount("expansion"));
            if self.reactivation_in_net { net - col(amount("reactivation")) } else { net }
        };
        let churned = col(count("churned")) + col("visitors");
        let (low, high) = wilson(&churned, &base());
        // A share above 1 has no interval: visitors need not be in the base.
        let bounded = |bound: Expr| when((col(count("churned")) + col("visitors")).gt(base())).then(lit(NULL)).otherwise(bound);
        let by_reason = || col("breakdown").eq(lit("reason"));
        rows.with_columns([
            base().alias("logo_base_customers"),
            col(count("new")).alias("new_customers"),
            col("visitors").alias("same_period_customers"),
            ratio(churned.clone(), base()).alias("logo_churn_rate"),
            when(by_reason()).then(lit(NULL)).otherwise(ratio(base() - churned, base())).alias("logo_retention_rate"),
            bounded(low).alias("logo_churn_ci_low"),
            bounded(high).alias("logo_churn_ci_high"),
            ratio(lost(), col("opening_mrr")).alias("churned_revenue_rate"),
            gross().alias("gross_churn_mrr"),
            ratio(gross(), col("opening_mrr")).alias("gross_revenue_churn_rate"),
            net().alias("net_churn_mrr"),
            ratio(net(), col("opening_mrr")).alias("net_revenue_churn_rate"),
            reason([(opening().eq(int(0)), "no_opening_customers")]).alias("reason"),
        ])
        .with_column(annualised(col("logo_churn_rate"), self.view.periods().grain().per_year()).alias("logo_churn_rate_annualised"))
    }
}

impl Metric for Churn {
    fn output(&self) -> TableSchema {
        use ColumnType::{Float, Int, Money, String as Text};
        let mut schema = self.view.keys();
        if self.reasons.is_some() {
            schema.grain.extend(["breakdown", "reason_kind", "churn_reason"].map(str::to_owned));
        } else {
            schema.grain.push("breakdown".to_owned());
        }
        schema = schema.column("breakdown", Text, "", "total, dimension or reason: which base a row belongs to");
        if self.reasons.is_some() {
            schema = schema
                .nullable("reason_kind", Text, "", "first level of the reason; only in rows of the breakdown `reason`")
                .nullable("churn_reason", Text, "", "second level of the reason; `unmapped` and `not_given` are always kept apart")
                .nullable("share_of_churned", Float, "rate", "share of the churned customers that gave this reason");
        }
        schema = schema
            .column("opening_customers", Int, "customers", "n: paying customers at the start; denominator of the logo rates")
            .column("churned_customers", Int, "customers", "of these, the ones that do not pay at the end; numerator of logo churn");
        if self.is_open() {
            schema = schema
                .column("new_customers", Int, "customers", "customers that pay for the first time, and still do at the end")
                .column("same_period_customers", Int, "customers", "customers that came and went within the period; part of the numerator")
                .column("logo_base_customers", Int, "customers", "denominator of the logo rates in place of the opening");
        }
        schema
            .nullable("logo_churn_rate", Float, "rate", "churned over opening customers")
            .nullable("logo_churn_ci_low", Float, "rate", "lower end of the 95 % Wilson interval")
            .nullable("logo_churn_ci_high", Float, "rate", "upper end of the 95 % Wilson interval")
            .nullable("logo_churn_rate_annualised", Float, "rate", "the rate compounded over a year")
            .nullable("logo_retention_rate", Float, "rate", "1 minus logo churn")
            .column("opening_mrr", Money, "money per month", "recurring revenue at the start; denominator of the revenue rates")
            .column("churned_mrr", Money, "money per month", "lost with churned customers; negative")
            .nullable("contraction_mrr", Money, "money per month", "lost with customers that stayed; negative")
            .nullable("expansion_mrr", Money, "money per month", "gained from customers that stayed")
            .nullable("reactivation_mrr", Money, "money per month", "gained from customers that came back")
            .nullable("churned_revenue_rate", Float, "rate", "churned over opening MRR")
            .nullable("gross_churn_mrr", Money, "money per month", "churned plus contraction, positive; numerator of gross revenue churn")
            .nullable("gross_revenue_churn_rate", Float, "rate", "churned and contraction over opening MRR")
            .nullable("net_churn_mrr", Money, "money per month", "gross churn less expansion; numerator of net revenue churn; negative where expansion is larger")
            .nullable("net_revenue_churn_rate", Float, "rate", "net churn over opening MRR; negative is growth")
            .nullable("reason", Text, "", "why the rates are NULL: `no_opening_customers`")
    }

    fn steps(&self) -> Vec<&'static str> {
        if self.reasons.is_some() { vec![MOVEMENTS, LEFT] } else { vec![MOVEMENTS] }
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        if name == LEFT { self.left(inputs) } else { self.view.movements(inputs) }
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        Some(if name == LEFT { Pass::Reasons(self.view.from(), self.view.of()) } else { self.view.movements_pass() })
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        // Transfers happen at the start of a period: they belong to its base.
        let moved_in = col(amount("transfer_in")) + col(amount("transfer_out"));
        let moved_customers = col(count("transfer_in")) - col(count("transfer_out"));
        let rows = bridge(&self.view.movements(inputs)?, &self.view.of())?
            .with_columns([
                (col("opening_mrr") + moved_in).alias("opening_mrr"),
                (col("opening_customers") + moved_customers).alias("opening_customers"),
            ])
            .with_column(when(col("is_total")).then(lit("total")).otherwise(lit("dimension")).alias("breakdown"));
        let text = |name: &str| lit(NULL).cast(DataType::String).alias(name);
        let rows = match &self.reasons {
            None => rows,
            Some(map) => {
                let extra = [text("reason_kind"), text("churn_reason"), lit(NULL).cast(DataType::Float64).alias("share_of_churned")];
                let rows = rows.with_columns(extra);
                let total = rows.clone().filter(col("is_total")).drop(by_name(["reason_kind", "churn_reason", "share_of_churned"], true, false));
                let reasons = Self::by_reason(map, inputs.step(LEFT, || self.left(inputs))?, &total);
                let schema: Vec<Expr> = cols_of(&self.raw_columns());
                concat([rows.select(schema.clone()), reasons.select(schema)], UnionArgs::default())?
            }
        };
        let rows = self.with_visitors(inputs, rows)?;
        let rows = self.rates(rows).with_columns([
            self.view.periods().start(col("period")).alias("period_start"),
            col("period").lt_eq(lit(self.view.last_complete())).alias("is_complete"),
        ]);
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn identities(&self, _inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let mut out = self.view.parts_identity(&output.clone().filter(col("breakdown").neq(lit("reason"))), "churned_mrr")?;
        if self.reasons.is_some() {
            let side = |is: &str| when(col("breakdown").eq(lit(is.to_owned()))).then(col("churned_customers")).otherwise(int(0)).sum();
            out.push(Identity {
                name: "reasons_sum_to_total",
                meaning: "churned customers by reason sum to the grand total",
                broken: output
                    .clone()
                    .group_by(cols_of(&["period_start", "currency"]))
                    .agg([side("reason").alias("parts"), side("total").alias("total")])
                    .filter(col("parts").neq(col("total"))),
            });
        }
        Ok(out)
    }

    fn headlines(&self) -> Vec<Headline> {
        let only = vec![("breakdown".to_owned(), "total".to_owned())];
        [("logo churn", "logo_churn_rate"), ("gross revenue churn", "gross_revenue_churn_rate"), ("net revenue churn", "net_revenue_churn_rate")]
            .map(|(label, column)| Headline {
                label: format!("{label}, {}", self.view.periods().grain().name()),
                column: column.to_owned(),
                only: only.clone(),
                shown_as: ShownAs::Percent,
            })
            .to_vec()
    }

    fn formulas(&self) -> Vec<Formula> {
        let lost = || -of(amount("churned"));
        let gross = lost() - of(amount("contraction"));
        let net = of("gross_churn_mrr") - of(amount("expansion"));
        let net = if self.reactivation_in_net { net - of(amount("reactivation")) } else { net };
        let (churned, base) = if self.is_open() {
            (of(count("churned")) + of("same_period_customers"), of("logo_base_customers"))
        } else {
            (of(count("churned")), of("opening_customers"))
        };
        let end = |upper: bool| Term::Wilson { upper, of: Box::new([churned.clone(), base.clone()]) };
        let unbounded = "a share above 1 has no interval";
        let year = (Term::Number(1) - of("logo_churn_rate")).power(self.view.periods().grain().per_year());
        let mut out = vec![
            Formula::new("logo_churn_rate", churned.clone() / base.clone()),
            Formula::new("logo_churn_ci_low", end(false)).unless(unbounded),
            Formula::new("logo_churn_ci_high", end(true)).unless(unbounded),
            Formula::new("logo_churn_rate_annualised", Term::Number(1) - year),
            Formula::new("logo_retention_rate", (base.clone() - churned) / base)
                .unless("one reason alone retains nobody: NULL in rows of the breakdown `reason`"),
            Formula::new("churned_revenue_rate", lost() / of("opening_mrr")),
            Formula::new("gross_churn_mrr", gross),
            Formula::new("gross_revenue_churn_rate", of("gross_churn_mrr") / of("opening_mrr")),
            Formula::new("net_churn_mrr", net),
            Formula::new("net_revenue_churn_rate", of("net_churn_mrr") / of("opening_mrr")),
        ];
        if self.logo_base == LogoBase::OpeningAndNew {
            let base = of("opening_customers") + of("new_customers") + of("same_period_customers");
            out.push(Formula::new("logo_base_customers", base));
        } else if self.is_open() {
            out.push(Formula::new("logo_base_customers", of("opening_customers")));
        }
        out
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        use ColumnType::{Money, String as Text};
        let Some(period) = self.view.period_of(row) else { return Ok(Vec::new()) };
        let moves = self.view.moves_of(inputs, row, period, period)?;
        let is = |kind: &str, value: &str| when(col("kind").eq(lit(kind.to_owned()))).then(col(value)).otherwise(int(0));
        let mut lost = moves.clone().filter(col("kind").eq(lit("churned")));
        if let (Some(map), Some("reason")) = (&self.reasons, row.text("breakdown")) {
            for (level, column) in [(0, "reason_kind"), (1, "churn_reason")] {
                lost = lost.filter(Self::mapped(map, level).eq(lit(row.text(column).unwrap_or_default().to_owned())));
            }
        }
        let mut shown = vec![("customer_id", Text), ("before", Money)];
        if self.view.reasons {
            shown.push(("reason", Text));
        }
        let lost = Behind::customers("customers lost in the period", lost, &shown)
            .adds(count("churned"), "one")
            .adds(amount("churned"), "amount")
            .by("before")
            .ledger(self.view.ledger_rows(period, period));
        let kinds = ["contraction", "expansion", "reactivation"];
        let others = moves
            .filter(kinds.map(|k| col("kind").eq(lit(k))).into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
            .with_columns(kinds.map(|k| is(k, "amount").alias(amount(k))));
        let shown = [("customer_id", Text), ("kind", Text), ("before", Money), ("after", Money), ("amount", Money)];
        let mut others = Behind::customers("customers that pay another amount", others, &shown).by("amount").brief();
        for kind in kinds {
            others = others.adds(amount(kind), amount(kind));
        }
        let rows_of_period = || self.view.ledger_rows(period, period);
        let mut out = vec![lost, others.ledger(rows_of_period())];
        if self.is_open() {
            let new = self.view.moves_of(inputs, row, period, period)?.filter(col("kind").eq(lit("new")));
            let new = Behind::customers("new customers of the period", new, &[("customer_id", Text), ("after", Money)]);
            out.push(new.adds("new_customers", "one").by("after").brief().ledger(rows_of_period()));
        }
        if self.same_period == SamePeriod::Both {
            let here = col("period").eq(lit(period)).and(self.view.of_row(row));
            let visits = self.visits(inputs)?.filter(here).with_column(int(1).alias("one"));
            let visits = Behind::customers("customers that came and went within the period", visits, &[("customer_id", Text)]);
            out.push(visits.adds("same_period_customers", "one").by("one").ledger(rows_of_period()));
        }
        out.push(self.view.paying(inputs, row, period, false)?);
        Ok(out)
    }
}

impl Churn {
    /// Columns that rows of every breakdown have before the rates are computed.
    fn raw_columns(&self) -> Vec<String> {
        let mut out: Vec<String> = vec!["currency".to_owned(), "period".to_owned()];
        out.extend(self.view.by().iter().cloned());
        out.extend(
            ["is_total", "breakdown", "reason_kind", "churn_reason", "share_of_churned", "opening_mrr", "opening_customers"].map(str::to_owned),
        );
        out.extend([amount("churned"), amount("contraction"), amount("expansion"), amount("reactivation"), count("churned"), count("new")]);
        out
    }
}
