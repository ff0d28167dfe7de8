//! Values of dimensions by customer, from when on they hold.

use std::cmp::Ordering;

use polars::prelude::*;

use super::book::{Codes, Dimension, firsts};
use super::ids::{Id, Numbers};
use crate::expr::dims::NOT_SET;

/// Marks that there is no row.
pub(super) const UNUSED: u32 = u32::MAX;

/// Values of dimensions, column by column.
pub(super) struct Versions {
    days: Vec<Option<i32>>,
    columns: Vec<(String, Codes)>,
    /// By column the places of its values by the alphabet.
    alphabets: Vec<Vec<u32>>,
}

impl Versions {
    pub(super) fn new(names: &[String], versions: &DataFrame) -> PolarsResult<Self> {
        let days = versions.column("day")?.date()?.physical().iter().collect();
        let columns = names.iter().map(|name| Ok((name.clone(), Codes::new(versions.column(name)?.str()?))));
        let columns = columns.collect::<PolarsResult<Vec<_>>>()?;
        let alphabets = columns.iter().map(|(_, codes)| codes.places()).collect();
        Ok(Self { days, columns, alphabets })
    }

    /// Number of rows.
    pub(super) fn height(&self) -> usize {
        self.days.len()
    }

    /// Whether a row comes after another of the same customer; of equal days, the values decide by the alphabet.
    pub(super) fn is_later(&self, row: usize, than: usize) -> bool {
        self.compared(row, than).is_ge()
    }

    fn compared(&self, row: usize, other: usize) -> Ordering {
        let values = |row: usize| {
            self.columns.iter().zip(&self.alphabets).map(move |((_, codes), places)| places[codes.of[row] as usize])
        };
        self.days[row].cmp(&self.days[other]).then_with(|| values(row).cmp(values(other)))
    }

    /// From when on the values of a row hold.
    pub(super) fn day(&self, row: u32) -> Option<i32> {
        self.days[row as usize]
    }

    /// Whether two rows have other values than each other.
    pub(super) fn differ(&self, one: u32, other: u32) -> bool {
        self.columns.iter().any(|(_, codes)| codes.of[one as usize] != codes.of[other as usize])
    }

    /// The dimensions of rows or series, of each of which the row is given that holds.
    pub(super) fn dimensions(&self, rows: &[u32], by_series: bool) -> Vec<Dimension> {
        let of = |(name, codes): &(String, Codes)| {
            let mut known = codes.with(Vec::new());
            let none = known.code(Some(NOT_SET));
            known.of = rows.iter().map(|row| if *row == UNUSED { none } else { codes.of[*row as usize] }).collect();
            Dimension { name: name.clone(), by_series, codes: known }
        };
        self.columns.iter().map(of).collect()
    }

    /// By customer its rows, as they follow each other; of rows of one day the last. Customers are those of the series,
    /// of which one has neighbouring ones; others have no rows here.
    pub(super) fn histories(&self, series: &Column, versions: &Column) -> PolarsResult<Histories> {
        fn numbered<T: Id>(
            series: impl Iterator<Item = Option<T>>,
            versions: impl Iterator<Item = Option<T>>,
        ) -> (Vec<u32>, Vec<Option<u32>>) {
            let mut numbers = Numbers::new();
            let of_series = series.map(|id| id.map_or(UNUSED, |id| numbers.number(id))).collect();
            (of_series, versions.map(|id| id.and_then(|id| numbers.known(id))).collect())
        }
        let (of_series, of_row) = match series.dtype() {
            DataType::String => numbered(series.str()?.iter(), versions.str()?.iter()),
            _ => numbered(series.i64()?.iter(), versions.i64()?.iter()),
        };
        let customers = of_series.iter().filter(|customer| **customer != UNUSED).max().map_or(0, |last| last + 1);
        let mut rows: Vec<(u32, u32)> =
            of_row.into_iter().zip(0..).filter_map(|(customer, row)| Some((customer?, row))).collect();
        let later = |one: u32, other: u32| self.compared(one as usize, other as usize);
        rows.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| later(*one, *other)));
        // The last of a day stays.
        rows.reverse();
        rows.dedup_by(|(a, one), (b, other)| a == b && self.day(*one) == self.day(*other));
        rows.reverse();
        let first = firsts(rows.iter().map(|(customer, _)| *customer), customers as usize);
        Ok(Histories { of_series, first, rows: rows.into_iter().map(|(_, row)| row).collect() })
    }
}

/// The versions of customers, side by side.
pub(super) struct Histories {
    /// By series its customer.
    of_series: Vec<u32>,
    first: Vec<usize>,
    rows: Vec<u32>,
}

impl Histories {
    /// The rows of the customer of a series, oldest first.
    pub(super) fn of(&self, series: u32) -> &[u32] {
        let customer = self.of_series[series as usize];
        if customer == UNUSED {
            return &[];
        }
        &self.rows[self.first[customer as usize]..self.first[customer as usize + 1]]
    }
}
