//! Sources of which nobody needs the rows: one streaming pass that tallies the combinations of values.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use polars::prelude::*;

use super::error::SourceError;
use super::finding::{self, Measures, NEWEST};
use super::gathered::stay;
use super::load::{Judged, blame, careful, engine, reason_of, unchanged, within_limits};
use super::outcome::{Attrition, LoadedSource, Reason};
use super::parts::{Turns, in_order, parts};
use super::plan::SourcePlan;
use super::scan::{self, CODE, broken_column};
use crate::checks::{distinct_values, unknown_values};
use crate::kernel::{Tally, Tallying};

/// Values of a row by name. A value under the name of a column is that column.
pub type Keys = Vec<(String, Expr)>;

/// Whether a contract can be judged without the rows: all its rules look at single ones, or at the
/// newest of them, and other sources are referred to by a value that is kept.
pub(super) fn is_enough(plans: &[SourcePlan], plan: &SourcePlan, keys: &Keys) -> bool {
    let kept = |column: &str| keys.iter().any(|(name, _)| name == column);
    let is_target = plans.iter().flat_map(|other| &other.references).any(|reference| reference.target == plan.name);
    plan.deduplicate.is_none()
        && plan.unique.is_empty()
        && plan.aggregates.is_empty()
        && plan.references.iter().all(|reference| kept(&reference.column))
        && !is_target
}

/// Loads a source condensed; `None` where a row breaks a rule, so that the rows themselves are needed.
///
/// `others` are the sources that it may refer to.
pub(super) fn load(
    plan: &SourcePlan,
    columns: &[String],
    keys: &Keys,
    others: &[Judged<'_, '_>],
    measures: &Measures,
) -> Result<Option<LoadedSource>, SourceError> {
    within_limits(plan)?;
    let tallied = careful(|| tallied(plan, columns, keys, measures)).map_err(|error| blame(plan, error))?;
    unchanged(plan)?;
    let Some(tallied) = tallied else { return Ok(None) };
    settled(plan, tallied, others, measures).map_err(|error| engine(plan, error))
}

/// A source that was read.
struct Tallied {
    /// The rows that stay.
    tally: Tally,
    /// Number of the others by [`CODE`].
    left_out: BTreeMap<u16, u64>,
    /// The values of [`finding::newest`], of all batches.
    newest: Vec<DataFrame>,
}

fn start(schema: &Schema, keys: &Keys) -> PolarsResult<Tallying> {
    let of_key =
        |(name, _): &(String, Expr)| schema.get(name).map(|dtype| Field::new(name.as_str().into(), dtype.clone()));
    Tallying::start(&keys.iter().filter_map(of_key).collect())
}

/// Condenses a source that had to be loaded whole, so that tables see it as they would have.
pub(super) fn afterwards(source: &mut LoadedSource, keys: &Keys) -> PolarsResult<()> {
    /// Rows taken at once.
    const BATCH: usize = 1 << 17;
    let frame = std::mem::take(&mut source.frame);
    let values: Vec<Expr> = keys.iter().map(|(name, value)| value.clone().alias(name.as_str())).collect();
    let values = frame.lazy().select(values).collect()?;
    let tallying = start(values.schema(), keys)?;
    for first in (0..values.height()).step_by(BATCH) {
        if !tallying.add(&values.slice(i64::try_from(first).unwrap_or(i64::MAX), BATCH))? {
            break;
        }
    }
    source.tally = Some(Arc::new(tallying.finish()?));
    Ok(())
}

/// What the batches of all scans came to so far.
struct Reading {
    /// Taken when all are done.
    tallying: RwLock<Option<Tallying>>,
    noted: Mutex<Noted>,
    /// Whether rows may be left out.
    is_chosen: bool,
    /// Of a batch: the helper columns that are true where a row breaks a rule, and what tells how old it is.
    marks: Vec<String>,
    age: Option<[Expr; 2]>,
}

/// What is told of rows beside their tally.
#[derive(Default)]
struct Noted {
    left_out: BTreeMap<u16, u64>,
    newest: Vec<DataFrame>,
    is_broken: bool,
}

/// Reads a source; `None` where a row that stays breaks a rule.
fn tallied(plan: &SourcePlan, columns: &[String], keys: &Keys, measures: &Measures) -> PolarsResult<Option<Tallied>> {
    let columns = scan::needed(plan, columns);
    let marks: Vec<String> = (0..scan::watched(plan, &columns).len()).map(broken_column).collect();
    let age = finding::newest(plan, measures);
    let mut values: Vec<Expr> = keys.iter().map(|(name, value)| value.clone().alias(name.as_str())).collect();
    let is_chosen = plan.deleted.is_some() || !plan.filters.is_empty();
    values.extend(is_chosen.then(|| col(CODE)));
    values.extend(marks.iter().map(|mark| col(mark.as_str())));
    // Under the name of a column stands that column, so it is there once.
    let aged = plan.freshness.iter().filter(|_| age.is_some()).map(|freshness| freshness.column.as_str());
    values.extend(aged.filter(|name| keys.iter().all(|(known, _)| known != name)).map(col));
    let rows = |part: Range<usize>| Ok::<_, PolarsError>(scan::coded(plan, &columns, part)?.select(&values));
    let tallying = RwLock::new(Some(start(&*rows(0..plan.files.len())?.collect_schema()?, keys)?));
    let reading = Arc::new(Reading { tallying, noted: Mutex::default(), is_chosen, marks, age });
    let read = |part: Range<usize>| {
        let reader = reading.clone();
        let take = PlanCallback::new(move |batch: DataFrame| reader.take(batch));
        rows(part)?.sink_batches(take, false, None)?.collect_with_engine(Engine::Streaming)
    };
    in_order(&parts(plan), &Turns::new(), read, |_| Ok(reading.noted().is_broken))?;
    let tallying = reading.tallying.write().unwrap_or_else(PoisonError::into_inner).take();
    let tally = tallying.map(Tallying::finish).transpose()?;
    let Noted { left_out, newest, is_broken } = std::mem::take(&mut *reading.noted());
    Ok(tally.filter(|_| !is_broken).map(|tally| Tallied { tally, left_out, newest }))
}

impl Reading {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch of rows; whether that was enough.
    fn take(&self, batch: DataFrame) -> PolarsResult<bool> {
        // Rows are filtered when others may take note again.
        let stays = if self.is_chosen { stay(&batch, &mut self.noted().left_out)? } else { None };
        let batch = match stays {
            None => batch,
            Some(stays) => batch.filter(&stays)?,
        };
        for mark in &self.marks {
            if batch.column(mark)?.bool()?.any() {
                self.noted().is_broken = true;
                return Ok(true);
            }
        }
        if let Some(age) = &self.age {
            let newest = batch.clone().lazy().select(age).collect()?;
            self.noted().newest.push(newest);
        }
        let tallying = self.tallying.read().unwrap_or_else(PoisonError::into_inner);
        let Some(tallying) = tallying.as_ref() else { return Ok(true) };
        Ok(!tallying.add(&batch)?)
    }
}

/// What a source comes to, unless a row of it refers to something that is not there.
fn settled(
    plan: &SourcePlan,
    tallied: Tallied,
    others: &[Judged<'_, '_>],
    measures: &Measures,
) -> PolarsResult<Option<LoadedSource>> {
    let Tallied { tally, left_out, newest } = tallied;
    for reference in &plan.references {
        let Some((.., target)) = others.iter().find(|(other, ..)| other.name == reference.target) else { continue };
        let values = tally.distinct(&reference.column)?;
        let values = DataFrame::new(values.len(), vec![values])?.lazy();
        let known = distinct_values(target.used()?.lazy(), &reference.target_column);
        let unknown = unknown_values(values, &reference.column, known, &reference.target_column);
        if unknown.limit(1).collect()?.height() > 0 {
            return Ok(None);
        }
    }
    let mut findings = finding::row_count(plan, measures);
    if finding::newest(plan, measures).is_some() {
        let none = NEWEST.map(|name| Field::new(name.into(), DataType::Int64));
        let none = DataFrame::empty_with_schema(&none.into_iter().collect());
        let all =
            concat(newest.into_iter().chain([none]).map(DataFrame::lazy).collect::<Vec<_>>(), UnionArgs::default())?;
        let newest = all.select(NEWEST.map(|name| col(name).max())).collect()?;
        findings.extend(finding::freshness(plan, &newest, measures)?);
    }
    let reasons: Vec<(Reason, u64)> = left_out.into_iter().map(|(code, rows)| (reason_of(plan, code), rows)).collect();
    let attrition = Attrition { read: plan.rows(), used: tally.rows(), reasons };
    if !attrition.adds_up() {
        polars_bail!(ComputeError: "rows are unaccounted for: {attrition:?}");
    }
    Ok(Some(LoadedSource {
        name: plan.name.clone(),
        frame: DataFrame::empty(),
        is_projected: false,
        is_condensed: true,
        tally: Some(Arc::new(tally)),
        attrition,
        violations: Vec::new(),
        findings,
        proven: plan.proven.iter().map(ToString::to_string).collect(),
        quarantined: None,
        exceeded: None,
    }))
}
