//! Sums of whole numbers by key, made in parallel.

use std::hash::{Hash, Hasher};

use polars::prelude::*;
use rayon::prelude::*;

use super::book::number;

/// Keys that were met, numbered as they came.
///
/// Rows ask for few keys, each of them often, so that most are found without the table of all.
pub(super) struct Known<K> {
    at: PlHashMap<K, u32>,
    /// By the last bits of a mixed key where it was found last.
    near: Vec<u32>,
    pub(super) keys: Vec<K>,
}

impl<K: Copy + Eq + Hash> Known<K> {
    const NEAR: usize = 1 << 12;

    pub(super) fn new() -> Self {
        Self { at: PlHashMap::default(), near: vec![0; Self::NEAR], keys: Vec::new() }
    }

    /// The number of a key.
    pub(super) fn number(&mut self, key: K) -> u32 {
        let near = &mut self.near[mixed(key) & (Self::NEAR - 1)];
        if self.keys.get(*near as usize) != Some(&key) {
            let keys = &mut self.keys;
            *near = *self.at.entry(key).or_insert_with(|| {
                keys.push(key);
                number(keys.len() - 1)
            });
        }
        *near
    }
}

/// Sums by key; every key that was touched is there, also where its sums are zero.
pub(super) struct Sums<K, const N: usize> {
    known: Known<K>,
    /// By number of the key.
    sums: Vec<[i64; N]>,
}

impl<K: Copy + Eq + Hash + Ord + Send, const N: usize> Sums<K, N> {
    pub(super) fn new() -> Self {
        Self { known: Known::new(), sums: Vec::new() }
    }

    /// The sums of a key.
    pub(super) fn of(&mut self, key: K) -> &mut [i64; N] {
        let at = self.known.number(key) as usize;
        if at == self.sums.len() {
            self.sums.push([0; N]);
        }
        &mut self.sums[at]
    }

    /// The sums of both.
    pub(super) fn merged(mut self, other: Self) -> Self {
        for (key, sums) in other.known.keys.into_iter().zip(other.sums) {
            for (sum, more) in self.of(key).iter_mut().zip(sums) {
                *sum += more;
            }
        }
        self
    }

    /// Calls `add` for every series below `series`, and gives the sums by key in ascending order.
    ///
    /// `add` gets working space that lasts from series to series.
    pub(super) fn over<W: Default>(
        series: usize,
        add: impl Fn(usize, &mut W, &mut Self) + Sync + Send,
    ) -> Vec<(K, [i64; N])> {
        /// Series that one thread takes at once.
        const SHARE: usize = 16_384;
        let shares = series.div_ceil(SHARE);
        let sums = (0..shares).into_par_iter().map(|share| {
            let (mut sums, mut space) = (Self::new(), W::default());
            for one in share * SHARE..series.min((share + 1) * SHARE) {
                add(one, &mut space, &mut sums);
            }
            sums
        });
        sums.reduce(Self::new, Self::merged).rows()
    }

    /// The sums of all by key in ascending order.
    pub(super) fn of_all(shares: Vec<Self>) -> Vec<(K, [i64; N])> {
        shares.into_iter().reduce(Self::merged).unwrap_or_else(Self::new).rows()
    }

    /// The sums by key in ascending order.
    pub(super) fn rows(self) -> Vec<(K, [i64; N])> {
        let mut rows: Vec<_> = self.known.keys.into_iter().zip(self.sums).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }
}

/// The place of a key in a table of those near at hand, by its last bits: fast, and good enough to tell neighbours apart.
fn mixed(key: impl Hash) -> usize {
    let mut mix = Mix(0);
    key.hash(&mut mix);
    // The first bits of a product depend on all bits of its factors.
    (mix.0 >> 32) as usize
}

/// Mixes whole numbers.
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

/// What all shares have of something, one share after the other.
pub(super) fn all<'a, S, T: Copy + 'a>(
    shares: &'a [S],
    of: impl Fn(&'a S) -> &'a Vec<T> + 'a,
) -> impl Iterator<Item = T> + 'a {
    shares.iter().flat_map(move |share| of(share).iter().copied())
}

/// A column of whole numbers.
pub(super) fn ints(name: &str, values: impl Iterator<Item = i64>) -> Column {
    Int64Chunked::from_iter_values(name.into(), values).into_column()
}

/// A column of periods or offsets.
pub(super) fn periods(name: &str, values: impl Iterator<Item = i32>) -> Column {
    Int32Chunked::from_iter_values(name.into(), values).into_column()
}

/// A text column.
pub(super) fn texts(name: &str, values: StringChunked) -> Column {
    values.with_name(name.into()).into_column()
}
