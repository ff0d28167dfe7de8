//! Who was there on which day.
//!
//! Whoever was numbered one after the other stands in one block, and every block has its own days. So who walks the
//! days of a block looks at few numbers again and again, and these stay near the processor.

use polars::prelude::*;

/// Those in a block.
pub(in crate::kernel) const BLOCK: usize = 1 << 14;

/// The days of those in a block.
#[derive(Clone, Debug, Default)]
pub(in crate::kernel) struct Block {
    /// In ascending order, rows without a day first.
    pub(in crate::kernel) days: Vec<(Option<i32>, Day)>,
}

/// Who was there on a day, counted from the first in the block, in ascending order, and in how many rows each; who has
/// more than a count can say comes several times.
#[derive(Clone, Debug, Default)]
pub(in crate::kernel) struct Day {
    pub(in crate::kernel) who: Vec<u16>,
    pub(in crate::kernel) rows: Vec<u8>,
}

impl Day {
    /// In how many rows anybody was there.
    pub(in crate::kernel) fn all_rows(&self) -> u64 {
        self.rows.iter().map(|rows| u64::from(*rows)).sum()
    }
}

/// Days to which rows are still added.
#[derive(Default)]
pub(super) struct Days {
    numbers: Numbers,
    /// By block and number of the day.
    blocks: Vec<Vec<Open>>,
    counts: Counts,
}

impl Days {
    /// Adds rows of somebody; numbers come one after the other.
    pub(super) fn add(&mut self, on: Option<i32>, who: u32, rows: u32) {
        let day = self.numbers.of(on);
        let block = who as usize / BLOCK;
        while self.blocks.len() <= block {
            // Where rows come by who, a block is done when the next one begins.
            self.blocks.iter_mut().rev().take(1).flatten().for_each(|day| day.close(&mut self.counts));
            self.blocks.push(Vec::new());
        }
        let days = &mut self.blocks[block];
        if days.len() <= day {
            days.resize_with(day + 1, Open::default);
        }
        days[day].add(low(who as usize % BLOCK), rows, &mut self.counts);
    }

    /// All days of each block.
    pub(super) fn done(self) -> Vec<Block> {
        let Self { numbers, blocks, mut counts } = self;
        let of_block = |block: Vec<Open>| {
            let days = block.into_iter().zip(&numbers.days).map(|(mut day, on)| {
                day.close(&mut counts);
                (*on, Day { who: day.who, rows: day.rows })
            });
            let mut days: Vec<_> = days.filter(|(_, day)| !day.who.is_empty()).collect();
            days.sort_unstable_by_key(|(on, _)| *on);
            Block { days }
        };
        blocks.into_iter().map(of_block).collect()
    }
}

/// What is below the size of a block.
fn low(who: usize) -> u16 {
    u16::try_from(who).unwrap_or(u16::MAX)
}

/// Days, numbered as they come.
struct Numbers {
    known: PlHashMap<Option<i32>, usize>,
    days: Vec<Option<i32>>,
    /// Numbers at hand, by the last bits of the day.
    recent: Vec<Option<(i32, usize)>>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { known: PlHashMap::default(), days: Vec::new(), recent: vec![None; Self::RECENT as usize] }
    }
}

impl Numbers {
    /// More than two years of days, so that hardly two are at one place.
    const RECENT: i32 = 1024;

    fn of(&mut self, on: Option<i32>) -> usize {
        let Some(day) = on else { return self.look_up(None) };
        let at = day.rem_euclid(Self::RECENT) as usize;
        match self.recent[at] {
            Some((known, number)) if known == day => number,
            _ => {
                let number = self.look_up(on);
                self.recent[at] = Some((day, number));
                number
            }
        }
    }

    fn look_up(&mut self, on: Option<i32>) -> usize {
        let days = &mut self.days;
        *self.known.entry(on).or_insert_with(|| {
            days.push(on);
            days.len() - 1
        })
    }
}

/// A day of a block to which rows are still added.
#[derive(Default)]
struct Open {
    who: Vec<u16>,
    rows: Vec<u8>,
    /// Who was there in how many rows that are not yet among the others.
    new: Vec<(u16, u16)>,
}

impl Open {
    /// So many wait at least before they are sorted in.
    const LEAST: usize = 256;

    fn add(&mut self, who: u16, rows: u32, counts: &mut Counts) {
        let mut left = rows;
        while left > 0 {
            let some = u16::try_from(left).unwrap_or(u16::MAX);
            self.new.push((who, some));
            left -= u32::from(some);
        }
        if self.new.len() >= self.who.len().max(Self::LEAST) {
            self.settle(counts);
        }
    }

    /// Sorts the waiting rows in.
    fn settle(&mut self, counts: &mut Counts) {
        let mut new = std::mem::take(&mut self.new);
        while !new.is_empty() {
            let most = self.who.len() + new.len();
            let (mut who, mut rows) = (Vec::with_capacity(most), Vec::with_capacity(most));
            // Who was there more often than a count can say comes again.
            let mut put = |one: u16, count: u8| match (who.last(), rows.last_mut()) {
                (Some(last), Some(known)) if *last == one && count <= u8::MAX - *known => *known += count,
                _ => {
                    who.push(one);
                    rows.push(count);
                }
            };
            let mut old = self.who.iter().copied().zip(self.rows.iter().copied()).peekable();
            let left = counts.sorted(&new, |one, count| {
                while let Some((before, count)) = old.next_if(|(before, _)| *before <= one) {
                    put(before, count);
                }
                put(one, count);
            });
            old.for_each(|(one, count)| put(one, count));
            // There are many days of many blocks, so none keeps room that it does not need.
            (self.who, self.rows) = (who.as_slice().to_vec(), rows.as_slice().to_vec());
            new.clear();
            new.extend(left);
        }
        self.new = new;
    }

    /// As [`Self::settle`], of a day to which hardly any rows come.
    fn close(&mut self, counts: &mut Counts) {
        self.settle(counts);
        self.new = Vec::new();
    }
}

/// Sorts numbers of a block by counting them: there are not many different ones, and a bit for each is quick to look
/// through.
struct Counts {
    /// How often each number was met. All zero between two uses.
    of: Vec<u8>,
    /// A bit per number that was met.
    met: Vec<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { of: vec![0; BLOCK], met: vec![0; BLOCK / 64] }
    }
}

impl Counts {
    /// Calls `put` with every number, in ascending order, and how often it comes; the same one may come in several
    /// calls, one after the other. What a count cannot say is left.
    fn sorted(&mut self, numbers: &[(u16, u16)], mut put: impl FnMut(u16, u8)) -> Vec<(u16, u16)> {
        let mut left = Vec::new();
        // As much of how often a number comes as fits a count that is there.
        let mut fitting = |number: u16, times: u16, count: u8| {
            let fits = u8::try_from(times).unwrap_or(u8::MAX).min(u8::MAX - count);
            if u16::from(fits) < times {
                left.push((number, times - u16::from(fits)));
            }
            fits
        };
        if numbers.len() < BLOCK / 64 / 8 {
            let mut few = numbers.to_vec();
            few.sort_unstable();
            few.into_iter().for_each(|(number, times)| put(number, fitting(number, times, 0)));
            return left;
        }
        for (number, times) in numbers {
            let at = usize::from(*number);
            let count = &mut self.of[at];
            *count += fitting(*number, *times, *count);
            self.met[at / 64] |= 1 << (at % 64);
        }
        for (first, word) in (0..).step_by(64).zip(&mut self.met) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let at = low(first + bits.trailing_zeros() as usize);
                put(at, std::mem::take(&mut self.of[usize::from(at)]));
                bits &= bits - 1;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_everybody_however_often() {
        let mut days = Days::default();
        for round in 0..1700 {
            days.add(Some(1), 7, 1);
            if round % 2 == 0 {
                days.add(Some(1), 3, 1);
            }
        }
        days.add(Some(1), 15_000, 70_000);
        days.add(Some(1), 15_000, 600);
        days.add(None, 9, 2);
        // Equal last bits, and another block.
        days.add(Some(1 - 1024), 9, 3);
        days.add(Some(5), number_in(2), 4);
        days.add(Some(1), 7, 1);
        let blocks = days.done();
        let days_of =
            |block: usize| blocks[block].days.iter().map(|(on, day)| (*on, day.all_rows())).collect::<Vec<_>>();
        assert_eq!(days_of(0), [(None, 2), (Some(1 - 1024), 3), (Some(1), 1701 + 850 + 70_600)]);
        assert_eq!(days_of(1), []);
        assert_eq!(days_of(2), [(Some(5), 4)]);
        let day = &blocks[0].days[2].1;
        assert!(day.who.is_sorted());
        let of = |one: u16| {
            day.who.iter().zip(&day.rows).filter(|(who, _)| **who == one).map(|(_, rows)| u32::from(*rows)).sum::<u32>()
        };
        assert_eq!((of(3), of(7), of(0), of(15_000)), (850, 1701, 0, 70_600));
        assert_eq!(blocks[2].days[0].1.who, [3]);
    }

    /// The number of the fourth in a block.
    fn number_in(block: usize) -> u32 {
        u32::try_from(block * BLOCK + 3).unwrap()
    }
}
