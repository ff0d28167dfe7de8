//! A ledger as arrays, with the rows of each series side by side.

use std::cmp::Ordering;
use std::ops::Range;

use polars::prelude::*;

use super::pieces::{Coded, Piece, met};
use crate::expr::calendar::Periods;
use crate::expr::parts::{PARTS, part};
use crate::expr::steps::ValueAt;
use crate::expr::texts::of_texts;

/// Kinds of ledger rows, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Reactivation,
    Resume,
    Expansion,
    Contraction,
    Pause,
    Churn,
    Fx,
    TransferIn,
    TransferOut,
}

/// Names of the kinds as the ledger gives them.
pub(super) const NAMES: [(&str, Kind); 10] = [
    ("new", Kind::New),
    ("reactivation", Kind::Reactivation),
    ("resume", Kind::Resume),
    ("expansion", Kind::Expansion),
    ("contraction", Kind::Contraction),
    ("pause", Kind::Pause),
    ("churn", Kind::Churn),
    ("fx", Kind::Fx),
    ("transfer_in", Kind::TransferIn),
    ("transfer_out", Kind::TransferOut),
];

impl Kind {
    fn named(name: &str) -> PolarsResult<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| polars_err!(InvalidOperation: "a ledger has no kind `{name}`"))
    }

    /// Whether a row moves revenue between values of a dimension.
    pub(super) fn is_transfer(self) -> bool {
        matches!(self, Self::TransferIn | Self::TransferOut)
    }
}

/// Where things begin when they are put side by side by their number below `all`; the last entry is how many there are.
pub(super) fn firsts(numbers: impl Iterator<Item = u32>, all: usize) -> Vec<usize> {
    let mut first = vec![0; all + 1];
    for one in numbers {
        first[one as usize + 1] += 1;
    }
    for at in 1..first.len() {
        first[at] += first[at - 1];
    }
    first
}

/// Rows put side by side by their number below `all`: the rows in that order, and as [`firsts`] where those of each
/// number begin.
pub(super) fn side_by_side<I: Iterator<Item = u32>>(numbers: impl Fn() -> I, all: usize) -> (Vec<u32>, Vec<usize>) {
    let first = firsts(numbers(), all);
    let (mut next, mut rows) = (first.clone(), vec![0; first[all]]);
    for (row, one) in (0..).zip(numbers()) {
        rows[next[one as usize]] = row;
        next[one as usize] += 1;
    }
    (rows, first)
}

/// A piece of a column.
pub(super) type Array<T> = <T as PolarsDataType>::Array;

/// A column as it lies.
pub(super) fn arrays<T: PolarsDataType>(column: &ChunkedArray<T>) -> Vec<Array<T>> {
    column.downcast_iter().cloned().collect()
}

/// A column in one piece, of which rows are asked one by one.
pub(super) fn array<T: PolarsDataType>(column: &ChunkedArray<T>) -> Array<T> {
    column.rechunk().downcast_as_array().clone()
}

/// An order within a day as books hold it.
pub(super) fn sequence(order: i64) -> u8 {
    u8::try_from(order).unwrap_or(0)
}

/// Texts as numbers; equal texts have equal numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    /// By row or by series.
    pub(super) of: Vec<u32>,
    texts: Vec<Option<String>>,
}

impl Codes {
    pub(super) fn new(column: &StringChunked) -> Self {
        let mut texts = Vec::new();
        let of = of_texts(column, |text| {
            texts.push(text.map(str::to_owned));
            number(texts.len() - 1)
        });
        Self { of, texts }
    }

    /// The same texts for other rows.
    pub(super) fn with(&self, of: Vec<u32>) -> Self {
        Self { of, texts: self.texts.clone() }
    }

    /// The number of a text, which is added where it is not known.
    pub(super) fn code(&mut self, text: Option<&str>) -> u32 {
        let known = self.texts.iter().position(|known| known.as_deref() == text);
        number(known.unwrap_or_else(|| {
            self.texts.push(text.map(str::to_owned));
            self.texts.len() - 1
        }))
    }

    /// The text behind a number.
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        self.texts.get(code as usize)?.as_deref()
    }

    /// The numbers by the alphabet: by number its place.
    pub(super) fn places(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..number(self.texts.len())).collect();
        order.sort_unstable_by_key(|code| self.text(*code));
        inverse(&order)
    }

    /// A column with the texts of some numbers, as they are written.
    pub(super) fn piece(&self, name: &str, rows: impl Iterator<Item = u32>) -> PolarsResult<Piece> {
        let (mut met, codes) = met(self.texts.len(), rows);
        let null = met.iter().position(|code| self.text(*code).is_none());
        let codes = if let Some(null) = null {
            met.remove(null);
            // The numbers behind that of NULL move up.
            let value = |code: u32| match code.cmp(&number(null)) {
                Ordering::Less => Some(code),
                Ordering::Equal => None,
                Ordering::Greater => Some(code - 1),
            };
            UInt32Chunked::from_iter_options("codes".into(), codes.into_iter().map(value))
        } else {
            UInt32Chunked::from_vec("codes".into(), codes)
        };
        Ok(Piece::Coded(Coded { values: self.column(name, met.into_iter())?, codes }))
    }

    /// A column with the texts of some numbers.
    pub(super) fn column(&self, name: &str, codes: impl Iterator<Item = u32>) -> PolarsResult<Column> {
        let texts: StringChunked = self.texts.iter().map(Option::as_deref).collect();
        let at = IdxCa::from_iter_values("at".into(), codes);
        Ok(texts.take(&at)?.with_name(name.into()).into_column())
    }
}

/// By number its place in an order of numbers; of places the order.
pub(super) fn inverse(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    for (place, number) in (0..).zip(order) {
        places[*number as usize] = place;
    }
    places
}

/// There are never more rows than 32 bits can number: sources with more are refused.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A dimension: one value per row, or where it never changes one per series.
#[derive(Debug)]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) by_series: bool,
    pub(super) codes: Codes,
}

impl Dimension {
    /// The value in a row of a series.
    pub(super) fn at(&self, series: usize, row: usize) -> u32 {
        self.codes.of[if self.by_series { series } else { row }]
    }
}

/// A ledger sorted on its grain.
#[derive(Debug, Default)]
pub struct Book {
    /// First row of each series, and the number of rows.
    pub(super) bounds: Vec<usize>,
    /// Ids of the series, and their currencies.
    pub(super) customers: Column,
    pub(super) currencies: Codes,
    pub(super) first_paid: Vec<i32>,
    pub(super) dated: Vec<i32>,
    pub(super) sequence: Vec<u8>,
    pub(super) kinds: Vec<Kind>,
    pub(super) delta: Vec<i64>,
    pub(super) after: Vec<i64>,
    /// Where the ledger has them.
    pub(super) constant_after: Vec<i64>,
    pub(super) paused_after: Vec<i64>,
    /// These where the book is all there is of the ledger.
    pub(super) constant_delta: Vec<i64>,
    pub(super) parts: Vec<Vec<i64>>,
    /// By row; of a book without reasons empty.
    pub(super) reasons: Codes,
    pub(super) dimensions: Vec<Dimension>,
}

impl Book {
    /// The book of a computed ledger.
    pub(super) fn new(ledger: &DataFrame) -> PolarsResult<Self> {
        let text = |name: &str| Ok::<_, PolarsError>(Codes::new(ledger.column(name)?.str()?));
        let ints = |name: &str| Ok::<_, PolarsError>(ledger.column(name)?.i64()?.into_no_null_iter().collect());
        let days = |name: &str| -> PolarsResult<Vec<i32>> {
            Ok(ledger.column(name)?.date()?.physical().into_no_null_iter().collect())
        };
        let has = |name: &str| ledger.schema().contains(name);
        let optional = |name: &str| if has(name) { ints(name) } else { Ok(Vec::new()) };
        let currencies = text("currency")?;
        let first_paid = days("first_paid_on")?;
        let customers = ledger.column("customer_id")?;
        let same_customer = same_as_before(customers)?;
        let begins = |row: usize| {
            row == 0
                || !same_customer[row]
                || first_paid[row] != first_paid[row - 1]
                || currencies.of[row] != currencies.of[row - 1]
        };
        let rows = ledger.height();
        let mut bounds: Vec<usize> = (0..rows).filter(|row| begins(*row)).collect();
        let first = IdxCa::from_iter_values("first".into(), bounds.iter().map(|row| number(*row)));
        let kinds = ledger.column("kind")?.str()?;
        let dimensions = ledger.columns().iter().map(Column::name).map(PlSmallStr::as_str);
        let dimensions = dimensions
            .skip_while(|name| *name != "reason")
            .skip(1)
            .map(|name| Ok(Dimension { name: name.to_owned(), by_series: false, codes: text(name)? }));
        let of_series = |codes: &[u32]| bounds.iter().map(|row| codes[*row]).collect();
        let mut book = Self {
            customers: customers.take(&first)?,
            currencies: currencies.with(of_series(&currencies.of)),
            first_paid: bounds.iter().map(|row| first_paid[*row]).collect(),
            dated: days("effective_on")?,
            sequence: ledger.column("sequence")?.i64()?.into_no_null_iter().map(sequence).collect(),
            kinds: kinds.iter().map(|kind| Kind::named(kind.unwrap_or_default())).collect::<PolarsResult<_>>()?,
            delta: ints("mrr_delta")?,
            after: ints("mrr_after")?,
            constant_after: optional("constant_after")?,
            paused_after: optional("paused_after")?,
            reasons: text("reason")?,
            dimensions: dimensions.collect::<PolarsResult<_>>()?,
            ..Self::default()
        };
        bounds.push(rows);
        book.bounds = bounds;
        Ok(book)
    }

    /// Number of series.
    pub(super) fn series(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Number of rows.
    pub(super) fn height(&self) -> usize {
        self.dated.len()
    }

    /// The rows of a series, by day and sequence.
    pub(super) fn rows(&self, series: usize) -> Range<usize> {
        self.bounds[series]..self.bounds[series + 1]
    }

    /// The balance before a row.
    pub(super) fn before(&self, row: usize) -> i64 {
        self.after[row] - self.delta[row]
    }

    /// The balances: `mrr_after`, or `constant_after` for amounts at constant rates.
    pub(super) fn value(&self, name: &str) -> &[i64] {
        if name == "constant_after" { &self.constant_after } else { &self.after }
    }

    /// A dimension.
    pub(super) fn dimension(&self, name: &str) -> PolarsResult<&Dimension> {
        let found = self.dimensions.iter().find(|d| d.name == name);
        found.ok_or_else(|| polars_err!(InvalidOperation: "the ledger has no dimension `{name}`"))
    }

    /// Days on which anything is dated.
    fn days(&self) -> Range<i32> {
        let all = || self.dated.iter().chain(&self.first_paid).copied();
        all().min().unwrap_or(0)..all().max().map_or(0, |last| last + 1)
    }

    /// Periods of the days of this book; `None` where they span so many years that no table of them can be made.
    pub(super) fn calendar(&self, periods: Periods, value_at: ValueAt) -> Option<Calendar> {
        let days = self.days();
        if days.len() > MOST_DAYS {
            return None;
        }
        let index = |day: i32| periods.index_of(civil(day));
        // The first period that starts on or after a day follows the one of the day before.
        let next = |day: i32| periods.index_of(civil(day - 1)) + 1;
        let of = |value_at: ValueAt| match value_at {
            ValueAt::PeriodEnd => days.clone().map(index).collect(),
            ValueAt::PeriodStart => days.clone().map(next).collect(),
        };
        Some(Calendar { first: days.start, value: of(value_at), starts: of(ValueAt::PeriodStart) })
    }

    /// The largest magnitude in one of the columns of amounts of a ledger.
    pub(super) fn largest(&self, name: &str) -> PolarsResult<u64> {
        let largest = |amounts: &mut dyn Iterator<Item = i64>| amounts.map(i64::unsigned_abs).max().unwrap_or(0);
        Ok(match name {
            "mrr_before" => largest(&mut (0..self.height()).map(|row| self.before(row))),
            "mrr_delta" => largest(&mut self.delta.iter().copied()),
            "mrr_after" => largest(&mut self.after.iter().copied()),
            _ => largest(&mut self.more(name)?.iter().copied()),
        })
    }

    /// A column of amounts that only some ledgers have.
    pub(super) fn more(&self, name: &str) -> PolarsResult<&[i64]> {
        Ok(match name {
            "constant_delta" => &self.constant_delta,
            "constant_after" => &self.constant_after,
            "paused_after" => &self.paused_after,
            _ => {
                let at = PARTS.iter().position(|known| part(known) == name);
                let found = at.and_then(|at| self.parts.get(at));
                found.ok_or_else(|| polars_err!(InvalidOperation: "a ledger has no amount `{name}`"))?
            }
        })
    }

    /// The series of some rows.
    pub(super) fn series_of(&self, rows: &Range<usize>) -> Vec<u32> {
        let mut series = self.bounds.partition_point(|first| *first <= rows.start).saturating_sub(1);
        let mut out = Vec::with_capacity(rows.len());
        for row in rows.clone() {
            while self.bounds[series + 1] <= row {
                series += 1;
            }
            out.push(number(series));
        }
        out
    }
}

/// About two thousand years.
pub(super) const MOST_DAYS: usize = 730_000;

pub(super) fn civil(day: i32) -> jiff::civil::Date {
    jiff::civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(day))
}

/// By row whether it has the id of the row above.
pub(super) fn same_as_before(ids: &Column) -> PolarsResult<Vec<bool>> {
    fn compared<T: PartialEq>(ids: impl Iterator<Item = T>) -> Vec<bool> {
        let mut last = None;
        ids.map(|id| {
            let same = last.as_ref() == Some(&id);
            last = Some(id);
            same
        })
        .collect()
    }
    Ok(match ids.dtype() {
        DataType::String => compared(ids.str()?.iter()),
        _ => compared(ids.i64()?.iter()),
    })
}

/// The combined values of some dimensions, as one number.
pub(super) struct Groups<'a> {
    /// Dimensions, and the distance between two neighbouring values of each.
    dimensions: Vec<(&'a Dimension, u64)>,
}

impl<'a> Groups<'a> {
    /// `None` where the combinations cannot be numbered in 64 bits.
    pub(super) fn new(book: &'a Book, names: &[String]) -> PolarsResult<Option<Self>> {
        let mut dimensions = Vec::new();
        let mut distance = 1u64;
        for name in names {
            let dimension = book.dimension(name)?;
            dimensions.push((dimension, distance));
            let Some(next) = distance.checked_mul(dimension.codes.texts.len().max(1) as u64) else { return Ok(None) };
            distance = next;
        }
        Ok(Some(Self { dimensions }))
    }

    /// The combination in a row of a series.
    pub(super) fn at(&self, series: usize, row: usize) -> u64 {
        self.dimensions.iter().map(|(d, distance)| u64::from(d.at(series, row)) * distance).sum()
    }

    /// The columns of some combinations.
    pub(super) fn columns(&self, groups: &[u64]) -> PolarsResult<Vec<Column>> {
        let column = |(d, distance): &(&Dimension, u64)| {
            let values = d.codes.texts.len().max(1) as u64;
            let code = |group: &u64| u32::try_from(group / distance % values).unwrap_or(u32::MAX);
            d.codes.column(&d.name, groups.iter().map(code))
        };
        self.dimensions.iter().map(column).collect()
    }
}

/// The periods of the days of a book, looked up.
#[derive(Debug)]
pub(super) struct Calendar {
    first: i32,
    value: Vec<i32>,
    starts: Vec<i32>,
}

impl Calendar {
    /// The period that a change on a day belongs to.
    pub(super) fn of(&self, day: i32) -> i32 {
        self.value[usize::try_from(day - self.first).unwrap_or(usize::MAX)]
    }

    /// The first period that starts on or after a day.
    pub(super) fn starts(&self, day: i32) -> i32 {
        self.starts[usize::try_from(day - self.first).unwrap_or(usize::MAX)]
    }
}
