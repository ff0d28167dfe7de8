//! Rows as a tally: by day who was there, and how many rows say so.
//!
//! Of millions of events most metrics want to know only on which days somebody did something. A tally
//! holds that and no more: every combination of the other values ("who") has a number, and a day has
//! the sorted numbers of those who were there. Both are found as the rows come in, batch by batch, so
//! the rows themselves are never in memory.

mod coder;
mod days;
mod many;
mod whos;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::*;
use rayon::prelude::*;

use crate::expr::condense::ROWS;
pub(super) use coder::{Coder, IntArray, Pairing, Values};
use coder::{Distinct, NULL};
use days::Days;
pub(super) use days::{BLOCK, Block, Day};
use whos::{Run, Whos, heads, runs};

/// The combinations of some values of rows, and how many rows have each.
#[derive(Debug)]
pub struct Tally {
    /// All values in the order in which they were asked for.
    names: Vec<String>,
    /// Name of the value that is the day, where one is.
    day: Option<String>,
    /// The other values.
    keys: Vec<Key>,
    parts: Vec<Part>,
}

/// A value by which rows are told apart.
#[derive(Debug)]
pub(super) struct Key {
    name: String,
    /// The distinct values by code; the first is NULL.
    pub(super) values: Column,
}

/// Some of those who are in a tally.
#[derive(Debug)]
pub(super) struct Part {
    /// By key the code of each who.
    pub(super) codes: Vec<Vec<u32>>,
    /// The days of those whose numbers begin at each multiple of [`BLOCK`].
    pub(super) blocks: Vec<Block>,
}

impl Part {
    /// Number of distinct combinations of all values but the day.
    pub(super) fn whos(&self) -> usize {
        self.codes.first().map_or(0, Vec::len)
    }

    /// Number of combinations.
    fn height(&self) -> usize {
        self.days().map(|(.., day)| day.who.len()).sum()
    }

    /// Every day of every block, with the number of the first in the block.
    pub(super) fn days(&self) -> impl Iterator<Item = (usize, Option<i32>, &Day)> {
        let blocks = (0..).step_by(BLOCK).zip(&self.blocks);
        blocks.flat_map(|(first, block)| block.days.iter().map(move |(on, day)| (first, *on, day)))
    }
}

impl Tally {
    /// Name of the value that is the day.
    pub(super) fn day(&self) -> Option<&str> {
        self.day.as_deref()
    }

    /// The position of a value that is not the day.
    pub(super) fn key(&self, name: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.name == name)
    }

    /// The distinct values of a key.
    pub(super) fn values(&self, key: usize) -> &Column {
        &self.keys[key].values
    }

    /// Its parts; whoever has the same first value is in the same one.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Number of rows of which this is the tally.
    pub fn rows(&self) -> u64 {
        self.parts.iter().flat_map(Part::days).map(|(.., day)| day.all_rows()).sum()
    }

    /// The distinct values of that name, as a column of that name.
    ///
    /// # Errors
    /// When there is none, which is a bug.
    pub fn distinct(&self, name: &str) -> PolarsResult<Column> {
        if self.day() == Some(name) {
            let mut days: Vec<Option<i32>> = self.parts.iter().flat_map(Part::days).map(|(_, day, _)| day).collect();
            days.sort_unstable();
            days.dedup();
            return Ok(Int32Chunked::from_iter_options(name.into(), days.into_iter()).into_date().into_column());
        }
        let key = self.key(name).ok_or_else(|| polars_err!(InvalidOperation: "no value `{name}` was kept"))?;
        Ok(self.values(key).clone())
    }

    /// Rows per combination, one or more, with [`ROWS`]; in no order.
    ///
    /// # Errors
    /// When Polars refuses to build a column, which is a bug.
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        let mut out: Option<DataFrame> = None;
        for part in &self.parts {
            let frame = self.frame_of(part)?;
            match &mut out {
                None => out = Some(frame),
                Some(out) => _ = out.vstack_mut(&frame)?,
            }
        }
        Ok(out.unwrap_or_default())
    }

    /// As [`Tally::frame`].
    ///
    /// # Errors
    /// As there.
    pub fn lazy(&self) -> PolarsResult<LazyFrame> {
        self.frame().map(DataFrame::lazy)
    }

    fn frame_of(&self, part: &Part) -> PolarsResult<DataFrame> {
        let whos = || part.days().flat_map(|(first, _, day)| day.who.iter().map(move |who| first + usize::from(*who)));
        let mut columns = Vec::with_capacity(self.names.len() + 1);
        for name in &self.names {
            columns.push(if let Some(key) = self.key(name) {
                let codes = &part.codes[key];
                let at = IdxCa::from_iter_values("at".into(), whos().map(|who| codes[who]));
                self.values(key).take(&at)?.with_name(name.as_str().into())
            } else {
                let days = part.days().flat_map(|(_, on, day)| std::iter::repeat_n(on, day.who.len()));
                Int32Chunked::from_iter_options(name.as_str().into(), days).into_date().into_column()
            });
        }
        let rows = part.days().flat_map(|(.., day)| &day.rows).map(|rows| i64::from(*rows));
        columns.push(Int64Chunked::from_iter_values(ROWS.into(), rows).into_column());
        DataFrame::new(part.height(), columns)
    }
}

/// Takes batches of rows and makes a tally of them, on threads of its own.
///
/// Each thread takes the rows of which the first value falls to it, so that they share nothing.
pub struct Tallying {
    lanes: Vec<SyncSender<Arc<Batch>>>,
    threads: Vec<JoinHandle<Told>>,
    names: Vec<String>,
    day: Option<String>,
    keys: Vec<(String, DataType)>,
}

/// Rows with their values as texts, whole numbers and days.
struct Batch {
    day: Option<Int32Chunked>,
    keys: Vec<Values>,
    /// By thread the rows that fall to it.
    runs: Vec<Vec<Run>>,
}

/// Batches that wait for a thread: enough to even out, few enough to weigh nothing.
const WAITING: usize = 2;

impl Tallying {
    /// Starts a tally of these values, of which at least one is no `Date`.
    ///
    /// # Errors
    /// When a value is of a type that cannot be tallied, or no thread can be started.
    pub fn start(values: &Schema) -> PolarsResult<Self> {
        let day = values.iter().find(|(_, dtype)| **dtype == DataType::Date).map(|(name, _)| name.to_string());
        let others = values.iter().filter(|(name, _)| day.as_deref() != Some(name.as_str()));
        let mut keys: Vec<(String, DataType)> = others.map(|(name, dtype)| (name.to_string(), dtype.clone())).collect();
        // Whatever tells most rows apart goes first: flags last, ids before them.
        keys.sort_by_key(|(_, dtype)| *dtype == DataType::Boolean);
        if keys.is_empty() {
            polars_bail!(InvalidOperation: "a tally needs a value beside the day");
        }
        for (name, dtype) in &keys {
            let is_known = matches!(dtype, DataType::String | DataType::Boolean | DataType::Date | DataType::Int64);
            polars_ensure!(is_known, InvalidOperation: "`{name}` of type {dtype} cannot be tallied");
        }
        let (mut lanes, mut threads) = (Vec::new(), Vec::new());
        let shares = rayon::current_num_threads().clamp(1, 16);
        for at in 0..shares {
            let (lane, batches) = sync_channel(WAITING);
            let whos = Whos::new(keys.iter().map(|(_, dtype)| dtype));
            let share = Share::new(at, whos);
            let thread = std::thread::Builder::new().name(format!("tally-{at}"));
            threads.push(thread.spawn(move || share.told(&batches))?);
            lanes.push(lane);
        }
        let names = values.iter_names().map(ToString::to_string).collect();
        Ok(Self { lanes, threads, names, day, keys })
    }

    /// Takes rows, each with its values under their names; whether there is use in more: a thread may have given up.
    ///
    /// # Errors
    /// When a value is missing or of another type, which is a bug.
    pub fn add(&self, rows: &DataFrame) -> PolarsResult<bool> {
        let column = |name: &str| rows.column(name);
        let day =
            self.day.as_deref().map(|name| Ok::<_, PolarsError>(column(name)?.rechunk().date()?.physical().clone()));
        let keys = self.keys.iter().map(|(name, dtype)| {
            let column = column(name)?;
            polars_ensure!(column.dtype() == dtype, InvalidOperation: "`{name}` is {}, not {dtype}", column.dtype());
            Values::new(column)
        });
        let keys = keys.collect::<PolarsResult<Vec<_>>>()?;
        let day = day.transpose()?;
        let heads = heads(&keys, day.as_ref(), rows.height());
        // As many as fall to a lane, and some more, for they are not all alike.
        let room = (heads.len() + heads.len() / 4) / self.lanes.len().max(1);
        let mut lanes: Vec<Vec<Run>> = self.lanes.iter().map(|_| Vec::with_capacity(room)).collect();
        let tell = |hash, run| lanes[lane_of(hash, self.lanes.len())].push(run);
        runs(&keys, &heads, rows.height(), tell);
        let batch = Arc::new(Batch { day, keys, runs: lanes });
        // Where a thread is gone, joining it tells why.
        let gone = self.lanes.iter().filter(|lane| lane.send(batch.clone()).is_err()).count();
        Ok(gone == 0)
    }

    /// The tally of all rows taken.
    ///
    /// # Panics
    /// As a thread did, which is a bug; with its words.
    ///
    /// # Errors
    /// When Polars refuses to build a column, which is a bug.
    pub fn finish(self) -> PolarsResult<Tally> {
        drop(self.lanes);
        let mut shares = Vec::with_capacity(self.threads.len());
        for thread in self.threads {
            shares.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        let mut parts: Vec<Part> = Vec::with_capacity(shares.len());
        let mut first: Option<Distinct> = None;
        let mut others: Option<Vec<Coder>> = None;
        for (mut part, values, coders) in shares {
            match &mut first {
                None => first = Some(values),
                Some(first) => {
                    // The first value of a row falls to one thread alone, so these are new to the others.
                    let before = first.append(values);
                    part.codes[0].par_iter_mut().filter(|code| **code != NULL).for_each(|code| *code += before);
                }
            }
            match &mut others {
                None => others = Some(coders),
                Some(others) => {
                    for ((key, known), coder) in (1..).zip(others).zip(coders) {
                        let by = known.merge(&coder.into_distinct());
                        part.codes[key].par_iter_mut().for_each(|code| *code = by[*code as usize]);
                    }
                }
            }
            parts.push(part);
        }
        let distinct = first.into_iter().chain(others.into_iter().flatten().map(Coder::into_distinct));
        let keys = self
            .keys
            .into_iter()
            .zip(distinct)
            .map(|((name, dtype), distinct)| Ok(Key { values: distinct.into_column(&name).cast(&dtype)?, name }));
        let keys = keys.collect::<PolarsResult<Vec<_>>>()?;
        Ok(Tally { names: self.names, day: self.day, keys, parts })
    }
}

/// The lane of a hash: by bits in its middle, since tables look at the first and the last ones.
fn lane_of(hash: u64, lanes: usize) -> usize {
    usize::try_from(((hash & 0xffff_ffff) * lanes as u64) >> 32).unwrap_or(0)
}

/// What a thread has told in the end: a part of the tally, the values that codes of the first key stand for, and for each
/// of the others the coder that knows them.
type Told = (Part, Distinct, Vec<Coder>);

/// What one thread has of a tally.
struct Share {
    at: usize,
    whos: Whos,
    days: Days,
}

impl Share {
    fn new(at: usize, whos: Whos) -> Self {
        Self { at, whos, days: Days::default() }
    }

    fn told(mut self, batches: &Receiver<Arc<Batch>>) -> Told {
        while let Ok(batch) = batches.recv() {
            self.add(&batch);
        }
        let blocks = self.days.done();
        let ((codes, first), others) = self.whos.into_codes();
        let (others, coders): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        (Part { codes: std::iter::once(codes).chain(others).collect(), blocks }, first, coders)
    }

    fn add(&mut self, batch: &Batch) {
        let plain = batch.day.as_ref().and_then(|days| days.cont_slice().ok());
        let on = |row: usize| match plain {
            Some(days) => Some(days[row]),
            None => batch.day.as_ref().and_then(|days| days.get(row)),
        };
        let days = &mut self.days;
        let tell = |run: &Run, who: u32| days.add(on(run.row as usize), who, run.rows);
        self.whos.numbers(&batch.keys, &batch.runs[self.at], tell);
    }
}
