//! Some rows of a table as they are written: by the numbers of distinct values, where these are known anyway.

use std::ops::Range;

use polars::prelude::*;

use super::book::{Book, Codes, NAMES, number, same_as_before};
use super::sums::Known;
use crate::schema::{ColumnType, TableSchema};

/// A column of some rows.
pub enum Piece {
    /// Value by value.
    Values(Column),
    /// By the numbers of its values.
    Coded(Coded),
}

/// A column of few different texts, numbers or days.
pub struct Coded {
    /// The distinct values, each of which some row has; none is NULL.
    pub values: Column,
    /// By row the number of its value; NULL where that is NULL.
    pub codes: UInt32Chunked,
}

impl Piece {
    /// The column.
    ///
    /// # Errors
    /// When Polars refuses to build it, which is a bug.
    pub fn column(self) -> PolarsResult<Column> {
        match self {
            Self::Values(column) => Ok(column),
            Self::Coded(Coded { values, codes }) => values.take(&codes),
        }
    }
}

/// Numbers below `most` that are met, and by row the place of its number among these.
pub(super) fn met(most: usize, rows: impl Iterator<Item = u32>) -> (Vec<u32>, Vec<u32>) {
    /// Marks a number that is not met yet.
    const NEW: u32 = u32::MAX;
    let (mut places, mut met) = (vec![NEW; most], Vec::new());
    let place = |number_of: u32| {
        let place = &mut places[number_of as usize];
        if *place == NEW {
            *place = number(met.len());
            met.push(number_of);
        }
        *place
    };
    let codes = rows.map(place).collect();
    (met, codes)
}

/// Amounts, by number unless most of them are met once.
fn amounts(name: &str, amounts: impl ExactSizeIterator<Item = i64> + Clone) -> Piece {
    let most = amounts.len() / 2;
    let mut known = Known::new();
    let mut codes = Vec::with_capacity(amounts.len());
    for amount in amounts.clone() {
        codes.push(known.number(amount));
        if known.keys.len() > most {
            return Piece::Values(Int64Chunked::from_iter_values(name.into(), amounts).into_column());
        }
    }
    let values = Int64Chunked::from_vec(name.into(), known.keys).into_column();
    Piece::Coded(Coded { values, codes: UInt32Chunked::from_vec("codes".into(), codes) })
}

impl Book {
    /// Some rows, column by column as a ledger that came from a pass has them.
    ///
    /// # Errors
    /// When Polars refuses to build a column, which is a bug.
    pub(super) fn pieces(&self, rows: Range<usize>, schema: &TableSchema) -> PolarsResult<Vec<Piece>> {
        let series = self.series_of(&rows);
        let of_series = |codes: &'_ [u32]| series.iter().map(|s| codes[*s as usize]).collect::<Vec<_>>().into_iter();
        let days = |name: &str, days: &mut dyn Iterator<Item = i32>| {
            Piece::Values(Int32Chunked::from_iter_values(name.into(), days).into_date().into_column())
        };
        let columns = schema.columns.iter().map(|column| {
            let name = column.name.as_str();
            Ok(match name {
                "customer_id" => self.customers_of(name, &series)?,
                "currency" => self.currencies.piece(name, of_series(&self.currencies.of))?,
                "effective_on" => days(name, &mut self.dated[rows.clone()].iter().copied()),
                "sequence" => {
                    let sequence = self.sequence[rows.clone()].iter().map(|s| i64::from(*s));
                    Piece::Values(Int64Chunked::from_iter_values(name.into(), sequence).into_column())
                }
                "kind" => {
                    let mut kinds = Codes::default();
                    NAMES.iter().for_each(|(kind, _)| _ = kinds.code(Some(kind)));
                    kinds.piece(name, self.kinds[rows.clone()].iter().map(|kind| *kind as u32))?
                }
                "mrr_before" => amounts(name, rows.clone().map(|row| self.before(row))),
                "mrr_delta" => amounts(name, self.delta[rows.clone()].iter().copied()),
                "mrr_after" => amounts(name, self.after[rows.clone()].iter().copied()),
                "first_paid_on" => days(name, &mut series.iter().map(|s| self.first_paid[*s as usize])),
                "reason" if self.reasons.of.is_empty() => {
                    Piece::Values(Column::full_null(name.into(), rows.len(), &DataType::String))
                }
                "reason" => self.reasons.piece(name, self.reasons.of[rows.clone()].iter().copied())?,
                _ if column.ty == ColumnType::Money => amounts(name, self.more(name)?[rows.clone()].iter().copied()),
                _ => {
                    let d = self.dimension(name)?;
                    let codes = rows.clone().zip(&series).map(|(row, s)| d.at(*s as usize, row));
                    d.codes.piece(name, codes)?
                }
            })
        });
        columns.collect()
    }

    /// The customers of some series in ascending order, of which several may be of one customer.
    fn customers_of(&self, name: &str, series: &[u32]) -> PolarsResult<Piece> {
        let (Some(first), Some(last)) = (series.first(), series.last()) else {
            return Ok(Piece::Values(self.customers.slice(0, 0).with_name(name.into())));
        };
        let own = self.customers.slice(i64::from(*first), (last - first) as usize + 1).with_name(name.into());
        // By series how many customers come before its own.
        let mut customers = 0;
        let same = same_as_before(&own)?;
        let places: Vec<u32> = same
            .iter()
            .enumerate()
            .map(|(at, same)| {
                customers += u32::from(at > 0 && !same);
                customers
            })
            .collect();
        let firsts =
            IdxCa::from_iter_values("at".into(), (0..).zip(&same).filter(|(_, same)| !**same).map(|(at, _)| at));
        let codes = series.iter().map(|s| places[(s - first) as usize]).collect();
        Ok(Piece::Coded(Coded { values: own.take(&firsts)?, codes: UInt32Chunked::from_vec("codes".into(), codes) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(piece: Piece) -> Coded {
        match piece {
            Piece::Coded(coded) => coded,
            Piece::Values(column) => panic!("value by value: {column:?}"),
        }
    }

    #[test]
    fn only_values_that_rows_have_are_distinct_values() {
        let mut codes = Codes::default();
        for text in [Some("unused"), Some("b"), None, Some("a")] {
            codes.code(text);
        }
        let column = |rows: &[u32]| coded(codes.piece("text", rows.iter().copied()).unwrap());
        let found = column(&[3, 2, 1, 2, 3]);
        assert_eq!(found.values, Column::new("text".into(), ["a", "b"]));
        assert_eq!(found.codes.iter().collect::<Vec<_>>(), [Some(0), None, Some(1), None, Some(0)]);
        let expected = Column::new("text".into(), [Some("a"), None, Some("b"), None, Some("a")]);
        assert!(Piece::Coded(found).column().unwrap().equals_missing(&expected));
        assert_eq!(column(&[1, 1]).codes.null_count(), 0);
        assert_eq!(column(&[2, 2]).values.len(), 0);
        assert_eq!(Piece::Coded(column(&[])).column().unwrap().len(), 0);
    }

    #[test]
    fn series_of_a_customer_share_its_id() {
        let customers = Column::new("ids".into(), [7i64, 8, 8, 9, 9]);
        let book = Book { customers, ..Book::default() };
        // Rows of the second series to the fourth.
        let found = coded(book.customers_of("customer_id", &[1, 2, 2, 3]).unwrap());
        assert_eq!(found.values, Column::new("customer_id".into(), [8i64, 9]));
        assert_eq!(found.codes.into_no_null_iter().collect::<Vec<_>>(), [0, 0, 0, 1]);
        assert_eq!(book.customers_of("customer_id", &[]).unwrap().column().unwrap().len(), 0);
    }

    #[test]
    fn amounts_have_numbers_where_they_are_met_again() {
        let again = [5i64, -1, 5, 5, 0, -1];
        let found = coded(amounts("mrr", again.iter().copied()));
        assert_eq!(found.values, Column::new("mrr".into(), [5i64, -1, 0]));
        assert_eq!(Piece::Coded(found).column().unwrap(), Column::new("mrr".into(), again));
        let once = [1i64, 2, 3, 4];
        assert!(
            matches!(amounts("mrr", once.iter().copied()), Piece::Values(column) if column == Column::new("mrr".into(), once))
        );
    }
}
