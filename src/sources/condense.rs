//! Sources of which nobody needs the rows: one streaming pass that keeps how many have each combination of values.

use polars::prelude::*;

use super::error::SourceError;
use super::finding::{self, Measures, NEWEST};
use super::load::{Judged, blame, careful, engine, reason_of, unchanged, within_limits};
use super::outcome::{Attrition, LoadedSource, Reason};
use super::plan::SourcePlan;
use super::scan::{self, BITS, CODE, FINE, broken_column};
use crate::checks::{distinct_values, unknown_values};
use crate::expr::condense::{ROWS, condensed};

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
    let groups = careful(|| groups(plan, columns, keys, measures)).map_err(|error| blame(plan, error))?;
    unchanged(plan)?;
    let Some(groups) = groups else { return Ok(None) };
    settled(plan, keys, groups, others, measures).map_err(|error| engine(plan, error))
}

/// The combinations with their [`ROWS`] and [`CODE`]; `None` where a row that stays breaks a rule.
fn groups(plan: &SourcePlan, columns: &[String], keys: &Keys, measures: &Measures) -> PolarsResult<Option<DataFrame>> {
    let columns = scan::needed(plan, columns);
    let stays = || col(CODE).eq(lit(FINE));
    let drops = plan.deleted.is_some() || !plan.filters.is_empty();
    // Of the rows that a filter leaves out only the number counts.
    let value =
        |value: &Expr| if drops { when(stays()).then(value.clone()).otherwise(lit(NULL)) } else { value.clone() };
    let mut values: Keys = keys.iter().map(|(name, key)| (name.clone(), value(key))).collect();
    if drops {
        values.push((CODE.to_owned(), col(CODE)));
    }
    let words = scan::watched(plan, &columns).len().div_ceil(BITS);
    let mut further: Vec<Expr> = (0..words).map(|word| col(broken_column(word)).max()).collect();
    further.extend(finding::newest(plan, measures).into_iter().flatten());
    let groups = condensed(scan::coded(plan, &columns)?, &values, &further);
    let groups = if drops { groups } else { groups.with_column(lit(FINE).cast(DataType::UInt16).alias(CODE)) };
    let groups = groups.collect_with_engine(Engine::Streaming)?.unwrap_single();
    let stays = groups.column(CODE)?.u16()?.equal(FINE);
    for word in 0..words {
        let bits = groups.column(&broken_column(word))?.u32()?.not_equal(0);
        if (&stays & &bits).any() {
            return Ok(None);
        }
    }
    Ok(Some(groups))
}

/// What the groups come to, unless one of them refers to something that is not there.
fn settled(
    plan: &SourcePlan,
    keys: &Keys,
    groups: DataFrame,
    others: &[Judged<'_, '_>],
    measures: &Measures,
) -> PolarsResult<Option<LoadedSource>> {
    let stays = || col(CODE).eq(lit(FINE));
    let mut names: Vec<Expr> = keys.iter().map(|(name, _)| col(name.as_str())).collect();
    names.push(col(ROWS));
    let frame = groups.clone().lazy().filter(stays()).select(names).collect()?;
    for reference in &plan.references {
        let Some((.., target)) = others.iter().find(|(other, ..)| other.name == reference.target) else { continue };
        let known = distinct_values(target.used()?.lazy(), &reference.target_column);
        let unknown = unknown_values(frame.clone().lazy(), &reference.column, known, &reference.target_column);
        if unknown.limit(1).collect()?.height() > 0 {
            return Ok(None);
        }
    }
    let mut findings = finding::row_count(plan, measures);
    if finding::newest(plan, measures).is_some() {
        let newest = groups.clone().lazy().filter(stays()).select(NEWEST.map(|name| col(name).max()));
        findings.extend(finding::freshness(plan, &newest.collect()?, measures)?);
    }
    let left_out = groups
        .lazy()
        .filter(stays().not())
        .group_by([col(CODE)])
        .agg([col(ROWS).sum()])
        .sort([CODE], SortMultipleOptions::default())
        .collect()?;
    let counts =
        left_out.column(CODE)?.u16()?.into_no_null_iter().zip(left_out.column(ROWS)?.i64()?.into_no_null_iter());
    let reasons: Vec<(Reason, u64)> = counts.map(|(code, rows)| (reason_of(plan, code), rows.unsigned_abs())).collect();
    let used = frame.column(ROWS)?.i64()?.sum().unwrap_or(0).unsigned_abs();
    let attrition = Attrition { read: plan.rows(), used, reasons };
    if !attrition.adds_up() {
        polars_bail!(ComputeError: "rows are unaccounted for: {attrition:?}");
    }
    Ok(Some(LoadedSource {
        name: plan.name.clone(),
        frame,
        is_condensed: true,
        attrition,
        violations: Vec::new(),
        findings,
        proven: plan.proven.iter().map(ToString::to_string).collect(),
        quarantined: None,
        exceeded: None,
    }))
}
