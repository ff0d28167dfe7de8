//! Rows set aside: as stored, with the rule they break and where they came from.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use polars::prelude::*;

use super::outcome::Action;
use super::plan::SourcePlan;
use super::sample::text;
use super::scan::ROW;
use super::verdict::Broken;

const RULE: &str = "_rule";
const RULES: &str = "_rules";
const FILE: &str = "_file";
const FILE_ROW: &str = "_row";

/// The rows that are set aside, taken from those that were read again; `None` when there are none, or the contract sets none aside.
///
/// All stored columns in their stored types, as text where the files disagree, then `_rule` (the
/// first rule for which the row is set aside, under which attrition counts it), `_rules` (all that
/// it breaks, separated by `; `), `_file` (below the folder that the path of the source names) and
/// `_row` (from 1). Rows are in the order of the files.
pub(super) fn frame(plan: &SourcePlan, bad: &[Broken], stored: &[DataFrame]) -> PolarsResult<Option<DataFrame>> {
    let mut rows: BTreeMap<u32, (&str, String)> = BTreeMap::new();
    for broken in bad.iter().filter(|broken| broken.action == Action::Quarantine) {
        for row in &broken.rows {
            rows.entry(*row).or_insert((&broken.rule, String::new()));
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    for broken in bad {
        for row in &broken.rows {
            if let Some((_, all)) = rows.get_mut(row) {
                all.push_str(if all.is_empty() { "" } else { "; " });
                all.push_str(&broken.rule);
            }
        }
    }
    let numbers: Vec<u32> = rows.keys().copied().collect();
    let (rules, all): (Vec<&str>, Vec<String>) = rows.into_values().unzip();
    let mut parts = Vec::new();
    for part in stored {
        let here = part.column(ROW)?.u32()?.into_no_null_iter().map(|row| Some(numbers.binary_search(&row).is_ok()));
        let part = part.filter(&here.collect::<BooleanChunked>())?;
        if part.height() > 0 {
            parts.push(part);
        }
    }
    let mut rows = together(parts)?;
    rows.sort_in_place([ROW], SortMultipleOptions::new())?;
    if rows.height() != numbers.len() {
        polars_bail!(ComputeError: "{} of {} rows to set aside were found again", rows.height(), numbers.len());
    }
    let places: Vec<(&str, i64)> = numbers
        .iter()
        .filter_map(|row| plan.locate(u64::from(*row)))
        .map(|(file, row)| (file.name.as_str(), i64::try_from(row).unwrap_or(i64::MAX)))
        .collect();
    let mut rows = rows.drop(ROW)?;
    rows.with_column(Column::new(RULE.into(), rules))?;
    rows.with_column(Column::new(RULES.into(), all))?;
    rows.with_column(Column::new(FILE.into(), places.iter().map(|(file, _)| *file).collect::<Vec<_>>()))?;
    rows.with_column(Column::new(FILE_ROW.into(), places.iter().map(|(_, row)| *row).collect::<Vec<_>>()))?;
    Ok(Some(rows))
}

/// Frames with other columns and types as one: columns by name, text where types differ.
fn together(mut parts: Vec<DataFrame>) -> PolarsResult<DataFrame> {
    let mut types: PlIndexMap<PlSmallStr, DataType> = PlIndexMap::default();
    for part in &parts {
        for (name, ty) in part.schema().iter() {
            match types.get_mut(name) {
                None => drop(types.insert(name.clone(), ty.clone())),
                Some(known) if known != ty => *known = DataType::String,
                Some(_) => {}
            }
        }
    }
    for part in &mut parts {
        for (name, ty) in &types {
            let values = match part.column(name) {
                Ok(values) if values.dtype() == ty => continue,
                Ok(values) => as_text(values)?,
                Err(_) => Column::full_null(name.clone(), part.height(), ty),
            };
            part.with_column(values)?;
        }
    }
    let names: Vec<PlSmallStr> = types.into_keys().collect();
    let mut whole: Option<DataFrame> = None;
    for part in parts {
        let part = part.select(names.iter().cloned())?;
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => drop(whole.vstack_mut(&part)?),
        }
    }
    Ok(whole.unwrap_or_default())
}

/// Any column as text; nested values as the engine prints them.
fn as_text(values: &Column) -> PolarsResult<Column> {
    let mut texts = Vec::with_capacity(values.len());
    for at in 0..values.len() {
        let value = values.get(at)?;
        texts.push((!value.is_null()).then(|| text(&value)));
    }
    Ok(Column::new(values.name().clone(), texts))
}

/// Writes set-aside rows as one Parquet file at `path`, which must not exist as something to keep.
///
/// # Errors
///
/// What the file system or the encoder says. The file is not synced.
pub fn write(rows: &DataFrame, path: &Path) -> PolarsResult<()> {
    let file = File::create(path)?;
    ParquetWriter::new(file).finish(&mut rows.clone()).map(drop)
}
