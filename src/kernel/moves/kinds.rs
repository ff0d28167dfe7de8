//! Kinds of changes, and rows of their own for exchange rates and for pauses that end in a cancellation.

use polars::prelude::*;

use super::{Moves, Reasons, Step};
use crate::expr::parts::{PARTS, part};
use crate::expr::sequence::{CHANGED, ENDED, REVALUED};
use crate::kernel::book::{Codes, Kind, NAMES};
use crate::kernel::sums::{all, ints, texts};

/// The movements of some customers, by customer, day and sequence.
#[derive(Default)]
pub(super) struct Told {
    pub(super) series: Vec<u32>,
    pub(super) days: Vec<i32>,
    pub(super) sequence: Vec<i64>,
    pub(super) kinds: Vec<Kind>,
    pub(super) delta: Vec<i64>,
    pub(super) after: Vec<i64>,
    pub(super) first_paid: Vec<i32>,
    /// These where the ledger has them.
    pub(super) reasons: Vec<Option<u32>>,
    pub(super) parts: Vec<[i64; PARTS.len()]>,
    /// The change at constant rates, and what is there after it.
    pub(super) constant: Vec<(i64, i64)>,
    pub(super) paused_after: Vec<i64>,
}

/// A movement.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) day: i32,
    pub(super) sequence: i64,
    pub(super) kind: Kind,
    pub(super) delta: i64,
    pub(super) after: i64,
    pub(super) first_paid: i32,
    pub(super) reason: Option<u32>,
    pub(super) parts: [i64; PARTS.len()],
    pub(super) constant: (i64, i64),
    pub(super) paused_after: i64,
}

impl Told {
    /// Tells a customer from what changed by day.
    pub(super) fn tell(
        &mut self,
        of: &Moves<'_>,
        series: u32,
        steps: &[Step],
        reasons: Option<&Reasons>,
    ) -> Option<()> {
        let (mut last, mut first_paid, mut was_paused) = (None::<&Step>, 0, 0);
        for step in steps {
            let above = std::mem::replace(&mut was_paused, step.paused_after);
            // A pause of what is not paid yet is no movement.
            if of.pauses && step.delta == 0 && step.fx == 0 && step.paused_after > above {
                continue;
            }
            let paused_before = last.map_or(0, |last| last.paused_after);
            let before = step.after.checked_sub(step.delta)?;
            let returns = before == 0 && step.after > 0;
            let late = |last: &Step| {
                let is_late = |within: i32| paused_before <= 0 && step.day - last.day > within;
                returns && of.reactivation.is_some_and(is_late)
            };
            let enters = last.is_none_or(late);
            last = Some(step);
            if enters {
                first_paid = step.day;
            }
            let kind = match (before, step.after) {
                _ if enters => Kind::New,
                _ if returns && paused_before > 0 => Kind::Resume,
                (0, _) => Kind::Reactivation,
                (_, 0) if step.paused_after > 0 => Kind::Pause,
                (_, 0) => Kind::Churn,
                _ if step.delta > 0 => Kind::Expansion,
                _ => Kind::Contraction,
            };
            let row = Row {
                day: step.day,
                sequence: CHANGED,
                kind,
                delta: step.delta,
                after: step.after,
                first_paid,
                reason: None,
                parts: [0; _],
                constant: (0, step.constant_after),
                paused_after: step.paused_after,
            };
            let reason = |kind: Kind| {
                let of_churn = reasons.filter(|_| kind == Kind::Churn);
                of_churn.and_then(|reasons| reasons.of(series, step.day))
            };
            if step.fx != 0 {
                let constant = (0, step.constant_after.checked_sub(step.constant_delta)?);
                let (sequence, kind) = (REVALUED, Kind::Fx);
                self.push(of, series, Row { sequence, kind, delta: step.fx, after: before, constant, ..row });
            }
            if step.delta != 0 {
                let is_taken_apart = matches!(kind, Kind::Expansion | Kind::Contraction);
                let parts = if is_taken_apart { step.parts } else { row.parts };
                let constant = (step.constant_delta, step.constant_after);
                self.push(of, series, Row { parts, constant, reason: reason(kind), ..row });
            } else if step.after == 0 && step.paused_after == 0 && paused_before > 0 {
                // Who cancels on pause resumes and leaves on one day, so that the pause does not stay open.
                let (kind, delta) = (Kind::Resume, paused_before);
                self.push(of, series, Row { kind, delta, after: delta, ..row });
                let (sequence, kind, delta) = (ENDED, Kind::Churn, -paused_before);
                self.push(of, series, Row { sequence, kind, delta, reason: reason(kind), ..row });
            }
        }
        Some(())
    }

    /// Adds a movement with what the ledger has.
    pub(super) fn push(&mut self, of: &Moves<'_>, series: u32, row: Row) {
        self.series.push(series);
        self.days.push(row.day);
        self.sequence.push(row.sequence);
        self.kinds.push(row.kind);
        self.delta.push(row.delta);
        self.after.push(row.after);
        self.first_paid.push(row.first_paid);
        if of.reasons {
            self.reasons.push(row.reason);
        }
        if of.lines {
            self.parts.push(row.parts);
        }
        if of.conversion.is_some() {
            self.constant.push(row.constant);
        }
        if of.pauses {
            self.paused_after.push(row.paused_after);
        }
    }

    /// A movement as it was added.
    pub(super) fn row(&self, at: usize) -> Row {
        Row {
            day: self.days[at],
            sequence: self.sequence[at],
            kind: self.kinds[at],
            delta: self.delta[at],
            after: self.after[at],
            first_paid: self.first_paid[at],
            reason: self.reasons.get(at).copied().flatten(),
            parts: self.parts.get(at).copied().unwrap_or_default(),
            constant: self.constant.get(at).copied().unwrap_or_default(),
            paused_after: self.paused_after.get(at).copied().unwrap_or_default(),
        }
    }
}

/// All movements as one frame, with the columns of the query.
pub(super) fn frame(of: &Moves<'_>, told: &[Told], reasons: Option<Codes>) -> PolarsResult<DataFrame> {
    let height = told.iter().map(|told| told.days.len()).sum();
    let days = |name: &str, days: &mut dyn Iterator<Item = i32>| {
        Int32Chunked::from_iter_values(name.into(), days).into_date().into_column()
    };
    let delta = || all(told, |told| &told.delta);
    let after = || all(told, |told| &told.after);
    let names: StringChunked = NAMES.iter().map(|(name, _)| Some(*name)).collect();
    let kinds = IdxCa::from_iter_values("kinds".into(), all(told, |told| &told.kinds).map(|kind| kind as IdxSize));
    let mut columns = vec![
        UInt32Chunked::from_iter_values("series".into(), all(told, |told| &told.series)).into_column(),
        days("day", &mut all(told, |told| &told.days)),
        ints("sequence", all(told, |told| &told.sequence)),
        texts("kind", names.take(&kinds)?),
        ints("before", after().zip(delta()).map(|(after, delta)| after - delta)),
        ints("delta", delta()),
        ints("after", after()),
        days("first_paid_on", &mut all(told, |told| &told.first_paid)),
        match reasons {
            None => Column::full_null("reason".into(), height, &DataType::String),
            Some(mut codes) => {
                let none = codes.code(None);
                codes.column("reason", all(told, |told| &told.reasons).map(|reason| reason.unwrap_or(none)))?
            }
        },
    ];
    if of.lines {
        let of =
            |(at, name): (usize, &&str)| ints(&part(name), all(told, |told| &told.parts).map(move |parts| parts[at]));
        columns.extend(PARTS.iter().enumerate().map(of));
    }
    if of.conversion.is_some() {
        columns.push(ints("constant_delta", all(told, |told| &told.constant).map(|(delta, _)| delta)));
        columns.push(ints("constant_after", all(told, |told| &told.constant).map(|(_, after)| after)));
    }
    if of.pauses {
        columns.push(ints("paused_after", all(told, |told| &told.paused_after)));
    }
    DataFrame::new(height, columns)
}
