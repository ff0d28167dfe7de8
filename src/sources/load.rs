//! Sources into memory: every file scanned once, every row accounted for.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;

use super::condense::{self, Keys};
use super::error::{SourceError, guarded};
use super::finding::Measures;
use super::footer;
use super::gathered::{gathered, kept_as};
use super::outcome::{LoadedSource, Reason};
use super::parts::Turns;
use super::plan::SourcePlan;
use super::problem::Problem;
use super::scan::{self, DELETED};
use super::verdict::Rows;
use super::{quarantine, sample};
use crate::checks::distinct_values;
use crate::expr::condense::Values;

/// Told what a load is doing; every method may be left as it is.
pub trait Watch: Send {
    /// A source is about to be read.
    fn source_started(&mut self, _plan: &SourcePlan) {}
    /// A source has been read, deduplicated and checked on its own.
    fn source_read(&mut self, _plan: &SourcePlan) {}
    /// Asked between sources: true stops the load.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {}

/// Loads the wanted columns of the wanted sources, in that order.
///
/// `wanted` pairs a position in `plans` with column names. Sources that these refer to are read as
/// far as references need it, and are part of the result, behind the wanted ones, with no column:
/// their contracts count like those of all others. A source that is rejected is still given, so that
/// all rules of all sources are told at once: look at [`LoadedSource::rejected`] before publishing.
///
/// Ages and changes of row counts are not checked: [`load_against`] does.
///
/// # Errors
///
/// The first file that changed, vanished or is corrupt; a cancelled load.
pub fn load(
    plans: &[SourcePlan],
    wanted: &[(usize, Vec<String>)],
    watch: &mut dyn Watch,
) -> Result<Vec<LoadedSource>, SourceError> {
    load_against(plans, wanted, &Enough::default(), &Measures::default(), watch)
}

/// What is enough of some sources, by position in the plans.
#[derive(Default)]
pub struct Enough {
    /// The values of which combinations are enough. Such a source is condensed while it is read, or after that
    /// where its contract or a broken row asks for the rows: look at [`LoadedSource::is_condensed`].
    pub condensed: BTreeMap<usize, Keys>,
    /// The values of each row that are enough: they are computed while it is read, and are its columns in the
    /// place of the wanted ones, which they may look at.
    pub projected: BTreeMap<usize, Values>,
}

/// As [`load`], and measures the sources as wholes; look at [`LoadedSource::stale`] too.
///
/// Where something is `enough`, no more is loaded; what is told about a source is the same.
///
/// # Errors
///
/// The first file that changed, vanished or is corrupt; a cancelled load.
pub fn load_against(
    plans: &[SourcePlan],
    wanted: &[(usize, Vec<String>)],
    enough: &Enough,
    measures: &Measures,
    watch: &mut dyn Watch,
) -> Result<Vec<LoadedSource>, SourceError> {
    let mut wanted: Vec<(usize, Vec<String>)> = wanted.to_vec();
    add_targets(plans, &mut wanted);
    let keys_of = |index: usize| {
        let plan = plans.get(index)?;
        enough.condensed.get(&index).filter(|keys| condense::is_enough(plans, plan, keys)).map(|keys| (plan, keys))
    };
    let (brief, whole): (Vec<_>, Vec<_>) = wanted.iter().cloned().partition(|(index, _)| keys_of(*index).is_some());
    let mut sources = judged(plans, &whole, &enough.projected, watch)?;
    // Nothing refers to these, so they come after what they may refer to.
    let mut condensed = Vec::new();
    for (index, columns) in &brief {
        if watch.cancelled() {
            return Err(SourceError::Cancelled);
        }
        let Some((plan, keys)) = keys_of(*index) else { continue };
        watch.source_started(plan);
        if let Some(source) = condense::load(plan, columns, keys, &sources, measures)? {
            condensed.push(source);
        } else {
            sources.push(alone(plans, plan, columns, None, &Turns::new())?);
            let last = sources.len() - 1;
            refer_one(&mut sources, last)?;
        }
        watch.source_read(plan);
    }
    let mut loaded = condensed;
    for (plan, columns, rows) in sources {
        if watch.cancelled() {
            return Err(SourceError::Cancelled);
        }
        let position = plans.iter().position(|known| known.name == plan.name);
        let values = position.and_then(|index| enough.projected.get(&index));
        let mut source = finish(plan, columns, values, rows, measures)?;
        if let Some(keys) = position.and_then(|index| enough.condensed.get(&index)) {
            careful(|| condense::afterwards(&mut source, keys)).map_err(|error| engine(plan, error))?;
        }
        loaded.push(source);
    }
    let place = |source: &LoadedSource| {
        wanted.iter().position(|(index, _)| plans.get(*index).is_some_and(|plan| plan.name == source.name))
    };
    loaded.sort_by_key(place);
    Ok(loaded)
}

/// A source, the columns that are wanted of it, and its rows with what becomes of each.
pub(super) type Judged<'a, 'b> = (&'a SourcePlan, &'b [String], Rows<'a>);

/// Sources that are read at once: a scan alone does not keep all threads busy from its first to its last row.
const AT_ONCE: usize = 2;

/// Reads sources and finds what becomes of their rows.
pub(super) fn judged<'a, 'b>(
    plans: &'a [SourcePlan],
    wanted: &'b [(usize, Vec<String>)],
    projected: &BTreeMap<usize, Values>,
    watch: &mut dyn Watch,
) -> Result<Vec<Judged<'a, 'b>>, SourceError> {
    let turns = Turns::new();
    let (next, failed, watch) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(watch));
    let watch = || watch.lock().unwrap_or_else(PoisonError::into_inner);
    let read = |index: usize, columns: &'b [String]| {
        if watch().cancelled() {
            return Err(SourceError::Cancelled);
        }
        let Some(plan) = plans.get(index) else { return Ok(None) };
        watch().source_started(plan);
        let source = alone(plans, plan, columns, projected.get(&index), &turns)?;
        watch().source_read(plan);
        Ok(Some(source))
    };
    let read_some = || {
        let mut sources = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((index, columns)) = wanted.get(at) else { break };
            let source = read(*index, columns);
            failed.fetch_or(source.is_err(), Ordering::Relaxed);
            sources.push((at, source));
        }
        sources
    };
    let mut sources = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(wanted.len())).map(|_| scope.spawn(read_some)).collect();
        let read = threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        read.collect::<Vec<_>>()
    });
    // Of several errors the first is told.
    sources.sort_by_key(|(at, _)| *at);
    let sources = sources.into_iter().filter_map(|(_, source)| source.transpose());
    let mut sources = sources.collect::<Result<Vec<Judged<'a, 'b>>, SourceError>>()?;
    refer(&mut sources)?;
    Ok(sources)
}

/// Reads a source and checks it on its own.
fn alone<'a, 'b>(
    plans: &'a [SourcePlan],
    plan: &'a SourcePlan,
    columns: &'b [String],
    projected: Option<&Values>,
    turns: &Turns,
) -> Result<Judged<'a, 'b>, SourceError> {
    let staying = with_targets(plans, plan, if projected.is_some() { &[] } else { columns });
    let mut rows = read(plan, &with_targets(plans, plan, columns), &staying, projected, turns)?;
    rows.check_alone().map_err(|error| engine(plan, error))?;
    Ok((plan, columns, rows))
}

/// Sources that others refer to are read too.
pub(super) fn add_targets(plans: &[SourcePlan], wanted: &mut Vec<(usize, Vec<String>)>) {
    let mut at = 0;
    while let Some((index, _)) = wanted.get(at) {
        let references = plans.get(*index).map(|plan| plan.references.as_slice()).unwrap_or_default();
        for reference in references {
            let target = plans.iter().position(|plan| plan.name == reference.target);
            if let Some(target) = target.filter(|target| wanted.iter().all(|(known, _)| known != target)) {
                wanted.push((target, Vec::new()));
            }
        }
        at += 1;
    }
}

/// The columns to load: the wanted ones, and those that any source refers to.
fn with_targets(plans: &[SourcePlan], plan: &SourcePlan, columns: &[String]) -> Vec<String> {
    let mut columns = columns.to_vec();
    let targets = plans.iter().flat_map(|other| &other.references).filter(|reference| reference.target == plan.name);
    for target in targets {
        if !columns.contains(&target.target_column) {
            columns.push(target.target_column.clone());
        }
    }
    columns
}

/// Reads one source: the rows that are neither deleted nor filtered, and the counts of the others.
///
/// Of the `columns` that are read, those of `staying` are kept, those that checks on the whole source look at,
/// and the `projected` values, under the names of [`kept_as`].
fn read<'a>(
    plan: &'a SourcePlan,
    columns: &[String],
    staying: &[String],
    projected: Option<&Values>,
    turns: &Turns,
) -> Result<Rows<'a>, SourceError> {
    within_limits(plan)?;
    let total = plan.rows();
    let columns = scan::needed(plan, columns);
    let leaving = scan::leaving(plan, &columns, staying);
    let read = careful(|| gathered(plan, &columns, &leaving, projected, turns)).map_err(|error| blame(plan, error))?;
    unchanged(plan)?;
    let counted = read.frame.height() as u64 + read.left_out.values().sum::<u64>();
    if counted != total {
        let error = polars_err!(ComputeError: "{counted} rows were read where the footers say {total}");
        return Err(engine(plan, error));
    }
    tracing::debug!(
        source = plan.name,
        rows = read.frame.height(),
        bytes = read.frame.estimated_size(),
        columns = read.frame.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(","),
        "gathered"
    );
    let left_out = read.left_out.into_iter().map(|(code, rows)| (reason_of(plan, code), rows)).collect();
    Rows::new(plan, read.frame, (read.broken, read.odd), left_out).map_err(|error| engine(plan, error))
}

/// Rows have numbers, and there is room for so many.
pub(super) fn within_limits(plan: &SourcePlan) -> Result<(), SourceError> {
    let rows = plan.rows();
    if rows >= u64::from(u32::MAX) {
        return Err(SourceError::TooManyRows { source_name: plan.name.clone(), rows });
    }
    Ok(())
}

/// Why a row with that code is left out.
pub(super) fn reason_of(plan: &SourcePlan, code: u16) -> Reason {
    match usize::from(code.saturating_sub(DELETED)) {
        0 => Reason::Deleted,
        filter => Reason::Filter(plan.filters.get(filter - 1).map(|filter| filter.name.clone()).unwrap_or_default()),
    }
}

/// Checks references, a source after those that it refers to where they form no circle.
fn refer(sources: &mut [Judged<'_, '_>]) -> Result<(), SourceError> {
    let mut open: Vec<usize> = (0..sources.len()).collect();
    while !open.is_empty() {
        let waits = |index: &usize| {
            let names = sources
                .get(*index)
                .into_iter()
                .flat_map(|(plan, ..)| plan.references.iter().map(|r| r.target.as_str()));
            names.into_iter().any(|name| {
                open.iter()
                    .any(|other| other != index && sources.get(*other).is_some_and(|(plan, ..)| plan.name == name))
            })
        };
        // In a circle the first goes first, against rows that are not yet checked for references.
        let next = open.iter().position(|index| !waits(index)).unwrap_or(0);
        refer_one(sources, open.remove(next))?;
    }
    Ok(())
}

/// Checks the references of one source against the others as they are.
fn refer_one(sources: &mut [Judged<'_, '_>], index: usize) -> Result<(), SourceError> {
    let Some((plan, ..)) = sources.get(index) else { return Ok(()) };
    let plan = *plan;
    for (position, reference) in plan.references.iter().enumerate() {
        let Some((.., target)) = sources.iter().find(|(other, ..)| other.name == reference.target) else {
            continue;
        };
        let values = target.used().map(|rows| distinct_values(rows.lazy(), &reference.target_column));
        let values = values.map_err(|error| engine(plan, error))?;
        let Some((.., rows)) = sources.get_mut(index) else { continue };
        rows.check_reference(position, reference, values).map_err(|error| engine(plan, error))?;
    }
    Ok(())
}

fn finish(
    plan: &SourcePlan,
    columns: &[String],
    projected: Option<&Values>,
    rows: Rows<'_>,
    measures: &Measures,
) -> Result<LoadedSource, SourceError> {
    let bad = rows.bad();
    let findings = rows.findings(measures).map_err(|error| engine(plan, error))?;
    let stored = careful(|| sample::stored(plan, &bad)).map_err(|error| blame(plan, error))?;
    let samples = careful(|| sample::samples(plan, &rows, &bad, &stored)).map_err(|error| engine(plan, error))?;
    let quarantined = careful(|| quarantine::frame(plan, &bad, &stored)).map_err(|error| engine(plan, error))?;
    let Some(values) = projected else {
        return rows.finish(columns, &bad, samples, quarantined, findings).map_err(|error| engine(plan, error));
    };
    let (names, kept): (Vec<&str>, Vec<String>) =
        values.keys.iter().map(|(name, _)| (name.as_str(), kept_as(name))).unzip();
    let renamed = |mut source: LoadedSource| {
        source.frame.set_column_names(&names)?;
        source.is_projected = true;
        Ok(source)
    };
    let source = rows.finish(&kept, &bad, samples, quarantined, findings);
    source.and_then(renamed).map_err(|error| engine(plan, error))
}

/// Reads files; where the reader stops on bytes that it did not expect, that is an error like any other.
pub(super) fn careful<T>(read: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    guarded(read).unwrap_or_else(|words| Err(polars_err!(ComputeError: "the reader gave up: {words}")))
}

pub(super) fn engine(plan: &SourcePlan, error: PolarsError) -> SourceError {
    SourceError::Engine { source_name: plan.name.clone(), error }
}

/// Every file is still the one that was described.
pub(super) fn unchanged(plan: &SourcePlan) -> Result<(), SourceError> {
    for file in &plan.files {
        let now = std::fs::metadata(&file.path).ok();
        let same = now.is_some_and(|now| now.len() == file.bytes && now.modified().ok() == file.modified);
        if !same {
            return Err(changed(plan, file));
        }
    }
    Ok(())
}

/// What exactly happened to a file that is not as described.
fn changed(plan: &SourcePlan, file: &super::FileInfo) -> SourceError {
    match footer::read(&file.path, &file.name) {
        Ok(_) => SourceError::Changed { source_name: plan.name.clone(), path: file.path.clone() },
        Err(fault) => Problem { source_name: plan.name.clone(), path: file.path.clone(), fault }.into(),
    }
}

/// Which file a failed query failed on: one that changed, or one whose data cannot be read.
pub(super) fn blame(plan: &SourcePlan, error: PolarsError) -> SourceError {
    if let Err(error) = unchanged(plan) {
        return error;
    }
    for file in &plan.files {
        let whole = careful(|| {
            let declared: Vec<Expr> = plan
                .columns
                .iter()
                .filter(|c| !c.hive && file.column(&c.from).is_some())
                .map(|c| col(c.from.as_str()).alias(c.name.as_str()).null_count())
                .collect();
            scan::scan(&[file.path.as_path()], 0, None)?.select(declared).collect_with_engine(Engine::Streaming)
        });
        if let Err(error) = whole {
            return SourceError::Corrupt { source_name: plan.name.clone(), path: file.path.clone(), error };
        }
    }
    engine(plan, error)
}
