//! Polars in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use polars::prelude::*;

use crate::engine::before;
use crate::engine::checked::{check, collect_all, figures};
use crate::engine::write::{staged, write};
use crate::engine::{
    CheckOutcome, EngineError, RunId, RunOutcome, SourceOutcome, Stage, Status, TableOutcome, TableState, Watch,
};
use crate::metrics::Inputs;
use crate::plan::{GROUP, RunPlan, TablePlan};
use crate::publish::{Holder, Lock, Recovery, Root, Unit, Verified};
use crate::sources::{self, SourceError, SourcePlan};

/// Runs plans with Polars in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl crate::engine::Engine for Local {
    fn run(&self, plan: &RunPlan, run: &RunId, watch: &dyn Watch) -> Result<RunOutcome, EngineError> {
        watch.stage(Stage::Preparing);
        let root = Root::open(&plan.publish.root)?;
        let holder = Holder::this_process(&run.id, run.started);
        let lock = root.lock(&holder, plan.publish.lock_wait, &|| watch.cancelled())?;
        let recovered = told(&lock.recover()?);
        untorn(plan, &root)?;
        let mut outcome = RunOutcome { recovered, ..RunOutcome::default() };
        Run { plan, run, watch, lock: &lock }.go(&mut outcome)?;
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

/// A table on its way: computed, or the state that keeps it from being.
enum Computed {
    Frame { frame: DataFrame, attrition: Vec<(String, u64)>, inputs: Box<Inputs> },
    Not(TableState),
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
        let mut computed = self.compute(&mut inputs);
        if self.watch.cancelled() {
            outcome.status = Status::Cancelled;
            outcome.tables = self.unpublished("the run was stopped");
            return Ok(());
        }
        let staging = self.lock.staging(&self.run.id)?;
        let mut verified = BTreeMap::new();
        let mut identities = Vec::new();
        for table in &self.plan.tables {
            let Some(Computed::Frame { frame, inputs: own, .. }) = computed.get(&table.name) else {
                identities.push(Vec::new());
                continue;
            };
            let output = if table.published {
                let path = staging.file(&table.name);
                self.watch.stage(Stage::Writing { table: &table.name });
                let file = write(self.plan, table, frame, &path)?;
                self.watch.stage(Stage::Written { table: &table.name, rows: file.rows });
                verified.insert(table.name.clone(), file);
                staged(table, &path)
            } else {
                Ok(frame.clone().lazy())
            };
            let of_table = output.and_then(|output| table.metric.identities(own, &output));
            identities.push(of_table.map_err(|e| EngineError::Query {
                action: format!("checking table `{}`", table.name),
                message: e.to_string(),
            })?);
        }
        self.watch.stage(Stage::Checking);
        let checks = check(identities)?;
        let keep = self.publishable(&computed, &checks);
        verified.retain(|name, _| keep.contains(name));
        for (table, checks) in self.plan.tables.iter().zip(checks) {
            let done = computed
                .remove(&table.name)
                .unwrap_or(Computed::Not(TableState::Skipped { reason: "not computed".to_owned() }));
            outcome.tables.push(Self::told(table, done, checks, &verified));
        }
        outcome.status = status(&outcome.tables);
        if self.watch.cancelled() {
            outcome.status = Status::Cancelled;
            outcome.tables = self.unpublished("the run was stopped");
            return Ok(());
        }
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
        let loaded = sources::load_against(&self.plan.sources, &wanted, &measures, &mut Loads(self.watch))?;
        let mut out = Vec::new();
        for mut source in loaded {
            let Some(plan) = self.plan.sources.iter().find(|p| p.name == source.name) else { continue };
            self.watch.stage(Stage::Loaded {
                source: &source.name,
                read: source.attrition.read,
                used: source.attrition.used,
            });
            inputs.insert(source.name.as_str(), std::mem::take(&mut source.frame).lazy());
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

    /// Computes every table after those that it reads.
    fn compute(&self, inputs: &mut Inputs) -> BTreeMap<String, Computed> {
        let mut done: BTreeMap<String, Computed> = BTreeMap::new();
        loop {
            if self.watch.cancelled() {
                return done;
            }
            let mut ready = Vec::new();
            for table in self.plan.tables.iter().filter(|t| !done.contains_key(&t.name)).collect::<Vec<_>>() {
                let broken = table.inputs.iter().find(|i| matches!(done.get(*i), Some(Computed::Not(_))));
                if let Some(input) = broken {
                    done.insert(
                        table.name.clone(),
                        Computed::Not(TableState::Skipped { reason: format!("`{input}` failed") }),
                    );
                } else if table.inputs.iter().all(|i| done.contains_key(i)) {
                    ready.push(table);
                }
            }
            if ready.is_empty() {
                return done;
            }
            for table in ready {
                if self.watch.cancelled() {
                    return done;
                }
                self.watch.stage(Stage::Computing { tables: &[table.name.as_str()] });
                let result = one(table, inputs);
                if let Computed::Frame { frame, .. } = &result {
                    inputs.insert(table.name.as_str(), frame.clone().lazy());
                }
                done.insert(table.name.clone(), result);
            }
        }
    }

    /// Names of the tables that may become visible: sound, and their whole group too.
    fn publishable(&self, computed: &BTreeMap<String, Computed>, checks: &[Vec<CheckOutcome>]) -> BTreeSet<String> {
        let mut bad: BTreeSet<&str> = BTreeSet::new();
        // Tables follow what they read, so one pass finds everything that rests on a broken one.
        for (table, checks) in self.plan.tables.iter().zip(checks) {
            let sound = matches!(computed.get(&table.name), Some(Computed::Frame { .. }))
                && checks.iter().all(|c| c.broken == 0);
            if !sound || table.inputs.iter().any(|i| bad.contains(i.as_str())) {
                bad.insert(&table.name);
            }
        }
        let together = &self.plan.publish.together;
        let torn = together.iter().any(|t| bad.contains(t.as_str()));
        let all = self.plan.tables.iter().filter(|t| t.published && !bad.contains(t.name.as_str()));
        all.filter(|t| !(torn && together.contains(&t.name))).map(|t| t.name.clone()).collect()
    }

    fn told(
        table: &TablePlan,
        done: Computed,
        checks: Vec<CheckOutcome>,
        verified: &BTreeMap<String, Verified>,
    ) -> TableOutcome {
        let (state, attrition, headlines) = match done {
            Computed::Not(state) => (state, Vec::new(), Vec::new()),
            Computed::Frame { frame, attrition, .. } => {
                let rows = u64::try_from(frame.height()).unwrap_or(u64::MAX);
                let state = if !table.published && checks.iter().all(|c| c.broken == 0) {
                    TableState::Helper { rows }
                } else {
                    // Replaced when the publish says where it is.
                    TableState::Rejected { rows }
                };
                let headlines = if verified.contains_key(&table.name) { figures(table, &frame) } else { Vec::new() };
                (state, attrition, headlines)
            }
        };
        TableOutcome { name: table.name.clone(), ty: table.ty.clone(), state, attrition, checks, headlines }
    }

    fn unpublished(&self, reason: &str) -> Vec<TableOutcome> {
        let skipped = |t: &TablePlan| TableOutcome {
            name: t.name.clone(),
            ty: t.ty.clone(),
            state: TableState::Skipped { reason: reason.to_owned() },
            attrition: Vec::new(),
            checks: Vec::new(),
            headlines: Vec::new(),
        };
        self.plan.tables.iter().map(skipped).collect()
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

/// Runs the query of a table.
///
/// One table at a time: each query uses all threads, what it reads is in memory, and a plan of all
/// tables at once takes the optimiser longer than the queries take to run.
fn one(table: &TablePlan, inputs: &Inputs) -> Computed {
    match queries(table, inputs).and_then(|(own, inputs)| Ok((guarded(&own)?, inputs))) {
        Ok((frames, inputs)) => computed(frames, inputs),
        Err(message) => Computed::Not(TableState::Failed { message }),
    }
}

/// The query of a table, and of its attrition where it has one, with the inputs and computed steps they read.
fn queries(table: &TablePlan, inputs: &Inputs) -> Result<(Vec<LazyFrame>, Inputs), String> {
    let inputs = stepped(table, inputs)?;
    let mut out = vec![table.metric.query(&inputs).map_err(|e| e.to_string())?];
    out.extend(table.metric.attrition(&inputs).map_err(|e| e.to_string())?);
    Ok((out, inputs))
}

/// The inputs of a table, with the intermediate frames that its queries share.
pub(super) fn stepped(table: &TablePlan, inputs: &Inputs) -> Result<Inputs, String> {
    let mut inputs = inputs.clone();
    for name in table.metric.steps() {
        let step = table.metric.step(name, &inputs).map_err(|e| e.to_string())?;
        let frame = guarded(&[step])?.pop().unwrap_or_default();
        inputs.put_step(name, frame.lazy());
    }
    Ok(inputs)
}

/// Collects frames; a panic of the query engine becomes an error.
pub(super) fn guarded(frames: &[LazyFrame]) -> Result<Vec<DataFrame>, String> {
    let collected = sources::guarded(|| collect_all(frames));
    collected.map_err(|words| format!("the query engine panicked: {words}"))?.map_err(|e| e.to_string())
}

fn computed(mut frames: Vec<DataFrame>, inputs: Inputs) -> Computed {
    let attrition = if frames.len() > 1 { frames.pop().map(|f| reasons(&f)) } else { None };
    Computed::Frame {
        frame: frames.pop().unwrap_or_default(),
        attrition: attrition.unwrap_or_default(),
        inputs: Box::new(inputs),
    }
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
