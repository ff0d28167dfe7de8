//! Verification reads a staged file back the way a stranger would, before anyone can see it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::schema::types::ColumnDescriptor;

use super::disk;
use super::error::{Action, At, VerifyError};
use super::failpoint::failpoint;

/// What a verified file is: its size, its content, its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Rows, summed over the row groups.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hex.
    pub sha256: String,
    /// Name and type of each column, in order; the types are those of [`verify`].
    pub columns: Vec<(String, String)>,
    /// Row groups.
    pub row_groups: usize,
}

/// Checks a finished file against what its producer meant to write, and syncs it to disk.
///
/// The footer is read anew from the file. Rows are counted from the row groups, every column chunk
/// must lie inside the file, and the columns must be the expected ones in the expected order. Data
/// pages are hashed, not decoded.
///
/// A column's type is named after what Parquet stores, independent of any embedded Arrow schema:
/// `boolean`, `int8` to `int64`, `uint8` to `uint64`, `float32`, `float64`, `string`, `binary`,
/// `fixed(n)`, `date`, `time(us)`, `timestamp(us)`, `timestamp(us, utc)`, `decimal(p, s)`, `int96`;
/// any other logical type by its Parquet name in lower case. A nested column appears as its leaves,
/// each with its dotted path.
///
/// When this returns, content and size of the file are durable; its name is not, until
/// [`Staging::publish`](super::Staging::publish) syncs the directory.
///
/// # Errors
///
/// [`VerifyError`]; the file is left as it is.
pub fn verify(path: &Path, expected_rows: u64, expected_columns: &[(String, String)]) -> Result<Verified, VerifyError> {
    failpoint("verify.before")?;
    let (file, meta) = open(path)?;
    let rows = count_rows(&meta);
    if rows != expected_rows {
        return Err(VerifyError::Rows { path: path.to_path_buf(), expected: expected_rows, found: rows });
    }
    let columns = columns(&meta);
    if columns != expected_columns {
        return Err(VerifyError::Columns {
            path: path.to_path_buf(),
            expected: expected_columns.to_vec(),
            found: columns,
        });
    }
    file.sync_all().at(Action::Sync, path)?;
    let (bytes, sha256) =
        disk::digest(path)?.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound)).at(Action::Read, path)?;
    failpoint("verify.after")?;
    Ok(Verified { rows, bytes, sha256, columns, row_groups: meta.num_row_groups() })
}

/// The number of rows in a Parquet file, from its footer.
pub(super) fn rows(path: &Path) -> Result<u64, VerifyError> {
    open(path).map(|(_, meta)| count_rows(&meta))
}

fn open(path: &Path) -> Result<(File, ParquetMetaData), VerifyError> {
    let file = File::open(path).at(Action::Read, path)?;
    let meta = ParquetMetaDataReader::new()
        .parse_and_finish(&file)
        .map_err(|source| VerifyError::Footer { path: path.to_path_buf(), source })?;
    let len = file.metadata().at(Action::Read, path)?.len();
    let needed = data_end(&meta).map_err(|source| VerifyError::Footer { path: path.to_path_buf(), source })?;
    let found = footer_start(&file, len).at(Action::Read, path)?;
    if needed > found {
        return Err(VerifyError::Cut { path: path.to_path_buf(), needed, found });
    }
    Ok((file, meta))
}

/// Where the footer begins: a file ends with the footer, its length in four bytes, and the magic.
fn footer_start(file: &File, len: u64) -> std::io::Result<u64> {
    let mut length = [0; 4];
    file.read_exact_at(&mut length, len.saturating_sub(8))?;
    Ok(len.saturating_sub(8 + u64::from(u32::from_le_bytes(length))))
}

/// Where the last column chunk ends.
fn data_end(meta: &ParquetMetaData) -> Result<u64, ParquetError> {
    let mut end = 0;
    for chunk in meta.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let stop = start
            .checked_add(chunk.compressed_size())
            .filter(|_| start >= 0 && chunk.compressed_size() >= 0)
            .and_then(|stop| u64::try_from(stop).ok())
            .ok_or_else(|| ParquetError::General("column chunk at a negative offset".into()))?;
        end = end.max(stop);
    }
    Ok(end)
}

fn count_rows(meta: &ParquetMetaData) -> u64 {
    let rows = meta.row_groups().iter().map(RowGroupMetaData::num_rows);
    // A negative count is no count; it cannot equal what was expected.
    u64::try_from(rows.sum::<i64>()).unwrap_or(u64::MAX)
}

fn columns(meta: &ParquetMetaData) -> Vec<(String, String)> {
    let schema = meta.file_metadata().schema_descr();
    schema.columns().iter().map(|column| (column.path().string(), type_name(column))).collect()
}

fn type_name(column: &ColumnDescriptor) -> String {
    if let Some(logical) = column.logical_type_ref() {
        return logical_name(logical);
    }
    match column.converted_type() {
        ConvertedType::UTF8 => return "string".to_owned(),
        ConvertedType::DATE => return "date".to_owned(),
        ConvertedType::DECIMAL => {
            return format!("decimal({}, {})", column.type_precision(), column.type_scale());
        }
        ConvertedType::NONE => {}
        other => return other.to_string().to_lowercase(),
    }
    match column.physical_type() {
        Type::BOOLEAN => "boolean".to_owned(),
        Type::INT32 => "int32".to_owned(),
        Type::INT64 => "int64".to_owned(),
        Type::INT96 => "int96".to_owned(),
        Type::FLOAT => "float32".to_owned(),
        Type::DOUBLE => "float64".to_owned(),
        Type::BYTE_ARRAY => "binary".to_owned(),
        Type::FIXED_LEN_BYTE_ARRAY => format!("fixed({})", column.type_length()),
    }
}

fn logical_name(logical: &LogicalType) -> String {
    match logical {
        LogicalType::String => "string".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Decimal(decimal) => {
            format!("decimal({}, {})", decimal.precision, decimal.scale)
        }
        LogicalType::Integer(int) if int.is_signed => format!("int{}", int.bit_width),
        LogicalType::Integer(int) => format!("uint{}", int.bit_width),
        LogicalType::Time(time) => format!("time({})", unit(time.unit)),
        LogicalType::Timestamp(stamp) if stamp.is_adjusted_to_u_t_c => {
            format!("timestamp({}, utc)", unit(stamp.unit))
        }
        LogicalType::Timestamp(stamp) => format!("timestamp({})", unit(stamp.unit)),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::MILLIS => "ms",
        TimeUnit::MICROS => "us",
        TimeUnit::NANOS => "ns",
    }
}
