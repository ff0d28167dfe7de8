//! Polars in this process.

mod board;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use polars::prelude::*;

use crate::engine::before;
use crate::engine::checked::collect_all;
use crate::engine::{EngineError, RunId, RunOutcome, SourceOutcome, Stage, Status, TableOutcome, TableState, Watch};
use crate::kernel::{Rows, Shelf, Steps};
use crate::metrics::Inputs;
use crate::plan::{GROUP, RunPlan, TablePlan};
use crate::publish::{Holder, Lock, Recovery, Root, Unit, Verified};
use crate::sources::{self, SourceError, SourcePlan};

/// Runs plans with Polars in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local {
    /// Whether every step comes from its query, also where there is a pass; for tests that compare both.
    pub queries_only: bool,
}

impl crate::engine::Engine for Local {
    fn run(&self, plan: &RunPlan, run: &RunId, watch: &dyn Watch) -> Result<RunOutcome, EngineError> {
        watch.stage(Stage::Preparing);
        let root = Root::open(&plan.publish.root)?;
        let holder = Holder::this_process(&run.id, run.started);
        let lock = root.lock(&holder, plan.publish.lock_wait, &|| watch.cancelled())?;
        let recovered = told(&lock.recover()?);
        untorn(plan, &root)?;
        let mut outcome = RunOutcome { recovered, ..RunOutcome::default() };
        Run { plan, run, watch, lock: &lock, queries_only: self.queries_only }.go(&mut outcome)?;
        Ok(outcome)
    }
}

/// Refuses a selection that would put tables of one day beside tables of another in one group.
fn untorn(plan: &RunPlan, root: &Root) -> Result<(), EngineError> {
    let together = &plan.publish.together;
    let chosen = plan.tables.iter().filter(|t| t.published && together.contains(&t.name)).count();
    if chosen == 0 || chosen == together.len() {
        return Ok(());
    }
    // A version is named after the day it is as of.
    match root.version_of(GROUP)? {
        Some(held) if !held.starts_with(&plan.context.as_of.to_string()) => {
            Err(EngineError::TornGroup { as_of: plan.context.as_of, held })
        }
        _ => Ok(()),
    }
}

/// What an interrupted earlier run had left, in words.
fn told(recovery: &Recovery) -> Vec<String> {
    let Some(run) = &recovery.interrupted else { return Vec::new() };
    let mut out = Vec::new();
    if !recovery.finished.is_empty() {
        out.push(format!("finished publishing {} of the interrupted run {run}", recovery.finished.join(", ")));
    }
    if !recovery.abandoned.is_empty() {
        out.push(format!("dropped what the interrupted run {run} had staged of {}", recovery.abandoned.join(", ")));
    }
    out
}

struct Run<'a> {
    plan: &'a RunPlan,
    run: &'a RunId,
    watch: &'a dyn Watch,
    lock: &'a Lock,
    queries_only: bool,
}

/// Hands the question whether to stop on to the load.
struct Loads<'a>(&'a dyn Watch);

impl sources::Watch for Loads<'_> {
    fn source_started(&mut self, plan: &SourcePlan) {
        self.0.stage(Stage::Reading { source: &plan.name });
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// A computed table, with the inputs and steps that its checks look at.
struct Computed {
    rows: Rows,
    attrition: Vec<(String, u64)>,
    inputs: Inputs,
}

/// What is told of a table, and its staged file.
struct Done {
    told: TableOutcome,
    file: Option<Verified>,
}

impl Done {
    /// Whether there is no table for others to read.
    fn is_missing(&self) -> bool {
        matches!(self.told.state, TableState::Failed { .. } | TableState::Skipped { .. })
    }
}

/// A table of which nothing is known but its state.
fn pending(table: &TablePlan, state: TableState) -> TableOutcome {
    TableOutcome {
        name: table.name.clone(),
        ty: table.ty.clone(),
        state,
        attrition: Vec::new(),
        checks: Vec::new(),
        headlines: Vec::new(),
    }
}

impl Run<'_> {
    fn go(&self, outcome: &mut RunOutcome) -> Result<(), EngineError> {
        let mut inputs = Inputs::default();
        outcome.sources = match self.load(&mut inputs) {
            Err(EngineError::Source(SourceError::Cancelled)) => {
                outcome.status = Status::Cancelled;
                outcome.tables = self.unpublished("the run was stopped");
                return Ok(());
            }
            other => other?,
        };
        if outcome.sources.iter().any(|s| s.loaded.rejected()) {
            outcome.status = Status::Rejected;
            outcome.tables = self.unpublished("a source broke its contract");
            return Ok(());
        }
        if outcome.sources.iter().any(|s| s.loaded.stale()) {
            outcome.status = Status::Stale;
            outcome.tables = self.unpublished("a source is stale");
            return Ok(());
        }
        let staging = self.lock.staging(&self.run.id)?;
        let tables = self.tables(inputs, &staging)?;
        if tables.is_none() || self.watch.cancelled() {
            staging.discard()?;
            outcome.status = Status::Cancelled;
            outcome.tables = self.unpublished("the run was stopped");
            return Ok(());
        }
        let keep = self.publishable(tables.as_deref().unwrap_or_default());
        let mut verified = BTreeMap::new();
        for mut table in tables.into_iter().flatten() {
            match table.file.filter(|_| keep.contains(&table.told.name)) {
                Some(file) => _ = verified.insert(table.told.name.clone(), file),
                None => table.told.headlines.clear(),
            }
            outcome.tables.push(table.told);
        }
        outcome.status = status(&outcome.tables);
        self.watch.stage(Stage::Publishing);
        let retain = NonZeroUsize::new(self.plan.publish.retain as usize).unwrap_or(NonZeroUsize::MIN);
        let units = self.units();
        let swapped =
            self.watch.publishing().swap(|| staging.publish(self.plan.context.as_of, &units, &verified, retain));
        let Some(publication) = swapped.transpose()? else {
            outcome.status = Status::Cancelled;
            outcome.tables = self.unpublished("the run was stopped");
            return Ok(());
        };
        outcome.detached = publication.detached.iter().map(|d| d.table.clone()).collect();
        for published in publication.tables.into_iter().filter(|p| !p.carried) {
            if let Some(table) = outcome.tables.iter_mut().find(|t| t.name == published.table) {
                table.state = TableState::Published {
                    path: published.path,
                    rows: published.rows,
                    bytes: published.bytes,
                    sha256: published.sha256,
                    version: published.version,
                    changed: published.changed,
                };
            }
        }
        Ok(())
    }

    /// Loads every source that a table reads, each once, and sets aside what its contract says.
    fn load(&self, inputs: &mut Inputs) -> Result<Vec<SourceOutcome>, EngineError> {
        let mut wanted = Vec::new();
        for (i, source) in self.plan.sources.iter().enumerate() {
            let mut columns: Vec<String> = Vec::new();
            for name in self.plan.tables.iter().filter_map(|t| t.reads.get(&source.name)).flatten() {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
            if self.plan.tables.iter().any(|t| t.reads.contains_key(&source.name)) {
                wanted.push((i, columns));
            }
        }
        let files = || wanted.iter().flat_map(|(i, _)| &self.plan.sources[*i].files);
        self.watch.stage(Stage::Loading {
            sources: wanted.len(),
            rows: files().map(|f| f.rows).sum(),
            bytes: files().map(|f| f.bytes).sum(),
        });
        let compared = self.plan.sources.iter().filter(|s| s.row_count.as_ref().is_some_and(|c| c.change.is_some()));
        let compared: Vec<&str> = compared.map(|source| source.name.as_str()).collect();
        let measures = sources::Measures {
            cutoff: Some(self.plan.cutoff),
            rows_before: before::rows(&self.plan.publish.root, &self.plan.pipeline, &compared),
        };
        let loaded =
            sources::load_against(&self.plan.sources, &wanted, &self.enough()?, &measures, &mut Loads(self.watch))?;
        let mut out = Vec::new();
        for mut source in loaded {
            let Some(plan) = self.plan.sources.iter().find(|p| p.name == source.name) else { continue };
            self.watch.stage(Stage::Loaded {
                source: &source.name,
                read: source.attrition.read,
                used: source.attrition.used,
            });
            let frame = std::mem::take(&mut source.frame).lazy();
            match source.tally.take() {
                Some(tally) => inputs.insert_condensed(source.name.as_str(), tally),
                None if source.is_projected => inputs.insert_projected(source.name.as_str(), frame),
                None => inputs.insert(source.name.as_str(), frame),
            }
            let quarantine = match source.quarantined.take() {
                None => None,
                Some(rows) => {
                    let folder = self.plan.publish.root.join("_tenure").join("quarantine").join(&source.name);
                    let path = folder.join(format!("{}.parquet", self.run.id));
                    let written = std::fs::create_dir_all(&folder)
                        .map_err(PolarsError::from)
                        .and_then(|()| sources::quarantine::write(&rows, &path));
                    written.map_err(|e| EngineError::Query {
                        action: format!("setting rows of `{}` aside", source.name),
                        message: e.to_string(),
                    })?;
                    Some(path)
                }
            };
            out.push(SourceOutcome {
                name: source.name.clone(),
                files: plan.files.len(),
                bytes: plan.files.iter().map(|f| f.bytes).sum(),
                loaded: source,
                quarantine,
            });
        }
        Ok(out)
    }

    /// The sources of which no table needs the rows as they are, and what is enough for all.
    fn enough(&self) -> Result<sources::Enough, EngineError> {
        let mut out = sources::Enough::default();
        for (index, source) in self.plan.sources.iter().enumerate() {
            let readers: Vec<&TablePlan> =
                self.plan.tables.iter().filter(|t| t.reads.contains_key(&source.name)).collect();
            let mut all = Some(sources::Keys::new());
            for table in &readers {
                let enough = table.metric.condense().map_err(|e| query_failed("planning", table, &e))?;
                let enough = enough.filter(|condense| condense.source == source.name);
                all = all.zip(enough).map(|(mut all, enough)| {
                    for (name, value) in enough.keys {
                        if all.iter().all(|(known, _)| *known != name) {
                            all.push((name, value));
                        }
                    }
                    all
                });
            }
            out.condensed.extend(all.filter(|keys| !keys.is_empty()).map(|keys| (index, keys)));
            if let [only] = readers.as_slice() {
                let enough = only.metric.project().filter(|project| project.source == source.name);
                out.projected.extend(enough.map(|project| (index, project.values)));
            }
        }
        Ok(out)
    }

    /// Names of the tables that may become visible: sound, and their whole group too.
    fn publishable(&self, done: &[Done]) -> BTreeSet<String> {
        let mut bad: BTreeSet<&str> = BTreeSet::new();
        // Tables follow what they read, so one pass finds everything that rests on a broken one.
        for (table, done) in self.plan.tables.iter().zip(done) {
            let sound = !done.is_missing() && done.told.checks.iter().all(|c| c.broken == 0);
            if !sound || table.inputs.iter().any(|i| bad.contains(i.as_str())) {
                bad.insert(&table.name);
            }
        }
        let together = &self.plan.publish.together;
        let torn = together.iter().any(|t| bad.contains(t.as_str()));
        let all = self.plan.tables.iter().filter(|t| t.published && !bad.contains(t.name.as_str()));
        all.filter(|t| !(torn && together.contains(&t.name))).map(|t| t.name.clone()).collect()
    }

    fn unpublished(&self, reason: &str) -> Vec<TableOutcome> {
        let skipped = || TableState::Skipped { reason: reason.to_owned() };
        self.plan.tables.iter().map(|table| pending(table, skipped())).collect()
    }

    fn units(&self) -> Vec<Unit> {
        let together = &self.plan.publish.together;
        let mut out = Vec::new();
        if !together.is_empty() {
            out.push(Unit::Group { name: GROUP.to_owned(), tables: together.clone() });
        }
        let single = self.plan.tables.iter().filter(|t| t.published && !together.contains(&t.name));
        out.extend(single.map(|t| Unit::Single { table: t.name.clone() }));
        out
    }
}

/// Status of a run from what happened to its tables, before they become visible.
fn status(tables: &[TableOutcome]) -> Status {
    if tables.iter().any(|t| matches!(t.state, TableState::Failed { .. })) {
        Status::Failed
    } else if tables.iter().any(|t| t.checks.iter().any(|c| c.broken > 0)) {
        Status::Rejected
    } else {
        Status::Succeeded
    }
}

fn query_failed(doing: &str, table: &TablePlan, error: &PolarsError) -> EngineError {
    EngineError::Query { action: format!("{doing} table `{}`", table.name), message: error.to_string() }
}

/// Computes a table, and its attrition where it has one.
///
/// One table at a time: each query uses all threads, what it reads is in memory, and a plan of all
/// tables at once takes the optimiser longer than the queries take to run.
fn one(table: &TablePlan, inputs: &Inputs, shelf: Option<&Shelf>) -> Result<Computed, String> {
    let said = |e: PolarsError| e.to_string();
    let (inputs, steps) = stepped(table, inputs, shelf)?;
    let attrition = table.metric.attrition(&inputs).map_err(said)?;
    let attrition = attrition.map(|rows| guarded(&[rows])).transpose()?;
    tracing::debug!(table = table.name, "attrition");
    let attrition = attrition.and_then(|frames| frames.first().map(reasons)).unwrap_or_default();
    let passed = passed(|| match table.metric.whole().filter(|_| shelf.is_some()) {
        Some(of) => Rows::of_ledger(&of, &steps, &table.schema),
        None => Ok(None),
    })?;
    let rows = if let Some(rows) = passed {
        rows
    } else {
        let query = table.metric.query(&inputs).map_err(said)?;
        Rows::Frame(guarded(&[query])?.pop().unwrap_or_default())
    };
    Ok(Computed { rows, attrition, inputs })
}

/// Runs a pass; a panic becomes an error.
fn passed<T>(run: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    sources::guarded(run).map_err(|words| format!("a pass panicked: {words}"))?.map_err(|e| e.to_string())
}

/// The inputs of a table, with the intermediate frames that its queries share: by a pass where there is
/// one and its ledger is on the shelf, else by their queries.
pub(super) fn stepped(table: &TablePlan, inputs: &Inputs, shelf: Option<&Shelf>) -> Result<(Inputs, Steps), String> {
    let (mut inputs, mut frames) = (inputs.clone(), Steps::new());
    let numbering = table.metric.numbering().filter(|_| shelf.is_some());
    let names = table.metric.steps();
    // Where a pass gives nothing after all, the query contains the step that it could do without.
    let spared = names.iter().filter_map(|name| table.metric.pass(name)?.instead_of());
    let spared = spared.chain(table.metric.whole().and_then(|of| of.instead_of()));
    let spared: Vec<&str> = spared.filter(|_| shelf.is_some()).collect();
    for name in names {
        if frames.contains_key(name) || spared.contains(&name) {
            continue;
        }
        if let Some(of) = numbering.as_ref().filter(|of| of.series == name)
            && passed(|| crate::kernel::number(of, &mut frames))?
        {
            for name in [of.series, of.numbered] {
                inputs.put_step(name, frames.get(name).cloned().unwrap_or_default().lazy());
            }
            continue;
        }
        let pass = shelf.zip(table.metric.pass(name));
        let passed = passed(|| pass.map_or(Ok(None), |(shelf, pass)| shelf.run(&pass, &frames)))?;
        let frame = if let Some(frame) = passed {
            frame
        } else {
            let step = table.metric.step(name, &inputs).map_err(|e| e.to_string())?;
            guarded(&[step])?.pop().unwrap_or_default()
        };
        tracing::debug!(table = table.name, step = name, rows = frame.height(), "step");
        inputs.put_step(name, frame.clone().lazy());
        frames.insert(name, frame);
    }
    Ok((inputs, frames))
}

/// Collects frames; a panic of the query engine becomes an error.
pub(super) fn guarded(frames: &[LazyFrame]) -> Result<Vec<DataFrame>, String> {
    let collected = sources::guarded(|| collect_all(frames));
    collected.map_err(|words| format!("the query engine panicked: {words}"))?.map_err(|e| e.to_string())
}

fn reasons(frame: &DataFrame) -> Vec<(String, u64)> {
    let (Ok(reason), Ok(rows)) = (frame.column("reason"), frame.column("rows")) else { return Vec::new() };
    let (Ok(reason), Ok(rows)) = (reason.str(), rows.i64()) else { return Vec::new() };
    reason
        .iter()
        .zip(rows.iter())
        .map(|(reason, rows)| (reason.unwrap_or_default().to_owned(), rows.unwrap_or(0).unsigned_abs()))
        .collect()
}
