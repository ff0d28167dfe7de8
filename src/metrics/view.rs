//! A ledger as a metric looks at it: periods, dimensions, and the columns and identities they share.

use jiff::civil;
use polars::prelude::*;

use crate::expr::bridge::movements;
use crate::expr::calendar::{Grain, Periods};
use crate::expr::dims::{cols_of, int};
use crate::expr::steps::{StepsOf, ValueAt};
use crate::kernel::Pass;
use crate::metrics::{Identity, Inputs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// Name of the step with the movements of a view.
pub const MOVEMENTS: &str = "movements";

/// At which exchange rates revenue is compared over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FxRates {
    /// The rates of one day for all of history, so that rates move nothing.
    Constant,
    /// The rates of the time.
    Actual,
}

/// A ledger seen by period and dimension.
#[allow(clippy::struct_excessive_bools, reason = "each is a property of the ledger")]
pub struct LedgerView {
    from: String,
    by: Vec<String>,
    periods: Periods,
    value_at: ValueAt,
    as_of: civil::Date,
    transfers: bool,
    value: &'static str,
    fx: bool,
    pauses: bool,
    /// Whether the ledger's churn rows carry a reason.
    pub reasons: bool,
}

impl LedgerView {
    /// Checks that `from` is a ledger and that it has the dimensions `by`.
    pub fn resolve(cx: &mut Resolver<'_>, from: &str, by: &[String], grain: Grain, value_at: ValueAt) -> Option<Self> {
        let shape = cx.ledger("from", from)?;
        let by = cx.dimensions("by", &shape, by)?;
        Some(Self {
            from: from.to_owned(),
            by,
            periods: Periods::new(grain, cx.context().calendar),
            value_at,
            as_of: cx.context().as_of,
            transfers: shape.transfers,
            value: "mrr_after",
            fx: shape.fx,
            pauses: shape.pauses,
            reasons: shape.reasons,
        })
    }

    /// The same view at constant exchange rates, where the ledger has them and `fx` does not ask for the actual ones.
    #[must_use]
    pub fn at_rates(mut self, cx: &mut Resolver<'_>, fx: Option<FxRates>) -> Self {
        if fx.is_some() && !self.fx {
            cx.error(
                "fx",
                &format!("`fx` has no effect: `{}` has no exchange rates", self.from),
                "remove it, or give the ledger rates with `fx:`",
            );
        }
        if self.fx && fx != Some(FxRates::Actual) {
            (self.value, self.fx) = ("constant_after", false);
        }
        self
    }

    /// Whether the ledger's amounts are all in the reporting currency.
    pub fn has_rates(&self) -> bool {
        self.fx
    }

    /// Column of the balance in the ledger.
    pub fn value(&self) -> &'static str {
        self.value
    }

    /// Name of the ledger.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Instant of a period at which its value is taken.
    pub fn value_at(&self) -> ValueAt {
        self.value_at
    }

    /// The periods.
    pub fn periods(&self) -> Periods {
        self.periods
    }

    /// The dimensions.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Whether dimensions change over time.
    pub fn transfers(&self) -> bool {
        self.transfers && !self.by.is_empty()
    }

    /// Last day the results cover.
    pub fn as_of(&self) -> civil::Date {
        self.as_of
    }

    /// Index of the period that contains `as_of`.
    pub fn last(&self) -> i32 {
        self.periods.index_of(self.as_of)
    }

    /// Index of the last period that is over at `as_of`.
    pub fn last_complete(&self) -> i32 {
        self.periods.last_complete(self.as_of)
    }

    /// Periods in a year where that is a whole number, else `None`.
    pub fn periods_per_year(&self) -> Option<i64> {
        match self.periods.grain() {
            Grain::Month => Some(12),
            Grain::Quarter => Some(4),
            Grain::Year => Some(1),
            Grain::Day | Grain::Week => None,
        }
    }

    /// How the ledger becomes steps.
    pub fn of(&self) -> StepsOf<'_> {
        StepsOf {
            periods: self.periods,
            value_at: self.value_at,
            last: self.last(),
            by: &self.by,
            transfers: self.transfers(),
            value: self.value,
            fx: self.fx,
            pauses: self.pauses,
        }
    }

    /// The ledger itself.
    ///
    /// # Errors
    /// When the plan does not provide it, which is a bug.
    pub fn ledger(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.get(&self.from)
    }

    /// The ledger as steps over the periods.
    ///
    /// # Errors
    /// When the plan does not provide it, which is a bug.
    pub fn steps(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Ok(self.of().of(self.ledger(inputs)?))
    }

    /// The movements of the bridge: the step [`MOVEMENTS`].
    ///
    /// # Errors
    /// When the plan does not provide the ledger, which is a bug.
    pub fn movements(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(MOVEMENTS, || movements(&self.steps(inputs)?, &self.of()))
    }

    /// The step [`MOVEMENTS`] as a pass.
    pub fn movements_pass(&self) -> Pass<'_> {
        Pass::Movements(&self.from, self.of())
    }

    /// `currency` and the dimensions.
    pub fn group(&self) -> Vec<Expr> {
        let mut out = vec![col("currency")];
        out.extend(cols_of(&self.by));
        out
    }

    /// The columns that identify a row of a periodic table, and `is_complete`.
    pub fn keys(&self) -> TableSchema {
        let mut grain = vec!["period_start".to_owned(), "currency".to_owned(), "is_total".to_owned()];
        grain.extend(self.by.iter().cloned());
        let mut schema = TableSchema::with_grain(grain)
            .column("period_start", ColumnType::Date, "", format!("first day of the {}", self.periods.grain().name()))
            .column("currency", ColumnType::Currency, "", "currency of the amounts");
        for d in &self.by {
            schema =
                schema.nullable(d.as_str(), ColumnType::String, "", "value of the dimension; NULL in the grand total");
        }
        schema
            .column("is_total", ColumnType::Bool, "", "true in the grand total over all values of the dimensions")
            .column("is_complete", ColumnType::Bool, "", "whether the period was over at as_of")
    }

    /// The opening of a period is the closing of the one before.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn chain_identities(&self, output: &LazyFrame, opening: &str, closing: &str) -> PolarsResult<Vec<Identity>> {
        let mut group = self.group();
        group.push(col("is_total"));
        let before = col(closing).shift(lit(1)).over(group)?.fill_null(int(0));
        Ok(vec![Identity {
            name: "periods_chain",
            meaning: "the opening of a period is the closing of the one before",
            broken: output.clone().with_column(before.alias("expected")).filter(col(opening).neq(col("expected"))),
        }])
    }

    /// The parts of every period sum to its grand total.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn parts_identity(&self, output: &LazyFrame, column: &str) -> PolarsResult<Vec<Identity>> {
        if self.by.is_empty() {
            return Ok(Vec::new());
        }
        let side = |total: bool| when(col("is_total").eq(lit(total))).then(col(column)).otherwise(int(0)).sum();
        Ok(vec![Identity {
            name: "parts_sum_to_total",
            meaning: "the rows per dimension value sum to the grand total",
            broken: output
                .clone()
                .group_by(cols_of(&["period_start", "currency"]))
                .agg([side(false).alias("parts"), side(true).alias("total")])
                .filter(col("parts").neq(col("total"))),
        }])
    }

    /// The last closing per currency is the sum of the ledger's changes up to then.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn closing_identity(&self, inputs: &Inputs, output: &LazyFrame, closing: &str) -> PolarsResult<Vec<Identity>> {
        let index = match self.value_at {
            ValueAt::PeriodEnd => self.periods.index(col("effective_on")),
            ValueAt::PeriodStart => self.periods.index_on_or_after(col("effective_on")),
        };
        let last = output
            .clone()
            .filter(col("is_total"))
            .group_by([col("currency")])
            .agg([
                col("period_start").max().alias("last_start"),
                col(closing).sort_by([col("period_start")], SortMultipleOptions::default()).last().alias("closing"),
            ])
            .with_column(self.periods.index(col("last_start")).alias("last"));
        let key = [col("currency")];
        let sums = inputs
            .daily(&self.from)?
            .with_column(index.alias("period"))
            .join(last.clone(), key.clone(), key.clone(), JoinArgs::new(JoinType::Inner))
            .filter(col("period").lt_eq(col("last")))
            .group_by([col("currency")])
            .agg([col("mrr_delta").sum().alias("expected")]);
        Ok(vec![Identity {
            name: "closing_is_ledger",
            meaning: "the last closing is the sum of the ledger's changes up to then",
            broken: last
                .join(sums, key.clone(), key, JoinArgs::new(JoinType::Left))
                .filter(col("closing").neq(col("expected").fill_null(int(0)))),
        }])
    }
}
