//! Which table is computed next, and from what.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::TableState;
use crate::kernel::{Book, Shelf};
use crate::metrics::{Inputs, Promise};
use crate::plan::TablePlan;

/// The tables of a plan, on their way to being computed, several at once.
pub(super) struct Board<'t, T> {
    tables: &'t [T],
    now: Mutex<Now>,
    /// Told whenever a table is settled.
    settled: Condvar,
}

/// How far tables have come.
struct Now {
    /// What tables that are not begun read.
    inputs: Inputs,
    shelf: Shelf,
    /// By table.
    states: Vec<State>,
    /// Nothing more is begun.
    is_stopped: bool,
}

enum State {
    Waiting,
    Begun,
    Computed,
    Missing(TableState),
}

impl<'t, T: Table> Board<'t, T> {
    pub(super) fn new(tables: &'t [T], inputs: Inputs) -> Self {
        let mut shelf = Shelf::default();
        inputs.tallies().for_each(|(name, tally)| shelf.insert_tally(name, tally));
        let states = tables.iter().map(|_| State::Waiting).collect();
        let now = Mutex::new(Now { inputs, shelf, states, is_stopped: false });
        Self { tables, now, settled: Condvar::new() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first table, in the order of the plan, of which everything that it reads is computed; waits where there may
    /// be one later. `None` where there is none any more.
    ///
    /// A table that reads one that is missing is skipped.
    pub(super) fn next(&self) -> Option<Turn<'_, 't, T>> {
        let mut now = self.now();
        loop {
            if now.is_stopped {
                return None;
            }
            for (at, table) in self.tables.iter().enumerate() {
                let missing = self.inputs_of(table).find(|(input, _)| matches!(now.states[*input], State::Missing(_)));
                if let (Some((_, input)), State::Waiting) = (missing, &now.states[at]) {
                    let reason = format!("`{}` failed", input.name());
                    now.states[at] = State::Missing(TableState::Skipped { reason });
                }
            }
            let is_ready = |(at, table): &(usize, &T)| {
                let is_there = |input: usize| matches!(now.states[input], State::Computed);
                matches!(now.states[*at], State::Waiting) && self.inputs_of(table).all(|(input, _)| is_there(input))
            };
            if let Some((at, table)) = self.tables.iter().enumerate().find(is_ready) {
                now.states[at] = State::Begun;
                let (mut inputs, mut shelf) = (now.inputs.clone(), now.shelf.clone());
                inputs.retain(|name| table.reads(name));
                shelf.retain(|name| table.reads(name));
                self.let_go(&mut now);
                return Some(Turn { at, table, inputs, shelf, board: self });
            }
            if !now.states.iter().any(|state| matches!(state, State::Waiting)) {
                return None;
            }
            now = self.settled.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The tables that a table reads, with their places.
    fn inputs_of(&self, table: &T) -> impl Iterator<Item = (usize, &'t T)> {
        self.tables.iter().enumerate().filter(|(_, other)| table.inputs().iter().any(|input| input == other.name()))
    }

    /// Lets go of what no table that is still to begin reads: what was begun has its own hold.
    fn let_go(&self, now: &mut Now) {
        let Now { inputs, shelf, states, .. } = now;
        let waiting = || self.tables.iter().zip(states.iter()).filter(|(_, state)| matches!(state, State::Waiting));
        let is_wanted = |name: &str| waiting().any(|(table, _)| table.reads(name));
        inputs.retain(is_wanted);
        shelf.retain(is_wanted);
    }

    /// Nothing more is begun.
    pub(super) fn stop(&self) {
        self.now().is_stopped = true;
        self.settled.notify_all();
    }

    /// By table why there is none; `None` when the work was stopped.
    pub(super) fn missing(self) -> Option<Vec<Option<TableState>>> {
        let now = self.now.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = |state| if let State::Missing(state) = state { Some(state) } else { None };
        (!now.is_stopped).then(|| now.states.into_iter().map(missing).collect())
    }
}

/// What the board has to know of a table.
pub(super) trait Table {
    fn name(&self) -> &str;

    /// The tables that it reads.
    fn inputs(&self) -> &[String];

    /// Whether it reads the source or table of that name.
    fn reads(&self, name: &str) -> bool;
}

impl Table for TablePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn reads(&self, name: &str) -> bool {
        self.reads.contains_key(name) || self.inputs.iter().any(|input| input == name)
    }
}

/// A table that is to be computed, and what it reads. Dropped without being settled, it ends the work on all tables.
pub(super) struct Turn<'b, 't, T: Table> {
    /// Its place in the plan.
    pub(super) at: usize,
    pub(super) table: &'t T,
    pub(super) inputs: Inputs,
    pub(super) shelf: Shelf,
    board: &'b Board<'t, T>,
}

impl<T: Table> Turn<'_, '_, T> {
    /// Whether other tables read this one.
    pub(super) fn is_read(&self) -> bool {
        self.board.tables.iter().any(|other| other.reads(self.table.name()))
    }

    /// Promises the rows to those who read them.
    pub(super) fn promise(&self) -> Promise {
        self.board.now().inputs.insert_promised(self.table.name())
    }

    /// The table is computed; a ledger is walked as the book that is given. Its rows have been handed on before, so that
    /// those who wait for them are behind it.
    pub(super) fn computed(self, book: Option<Arc<Book>>) {
        if let Some(book) = book {
            self.board.now().shelf.insert(self.table.name(), book);
        }
        self.settle(State::Computed);
    }

    /// There is no table.
    pub(super) fn failed(self, state: TableState) {
        self.settle(State::Missing(state));
    }

    fn settle(self, state: State) {
        self.board.now().states[self.at] = state;
        self.board.settled.notify_all();
    }
}

impl<T: Table> Drop for Turn<'_, '_, T> {
    fn drop(&mut self) {
        if matches!(self.board.now().states[self.at], State::Begun) {
            self.board.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, IntoLazy};

    use super::*;

    /// A table with the sources and the tables that it reads.
    struct Known {
        name: &'static str,
        source: &'static str,
        inputs: Vec<String>,
    }

    impl Table for Known {
        fn name(&self) -> &str {
            self.name
        }

        fn inputs(&self) -> &[String] {
            &self.inputs
        }

        fn reads(&self, name: &str) -> bool {
            self.source == name || self.inputs.iter().any(|input| input == name)
        }
    }

    fn tables() -> Vec<Known> {
        let table = |name, source, inputs: &[&str]| Known {
            name,
            source,
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        };
        vec![
            table("ledger", "items", &[]),
            table("churn", "none", &["ledger"]),
            table("ltv", "costs", &["churn"]),
            table("nps", "answers", &[]),
        ]
    }

    fn inputs() -> Inputs {
        let mut inputs = Inputs::default();
        for name in ["items", "costs", "answers"] {
            inputs.insert(name, DataFrame::empty().lazy());
        }
        inputs
    }

    fn failed() -> TableState {
        TableState::Failed { message: "why".to_owned() }
    }

    #[test]
    fn a_table_comes_after_those_that_it_reads() {
        let tables = tables();
        let board = Board::new(&tables, inputs());
        let ledger = board.next().unwrap();
        // What reads the ledger has to wait; what does not goes ahead.
        let nps = board.next().unwrap();
        assert_eq!((ledger.table.name, nps.table.name), ("ledger", "nps"));
        assert_eq!((ledger.is_read(), nps.is_read()), (true, false));
        ledger.promise().keep(DataFrame::empty().lazy(), None);
        ledger.computed(None);
        let churn = board.next().unwrap();
        assert_eq!(churn.table.name, "churn");
        assert!(churn.inputs.get("ledger").is_ok());
        nps.computed(None);
        churn.computed(None);
        board.next().unwrap().computed(None);
        assert!(board.next().is_none());
        assert!(board.missing().unwrap().iter().all(Option::is_none));
    }

    #[test]
    fn a_table_holds_what_it_reads_and_no_more() {
        let tables = tables();
        let board = Board::new(&tables, inputs());
        let ledger = board.next().unwrap();
        assert!(ledger.inputs.get("items").is_ok());
        assert!(ledger.inputs.get("costs").is_err());
        // Nobody else will ask for it.
        assert!(board.now().inputs.get("items").is_err());
        assert!(board.now().inputs.get("costs").is_ok());
        ledger.computed(None);
    }

    #[test]
    fn what_rests_on_a_missing_table_is_skipped() {
        let tables = tables();
        let board = Board::new(&tables, inputs());
        board.next().unwrap().failed(failed());
        board.next().unwrap().computed(None);
        assert!(board.next().is_none());
        let missing = board.missing().unwrap();
        let reason = |at: usize| match &missing[at] {
            Some(TableState::Skipped { reason }) => reason.as_str(),
            _ => "",
        };
        assert!(matches!(missing[0], Some(TableState::Failed { .. })));
        assert_eq!((reason(1), reason(2)), ("`ledger` failed", "`churn` failed"));
        assert!(missing[3].is_none());
    }

    #[test]
    fn work_ends_with_a_turn_that_is_given_up() {
        let tables = tables();
        let board = Board::new(&tables, inputs());
        let (ledger, nps) = (board.next().unwrap(), board.next().unwrap());
        std::thread::scope(|scope| {
            // Waits for the ledger.
            let waiting = scope.spawn(|| board.next().is_none());
            drop(ledger);
            assert!(waiting.join().unwrap());
        });
        nps.computed(None);
        assert!(board.missing().is_none());
    }
}
