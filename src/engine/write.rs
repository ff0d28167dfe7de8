//! Staged Parquet: the types BI tools read, the meaning of every column in the footer, no clock.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use polars::prelude::*;
use polars_parquet::write::ParquetType;
use rayon::prelude::*;

use crate::engine::EngineError;
use crate::engine::encode::{COMPRESSION, RowGroup, options, row_group};
use crate::engine::lower::inner_type;
use crate::kernel::Rows;
use crate::plan::{RunPlan, TablePlan};
use crate::publish::{Verified, verify};
use crate::schema::ColumnType;

/// Digits of a published amount: what 64 bits can hold, so that readers get an INT64 decimal.
const MONEY_DIGITS: usize = 18;

/// Digits of amounts in a column where one has more: what every reader knows. Larger files, slower to read.
const WIDE_DIGITS: usize = 38;

/// The amounts of a table in its file.
struct Amounts {
    scale: usize,
    /// Columns in which an amount has more than [`MONEY_DIGITS`] digits.
    wide: Vec<String>,
}

impl Amounts {
    fn of(plan: &RunPlan, table: &TablePlan, rows: &Rows) -> PolarsResult<Self> {
        let mut wide = Vec::new();
        for column in table.schema.columns.iter().filter(|c| c.ty == ColumnType::Money) {
            if rows.largest(&column.name)? >= 10u64.pow(18) {
                wide.push(column.name.clone());
            }
        }
        Ok(Self { scale: usize::from(plan.context.scale), wide })
    }

    fn digits(&self, column: &str) -> usize {
        if self.wide.iter().any(|wide| wide == column) { WIDE_DIGITS } else { MONEY_DIGITS }
    }
}

/// Rows per row group, and from this many rows on the larger size.
const ROW_GROUP: usize = 131_072;
const LARGE_ROW_GROUP: usize = 524_288;
const LARGE_TABLE: usize = 5_000_000;

/// A written table, and what must be found in its file.
pub(super) struct Written<'t> {
    table: &'t TablePlan,
    path: &'t Path,
    rows: u64,
    columns: Vec<(String, String)>,
}

impl Written<'_> {
    /// Reads the footer back and compares it with what was written; the file is durable then.
    pub(super) fn verified(&self) -> Result<Verified, EngineError> {
        let verified = verify(self.path, self.rows, &self.columns);
        verified.map_err(|source| EngineError::Verify { table: self.table.name.clone(), source })
    }
}

/// Writes a table to `path`.
///
/// Row groups are encoded in parallel, as many at once as there are threads, while those before are written in order.
pub(super) fn write<'t>(
    plan: &RunPlan,
    table: &'t TablePlan,
    rows: &Rows,
    path: &'t Path,
) -> Result<Written<'t>, EngineError> {
    let failed =
        |source: std::io::Error| EngineError::Write { table: table.name.clone(), path: path.to_owned(), source };
    let query = |e: PolarsError| match e {
        PolarsError::IO { error, .. } => failed(std::io::Error::new(error.kind(), error.to_string())),
        e => EngineError::Query { action: format!("writing table `{}`", table.name), message: e.to_string() },
    };
    let file = File::create_new(path).map_err(failed)?;
    let height = rows.height();
    let size = if height >= LARGE_TABLE { LARGE_ROW_GROUP } else { ROW_GROUP };
    let amounts = Amounts::of(plan, table, rows).map_err(query)?;
    let schema = stored(&amounts, table);
    let mut writer = ParquetWriter::new(file)
        .with_compression(COMPRESSION)
        .with_statistics(options().statistics)
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata(plan, table, &amounts))))
        .batched(&schema)
        .map_err(query)?;
    let columns = schema.iter_values().cloned().zip(writer.parquet_schema().fields().to_vec());
    let columns: Vec<(DataType, ParquetType)> = columns.collect();
    let groups: Vec<Range<usize>> = (0..height).step_by(size).map(|first| first..height.min(first + size)).collect();
    let encode = |some: &[Range<usize>]| {
        let encoded = some.par_iter().map(|group| row_group(rows.pieces(group.clone())?, &columns));
        encoded.collect::<PolarsResult<Vec<RowGroup>>>()
    };
    // While some are written the next ones are encoded. Encoded ones are small, so that there may be some to each thread.
    let mut encoded: Vec<RowGroup> = Vec::new();
    let rounds = groups.chunks(4 * rayon::current_num_threads()).chain(std::iter::once(&[][..]));
    for some in rounds {
        let ready = std::mem::take(&mut encoded);
        let writer = &mut writer;
        let write = || ready.iter().try_for_each(|pages| writer.write_row_group(u64::MAX, pages));
        let (next, written) = rayon::join(|| encode(some), write);
        written.map_err(query)?;
        encoded = next.map_err(query)?;
    }
    writer.finish().map_err(query)?;
    tracing::debug!(table = table.name, "encoded");
    let rows = u64::try_from(height).unwrap_or(u64::MAX);
    Ok(Written { table, path, rows, columns: stored_types(&amounts, table) })
}

/// The columns of the file. Inside of the engine money is whole units.
fn stored(amounts: &Amounts, table: &TablePlan) -> Schema {
    let dtype = |name: &str, ty: ColumnType| match ty {
        ColumnType::Money => DataType::Decimal(amounts.digits(name), amounts.scale),
        ty => inner_type(ty),
    };
    table.schema.columns.iter().map(|c| Field::new(c.name.as_str().into(), dtype(&c.name, c.ty))).collect()
}

/// A staged table as the engine computed it: money back in whole units.
pub(super) fn staged(table: &TablePlan, path: &Path) -> PolarsResult<LazyFrame> {
    let columns = table.schema.columns.iter().map(|c| match c.ty {
        ColumnType::Money => col(c.name.as_str()).to_physical().cast(DataType::Int64),
        _ => col(c.name.as_str()),
    });
    let path = PlRefPath::try_from_path(path)?;
    let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    Ok(LazyFrame::scan_parquet(path, args)?.select(columns.collect::<Vec<_>>()))
}

/// Column names and types as they must stand in the file.
fn stored_types(amounts: &Amounts, table: &TablePlan) -> Vec<(String, String)> {
    let name = |column: &str, ty: ColumnType| match ty {
        ColumnType::String | ColumnType::Currency => "string".to_owned(),
        ColumnType::Int => "int64".to_owned(),
        ColumnType::Float => "float64".to_owned(),
        ColumnType::Bool => "boolean".to_owned(),
        ColumnType::Date => "date".to_owned(),
        ColumnType::Timestamp => "timestamp(us, utc)".to_owned(),
        ColumnType::Money => format!("decimal({}, {})", amounts.digits(column), amounts.scale),
    };
    table.schema.columns.iter().map(|c| (c.name.clone(), name(&c.name, c.ty))).collect()
}

/// What the footer says about the table. Nothing that differs between two runs on the same data.
fn metadata(plan: &RunPlan, table: &TablePlan, amounts: &Amounts) -> Vec<(String, String)> {
    let mut out = vec![
        ("tenure.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("tenure.pipeline".to_owned(), plan.pipeline.clone()),
        ("tenure.table".to_owned(), table.name.clone()),
        ("tenure.type".to_owned(), table.ty.clone()),
        ("tenure.as_of".to_owned(), plan.context.as_of.to_string()),
        ("tenure.timezone".to_owned(), plan.zone.clone()),
        ("tenure.definition".to_owned(), table.definition.clone()),
        ("tenure.grain".to_owned(), table.schema.grain.join(",")),
    ];
    if let Some(currency) = &plan.context.currency {
        out.push(("tenure.currency".to_owned(), currency.clone()));
    }
    if !amounts.wide.is_empty() {
        out.push(("tenure.wide_amounts".to_owned(), amounts.wide.join(",")));
    }
    if let Some(description) = &table.description {
        out.push(("tenure.description".to_owned(), description.clone()));
    }
    if let Ok(columns) = serde_json::to_string(&table.schema.columns) {
        out.push(("tenure.columns".to_owned(), columns));
    }
    out
}
