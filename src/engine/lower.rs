//! From a plan to lazy frames.

use polars::prelude::*;

use crate::metrics::Inputs;
use crate::plan::{RunPlan, TablePlan};
use crate::schema::{ColumnType, TableSchema};

/// Polars type of a column inside of the engine: money is whole units.
pub fn inner_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::String | ColumnType::Currency => DataType::String,
        ColumnType::Int | ColumnType::Money => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
    }
}

/// An empty frame with the columns a table promises.
pub fn empty(schema: &TableSchema) -> LazyFrame {
    let fields = schema.columns.iter().map(|c| Field::new(c.name.as_str().into(), inner_type(c.ty)));
    DataFrame::empty_with_schema(&fields.collect::<Schema>()).lazy()
}

/// Inputs of every table without any data: what the plan promises about sources and tables.
fn promised(plan: &RunPlan) -> Inputs {
    let mut inputs = Inputs::default();
    for source in &plan.sources {
        let all: Vec<String> = source.columns.iter().map(|c| c.name.clone()).collect();
        inputs.insert(source.name.as_str(), crate::sources::empty(source, &all));
    }
    for table in &plan.tables {
        inputs.insert(table.name.as_str(), empty(&table.schema));
    }
    inputs
}

/// Compares what every query gives with what its metric promises, without reading data.
///
/// # Errors
/// The name of the table and the difference: a bug of the metric.
pub fn check_schemas(plan: &RunPlan) -> Result<(), (String, String)> {
    let inputs = promised(plan);
    for table in &plan.tables {
        let wrong = |message: String| (table.name.clone(), message);
        let inputs = stepped(table, &inputs).map_err(|e| wrong(e.to_string()))?;
        let mut query = table.metric.query(&inputs).map_err(|e| wrong(e.to_string()))?;
        let found = query.collect_schema().map_err(|e| wrong(e.to_string()))?;
        difference(table, &found).map_err(wrong)?;
    }
    Ok(())
}

/// Inputs with the steps of a table as empty frames, so that its query stays small.
fn stepped(table: &TablePlan, inputs: &Inputs) -> PolarsResult<Inputs> {
    let mut inputs = inputs.clone();
    for name in table.metric.steps() {
        let schema = table.metric.step(name, &inputs)?.collect_schema()?;
        inputs.put_step(name, DataFrame::empty_with_schema(&schema).lazy());
    }
    Ok(inputs)
}

fn difference(table: &TablePlan, found: &Schema) -> Result<(), String> {
    let promised: Vec<(&str, DataType)> =
        table.schema.columns.iter().map(|c| (c.name.as_str(), inner_type(c.ty))).collect();
    let found: Vec<(&str, DataType)> = found.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    if promised == found {
        return Ok(());
    }
    let differs = promised.iter().zip(&found).find(|(p, f)| p != f);
    Err(match differs {
        Some((p, f)) => format!("promises {} {}, gives {} {}", p.0, p.1, f.0, f.1),
        None => format!("promises {} columns, gives {}", promised.len(), found.len()),
    })
}

/// The plan of one table as the engine will run it, for people: optimised or as written, its steps first.
///
/// # Errors
/// What the query engine said.
pub fn explain(plan: &RunPlan, table: &TablePlan, optimised: bool) -> PolarsResult<String> {
    let mut inputs = promised(plan);
    for source in &plan.sources {
        if let Some(columns) = table.reads.get(&source.name) {
            inputs.insert(source.name.as_str(), crate::sources::scan_plan(source, columns)?);
        }
    }
    let mut out = String::new();
    for name in table.metric.steps() {
        let mut step = table.metric.step(name, &inputs)?;
        out.push_str(&format!("step {name}:\n{}\n\n", step.clone().explain(optimised)?));
        inputs.put_step(name, DataFrame::empty_with_schema(&*step.collect_schema()?).lazy());
    }
    out.push_str(&table.metric.query(&inputs)?.explain(optimised)?);
    Ok(out)
}
