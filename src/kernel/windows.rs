//! What customers paid at the start of a window and pay at its end: two step functions side by side.

use polars::prelude::*;

use super::book::Book;
use super::movements::keys;
use super::steps::{Space, Step, Walk};
use super::sums::{Sums, ints, periods};
use crate::expr::steps::StepsOf;
use crate::metrics::revenue_retention::SUMS;

/// What a series adds to [`SUMS`] while it pays `then` at the start of a window and `now` at its end.
fn state(now: i64, then: i64) -> [i64; SUMS.len()] {
    let based = i64::from(then > 0);
    [then, now * based, now.min(then), based, based * i64::from(now > 0)]
}

/// Window, currency, period, dimensions.
type Key = (i32, u32, i32, u64);

/// Changes of the sums by `window`, `currency`, `period` and dimensions.
pub(super) fn windows(book: &Book, of: &StepsOf<'_>, windows: &[u32]) -> PolarsResult<Option<DataFrame>> {
    let Some(walk) = Walk::new(book, of)? else { return Ok(None) };
    let lengths: Vec<i32> = windows.iter().map(|w| i32::try_from(*w).unwrap_or(i32::MAX)).collect();
    let rows = Sums::<Key, { SUMS.len() }>::over(book.series(), |series, space: &mut Space, sums| {
        walk.steps(series, space);
        let currency = book.currencies.of[series];
        for window in &lengths {
            merged(&space.steps, *window, of, &mut |period, group, change| {
                for (sum, change) in sums.of((*window, currency, period, group)).iter_mut().zip(change) {
                    *sum += change;
                }
            });
        }
    });
    let mut columns = vec![periods("window", rows.iter().map(|((window, ..), _)| *window))];
    columns.extend(keys(&walk, rows.iter().map(|((_, currency, period, group), _)| (*currency, *period, *group)))?);
    for (at, name) in SUMS.iter().enumerate() {
        columns.push(ints(name, rows.iter().map(|(_, sums)| sums[at])));
    }
    DataFrame::new(rows.len(), columns).map(Some)
}

/// Tells the changes of a series: period, group, change of the sums.
fn merged(steps: &[Step], window: i32, of: &StepsOf<'_>, tell: &mut impl FnMut(i32, u64, [i64; SUMS.len()])) {
    let Some(first) = steps.first() else { return };
    // The next step to take effect now, a window later, and as the dimensions of a window's first day.
    let (mut now, mut then, mut stands) = (0, 0, 0);
    let (mut pays, mut paid, mut group) = (0, 0, first.group);
    let mut told = [0; SUMS.len()];
    let mut told_of = first.group;
    let due = |at: usize, shift: i32| steps.get(at).map_or(i32::MAX, |step| step.period.saturating_add(shift));
    loop {
        let dimensions = if of.transfers { due(stands, window - 1) } else { i32::MAX };
        let period = due(now, 0).min(due(then, window)).min(dimensions);
        if period > of.last || period == i32::MAX {
            return;
        }
        if due(now, 0) == period {
            pays = steps[now].after;
            now += 1;
        }
        if due(then, window) == period {
            paid = steps[then].after;
            then += 1;
        }
        if dimensions == period {
            group = steps[stands].group;
            stands += 1;
        }
        let state = state(pays, paid);
        if of.transfers {
            // A group may change: the old state leaves its group and the new one enters its own.
            tell(period, group, state);
            tell(period, told_of, told.map(|sum: i64| -sum));
        } else {
            tell(period, group, std::array::from_fn(|i| state[i] - told[i]));
        }
        (told, told_of) = (state, group);
    }
}
