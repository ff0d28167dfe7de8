//! Parquet files: written beside their place, moved there when whole.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::columns::Table;
use super::{SampleError, TableReport};

const ROW_GROUP_ROWS: usize = 1_000_000;

/// One file in the making. Dropped before [`PartFile::close`], it leaves nothing behind.
pub(super) struct PartFile {
    table: &'static str,
    path: PathBuf,
    temporary: Temporary,
    schema: SchemaRef,
    writer: ArrowWriter<BufWriter<File>>,
    rows: u64,
}

/// A path that is removed unless the file was moved away first.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Usually gone already; what cannot be removed is overwritten by the next sample.
        let _ = fs::remove_file(&self.0);
    }
}

impl PartFile {
    /// `zstd` is a compression level that the format knows (1 to 22).
    pub(super) fn create(out: &Path, table: &dyn Table, part: usize, zstd: i32) -> Result<Self, SampleError> {
        let folder = out.join(table.name());
        let path = folder.join(format!("{}-{part:05}.parquet", table.stem()));
        let temporary = Temporary(folder.join(format!("{}-{part:05}.parquet.tmp", table.stem())));
        let at = |source| SampleError::write(&path, source);
        fs::create_dir_all(&folder).map_err(at)?;
        let file = File::create(&temporary.0).map_err(at)?;

        let columns = table.columns();
        let fields = columns.iter().map(|(name, data_type, _)| Field::new(*name, data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let level = ZstdLevel::try_new(zstd).unwrap_or_default();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by("tenure sample".to_owned());
        for (name, _, dictionary) in columns {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), dictionary);
        }
        // Exports of a warehouse do not carry an Arrow schema either.
        let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(BufWriter::new(file), Arc::clone(&schema), options)
            .map_err(|source| SampleError::parquet(&path, source))?;
        Ok(Self { table: table.name(), path, temporary, schema, writer, rows: 0 })
    }

    /// Appends what the table collected since the last call.
    pub(super) fn append(&mut self, table: &mut dyn Table) -> Result<(), SampleError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), table.finish())
            .map_err(|source| SampleError::parquet(&self.path, source.into()))?;
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(0);
        self.writer.write(&batch).map_err(|source| SampleError::parquet(&self.path, source))
    }

    /// Ends the file and moves it to its place.
    pub(super) fn close(self) -> Result<TableReport, SampleError> {
        let Self { table, path, temporary, writer, rows, .. } = self;
        let at = |source| SampleError::write(&path, source);
        let file = writer
            .into_inner()
            .map_err(|source| SampleError::parquet(&path, source))?
            .into_inner()
            .map_err(|error| at(error.into_error()))?;
        let bytes = file.metadata().map_err(at)?.len();
        drop(file);
        fs::rename(&temporary.0, &path).map_err(at)?;
        Ok(TableReport { name: table.to_owned(), files: 1, rows, bytes })
    }
}

/// Refuses a folder that holds anything but an earlier sample.
pub(super) fn claim(out: &Path, tables: &[&'static str]) -> Result<(), SampleError> {
    for entry in entries(out)? {
        let name = file_name(&entry);
        let known = name == "README.md" || tables.contains(&name.as_str());
        if !known {
            return Err(SampleError::NotEmpty(entry));
        }
        if name != "README.md" {
            for file in entries(&entry)? {
                if !is_part(&file_name(&file)) {
                    return Err(SampleError::NotEmpty(file));
                }
            }
        }
    }
    fs::create_dir_all(out).map_err(|source| SampleError::write(out, source))
}

/// Removes the files of an earlier sample that had more parts.
pub(super) fn sweep(out: &Path, table: &str, parts: usize) -> Result<(), SampleError> {
    for path in entries(&out.join(table))? {
        let name = file_name(&path);
        let number = name.split_once('-').and_then(|(_, rest)| rest.split('.').next()?.parse::<usize>().ok());
        let stale = number.is_none_or(|n| n >= parts);
        if is_part(&name) && (stale || name.strip_suffix(".tmp").is_some()) {
            fs::remove_file(&path).map_err(|source| SampleError::write(&path, source))?;
        }
    }
    Ok(())
}

/// Whether this module writes files of that name, such as `part-00003.parquet`.
fn is_part(name: &str) -> bool {
    let name = name.strip_suffix(".tmp").unwrap_or(name);
    name.strip_suffix(".parquet").and_then(|stem| stem.split_once('-')).is_some_and(|(stem, number)| {
        matches!(stem, "part" | "v1" | "v2") && number.len() >= 5 && number.bytes().all(|c| c.is_ascii_digit())
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a folder holds, in order of name; nothing if it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, SampleError> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(SampleError::write(folder, source)),
    };
    let mut found = read
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| SampleError::write(folder, source))?;
    found.sort();
    Ok(found)
}
