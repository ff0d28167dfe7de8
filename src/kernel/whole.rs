//! Whole ledgers as passes, and the rows of tables.

use std::ops::Range;
use std::sync::Arc;

use polars::prelude::*;

use super::book::Book;
use super::{Intervals, Movements, Piece, Steps, ledger};
use crate::schema::TableSchema;

/// A whole ledger as a pass over its steps.
#[derive(Clone, Debug)]
pub enum Whole<'a> {
    /// Of nothing but intervals.
    Intervals(Intervals<'a>),
    /// Of more than these.
    Movements(Movements<'a>),
}

impl Whole<'_> {
    /// Step that only the query of the ledger needs.
    pub fn instead_of(&self) -> Option<&'static str> {
        match self {
            Self::Intervals(_) => None,
            Self::Movements(of) => Some(of.instead_of),
        }
    }

    fn book(&self, steps: &Steps) -> PolarsResult<Option<Book>> {
        match self {
            Self::Intervals(of) => {
                let Some(items) = steps.get(of.items) else { return Ok(None) };
                ledger::book(of, items, of.versions.and_then(|name| steps.get(name)))
            }
            Self::Movements(of) => of.book(steps),
        }
    }
}

/// The rows of a ledger after a day.
#[derive(Clone, Debug)]
pub struct Later<'a> {
    /// The ledger.
    pub ledger: Whole<'a>,
    /// Its columns.
    pub schema: TableSchema,
    /// The day, in days since 1970-01-01.
    pub after: i32,
}

impl Later<'_> {
    pub(super) fn run(&self, steps: &Steps) -> PolarsResult<Option<DataFrame>> {
        /// Rows that become a frame at once.
        const SOME: usize = 1 << 17;
        let Some(book) = self.ledger.book(steps)? else { return Ok(None) };
        let rows = Rows::Book(Arc::new(book), self.schema.clone());
        let Rows::Book(book, _) = &rows else { return Ok(None) };
        let mut out = rows.some(0..0)?;
        for first in (0..book.height()).step_by(SOME) {
            let some = first..book.height().min(first + SOME);
            let is_later = book.dated[some.clone()].iter().map(|day| *day > self.after);
            let is_later = BooleanChunked::from_iter_values("later".into(), is_later);
            if is_later.any() {
                out.vstack_mut_owned(rows.some(some)?.filter(&is_later)?)?;
            }
        }
        Ok(Some(out))
    }
}

/// The rows of a computed table.
pub enum Rows {
    /// As a frame.
    Frame(DataFrame),
    /// As a book, from which frames are made piece by piece.
    Book(Arc<Book>, TableSchema),
}

impl Rows {
    /// The ledger that a pass makes of the steps of its metric; `None` where only its query can.
    ///
    /// # Errors
    /// When a step lacks a column, which is a bug.
    pub fn of_ledger(of: &Whole<'_>, steps: &Steps, schema: &TableSchema) -> PolarsResult<Option<Self>> {
        let book = of.book(steps)?;
        Ok(book.map(|book| Self::Book(Arc::new(book), schema.clone())))
    }

    /// The rows of a ledger as a book.
    ///
    /// # Errors
    /// When a column of a ledger is not there, which is a bug.
    pub fn book(&self) -> PolarsResult<Arc<Book>> {
        match self {
            Self::Frame(frame) => Book::new(frame).map(Arc::new),
            Self::Book(book, _) => Ok(book.clone()),
        }
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.height(),
            Self::Book(book, _) => book.height(),
        }
    }

    /// The largest magnitude in a column of amounts.
    ///
    /// # Errors
    /// When there is no such column, which is a bug.
    pub fn largest(&self, column: &str) -> PolarsResult<u64> {
        match self {
            Self::Frame(frame) => {
                let amounts = frame.column(column)?.i64()?;
                Ok(amounts.min().into_iter().chain(amounts.max()).map(i64::unsigned_abs).max().unwrap_or(0))
            }
            Self::Book(book, _) => book.largest(column),
        }
    }

    /// Some of the rows, column by column.
    ///
    /// # Errors
    /// When Polars refuses to build a column, which is a bug.
    pub fn pieces(&self, rows: Range<usize>) -> PolarsResult<Vec<Piece>> {
        match self {
            Self::Frame(frame) => {
                let some = frame.slice(i64::try_from(rows.start).unwrap_or(i64::MAX), rows.len());
                Ok(some.into_columns().into_iter().map(Piece::Values).collect())
            }
            Self::Book(book, schema) => book.pieces(rows, schema),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Rows::pieces`].
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        match self {
            Self::Frame(frame) => Ok(frame.clone()),
            Self::Book(book, _) => self.some(0..book.height()),
        }
    }

    /// Some of the rows as a frame.
    fn some(&self, rows: Range<usize>) -> PolarsResult<DataFrame> {
        let height = rows.len();
        let columns = self.pieces(rows)?.into_iter().map(Piece::column);
        DataFrame::new(height, columns.collect::<PolarsResult<Vec<_>>>()?)
    }
}
