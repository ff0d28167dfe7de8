//! One footer: opened once, read from the end, nothing else of the file is touched.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit as ArrowUnit};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{ColumnOrder, Type as StoredType};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::{Type as StoredSchema, TypePtr};
use sha2::{Digest, Sha256};

use super::catalog::{FileColumn, FileInfo, PhysicalType, Proof, TimeUnit};
use super::error::guarded;
use super::hive;
use super::problem::FileFault;

/// Enough for the footer of most files, so that one read suffices.
const TAIL: u64 = 64 * 1024;
const MAGIC: [u8; 4] = *b"PAR1";
const MAGIC_ENCRYPTED: [u8; 4] = *b"PARE";

/// Reads what the footer of the file at `path` says; `name` is how messages call the file.
///
/// A footer can be broken so that the parser stops on an arithmetic check; that is a fault of the file too.
pub(super) fn read(path: &Path, name: &str) -> Result<FileInfo, FileFault> {
    guarded(|| parse(path, name))
        .unwrap_or_else(|words| Err(FileFault::Corrupt(format!("its reader gave up: {words}"))))
}

fn parse(path: &Path, name: &str) -> Result<FileInfo, FileFault> {
    let file = File::open(path).map_err(FileFault::from_io)?;
    let about = file.metadata().map_err(FileFault::from_io)?;
    let bytes = about.len();
    let footer = footer_bytes(&file, bytes)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|e| FileFault::Corrupt(e.to_string()))?;
    known_orders(&metadata)?;
    let columns = columns(&metadata)?;
    Ok(FileInfo {
        path: path.to_owned(),
        name: name.to_owned(),
        bytes,
        rows: rows(&metadata, bytes)?,
        proofs: proofs(&metadata, &columns),
        columns,
        hive: hive::values(path),
        fingerprint: fingerprint(name, bytes, &footer),
        modified: about.modified().ok(),
    })
}

/// The serialized footer, without its length and the closing magic.
fn footer_bytes(file: &File, bytes: u64) -> Result<Vec<u8>, FileFault> {
    if bytes == 0 {
        return Err(FileFault::Empty);
    }
    let read = bytes.min(TAIL);
    let mut tail = vec![0; usize::try_from(read).unwrap_or(0)];
    file.read_exact_at(&mut tail, bytes - read).map_err(FileFault::from_io)?;
    let Some((rest, end)) = tail.split_last_chunk::<8>().filter(|(_, end)| end[4..] == MAGIC) else {
        return Err(without_footer(file, &tail, bytes));
    };
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    let Some(start) = (bytes - 8).checked_sub(u64::from(length)).filter(|start| *start >= 4) else {
        return Err(FileFault::Corrupt(format!("it claims {length} bytes in a file of {bytes}")));
    };
    let length = length as usize;
    if let Some(footer) = rest.len().checked_sub(length).and_then(|from| rest.get(from..)) {
        return Ok(footer.to_vec());
    }
    let mut footer = vec![0; length];
    file.read_exact_at(&mut footer, start).map_err(FileFault::from_io)?;
    Ok(footer)
}

/// Why a file that does not end as Parquet does not.
fn without_footer(file: &File, tail: &[u8], bytes: u64) -> FileFault {
    if tail.ends_with(&MAGIC_ENCRYPTED) {
        return FileFault::Encrypted;
    }
    let mut head = [0; 8];
    let wanted = usize::try_from(bytes.min(8)).unwrap_or(8);
    if let Err(error) = file.read_exact_at(&mut head[..wanted], 0) {
        return FileFault::from_io(error);
    }
    let guess = match head {
        [b'P', b'A', b'R', b'1', ..] => return FileFault::Truncated,
        [0x1f, 0x8b, ..] => Some("gzip"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some("Arrow IPC (Feather)"),
        [b'O', b'R', b'C', ..] => Some("ORC"),
        [b'O', b'b', b'j', 1, ..] => Some("Avro"),
        [b'{' | b'[', ..] => Some("JSON"),
        _ if tail.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => Some("text, such as CSV"),
        _ => None,
    };
    FileFault::NotParquet { guess }
}

/// Statistics may be ordered in ways that came after the engine's reader, which then refuses the file.
fn known_orders(metadata: &ParquetMetaData) -> Result<(), FileFault> {
    for order in metadata.file_metadata().column_orders().into_iter().flatten() {
        match order {
            ColumnOrder::INT96_TIMESTAMP_ORDER => return Err(FileFault::Newer("INT96 column order")),
            ColumnOrder::UNKNOWN => return Err(FileFault::Newer("an unknown column order")),
            _ => {}
        }
    }
    Ok(())
}

fn rows(metadata: &ParquetMetaData, bytes: u64) -> Result<u64, FileFault> {
    let mut rows = 0_i64;
    for group in metadata.row_groups() {
        let Some(sum) = rows.checked_add(group.num_rows()) else {
            return Err(FileFault::Corrupt("its row counts are absurd".to_owned()));
        };
        rows = sum;
        for chunk in group.columns() {
            let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
            let end = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            if end.and_then(|(start, length)| start.checked_add(length)).is_none_or(|end| end > bytes) {
                return Err(FileFault::Corrupt("a column lies beyond the end of the file".to_owned()));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(FileFault::Corrupt("its row counts contradict each other".to_owned()));
    }
    u64::try_from(rows).map_err(|_| FileFault::Corrupt("a row count is negative".to_owned()))
}

fn columns(metadata: &ParquetMetaData) -> Result<Arc<[FileColumn]>, FileFault> {
    let about = metadata.file_metadata();
    let stored = about.schema_descr();
    // An Arrow schema that contradicts the Parquet one is no reason to refuse the file here.
    let schema: Schema = parquet_to_arrow_schema(stored, about.key_value_metadata())
        .or_else(|_| parquet_to_arrow_schema(stored, None))
        .map_err(|e| FileFault::Corrupt(e.to_string()))?;
    let mut columns: Vec<FileColumn> = Vec::with_capacity(schema.fields().len());
    let mut names = HashSet::with_capacity(schema.fields().len());
    for (field, root) in schema.fields().iter().zip(stored.root_schema().get_fields()) {
        if !names.insert(field.name()) {
            return Err(FileFault::DuplicateColumn(field.name().clone()));
        }
        if let Some(ty) = beyond_engine(field) {
            return Err(FileFault::UnknownType { column: field.name().clone(), ty });
        }
        let int96 = root.is_primitive() && root.get_physical_type() == StoredType::INT96;
        let ty = if int96 { PhysicalType::Int96 } else { physical(field) };
        columns.push(FileColumn { name: field.name().clone(), ty });
    }
    Ok(columns.into())
}

/// What the statistics prove about each column.
fn proofs(metadata: &ParquetMetaData, columns: &[FileColumn]) -> Box<[Proof]> {
    let stored = metadata.file_metadata().schema_descr();
    let mut leaf = 0;
    let of_column = |(column, root): (&FileColumn, &TypePtr)| {
        let first = leaf;
        leaf += leaves(root);
        if root.is_primitive() { proof(metadata, column, first) } else { Proof::default() }
    };
    columns.iter().zip(stored.root_schema().get_fields()).map(of_column).collect()
}

/// Columns of values below a type, which stand in this order in every row group.
fn leaves(ty: &StoredSchema) -> usize {
    if ty.is_primitive() { 1 } else { ty.get_fields().iter().map(|field| leaves(field)).sum() }
}

/// What the statistics of all row groups prove together about a column that is no list, struct or map.
fn proof(metadata: &ParquetMetaData, column: &FileColumn, leaf: usize) -> Proof {
    let is_instant = matches!(column.ty, PhysicalType::Timestamp { .. });
    let ordered = is_instant || matches!(column.ty, PhysicalType::Int { signed: true, .. } | PhysicalType::Date);
    let (mut nulls, mut range, mut bounded) = (Some(0_u64), None::<(i64, i64)>, ordered);
    for group in metadata.row_groups() {
        let rows = group.num_rows().unsigned_abs();
        let Some(told) = group.column(leaf).statistics() else {
            if rows > 0 {
                return Proof::default();
            }
            continue;
        };
        let here = told.null_count_opt().filter(|here| *here <= rows);
        nulls = nulls.zip(here).map(|(all, here)| all + here);
        // Before the order of statistics was defined, writers disagreed about it.
        // Days may stand where the type says milliseconds.
        let told_as = Some(told).filter(|told| !is_instant || matches!(told, Statistics::Int64(_)));
        let found = told_as.and_then(bounds);
        match found.filter(|(least, greatest)| least <= greatest && !told.is_min_max_deprecated()) {
            Some((least, greatest)) => {
                range = Some(range.map_or((least, greatest), |(a, b)| (a.min(least), b.max(greatest))));
            }
            // A group without any value has no bounds.
            None => bounded &= here == Some(rows),
        }
    }
    Proof { nulls, range: range.filter(|_| bounded) }
}

/// The bounds of the values of a row group, where both are told.
fn bounds(told: &Statistics) -> Option<(i64, i64)> {
    match told {
        Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

/// A type at any depth that stops the engine as soon as it opens the file, wanted or not.
fn beyond_engine(field: &Field) -> Option<String> {
    if let Some(name) = field.metadata().get("ARROW:extension:name") {
        return Some(format!("extension `{name}`"));
    }
    match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => beyond_engine(item),
        DataType::Struct(fields) => fields.iter().find_map(|field| beyond_engine(field)),
        ty @ (DataType::Float16
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)) => Some(ty.to_string()),
        _ => None,
    }
}

fn physical(field: &Field) -> PhysicalType {
    let int = |bits, signed| PhysicalType::Int { bits, signed };
    match field.data_type() {
        DataType::Null => PhysicalType::Null,
        DataType::Boolean => PhysicalType::Bool,
        DataType::Int8 => int(8, true),
        DataType::Int16 => int(16, true),
        DataType::Int32 => int(32, true),
        DataType::Int64 => int(64, true),
        DataType::UInt8 => int(8, false),
        DataType::UInt16 => int(16, false),
        DataType::UInt32 => int(32, false),
        DataType::UInt64 => int(64, false),
        DataType::Float16 => PhysicalType::Float { bits: 16 },
        DataType::Float32 => PhysicalType::Float { bits: 32 },
        DataType::Float64 => PhysicalType::Float { bits: 64 },
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => PhysicalType::Decimal { precision: *precision, scale: *scale },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => PhysicalType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PhysicalType::Binary,
        DataType::FixedSizeBinary(width) => PhysicalType::FixedBinary(*width),
        DataType::Date32 => PhysicalType::Date,
        DataType::Date64 => PhysicalType::Timestamp { unit: TimeUnit::Milli, utc: false },
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                ArrowUnit::Second => TimeUnit::Second,
                ArrowUnit::Millisecond => TimeUnit::Milli,
                ArrowUnit::Microsecond => TimeUnit::Micro,
                ArrowUnit::Nanosecond => TimeUnit::Nano,
            };
            PhysicalType::Timestamp { unit, utc: zone.is_some() }
        }
        DataType::Time32(_) | DataType::Time64(_) => PhysicalType::Time,
        DataType::Duration(_) => PhysicalType::Duration,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => PhysicalType::List,
        DataType::Struct(_) => PhysicalType::Struct,
        DataType::Map(..) => PhysicalType::Map,
        DataType::Dictionary(_, value) => match physical(&Field::new(field.name(), value.as_ref().clone(), true)) {
            PhysicalType::String => PhysicalType::Category,
            other => other,
        },
        other => PhysicalType::Other(other.to_string()),
    }
}

fn fingerprint(name: &str, bytes: u64, footer: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name.as_bytes());
    hash.update(bytes.to_le_bytes());
    hash.update(footer);
    hash.finalize().into()
}
