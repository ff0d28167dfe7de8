//! `tenure inspect`

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{SortOptions, sort_to_indices};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::args::InspectArgs;
use super::voice::Voice;
use super::{Exit, Io};
use crate::report::Trouble;
use crate::report::cell::Cells;
use crate::report::format::{aligned, bytes, count, counted};
use crate::sources::{FileInfo, SourceRequest, describe, guarded};

/// Most characters shown of a value.
const VALUE: usize = 24;
/// Most characters shown of a metadata entry.
const ENTRY: usize = 100;

pub(super) fn run(args: &InspectArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let requests: Vec<SourceRequest> = args
        .files
        .iter()
        .map(|path| SourceRequest { name: path.clone(), path: PathBuf::from(path), optional: false })
        .collect();
    let described = describe(&requests);
    let files: Vec<&FileInfo> = described.catalog.sources.values().flat_map(|source| &source.files).collect();
    let mut exit = Exit::Success;
    for (at, file) in files.iter().enumerate() {
        let gave_up = |words: String| Err(ParquetError::General(format!("its reader gave up: {words}")));
        match guarded(|| page(file)).unwrap_or_else(gave_up) {
            Ok(text) => {
                if at > 0 {
                    writeln!(io.out)?;
                }
                io.out.write_all(text.as_bytes())?;
            }
            Err(error) => {
                voice
                    .trouble(io.err, &Trouble::error(&format!("could not read `{}`: {error}", file.path.display())))?;
                exit = Exit::Source;
            }
        }
    }
    if files.len() > 1 {
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let size: u64 = files.iter().map(|file| file.bytes).sum();
        writeln!(io.out, "\n{}, {}, {}", counted(files.len() as u64, "file"), counted(rows, "row"), bytes(size))?;
    }
    for problem in &described.problems.0 {
        voice.trouble(
            io.err,
            &Trouble::error(&format!("could not read `{}`: {}", problem.path.display(), problem.fault)),
        )?;
        exit = if described.problems.is_transient() { Exit::Transient } else { Exit::Source };
    }
    Ok(exit)
}

/// What the footer of one file says.
fn page(file: &FileInfo) -> Result<String, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path)?)?;
    let metadata = builder.metadata();
    let about = metadata.file_metadata();
    let mut out = String::new();
    let _ = writeln!(out, "{}", file.path.display());
    let by = about.created_by().map(|by| format!(", written by {by}")).unwrap_or_default();
    let groups = counted(metadata.num_row_groups() as u64, "row group");
    let _ = writeln!(out, "{}, {groups}, {}{by}", counted(file.rows, "row"), bytes(file.bytes));
    for (key, value) in &file.hive {
        let _ = writeln!(out, "folder: {key}={}", value.as_deref().unwrap_or("NULL"));
    }
    let mut rows =
        vec![["column", "type", "nulls", "min", "max", "size", "codec and encodings"].map(str::to_owned).to_vec()];
    for (at, column) in file.columns.iter().enumerate() {
        let (nulls, min, max) = statistics(&builder, &column.name).unwrap_or_default();
        let chunks = chunks_of(metadata, at);
        let size: i64 = chunks.iter().map(|chunk| chunk.compressed_size()).sum();
        rows.push(vec![
            column.name.clone(),
            column.ty.to_string(),
            nulls.map_or("?".to_owned(), count),
            clip(&min.unwrap_or_default(), VALUE),
            clip(&max.unwrap_or_default(), VALUE),
            bytes(size.unsigned_abs()),
            encodings(&chunks),
        ]);
    }
    let _ = write!(out, "\n{}", aligned(&rows, &[false, false, true, false, false, true, false], 2));
    let mut entries: Vec<(&str, &str)> = about
        .key_value_metadata()
        .into_iter()
        .flatten()
        .map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap_or_default()))
        .collect();
    entries.sort_by_key(|(key, _)| (!key.starts_with("tenure."), *key));
    if !entries.is_empty() {
        let rows: Vec<Vec<String>> =
            entries.iter().map(|(key, value)| vec![(*key).to_owned(), entry(key, value)]).collect();
        let _ = write!(out, "\n{}", aligned(&rows, &[], 2));
    }
    Ok(out)
}

/// The chunks of a top-level column; several per row group where it is nested.
fn chunks_of(metadata: &ParquetMetaData, root: usize) -> Vec<&ColumnChunkMetaData> {
    let schema = metadata.file_metadata().schema_descr();
    let leaves: Vec<usize> =
        (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == root).collect();
    metadata.row_groups().iter().flat_map(|group| leaves.iter().map(|leaf| group.column(*leaf))).collect()
}

type Facts = (Option<u64>, Option<String>, Option<String>);

/// Nulls, least and greatest value over all row groups, where the statistics say so.
fn statistics(builder: &ParquetRecordBatchReaderBuilder<File>, name: &str) -> Option<Facts> {
    let metadata = builder.metadata();
    let converter = StatisticsConverter::try_new(name, builder.schema(), builder.parquet_schema()).ok()?;
    converter.parquet_column_index()?;
    let groups = || metadata.row_groups().iter();
    let nulls = converter.with_missing_null_counts_as_zero(false);
    let counts = nulls.row_group_null_counts(groups()).ok()?;
    let sum = (counts.null_count() == 0).then(|| counts.values().iter().sum());
    let least = nulls.row_group_mins(groups()).ok().and_then(|mins| extreme(&mins, false));
    let greatest = nulls.row_group_maxes(groups()).ok().and_then(|maxes| extreme(&maxes, true));
    Some((sum, least, greatest))
}

/// The first value in ascending or descending order.
fn extreme(values: &ArrayRef, descending: bool) -> Option<String> {
    let options = SortOptions { descending, nulls_first: false };
    let first = sort_to_indices(values, Some(options), Some(1)).ok()?;
    let at = usize::try_from(first.values().first().copied()?).ok()?;
    Cells::new(values.as_ref()).text(at)
}

fn encodings(chunks: &[&ColumnChunkMetaData]) -> String {
    let mut seen: Vec<String> = Vec::new();
    let codecs = chunks.iter().map(|chunk| match chunk.compression() {
        Compression::UNCOMPRESSED => "uncompressed".to_owned(),
        other => format!("{other:?}").split('(').next().unwrap_or_default().to_lowercase(),
    });
    let encodings = chunks.iter().flat_map(|chunk| chunk.encodings()).map(|encoding| encoding.to_string());
    for word in codecs.chain(encodings) {
        if !seen.contains(&word) {
            seen.push(word);
        }
    }
    seen.join(" ")
}

fn entry(key: &str, value: &str) -> String {
    if key == "ARROW:schema" {
        return format!("({})", bytes(value.len() as u64));
    }
    clip(value, ENTRY)
}

fn clip(text: &str, most: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= most {
        return flat;
    }
    let mut out: String = flat.chars().take(most - 3).collect();
    out.push_str("...");
    out
}
