//! Passes: the fast way to the steps of a metric.
//!
//! A metric says what it wants as a lazy query, which is its definition. Some steps of it
//! ([`Metric::steps`](crate::metrics::Metric::steps)) can also be had from one pass over the rows of a
//! ledger, because these are sorted by customer and day, or over the days of a [`Tally`] of events: no
//! grouping by ids, no sort, no join. A metric names such a pass as data ([`Pass`]); an engine may run it in
//! place of the query of the step, and gets the same rows, in any order unless other steps rely on it. Tests hold
//! both against each other.
//!
//! Passes walk the customers in parallel and sum whole numbers, so their result does not depend on threads.

mod book;
mod chain;
mod changes;
mod cohorts;
mod ids;
mod ledger;
mod movements;
mod moves;
mod pieces;
mod series;
mod steps;
mod sums;
mod tally;
mod versions;
mod visits;
mod whole;
mod windows;

pub use book::Book;
pub use chain::Chain;
pub use changes::Changes;
pub use ledger::Intervals;
pub use moves::{Conversion, Movements, Moves};
pub use pieces::{Coded, Piece};
pub use series::Numbering;
pub use tally::{Tally, Tallying};
pub use whole::{Later, Rows, Whole};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::*;

use crate::expr::calendar::Periods;
use crate::expr::cohort::Cohorts;
use crate::expr::steps::StepsOf;
use crate::expr::uses::{Unit, Uses};

/// The frames of the steps of a table that were computed before.
pub type Steps = BTreeMap<&'static str, DataFrame>;

/// A step as a pass.
#[derive(Clone, Debug)]
pub enum Pass<'a> {
    /// Net changes per series and day, by these.
    Changes(Changes),
    /// Movements of a ledger without dimensions, by series, day and sequence.
    Moves(Moves<'a>),
    /// The rows of a ledger after a day.
    Later(Box<Later<'a>>),
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
    /// [`Uses::fates`]: events by what became of them.
    Fates(Uses<'a>),
    /// [`Uses::everybody`]: how many were ever active.
    Everybody(Uses<'a>),
    /// [`returns`](crate::expr::visits::returns): how often a day of a unit follows another, by dimensions.
    Returns(Uses<'a>, Unit),
    /// [`cohorts`](crate::expr::visits::cohorts): active units by the period of their first day and the offset to it.
    UsageCohorts(Uses<'a>, Unit, Periods),
    /// Active customers that pay at the end of a period: by `grain`, dimensions and `period` in `active_paying`.
    ActivePaying(Uses<'a>, Vec<Periods>, Paying),
}

/// The steps that say who pays.
#[derive(Clone, Copy, Debug)]
pub struct Paying {
    /// Rows of [`paid_spans`](crate::expr::steps::paid_spans).
    pub spans: &'static str,
    /// To which customer of the ledger an id belongs, where some were merged: `source_id`, `owner`.
    pub owners: Option<&'static str>,
}

impl Pass<'_> {
    /// The ledger or source that it walks; `None` where it looks at steps of its table, too.
    fn walks(&self) -> Option<&str> {
        match self {
            Self::Changes(_) | Self::Moves(_) | Self::Later(_) | Self::ActivePaying(..) => None,
            Self::Movements(ledger, _)
            | Self::Reasons(ledger, _)
            | Self::Windows(ledger, ..)
            | Self::CohortChanges(ledger, _)
            | Self::CohortBases(ledger, _) => Some(ledger),
            Self::Fates(uses) | Self::Everybody(uses) | Self::Returns(uses, _) | Self::UsageCohorts(uses, ..) => {
                Some(uses.source)
            }
        }
    }

    /// Step that only the query of this one needs.
    pub fn instead_of(&self) -> Option<&'static str> {
        match self {
            Self::Later(of) => of.ledger.instead_of(),
            _ => None,
        }
    }

    /// The frame of the step; `None` where what is walked is not there, or cannot be walked.
    fn run(&self, shelf: &Shelf, steps: &Steps) -> PolarsResult<Option<DataFrame>> {
        let book = |ledger: &str| shelf.books.get(ledger);
        match self {
            Self::Changes(of) => steps.get(of.rows).map_or(Ok(None), |rows| of.run(rows)),
            Self::Moves(of) => of.run(steps),
            Self::Later(of) => of.run(steps),
            Self::Movements(ledger, of) => book(ledger).map_or(Ok(None), |book| movements::movements(book, of)),
            Self::Reasons(ledger, of) => book(ledger).map_or(Ok(None), |book| movements::reasons(book, of)),
            Self::Windows(ledger, of, windows) => {
                book(ledger).map_or(Ok(None), |book| windows::windows(book, of, windows))
            }
            Self::CohortChanges(ledger, of) => book(ledger).map_or(Ok(None), |book| cohorts::changes(book, of)),
            Self::CohortBases(ledger, of) => book(ledger).map_or(Ok(None), |book| cohorts::bases(book, of)),
            Self::Fates(uses) => shelf.view(uses).map(|view| view.fates()).transpose(),
            Self::Everybody(uses) => shelf.view(uses).map(|view| view.everybody()).transpose(),
            Self::Returns(uses, unit) => shelf.view(uses).map_or(Ok(None), |view| view.returns(*unit)),
            Self::UsageCohorts(uses, unit, periods) => {
                shelf.view(uses).map_or(Ok(None), |view| view.cohorts(*unit, *periods))
            }
            Self::ActivePaying(uses, grains, paying) => {
                let (Some(view), Some(spans)) = (shelf.view(uses), steps.get(paying.spans)) else { return Ok(None) };
                let owners = paying.owners.and_then(|name| steps.get(name));
                if owners.is_some() != paying.owners.is_some() {
                    return Ok(None);
                }
                let paid = view.paid(spans, owners)?;
                paid.map_or(Ok(None), |paid| view.active_paying(grains, &paid))
            }
        }
    }
}

/// Puts the steps of a numbering beside the steps it needs; false where only their queries can tell them.
///
/// # Errors
/// When a step lacks a column, which is a bug.
pub fn number(of: &Numbering, steps: &mut Steps) -> PolarsResult<bool> {
    let Some(rows) = steps.get(of.rows) else { return Ok(false) };
    let Some((series, numbered)) = of.run(rows)? else { return Ok(false) };
    steps.insert(of.series, series);
    steps.insert(of.numbered, numbered);
    Ok(true)
}

/// What passes walk: the books of computed ledgers, and the tallies of condensed sources. A clone is cheap, and both
/// know what passes give to the other.
#[derive(Clone, Default)]
pub struct Shelf {
    books: BTreeMap<String, Arc<Book>>,
    tallies: BTreeMap<String, Arc<Tally>>,
    /// By what they walk, and their description, what passes gave: tables ask for the same ones.
    given: BTreeMap<String, Arc<Given>>,
}

/// By the description of a pass what it gave: nothing yet, or perhaps a frame.
type Given = Mutex<BTreeMap<String, Arc<Mutex<Option<Frame>>>>>;

/// The frame of a pass, where it gives one.
struct Frame(Option<DataFrame>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    /// Puts a computed ledger on the shelf.
    pub fn insert(&mut self, name: &str, ledger: Arc<Book>) {
        self.books.insert(name.to_owned(), ledger);
        self.given.insert(name.to_owned(), Arc::default());
    }

    /// Puts a condensed source on the shelf.
    pub fn insert_tally(&mut self, name: &str, tally: Arc<Tally>) {
        self.tallies.insert(name.to_owned(), tally);
        self.given.insert(name.to_owned(), Arc::default());
    }

    /// Lets go of the ledgers and sources whose name is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.books.retain(|name, _| wanted(name));
        self.tallies.retain(|name, _| wanted(name));
        self.given.retain(|name, _| wanted(name));
    }

    /// Runs a pass; `steps` are the steps of its table that were computed before. `None` when what it walks is not
    /// there, or cannot be walked. Who asks for what another one has begun waits for that.
    ///
    /// # Errors
    /// When a ledger or a step lacks a column, which is a bug.
    pub fn run(&self, pass: &Pass<'_>, steps: &Steps) -> PolarsResult<Option<DataFrame>> {
        let Some(given) = pass.walks().and_then(|name| self.given.get(name)) else { return pass.run(self, steps) };
        let given = locked(given).entry(format!("{pass:?}")).or_default().clone();
        let mut given = locked(&given);
        if let Some(Frame(frame)) = &*given {
            return Ok(frame.clone());
        }
        let frame = pass.run(self, steps)?;
        *given = Some(Frame(frame.clone()));
        Ok(frame)
    }

    fn view<'a>(&'a self, uses: &'a Uses<'a>) -> Option<visits::View<'a>> {
        visits::View::new(uses, self.tallies.get(uses.source)?)
    }
}
