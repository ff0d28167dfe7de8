//! Who is in a tally: every combination of values once, with a number.

use std::hash::BuildHasher;

use polars::prelude::*;

use super::coder::{Coder, Distinct, Values, compare, compare_each};
use super::many;
use crate::kernel::book::number;

/// Combinations of values, numbered as they come.
///
/// A row asks one table once, whatever the number of its values. With millions of combinations nearly every step of
/// that waits for memory, so rows are looked up many at a time, and wait together.
pub(super) struct Whos {
    /// A power of two of places, of which at most three in four are taken. In the last bits of each, as many as number
    /// the places, stands the number of a combination, plus one, and before these the first bits of its hash; 0 is free.
    /// A combination stands at the first place that was free from the one on that the last bits of its hash name.
    places: Vec<u32>,
    hashes: Vec<u64>,
    /// Who was met last with each of the last bits of a hash, and the hash.
    recent: Vec<(u64, u32)>,
    keys: Vec<Key>,
    /// The values of everybody that are whole numbers, those of one combination side by side.
    ints: Beside<i64>,
    /// Which of these are NULL; nothing as long as none is.
    nulls: Vec<bool>,
    texts: Beside<Option<PlSmallStr>>,
}

/// Everybody's codes by a value, and what knows what they stand for.
type Coded<T> = (Vec<u32>, T);

/// Where the values of a key stand: at which place among those of their type.
#[derive(Clone, Copy)]
enum Key {
    Int(usize),
    Text(usize),
}

/// So many values of everybody.
#[derive(Default)]
struct Beside<T> {
    width: usize,
    values: Vec<T>,
}

impl<T> Beside<T> {
    fn at(&self, who: u32, place: usize) -> usize {
        who as usize * self.width + place
    }

    fn of(&self, who: u32, place: usize) -> &T {
        &self.values[self.at(who, place)]
    }
}

/// Rows that are looked up together.
const BLOCK: usize = 64;

/// Those who were met last are looked for among so many, which stay near the processor.
const RECENT: usize = 1 << 11;

/// Searches begin at every so manieth place, and look at so many at once.
const NEAR: usize = 4;

/// The number of nobody.
const NOBODY: u32 = u32::MAX;

impl Whos {
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a DataType>) -> Self {
        let (mut ints, mut texts) = (Beside::default(), Beside::default());
        let mut key = |dtype: &DataType| {
            let is_text = dtype == &DataType::String;
            let width = if is_text { &mut texts.width } else { &mut ints.width };
            *width += 1;
            if is_text { Key::Text(*width - 1) } else { Key::Int(*width - 1) }
        };
        let keys = keys.map(&mut key).collect();
        Self {
            places: vec![0; 1024],
            hashes: Vec::new(),
            recent: vec![(0, NOBODY); RECENT],
            keys,
            ints,
            nulls: Vec::new(),
            texts,
        }
    }

    /// Calls `tell` with each run, in this order, and the number of who has its values.
    pub(super) fn numbers(&mut self, values: &[Values], runs: &[Run], mut tell: impl FnMut(&Run, u32)) {
        let mut block = [(0, NOBODY); BLOCK];
        for runs in runs.chunks(BLOCK) {
            let block = &mut block[..runs.len()];
            for (found, run) in block.iter_mut().zip(runs) {
                let (hash, who) = self.recent[recent(run.hash)];
                *found = (run.row as usize, if hash == run.hash { who } else { self.near(run.hash) });
            }
            self.keys.iter().zip(values).for_each(|(key, values)| self.keep(*key, values, block));
            for ((row, who), run) in block.iter().zip(runs) {
                let who = if *who == NOBODY { self.number(run.hash, values, *row) } else { *who };
                self.recent[recent(run.hash)] = (run.hash, who);
                tell(run, who);
            }
        }
    }

    /// Who with such a hash stands near the place where a search begins, if any does. Reads that do not wait for each
    /// other, and no branch on what they find.
    fn near(&self, hash: u64) -> u32 {
        let home = self.home(hash);
        let mut found = NOBODY;
        for place in &self.places[home..home + NEAR] {
            found = if self.is_like(*place, hash) { self.who_at(*place) } else { found };
        }
        found
    }

    /// The place where a search begins.
    fn home(&self, hash: u64) -> usize {
        // There are never more places than 32 bits can tell apart.
        usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & (self.places.len() - NEAR)
    }

    /// The bits of a place that hold a number.
    fn mask(&self) -> u32 {
        number(self.places.len() - 1)
    }

    /// What stands at the place of somebody with such a hash.
    fn place(&self, hash: u64, who: u32) -> u32 {
        (first_bits(hash) & !self.mask()) | (who + 1)
    }

    /// Whether it may be somebody with such a hash who stands at a place.
    fn is_like(&self, place: u32, hash: u64) -> bool {
        (place ^ first_bits(hash)) & !self.mask() == 0
    }

    /// Who stands at a place; nobody at a free one.
    fn who_at(&self, place: u32) -> u32 {
        (place & self.mask()).wrapping_sub(1)
    }

    /// The place after another.
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    /// Whether who has the values of a row.
    fn is(&self, who: u32, values: &[Values], row: usize) -> bool {
        self.keys.iter().zip(values).all(|(key, values)| self.has(*key, who, values, row))
    }

    /// Whether who has the value of a row.
    fn has(&self, key: Key, who: u32, values: &Values, row: usize) -> bool {
        match (key, values) {
            (Key::Text(place), Values::Texts(values, _)) => self.texts.of(who, place).as_deref() == values.get(row),
            // A batch has the types of the tally.
            (Key::Text(_), _) => false,
            (Key::Int(place), values) => {
                let is_null = self.nulls.get(self.ints.at(who, place)).copied().unwrap_or(false);
                values.int(row).map_or(is_null, |value| !is_null && *self.ints.of(who, place) == value)
            }
        }
    }

    /// Of rows, each with who it may be, keeps who has the value of the row.
    fn keep(&self, key: Key, values: &Values, rows: &mut [(usize, u32)]) {
        match (key, values) {
            (Key::Int(place), Values::Plain(values)) if self.nulls.is_empty() => {
                let values = values.values();
                keep_if(rows, |who, row| *self.ints.of(who, place) == values[row]);
            }
            (Key::Text(place), Values::Texts(values, _)) => {
                keep_if(rows, |who, row| self.texts.of(who, place).as_deref() == values.get(row));
            }
            _ => keep_if(rows, |who, row| self.has(key, who, values, row)),
        }
    }

    /// Adds the values of a row as those of somebody new.
    fn push(&mut self, values: &[Values], row: usize) {
        for (key, values) in self.keys.iter().zip(values) {
            match (key, values) {
                (Key::Text(_), Values::Texts(values, _)) => {
                    self.texts.values.push(values.get(row).map(PlSmallStr::from_str));
                }
                (Key::Text(_), _) => self.texts.values.push(None),
                (Key::Int(_), values) => {
                    let value = values.int(row);
                    if value.is_none() || !self.nulls.is_empty() {
                        self.nulls.resize(self.ints.values.len(), false);
                        self.nulls.push(value.is_none());
                    }
                    self.ints.values.push(value.unwrap_or(0));
                }
            }
        }
    }

    /// The number of who has the values of a row.
    fn number(&mut self, hash: u64, values: &[Values], row: usize) -> u32 {
        let mut at = self.home(hash);
        while self.places[at] != 0 {
            let place = self.places[at];
            if self.is_like(place, hash) && self.is(self.who_at(place), values, row) {
                return self.who_at(place);
            }
            at = self.next(at);
        }
        let who = number(self.hashes.len());
        self.places[at] = self.place(hash, who);
        self.hashes.push(hash);
        self.push(values, row);
        if self.hashes.len() * 4 > self.places.len() * 3 {
            self.grow();
        }
        who
    }

    fn grow(&mut self) {
        self.places = vec![0; self.places.len() * 2];
        for (hash, who) in self.hashes.iter().zip(0..) {
            let mut at = self.home(*hash);
            while self.places[at] != 0 {
                at = self.next(at);
            }
            self.places[at] = self.place(*hash, who);
        }
    }

    /// The codes of everybody by the first value, which tells most apart, and the distinct ones that these stand for;
    /// for each of the others the codes, and the coder that knows what they stand for.
    pub(super) fn into_codes(self) -> (Coded<Distinct>, Vec<Coded<Coder>>) {
        let Self { places, hashes, recent, keys, ints, nulls, texts } = self;
        let everybody = hashes.len();
        drop((places, hashes, recent));
        let is_null = |who: usize, place: usize| nulls.get(who * ints.width + place).copied().unwrap_or(false);
        let int = |who: usize, place: usize| (!is_null(who, place)).then(|| &ints.values[who * ints.width + place]);
        let text = |who: usize, place: usize| texts.values[who * texts.width + place].as_ref();
        let mut keys = keys.into_iter();
        let (codes, first) = match keys.next() {
            Some(Key::Text(place)) => {
                let (codes, firsts) = many::numbers(everybody, |who| text(who, place));
                let values = firsts.iter().filter_map(|who| text(*who as usize, place).cloned());
                (codes, Distinct::Texts(values.collect()))
            }
            Some(Key::Int(place)) => {
                let (codes, firsts) = many::numbers(everybody, |who| int(who, place));
                let values = firsts.iter().filter_map(|who| int(*who as usize, place).copied());
                (codes, Distinct::Ints(values.collect()))
            }
            // A tally has a value beside the day.
            None => (Vec::new(), Distinct::Ints(Vec::new())),
        };
        let others = keys.map(|key| match key {
            Key::Text(place) => {
                let mut coder = Coder::new(&DataType::String);
                (coder.code_texts((0..everybody).map(|who| text(who, place).map(PlSmallStr::as_str))), coder)
            }
            Key::Int(place) => {
                let mut coder = Coder::new(&DataType::Int64);
                (coder.code_ints((0..everybody).map(|who| int(who, place).copied())), coder)
            }
        });
        ((codes, first), others.collect())
    }
}

/// The place of a hash among those who were met last.
fn recent(hash: u64) -> usize {
    usize::try_from(hash & (RECENT as u64 - 1)).unwrap_or(0)
}

/// The first half of a hash.
fn first_bits(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// Of rows, each with who it may be, keeps those who are it.
fn keep_if(rows: &mut [(usize, u32)], is: impl Fn(u32, usize) -> bool) {
    for (row, who) in rows.iter_mut().filter(|(_, who)| *who != NOBODY) {
        if !is(*who, *row) {
            *who = NOBODY;
        }
    }
}

/// Rows side by side that have all values in common.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Of all values but the day.
    hash: u64,
    pub(super) row: u32,
    pub(super) rows: u32,
}

/// The runs that begin at `heads`, each given to `tell` with a hash of its first value: equal values have equal hashes.
pub(super) fn runs(values: &[Values], heads: &[u32], rows: usize, mut tell: impl FnMut(u64, Run)) {
    let state = PlFixedStateQuality::default();
    let hash_of = |values: &Values, row: usize| match values {
        Values::Texts(values, _) => values.get(row).map_or(0, |value| state.hash_one(value)),
        values => values.int(row).map_or(0, |value| state.hash_one(value)),
    };
    let ends = heads.iter().skip(1).copied().chain([number(rows)]);
    for (row, end) in heads.iter().copied().zip(ends) {
        let (mut all, mut first) = (0u64, None);
        for values in values {
            let own = hash_of(values, row as usize);
            first.get_or_insert(own);
            // Equal values of two keys must not cancel each other.
            all = (all.rotate_left(23) ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        // The product has mixed its first bits; the last ones name places.
        tell(first.unwrap_or(0), Run { hash: all ^ (all >> 32), row, rows: end - row });
    }
}

/// The rows where runs begin: that are not like the one above, or of another day.
///
/// Exports often have what belongs to somebody side by side, and looking at the row above costs little where not.
pub(super) fn heads(values: &[Values], day: Option<&Int32Chunked>, rows: usize) -> Vec<u32> {
    /// Rows that are looked at together, so that what is found of them stays in the processor.
    const SOME: usize = 1 << 10;
    let mut differs = [0; SOME];
    let mut heads: Vec<u32> = Vec::with_capacity(rows / 2);
    heads.extend(0..number(rows.min(1)));
    for first in (1..rows).step_by(SOME) {
        let differs = &mut differs[..SOME.min(rows - first)];
        differs.fill(0);
        values.iter().for_each(|values| values.compare(first, differs));
        if let Some(day) = day {
            match day.cont_slice() {
                Ok(days) => compare(days, first, differs, |a, b| u64::from((a ^ b).cast_unsigned())),
                Err(_) => compare_each(|row| day.get(row), first, differs),
            }
        }
        heads.extend((number(first)..).zip(differs.iter()).filter(|(_, differs)| **differs != 0).map(|(row, _)| row));
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(whos: &mut Whos, values: &[Values], rows: usize) -> Vec<u32> {
        let mut found = Vec::new();
        runs(values, &heads(values, None, rows), rows, |_, run| found.push(run));
        let mut out = Vec::new();
        whos.numbers(values, &found, |run, who| {
            assert_eq!(run.row as usize, out.len());
            out.extend(std::iter::repeat_n(who, run.rows as usize));
        });
        assert_eq!(out.len(), rows);
        out
    }

    #[test]
    fn equal_rows_side_by_side_are_a_run() {
        let long = "longer than twelve bytes";
        let users = [Some("a"), Some("a"), None, None, Some(long), Some(long), Some("b"), Some("b")];
        let ages = [1i64, 1, 1, 1, 1, 1, 1, 2];
        let all = |users: &[Option<&str>]| {
            let values = [
                Values::new(&StringChunked::from_slice_options("user".into(), users).into_column()).unwrap(),
                Values::new(&Int64Chunked::from_slice("age".into(), &ages[..users.len()]).into_column()).unwrap(),
            ];
            let mut days = vec![7; users.len()];
            days[0] = 6;
            let days = Int32Chunked::from_vec("day".into(), days);
            let mut out = Vec::new();
            let heads = heads(&values, Some(&days), users.len());
            runs(&values, &heads, users.len(), |_, run| out.push((run.row, run.rows)));
            out
        };
        assert_eq!(all(&users), [(0, 1), (1, 1), (2, 2), (4, 2), (6, 1), (7, 1)]);
        assert_eq!(all(&users[..2]), [(0, 1), (1, 1)]);
        assert_eq!(all(&users[6..]).len(), 2);
    }

    #[test]
    fn everybody_has_one_number() {
        let users = [Some("a"), None, Some("a"), Some("b"), None, Some("a")];
        let ages = [Some(1i64), Some(1), Some(2), Some(1), Some(1), Some(1)];
        let values = [
            Values::new(&StringChunked::from_slice_options("user".into(), &users).into_column()).unwrap(),
            Values::new(&Int64Chunked::from_slice_options("age".into(), &ages).into_column()).unwrap(),
        ];
        let mut whos = Whos::new([DataType::String, DataType::Int64].iter());
        assert_eq!(numbers(&mut whos, &values, 6), [0, 1, 2, 3, 1, 0]);
        let ((codes, first), others) = whos.into_codes();
        // NULL is 0.
        assert_eq!(codes, [1, 0, 1, 2]);
        assert_eq!(others[0].0, [1, 1, 2, 1]);
        assert_eq!((first.len(), others[0].1.len()), (2, 2));
    }

    #[test]
    fn a_table_grows_with_those_in_it() {
        let ids = |from: i64, nulls: bool| {
            let ids = (from..from + 5000).map(|id| (!nulls || id % 7 > 0).then_some(id % 4000));
            [Values::new(&ids.collect::<Int64Chunked>().into_column()).unwrap()]
        };
        let mut whos = Whos::new(std::iter::once(&DataType::Int64));
        assert_eq!(numbers(&mut whos, &ids(0, false), 5000), (0..4000).chain(0..1000).collect::<Vec<u32>>());
        let second = numbers(&mut whos, &ids(1, true), 5000);
        let expected = (1..5001u32).map(|id| if id % 7 > 0 { id % 4000 } else { 4000 });
        assert_eq!(second, expected.collect::<Vec<u32>>());
        // Zero, which is a value, is not NULL.
        let ((codes, distinct), _) = whos.into_codes();
        assert_eq!((codes.len(), codes[0], codes[4000], distinct.len()), (4001, 1, 0, 4000));
    }
}
