//! Active customers beside those that pay.

use polars::prelude::*;

use super::{ActiveUsers, Spec};
use crate::expr::bridge::on_grid;
use crate::expr::calendar::Periods;
use crate::expr::dims::{cols_of, int};
use crate::expr::steps::paid_spans;
use crate::expr::visits::{enters, gaps};
use crate::kernel::{Pass, Paying};
use crate::metrics::usage::Unit;
use crate::metrics::{Inputs, LedgerShape, Metric};
use crate::plan::resolver::Resolver;

/// The step with the times when customers paid.
const PAID: &str = "paid";

/// The step with the customers that ids belong to.
const OWNERS: &str = "owners";

/// The step with the active customers that pay, all together or by group.
fn step_name(total: bool) -> &'static str {
    if total { "active and paying" } else { "active and paying by group" }
}

/// The ledger of the customers that could be active.
pub(super) struct Eligible {
    ledger: String,
    shape: LedgerShape,
}

impl Eligible {
    /// Checks that the ledger calls customers as the events do.
    pub(super) fn resolve(cx: &mut Resolver<'_>, spec: &Spec, name: &str) -> Option<Self> {
        let shape = cx.ledger("eligible.ledger", name)?;
        let Some(customer) = &spec.customer else {
            cx.error("eligible", "`eligible` has no effect without `customer`", "name the column of the customer");
            return None;
        };
        let own = cx.source("from", &spec.from)?.type_of(customer)?;
        if own != shape.customer_type {
            let title =
                format!("customers are {own} in `{}` and {} in the ledger `{name}`", spec.from, shape.customer_type);
            cx.error("eligible.ledger", &title, "declare both columns with the same type");
            return None;
        }
        if shape.definition.merges() {
            // The ids that were merged are found in the sources of the ledger.
            cx.also_reads(&shape.reads);
        }
        Some(Self { ledger: name.to_owned(), shape })
    }

    /// Adds `paying` and `active_paying` to the periods of a table; both are NULL for users.
    pub(super) fn beside(
        &self,
        of: &ActiveUsers,
        inputs: &Inputs,
        rows: LazyFrame,
        periods: Periods,
    ) -> PolarsResult<LazyFrame> {
        let spans = self.spans(of, inputs)?;
        let mut at = of.cell();
        at.push("period".to_owned());
        let names = ["active_paying".to_owned()];
        let mut levels = Vec::new();
        for total in Self::levels(of) {
            let of_grain = self
                .active_paying(of, inputs, total)?
                .filter(col("grain").eq(lit(periods.grain().name())))
                .drop(by_name(["grain"], true, false));
            levels.push(of.labelled(of_grain, Unit::Customer, total, &names));
        }
        let both = ["currency", "period"];
        let mut left = JoinArgs::new(JoinType::Left);
        left.nulls_equal = true;
        let is_customer = || col("currency").eq(lit(Unit::Customer.name()));
        let of_customers =
            |name: &str| when(is_customer()).then(col(name).fill_null(int(0))).otherwise(lit(NULL)).alias(name);
        Ok(rows
            .join(Self::paying(of, &spans, periods)?, cols_of(&both), cols_of(&both), left.clone())
            .join(concat(levels, UnionArgs::default())?, cols_of(&at), cols_of(&at), left)
            .with_columns([of_customers("paying"), of_customers("active_paying")]))
    }

    /// When each customer paid.
    fn spans(&self, of: &ActiveUsers, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(PAID, || paid_spans(inputs.get(&self.ledger)?, of.usage.as_of()))
    }

    /// Whether it is about all groups together, for each level of customers.
    fn levels(of: &ActiveUsers) -> impl Iterator<Item = bool> {
        of.levels().into_iter().filter(|(unit, _)| *unit == Unit::Customer).map(|(_, total)| total)
    }

    /// Customers that pay at the end of each period.
    fn paying(of: &ActiveUsers, spans: &LazyFrame, periods: Periods) -> PolarsResult<LazyFrame> {
        let change = |column: &str, by: i64| {
            let known = spans.clone().filter(col(column).is_not_null());
            known.select([periods.index(col(column)).alias("period"), int(by).alias("paying")])
        };
        let changes = concat([change("from", 1), change("until", -1)], UnionArgs::default())?
            .group_by([col("period")])
            .agg([col("paying").sum()])
            .with_columns([lit(Unit::Customer.name()).alias("currency"), lit(true).alias("is_total")]);
        Ok(on_grid(&changes, &[], periods.index_of(of.usage.as_of()), &["paying"])?.select([
            col("currency"),
            col("period"),
            col("paying").cum_sum(false),
        ]))
    }

    /// Customers that were active in each period and pay at its end: `grain`, the groups, `period`, `active_paying`.
    fn active_paying(&self, of: &ActiveUsers, inputs: &Inputs, total: bool) -> PolarsResult<LazyFrame> {
        inputs.step(step_name(total), || {
            let spans = self.spans(of, inputs)?;
            let mut keys = of.groups(total);
            keys.push("period".to_owned());
            let mut who = cols_of(&keys);
            who.push(col("id").alias("customer_id"));
            let visits = of.visits(inputs, Unit::Customer, total, true)?.cache();
            let mut grains = Vec::new();
            for periods in of.periods() {
                let active = gaps(visits.clone(), periods).filter(enters(1)).select(who.clone());
                let last = of.last_day(periods, col("period"));
                let id = [col("customer_id")];
                let pays = col("from").lt_eq(last.clone()).and(col("until").is_null().or(col("until").gt(last)));
                let mut columns = vec![lit(periods.grain().name()).alias("grain")];
                columns.extend(cols_of(&keys));
                columns.push(col("active_paying"));
                let rows = self
                    .owned(inputs, active, &keys)?
                    .join(spans.clone(), id.clone(), id, JoinArgs::new(JoinType::Inner))
                    .filter(pays)
                    .group_by(cols_of(&keys))
                    .agg([len().cast(DataType::Int64).alias("active_paying")])
                    .select(columns);
                grains.push(rows);
            }
            concat(grains, UnionArgs::default())
        })
    }

    /// Rows of `keys` and `customer_id` with merged customers as the ledger calls them, once each.
    fn owned(&self, inputs: &Inputs, active: LazyFrame, keys: &[String]) -> PolarsResult<LazyFrame> {
        if !self.shape.definition.merges() {
            return Ok(active);
        }
        let owners = self.owners(inputs)?;
        let owner = when(col("owner").is_null()).then(col("customer_id")).otherwise(col("owner"));
        let mut named = cols_of(keys);
        named.push(owner.alias("customer_id"));
        Ok(active
            .join(owners, [col("customer_id")], [col("source_id")], JoinArgs::new(JoinType::Left))
            .select(named)
            .unique(None, UniqueKeepStrategy::Any))
    }

    /// The customer of the ledger that each id belongs to: `source_id` and `owner`.
    fn owners(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(OWNERS, || match self.shape.definition.source_ids(inputs)? {
            Some(ids) => Ok(ids.select([col("source_id"), col("customer_id").alias("owner")])),
            None => Err(polars_err!(InvalidOperation: "the ledger `{}` merges no customers", self.ledger)),
        })
    }

    /// Steps of the table that it needs.
    pub(super) fn steps(&self, of: &ActiveUsers) -> Vec<&'static str> {
        let mut out = if self.shape.definition.merges() { vec![PAID, OWNERS] } else { vec![PAID] };
        out.extend(Self::levels(of).map(step_name));
        out
    }

    /// One of them.
    pub(super) fn step(&self, name: &str, of: &ActiveUsers, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        match (name, Self::levels(of).find(|total| step_name(*total) == name)) {
            (_, Some(total)) => self.active_paying(of, inputs, total),
            (PAID, _) => self.spans(of, inputs),
            (OWNERS, _) => self.owners(inputs),
            _ => Err(polars_err!(InvalidOperation: "no step `{name}`")),
        }
    }

    /// One of them as a pass.
    pub(super) fn pass<'a>(&self, name: &str, of: &'a ActiveUsers) -> Option<Pass<'a>> {
        let total = Self::levels(of).find(|total| step_name(*total) == name)?;
        let owners = self.shape.definition.merges().then_some(OWNERS);
        Some(Pass::ActivePaying(of.usage.uses(!total), of.periods(), Paying { spans: PAID, owners }))
    }
}
