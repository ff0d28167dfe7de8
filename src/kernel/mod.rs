//! Passes over a ledger: the fast way to the steps of a metric.
//!
//! A metric says what it wants as a lazy query, which is its definition. Some steps of it
//! ([`Metric::steps`](crate::metrics::Metric::steps)) can also be had from one pass over the rows of a
//! ledger, because these are sorted by customer and day: no grouping by ids, no sort, no join. A metric
//! names such a pass as data ([`Pass`]); an engine may run it in place of the query of the step, and
//! gets the same rows, in any order. Tests hold both against each other.
//!
//! Passes walk the customers in parallel and sum whole numbers, so their result does not depend on threads.

mod book;
mod cohorts;
mod ids;
mod ledger;
mod movements;
mod series;
mod steps;
mod sums;
mod windows;

pub use ledger::Intervals;
pub use series::Numbering;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use polars::prelude::*;

use book::Book;

use crate::expr::cohort::Cohorts;
use crate::expr::steps::StepsOf;
use crate::schema::TableSchema;

/// A step as a pass.
#[derive(Clone, Debug)]
pub enum Pass<'a> {
    /// [`bridge::movements`](crate::expr::bridge::movements): movements by currency, period, dimensions and kind.
    Movements(&'a str, StepsOf<'a>),
    /// Churned customers and what they paid, by currency, period and reason as the ledger gives it.
    Reasons(&'a str, StepsOf<'a>),
    /// What customers of the start of a window pay at its end, by window, currency, period and dimensions, as changes.
    Windows(&'a str, StepsOf<'a>, &'a [u32]),
    /// [`Cohorts::changes_by_cell`]: changes by currency, cohort, period of entry and offset.
    CohortChanges(&'a str, Cohorts),
    /// [`Cohorts::bases`]: customers and revenue by currency, cohort and period of entry.
    CohortBases(&'a str, Cohorts),
}

impl Pass<'_> {
    /// Name of the ledger that is walked.
    fn ledger(&self) -> &str {
        match self {
            Self::Movements(ledger, _)
            | Self::Reasons(ledger, _)
            | Self::Windows(ledger, ..)
            | Self::CohortChanges(ledger, _)
            | Self::CohortBases(ledger, _) => ledger,
        }
    }

    /// The frame of the step; `None` where the book cannot be walked.
    ///
    /// # Errors
    /// When the book lacks a column, which is a bug.
    fn run(&self, book: &Book) -> PolarsResult<Option<DataFrame>> {
        match self {
            Self::Movements(_, of) => movements::movements(book, of),
            Self::Reasons(_, of) => movements::reasons(book, of),
            Self::Windows(_, of, windows) => windows::windows(book, of, windows),
            Self::CohortChanges(_, cohorts) => cohorts::changes(book, cohorts),
            Self::CohortBases(_, cohorts) => cohorts::bases(book, cohorts),
        }
    }
}

/// Puts the steps of a numbering beside the steps it needs; false where only their queries can tell them.
///
/// # Errors
/// When a step lacks a column, which is a bug.
pub fn number(of: &Numbering, steps: &mut BTreeMap<&'static str, DataFrame>) -> PolarsResult<bool> {
    let Some(rows) = steps.get(of.rows) else { return Ok(false) };
    let Some((series, numbered)) = of.run(rows)? else { return Ok(false) };
    steps.insert(of.series, series);
    steps.insert(of.numbered, numbered);
    Ok(true)
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
    pub fn of_intervals(
        of: &Intervals<'_>,
        steps: &BTreeMap<&'static str, DataFrame>,
        schema: &TableSchema,
    ) -> PolarsResult<Option<Self>> {
        let Some(items) = steps.get(of.items) else { return Ok(None) };
        let book = ledger::book(of, items, of.versions.and_then(|name| steps.get(name)))?;
        Ok(book.map(|book| Self::Book(Arc::new(book), schema.clone())))
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.height(),
            Self::Book(book, _) => book.height(),
        }
    }

    /// Some of the rows.
    ///
    /// # Errors
    /// When Polars refuses to build a column, which is a bug.
    pub fn piece(&self, rows: Range<usize>) -> PolarsResult<DataFrame> {
        match self {
            Self::Frame(frame) => Ok(frame.slice(i64::try_from(rows.start).unwrap_or(i64::MAX), rows.len())),
            Self::Book(book, schema) => book.frame(rows, schema),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Rows::piece`].
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        match self {
            Self::Frame(frame) => Ok(frame.clone()),
            Self::Book(..) => self.piece(0..self.height()),
        }
    }
}

/// The books of computed ledgers.
#[derive(Default)]
pub struct Shelf {
    books: BTreeMap<String, Arc<Book>>,
}

impl Shelf {
    /// Puts a computed ledger on the shelf.
    ///
    /// # Errors
    /// When it lacks a column of a ledger, which is a bug.
    pub fn insert(&mut self, name: &str, ledger: &Rows) -> PolarsResult<()> {
        let book = match ledger {
            Rows::Frame(frame) => Arc::new(Book::new(frame)?),
            Rows::Book(book, _) => book.clone(),
        };
        self.books.insert(name.to_owned(), book);
        Ok(())
    }

    /// Lets go of the ledgers whose name is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.books.retain(|name, _| wanted(name));
    }

    /// Runs a pass; `None` when its ledger is not there, or cannot be walked.
    ///
    /// # Errors
    /// When the ledger lacks a column, which is a bug.
    pub fn run(&self, pass: &Pass<'_>) -> PolarsResult<Option<DataFrame>> {
        self.books.get(pass.ledger()).map_or(Ok(None), |book| pass.run(book))
    }
}
