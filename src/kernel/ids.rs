//! Ids of customers as numbers.

use polars::prelude::*;
use rayon::prelude::*;

use super::book::number;

/// An id of a customer.
pub(super) trait Id: Copy + Eq + std::hash::Hash + Ord + Send + Sync {
    /// Number of leading bytes that two ids share.
    fn shared(self, other: Self) -> usize;

    /// A number that sorts like the id behind its first `skip` bytes, as far as it reaches.
    fn rank(self, skip: usize) -> u64;

    /// Ids in a column.
    fn column(ids: impl Iterator<Item = Self>) -> Column;
}

impl Id for &str {
    fn shared(self, other: Self) -> usize {
        self.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
    }

    fn rank(self, skip: usize) -> u64 {
        let mut first = [0; 8];
        for (to, byte) in first.iter_mut().zip(self.bytes().skip(skip)) {
            *to = byte;
        }
        u64::from_be_bytes(first)
    }

    fn column(ids: impl Iterator<Item = Self>) -> Column {
        StringChunked::from_iter_values("customer_id".into(), ids).into_column()
    }
}

impl Id for i64 {
    fn shared(self, _: Self) -> usize {
        0
    }

    fn rank(self, _: usize) -> u64 {
        self.cast_unsigned() ^ (1 << 63)
    }

    fn column(ids: impl Iterator<Item = Self>) -> Column {
        Int64Chunked::from_iter_values("customer_id".into(), ids).into_column()
    }
}

/// Distinct ids and the numbers they got as they were met.
pub(super) struct Numbers<T> {
    pub(super) ids: Vec<T>,
    of: PlHashMap<T, u32>,
    /// The last one: neighbouring rows are often of one customer.
    last: Option<(T, u32)>,
}

impl<T: Id> Numbers<T> {
    pub(super) fn new() -> Self {
        Self { ids: Vec::new(), of: PlHashMap::default(), last: None }
    }

    /// The number of an id.
    pub(super) fn number(&mut self, id: T) -> u32 {
        if let Some((last, at)) = self.last
            && last == id
        {
            return at;
        }
        let ids = &mut self.ids;
        let at = *self.of.entry(id).or_insert_with(|| {
            ids.push(id);
            number(ids.len() - 1)
        });
        self.last = Some((id, at));
        at
    }

    /// The number of an id that was met before.
    pub(super) fn known(&self, id: T) -> Option<u32> {
        self.of.get(&id).copied()
    }

    /// The numbers in the order of the ids.
    pub(super) fn order(&self) -> Vec<u32> {
        let ids = &self.ids;
        if ids.is_sorted() {
            return (0..number(ids.len())).collect();
        }
        let skip = ids.iter().map(|id| id.shared(ids[0])).min().unwrap_or(0);
        let mut order: Vec<(u64, u32)> = ids.iter().zip(0..).map(|(id, at)| (id.rank(skip), at)).collect();
        order.par_sort_unstable_by(|(rank, at), (other, than)| {
            rank.cmp(other).then_with(|| ids[*at as usize].cmp(&ids[*than as usize]))
        });
        order.into_iter().map(|(_, at)| at).collect()
    }
}

/// Parts the ids into ranges that hold about as many of a sample each: the first id of every range but the first.
pub(super) fn bounds<T: Id>(mut sample: Vec<T>, ranges: usize) -> Vec<T> {
    sample.sort_unstable();
    let mut bounds: Vec<T> =
        (1..ranges).filter_map(|range| sample.get(range * sample.len() / ranges).copied()).collect();
    bounds.dedup();
    bounds
}

/// The range of an id.
pub(super) fn range_of<T: Id>(bounds: &[T], id: T) -> usize {
    bounds.partition_point(|bound| *bound <= id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_even_and_in_order() {
        let sample: Vec<i64> = (0..100).rev().collect();
        let bounds = bounds(sample, 4);
        assert_eq!(bounds, [25, 50, 75]);
        assert_eq!([-1, 24, 25, 74, 75, 1000].map(|id| range_of(&bounds, id)), [0, 0, 1, 2, 3, 3]);
        // Fewer ids than ranges, and none.
        assert_eq!(super::bounds(vec!["a", "a", "b"], 4), ["a", "b"]);
        assert_eq!(super::bounds::<i64>(Vec::new(), 4), Vec::<i64>::new());
    }
}
