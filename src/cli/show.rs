//! `tenure show`

use std::fs::File;
use std::io;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::args::{ShowArgs, ShowFormat};
use super::voice::Voice;
use super::{Exit, Io};
use crate::diag::nearest;
use crate::report::Trouble;
use crate::report::cell::Cells;
use crate::report::format::{aligned, count};
use crate::sources::{SourceRequest, describe, guarded};

pub(super) fn run(args: &ShowArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let gave_up = |words: String| {
        let text = format!("could not read `{}`: its reader gave up: {words}", args.file.display());
        Err((Exit::Source, Trouble::error(&text)))
    };
    let table = match guarded(|| Table::read(args)).unwrap_or_else(gave_up) {
        Ok(table) => table,
        Err((exit, trouble)) => {
            voice.trouble(io.err, &trouble)?;
            return Ok(exit);
        }
    };
    match args.format {
        ShowFormat::Table => people(&table, io)?,
        ShowFormat::Csv => csv(&table, io)?,
        ShowFormat::Json => json(&table, io)?,
    }
    Ok(Exit::Success)
}

/// The first rows of a file, in the asked order of columns.
struct Table {
    names: Vec<String>,
    batches: Vec<RecordBatch>,
    rows_in_file: u64,
}

impl Table {
    fn read(args: &ShowArgs) -> Result<Self, (Exit, Trouble)> {
        let path = &args.file;
        // One way to say what is wrong with a file, for exports and for tables.
        let request = SourceRequest { name: String::new(), path: path.clone(), optional: false };
        let described = describe(&[request]);
        if let Some(problem) = described.problems.0.first() {
            let trouble = Trouble::error(&format!("could not read `{}`: {}", problem.path.display(), problem.fault));
            return Err((if problem.fault.is_transient() { Exit::Transient } else { Exit::Source }, trouble));
        }
        let files = described.catalog.sources.values().flat_map(|source| &source.files);
        let [file] = files.collect::<Vec<_>>()[..] else {
            let trouble = Trouble::error(&format!("`{}` is more than one file", path.display()));
            return Err((Exit::Usage, trouble.help("name one of them; `tenure inspect` lists them")));
        };
        let failed = |error: &dyn std::fmt::Display| {
            let text = format!("could not read `{}`: {error}", file.path.display());
            (Exit::Source, Trouble::error(&text))
        };
        let open = File::open(&file.path).map_err(|e| failed(&e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(open).map_err(|e| failed(&e))?;
        let all: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let names = if args.columns.is_empty() { all.clone() } else { args.columns.clone() };
        let mut wanted = Vec::new();
        for name in &names {
            match all.iter().position(|known| known == name) {
                Some(at) => wanted.push(at),
                None => return Err((Exit::Usage, unknown(name, &all))),
            }
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let reader = builder.with_projection(mask).with_limit(args.rows).build().map_err(|e| failed(&e))?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
        Ok(Self { names, batches, rows_in_file: file.rows })
    }

    /// Calls `each` with the cells of every row, in the order of the names.
    fn rows(&self, mut each: impl FnMut(&[Cells<'_>], usize) -> io::Result<()>) -> io::Result<()> {
        for batch in &self.batches {
            let columns = self.names.iter().filter_map(|name| batch.column_by_name(name));
            let cells: Vec<Cells<'_>> = columns.map(|column| Cells::new(column.as_ref())).collect();
            for row in 0..batch.num_rows() {
                each(&cells, row)?;
            }
        }
        Ok(())
    }
}

fn unknown(name: &str, all: &[String]) -> Trouble {
    let trouble = Trouble::error(&format!("the file has no column `{name}`"));
    match nearest(name, all) {
        Some(near) => trouble.help(format!("did you mean `{near}`?")),
        None => trouble.help(format!("its columns: {}", all.join(", "))),
    }
}

fn people(table: &Table, io: &mut Io<'_>) -> io::Result<()> {
    let mut rows = vec![table.names.clone()];
    let mut right = vec![false; table.names.len()];
    table.rows(|cells, row| {
        for (at, cells) in cells.iter().enumerate() {
            right[at] = cells.is_number();
        }
        rows.push(
            cells.iter().map(|cells| cells.text(row).map_or("NULL".to_owned(), |text| one_line(&text))).collect(),
        );
        Ok(())
    })?;
    let shown = rows.len() as u64 - 1;
    io.out.write_all(aligned(&rows, &right, 0).as_bytes())?;
    if shown < table.rows_in_file {
        writeln!(io.out, "({} of {} rows)", count(shown), count(table.rows_in_file))?;
    } else {
        writeln!(io.out, "({} rows)", count(shown))?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn csv(table: &Table, io: &mut Io<'_>) -> io::Result<()> {
    let names: Vec<String> = table.names.iter().map(|name| quoted(name)).collect();
    write!(io.out, "{}\r\n", names.join(","))?;
    let out = &mut *io.out;
    table.rows(|cells, row| {
        let fields: Vec<String> =
            cells.iter().map(|cells| cells.text(row).map(|text| quoted(&text)).unwrap_or_default()).collect();
        write!(out, "{}\r\n", fields.join(","))
    })
}

/// A field of RFC 4180; an empty text is told apart from NULL.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn json(table: &Table, io: &mut Io<'_>) -> io::Result<()> {
    let out = &mut *io.out;
    table.rows(|cells, row| {
        let object = table.names.iter().zip(cells).map(|(name, cells)| (name.clone(), cells.json(row))).collect();
        serde_json::to_writer(&mut *out, &Value::Object(object))?;
        writeln!(out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (text, field) in
            [("a", "a"), ("", "\"\""), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""), ("a\nb", "\"a\nb\"")]
        {
            assert_eq!(quoted(text), field);
        }
        assert_eq!(one_line("a\u{1b}[2J\tb"), "a\\u{1b}[2J\\tb");
    }
}
