//! What queries read.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use polars::prelude::*;

use crate::expr::condense::{Condense, condensed};
use crate::expr::steps::daily;
use crate::kernel::Tally;

/// The frames a query reads, by the name of the source or table.
#[derive(Clone, Default)]
pub struct Inputs {
    frames: BTreeMap<String, Arc<Promised>>,
    projected: BTreeMap<String, LazyFrame>,
    condensed: BTreeMap<String, Arc<Tally>>,
    steps: BTreeMap<&'static str, LazyFrame>,
}

impl Inputs {
    /// Makes `frame` available as `name`.
    pub fn insert(&mut self, name: impl Into<String>, frame: LazyFrame) {
        self.insert_promised(name).keep(frame, None);
    }

    /// Makes a frame available as `name` that is still to come: whoever asks for it waits until the promise is kept.
    #[must_use]
    pub fn insert_promised(&mut self, name: impl Into<String>) -> Promise {
        let promised = Arc::new(Promised::default());
        self.frames.insert(name.into(), promised.clone());
        Promise(promised)
    }

    /// Lets go of the frames whose name is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.frames.retain(|name, _| wanted(name));
        self.projected.retain(|name, _| wanted(name));
        self.condensed.retain(|name, _| wanted(name));
    }

    /// Makes a source available of which only combinations of values were kept.
    pub fn insert_condensed(&mut self, name: impl Into<String>, tally: Arc<Tally>) {
        self.condensed.insert(name.into(), tally);
    }

    /// Makes a source available of which only some values of each row were kept.
    pub fn insert_projected(&mut self, name: impl Into<String>, frame: LazyFrame) {
        self.projected.insert(name.into(), frame);
    }

    /// The values of [`Metric::project`] of every row, where these are all that was kept.
    pub fn projected(&self, source: &str) -> Option<LazyFrame> {
        self.projected.get(source).cloned()
    }

    /// The sources of which only combinations were kept.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, Arc<Tally>)> {
        self.condensed.iter().map(|(name, tally)| (name.as_str(), tally.clone()))
    }

    /// Makes an intermediate frame of the metric at hand available, computed.
    pub fn put_step(&mut self, name: &'static str, frame: LazyFrame) {
        self.steps.insert(name, frame);
    }

    /// An intermediate frame: as an engine computed it, or as part of the query.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn step(&self, name: &str, make: impl FnOnce() -> PolarsResult<LazyFrame>) -> PolarsResult<LazyFrame> {
        match self.steps.get(name) {
            Some(frame) => Ok(frame.clone()),
            None => make().map(LazyFrame::cache),
        }
    }

    /// The combinations of values in a source, and in [`ROWS`](crate::expr::condense::ROWS) how many rows have each.
    ///
    /// A combination may come more than once, where the source was condensed for several tables.
    ///
    /// # Errors
    /// When the plan did not provide the source, which is a bug.
    pub fn condensed(&self, of: &Condense) -> PolarsResult<LazyFrame> {
        match self.condensed.get(&of.source) {
            Some(tally) => tally.lazy(),
            None => Ok(condensed(self.get(&of.source)?, &of.keys, &[])),
        }
    }

    /// The frame of a source or table; waits for it where it is still to come.
    ///
    /// # Errors
    /// When the plan did not provide it, which is a bug; when a promise was broken.
    pub fn get(&self, name: &str) -> PolarsResult<LazyFrame> {
        self.wait(name).map(|kept| kept.rows)
    }

    /// The changes of a ledger by currency and day: [`daily`].
    ///
    /// # Errors
    /// As [`Inputs::get`].
    pub fn daily(&self, ledger: &str) -> PolarsResult<LazyFrame> {
        self.wait(ledger).map(|kept| kept.daily.unwrap_or_else(|| daily(kept.rows)))
    }

    fn wait(&self, name: &str) -> PolarsResult<Kept> {
        let Some(promised) = self.frames.get(name) else {
            polars_bail!(InvalidOperation: "the plan provides no frame `{name}`");
        };
        let found = promised.wait();
        found.ok_or_else(|| polars_err!(ComputeError: "`{name}` was computed, but could not be written"))
    }
}

/// A frame that is there, or that somebody else is making.
#[derive(Default)]
struct Promised {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    Kept(Box<Kept>),
    Broken,
}

/// A frame that is there.
#[derive(Clone)]
struct Kept {
    rows: LazyFrame,
    /// Of a ledger its changes by currency and day, where these were summed already.
    daily: Option<LazyFrame>,
}

impl Promised {
    fn wait(&self) -> Option<Kept> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |state: &mut State| matches!(state, State::Open);
        let state = self.settled.wait_while(state, is_open).unwrap_or_else(PoisonError::into_inner);
        if let State::Kept(kept) = &*state { Some(Kept::clone(kept)) } else { None }
    }

    fn settle(&self, to: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open) {
            *state = to;
        }
        self.settled.notify_all();
    }
}

/// The duty to provide a frame. Dropped without that, nobody waits for it any longer.
pub struct Promise(Arc<Promised>);

impl Promise {
    /// Provides the frame; of a ledger also [`daily`], where that is known.
    pub fn keep(self, rows: LazyFrame, daily: Option<LazyFrame>) {
        self.0.settle(State::Kept(Box::new(Kept { rows, daily })));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.settle(State::Broken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_frame_is_waited_for() {
        let mut inputs = Inputs::default();
        let promise = inputs.insert_promised("ledger");
        let (asks, own) = (inputs.clone(), df!("a" => [1i64, 2]).unwrap());
        let found = std::thread::scope(|scope| {
            let found = scope.spawn(|| asks.get("ledger").and_then(LazyFrame::collect));
            promise.keep(own.clone().lazy(), None);
            found.join().unwrap()
        });
        assert!(found.unwrap().equals(&own));
        assert!(inputs.get("ledger").unwrap().collect().unwrap().equals(&own), "it stays there");
    }

    #[test]
    fn a_broken_promise_is_an_error_and_nobody_hangs() {
        let mut inputs = Inputs::default();
        drop(inputs.insert_promised("ledger"));
        let error = inputs.get("ledger").err().unwrap();
        assert!(error.to_string().contains("could not be written"), "{error}");
    }
}
