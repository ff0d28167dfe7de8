//! A pipeline in a folder of its own: sources written from rows of text, a run in this process, tables read back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use indexmap::IndexMap;
use jiff::civil::{Date, date};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tenure::diag::{Color, Diagnostics};
use tenure::engine::local::Local;
use tenure::engine::{Engine, Publishing, RunId, RunOutcome, TableState, Watch};
use tenure::plan::{Request, RunPlan, resolve};
use tenure::schema::ColumnType;
use tenure::sources::{SourceRequest, describe};
use tenure::spec::file::{Overrides, read};
use tenure::spec::pipeline::{ColumnSpec, MoneyUnit};
use tenure::spec::types::Name;

/// What NULL looks like in a row of text.
pub const NULL: &str = "NULL";

/// Decimal places of an amount in major units.
const MAJOR_PLACES: usize = 4;

/// A table as text: dates as 2026-03-31, NULL as [`NULL`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h == name)
    }

    /// The same columns without any row.
    pub fn emptied(&self) -> Self {
        Self { header: self.header.clone(), rows: Vec::new() }
    }
}

/// A run that took place.
pub struct Ran {
    /// What was planned.
    pub plan: RunPlan,
    /// What happened.
    pub outcome: RunOutcome,
    /// Keeps the published files until the test has read them.
    _folder: tempfile::TempDir,
}

impl Ran {
    /// The rows of a published table.
    ///
    /// # Errors
    /// When it was not published.
    pub fn table(&self, name: &str) -> Result<Grid, String> {
        let table =
            self.outcome.tables.iter().find(|t| t.name == name).ok_or(format!("no table `{name}` in the run"))?;
        match &table.state {
            TableState::Published { path, .. } => Ok(read_table(path)),
            other => {
                let checks =
                    table.checks.iter().filter(|c| c.broken > 0).map(|c| format!("{} {:?}", c.name, c.samples));
                Err(format!("`{name}` was not published: {other:?} {}", checks.collect::<Vec<_>>().join(" ")))
            }
        }
    }

    /// The file of a published table.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        let found = self.outcome.tables.iter().find(|t| t.name == name);
        match found.map(|table| &table.state) {
            Some(TableState::Published { path, .. }) => path.clone(),
            other => panic!("`{name}` was not published: {other:?}"),
        }
    }

    /// Whether another run gave the same bytes for every table, the same attrition, and broke the same identities.
    ///
    /// # Errors
    /// Names what differs.
    pub fn same(&self, other: &Self) -> Result<(), String> {
        for (one, other) in self.outcome.tables.iter().zip(&other.outcome.tables) {
            let same = match (&one.state, &other.state) {
                (TableState::Published { sha256: a, .. }, TableState::Published { sha256: b, .. }) => a == b,
                (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
            };
            if !same || one.attrition != other.attrition {
                return Err(format!("`{}` differs:\n{one:?}\n{other:?}", one.name));
            }
        }
        if self.broken() == other.broken() {
            Ok(())
        } else {
            Err(format!("{:?} and {:?}", self.broken(), other.broken()))
        }
    }

    /// Names of the identities that were broken.
    pub fn broken(&self) -> Vec<&'static str> {
        let checks = self.outcome.tables.iter().flat_map(|t| &t.checks);
        checks.filter(|c| c.broken > 0).map(|c| c.name).collect()
    }
}

/// A pipeline that was resolved, beside its sources.
pub struct Planned {
    /// What is planned.
    pub plan: RunPlan,
    /// Keeps the sources until they were read.
    folder: tempfile::TempDir,
}

impl Planned {
    /// Runs the plan in this process.
    ///
    /// # Errors
    /// What the engine said.
    pub fn run(self) -> Result<Ran, String> {
        self.run_by(Local::default())
    }

    /// As [`Self::run`], without any pass: every step comes from its query.
    ///
    /// # Errors
    /// What the engine said.
    pub fn run_by_queries(self) -> Result<Ran, String> {
        self.run_by(Local { queries_only: true })
    }

    fn run_by(self, engine: Local) -> Result<Ran, String> {
        let run = RunId { id: "case".to_owned(), started: jiff::Timestamp::UNIX_EPOCH };
        let outcome = engine.run(&self.plan, &run, &Quiet::default()).map_err(|e| e.to_string())?;
        Ok(Ran { plan: self.plan, outcome, _folder: self.folder })
    }
}

/// Writes every source to its path beside the pipeline, and resolves the pipeline.
///
/// # Errors
/// What the pipeline file or the plan said.
pub fn plan(yaml: &str, sources: &BTreeMap<String, Grid>) -> Result<Planned, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut diags = Diagnostics::new("pipeline.yml", yaml);
    let Some(file) = read(yaml, &Overrides::default(), &mut diags) else {
        return Err(diags.render(Color::Never, None));
    };
    let mut requests = Vec::new();
    for (name, source) in &file.sources {
        let rows = sources.get(name.as_str()).ok_or(format!("no rows are given for source `{name}`"))?;
        let path = folder.path().join(source.path.as_str());
        write_source(&path, &source.columns, rows).map_err(|e| format!("source `{name}`: {e}"))?;
        requests.push(SourceRequest { name: name.to_string(), path, optional: source.optional });
    }
    if let Some(name) = sources.keys().find(|name| !file.sources.contains_key(name.as_str())) {
        return Err(format!("rows are given for `{name}`, which is no source"));
    }
    let described = describe(&requests);
    let request = Request { base: folder.path().to_owned(), ..Request::default() };
    let plan = resolve(&file, &described.catalog, &request, &mut diags);
    if !diags.is_empty() || !described.problems.is_empty() {
        return Err(format!("{}{}", diags.render(Color::Never, None), described.problems));
    }
    let plan = plan.ok_or("no plan, and no reason")?;
    tenure::engine::lower::check_schemas(&plan).map_err(|(table, difference)| format!("`{table}` {difference}"))?;
    Ok(Planned { plan, folder })
}

/// Watches nothing.
#[derive(Default)]
struct Quiet {
    publishing: Publishing,
}

impl Watch for Quiet {
    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

/// Writes rows as a Parquet file with the columns as they are declared.
///
/// # Errors
/// A column without values, or a value that is none of its type.
pub fn write_source(path: &Path, columns: &IndexMap<Name, ColumnSpec>, rows: &Grid) -> Result<(), String> {
    if let Some(name) = rows.header.iter().find(|h| !columns.contains_key(h.as_str())) {
        return Err(format!("column `{name}` is not declared"));
    }
    let mut arrays = Vec::new();
    for (name, spec) in columns {
        let at = rows.column(name.as_str()).ok_or(format!("column `{name}` has no values"))?;
        let cells: Vec<Option<&str>> = rows.rows.iter().map(|r| Some(r[at].as_str()).filter(|c| *c != NULL)).collect();
        let array = array(&cells, spec).map_err(|cell| format!("`{cell}` in column `{name}` is no {}", spec.ty))?;
        arrays.push((spec.from.clone().unwrap_or_else(|| name.to_string()), array, true));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).map_err(|e| e.to_string())?;
    let file = File::create(path).map_err(|e| e.to_string())?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.close().map(drop).map_err(|e| e.to_string())
}

/// Cells as an array of the declared type; the cell that cannot be read.
fn array(cells: &[Option<&str>], spec: &ColumnSpec) -> Result<ArrayRef, String> {
    fn parsed<T>(cells: &[Option<&str>], read: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, String> {
        cells.iter().map(|cell| cell.map(|text| read(text).ok_or(text.to_owned())).transpose()).collect()
    }
    Ok(match spec.ty {
        ColumnType::String | ColumnType::Currency => Arc::new(StringArray::from(cells.to_vec())),
        ColumnType::Int => Arc::new(Int64Array::from(parsed(cells, |t| t.parse::<i64>().ok())?)),
        ColumnType::Float => Arc::new(Float64Array::from(parsed(cells, |t| t.parse::<f64>().ok())?)),
        ColumnType::Bool => Arc::new(BooleanArray::from(parsed(cells, |t| t.parse::<bool>().ok())?)),
        ColumnType::Date => Arc::new(Date32Array::from(parsed(cells, day)?)),
        ColumnType::Timestamp => Arc::new(
            TimestampMicrosecondArray::from(parsed(cells, |t| {
                Some(t.parse::<jiff::Timestamp>().ok()?.as_microsecond())
            })?)
            .with_timezone("UTC"),
        ),
        ColumnType::Money if spec.unit == Some(MoneyUnit::Minor) => {
            Arc::new(Int64Array::from(parsed(cells, |t| t.parse::<i64>().ok())?))
        }
        ColumnType::Money => {
            let units = parsed(cells, |t| scaled(t, MAJOR_PLACES))?;
            let scale = i8::try_from(MAJOR_PLACES).unwrap();
            Arc::new(Decimal128Array::from(units).with_precision_and_scale(18, scale).map_err(|e| e.to_string())?)
        }
    })
}

/// Days since 1970-01-01.
fn day(text: &str) -> Option<i32> {
    let parsed: Date = text.parse().ok()?;
    Some((parsed - date(1970, 1, 1)).get_days())
}

/// A decimal number as a whole number of 10^-places; `None` where it has more places.
pub fn scaled(text: &str, places: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |rest| (-1, rest));
    if whole.is_empty() || fraction.len() > places || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse::<i128>().ok().map(|n| sign * n)
}

/// The rows of a Parquet file.
pub fn read_table(path: &Path) -> Grid {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let header = reader.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut grid = Grid { header, rows: Vec::new() };
    let options = FormatOptions::default().with_null(NULL);
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            grid.rows.push(columns.iter().map(|c| c.value(row).to_string()).collect());
        }
    }
    grid
}
