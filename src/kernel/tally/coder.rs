//! Values as numbers, and combinations of them as one number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use polars::prelude::*;
use rayon::prelude::*;

use crate::kernel::book::number;

/// The number of NULL.
pub(super) const NULL: u32 = 0;

/// Texts in one piece.
pub(in crate::kernel) type TextArray = <StringType as PolarsDataType>::Array;

/// Whole numbers in one piece.
pub(in crate::kernel) type IntArray = <Int64Type as PolarsDataType>::Array;

/// A value of every row of a batch.
pub(in crate::kernel) enum Values {
    /// Texts, and whether some are NULL.
    Texts(TextArray, bool),
    /// Whole numbers, all of which are there.
    Plain(IntArray),
    /// Others.
    Ints(Int64Chunked),
}

impl Values {
    pub(in crate::kernel) fn new(column: &Column) -> PolarsResult<Self> {
        let column = column.rechunk();
        if column.dtype() == &DataType::String {
            let texts = column.str()?;
            let array = texts.downcast_iter().next().cloned();
            let array = array.ok_or_else(|| polars_err!(InvalidOperation: "texts lie in no piece"))?;
            return Ok(Self::Texts(array, texts.has_nulls()));
        }
        let ints = column.cast(&DataType::Int64)?;
        let ints = ints.i64()?;
        Ok(match ints.downcast_iter().next().filter(|_| !ints.has_nulls()) {
            Some(plain) => Self::Plain(plain.clone()),
            None => Self::Ints(ints.clone()),
        })
    }

    /// Adds bits to rows from `first` on, which has one above, whose value is not that of the row above. Equal texts may
    /// get bits as well.
    pub(super) fn compare(&self, first: usize, differs: &mut [u64]) {
        match self {
            // No branch and no comparison, so that several are looked at at once.
            Self::Plain(values) => compare(values.values(), first, differs, |a, b| (a ^ b).cast_unsigned()),
            Self::Ints(values) => compare_each(|row| values.get(row), first, differs),
            Self::Texts(values, true) => compare_each(|row| values.get(row), first, differs),
            // Of a short text this is all there is.
            Self::Texts(values, false) => {
                compare(values.views(), first, differs, |a, b| u64::from(a.as_u128() != b.as_u128()));
            }
        }
    }

    /// The value of a row that is a whole number.
    #[inline]
    pub(super) fn int(&self, row: usize) -> Option<i64> {
        match self {
            Self::Plain(values) => Some(values.value(row)),
            Self::Ints(values) => values.get(row),
            Self::Texts(..) => None,
        }
    }
}

/// Adds what `differs` says of neighbouring values, of which the second is `first` and those after it.
pub(super) fn compare<T: Copy>(values: &[T], first: usize, all: &mut [u64], differs: impl Fn(T, T) -> u64) {
    let (above, own) = (&values[first - 1..], &values[first..]);
    for ((all, above), own) in all.iter_mut().zip(above).zip(own) {
        *all |= differs(*above, *own);
    }
}

/// As [`compare`], of values that are not in one piece.
pub(super) fn compare_each<T: PartialEq>(value: impl Fn(usize) -> T, first: usize, all: &mut [u64]) {
    for (row, all) in (first..).zip(all) {
        *all |= u64::from(value(row - 1) != value(row));
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

    /// The numbers of values.
    pub(in crate::kernel) fn codes(&mut self, values: &Values) -> Vec<u32> {
        match values {
            Values::Texts(values, _) => self.code_texts(values.iter()),
            Values::Plain(values) => self.code_ints(values.values().iter().copied().map(Some)),
            Values::Ints(values) => self.code_ints(values.iter()),
        }
    }

    /// The numbers of texts; that of NULL for all where it is no coder of texts.
    pub(super) fn code_texts<'a>(&mut self, values: impl Iterator<Item = Option<&'a str>>) -> Vec<u32> {
        let Self::Texts(known) = self else { return values.map(|_| NULL).collect() };
        values.map(|value| known.code(value)).collect()
    }

    /// The numbers of whole numbers; that of NULL for all where it is no coder of these.
    pub(super) fn code_ints(&mut self, values: impl Iterator<Item = Option<i64>>) -> Vec<u32> {
        let Self::Ints(known) = self else { return values.map(|_| NULL).collect() };
        values.map(|value| known.code(value.as_ref())).collect()
    }

    /// Number of distinct values but NULL.
    pub(in crate::kernel) fn len(&self) -> usize {
        match self {
            Self::Texts(known) => known.values.len(),
            Self::Ints(known) => known.values.len(),
        }
    }

    /// The values by number.
    pub(super) fn into_distinct(self) -> Distinct {
        match self {
            Self::Texts(known) => Distinct::Texts(known.values),
            Self::Ints(known) => Distinct::Ints(known.values),
        }
    }
}

/// A value that can be numbered.
pub(in crate::kernel) trait Value {
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

/// The distinct values met so far, in the order of their numbers; the first has 1.
pub(in crate::kernel) struct Known<T> {
    values: Vec<T>,
    table: HashTable<u32>,
    state: PlFixedStateQuality,
    /// The last one: neighbouring values are often equal.
    last: u32,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        let (table, state) = (HashTable::default(), PlFixedStateQuality::default());
        Self { values: Vec::new(), table, state, last: NULL }
    }
}

impl<T: Value> Known<T> {
    fn code(&mut self, value: Option<&T::Of>) -> u32 {
        let Some(value) = value else { return NULL };
        if self.last == NULL || !self.values[self.last as usize - 1].is(value) {
            self.last = self.look_up(value);
        }
        self.last
    }

    /// The number of a value that is known.
    fn find(&self, value: &T::Of) -> Option<u32> {
        let is = |code: &u32| self.values[*code as usize - 1].is(value);
        self.table.find(self.state.hash_one(value), is).copied()
    }

    fn look_up(&mut self, value: &T::Of) -> u32 {
        if let Some(code) = self.find(value) {
            return code;
        }
        let Self { values, table, state, .. } = self;
        let at = |code: &u32| *code as usize - 1;
        let hash = state.hash_one(value);
        values.push(T::own(value));
        let code = number(values.len());
        table.insert_unique(hash, code, |code| state.hash_one(values[at(code)].of()));
        code
    }
}

impl<T: Value + Sync> Known<T> {
    /// As [`Coder::merge`]. Most are known, and these are found in parallel.
    fn merge(&mut self, more: &[T]) -> Vec<u32> {
        let mut codes = vec![NULL];
        codes.par_extend(more.par_iter().map(|value| self.find(value.of()).unwrap_or(NULL)));
        for (code, value) in codes.iter_mut().skip(1).zip(more).filter(|(code, _)| **code == NULL) {
            *code = self.look_up(value.of());
        }
        codes
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

    /// Takes in values of which none is known; gives how many there were before.
    pub(super) fn append(&mut self, more: Self) -> u32 {
        let before = number(self.len());
        match (self, more) {
            (Self::Texts(values), Self::Texts(more)) => values.extend(more),
            (Self::Ints(values), Self::Ints(more)) => values.extend(more),
            // All threads have the types of the tally.
            _ => {}
        }
        before
    }

    /// A column of the values, NULL first.
    pub(super) fn into_column(self, name: &str) -> Column {
        match self {
            Self::Texts(values) => {
                let values = std::iter::once(None).chain(values.iter().map(|value| Some(value.as_str())));
                StringChunked::from_iter_options(name.into(), values).into_column()
            }
            Self::Ints(values) => {
                let is_there = (0..=values.len()).map(|at| at > 0).collect();
                let values = std::iter::once(0).chain(values).collect();
                Int64Chunked::from_vec_validity(name.into(), values, Some(is_there)).into_column()
            }
        }
    }
}

impl Coder {
    /// Takes in values of which some may be known; gives their new numbers by the old ones.
    pub(super) fn merge(&mut self, more: &Distinct) -> Vec<u32> {
        match (self, more) {
            (Self::Texts(known), Distinct::Texts(more)) => known.merge(more),
            (Self::Ints(known), Distinct::Ints(more)) => known.merge(more),
            // All threads have the types of the tally.
            _ => vec![NULL],
        }
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
}
