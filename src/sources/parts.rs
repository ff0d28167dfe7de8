//! The files of a source in parts that are read by queries of their own.
//!
//! A query decodes ahead of what its rows are taken by, without regard to memory. So there are several, as many at once
//! as there are threads, and each has little to decode.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use polars::prelude::*;

use super::plan::SourcePlan;

/// Files that one query reads have about as many rows.
const ROWS_OF_PART: u64 = 1 << 19;

/// The files in order, each in one part.
pub(super) fn parts(plan: &SourcePlan) -> Vec<Range<usize>> {
    let (mut out, mut first, mut rows) = (Vec::new(), 0, 0);
    for (at, file) in plan.files.iter().enumerate() {
        rows += file.rows;
        if rows >= ROWS_OF_PART {
            out.push(first..at + 1);
            (first, rows) = (at + 1, 0);
        }
    }
    if first < plan.files.len() || out.is_empty() {
        out.push(first..plan.files.len());
    }
    out
}

/// Parts that may be read at once, whatever their sources.
pub(super) struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    /// As many as there are threads.
    pub(super) fn new() -> Self {
        Self { free: Mutex::new(rayon::current_num_threads()), freed: Condvar::new() }
    }

    /// Reads a part when there is a turn for it.
    fn read<T>(&self, part: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let _given = Given(self);
        part()
    }
}

/// A turn, given back when it is dropped.
struct Given<'a>(&'a Turns);

impl Drop for Given<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Reads parts, as many at once as there are turns, and hands on what they come to, in their order, until `take` says
/// that it is enough.
pub(super) fn in_order<T: Send>(
    parts: &[Range<usize>],
    turns: &Turns,
    read: impl Fn(Range<usize>) -> PolarsResult<T> + Sync,
    take: impl FnMut(T) -> PolarsResult<bool> + Send,
) -> PolarsResult<()> {
    let next = AtomicUsize::new(0);
    let taking = Mutex::new((0, BTreeMap::new(), take));
    // No part comes after the last one.
    let stop = || next.store(parts.len(), Ordering::Relaxed);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(at) else { return Ok(()) };
            let read = turns.read(|| read(part.clone())).inspect_err(|_| stop())?;
            let mut taking = taking.lock().unwrap_or_else(PoisonError::into_inner);
            let (first, waiting, take) = &mut *taking;
            waiting.insert(at, read);
            while let Some(read) = waiting.remove(first) {
                *first += 1;
                if take(read).inspect_err(|_| stop())? {
                    stop();
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = rayon::current_num_threads().min(parts.len());
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.collect::<PolarsResult<()>>()
    })
}
