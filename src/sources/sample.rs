//! A few rows per broken rule, with the values as they are stored.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::outcome::Sample;
use super::plan::SourcePlan;
use super::scan::{self, ROW};
use super::verdict::{Broken, Rows};

/// Most rows shown per rule.
const SHOWN: usize = 5;

/// For every broken rule its first few rows: key columns, the columns of the rule, file, row.
///
/// Values come from the files again: a value that could not be read is NULL in memory.
pub(super) fn samples(plan: &SourcePlan, rows: &Rows<'_>, bad: &[Broken]) -> PolarsResult<Vec<Vec<Sample>>> {
    let mut chosen: Vec<u32> = bad.iter().flat_map(|broken| broken.rows.iter().take(SHOWN)).copied().collect();
    chosen.sort_unstable();
    let stored = stored_texts(plan, &chosen)?;
    let identity = if plan.key.is_empty() {
        plan.deduplicate.as_ref().map(|d| d.key.as_slice()).unwrap_or_default()
    } else {
        &plan.key
    };
    let sample = |broken: &Broken, row: u32| {
        let mut columns = identity.to_vec();
        columns.extend(broken.columns.iter().filter(|column| !identity.contains(column)).cloned());
        let values = rows.shown(row, &columns).into_iter().map(|(column, canonical)| {
            let value = stored.get(&(row, column.clone())).cloned().unwrap_or(canonical);
            (column, value)
        });
        let values = values.collect();
        let (file, row) = plan.locate(u64::from(row)).map(|(file, row)| (file.name.clone(), row)).unwrap_or_default();
        Sample { values, file, row }
    };
    Ok(bad.iter().map(|broken| broken.rows.iter().take(SHOWN).map(|row| sample(broken, *row)).collect()).collect())
}

/// Stored values of these rows as text, by row and declared column; no entry for a column that a
/// file lacks, or whose values come from folder names or have no text.
fn stored_texts(plan: &SourcePlan, rows: &[u32]) -> PolarsResult<BTreeMap<(u32, String), String>> {
    let mut texts = BTreeMap::new();
    for picked in pick(plan, rows) {
        let columns: Vec<_> =
            plan.columns.iter().filter(|c| !c.hive && picked.file.column(&c.from).is_some()).collect();
        let mut wanted = vec![col(ROW)];
        wanted.extend(columns.iter().map(|c| col(c.from.as_str()).alias(c.name.as_str())));
        let frame = picked.scan()?.select(wanted).collect_with_engine(Engine::Streaming)?.unwrap_single();
        let numbers = frame.column(ROW)?.u32()?;
        for column in columns {
            let values = frame.column(&column.name)?;
            for (at, row) in numbers.into_no_null_iter().enumerate() {
                texts.insert((row, column.name.clone()), text(&values.get(at)?));
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
pub(super) struct Picked<'a> {
    pub(super) file: &'a super::FileInfo,
    first_row: u64,
    rows: Vec<u32>,
}

impl Picked<'_> {
    /// These rows with all stored columns, and their numbers.
    pub(super) fn scan(&self) -> PolarsResult<LazyFrame> {
        let rows = Series::new(ROW.into(), &self.rows).into_frame().lazy();
        let stored = scan::scan(&[self.file.path.as_path()], self.first_row, None)?;
        Ok(stored.join(rows, [col(ROW)], [col(ROW)], JoinArgs::new(JoinType::Semi)))
    }
}

/// Ascending row numbers, by the file that holds them.
pub(super) fn pick<'a>(plan: &'a SourcePlan, rows: &[u32]) -> Vec<Picked<'a>> {
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
