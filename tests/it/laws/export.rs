//! A book as Parquet exports: the same rows in one file or many, in any order.

use std::fs::{File, create_dir_all};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::take;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::books::{Book, Item, id_text};

/// How the rows of an export are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Files per source.
    pub files: usize,
    /// What the order of the rows is drawn from; `None` leaves them in the order of the book.
    pub shuffle: Option<u64>,
    /// Rows per row group.
    pub group: usize,
}

/// One file, rows in the order of the book.
pub const PLAIN: Layout = Layout { files: 1, shuffle: None, group: 1024 };

/// Writes every source of a book below `folder`, each into a folder of its own.
pub fn export(book: &Book, folder: &Path, layout: Layout) {
    let write = |name: &str, columns| layout.write(&folder.join(name), columns);
    write("items", items(book));
    write("snapshots", snapshots(book));
    write("customers", customers(book));
    write("versions", versions(book));
    write("costs", costs(book));
}

impl Layout {
    /// Writes the columns of a source into a folder.
    pub fn write(self, folder: &Path, columns: Vec<(&str, ArrayRef)>) {
        let whole = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .expect("equal lengths");
        create_dir_all(folder).expect("a folder");
        for (i, rows) in self.parts(whole.num_rows()).into_iter().enumerate() {
            let rows = UInt64Array::from(rows);
            let part: Vec<ArrayRef> =
                whole.columns().iter().map(|c| take(c, &rows, None).expect("rows that exist")).collect();
            let part = RecordBatch::try_new(whole.schema(), part).expect("the same columns");
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(self.group)).build();
            let file = File::create(folder.join(format!("part-{i}.parquet"))).expect("a new file");
            let mut writer =
                ArrowWriter::try_new(file, part.schema(), Some(properties)).expect("columns that Parquet has");
            writer.write(&part).expect("room on the disk");
            writer.close().expect("room on the disk");
        }
    }

    /// Numbers of the rows of each file.
    fn parts(self, rows: usize) -> Vec<Vec<u64>> {
        let mut order: Vec<u64> = (0..rows as u64).collect();
        if let Some(seed) = self.shuffle {
            // Knuth's linear congruential generator: all that is needed is some other order.
            let mut state = seed;
            for i in (1..order.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                order.swap(i, (state >> 33) as usize % (i + 1));
            }
        }
        let mut parts = vec![Vec::new(); self.files];
        for (i, row) in order.into_iter().enumerate() {
            parts[i % self.files].push(row);
        }
        parts
    }
}

fn items(book: &Book) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<(i64, &Item)> = book.customers.iter().flat_map(|c| c.items.iter().map(|i| (c.id, i))).collect();
    let end = |i: &Item| i.end.map(|e| if book.end_inclusive { e - 1.day() } else { e });
    vec![
        ("customer_id", ids(book, rows.iter().map(|(id, _)| *id))),
        ("started_on", dates(rows.iter().map(|(_, i)| Some(i.start)))),
        ("ended_on", dates(rows.iter().map(|(_, i)| end(i)))),
        ("trial_end", dates(rows.iter().map(|(_, i)| i.trial_end))),
        ("price", ints(rows.iter().map(|(_, i)| i.price))),
        ("currency", texts(rows.iter().map(|(_, i)| Some(i.currency)))),
        ("quantity", ints(rows.iter().map(|(_, i)| i.quantity))),
        ("every", texts(rows.iter().map(|(_, i)| Some(i.every)))),
        ("every_count", ints(rows.iter().map(|(_, i)| i.count))),
        ("reason", texts(rows.iter().map(|(_, i)| i.reason))),
    ]
}

/// One row per interval, which must be a month: some day of it, and what is paid.
fn snapshots(book: &Book) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<(i64, &Item)> = book.customers.iter().flat_map(|c| c.items.iter().map(|i| (c.id, i))).collect();
    vec![
        ("customer_id", ids(book, rows.iter().map(|(id, _)| *id))),
        ("month", dates(rows.iter().map(|(id, i)| Some(i.start + (id % 28).days())))),
        ("mrr", ints(rows.iter().map(|(_, i)| i.price))),
        ("currency", texts(rows.iter().map(|(_, i)| Some(i.currency)))),
    ]
}

fn customers(book: &Book) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<_> = book.customers.iter().filter_map(|c| Some((c.id, c.signed_up, c.versions.last()?))).collect();
    vec![
        ("customer_id", ids(book, rows.iter().map(|r| r.0))),
        ("signed_up_on", dates(rows.iter().map(|r| r.1))),
        ("segment", texts(rows.iter().map(|r| r.2.values[0]))),
        ("country", texts(rows.iter().map(|r| r.2.values[1]))),
    ]
}

fn versions(book: &Book) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<_> = book.customers.iter().flat_map(|c| c.versions.iter().map(|v| (c.id, v))).collect();
    vec![
        ("customer_id", ids(book, rows.iter().map(|r| r.0))),
        ("valid_from", dates(rows.iter().map(|r| Some(r.1.from)))),
        ("segment", texts(rows.iter().map(|r| r.1.values[0]))),
        ("country", texts(rows.iter().map(|r| r.1.values[1]))),
    ]
}

fn costs(book: &Book) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("spent_on", dates(book.costs.iter().map(|c| Some(c.day)))),
        ("category", texts(book.costs.iter().map(|c| Some(c.category)))),
        ("amount", ints(book.costs.iter().map(|c| c.amount))),
        ("currency", texts(book.costs.iter().map(|c| Some(c.currency)))),
        ("segment", texts(book.costs.iter().map(|c| Some(c.segment)))),
    ]
}

fn ids(book: &Book, ids: impl Iterator<Item = i64>) -> ArrayRef {
    if book.numbered { ints(ids) } else { Arc::new(StringArray::from_iter_values(ids.map(id_text))) }
}

fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: impl Iterator<Item = Option<&'static str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn dates(values: impl Iterator<Item = Option<Date>>) -> ArrayRef {
    Arc::new(values.map(|d| d.map(|d| (d - date(1970, 1, 1)).get_days())).collect::<Date32Array>())
}
