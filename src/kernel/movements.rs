//! Movements of the bridge, and what churned by reason.

use polars::prelude::*;

use super::book::Book;
use super::steps::{Space, Step, Walk};
use super::sums::{Sums, ints, periods, texts};
use crate::expr::bridge::{KINDS, amount, count};
use crate::expr::steps::StepsOf;

/// Amount and customers per kind.
const SUMS: usize = KINDS.len() * 2;

fn place(kind: &str) -> usize {
    KINDS.iter().position(|k| *k == kind).unwrap_or(0)
}

/// Positions of the kinds in [`KINDS`].
struct Places {
    new: usize,
    reactivation: usize,
    resumed: usize,
    expansion: usize,
    contraction: usize,
    paused: usize,
    churned: usize,
}

impl Places {
    fn new() -> Self {
        Self {
            new: place("new"),
            reactivation: place("reactivation"),
            resumed: place("resumed"),
            expansion: place("expansion"),
            contraction: place("contraction"),
            paused: place("paused"),
            churned: place("churned"),
        }
    }

    /// As [`kind_of_step`](crate::expr::bridge::kind_of_step), of a step that changes something.
    fn of(&self, step: &Step, change: i64, first_period: i32) -> usize {
        match (step.before, step.after) {
            (0, _) if step.paused_before > 0 => self.resumed,
            (0, _) if first_period == step.period => self.new,
            (0, _) => self.reactivation,
            (_, 0) if step.paused_after > 0 => self.paused,
            (_, 0) => self.churned,
            _ if change > 0 => self.expansion,
            _ => self.contraction,
        }
    }
}

/// As [`movements`](crate::expr::bridge::movements) of the steps.
pub(super) fn movements(book: &Book, of: &StepsOf<'_>) -> PolarsResult<Option<DataFrame>> {
    let Some(walk) = Walk::new(book, of)? else { return Ok(None) };
    let places = Places::new();
    let (fx, into, out) = (place("fx"), place("transfer_in"), place("transfer_out"));
    let rows = Sums::<(u32, i32, u64), SUMS>::over(book.series(), |series, space: &mut Space, sums| {
        walk.steps(series, space);
        let (currency, first_period) = (book.currencies.of[series], walk.first_period(series));
        for step in &space.steps {
            let mut add = |group: u64, kind: usize, amount: i64| {
                let sums = sums.of((currency, step.period, group));
                sums[kind * 2] += amount;
                sums[kind * 2 + 1] += 1;
            };
            let change = step.after - step.before - step.fx;
            if change != 0 {
                add(step.group, places.of(step, change, first_period), change);
            }
            if step.fx != 0 {
                add(step.group, fx, step.fx);
            }
            if step.before > 0 && step.previous != step.group {
                add(step.previous, out, -step.before);
                add(step.group, into, step.before);
            }
        }
    });
    let mut columns = keys(&walk, rows.iter().map(|(key, _)| *key))?;
    for (at, kind) in KINDS.iter().enumerate() {
        columns.push(ints(&amount(kind), rows.iter().map(|(_, sums)| sums[at * 2])));
        columns.push(ints(&count(kind), rows.iter().map(|(_, sums)| sums[at * 2 + 1])));
    }
    DataFrame::new(rows.len(), columns).map(Some)
}

/// Columns of a key: `currency`, `period`, the dimensions.
pub(super) fn keys(walk: &Walk<'_>, rows: impl Iterator<Item = (u32, i32, u64)> + Clone) -> PolarsResult<Vec<Column>> {
    let currencies = rows.clone().map(|(currency, ..)| walk.book.currencies.text(currency)).collect();
    let mut columns = vec![texts("currency", currencies), periods("period", rows.clone().map(|(_, period, _)| period))];
    columns.extend(walk.groups.columns(&rows.map(|(.., group)| group).collect::<Vec<_>>())?);
    Ok(columns)
}

/// Churned customers by reason: `currency`, `period`, `reason`, `lost` (negative), `customers`.
pub(super) fn reasons(book: &Book, of: &StepsOf<'_>) -> PolarsResult<Option<DataFrame>> {
    let Some(walk) = Walk::new(book, of)? else { return Ok(None) };
    let places = Places::new();
    let rows = Sums::<(u32, i32, Option<u32>), 2>::over(book.series(), |series, space: &mut Space, sums| {
        walk.steps(series, space);
        let (currency, first_period) = (book.currencies.of[series], walk.first_period(series));
        for step in &space.steps {
            let change = step.after - step.before - step.fx;
            if change != 0 && places.of(step, change, first_period) == places.churned {
                let sums =
                    sums.of((currency, step.period, step.reason.and_then(|row| book.reasons.of.get(row).copied())));
                sums[0] -= step.before;
                sums[1] += 1;
            }
        }
    });
    let reason = rows.iter().map(|((.., reason), _)| reason.and_then(|code| book.reasons.text(code))).collect();
    let currencies = rows.iter().map(|((currency, ..), _)| book.currencies.text(*currency)).collect();
    let columns = vec![
        texts("currency", currencies),
        periods("period", rows.iter().map(|((_, period, _), _)| *period)),
        texts("reason", reason),
        ints("lost", rows.iter().map(|(_, sums)| sums[0])),
        ints("customers", rows.iter().map(|(_, sums)| sums[1])),
    ];
    DataFrame::new(rows.len(), columns).map(Some)
}
