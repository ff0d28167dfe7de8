//! What is left of cohorts: changes by offset, and what each began with.

use polars::prelude::*;

use super::book::{Book, Dimension, Kind};
use super::sums::{Sums, ints, periods, texts};
use crate::expr::cohort::Cohorts;
use crate::expr::steps::ValueAt;

/// Currency, value of the dimension at entry, period of entry, offset.
type Cell = (u32, Option<u32>, i32, i32);

/// As [`Cohorts::changes_by_cell`].
pub(super) fn changes(book: &Book, cohorts: &Cohorts) -> PolarsResult<Option<DataFrame>> {
    let Some(calendar) = book.calendar(cohorts.periods, ValueAt::PeriodEnd) else { return Ok(None) };
    let (dated, value) = (&book.dated, book.value(cohorts.value));
    let dimension = cohorts.dimension.as_deref().map(|d| book.dimension(d)).transpose()?;
    let rows = Sums::<Cell, 3>::over(book.series(), |series, (): &mut (), sums| {
        let mut rows = book.rows(series).filter(|row| !book.kinds[*row].is_transfer()).peekable();
        let Some(first) = rows.peek().copied() else { return };
        let entry = value[first];
        let origin = calendar.of(book.first_paid[series]);
        let cohort = dimension.map(|d| d.at(series, first));
        // From the entry on: one customer, with what it entered with.
        let (mut was, mut lowest) = ([1, entry, entry], i64::MAX);
        let offset = |row: usize| (calendar.of(dated[row]) - origin).max(1);
        while let Some(row) = rows.next() {
            if calendar.of(dated[row]) > cohorts.last {
                return;
            }
            let k = offset(row);
            // A row beyond `last` would be another offset, so it ends the step as well.
            if rows.peek().is_some_and(|next| offset(*next) == k && calendar.of(dated[*next]) <= cohorts.last) {
                continue;
            }
            let net = value[row];
            lowest = lowest.min(net);
            let gross = if cohorts.ratchet { lowest.min(entry) } else { net.min(entry) };
            let is = [i64::from(net > 0), gross, net];
            if k <= cohorts.horizon {
                let sums = sums.of((book.currencies.of[series], cohort, origin, k));
                for (sum, (is, was)) in sums.iter_mut().zip(is.iter().zip(was)) {
                    *sum += is - was;
                }
            }
            was = is;
        }
    });
    let mut columns = keys(book, dimension, rows.iter().map(|(key, _)| *key));
    columns.push(periods("k", rows.iter().map(|((.., k), _)| *k)));
    for (at, name) in ["customers", "gross", "net"].into_iter().enumerate() {
        columns.push(ints(name, rows.iter().map(|(_, sums)| sums[at])));
    }
    DataFrame::new(rows.len(), columns).map(Some)
}

/// As [`Cohorts::bases`].
pub(super) fn bases(book: &Book, cohorts: &Cohorts) -> PolarsResult<Option<DataFrame>> {
    let Some(calendar) = book.calendar(cohorts.periods, ValueAt::PeriodEnd) else { return Ok(None) };
    let value = book.value(cohorts.value);
    let dimension = cohorts.dimension.as_deref().map(|d| book.dimension(d)).transpose()?;
    let rows = Sums::<Cell, 2>::over(book.series(), |series, (): &mut (), sums| {
        let mut rows = book.rows(series).filter(|row| !book.kinds[*row].is_transfer());
        let Some(first) = rows.next() else { return };
        let new = std::iter::once(first).chain(rows).filter(|row| book.kinds[*row] == Kind::New).count();
        let Ok(new) = i64::try_from(new) else { return };
        if new > 0 {
            let cohort = dimension.map(|d| d.at(series, first));
            let sums = sums.of((book.currencies.of[series], cohort, calendar.of(book.first_paid[series]), 0));
            sums[0] += new;
            sums[1] += new * value[first];
        }
    });
    let mut columns = keys(book, dimension, rows.iter().map(|(key, _)| *key));
    columns.push(ints("size", rows.iter().map(|(_, sums)| sums[0])));
    columns.push(ints("revenue_base", rows.iter().map(|(_, sums)| sums[1])));
    DataFrame::new(rows.len(), columns).map(Some)
}

/// Columns `currency`, `cohort`, `origin`.
fn keys(book: &Book, dimension: Option<&Dimension>, rows: impl Iterator<Item = Cell> + Clone) -> Vec<Column> {
    let currencies = rows.clone().map(|(currency, ..)| book.currencies.text(currency)).collect();
    let cohort = |code: Option<u32>| dimension.zip(code).and_then(|(d, code)| d.codes.text(code));
    let cohorts = rows.clone().map(|(_, code, ..)| cohort(code)).collect();
    vec![
        texts("currency", currencies),
        texts("cohort", cohorts),
        periods("origin", rows.map(|(_, _, origin, _)| origin)),
    ]
}
