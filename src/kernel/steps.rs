//! The steps of a series, as [`StepsOf::of`] defines them, from its rows.

use polars::prelude::*;

use super::book::{Book, Calendar, Groups, Kind};
use crate::expr::steps::{StepsOf, ValueAt};

/// What changed for a series in a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) period: i32,
    pub(super) before: i64,
    pub(super) after: i64,
    pub(super) fx: i64,
    pub(super) paused_before: i64,
    pub(super) paused_after: i64,
    /// Row that gives the reason, where one does.
    pub(super) reason: Option<usize>,
    /// Combination of the dimensions in the period, and before it.
    pub(super) group: u64,
    pub(super) previous: u64,
}

/// A ledger seen by period and dimension, ready to be walked.
pub(super) struct Walk<'a> {
    of: &'a StepsOf<'a>,
    pub(super) book: &'a Book,
    pub(super) groups: Groups<'a>,
    calendar: Calendar,
    value: &'a [i64],
}

/// Working space: the steps of the series at hand.
#[derive(Default)]
pub(super) struct Space {
    pub(super) steps: Vec<Step>,
    events: Vec<Event>,
}

/// A row of the ledger as a change of the value, or of the dimensions at the next start of a period.
#[derive(Clone, Copy)]
struct Event {
    period: i32,
    order: i32,
    row: usize,
    is_value: bool,
}

/// The state of a series after its last event in a period.
#[derive(Clone, Copy, Default)]
struct State {
    after: i64,
    paused: i64,
    group: u64,
    entered: u64,
}

impl<'a> Walk<'a> {
    /// `None` where the book cannot be walked: its days or groups are too many for a table of them.
    pub(super) fn new(book: &'a Book, of: &'a StepsOf<'a>) -> PolarsResult<Option<Self>> {
        let (groups, calendar) = (Groups::new(book, of.by)?, book.calendar(of.periods, of.value_at));
        let value = book.value(of.value);
        Ok(groups.zip(calendar).map(|(groups, calendar)| Self { of, book, groups, calendar, value }))
    }

    /// Period of the first payment of a series.
    pub(super) fn first_period(&self, series: usize) -> i32 {
        self.calendar.of(self.book.first_paid[series])
    }

    /// Finds the steps of a series.
    pub(super) fn steps(&self, series: usize, space: &mut Space) {
        self.find_events(series, &mut space.events);
        space.steps.clear();
        let (mut state, mut kept, mut fx) = (State::default(), None::<(State, u64)>, 0);
        for (at, event) in space.events.iter().enumerate() {
            self.apply(series, *event, &mut state, &mut fx);
            if space.events.get(at + 1).is_some_and(|next| next.period == event.period) {
                continue;
            }
            let (was, previous) = kept.map_or((State::default(), None), |(was, group)| (was, Some(group)));
            // Who paid when the period began has the dimensions of its start, even after an absence
            // within it; who enters in it has those of entry.
            let enters = self.of.transfers && was.after == 0 && self.of.value_at == ValueAt::PeriodEnd;
            let group = if enters { state.entered } else { state.group };
            let step = Step {
                period: event.period,
                before: was.after,
                after: state.after,
                // Who comes or goes does so at the rate of the day; the rate counts for those who stay.
                fx: if was.after > 0 && state.after > 0 { fx } else { 0 },
                paused_before: was.paused,
                paused_after: state.paused,
                reason: event.is_value.then_some(event.row),
                group,
                previous: previous.unwrap_or(group),
            };
            let transferred = self.of.transfers && step.before > 0 && step.previous != group;
            if step.before != step.after || step.fx != 0 || transferred {
                space.steps.push(step);
            }
            kept = Some((state, group));
            fx = 0;
        }
    }

    fn apply(&self, series: usize, event: Event, state: &mut State, fx: &mut i64) {
        let row = event.row;
        let group = self.groups.at(series, row);
        if !event.is_value {
            state.group = group;
            return;
        }
        state.after = self.value[row];
        if self.of.pauses {
            state.paused = self.book.paused_after[row];
        }
        if self.of.fx && self.book.kinds[row] == Kind::Fx {
            *fx += self.book.delta[row];
        }
        if !self.of.transfers {
            state.group = group;
        } else if self.book.before(row) == 0 {
            state.entered = group;
        }
    }

    fn find_events(&self, series: usize, events: &mut Vec<Event>) {
        events.clear();
        let (book, last) = (self.book, self.of.last);
        let rows = book.rows(series);
        if !self.of.transfers {
            let all =
                rows.map(|row| Event { period: self.calendar.of(book.dated[row]), order: 0, row, is_value: true });
            events.extend(all.take_while(|event| event.period <= last));
            return;
        }
        // A value at a period's end follows the dimensions of its start; at a period's start both are
        // those of one instant, so the days alone decide.
        let after_dimensions = i32::from(self.of.value_at == ValueAt::PeriodEnd);
        for row in rows {
            if !book.kinds[row].is_transfer() {
                let period = self.calendar.of(book.dated[row]);
                events.push(Event { period, order: after_dimensions, row, is_value: true });
            }
            // An entry or the second half of a transfer: from here on the customer has these dimensions.
            if book.before(row) == 0 {
                let period = self.calendar.starts(book.dated[row]);
                events.push(Event { period, order: 0, row, is_value: false });
            }
        }
        events.retain(|event| event.period <= last);
        events.sort_unstable_by_key(|e| (e.period, e.order, book.dated[e.row], book.sequence[e.row], e.is_value));
    }
}
