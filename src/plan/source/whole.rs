//! How rules are meant, and what holds for a source as a whole.

use std::collections::BTreeMap;

use super::Here;
use super::contract::{Contract, condition};
use crate::diag::{Diagnostics, Relation};
use crate::schema::ColumnType;
use crate::sources::{Aggregate, Bearing, Freshness};
use crate::spec::contract::{CheckSpec, RowCountSpec, Severity};
use crate::spec::types::Percent;

/// Which rule is meant how, by name; tells about names that no rule of this source has.
pub(super) fn bearings(here: Here<'_>, contract: &Contract, diags: &mut Diagnostics) -> BTreeMap<String, Bearing> {
    let mut known: Vec<String> = contract.rules.iter().map(ToString::to_string).collect();
    known.retain(|rule| !here.spec.checks.contains_key(rule.as_str()));
    known.extend(contract.unique.iter().map(|columns| format!("unique({})", columns.join(", "))));
    known.extend(contract.references.iter().map(|reference| format!("references({})", reference.column)));
    let mut out = BTreeMap::new();
    for (name, spec) in &here.spec.rules {
        let at = here.key(&["rules", name]);
        let bearing = Bearing { severity: spec.severity, max_rows: spec.max_rows, max_share: spec.max_share };
        if here.spec.checks.contains_key(name.as_str()) {
            diags.no_effect(at, name, &format!("`severity` and limits of this check stand in `checks.{name}`"));
        } else if !known.contains(name) {
            // Rules that come with the reading of a column are many, and seldom meant.
            known.sort_by_key(|rule| rule.starts_with("parse(") || rule.starts_with("currency("));
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            diags.unknown_key(at, name, &format!("sources.{}.rules", here.source), &known);
        } else if bearing == Bearing::default() {
            diags.no_effect(at, name, "a rule is an error without tolerance anyway");
        } else {
            tolerance(here, &["rules", name], bearing, diags);
            out.insert(name.clone(), bearing);
        }
    }
    for (name, check) in here.spec.checks.iter().filter(|(_, check)| check.aggregate.is_none()) {
        let bearing = Bearing { severity: check.severity, max_rows: check.max_rows, max_share: check.max_share };
        tolerance(here, &["checks", name.as_str()], bearing, diags);
        out.insert(name.to_string(), bearing);
    }
    out
}

fn tolerance(here: Here<'_>, path: &[&str], bearing: Bearing, diags: &mut Diagnostics) {
    share(here, &[path, &["max_share"]].concat(), bearing.max_share, true, diags);
    let given = [("max_rows", bearing.max_rows.is_some()), ("max_share", bearing.max_share.is_some())];
    for (key, _) in given.into_iter().filter(|(_, given)| *given && bearing.severity == Severity::Warn) {
        diags.no_effect(here.key(&[path, &[key]].concat()), key, "`severity: warn` lets any number of rows pass");
    }
}

/// Tells about a share that no rows can have.
pub(super) fn share(here: Here<'_>, path: &[&str], share: Option<Percent>, of_rows: bool, diags: &mut Diagnostics) {
    let Some(millionths) = share.map(Percent::millionths) else { return };
    let key = path.last().copied().unwrap_or_default();
    if millionths < 0 {
        diags.out_of_range(here.at(path), key, "less than 0%", "0% or more");
    } else if of_rows && millionths > 1_000_000 {
        diags.out_of_range(here.at(path), key, "more than 100%", "0% to 100%");
    }
}

/// Whether a check is about rows; tells where that is not clear.
pub(super) fn is_on_rows(here: Here<'_>, name: &str, check: &CheckSpec, diags: &mut Diagnostics) -> Option<bool> {
    match (&check.expr, &check.aggregate) {
        (Some(_), None) => Some(true),
        (None, Some(_)) => Some(false),
        (found, _) => {
            let both = ["expr", "aggregate"];
            let found: &[&str] = if found.is_some() { &both } else { &[] };
            diags.one_key_of(here.key(&["checks", name]), name, found, &both);
            None
        }
    }
}

pub(super) fn aggregate(
    here: Here<'_>,
    name: &str,
    check: &CheckSpec,
    sql: &str,
    diags: &mut Diagnostics,
) -> Option<Aggregate> {
    for (key, given) in [("max_rows", check.max_rows.is_some()), ("max_share", check.max_share.is_some())] {
        if given {
            diags.no_effect(here.key(&["checks", name, key]), key, "totals are no rows that could be counted");
        }
    }
    let condition = condition(here, name, sql, &["checks", name, "aggregate"], true, diags)?;
    Some(Aggregate { condition, severity: check.severity, description: check.description.clone() })
}

pub(super) fn row_count(here: Here<'_>, diags: &mut Diagnostics) -> Option<RowCountSpec> {
    let spec = here.spec.row_count.as_ref()?;
    if spec.min.is_none() && spec.max.is_none() && spec.change.is_none() {
        diags.no_effect(here.key(&["row_count"]), "row_count", "it sets no `min`, `max` or `change`");
    }
    if let (Some(min), Some(max)) = (spec.min, spec.max)
        && max < min
    {
        let title = "`max` is less than `min`, so that no count is allowed";
        diags.bad_format(here.at(&["row_count", "max"]), "max", title, &[]);
    }
    if let Some(change) = spec.change {
        if change.max_drop.is_none() && change.max_rise.is_none() {
            let at = here.key(&["row_count", "change"]);
            diags.no_effect(at, "change", "it sets neither `max_drop` nor `max_rise`");
        }
        share(here, &["row_count", "change", "max_drop"], change.max_drop, true, diags);
        share(here, &["row_count", "change", "max_rise"], change.max_rise, false, diags);
    }
    Some(spec.clone())
}

pub(super) fn freshness(here: Here<'_>, diags: &mut Diagnostics) -> Option<Freshness> {
    let spec = here.spec.freshness.as_ref()?;
    let at = here.at(&["freshness", "column"]);
    let Some(column) = here.spec.columns.get(spec.column.as_str()) else {
        diags.unknown_column(at, &spec.column, Relation::Source(here.source), &here.declared());
        return None;
    };
    if !matches!(column.ty, ColumnType::Date | ColumnType::Timestamp) {
        let help = "name the column that says when a row came about".to_owned();
        diags.column_type(at, &spec.column, here.source, column.ty.name(), "date or timestamp", Some(help));
        return None;
    }
    match (spec.warn_after, spec.error_after) {
        (None, None) => {
            let help = vec!["add `error_after: 50h`, `warn_after: 26h` or both".to_owned()];
            let place = format!("sources.{}.freshness", here.source);
            diags.missing_key(here.key(&["freshness"]), "error_after", &place, help);
        }
        (Some(warn), Some(error)) if warn.seconds() >= error.seconds() => {
            let title = "`warn_after` is not shorter than `error_after`, so that it never warns";
            diags.bad_format(here.at(&["freshness", "warn_after"]), "warn_after", title, &[]);
        }
        _ => {}
    }
    Some(Freshness { column: spec.column.clone(), warn_after: spec.warn_after, error_after: spec.error_after })
}
