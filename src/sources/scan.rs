//! The lazy plan of a source: one scan per layout, canonical columns, and one code per row.

use std::ops::Range;
use std::path::Path;

use polars::prelude::*;

use super::condition::{Condition, seen};
use super::plan::{ColumnPlan, Layout, SourcePlan, Stored};
use super::read::{Setting, reading};
use crate::checks::{CurrencyRule, RowRule, canonical_type, check_column, unread_column};
use crate::schema::ColumnType;

/// Helper column: the number of the row among all files, from 0.
pub(super) const ROW: &str = "#row";
/// Helper column: whether the row leaves the scan as a count.
pub(super) const CODE: &str = "#code";
/// The row stays.
pub(super) const FINE: u16 = 0;
/// The row is deleted; filters follow.
pub(super) const DELETED: u16 = 1;
/// The helper column that is true where a row breaks a rule, by the position of the rule among the [`watched`] ones.
pub(super) fn broken_column(position: usize) -> String {
    format!("#broken:{position}")
}

/// No pipeline file has 65,000 filters.
fn code(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The columns of a source in canonical types, and no row: what a query over it can be checked with.
///
/// Columns that are not declared are left out.
pub fn empty<S: AsRef<str>>(plan: &SourcePlan, columns: &[S]) -> LazyFrame {
    let fields = columns.iter().filter_map(|name| plan.column(name.as_ref()));
    let schema: Schema =
        fields.map(|column| Field::new(column.name.as_str().into(), canonical_type(column.ty))).collect();
    DataFrame::empty_with_schema(&schema).lazy()
}

/// The query that a load of these columns runs, deleted and filtered rows left out.
///
/// # Errors
///
/// A path that the engine cannot take.
pub fn scan_plan<S: AsRef<str>>(plan: &SourcePlan, wanted: &[S]) -> PolarsResult<LazyFrame> {
    let columns = needed(plan, wanted);
    Ok(kept(plan, coded(plan, &columns, 0..plan.files.len())?))
}

/// The rows that neither the deletion flag nor a filter leaves out.
fn kept(plan: &SourcePlan, coded: LazyFrame) -> LazyFrame {
    if plan.deleted.is_none() && plan.filters.is_empty() {
        return coded;
    }
    coded.filter(col(CODE).eq(lit(FINE)))
}

/// The columns to read: the wanted ones and those that the contract looks at, in declared order.
pub(super) fn needed<'a, S: AsRef<str>>(plan: &'a SourcePlan, wanted: &[S]) -> Vec<&'a ColumnPlan> {
    let mut names: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    names.extend(plan.deleted.as_deref());
    names.extend(plan.filters.iter().flat_map(|filter| filter.columns.iter().map(String::as_str)));
    names.extend(plan.rules.iter().filter(|rule| is_contract(rule)).flat_map(RowRule::columns));
    names.extend(plan.unique.iter().flatten().map(String::as_str));
    names.extend(plan.deduplicate.iter().flat_map(|d| d.key.iter().chain(&d.order_by)).map(String::as_str));
    names.extend(plan.references.iter().map(|reference| reference.column.as_str()));
    names.extend(plan.aggregates.iter().flat_map(|a| a.condition.columns.iter().map(String::as_str)));
    names.extend(plan.freshness.iter().map(|freshness| freshness.column.as_str()));
    let currencies: Vec<&str> = plan
        .columns
        .iter()
        .filter(|c| names.contains(&c.name.as_str()))
        .filter_map(ColumnPlan::currency_column)
        .collect();
    names.extend(currencies);
    plan.columns.iter().filter(|column| names.contains(&column.name.as_str())).collect()
}

/// The columns among `needed` that only the deletion flag, the filters and rules on single rows look at.
pub(super) fn leaving<'a, S: AsRef<str>>(plan: &SourcePlan, needed: &[&'a ColumnPlan], wanted: &[S]) -> Vec<&'a str> {
    let mut stay: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    stay.extend(plan.unique.iter().flatten().map(String::as_str));
    stay.extend(plan.deduplicate.iter().flat_map(|d| d.key.iter().chain(&d.order_by)).map(String::as_str));
    stay.extend(plan.references.iter().map(|reference| reference.column.as_str()));
    stay.extend(plan.aggregates.iter().flat_map(|a| a.condition.columns.iter().map(String::as_str)));
    stay.extend(plan.freshness.iter().map(|freshness| freshness.column.as_str()));
    needed.iter().map(|column| column.name.as_str()).filter(|name| !stay.contains(name)).collect()
}

/// Rules that a user wrote, unlike those that come with the reading of a column.
fn is_contract(rule: &RowRule) -> bool {
    !matches!(rule, RowRule::Parse(_) | RowRule::Currency(..))
}

/// The given columns of every row of some files, with [`ROW`] and [`CODE`].
pub(super) fn coded(plan: &SourcePlan, columns: &[&ColumnPlan], files: Range<usize>) -> PolarsResult<LazyFrame> {
    let rows_of = |files: Range<usize>| plan.files.get(files).unwrap_or_default().iter().map(|file| file.rows).sum();
    let mut parts = Vec::with_capacity(plan.layouts.len());
    let mut first_row: u64 = rows_of(0..files.start);
    for layout in &plan.layouts {
        let own = layout.files.start.max(files.start)..layout.files.end.min(files.end);
        if !own.is_empty() {
            parts.push(mapped(plan, layout, own.clone(), columns, first_row)?);
            first_row += rows_of(own);
        }
    }
    let rows = if parts.is_empty() {
        let mut schema = Schema::with_capacity(columns.len() + 1);
        schema.insert(ROW.into(), DataType::UInt32);
        for column in columns {
            schema.insert(column.name.as_str().into(), canonical_type(column.ty));
        }
        for column in columns.iter().filter(|column| can_be_unread(plan, column)) {
            schema.insert(unread_column(&column.name).into(), DataType::Boolean);
        }
        DataFrame::empty_with_schema(&schema).lazy()
    } else {
        concat(parts, UnionArgs { to_supertypes: false, maintain_order: true, ..UnionArgs::default() })?
    };
    Ok(with_code(plan, columns, rows))
}

/// One scan of files of a layout, read as declared.
fn mapped(
    plan: &SourcePlan,
    layout: &Layout,
    files: Range<usize>,
    columns: &[&ColumnPlan],
    first_row: u64,
) -> PolarsResult<LazyFrame> {
    let setting = Setting { zone: &plan.zone, scale: plan.money_scale };
    let files = plan.files.get(files).unwrap_or_default();
    let partitions = columns.iter().any(|column| column.hive).then(|| partition_schema(files));
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    let scan = scan(&paths, first_row, partitions)?;
    let stored_of = |column: &ColumnPlan| stored_in(plan, layout, column).0;
    let mut raw = vec![col(ROW)];
    raw.extend(
        columns
            .iter()
            .filter(|column| stored_of(column) != Stored::Absent)
            .map(|column| col(column.from.as_str()).alias(raw_column(&column.name))),
    );
    let mut rows = scan.select(raw);
    // Amounts come last: the currency of their row must be known by then.
    for money in [false, true] {
        let (mut values, mut checks) = (Vec::new(), Vec::new());
        for column in columns.iter().filter(|column| (column.ty == ColumnType::Money) == money) {
            let name = column.name.as_str();
            let (stored, readable) = stored_in(plan, layout, column);
            let found = reading(column, stored, readable, &col(raw_column(name)), setting);
            values.push(found.value.alias(name));
            if can_be_unread(plan, column) {
                let unread = unread_column(name);
                values.push(found.given.unwrap_or_else(|| lit(false)).alias(unread.as_str()));
                checks.push(col(unread.as_str()).and(col(name).is_null()).alias(unread));
            }
            if let Some(value) = &column.null_as {
                checks.push(col(name).fill_null(value.expr()).alias(name));
            }
        }
        rows = rows.with_columns(values).with_columns(checks);
    }
    let mut result = vec![col(ROW)];
    result.extend(columns.iter().map(|column| col(column.name.as_str())));
    result.extend(
        columns.iter().filter(|column| can_be_unread(plan, column)).map(|column| col(unread_column(&column.name))),
    );
    Ok(rows.select(result))
}

/// Files with equal columns as one frame, rows numbered from `first_row` in [`ROW`].
pub(super) fn scan(paths: &[&Path], first_row: u64, partitions: Option<SchemaRef>) -> PolarsResult<LazyFrame> {
    let paths = paths.iter().map(|path| PlRefPath::try_from_path(path)).collect::<PolarsResult<Vec<_>>>()?;
    let offset = IdxSize::try_from(first_row).map_err(|_| polars_err!(ComputeError: "too many rows to number"))?;
    let hive_options = match partitions {
        Some(schema) => {
            HiveOptions { enabled: Some(true), hive_start_idx: 0, schema: Some(schema), try_parse_dates: false }
        }
        None => HiveOptions::new_disabled(),
    };
    let args = ScanArgsParquet {
        row_index: Some(RowIndex { name: ROW.into(), offset }),
        hive_options,
        glob: false,
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet_files(paths.into_iter().collect(), args)
}

/// All keys in the folder names of these files, as text.
fn partition_schema(files: &[super::FileInfo]) -> SchemaRef {
    let keys = files.iter().take(1).flat_map(|file| &file.hive);
    let schema: Schema = keys.map(|(key, _)| Field::new(key.as_str().into(), DataType::String)).collect();
    schema.into()
}

fn raw_column(name: &str) -> String {
    format!("#raw:{name}")
}

/// Whether some file stores the column in a form in which a value may be unreadable.
fn can_be_unread(plan: &SourcePlan, column: &ColumnPlan) -> bool {
    let setting = Setting { zone: &plan.zone, scale: plan.money_scale };
    plan.layouts.iter().any(|layout| {
        let (stored, readable) = stored_in(plan, layout, column);
        reading(column, stored, readable, &lit(NULL), setting).given.is_some()
    })
}

/// How a column is stored in files of a layout, and whether every value of it can be read.
fn stored_in(plan: &SourcePlan, layout: &Layout, column: &ColumnPlan) -> (Stored, bool) {
    let position = plan.columns.iter().position(|known| known.name == column.name);
    let known = position.and_then(|at| Some((*layout.stored.get(at)?, *layout.readable.get(at)?)));
    known.unwrap_or((Stored::Absent, false))
}

/// The rules, as positions in [`SourcePlan::rules`], that a scan of these columns watches.
pub(super) fn watched(plan: &SourcePlan, columns: &[&ColumnPlan]) -> Vec<usize> {
    let read = |name: &str| columns.iter().any(|column| column.name == name);
    let is_watched = |rule: &RowRule| {
        rule.columns().into_iter().all(read)
            && unread_of(rule).is_none_or(|name| plan.column(name).is_some_and(|c| can_be_unread(plan, c)))
    };
    plan.rules.iter().enumerate().filter(|(_, rule)| is_watched(rule)).map(|(index, _)| index).collect()
}

/// Adds [`CODE`], the first reason for which a row leaves the scan, and the rules that it breaks.
///
/// A row with an unreadable value in a column that the deletion flag or a filter reads stays:
/// otherwise the value would hide itself, since nothing compares with NULL.
fn with_code(plan: &SourcePlan, columns: &[&ColumnPlan], rows: LazyFrame) -> LazyFrame {
    let mut reasons: Vec<(u16, Expr)> = Vec::new();
    let unreadable = |names: &mut dyn Iterator<Item = &str>| {
        let found = names.filter(|name| plan.column(name).is_some_and(|column| can_be_unread(plan, column)));
        found.map(|name| (FINE, col(unread_column(name)))).collect::<Vec<_>>()
    };
    if let Some(deleted) = &plan.deleted {
        reasons.extend(unreadable(&mut std::iter::once(deleted.as_str())));
        reasons.push((DELETED, col(deleted.as_str())));
    }
    for (index, filter) in plan.filters.iter().enumerate() {
        reasons.extend(unreadable(&mut filter.columns.iter().map(String::as_str)));
        reasons.push((DELETED + 1 + code(index), col(filter_column(&filter.name)).fill_null(lit(false)).not()));
    }
    let chosen = reasons
        .into_iter()
        .rev()
        .fold(lit(FINE), |otherwise, (code, reason)| when(reason).then(lit(code)).otherwise(otherwise));
    let mut helpers = vec![chosen.cast(DataType::UInt16).alias(CODE)];
    let watched = watched(plan, columns);
    helpers.extend(
        watched.iter().enumerate().map(|(position, rule)| {
            broken(plan, &plan.rules[*rule]).fill_null(lit(false)).alias(broken_column(position))
        }),
    );
    let mut result: Vec<Expr> = columns.iter().map(|column| col(column.name.as_str())).collect();
    result.extend([col(ROW), col(CODE)]);
    result.extend((0..watched.len()).map(|position| col(broken_column(position))));
    with_conditions(plan, columns, rows).with_columns(helpers).select(result)
}

/// Where a row breaks a rule by itself, not merely because it breaks another one that comes before it:
/// a value that could not be read is not missing, and an amount without a currency is not unreadable.
fn broken(plan: &SourcePlan, rule: &RowRule) -> Expr {
    let failing = rule.failing();
    match rule {
        RowRule::NotNull(name) if plan.column(name).is_some_and(|column| can_be_unread(plan, column)) => {
            failing.and(col(unread_column(name)).not())
        }
        RowRule::Parse(name) => {
            let Some(currency) = plan.column(name).and_then(ColumnPlan::currency_column) else { return failing };
            let unknown = plan.rules.iter().find(
                |rule| matches!(rule, RowRule::Currency(column, CurrencyRule::Known { .. }) if column == currency),
            );
            let known = unknown.map_or_else(|| lit(true), |rule| rule.failing().fill_null(lit(false)).not());
            failing.and(col(currency).is_not_null()).and(known)
        }
        _ => failing,
    }
}

/// Adds what every filter and check says of a row; they see amounts in major units.
fn with_conditions(plan: &SourcePlan, columns: &[&ColumnPlan], rows: LazyFrame) -> LazyFrame {
    let filters = plan.filters.iter().map(|filter| (filter_column(&filter.name), filter));
    let checks = plan.checks.iter().map(|check| (check_column(&check.name), check));
    let conditions: Vec<(String, &Condition)> = filters.chain(checks).collect();
    if conditions.is_empty() {
        return rows;
    }
    let amounts: Vec<&str> = columns
        .iter()
        .filter(|column| column.ty == ColumnType::Money && conditions.iter().any(|(_, c)| c.compares(&column.name)))
        .map(|column| column.name.as_str())
        .collect();
    let units = |name: &str| format!("#units:{name}");
    let shown: Vec<Expr> = amounts
        .iter()
        .flat_map(|name| [col(*name).alias(units(name)), seen(col(*name), plan.money_scale).alias(*name)])
        .collect();
    let hidden: Vec<Expr> = amounts.iter().map(|name| col(units(name)).alias(*name)).collect();
    let said: Vec<Expr> = conditions.into_iter().map(|(name, condition)| condition.expr().alias(name)).collect();
    rows.with_columns(shown).with_columns(said).with_columns(hidden)
}

fn filter_column(name: &str) -> String {
    format!("#filter:{name}")
}

/// The column whose reading a rule watches.
fn unread_of(rule: &RowRule) -> Option<&str> {
    match rule {
        RowRule::Parse(column) | RowRule::Currency(column, CurrencyRule::Given(_)) => Some(column),
        _ => None,
    }
}
