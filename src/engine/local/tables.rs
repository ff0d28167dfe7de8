//! Tables are computed some at a time; while these are written and checked, the next ones are computed.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::board::{Board, Turn};
use super::{Computed, Done, Run, one, pending, query_failed};
use crate::engine::checked::{check, figures};
use crate::engine::write::{Written, staged, write};
use crate::engine::{EngineError, Stage, TableOutcome, TableState};
use crate::expr::steps::DAILY;
use crate::kernel::Rows;
use crate::metrics::{Inputs, Promise};
use crate::plan::TablePlan;
use crate::publish::{Staging, Verified};
use crate::sources;

/// A computed table on its way to staging.
struct Leaving<'t> {
    /// Its place in the plan.
    at: usize,
    table: &'t TablePlan,
    computed: Computed,
    /// For the tables that read it.
    promise: Option<Promise>,
    /// Dropped when its rows are no longer needed.
    written: SyncSender<()>,
}

/// Tables that are computed at once: much of a table is in turn what came before it in the same table, and one alone does
/// not keep all threads busy.
const AT_ONCE: usize = 2;

/// Tables that are staged at once: while a large one is written, small ones need not wait for it.
const STAGERS: usize = 4;

/// From so many rows on a table is too heavy to wait while others are computed.
const HEAVY: usize = 1_000_000;

impl Run<'_> {
    /// Computes, stages and checks every table after those that it reads; `None` when the run was stopped.
    ///
    /// While a table is written and checked, the next ones are computed: these mostly walk the book of a ledger and
    /// need nothing of its file.
    pub(super) fn tables(&self, inputs: Inputs, staging: &Staging<'_>) -> Result<Option<Vec<Done>>, EngineError> {
        // Threads of its own: a query whose tasks wait behind row groups that are encoded takes many times as long.
        let writers = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let writers = writers
            .map_err(|e| EngineError::Query { action: "starting threads".to_owned(), message: e.to_string() })?;
        let failed = AtomicBool::new(false);
        let (computed, staged) = std::thread::scope(|scope| {
            let (leaving, arriving) = sync_channel(self.plan.tables.len());
            // What still waits is dropped with the last of the threads, so that nobody waits for it.
            let arriving = Arc::new(Mutex::new(arriving));
            let stagers: Vec<_> = (0..STAGERS)
                .map(|_| {
                    let (arriving, failed, writers) = (arriving.clone(), &failed, &writers);
                    scope.spawn(move || self.staged_until(&arriving, failed, staging, writers))
                })
                .collect();
            drop(arriving);
            let computed = self.computed(inputs, &leaving);
            drop(leaving);
            let staged = stagers.into_iter().flat_map(|s| s.join().unwrap_or_else(|panic| resume_unwind(panic)));
            (computed, staged.collect::<BTreeMap<usize, _>>())
        });
        let staged = staged.into_values().collect::<Result<Option<Vec<Done>>, EngineError>>();
        // Where both failed, the first cause is what happened to the file.
        let Some(staged) = staged? else { return Ok(None) };
        let Some(computed) = computed? else { return Ok(None) };
        let mut staged = staged.into_iter();
        let of = |(table, failed): (&TablePlan, Option<TableState>)| match failed {
            Some(state) => Some(Done { told: pending(table, state), file: None }),
            None => staged.next(),
        };
        Ok(self.plan.tables.iter().zip(computed).map(of).collect())
    }

    /// Stages tables as they come, until there are no more or one could not be staged; each with its place in the plan.
    ///
    /// Tables come after those that they read, so none waits for one that nobody has taken.
    fn staged_until(
        &self,
        arriving: &Mutex<Receiver<Leaving<'_>>>,
        failed: &AtomicBool,
        staging: &Staging<'_>,
        writers: &ThreadPool,
    ) -> Vec<(usize, Result<Option<Done>, EngineError>)> {
        let mut out = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let next = arriving.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(leaving) = next else { break };
            let at = leaving.at;
            let done = self.staged(leaving, staging, writers);
            failed.fetch_or(!matches!(done, Ok(Some(_))), Ordering::Relaxed);
            out.push((at, done));
        }
        out
    }

    /// Computes every table after those that it reads and hands it on; by table why there is none. `None` when the run
    /// was stopped.
    fn computed<'t>(
        &'t self,
        inputs: Inputs,
        leaving: &SyncSender<Leaving<'t>>,
    ) -> Result<Option<Vec<Option<TableState>>>, EngineError> {
        let board = Board::new(&self.plan.tables, inputs);
        let work = || {
            while let Some(turn) = board.next() {
                self.compute(turn, leaving)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            let done = workers.into_iter().map(|w| w.join().unwrap_or_else(|panic| resume_unwind(panic)));
            done.collect::<Result<Vec<()>, EngineError>>()
        })?;
        Ok(board.missing())
    }

    /// Computes a table and hands it on. Where that is not possible any more, its turn is dropped.
    fn compute<'t>(&self, turn: Turn<'_, 't, TablePlan>, leaving: &SyncSender<Leaving<'t>>) -> Result<(), EngineError> {
        let (at, table) = (turn.at, turn.table);
        if self.watch.cancelled() {
            return Ok(());
        }
        self.watch.stage(Stage::Computing { tables: &[table.name.as_str()] });
        let computed = match one(table, &turn.inputs, (!self.queries_only).then_some(&turn.shelf)) {
            Ok(computed) => computed,
            Err(message) => {
                turn.failed(TableState::Failed { message });
                return Ok(());
            }
        };
        let is_walked = turn.is_read() && !self.queries_only && table.metric.ledger().is_some();
        let book = is_walked.then(|| computed.rows.book()).transpose();
        let book = book.map_err(|e| query_failed("computing", table, &e))?;
        let promise = turn.is_read().then(|| turn.promise());
        // Of what is heavy each worker has one at a time, but for a book, which stays on the shelf.
        let is_heavy = matches!(&computed.rows, Rows::Frame(rows) if rows.height() > HEAVY);
        let (written, wait) = sync_channel(1);
        if leaving.send(Leaving { at, table, computed, promise, written }).is_err() {
            // Why staging ended is told by its thread.
            return Ok(());
        }
        turn.computed(book);
        if is_heavy {
            _ = wait.recv();
        }
        Ok(())
    }

    /// Writes a table to staging, and checks what was written; `None` when the run was stopped.
    fn staged(
        &self,
        leaving: Leaving<'_>,
        staging: &Staging<'_>,
        writers: &ThreadPool,
    ) -> Result<Option<Done>, EngineError> {
        if self.watch.cancelled() {
            return Ok(None);
        }
        let Leaving { table, computed: Computed { rows, attrition, mut inputs }, promise, written, .. } = leaving;
        let height = u64::try_from(rows.height()).unwrap_or(u64::MAX);
        let failed = |e: PolarsError| query_failed("checking", table, &e);
        let headlines = figures(table, &rows);
        let path = staging.file(&table.name);
        let (file, output, walked) = if table.published {
            self.watch.stage(Stage::Writing { table: &table.name });
            let file = writers.install(|| write(self.plan, table, &rows, &path))?;
            drop(rows);
            (Some(file), staged(table, &path).map_err(failed)?, self.walked(table, &path))
        } else {
            (None, rows.frame().map_err(failed)?.lazy(), None)
        };
        let (proven, daily) = walked.map_or_else(Default::default, |(proven, daily)| (proven, Some(daily.lazy())));
        if let Some(daily) = &daily {
            inputs.put_step(DAILY, daily.clone());
        }
        // Nobody has to wait for what comes now: nothing that rests on a broken table is published.
        if let Some(promise) = promise {
            promise.keep(output.clone(), daily);
        }
        drop(written);
        // Disks take their time to make a file durable.
        let (file, checks) = std::thread::scope(|scope| {
            let verified = scope.spawn(|| file.map(|file| self.verified(table, &file)).transpose());
            self.watch.stage(Stage::Checking { table: &table.name });
            let checks = table.metric.identities(&inputs, &output);
            let checks = checks.and_then(|all| check(all, &proven)).map_err(failed);
            (verified.join().unwrap_or_else(|panic| resume_unwind(panic)), checks)
        });
        let (file, checks) = (file?, checks?);
        let state = if !table.published && checks.iter().all(|c| c.broken == 0) {
            TableState::Helper { rows: height }
        } else {
            // Replaced when the publish says where it is.
            TableState::Rejected { rows: height }
        };
        Ok(Some(Done { told: TableOutcome { attrition, checks, headlines, ..pending(table, state) }, file }))
    }

    /// What a walk over the file of a ledger proves, and the changes by day that it sums up. What a walk cannot prove,
    /// or cannot read, is left to the queries: these say what is wrong.
    fn walked(&self, table: &TablePlan, path: &Path) -> Option<(Vec<&'static str>, DataFrame)> {
        let chain = table.metric.chain().filter(|_| !self.queries_only)?;
        let daily = sources::guarded(|| chain.walk(path)).unwrap_or_else(|words| polars_bail!(ComputeError: "{words}"));
        match daily {
            Ok(daily) => {
                tracing::debug!(table = table.name, proven = daily.is_some(), "walked");
                daily.map(|daily| (chain.proves, daily))
            }
            Err(error) => {
                tracing::debug!(table = table.name, %error, "not walked");
                None
            }
        }
    }

    fn verified(&self, table: &TablePlan, file: &Written<'_>) -> Result<Verified, EngineError> {
        let file = file.verified()?;
        self.watch.stage(Stage::Written { table: &table.name, rows: file.rows });
        Ok(file)
    }
}
