#![doc = include_str!("mrr_movements.md")]

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::{GAINED, KINDS, LOST, amount, bridge, bridge_of_events, count, events};
use crate::expr::calendar::Grain;
use crate::expr::dims::{cols_of, int, sort_on};
use crate::expr::money::div_half_even;
use crate::expr::ratio::{ratio, reason};
use crate::expr::steps::ValueAt;
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, Term, of, sum};
use crate::metrics::view::{LedgerView, MOVEMENTS};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: mrr_movements`
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
    /// Whether a customer counts once per period by its net change, or with every single change.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// Whether the quick ratio counts reactivations as gains.
    #[serde(default)]
    pub quick_ratio_with_reactivation: bool,
    /// Leave out the running period.
    #[serde(default)]
    pub drop_incomplete: bool,
}

/// What is counted in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The net change of each customer from the end of one period to the end of the next.
    #[default]
    Snapshot,
    /// Every change in the ledger.
    Events,
}

/// Resolved movements.
pub struct MrrMovements {
    view: LedgerView,
    basis: Basis,
    with_reactivation: bool,
    drop_incomplete: bool,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let view = LedgerView::resolve(cx, &spec.from, &spec.by, spec.grain, spec.value_at)?;
    Some(Box::new(MrrMovements {
        view,
        basis: spec.basis.unwrap_or_default(),
        with_reactivation: spec.quick_ratio_with_reactivation,
        drop_incomplete: spec.drop_incomplete,
    }))
}

impl Metric for MrrMovements {
    fn output(&self) -> TableSchema {
        use ColumnType::{Float, Int, Money, String as Text};
        let mut schema = self.view.keys();
        schema = schema.column("opening_mrr", Money, "money per month", "recurring revenue at the end of the previous period");
        for kind in KINDS {
            schema = schema.column(amount(kind), Money, "money per month", format!("change by customers of kind `{kind}`; losses are negative"));
        }
        schema = schema
            .column("net_new_mrr", Money, "money per month", "sum of the movements")
            .column("closing_mrr", Money, "money per month", "opening plus movements")
            .column("closing_arr", Money, "money per year", "twelve times the closing MRR")
            .column("opening_customers", Int, "customers", "paying customers at the end of the previous period");
        for kind in KINDS {
            schema = schema.column(count(kind), Int, "customers", format!("customers of kind `{kind}`; with `basis: events` their changes"));
        }
        schema
            .column("net_new_customers", Int, "customers", "gained minus lost")
            .column("closing_customers", Int, "customers", "paying customers at the end of the period")
            .nullable("arpa", Money, "money per month", "closing MRR per paying customer, rounded half-even; NULL without customers")
            .nullable("mrr_growth_rate", Float, "rate", "net new MRR over opening MRR; NULL where opening is zero")
            .nullable("mrr_growth_rate_yoy", Float, "rate", "closing MRR over that of the same period a year before, minus 1; NULL in the first year")
            .column("quick_ratio_numerator", Money, "money per month", "gains of the quick ratio")
            .column("quick_ratio_denominator", Money, "money per month", "losses of the quick ratio, positive")
            .nullable("quick_ratio", Float, "ratio", "gains over losses; NULL where nothing was lost")
            .nullable("quick_ratio_reason", Text, "", "why the quick ratio is NULL: `no_losses`")
    }

    fn steps(&self) -> Vec<&'static str> {
        if self.basis == Basis::Snapshot { vec![MOVEMENTS] } else { Vec::new() }
    }

    fn step(&self, _: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        self.view.movements(inputs)
    }

    fn pass(&self, _: &str) -> Option<Pass<'_>> {
        Some(self.view.movements_pass())
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let view = &self.view;
        let rows = match self.basis {
            Basis::Snapshot => bridge(&view.movements(inputs)?, &view.of())?,
            Basis::Events => bridge_of_events(view.ledger(inputs)?, &view.of())?,
        };
        let mut gains = vec![col(amount("new")), col(amount("expansion"))];
        if self.with_reactivation {
            gains.push(col(amount("reactivation")));
        }
        let gains = gains.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let losses = int(0) - col(amount("contraction")) - col(amount("churned"));
        let mut group = view.group();
        group.push(col("is_total"));
        let year = view.periods_per_year();
        let rows = rows.with_columns([
            view.periods().start(col("period")).alias("period_start"),
            col("period").lt_eq(lit(view.last_complete())).alias("is_complete"),
            (col("closing_mrr") * int(12)).alias("closing_arr"),
            when(col("closing_customers").eq(int(0)))
                .then(lit(NULL))
                .otherwise(div_half_even(
                    col("closing_mrr"),
                    when(col("closing_customers").eq(int(0))).then(int(1)).otherwise(col("closing_customers")),
                ))
                .alias("arpa"),
            ratio(col("net_new_mrr"), col("opening_mrr")).alias("mrr_growth_rate"),
            match year {
                None => lit(NULL).cast(DataType::Float64),
                Some(n) => {
                    ratio(col("closing_mrr"), col("closing_mrr").shift(lit(n)).over(group)?) - lit(1.0)
                }
            }
            .alias("mrr_growth_rate_yoy"),
            gains.alias("quick_ratio_numerator"),
            losses.alias("quick_ratio_denominator"),
        ]);
        let no_losses = || col("quick_ratio_denominator").eq(int(0));
        let rows = rows.with_columns([
            ratio(col("quick_ratio_numerator"), col("quick_ratio_denominator")).alias("quick_ratio"),
            reason([(no_losses(), "no_losses")]).alias("quick_ratio_reason"),
        ]);
        let rows = if self.drop_incomplete { rows.filter(col("is_complete")) } else { rows };
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let moves = KINDS.iter().map(|k| col(amount(k))).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let mut out = vec![
            Identity {
                name: "bridge_closes",
                meaning: "opening + movements = closing in every row",
                broken: output.clone().filter((col("opening_mrr") + moves).neq(col("closing_mrr"))),
            },
            Identity {
                name: "arr_fits",
                meaning: "ARR is twelve times the closing MRR, which fits 64 bits",
                broken: output.clone().filter(col("closing_arr").floor_div(int(12)).neq(col("closing_mrr"))),
            },
        ];
        out.extend(self.view.chain_identities(output, "opening_mrr", "closing_mrr")?);
        out.extend(self.view.parts_identity(output, "closing_mrr")?);
        out.extend(self.view.closing_identity(inputs, output, "closing_mrr")?);
        Ok(out)
    }

    fn headlines(&self) -> Vec<Headline> {
        [
            ("MRR", "closing_mrr", ShownAs::Money),
            ("ARR", "closing_arr", ShownAs::Money),
            ("net new MRR", "net_new_mrr", ShownAs::Money),
            ("paying customers", "closing_customers", ShownAs::Number),
            ("quick ratio", "quick_ratio", ShownAs::Number),
        ]
        .map(|(label, column, shown_as)| Headline { label: label.to_owned(), column: column.to_owned(), only: Vec::new(), shown_as })
        .to_vec()
    }

    fn formulas(&self) -> Vec<Formula> {
        let mut gains = vec![amount("new"), amount("expansion")];
        if self.with_reactivation {
            gains.push(amount("reactivation"));
        }
        let mut out = vec![
            Formula::new("net_new_mrr", sum(KINDS.map(amount))),
            Formula::new("closing_mrr", of("opening_mrr") + sum(KINDS.map(amount))),
            Formula::new("closing_arr", of("closing_mrr") * Term::Number(12)),
            Formula::new(
                "net_new_customers",
                sum(GAINED.map(count)) - sum(LOST.map(count)),
            ),
            Formula::new("closing_customers", of("opening_customers") + of("net_new_customers")),
            Formula::new("arpa", of("closing_mrr") / of("closing_customers")),
            Formula::new("mrr_growth_rate", of("net_new_mrr") / of("opening_mrr")),
            Formula::new("quick_ratio_numerator", sum(gains)),
            Formula::new("quick_ratio_denominator", -of(amount("contraction")) - of(amount("churned"))),
            Formula::new("quick_ratio", of("quick_ratio_numerator") / of("quick_ratio_denominator")),
        ];
        if let Some(year) = self.view.periods_per_year().and_then(|n| u32::try_from(n).ok()) {
            let before = Term::Earlier("closing_mrr".to_owned(), year);
            out.push(Formula::new("mrr_growth_rate_yoy", of("closing_mrr") / before - Term::Number(1)));
        }
        out
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        use ColumnType::{Money, String as Text};
        let Some(period) = self.view.period_of(row) else { return Ok(Vec::new()) };
        let is = |kind: &str, value: &str| when(col("kind").eq(lit(kind.to_owned()))).then(col(value)).otherwise(int(0));
        let per_kind = |k: &str| [is(k, "amount").alias(amount(k)), is(k, "one").alias(count(k))];
        let rows = match self.basis {
            Basis::Snapshot => self.view.moves_of(inputs, row, period, period)?,
            Basis::Events => self.view.part_of(inputs, row, events(self.view.ledger(inputs)?, &self.view.of()), (period, period))?,
        };
        let rows = rows.with_columns(KINDS.iter().flat_map(|k| per_kind(k)).collect::<Vec<_>>());
        let shown = [("customer_id", Text), ("kind", Text), ("before", Money), ("after", Money), ("amount", Money)];
        let mut moved = Behind::customers("customers whose revenue moved in the period", rows, &shown).by("amount");
        for kind in KINDS {
            moved = moved.adds(amount(kind), amount(kind)).adds(count(kind), count(kind));
        }
        let moved = moved.ledger(self.view.ledger_rows(period, period));
        if self.basis == Basis::Events {
            // The balances of a group sum what happened in it, not what its customers pay.
            return Ok(vec![moved]);
        }
        // Transfers are movements here: the period opens with what the one before closed with.
        let opening = self.view.standing(inputs, row, period - 1)?.filter(col("closing").gt(int(0)));
        let opening = Behind::customers("customers that paid when the period opened", opening, &[("customer_id", Text), ("closing", Money)])
            .adds("opening_mrr", "closing")
            .adds("opening_customers", "closing_one")
            .by("closing")
            .brief()
            .ledger(self.view.ledger_until(self.view.last_day(period - 1)));
        Ok(vec![moved, opening, self.view.paying(inputs, row, period, true)?])
    }
}
