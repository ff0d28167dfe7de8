//! Values as numbers, and combinations of them as one number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use polars::prelude::*;

use crate::kernel::book::number;

/// The number of a row that is left to another thread.
pub(super) const SKIPPED: u32 = u32::MAX;

/// The number of NULL.
const NULL: u32 = 0;

/// A value of every row of a batch.
pub(in crate::kernel) enum Values {
    Texts(StringChunked),
    Ints(Int64Chunked),
}

impl Values {
    /// From a column made of one piece.
    pub(in crate::kernel) fn new(column: &Column) -> PolarsResult<Self> {
        Ok(match column.dtype() {
            DataType::String => Self::Texts(column.str()?.clone()),
            _ => Self::Ints(column.cast(&DataType::Int64)?.i64()?.clone()),
        })
    }
}

/// Gives every distinct value a number, as it comes. NULL has 0.
pub(in crate::kernel) enum Coder {
    Texts(Known<PlSmallStr>),
    Ints(Known<i64>),
}

impl Coder {
    /// For values of that type: texts, or anything that is a whole number inside.
    pub(in crate::kernel) fn new(dtype: &DataType) -> Self {
        match dtype {
            DataType::String => Self::Texts(Known::default()),
            _ => Self::Ints(Known::default()),
        }
    }

    /// The numbers of the values that fall to the thread `at` of `of`; [`SKIPPED`] for the others.
    pub(super) fn code_some(&mut self, values: &Values, at: usize, of: usize, codes: &mut Vec<u32>) {
        match (self, values) {
            (Self::Texts(known), Values::Texts(values)) => {
                codes.extend(values.iter().map(|value| known.code_some(value, at, of)));
            }
            (Self::Ints(known), Values::Ints(values)) => {
                codes.extend(values.iter().map(|value| known.code_some(value.as_ref(), at, of)));
            }
            // A batch has the types of the tally.
            _ => codes.extend(std::iter::repeat_n(SKIPPED, values.len())),
        }
    }

    /// Pairs the numbers so far with those of another value of the same rows.
    pub(super) fn code_more(&mut self, values: &Values, pairing: &mut Pairing, codes: &mut [u32]) {
        let mine = codes.iter_mut();
        match (self, values) {
            (Self::Texts(known), Values::Texts(values)) => {
                for (code, value) in mine.zip(values.iter()).filter(|(code, _)| **code != SKIPPED) {
                    *code = pairing.code(*code, known.code(value));
                }
            }
            (Self::Ints(known), Values::Ints(values)) => {
                for (code, value) in mine.zip(values.iter()).filter(|(code, _)| **code != SKIPPED) {
                    *code = pairing.code(*code, known.code(value.as_ref()));
                }
            }
            _ => codes.fill(SKIPPED),
        }
    }

    /// The numbers of values.
    pub(in crate::kernel) fn codes(&mut self, values: &Values) -> Vec<u32> {
        match (self, values) {
            (Self::Texts(known), Values::Texts(values)) => values.iter().map(|value| known.code(value)).collect(),
            (Self::Ints(known), Values::Ints(values)) => {
                values.iter().map(|value| known.code(value.as_ref())).collect()
            }
            _ => vec![NULL; values.len()],
        }
    }

    /// Number of distinct values but NULL.
    pub(in crate::kernel) fn len(&self) -> usize {
        match self {
            Self::Texts(known) => known.table.len(),
            Self::Ints(known) => known.table.len(),
        }
    }

    /// The values by number.
    pub(super) fn into_distinct(self) -> Distinct {
        match self {
            Self::Texts(known) => Distinct::Texts(known.into_values()),
            Self::Ints(known) => Distinct::Ints(known.into_values()),
        }
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Texts(values) => values.len(),
            Self::Ints(values) => values.len(),
        }
    }
}

/// A value that can be numbered.
pub(in crate::kernel) trait Value: Default + Clone {
    /// As it comes.
    type Of: ?Sized + std::hash::Hash;

    fn own(of: &Self::Of) -> Self;

    fn of(&self) -> &Self::Of;

    fn is(&self, other: &Self::Of) -> bool;
}

impl Value for PlSmallStr {
    type Of = str;

    fn own(of: &str) -> Self {
        Self::from_str(of)
    }

    fn of(&self) -> &str {
        self.as_str()
    }

    fn is(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl Value for i64 {
    type Of = i64;

    fn own(of: &i64) -> Self {
        *of
    }

    fn of(&self) -> &i64 {
        self
    }

    fn is(&self, other: &i64) -> bool {
        self == other
    }
}

/// The distinct values met so far, with their numbers.
pub(in crate::kernel) struct Known<T> {
    table: HashTable<(T, u32)>,
    /// The same in every thread, for it decides to which of them a value falls.
    state: PlFixedStateQuality,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { table: HashTable::new(), state: PlFixedStateQuality::default() }
    }
}

impl<T: Value> Known<T> {
    fn code(&mut self, value: Option<&T::Of>) -> u32 {
        value.map_or(NULL, |value| self.code_hashed(self.state.hash_one(value), value))
    }

    fn code_some(&mut self, value: Option<&T::Of>, at: usize, of: usize) -> u32 {
        let Some(value) = value else { return if at == 0 { NULL } else { SKIPPED } };
        let hash = self.state.hash_one(value);
        // The table looks at the first and the last bits.
        if (hash >> 32) as usize % of == at { self.code_hashed(hash, value) } else { SKIPPED }
    }

    fn code_hashed(&mut self, hash: u64, value: &T::Of) -> u32 {
        if let Some((_, code)) = self.table.find(hash, |(known, _)| known.is(value)) {
            return *code;
        }
        let code = number(self.table.len() + 1);
        let state = &self.state;
        self.table.insert_unique(hash, (T::own(value), code), |(known, _)| state.hash_one(known.of()));
        code
    }

    fn into_values(self) -> Vec<T> {
        let mut values = vec![T::default(); self.table.len()];
        for (value, code) in self.table {
            values[code as usize - 1] = value;
        }
        values
    }
}

/// Distinct values by number, the first of which has 1.
pub(super) enum Distinct {
    Texts(Vec<PlSmallStr>),
    Ints(Vec<i64>),
}

impl Distinct {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Texts(values) => values.len(),
            Self::Ints(values) => values.len(),
        }
    }

    /// Takes in values of which none is known; gives their new numbers by the old ones.
    pub(super) fn append(&mut self, more: Self) -> Vec<u32> {
        let (before, added) = (number(self.len()), number(more.len()));
        match (self, more) {
            (Self::Texts(values), Self::Texts(more)) => values.extend(more),
            (Self::Ints(values), Self::Ints(more)) => values.extend(more),
            // All threads have the types of the tally.
            _ => {}
        }
        std::iter::once(NULL).chain((1..=added).map(|code| before + code)).collect()
    }

    /// A column of the values, NULL first.
    pub(super) fn into_column(self, name: &str) -> Column {
        match self {
            Self::Texts(values) => {
                let values = std::iter::once(None).chain(values.iter().map(|value| Some(value.as_str())));
                StringChunked::from_iter_options(name.into(), values).into_column()
            }
            Self::Ints(values) => {
                let values = std::iter::once(None).chain(values.into_iter().map(Some));
                Int64Chunked::from_iter_options(name.into(), values).into_column()
            }
        }
    }
}

impl Coder {
    /// Takes in values of which some may be known; gives their new numbers by the old ones.
    pub(super) fn merge(&mut self, more: &Distinct) -> Vec<u32> {
        let codes: Vec<u32> = match (self, more) {
            (Self::Texts(known), Distinct::Texts(more)) => {
                more.iter().map(|value| known.code(Some(value.of()))).collect()
            }
            (Self::Ints(known), Distinct::Ints(more)) => more.iter().map(|value| known.code(Some(value))).collect(),
            _ => Vec::new(),
        };
        std::iter::once(NULL).chain(codes).collect()
    }
}

/// Gives every distinct pair of two numbers one of its own, as it comes.
#[derive(Default)]
pub(in crate::kernel) struct Pairing {
    /// By left number the first right one, and the number of the pair. Most have no other: a user is of one customer.
    first: Vec<Option<(u32, u32)>>,
    more: PlHashMap<(u32, u32), u32>,
    pairs: Vec<(u32, u32)>,
}

impl Pairing {
    pub(in crate::kernel) fn code(&mut self, left: u32, right: u32) -> u32 {
        let at = left as usize;
        if at >= self.first.len() {
            self.first.resize(at + 1, None);
        }
        let pairs = &mut self.pairs;
        let mut add = || {
            pairs.push((left, right));
            number(pairs.len() - 1)
        };
        match self.first[at] {
            Some((known, code)) if known == right => code,
            Some(_) => *self.more.entry((left, right)).or_insert_with(add),
            None => {
                let code = add();
                self.first[at] = Some((right, code));
                code
            }
        }
    }

    pub(in crate::kernel) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The numbers that a pair is made of.
    pub(in crate::kernel) fn of(&self, pair: u32) -> (u32, u32) {
        self.pairs[pair as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_once_each() {
        let mut pairing = Pairing::default();
        let codes =
            [(1, 5), (0, 5), (1, 6), (1, 5), (1, 6), (0, 5), (3, 5)].map(|(left, right)| pairing.code(left, right));
        assert_eq!(codes, [0, 1, 2, 0, 2, 1, 3]);
        assert_eq!((0..4).map(|pair| pairing.of(pair)).collect::<Vec<_>>(), [(1, 5), (0, 5), (1, 6), (3, 5)]);
    }

    #[test]
    fn every_value_falls_to_one_thread() {
        let texts = StringChunked::from_iter_options(
            "id".into(),
            [Some("a"), None, Some("b"), Some("a"), Some("c")].into_iter(),
        );
        let values = Values::Texts(texts);
        let mut seen = vec![0; 5];
        let mut all = Distinct::Texts(Vec::new());
        for at in 0..3 {
            let (mut coder, mut codes) = (Coder::new(&DataType::String), Vec::new());
            coder.code_some(&values, at, 3, &mut codes);
            for (seen, code) in seen.iter_mut().zip(&codes) {
                *seen += i32::from(*code != SKIPPED);
            }
            assert_eq!(codes[0], codes[3]);
            all.append(coder.into_distinct());
        }
        assert_eq!(seen, [1; 5]);
        let all = all.into_column("id");
        assert_eq!((all.len(), all.n_unique().unwrap(), all.null_count()), (4, 4, 1));
    }
}
