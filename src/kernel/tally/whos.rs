//! Who is in a tally: every combination of values once, with a number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use polars::prelude::*;

use super::coder::{Coder, Distinct, Values};
use crate::kernel::book::number;

/// Combinations of values, numbered as they come.
///
/// A row asks one table once, whatever the number of its values.
pub(super) struct Whos {
    table: HashTable<u32>,
    hashes: Vec<u64>,
    keys: Vec<Own>,
}

/// A value of everybody.
enum Own {
    Texts(Vec<Option<PlSmallStr>>),
    Ints(Vec<Option<i64>>),
}

impl Whos {
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a DataType>) -> Self {
        let own = |dtype: &DataType| match dtype {
            DataType::String => Own::Texts(Vec::new()),
            _ => Own::Ints(Vec::new()),
        };
        Self { table: HashTable::new(), hashes: Vec::new(), keys: keys.map(own).collect() }
    }

    /// The number of who has the values of a row; the hash is that of [`hashes`].
    pub(super) fn number(&mut self, hash: u64, values: &[Values], row: usize) -> u32 {
        let Self { table, hashes, keys } = self;
        let is_same = |who: &u32| keys.iter().zip(values).all(|(own, values)| own.is(*who as usize, values, row));
        if let Some(who) = table.find(hash, is_same) {
            return *who;
        }
        let who = number(hashes.len());
        hashes.push(hash);
        table.insert_unique(hash, who, |who| hashes[*who as usize]);
        keys.iter_mut().zip(values).for_each(|(own, values)| own.push(values, row));
        who
    }

    /// By key the codes of everybody, and the distinct values that these stand for.
    pub(super) fn into_codes(self) -> Vec<(Vec<u32>, Distinct)> {
        let Self { table, hashes, keys } = self;
        drop((table, hashes));
        let coded = keys.into_iter().map(|own| match own {
            Own::Texts(values) => {
                let mut coder = Coder::new(&DataType::String);
                (coder.code_texts(values.iter().map(|value| value.as_ref().map(PlSmallStr::as_str))), coder)
            }
            Own::Ints(values) => {
                let mut coder = Coder::new(&DataType::Int64);
                (coder.code_ints(values.into_iter()), coder)
            }
        });
        coded.map(|(codes, coder)| (codes, coder.into_distinct())).collect()
    }
}

impl Own {
    fn is(&self, who: usize, values: &Values, row: usize) -> bool {
        match (self, values) {
            (Self::Texts(own), Values::Texts(values)) => own[who].as_deref() == values.get(row),
            (Self::Ints(own), Values::Ints(values)) => own[who] == values.get(row),
            // A batch has the types of the tally.
            _ => false,
        }
    }

    fn push(&mut self, values: &Values, row: usize) {
        match (self, values) {
            (Self::Texts(own), Values::Texts(values)) => own.push(values.get(row).map(PlSmallStr::from_str)),
            (Self::Ints(own), Values::Ints(values)) => own.push(values.get(row)),
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
                values.iter().map(|value| value.map_or(0, |value| state.hash_one(value))).collect()
            }
            Values::Ints(values) => values.iter().map(|value| value.map_or(0, |value| state.hash_one(value))).collect(),
        };
        for (hash, own) in all.iter_mut().zip(&own) {
            // Equal values of two keys must not cancel each other.
            *hash = (hash.rotate_left(23) ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        if first.is_empty() {
            first = own;
        }
    }
    (all, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_number() {
        let users = [Some("a"), None, Some("a"), Some("b"), None, Some("a")];
        let ages = [Some(1i64), Some(1), Some(2), Some(1), Some(1), Some(1)];
        let values = [
            Values::Texts(StringChunked::from_slice_options("user".into(), &users)),
            Values::Ints(Int64Chunked::from_slice_options("age".into(), &ages)),
        ];
        let (all, first) = hashes(&values, 6);
        assert_eq!(first.len(), 6);
        let mut whos = Whos::new([DataType::String, DataType::Int64].iter());
        let numbers: Vec<u32> = (0..6).map(|row| whos.number(all[row], &values, row)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 1, 0]);
        let codes = whos.into_codes();
        // NULL is 0.
        assert_eq!(codes[0].0, [1, 0, 1, 2]);
        assert_eq!(codes[1].0, [1, 1, 2, 1]);
        assert_eq!((codes[0].1.len(), codes[1].1.len()), (2, 2));
    }
}
