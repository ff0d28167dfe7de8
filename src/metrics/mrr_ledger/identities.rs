//! What must hold between the inputs of a ledger and its rows.

use polars::prelude::*;

use super::changes::Book;
use super::{Amounts, MrrLedger};
use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::expr::money::MAX_EXACT;
use crate::expr::steps::{DAILY, daily};
use crate::kernel::Chain;
use crate::metrics::{Identity, Inputs};

const TOTAL_FITS: &str = "total_fits";
const CHANGES_CHAIN: &str = "changes_chain";
const NEVER_NEGATIVE: &str = "never_negative";
const PARTS_ARE_THE_CHANGE: &str = "parts_are_the_change";

impl MrrLedger {
    /// The identities of the written rows alone, which one walk over them proves.
    pub(super) fn chained(&self) -> Chain {
        let proves = vec![TOTAL_FITS, CHANGES_CHAIN, NEVER_NEGATIVE];
        let parts = self.lines.iter().map(|_| PARTS_ARE_THE_CHANGE);
        Chain { parts: self.part_columns(), proves: proves.into_iter().chain(parts).collect() }
    }

    /// What must hold between the inputs and the written ledger.
    pub(super) fn all_identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let items = inputs.step("items", || self.items(inputs))?;
        let book = self.book(inputs)?;
        let same_series = || {
            let same = |name: &str| col(name).eq(col(name).shift(lit(1)));
            same("customer_id").and(same("currency"))
        };
        let chained = when(same_series()).then(col("mrr_after").shift(lit(1))).otherwise(int(0));
        let mut identities = self.snapshot_identities(inputs)?;
        // Causes before consequences: the first that fails is the first that is told.
        for (name, meaning, broken) in [
            ("rates_are_known", "every amount has an exchange rate for its currency and day", self.missing_rates(&book)),
            ("rates_are_single", "a currency has one rate a day", self.ambiguous_rates(inputs)?),
            (
                "discounts_are_known",
                "every discount has a start, a known duration, an end where it ends, a per cent from 0 to 100, and at most three per cents run at once",
                self.odd_discounts(&items, inputs)?,
            ),
            ("pauses_are_apart", "pauses of one subscription have a start and do not overlap", self.overlapping_pauses(inputs)?),
            ("merges_end", "no chain of merged customers is a circle", self.circular_ids(inputs)?),
        ] {
            identities.extend(broken.map(|broken| Identity { name, meaning, broken }));
        }
        identities.extend([
            Identity {
                name: "amounts_are_known",
                meaning: "every interval has a price, a quantity, a known billing interval and a known currency",
                broken: items.clone().filter(col("list").is_null().and(col("recurs"))),
            },
            Identity {
                name: "amounts_fit",
                meaning: "price times quantity fits 64 bits",
                broken: items.clone().filter(col("fits").not()),
            },
            Identity {
                name: "intervals_are_placed",
                meaning: "every interval has a customer and a start",
                broken: items.clone().filter(col("starts").is_null().or(col("customer_id").is_null())),
            },
            Identity {
                name: TOTAL_FITS,
                meaning: "the sum of all changes fits 64 bits",
                broken: output
                    .clone()
                    .select([col("mrr_delta").cast(DataType::Float64).abs().sum().alias("sum")])
                    .filter(col("sum").gt_eq(lit(MAX_EXACT))),
            },
            Identity {
                name: CHANGES_CHAIN,
                meaning: "before + delta = after in every row, and after of one row is before of the next",
                broken: output
                    .clone()
                    .with_column(chained.alias("mrr_chained"))
                    .filter(col("mrr_before").neq(col("mrr_chained")).or((col("mrr_before") + col("mrr_delta")).neq(col("mrr_after")))),
            },
            Identity {
                name: NEVER_NEGATIVE,
                meaning: "no customer's recurring revenue is below zero",
                broken: output.clone().filter(col("mrr_after").lt(int(0))),
            },
            Identity {
                name: "closing_is_running",
                meaning: "the sum of all changes is the amount of the intervals that run at as_of",
                broken: self.closing_is_running(inputs, &book, output)?,
            },
        ]);
        if self.lines.is_some() {
            let parts = self.part_columns().iter().map(|p| col(p.as_str())).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
            let apart = col("kind").eq(lit("expansion")).or(col("kind").eq(lit("contraction")));
            identities.push(Identity {
                name: PARTS_ARE_THE_CHANGE,
                meaning: "the parts of every expansion and contraction sum to it, and other changes have none",
                broken: output.clone().filter(parts.neq(when(apart).then(col("mrr_delta")).otherwise(int(0)))),
            });
        }
        Ok(identities)
    }

    /// Snapshots that end before `as_of` would make everybody churn.
    fn snapshot_identities(&self, inputs: &Inputs) -> PolarsResult<Vec<Identity>> {
        let Amounts::Snapshots { month, .. } = &self.amounts else { return Ok(Vec::new()) };
        let last = inputs.get(&self.from)?.select([col(month.as_str()).max().alias("last_snapshot")]);
        Ok(vec![Identity {
            name: "snapshots_reach_as_of",
            meaning: "the last snapshot is of the month of as_of; else every customer would look churned",
            broken: last.filter(col("last_snapshot").dt().month_start().lt(date_lit(self.known_until.first_of_month()))),
        }])
    }

    /// Currencies, or with windows customers, whose changes do not sum to what runs at `as_of`.
    fn closing_is_running(&self, inputs: &Inputs, book: &Book, output: &LazyFrame) -> PolarsResult<LazyFrame> {
        let components = inputs.step("components", || self.make_step("components", inputs))?;
        let amount = self.amounts().iter().map(|a| col(*a)).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let by_series = [col("series")];
        let open = |rows: LazyFrame| rows.filter(col("ends").eq(self.horizon()));
        // Within a window an end is not an end yet, so only customers that still pay can be compared.
        let windows = self.windows.win_back > 0;
        let key = if windows { vec!["customer_id", "currency"] } else { vec!["currency"] };
        let running = match &self.fx {
            None => open(components).group_by(cols_of(&key)).agg([amount.sum().alias("mrr")]),
            Some(fx) => {
                // Amounts are converted per customer and currency, as in the ledger.
                let native = open(book.numbered.clone())
                    .group_by(by_series.clone())
                    .agg([amount.sum().alias("mrr")])
                    .join(book.series.clone(), by_series.clone(), by_series, JoinArgs::new(JoinType::Inner));
                self.reported_at_as_of(fx, native, book).group_by(cols_of(&key)).agg([col("mrr").sum()])
            }
        };
        let changes = if windows { output.clone() } else { inputs.step(DAILY, || Ok(daily(output.clone())))? };
        let closing = changes.group_by(cols_of(&key)).agg([col("mrr_delta").sum()]);
        let mut full = JoinArgs::new(JoinType::Full);
        full.coalesce = JoinCoalesce::CoalesceColumns;
        let differs = col("mrr_delta").fill_null(int(0)).neq(col("mrr").fill_null(int(0)));
        let differs = if windows { differs.and(col("mrr").gt(int(0))) } else { differs };
        Ok(closing.join(running, cols_of(&key), cols_of(&key), full).filter(differs))
    }

    /// Merged ids whose chain does not end.
    fn circular_ids(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let (Some(i), Some(resolved)) = (&self.identities, self.resolved_ids(inputs)?) else { return Ok(None) };
        let merged = inputs.get(&i.from)?.select([col(i.id.as_str()).alias("merged_id")]);
        Ok(Some(resolved.join(merged, [col("mapped_to")], [col("merged_id")], JoinArgs::new(JoinType::Semi))))
    }
}
