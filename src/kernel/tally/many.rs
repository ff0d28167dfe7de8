//! Numbers of many values, most of which are met once.
//!
//! One table of millions of values waits for memory with every value that it is asked for. So values are first parted by
//! their hash, and each part has a small table, which stays near the processor.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use polars::prelude::*;

use super::coder::NULL;
use crate::kernel::book::number;

/// A hash and the row that has it.
type Hashed = (u64, u32);

/// The numbers of values, as they come: the first has 1, NULL has 0. Also by number, less one, the first row with it.
pub(super) fn numbers<'a, T: Hash + PartialEq + ?Sized + 'a>(
    rows: usize,
    value: impl Fn(usize) -> Option<&'a T>,
) -> (Vec<u32>, Vec<u32>) {
    /// Bits of a hash that name a part.
    const BITS: u32 = 8;
    let state = PlFixedStateQuality::default();
    let mut parts: Vec<Vec<Hashed>> = (0..1 << BITS).map(|_| Vec::with_capacity(rows >> BITS)).collect();
    for row in 0..rows {
        let Some(value) = value(row) else { continue };
        let hash = state.hash_one(value);
        // Tables look at the last bits and the first ones.
        parts[usize::try_from(hash >> 32).unwrap_or(0) & ((1 << BITS) - 1)].push((hash, number(row)));
    }
    // By row the first one with its value; NULL has none.
    let mut first = vec![u32::MAX; rows];
    for part in parts {
        let mut known: HashTable<Hashed> = HashTable::with_capacity(part.len());
        for (hash, row) in part {
            let is = |(other, before): &Hashed| *other == hash && value(*before as usize) == value(row as usize);
            let before = known.find(hash, is).map(|(_, before)| *before);
            if before.is_none() {
                known.insert_unique(hash, (hash, row), |(hash, _)| *hash);
            }
            first[row as usize] = before.unwrap_or(row);
        }
    }
    let mut firsts = Vec::new();
    let mut numbers = vec![NULL; rows];
    for row in 0..rows {
        numbers[row] = match first[row] {
            u32::MAX => NULL,
            before if before as usize == row => {
                firsts.push(before);
                number(firsts.len())
            }
            before => numbers[before as usize],
        };
    }
    (numbers, firsts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_as_they_come() {
        let values = [Some("b"), None, Some("a"), Some("b"), Some("c"), None, Some("a")];
        let (codes, firsts) = numbers(values.len(), |row| values[row]);
        assert_eq!(codes, [1, 0, 2, 1, 3, 0, 2]);
        assert_eq!(firsts, [0, 2, 4]);
        assert_eq!(numbers::<str>(0, |_| None), (vec![], vec![]));
    }

    #[test]
    fn many_values_have_the_numbers_that_one_table_would_give_them() {
        let values: Vec<Option<i64>> = (0..40_000i64).map(|n| (n % 9 > 0).then_some(n * n % 30_011)).collect();
        let mut known = PlHashMap::<i64, u32>::default();
        let expected: Vec<u32> = values
            .iter()
            .map(|value| {
                let next = number(known.len() + 1);
                value.map_or(NULL, |value| *known.entry(value).or_insert(next))
            })
            .collect();
        let (codes, firsts) = numbers(values.len(), |row| values[row].as_ref());
        assert_eq!(codes, expected);
        assert_eq!(firsts.len(), known.len());
        assert!(firsts.iter().zip(1..).all(|(row, code)| known[&values[*row as usize].unwrap()] == code));
    }
}
