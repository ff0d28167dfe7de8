//! The rows of a source that hold some values, used or not: where they stand and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;

use super::error::SourceError;
use super::load::{Watch, add_targets, blame, careful, engine, judged};
use super::outcome::{Action, Reason};
use super::plan::SourcePlan;
use super::scan::{self, CODE, DELETED, FINE, ROW};

/// File of a traced row, below the folder that the path of the source names.
pub const FILE: &str = "_file";
/// Number of a traced row in its file, from 1.
pub const FILE_ROW: &str = "_row";
/// What became of a traced row: `used`, or why it is not.
pub const FATE: &str = "_fate";

/// The rows in which `column` is one of `values`, in the order of the files.
///
/// Gives the wanted columns in canonical types, then [`FILE`], [`FILE_ROW`] and [`FATE`]. The fate is
/// that of a load: `used`, `deleted`, `filter(paid)`, `duplicate`, `quarantined: not_null(x)`, and
/// `used, breaks not_null(x)` where the contract only warns.
///
/// # Errors
///
/// As [`super::load`].
pub fn trace(
    plans: &[SourcePlan],
    index: usize,
    wanted: &[String],
    (column, values): (&str, &Series),
    watch: &mut dyn Watch,
) -> Result<DataFrame, SourceError> {
    let Some(plan) = plans.get(index) else { return Ok(DataFrame::default()) };
    let mut columns = wanted.to_vec();
    if columns.iter().all(|known| known != column) {
        columns.push(column.to_owned());
    }
    let read = scan::needed(plan, &columns);
    let held = col(column).is_in(lit(values.clone()).implode(true), false);
    let found = careful(|| {
        let rows = scan::coded(plan, &read, 0..plan.files.len())?
            .filter(held)
            .collect_with_engine(Engine::Streaming)?
            .unwrap_single();
        rows.sort([ROW], SortMultipleOptions::default())
    });
    let found = found.map_err(|error| blame(plan, error))?;
    let mut sources = vec![(index, columns)];
    add_targets(plans, &mut sources);
    let judged = judged(plans, &sources, &BTreeMap::new(), watch)?;
    let Some((.., rows)) = judged.first() else { return Ok(DataFrame::default()) };
    let used = rows.used().map_err(|error| engine(plan, error))?;
    let used: BTreeSet<u32> = used
        .column(ROW)
        .and_then(|rows| Ok(rows.u32()?.into_no_null_iter().collect()))
        .map_err(|error| engine(plan, error))?;
    let mut broken: BTreeMap<u32, Vec<(String, Action)>> = BTreeMap::new();
    for rule in rows.bad() {
        for row in &rule.rows {
            broken.entry(*row).or_default().push((rule.rule.clone(), rule.action));
        }
    }
    let rules = |row| broken.get(&row).map(Vec::as_slice).unwrap_or_default();
    placed(plan, &found, wanted, |row, code| fate(plan, code, used.contains(&row), rules(row)))
        .map_err(|error| engine(plan, error))
}

/// The wanted columns, with the place and the fate of every row.
fn placed(
    plan: &SourcePlan,
    found: &DataFrame,
    wanted: &[String],
    fate: impl Fn(u32, u16) -> String,
) -> PolarsResult<DataFrame> {
    let (rows, codes) = (found.column(ROW)?.u32()?, found.column(CODE)?.u16()?);
    let (mut files, mut numbers, mut fates) = (Vec::new(), Vec::new(), Vec::new());
    for (row, code) in rows.into_no_null_iter().zip(codes.into_no_null_iter()) {
        let place = plan.locate(u64::from(row));
        files.push(place.map(|(file, _)| file.name.clone()).unwrap_or_default());
        numbers.push(place.and_then(|(_, row)| i64::try_from(row).ok()));
        fates.push(fate(row, code));
    }
    let mut out = found.select(wanted)?;
    out.with_column(Column::new(FILE.into(), files))?;
    out.with_column(Column::new(FILE_ROW.into(), numbers))?;
    out.with_column(Column::new(FATE.into(), fates))?;
    Ok(out)
}

fn fate(plan: &SourcePlan, code: u16, used: bool, broken: &[(String, Action)]) -> String {
    if code == DELETED {
        return Reason::Deleted.to_string();
    }
    if code != FINE {
        let filter = plan.filters.get(usize::from(code - DELETED - 1));
        return Reason::Filter(filter.map(|f| f.name.clone()).unwrap_or_default()).to_string();
    }
    let aside = broken.iter().find(|(_, action)| *action == Action::Quarantine);
    match (used, aside) {
        (false, Some((rule, _))) => Reason::Quarantined(rule.clone()).to_string(),
        (false, None) => Reason::Duplicate.to_string(),
        (true, _) if broken.is_empty() => "used".to_owned(),
        (true, _) => {
            let rules: Vec<&str> = broken.iter().map(|(rule, _)| rule.as_str()).collect();
            format!("used, breaks {}", rules.join(", "))
        }
    }
}
