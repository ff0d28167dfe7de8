//! Rows that break rules, read from their files again: a few per rule are shown with the values as stored.

use std::collections::BTreeMap;
use std::ops::Range;

use polars::prelude::*;

use super::catalog::FileInfo;
use super::outcome::{Action, Sample};
use super::plan::SourcePlan;
use super::scan::{self, ROW};
use super::verdict::{Broken, Rows};

/// Most rows shown per rule.
const SHOWN: usize = 5;

/// Rows nearer than this are read in one go, with those between them.
const NEAR: u64 = 1 << 16;
/// With more gaps than this a file is read as a whole.
const RANGES: usize = 32;

/// For every broken rule its first few rows: key columns, the columns of the rule, file, row.
///
/// Values are those of `stored`: a value that could not be read is NULL in memory.
pub(super) fn samples(
    plan: &SourcePlan,
    rows: &Rows<'_>,
    bad: &[Broken],
    stored: &[DataFrame],
) -> PolarsResult<Vec<Vec<Sample>>> {
    let texts = texts(plan, &shown(bad), stored)?;
    let identity = if plan.key.is_empty() {
        plan.deduplicate.as_ref().map(|d| d.key.as_slice()).unwrap_or_default()
    } else {
        &plan.key
    };
    let sample = |broken: &Broken, row: u32| {
        let mut columns = identity.to_vec();
        columns.extend(broken.columns.iter().filter(|column| !identity.contains(column)).cloned());
        let values = rows.shown(row, &columns).into_iter().map(|(column, canonical)| {
            let value = texts.get(&(row, column.clone())).cloned().unwrap_or(canonical);
            (column, value)
        });
        let values = values.collect();
        let (file, row) = plan.locate(u64::from(row)).map(|(file, row)| (file.name.clone(), row)).unwrap_or_default();
        Sample { values, file, row }
    };
    Ok(bad.iter().map(|broken| broken.rows.iter().take(SHOWN).map(|row| sample(broken, *row)).collect()).collect())
}

/// The rows that are shown, ascending.
fn shown(bad: &[Broken]) -> Vec<u32> {
    let mut rows: Vec<u32> = bad.iter().flat_map(|broken| broken.rows.iter().take(SHOWN)).copied().collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The rows that are shown or set aside, as their files hold them, with [`ROW`]: a frame per file.
///
/// This is the only reading of a file after its scan, and there is none where no rule is broken. Files
/// of other rows are not opened, and of these little more than the rows is read. Columns that are not
/// declared are among them where rows are set aside.
pub(super) fn stored(plan: &SourcePlan, bad: &[Broken]) -> PolarsResult<Vec<DataFrame>> {
    let mut rows = shown(bad);
    let aside: Vec<&Broken> = bad.iter().filter(|broken| broken.action == Action::Quarantine).collect();
    rows.extend(aside.iter().flat_map(|broken| &broken.rows));
    rows.sort_unstable();
    rows.dedup();
    let wanted = |file: &FileInfo| {
        let declared = |name: &str| plan.columns.iter().any(|column| !column.hive && column.from == name);
        let columns = file.columns.iter().map(|column| column.name.as_str());
        let columns = columns.filter(|name| !aside.is_empty() || declared(name)).map(col);
        std::iter::once(col(ROW)).chain(columns).collect::<Vec<_>>()
    };
    pick(plan, &rows).into_iter().map(|picked| picked.read(wanted(picked.file))).collect()
}

/// Stored values of these rows as text, by row and declared column; no entry for a column that a
/// file lacks, or whose values come from folder names or have no text.
fn texts(plan: &SourcePlan, rows: &[u32], stored: &[DataFrame]) -> PolarsResult<BTreeMap<(u32, String), String>> {
    let mut texts = BTreeMap::new();
    for frame in stored {
        let numbers = frame.column(ROW)?.u32()?;
        for column in plan.columns.iter().filter(|column| !column.hive) {
            let Ok(values) = frame.column(&column.from) else { continue };
            for (at, row) in numbers.into_no_null_iter().enumerate() {
                if rows.binary_search(&row).is_ok() {
                    texts.insert((row, column.name.clone()), text(&values.get(at)?));
                }
            }
        }
    }
    Ok(texts)
}

/// A value as text, NULL as `NULL`. Takes every value that a file can hold.
pub(super) fn text(value: &AnyValue<'_>) -> String {
    /// Beyond these the engine has no calendar, and stops the program when it is asked to print.
    const YEARS: i64 = 200_000;
    const SECONDS: i64 = YEARS * 365 * 86_400;
    let units = |unit: TimeUnit| match unit {
        TimeUnit::Milliseconds => 1_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Nanoseconds => 1_000_000_000,
    };
    match value {
        AnyValue::Null => "NULL".to_owned(),
        AnyValue::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        AnyValue::BinaryOwned(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        AnyValue::Date(days) if i64::from(*days).abs() > YEARS * 365 => format!("{days} days"),
        AnyValue::Datetime(ticks, unit, _) if (ticks / units(*unit)).abs() > SECONDS => ticks.to_string(),
        AnyValue::DatetimeOwned(ticks, unit, _) if (ticks / units(*unit)).abs() > SECONDS => ticks.to_string(),
        other => other.get_str().map_or_else(|| other.to_string(), str::to_owned),
    }
}

/// Some rows of one file.
struct Picked<'a> {
    file: &'a FileInfo,
    first_row: u64,
    rows: Vec<u32>,
}

impl Picked<'_> {
    /// These columns of these rows.
    fn read(&self, columns: Vec<Expr>) -> PolarsResult<DataFrame> {
        let wanted = Series::new(ROW.into(), &self.rows).into_frame().lazy();
        let stored = scan::scan(&[self.file.path.as_path()], self.first_row, None)?.select(columns);
        let near = self.ranges().into_iter().map(|range| {
            let length = IdxSize::try_from(range.end - range.start).unwrap_or(IdxSize::MAX);
            stored.clone().slice(i64::try_from(range.start).unwrap_or(i64::MAX), length)
        });
        let near = concat(near.collect::<Vec<_>>(), UnionArgs::default())?;
        let found = near.join(wanted, [col(ROW)], [col(ROW)], JoinArgs::new(JoinType::Semi));
        Ok(found.collect_with_engine(Engine::Streaming)?.unwrap_single())
    }

    /// Where the rows stand in the file, in few ranges.
    fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for row in &self.rows {
            let at = u64::from(*row).saturating_sub(self.first_row);
            match ranges.last_mut() {
                Some(last) if at < last.end + NEAR => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        if ranges.len() > RANGES { std::iter::once(0..self.file.rows).collect() } else { ranges }
    }
}

/// Ascending row numbers, by the file that holds them.
fn pick<'a>(plan: &'a SourcePlan, rows: &[u32]) -> Vec<Picked<'a>> {
    let mut picked = Vec::new();
    let mut first_row = 0;
    let mut rest = rows;
    for file in &plan.files {
        let here = rest.partition_point(|row| u64::from(*row) < first_row + file.rows);
        let (these, others) = rest.split_at(here);
        if !these.is_empty() {
            picked.push(Picked { file, first_row, rows: these.to_vec() });
        }
        rest = others;
        first_row += file.rows;
    }
    picked
}
