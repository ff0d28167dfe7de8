//! The rows that a test gives, as files in the form that declared types have after reading.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use jiff::civil::date;
use parquet::arrow::ArrowWriter;

use crate::plan::RunPlan;
use crate::schema::ColumnType;
use crate::spec::cases::{CaseNode, Rows, scaled};
use crate::spec::file::PipelineFile;
use crate::spec::pipeline::{MoneyUnit, SourceSpec};
use crate::spec::types::Date;

/// Digits behind the point of a given amount: the most that any currency keeps.
const PLACES: usize = 8;

/// Digits of a given amount.
const DIGITS: u8 = 38;

/// The pipeline with sources as tests give them: canonical files beside each other.
pub(super) fn variant(file: &PipelineFile) -> PipelineFile {
    let mut out = file.clone();
    // The folder of the test takes the place of whatever the file names.
    (out.environment.root, out.header.root) = (None, None);
    for (name, source) in &mut out.sources {
        if let Ok(path) = format!("{name}.parquet").parse() {
            source.path = path;
        }
        for column in source.columns.values_mut() {
            column.from = None;
            column.parse = None;
            column.zone = None;
            column.hive = false;
            if column.ty == ColumnType::Money {
                column.unit = Some(MoneyUnit::Major);
            }
        }
    }
    out
}

/// Leaves out what only holds of a whole export: references to what is not given, and how many rows there are.
pub(super) fn lighten(plan: &mut RunPlan, case: &CaseNode) {
    for source in &mut plan.sources {
        source.references.retain(|reference| case.given.contains_key(&reference.target));
        source.row_count = None;
        source.freshness = None;
        source.aggregates.clear();
    }
}

/// Writes the rows of a source; NULL where a row does not name a column.
pub(super) fn write(path: &Path, source: &SourceSpec, rows: Option<&Rows>) -> Result<(), String> {
    let none = Rows::default();
    let rows = rows.unwrap_or(&none);
    let mut arrays = Vec::new();
    for (name, spec) in &source.columns {
        let at = rows.header.iter().position(|(column, _)| column == name.as_str());
        let cells: Vec<Option<&str>> = rows.rows.iter().map(|row| row.get(at?)?.as_ref()?.text.as_deref()).collect();
        let array = array(&cells, spec.ty).ok_or_else(|| format!("column `{name}` holds a value of another type"))?;
        arrays.push((name.to_string(), array, true));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).map_err(|e| e.to_string())?;
    let file = File::create_new(path).map_err(|e| e.to_string())?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.close().map(drop).map_err(|e| e.to_string())
}

/// Cells as an array; `None` where one is no value of the type, which was reported with the file.
fn array(cells: &[Option<&str>], ty: ColumnType) -> Option<ArrayRef> {
    fn parsed<T>(cells: &[Option<&str>], read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
        cells
            .iter()
            .map(|cell| match cell {
                Some(text) => read(text).map(Some),
                None => Some(None),
            })
            .collect()
    }
    Some(match ty {
        ColumnType::String | ColumnType::Currency => Arc::new(StringArray::from(cells.to_vec())),
        ColumnType::Int => Arc::new(Int64Array::from(parsed(cells, |t| t.parse::<i64>().ok())?)),
        ColumnType::Float => Arc::new(Float64Array::from(parsed(cells, |t| t.parse::<f64>().ok())?)),
        ColumnType::Bool => Arc::new(BooleanArray::from(parsed(cells, |t| t.parse::<bool>().ok())?)),
        ColumnType::Date => Arc::new(Date32Array::from(parsed(cells, day)?)),
        ColumnType::Timestamp => {
            let micros = parsed(cells, |t| Some(t.parse::<jiff::Timestamp>().ok()?.as_microsecond()))?;
            Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
        }
        ColumnType::Money => {
            let amounts = Decimal128Array::from(parsed(cells, |t| scaled(t, PLACES))?);
            Arc::new(amounts.with_precision_and_scale(DIGITS, i8::try_from(PLACES).ok()?).ok()?)
        }
    })
}

/// Days since 1970-01-01.
fn day(text: &str) -> Option<i32> {
    let Date(day) = text.parse().ok()?;
    Some((day - date(1970, 1, 1)).get_days())
}
