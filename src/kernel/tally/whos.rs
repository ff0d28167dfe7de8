//! Who is in a tally: every combination of values once, with a number.

use std::hash::BuildHasher;

use polars::prelude::*;

use super::coder::{Coder, Distinct, Values};
use crate::kernel::book::number;

/// Combinations of values, numbered as they come.
///
/// A row asks one table once, whatever the number of its values. With millions of combinations nearly every step of
/// that waits for memory, so rows are looked up many at a time, and wait together.
pub(super) struct Whos {
    /// A power of two of places, of which at most three in four are taken. In the upper half stands the upper half of
    /// a hash, in the lower one the number of the combination, plus one; 0 is free. A combination stands at the place
    /// that the lower half of its hash names, or, where others were there first, behind it.
    places: Vec<u64>,
    hashes: Vec<u64>,
    keys: Vec<Own>,
}

/// A value of everybody.
enum Own {
    Texts(Vec<Option<PlSmallStr>>),
    /// Without NULLs there is no vector of them.
    Ints(Vec<i64>, Vec<bool>),
}

/// Rows that are looked up together.
const BLOCK: usize = 64;

/// The upper half of a hash.
const TAG: u64 = !(u32::MAX as u64);

impl Whos {
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a DataType>) -> Self {
        let own = |dtype: &DataType| match dtype {
            DataType::String => Own::Texts(Vec::new()),
            _ => Own::Ints(Vec::new(), Vec::new()),
        };
        Self { places: vec![0; 1024], hashes: Vec::new(), keys: keys.map(own).collect() }
    }

    /// Calls `tell` with each of some rows and the number of who has its values; `hashes` are those of [`hashes`].
    pub(super) fn numbers(
        &mut self,
        hashes: &[u64],
        values: &[Values],
        rows: &[u32],
        mut tell: impl FnMut(usize, u32),
    ) {
        let mut found = [None; BLOCK];
        for rows in rows.chunks(BLOCK) {
            let rows = || rows.iter().map(|row| *row as usize);
            // Reads that do not wait for each other.
            for (found, row) in found.iter_mut().zip(rows()) {
                let place = self.places[self.home(hashes[row])];
                *found = who_at(place, hashes[row]);
            }
            for (found, row) in found.iter_mut().zip(rows()) {
                *found = found.filter(|who| self.is(*who, values, row));
            }
            for (found, row) in found.iter().zip(rows()) {
                tell(row, found.unwrap_or_else(|| self.number(hashes[row], values, row)));
            }
        }
    }

    /// The place where a search begins.
    fn home(&self, hash: u64) -> usize {
        // There are never more places than 32 bits can tell apart.
        usize::try_from(hash & !TAG).unwrap_or(0) & (self.places.len() - 1)
    }

    /// Whether who has the values of a row.
    fn is(&self, who: u32, values: &[Values], row: usize) -> bool {
        self.keys.iter().zip(values).all(|(own, values)| own.is(who as usize, values, row))
    }

    /// The number of who has the values of a row.
    fn number(&mut self, hash: u64, values: &[Values], row: usize) -> u32 {
        let mut at = self.home(hash);
        while self.places[at] != 0 {
            if let Some(who) = who_at(self.places[at], hash).filter(|who| self.is(*who, values, row)) {
                return who;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
        let who = number(self.hashes.len());
        self.places[at] = (hash & TAG) | (u64::from(who) + 1);
        self.hashes.push(hash);
        self.keys.iter_mut().zip(values).for_each(|(own, values)| own.push(values, row));
        if self.hashes.len() * 4 > self.places.len() * 3 {
            self.grow();
        }
        who
    }

    fn grow(&mut self) {
        self.places = vec![0; self.places.len() * 2];
        for (hash, who) in self.hashes.iter().zip(1u64..) {
            let mut at = self.home(*hash);
            while self.places[at] != 0 {
                at = (at + 1) & (self.places.len() - 1);
            }
            self.places[at] = (hash & TAG) | who;
        }
    }

    /// By key the codes of everybody, and the distinct values that these stand for.
    pub(super) fn into_codes(self) -> Vec<(Vec<u32>, Distinct)> {
        let Self { places, hashes, keys } = self;
        drop((places, hashes));
        let coded = keys.into_iter().map(|own| match own {
            Own::Texts(values) => {
                let mut coder = Coder::new(&DataType::String);
                (coder.code_texts(values.iter().map(|value| value.as_ref().map(PlSmallStr::as_str))), coder)
            }
            Own::Ints(values, nulls) => {
                let mut coder = Coder::new(&DataType::Int64);
                let is_null = |who: usize| nulls.get(who).copied().unwrap_or(false);
                let values = values.into_iter().enumerate().map(|(who, value)| (!is_null(who)).then_some(value));
                (coder.code_ints(values), coder)
            }
        });
        coded.map(|(codes, coder)| (codes, coder.into_distinct())).collect()
    }
}

/// Who stands at a place, if it is somebody with such a hash.
fn who_at(place: u64, hash: u64) -> Option<u32> {
    let who = u32::try_from(place & !TAG).unwrap_or(0);
    (place & TAG == hash & TAG).then(|| who.checked_sub(1)).flatten()
}

impl Own {
    fn is(&self, who: usize, values: &Values, row: usize) -> bool {
        match (self, values) {
            (Self::Texts(own), Values::Texts(values)) => own[who].as_deref() == values.get(row),
            (Self::Ints(own, nulls), values) => match values.int(row) {
                Some(value) => own[who] == value && nulls.get(who) != Some(&true),
                None => nulls.get(who) == Some(&true),
            },
            // A batch has the types of the tally.
            _ => false,
        }
    }

    fn push(&mut self, values: &Values, row: usize) {
        match (self, values) {
            (Self::Texts(own), Values::Texts(values)) => own.push(values.get(row).map(PlSmallStr::from_str)),
            (Self::Ints(own, nulls), values) => {
                let value = values.int(row);
                if value.is_none() || !nulls.is_empty() {
                    nulls.resize(own.len(), false);
                    nulls.push(value.is_none());
                }
                own.push(value.unwrap_or(0));
            }
            _ => {}
        }
    }
}

/// By row a hash of all values, and of the first alone: equal values have equal ones.
pub(super) fn hashes(values: &[Values], rows: usize) -> (Vec<u64>, Vec<u64>) {
    let state = PlFixedStateQuality::default();
    let mut first: Vec<u64> = Vec::new();
    let mut all = vec![0u64; rows];
    for values in values {
        let own: Vec<u64> = match values {
            Values::Texts(values) => {
                (0..rows).map(|row| values.get(row).map_or(0, |value| state.hash_one(value))).collect()
            }
            values => (0..rows).map(|row| values.int(row).map_or(0, |value| state.hash_one(value))).collect(),
        };
        for (hash, own) in all.iter_mut().zip(&own) {
            // Equal values of two keys must not cancel each other.
            *hash = (hash.rotate_left(23) ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        if first.is_empty() {
            first = own;
        }
    }
    // The product has mixed its upper bits; the lower ones name places.
    all.iter_mut().for_each(|hash| *hash ^= *hash >> 32);
    (all, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(whos: &mut Whos, values: &[Values], rows: usize) -> Vec<u32> {
        let (all, first) = hashes(values, rows);
        assert_eq!(first.len(), rows);
        let mut out = Vec::new();
        let every: Vec<u32> = (0..number(rows)).collect();
        whos.numbers(&all, values, &every, |row, who| {
            assert_eq!(row, out.len());
            out.push(who);
        });
        out
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
        let codes = whos.into_codes();
        // NULL is 0.
        assert_eq!(codes[0].0, [1, 0, 1, 2]);
        assert_eq!(codes[1].0, [1, 1, 2, 1]);
        assert_eq!((codes[0].1.len(), codes[1].1.len()), (2, 2));
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
        let (codes, distinct) = whos.into_codes().pop().unwrap();
        assert_eq!((codes.len(), codes[0], codes[4000], distinct.len()), (4001, 1, 0, 4000));
    }
}
