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
}

/// Name of the column of ids.
const NAME: &str = "customer_id";

/// Whole numbers as a column.
pub(super) fn numbers(ids: impl Iterator<Item = i64>) -> Column {
    Int64Chunked::from_iter_values(NAME.into(), ids).into_column()
}

/// Texts as a column.
pub(super) fn texts<'a>(ids: impl Iterator<Item = &'a str>) -> Column {
    StringChunked::from_iter_values(NAME.into(), ids).into_column()
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
}

impl Id for i64 {
    fn shared(self, _: Self) -> usize {
        0
    }

    fn rank(self, _: usize) -> u64 {
        self.cast_unsigned() ^ (1 << 63)
    }
}

/// A short text as a whole number, in the order of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word(u128);

impl Id for Word {
    fn shared(self, _: Self) -> usize {
        0
    }

    fn rank(self, _: usize) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// Texts that are short behind what all of them begin with, such as `cus_4fTq09Zb`: as whole numbers they are
/// compared and hashed in one go, wherever the text lies.
pub(super) struct Words {
    prefix: String,
}

impl Words {
    /// Bytes that a number holds.
    const BYTES: usize = 16;

    /// For all texts of a column; `None` where one is too long, or ends with what fills short ones up.
    pub(super) fn of(ids: &StringChunked) -> Option<Self> {
        let first = ids.iter().flatten().next().unwrap_or_default();
        let parts = rayon::current_num_threads();
        let part = ids.len().div_ceil(parts).max(1);
        let parts = (0..parts).into_par_iter().map(|at| {
            let ids = ids.slice(i64::try_from(at * part).unwrap_or(i64::MAX), part);
            let (mut prefix, mut longest) = (first, 0);
            for id in ids.iter().flatten() {
                if !id.starts_with(prefix) {
                    prefix = floor(prefix, id.shared(prefix));
                }
                longest = longest.max(id.len());
                if id.ends_with('\0') {
                    return None;
                }
            }
            Some((prefix, longest))
        });
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let longest = parts.iter().map(|(_, longest)| *longest).max().unwrap_or(0);
        // All are beginnings of the same text.
        let prefix = parts.into_iter().map(|(prefix, _)| prefix).min_by_key(|prefix| prefix.len()).unwrap_or_default();
        (longest - prefix.len() <= Self::BYTES).then(|| Self { prefix: prefix.to_owned() })
    }

    /// The number of a text; `None` for one that is not like those of the column.
    pub(super) fn word(&self, id: &str) -> Option<Word> {
        let rest = id.strip_prefix(self.prefix.as_str())?.as_bytes();
        let mut bytes = [0; Self::BYTES];
        bytes.get_mut(..rest.len())?.copy_from_slice(rest);
        (rest.last() != Some(&0)).then(|| Word(u128::from_be_bytes(bytes)))
    }

    /// The texts behind numbers, as a column.
    pub(super) fn column(&self, words: impl ExactSizeIterator<Item = Word>) -> Column {
        let mut column = StringChunkedBuilder::new(NAME.into(), words.len());
        let mut text = String::new();
        for Word(word) in words {
            let bytes = word.to_be_bytes();
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            text.clear();
            text.push_str(&self.prefix);
            // What all begin with is whole characters, so the rest is, too.
            text.push_str(std::str::from_utf8(&bytes[..end]).unwrap_or_default());
            column.append_value(&text);
        }
        column.finish().into_column()
    }
}

/// The longest beginning of a text of at most so many bytes.
fn floor(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
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

    fn words(ids: &[Option<&str>]) -> Option<Words> {
        Words::of(&StringChunked::from_slice_options("id".into(), ids))
    }

    #[test]
    fn short_texts_are_numbers_in_their_order() {
        // The last characters of two ids begin with the same byte.
        let mut ids = ["cus_", "cus_B", "cus_é", "cus_è", "cus_a\0b", "cus_a", "cus_0123456789abcdef", "cus_aa"];
        let found = words(&ids.map(Some)).unwrap();
        assert_eq!(found.prefix, "cus_");
        assert!(ids.iter().all(|id| found.word(id).is_some()));
        ids.sort_unstable();
        let numbers: Vec<Word> = ids.iter().filter_map(|id| found.word(id)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let column = found.column(numbers.into_iter());
        assert_eq!(column.str().unwrap().iter().flatten().collect::<Vec<_>>(), ids);
        for other in ["cu", "sub_1", "cus_0123456789abcdefg", "cus_a\0"] {
            assert_eq!(found.word(other), None, "{other}");
        }
    }

    #[test]
    fn only_short_texts_are_numbers() {
        assert!(words(&[Some("0123456789abcdef"), Some("x")]).is_some());
        assert!(words(&[Some("0123456789abcdefg"), Some("x")]).is_none());
        assert!(words(&[Some("a"), Some("a\0")]).is_none());
        assert!(words(&[Some("é1"), Some("è1"), None]).is_some_and(|found| found.prefix.is_empty()));
        assert!(words(&[]).is_some());
    }

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
