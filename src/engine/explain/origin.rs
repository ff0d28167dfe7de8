//! The rows of the exports behind the customers that are shown.

use polars::prelude::*;

use super::look::{collect, grid};
use super::{Explainer, Explanation, Origin, PER_CUSTOMER};
use crate::engine::EngineError;
use crate::plan::TablePlan;
use crate::schema::{Cell, ColumnType};
use crate::sources::{Currency, FATE, FILE, FILE_ROW, Silent, SourcePlan, trace};

/// The rows of every source of the ledgers behind a table that belong to the customers shown.
pub(super) fn origins(of: &Explainer<'_>, explained: &Explanation, limit: usize) -> Result<Vec<Origin>, EngineError> {
    let mut customers: Vec<Cell> = Vec::new();
    for set in explained.behind.iter().filter(|set| set.of_customers) {
        let Some(at) = set.rows.columns.iter().position(|(name, _)| name == "customer_id") else { continue };
        for customer in set.rows.rows.iter().filter_map(|row| row.get(at)) {
            if !customers.contains(customer) && customers.len() < limit {
                customers.push(customer.clone());
            }
        }
    }
    let mut out: Vec<Origin> = Vec::new();
    for ledger in of.plan.tables.iter().filter(|t| t.metric.ledger().is_some()) {
        let known = ids(of, ledger, &customers)
            .map_err(|e| EngineError::Query { action: "finding merged ids".to_owned(), message: e.to_string() })?;
        let Some(own) = known else { continue };
        // The rows with what the customers pay, which name their subscriptions.
        let mut first: Option<DataFrame> = None;
        for belonging in ledger.metric.customer_rows() {
            let source = belonging.source;
            let Some(index) = of.plan.sources.iter().position(|s| s.name == source) else { continue };
            if out.iter().any(|known| known.source == source) {
                continue;
            }
            let failed = |e: PolarsError| EngineError::Query {
                action: format!("tracing rows of `{source}`"),
                message: e.to_string(),
            };
            let values = match (&belonging.through, &first) {
                (Some(column), Some(rows)) => rows.column(column).map_err(failed)?.as_materialized_series().clone(),
                (Some(_), None) => continue,
                (None, _) => own.clone(),
            };
            let values = values.unique().map_err(failed)?;
            let plan = &of.plan.sources[index];
            let columns = columns(plan, ledger, &belonging.column);
            let found = trace(&of.plan.sources, index, &columns, (&belonging.column, &values), &mut Silent)?;
            let rows = rows(plan, &found, &columns, limit).map_err(failed)?;
            first.get_or_insert(found);
            if rows.total == 0 {
                continue;
            }
            let currencies = plan.columns.iter().filter_map(|c| match &c.money.as_ref()?.currency {
                Currency::Code(code) => Some((c.name.clone(), code.as_str().to_owned())),
                Currency::Column(_) => None,
            });
            out.push(Origin { folder: folder(plan), rows, currencies: currencies.collect(), source });
        }
    }
    Ok(out)
}

/// The customers as the sources of a ledger call them, merged and subordinate ones included.
fn ids(of: &Explainer<'_>, ledger: &TablePlan, customers: &[Cell]) -> PolarsResult<Option<Series>> {
    let Some(own) = series(customers) else { return Ok(None) };
    let Some(map) = ledger.metric.source_ids(&of.inputs)? else { return Ok(Some(own)) };
    let held = col("customer_id").is_in(lit(own.clone()).implode(true), false);
    let found = collect(map.filter(held).select([col("source_id")]))?;
    let mut all = own;
    all.append(found.column("source_id")?.as_materialized_series())?;
    Ok(Some(all.unique()?))
}

/// The folder below which the files of a source have their names.
fn folder(plan: &SourcePlan) -> String {
    let Some(file) = plan.files.first() else { return String::new() };
    let whole = file.path.display().to_string();
    whole.strip_suffix(&file.name).map_or(whole.clone(), |folder| folder.trim_end_matches('/').to_owned())
}

fn series(customers: &[Cell]) -> Option<Series> {
    let name = PlSmallStr::from_static("customers");
    if let Cell::Int(_) = customers.first()? {
        let ids = customers.iter().filter_map(|c| if let Cell::Int(n) = c { Some(*n) } else { None });
        return Some(Series::new(name, ids.collect::<Vec<i64>>()));
    }
    let ids = customers.iter().filter_map(|c| if let Cell::Text(t) = c { Some(t.as_str()) } else { None });
    Some(Series::new(name, ids.collect::<Vec<&str>>()))
}

/// The columns to show: the customer, what identifies a row, what orders its versions, what the ledger reads.
fn columns(plan: &SourcePlan, ledger: &TablePlan, customer: &str) -> Vec<String> {
    let mut out = vec![customer.to_owned()];
    let versions = plan.deduplicate.iter().flat_map(|d| d.key.iter().chain(&d.order_by));
    let read = ledger.reads.get(&plan.name).into_iter().flatten();
    for name in plan.key.iter().chain(versions).chain(read) {
        if !out.contains(name) {
            out.push(name.clone());
        }
    }
    out
}

fn rows(plan: &SourcePlan, found: &DataFrame, columns: &[String], limit: usize) -> PolarsResult<super::Grid> {
    let mut shown: Vec<(String, ColumnType)> = vec![
        (FILE.to_owned(), ColumnType::String),
        (FILE_ROW.to_owned(), ColumnType::Int),
        (FATE.to_owned(), ColumnType::String),
    ];
    shown.extend(columns.iter().filter_map(|c| Some((c.clone(), plan.column(c)?.ty))));
    let order = SortMultipleOptions::default().with_maintain_order(true);
    let customer = columns.first().map_or(FILE, String::as_str);
    let sorted = found.sort([customer], order)?;
    let mut rows = grid(&sorted.head(Some(limit * PER_CUSTOMER)), shown.into_iter())?;
    rows.total = found.height();
    Ok(rows)
}
