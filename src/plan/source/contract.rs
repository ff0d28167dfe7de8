//! The contract of a source: which rows count, which rules they keep, how they relate.

use std::collections::BTreeMap;

use super::column::read_literal;
use super::{Here, PLACES_BEHIND_MINOR, whole};
use crate::checks::{CurrencyRule, Literal, MOST_OPERATORS, RowRule, check_regex};
use crate::diag::{Diagnostics, Relation, Span};
use crate::schema::ColumnType;
use crate::sources::{Aggregate, Bearing, ColumnPlan, Condition, ConditionFault, Deduplicate, Freshness, Reference};
use crate::spec::contract::RowCountSpec;
use crate::spec::pipeline::{ColumnSpec, OnViolation};

#[derive(Default)]
pub(super) struct Contract {
    pub(super) deleted: Option<String>,
    pub(super) filters: Vec<Condition>,
    pub(super) rules: Vec<RowRule>,
    pub(super) checks: Vec<Condition>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) bearings: BTreeMap<String, Bearing>,
    pub(super) row_count: Option<RowCountSpec>,
    pub(super) freshness: Option<Freshness>,
    pub(super) unique: Vec<Vec<String>>,
    pub(super) deduplicate: Option<Deduplicate>,
    pub(super) references: Vec<Reference>,
}

pub(super) fn resolve(here: Here<'_>, columns: &[ColumnPlan], diags: &mut Diagnostics) -> Contract {
    let mut contract = Contract { rules: reading_rules(here, columns), ..Contract::default() };
    contract.deleted = deleted(here, diags);
    for (name, sql) in &here.spec.filters {
        contract.filters.extend(condition(here, name.as_str(), sql, &["filters", name.as_str()], false, diags));
    }
    if !here.spec.key.is_empty() && known(here, "key", &here.spec.key, diags) {
        contract.unique.push(here.spec.key.clone());
    }
    for (name, column) in &here.spec.columns {
        column_rules(here, name.as_str(), column, &mut contract, diags);
    }
    for (name, check) in &here.spec.checks {
        let sql = check.expr.as_ref().or(check.aggregate.as_ref());
        let (Some(on_rows), Some(sql)) = (whole::is_on_rows(here, name.as_str(), check, diags), sql) else { continue };
        if !on_rows {
            contract.aggregates.extend(whole::aggregate(here, name.as_str(), check, sql, diags));
        } else if let Some(found) =
            condition(here, name.as_str(), sql, &["checks", name.as_str(), "expr"], false, diags)
        {
            let (name, columns) = (found.name.clone(), found.columns.clone());
            contract.rules.push(RowRule::Check { name, columns, description: check.description.clone() });
            contract.checks.push(found);
        }
    }
    contract.deduplicate = deduplicate(here, diags);
    quarantine(here, diags);
    contract.bearings = whole::bearings(here, &contract, diags);
    contract.row_count = whole::row_count(here, diags);
    contract.freshness = whole::freshness(here, diags);
    contract
}

/// Rules that come with the types: what is stored can be read, and amounts have a currency.
fn reading_rules(here: Here<'_>, columns: &[ColumnPlan]) -> Vec<RowRule> {
    let places = here.context.money_scale - PLACES_BEHIND_MINOR;
    let mut rules = Vec::new();
    for column in columns.iter().filter(|column| column.ty == ColumnType::Currency) {
        let of_money = columns.iter().any(|other| other.currency_column() == Some(column.name.as_str()));
        let places = of_money.then_some(places);
        rules.push(RowRule::Currency(column.name.clone(), CurrencyRule::Known { places }));
    }
    for column in columns {
        if let Some(currency) = column.currency_column() {
            rules.push(RowRule::Currency(column.name.clone(), CurrencyRule::Given(currency.to_owned())));
        }
    }
    rules.extend(columns.iter().map(|column| RowRule::Parse(column.name.clone())));
    rules
}

fn column_rules(here: Here<'_>, name: &str, spec: &ColumnSpec, contract: &mut Contract, diags: &mut Diagnostics) {
    let owned = name.to_owned();
    let literal = |key: &str, text: &str, diags: &mut Diagnostics| {
        read_literal(here, &["columns", name, key], key, text, spec.ty, diags)
    };
    if spec.not_null {
        contract.rules.push(RowRule::NotNull(owned.clone()));
    }
    if let Some(texts) = &spec.one_of {
        if texts.is_empty() {
            diags.bad_format(
                here.key(&["columns", name, "one_of"]),
                "one_of",
                "`one_of` lists no value",
                &["list the values, or remove it".to_owned()],
            );
        }
        let values: Vec<Literal> = texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| {
                let index = index.to_string();
                read_literal(here, &["columns", name, "one_of", &index], "one_of", text, spec.ty, diags)
            })
            .collect();
        contract.rules.push(RowRule::OneOf(owned.clone(), values));
    }
    let min = spec.min.as_ref().and_then(|text| literal("min", text, diags));
    let max = spec.max.as_ref().and_then(|text| literal("max", text, diags));
    if let (Some(min), Some(max)) = (&min, &max)
        && max.less_than(min)
    {
        diags.bad_format(
            here.at(&["columns", name, "max"]),
            "max",
            "`max` is less than `min`, so that no value is allowed",
            &[],
        );
    }
    contract.rules.extend(min.map(|value| RowRule::Min(owned.clone(), value)));
    contract.rules.extend(max.map(|value| RowRule::Max(owned.clone(), value)));
    if let Some(regex) = &spec.matches {
        match check_regex(regex.as_str()) {
            Ok(()) => contract.rules.push(RowRule::Matches(owned.clone(), regex.as_str().to_owned())),
            Err(reason) => diags.invalid_regex(here.at(&["columns", name, "matches"]), regex.as_str(), &reason),
        }
    }
    if let Some(length) = spec.length {
        match (length.min, length.max) {
            (None, None) => {
                diags.no_effect(here.key(&["columns", name, "length"]), "length", "it sets neither `min` nor `max`");
            }
            (Some(min), Some(max)) if max < min => {
                let title = "`max` is less than `min`, so that no text is allowed";
                diags.bad_format(here.at(&["columns", name, "length", "max"]), "max", title, &[]);
            }
            (min, max) => contract.rules.push(RowRule::Length(owned.clone(), min, max)),
        }
    }
    if spec.unique {
        let columns = vec![owned.clone()];
        if contract.unique.contains(&columns) {
            diags.no_effect(here.at(&["columns", name, "unique"]), "unique", "the column is the `key` already");
        } else {
            contract.unique.push(columns);
        }
    }
    if let Some(target) = &spec.references {
        contract.references.extend(reference(here, name, spec, target, diags));
    }
}

fn reference(
    here: Here<'_>,
    column: &str,
    spec: &ColumnSpec,
    target: &str,
    diags: &mut Diagnostics,
) -> Option<Reference> {
    let at = here.at(&["columns", column, "references"]);
    let sources = here.context.sources;
    let found = target.split_once('.').and_then(|(source, target_column)| {
        let found = sources.get(source)?.columns.get(target_column)?;
        Some((source, target_column, found.ty))
    });
    let Some((source, target_column, ty)) = found else {
        let known: Vec<String> = sources
            .iter()
            .flat_map(|(source, spec)| spec.columns.keys().map(move |column| format!("{source}.{column}")))
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        diags.unknown_reference(at, target, &known);
        return None;
    };
    if ty != spec.ty {
        diags.column_type(
            at,
            target_column,
            source,
            ty.name(),
            spec.ty.name(),
            Some(format!("`{column}` can only refer to a column of its own type")),
        );
        return None;
    }
    if source == here.source && target_column == column {
        diags.no_effect(at, "references", "a column always holds its own values");
        return None;
    }
    Some(Reference { column: column.to_owned(), target: source.to_owned(), target_column: target_column.to_owned() })
}

fn deleted(here: Here<'_>, diags: &mut Diagnostics) -> Option<String> {
    let name = here.spec.deleted.as_ref()?;
    let at = here.at(&["deleted"]);
    let Some(column) = here.spec.columns.get(name.as_str()) else {
        diags.unknown_column(at, name, Relation::Source(here.source), &here.declared());
        return None;
    };
    if column.ty != ColumnType::Bool {
        let help = "name a bool column; for a time of deletion write a filter such as `deleted_at IS NULL`".to_owned();
        diags.column_type(at, name, here.source, column.ty.name(), "bool", Some(help));
        return None;
    }
    Some(name.clone())
}

fn deduplicate(here: Here<'_>, diags: &mut Diagnostics) -> Option<Deduplicate> {
    let spec = here.spec.deduplicate.as_ref()?;
    for (list, key) in [(&spec.key, "key"), (&spec.order_by, "order_by")] {
        if list.is_empty() {
            let title = format!("`deduplicate.{key}` names no column");
            diags.bad_format(here.key(&["deduplicate", key]), key, &title, &["name at least one column".to_owned()]);
        }
    }
    let key = columns_known(here, &["deduplicate", "key"], &spec.key, diags);
    let order = columns_known(here, &["deduplicate", "order_by"], &spec.order_by, diags);
    (key && order).then(|| Deduplicate { key: spec.key.clone(), order_by: spec.order_by.clone() })
}

fn columns_known(here: Here<'_>, path: &[&str], names: &[String], diags: &mut Diagnostics) -> bool {
    let mut all = true;
    for (index, name) in names.iter().enumerate() {
        let index_text = index.to_string();
        let at = here.at(&[path, &[index_text.as_str()]].concat());
        if !here.spec.columns.contains_key(name.as_str()) {
            diags.unknown_column(at, name, Relation::Source(here.source), &here.declared());
            all = false;
        } else if let Some(first) = names.iter().take(index).position(|known| known == name) {
            let first = here.at(&[path, &[first.to_string().as_str()]].concat());
            diags.repeated_item(at, path.last().copied().unwrap_or_default(), name, first);
            all = false;
        }
    }
    all
}

fn known(here: Here<'_>, key: &str, names: &[String], diags: &mut Diagnostics) -> bool {
    let mut all = true;
    for (index, name) in names.iter().enumerate() {
        let at = here.at(&[key, &index.to_string()]);
        if !here.spec.columns.contains_key(name.as_str()) {
            diags.key_not_declared(at, name, here.source, &here.declared());
            all = false;
        } else if let Some(first) = names.iter().take(index).position(|known| known == name) {
            diags.repeated_item(at, key, name, here.at(&[key, &first.to_string()]));
            all = false;
        }
    }
    all
}

pub(super) fn condition(
    here: Here<'_>,
    name: &str,
    sql: &str,
    path: &[&str],
    totals: bool,
    diags: &mut Diagnostics,
) -> Option<Condition> {
    let columns: Vec<_> = here.spec.columns.iter().map(|(name, column)| (name.as_str(), column.ty)).collect();
    let at: Span = here.at(path);
    let parsed =
        if totals { Condition::parse_totals(name, sql, &columns) } else { Condition::parse(name, sql, &columns) };
    let fault = match parsed {
        Ok(condition) if condition.columns.is_empty() && !totals => {
            diags.no_effect(at, name, "it reads no column, so that it is the same for every row");
            return None;
        }
        Ok(condition) => return Some(condition),
        Err(fault) => fault,
    };
    match fault {
        ConditionFault::Invalid(reason) => diags.invalid_expression(at, &reason, None),
        ConditionFault::UnknownColumn(column) => {
            diags.unknown_column(at, &column, Relation::Source(here.source), &here.declared());
        }
        ConditionFault::SeveralRows if totals => {
            let help = "write totals, as in `sum(amount) > 0`; a condition on each row is an `expr`";
            diags.invalid_expression(at, "it is no condition on totals of all rows", Some(help.to_owned()));
        }
        ConditionFault::SeveralRows => {
            let help = "a condition sees one row; totals of all rows are an `aggregate` of `checks`";
            diags.invalid_expression(at, "it looks at more than one row", Some(help.to_owned()));
        }
        ConditionFault::TooDeep(operators) => {
            let help = "list values with `IN (..)`, or split it into several conditions";
            let reason = format!("it has {operators} operators, more than {MOST_OPERATORS}");
            diags.invalid_expression(at, &reason, Some(help.to_owned()));
        }
        ConditionFault::NotBool(found) => {
            diags.invalid_expression(
                at,
                &format!("it gives {found}, expected true or false"),
                Some("compare the value, as in `quantity > 0`".to_owned()),
            );
        }
    }
    None
}

fn quarantine(here: Here<'_>, diags: &mut Diagnostics) {
    if let OnViolation::Quarantine(caps) = &here.spec.on_violation {
        whole::share(here, &["on_violation", "quarantine", "max_share"], caps.max_share, true, diags);
    }
}
