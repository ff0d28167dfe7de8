//! The rows of a source that stay, and what was found in them, gathered in one scan.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;

use super::gather::Columns;
use super::parts::{Turns, in_order, parts};
use super::plan::{ColumnPlan, SourcePlan};
use super::scan::{self, CODE, FINE, ROW, broken_column};
use crate::expr::condense::Values;

/// What a scan came to.
#[derive(Default)]
pub(super) struct Gathered {
    /// The rows that stay, by [`ROW`].
    pub(super) frame: DataFrame,
    /// Number of the others by [`CODE`].
    pub(super) left_out: BTreeMap<u16, u64>,
    /// Rules that rows which stay break, as positions in [`SourcePlan::rules`], with the rows.
    pub(super) broken: Vec<(usize, u32)>,
    /// These rows with all columns that were read.
    pub(super) odd: DataFrame,
}

/// Reads every row once. Batch by batch the rows that stay are kept, and what only the choice needed is let go.
pub(super) fn gathered(
    plan: &SourcePlan,
    columns: &[&ColumnPlan],
    leaving: &[&str],
    projected: Option<&Values>,
    turns: &Turns,
) -> PolarsResult<Gathered> {
    let whole = 0..plan.files.len();
    let schema = scan::coded(plan, columns, whole.clone())?.collect_schema()?;
    let query = |files: Range<usize>| {
        let coded = scan::coded(plan, columns, files)?;
        let Some(values) = projected else { return Ok::<_, PolarsError>(coded) };
        let columns = schema.iter_names().map(|name| col(name.clone()));
        let columns = columns.chain(values.named(kept_as)).collect::<Vec<_>>();
        Ok(values.with_helpers(coded).select(columns))
    };
    let kept = query(whole)?.collect_schema()?;
    let watched = scan::watched(plan, columns);
    let marks: Vec<String> = (0..watched.len()).map(broken_column).collect();
    let is_mark = |name: &str| name == CODE || marks.iter().any(|mark| mark == name);
    let all: Schema = schema.iter_fields().filter(|field| !is_mark(field.name())).collect();
    // What is projected stands behind what was read.
    let values = kept.iter_fields().skip(schema.len());
    let stay = all.iter_fields().filter(|field| !leaving.contains(&field.name().as_str()));
    let stay: Schema = stay.chain(values).collect();
    let none = || Gathered { odd: DataFrame::empty_with_schema(&all), ..Gathered::default() };
    let staying: Vec<PlSmallStr> = stay.iter_names_cloned().collect();
    let watching = (staying, marks, watched);
    let read = |files: Range<usize>| {
        let rows: u64 = plan.files.get(files.clone()).unwrap_or_default().iter().map(|file| file.rows).sum();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let gathering = Arc::new(Mutex::new((none(), Some(Columns::new(&stay, rows)))));
        let (gathered, watching) = (gathering.clone(), watching.clone());
        let take = PlanCallback::new(move |batch: DataFrame| {
            let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            let ((found, columns), (staying, marks, watched)) = (&mut *gathered, &watching);
            let batch = found.take(&batch, staying, marks, watched)?;
            columns.as_mut().map_or(Ok(()), |columns| columns.add(&batch))?;
            Ok(false)
        });
        query(files)?.sink_batches(take, true, None)?.collect_with_engine(Engine::Streaming)?;
        let mut gathered = gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = std::mem::take(&mut gathered.0);
        found.frame = gathered.1.take().map_or_else(|| Ok(DataFrame::empty_with_schema(&stay)), Columns::finish)?;
        if !is_ascending(found.frame.column(ROW)?.u32()?) {
            found.frame.sort_in_place([ROW], SortMultipleOptions::new())?;
        }
        Ok(found)
    };
    let mut all = Gathered { frame: DataFrame::empty_with_schema(&stay), ..none() };
    in_order(&parts(plan), turns, read, |part| all.add(part).map(|()| false))?;
    Ok(all)
}

/// The name of a projected value beside the columns.
pub(super) fn kept_as(name: &str) -> String {
    format!("#kept:{name}")
}

impl Gathered {
    /// Adds what was found in the rows behind these.
    fn add(&mut self, more: Self) -> PolarsResult<()> {
        more.left_out.into_iter().for_each(|(code, rows)| *self.left_out.entry(code).or_default() += rows);
        self.broken.extend(more.broken);
        self.frame.vstack_mut_owned(more.frame)?;
        self.odd.vstack_mut_owned(more.odd).map(drop)
    }

    /// Takes note of a batch, and gives the columns and rows of it that stay.
    fn take(
        &mut self,
        batch: &DataFrame,
        columns: &[PlSmallStr],
        marks: &[String],
        watched: &[usize],
    ) -> PolarsResult<DataFrame> {
        let stays = stay(batch, &mut self.left_out)?;
        let mut odd: Option<BooleanChunked> = None;
        for (mark, rule) in marks.iter().zip(watched) {
            let is_broken = batch.column(mark)?.bool()?;
            if !is_broken.any() {
                continue;
            }
            let is_broken = stays.as_ref().map_or_else(|| is_broken.clone(), |stays| is_broken & stays);
            let rows = batch.column(ROW)?.u32()?.into_no_null_iter().zip(is_broken.iter());
            self.broken.extend(rows.filter(|(_, broken)| *broken == Some(true)).map(|(row, _)| (*rule, row)));
            odd = Some(odd.map_or_else(|| is_broken.clone(), |odd| &odd | &is_broken));
        }
        if let Some(odd) = odd {
            self.odd.vstack_mut_owned(batch.filter(&odd)?.select(self.odd.get_column_names_owned())?)?;
        }
        let batch = batch.select(columns.iter().cloned())?;
        match stays {
            None => Ok(batch),
            Some(stays) => batch.filter(&stays),
        }
    }
}

/// Which rows of a batch stay, `None` where all do; the others are counted by [`CODE`].
pub(super) fn stay(batch: &DataFrame, left_out: &mut BTreeMap<u16, u64>) -> PolarsResult<Option<BooleanChunked>> {
    let codes = batch.column(CODE)?.u16()?;
    let stays = codes.equal(FINE);
    if stays.all() {
        return Ok(None);
    }
    for code in codes.iter().flatten().filter(|code| *code != FINE) {
        *left_out.entry(code).or_default() += 1;
    }
    Ok(Some(stays))
}

fn is_ascending(rows: &UInt32Chunked) -> bool {
    let mut last = None;
    rows.into_no_null_iter().all(|row| last.replace(row).is_none_or(|before| before < row))
}
