//! When the customers of a tally paid.

use std::ops::Range;

use polars::prelude::*;

use crate::kernel::tally::{Coder, Values};

/// When customers paid, as a ledger has it.
pub(in crate::kernel) struct Paid {
    /// By customer of the tally the one of the ledger; several may have been merged into one.
    owners: Vec<u32>,
    /// By customer of the ledger its spans.
    of: Vec<Range<usize>>,
    /// First day, and the day after the last.
    spans: Vec<(i32, i32)>,
}

impl Paid {
    /// `customers` are the values of the tally, `spans` the rows of [`paid_spans`](crate::expr::steps::paid_spans),
    /// and `owners` says to which customer an id belongs: `source_id` and `owner`.
    pub(super) fn new(customers: &Column, spans: &DataFrame, owners: Option<&DataFrame>) -> PolarsResult<Self> {
        let named = match owners {
            None => customers.clone(),
            Some(owners) => owned(customers, owners)?,
        };
        let mut coder = Coder::new(named.dtype());
        let owners = coder.codes(&Values::new(&named)?);
        let payers = coder.codes(&Values::new(spans.column("customer_id")?)?);
        let mut of: Vec<Range<usize>> = vec![0..0; coder.len() + 1];
        // The spans of a customer stand together.
        for (at, payer) in payers.iter().enumerate() {
            let spans = &mut of[*payer as usize];
            let first = if spans.end == 0 { at } else { spans.start };
            *spans = first..at + 1;
        }
        let days = |name: &str| Ok::<_, PolarsError>(spans.column(name)?.date()?.physical().clone());
        let (from, until) = (days("from")?, days("until")?);
        let spans = from.iter().zip(until.iter());
        let spans = spans.map(|(from, until)| (from.unwrap_or(i32::MIN), until.unwrap_or(i32::MAX))).collect();
        Ok(Self { owners, of, spans })
    }

    /// By customer of the tally the one of the ledger.
    pub(super) fn owners(&self) -> &[u32] {
        &self.owners
    }

    /// Whether a customer of the ledger pays on a day.
    pub(super) fn pays(&self, owner: u32, on: i32) -> bool {
        self.spans[self.of[owner as usize].clone()].iter().any(|(from, until)| (*from..*until).contains(&on))
    }
}

/// The customers that ids belong to; the ids themselves where no other is known.
fn owned(ids: &Column, owners: &DataFrame) -> PolarsResult<Column> {
    let ids = ids.clone().with_name("id".into());
    let owner = when(col("owner").is_null()).then(col("id")).otherwise(col("owner"));
    let mut args = JoinArgs::new(JoinType::Left);
    args.maintain_order = MaintainOrderJoin::Left;
    let named = DataFrame::new(ids.len(), vec![ids])?
        .lazy()
        .join(owners.clone().lazy(), [col("id")], [col("source_id")], args)
        .select([owner.alias("id")])
        .collect()?;
    named.column("id").cloned()
}
