//! A CSV or Parquet file as rows of text.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Fault;
use crate::report::cell::Cells;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows: the line of the file (of Parquet: the row, from 1), and a text per column.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Reads a file; what it holds decides how, not its name.
///
/// # Errors
/// When it cannot be read, or is no table.
pub fn read(path: &Path) -> Result<Grid, Fault> {
    let shown = path.display();
    let failed = |error: &io::Error| {
        Fault::usage(format!("could not read `{shown}`: {error}"), "name the file that the other system exported")
    };
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let mut magic = [0; 4];
    let parquet = file.read_exact(&mut magic).is_ok() && magic == *b"PAR1";
    file.rewind().map_err(|e| failed(&e))?;
    if parquet {
        return of_parquet(file)
            .map_err(|e| Fault::file(format!("could not read `{shown}`: {e}"), "export the file again"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => {
            Fault::file(format!("`{shown}` is neither Parquet nor text in UTF-8"), "save it as CSV in UTF-8")
        }
        _ => failed(&error),
    })?;
    of_csv(&text).map_err(|error| {
        Fault::file(format!("could not read `{shown}`: {error}"), "export the file as CSV with one header line")
    })
}

/// Reads text of RFC 4180; the delimiter is the one that the header line holds most often.
///
/// # Errors
/// In words: a record of another length than the header, with its line.
pub fn of_csv(text: &str) -> Result<Grid, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    // The comma wins where the header has none of them.
    let count = |delimiter: &u8| first.bytes().filter(|b| b == delimiter).count();
    let delimiter = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
    let mut records =
        Records { reader: csv_core::ReaderBuilder::new().delimiter(delimiter).build(), rest: text.as_bytes(), line: 1 };
    let mut grid = Grid { header: records.next()?.map(|(_, fields)| fields).unwrap_or_default(), rows: Vec::new() };
    while let Some((line, fields)) = records.next()? {
        if fields.len() != grid.header.len() {
            let (found, expected) = (fields.len(), grid.header.len());
            return Err(format!("line {line} has {found} fields where the header has {expected}"));
        }
        if fields.iter().any(|field| !field.is_empty()) {
            grid.rows.push((line, fields));
        }
    }
    Ok(grid)
}

/// The records of a text, one after the other.
struct Records<'a> {
    reader: csv_core::Reader,
    rest: &'a [u8],
    /// Line on which the rest begins.
    line: u64,
}

impl Records<'_> {
    fn skip(&mut self, bytes: usize) {
        let (behind, rest) = self.rest.split_at(bytes);
        self.line += behind.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        self.rest = rest;
    }

    /// The next record: the line on which it begins, and its fields without outer blanks.
    fn next(&mut self) -> Result<Option<(u64, Vec<String>)>, String> {
        use csv_core::ReadRecordResult as Read;
        let blank = self.rest.iter().take_while(|byte| matches!(**byte, b'\r' | b'\n')).count();
        self.skip(blank);
        let line = self.line;
        // A record is never longer than what is left, and has no more fields than that.
        let (mut text, mut ends) = (vec![0; 1024], vec![0; 64]);
        let (mut bytes, mut fields) = (0, 0);
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(self.rest, &mut text[bytes..], &mut ends[fields..]);
            self.skip(read);
            bytes += written;
            fields += ended;
            match result {
                // All of the text is at hand: an empty rest says that it ends.
                Read::InputEmpty => {}
                Read::OutputFull => text.resize(text.len() * 2, 0),
                Read::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                Read::Record => break,
                Read::End => return Ok(None),
            }
        }
        let mut start = 0;
        let mut out = Vec::with_capacity(fields);
        for end in &ends[..fields] {
            let field = std::str::from_utf8(&text[start..*end]).map_err(|e| format!("line {line}: {e}"))?;
            out.push(field.trim().to_owned());
            start = *end;
        }
        Ok(Some((line, out)))
    }
}

fn of_parquet(file: File) -> Result<Grid, parquet::errors::ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let header = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut grid = Grid { header, rows: Vec::new() };
    for batch in builder.build()? {
        let batch = batch?;
        let cells: Vec<Cells<'_>> = batch.columns().iter().map(|column| Cells::new(column.as_ref())).collect();
        for row in 0..batch.num_rows() {
            let texts = cells.iter().map(|cells| cells.text(row).unwrap_or_default()).collect();
            grid.rows.push((grid.rows.len() as u64 + 1, texts));
        }
    }
    Ok(grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        of_csv(text).unwrap().rows
    }

    #[test]
    fn text_is_read_as_vendors_write_it() {
        let quoted = of_csv("\u{feff}Customer,MRR\r\n\"Acme, Inc\",\"1,234.50\"\r\n,\r\nb, 7 \r\n").unwrap();
        assert_eq!(quoted.header, ["Customer", "MRR"]);
        assert_eq!(
            quoted.rows,
            [(2, vec!["Acme, Inc".to_owned(), "1,234.50".to_owned()]), (4, vec!["b".to_owned(), "7".to_owned()])]
        );
        assert_eq!(rows("a;b\n1;2\n"), [(2, vec!["1".to_owned(), "2".to_owned()])]);
        assert_eq!(rows("a\tb\n1\t2\n"), [(2, vec!["1".to_owned(), "2".to_owned()])]);
        assert_eq!(rows("a\n1\n"), [(2, vec!["1".to_owned()])]);
        let long = "x".repeat(5_000);
        let wide = vec!["1"; 200].join(",");
        assert_eq!(rows(&format!("a\n{long}")), [(2, vec![long])]);
        assert_eq!(rows(&format!("{wide}\n{wide}"))[0].1.len(), 200);
        assert_eq!(rows("a,b\n\"line\nbreak\",2\n")[0].1[0], "line\nbreak");
    }

    #[test]
    fn a_record_of_another_length_is_told_with_its_line() {
        assert_eq!(of_csv("a,b\n1,2\n3\n").unwrap_err(), "line 3 has 1 fields where the header has 2");
        assert_eq!(of_csv("").unwrap(), Grid::default());
    }
}
