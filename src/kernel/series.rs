//! Numbers the customers and currencies of a ledger, once: everything after works on the numbers.

use polars::prelude::*;
use rayon::prelude::*;

use super::book::{Codes, firsts, inverse, number};
use super::ids::{Id, Numbers, Words, numbers, texts};

/// Rows with `customer_id` and `currency`, and the steps made of them.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    /// Step with the rows.
    pub rows: &'static str,
    /// Step with what each number stands for: `customer_id`, `currency`, `series`, in this order.
    pub series: &'static str,
    /// Step with the rows, where `series` and `owner` take the place of customer and currency.
    pub numbered: &'static str,
    /// Whether there is an `owner`, the number of the customer alone.
    pub owners: bool,
}

impl Numbering {
    /// The frames of the steps `series` and `numbered`; `None` where a row has no customer or currency.
    pub(super) fn run(&self, rows: &DataFrame) -> PolarsResult<Option<(DataFrame, DataFrame)>> {
        let ids = rows.column("customer_id")?;
        if ids.null_count() > 0 || rows.column("currency")?.null_count() > 0 {
            return Ok(None);
        }
        let currencies = Codes::new(rows.column("currency")?.str()?);
        let numbered = if ids.dtype() == &DataType::String {
            let ids = ids.str()?;
            match Words::of(ids) {
                Some(words) => {
                    let own = ids.iter().flatten().filter_map(|id| words.word(id));
                    self.numbered(own, &currencies, |ids| words.column(ids.into_iter()))?
                }
                None => self.numbered(ids.iter().flatten(), &currencies, |ids| texts(ids.into_iter()))?,
            }
        } else {
            self.numbered(ids.i64()?.iter().flatten(), &currencies, |ids| numbers(ids.into_iter()))?
        };
        let (series, of_row) = numbered;
        let mut rows = rows.drop_many(["customer_id", "currency"]);
        let of_row = IdxCa::from_vec("series".into(), of_row);
        if self.owners {
            rows.with_column(series.column("owner")?.take(&of_row)?)?;
        }
        rows.with_column(of_row.into_column())?;
        Ok(Some((series, rows)))
    }

    /// `column` makes a column of ids.
    fn numbered<T: Id>(
        &self,
        ids: impl Iterator<Item = T>,
        currencies: &Codes,
        column: impl Fn(Vec<T>) -> Column,
    ) -> PolarsResult<(DataFrame, Vec<u32>)> {
        let mut known = Numbers::new();
        let customers: Vec<u32> = ids.map(|id| known.number(id)).collect();
        let order = known.order();
        let places = inverse(&order);
        // Place of the customer, and of the currency by the alphabet.
        let alphabet = currencies.places();
        let keys = customers.iter().zip(&currencies.of);
        let keys: Vec<u64> = keys
            .map(|(customer, code)| u64::from(places[*customer as usize]) << 32 | u64::from(alphabet[*code as usize]))
            .collect();
        let mut distinct = keys.clone();
        distinct.par_sort_unstable();
        distinct.dedup();
        // The series of a customer stand side by side.
        let first = firsts(distinct.iter().map(|key| number((key >> 32) as usize)), order.len());
        let of_row = keys.iter().map(|key| {
            let customer = (key >> 32) as usize;
            let own = &distinct[first[customer]..first[customer + 1]];
            number(first[customer] + own.iter().position(|known| known == key).unwrap_or(0))
        });
        let of_row = of_row.collect();
        let codes = inverse(&alphabet);
        let texts = distinct.iter().map(|key| currencies.text(codes[(key & 0xffff_ffff) as usize]));
        let currency: StringChunked = texts.collect();
        let id = |key: &u64| known.ids[order[(key >> 32) as usize] as usize];
        let mut columns = vec![
            column(distinct.iter().map(id).collect()),
            currency.with_name("currency".into()).into_column(),
            UInt32Chunked::from_iter_values("series".into(), 0..number(distinct.len())).into_column(),
        ];
        if self.owners {
            let owners = distinct.iter().map(|key| number((key >> 32) as usize) + 1);
            columns.push(UInt32Chunked::from_iter_values("owner".into(), owners).into_column());
        }
        Ok((DataFrame::new(distinct.len(), columns)?, of_row))
    }
}
