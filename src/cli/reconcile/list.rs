//! Every difference as a file: CSV, or Parquet by its name.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray};
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;

use super::Compared;
use super::show::{name, rows};
use crate::cli::show::quoted;
use crate::report::format::exact;

/// Digits of an amount, as in published tables.
const DIGITS: u8 = 18;

const COLUMNS: [&str; 9] =
    ["customer_id", "currency", "month", "kind", "ledger", "export", "difference", "reason", "also_explained_by"];

/// A row of the list.
struct Row<'a> {
    customer: &'a str,
    currency: &'a str,
    month: Option<Date>,
    kind: Option<&'static str>,
    ours: i64,
    theirs: i64,
    reason: &'a str,
    also: String,
}

pub(super) fn write(path: &Path, compared: &Compared) -> io::Result<()> {
    let list: Vec<Row<'_>> = compared
        .bridge
        .differences
        .iter()
        .flat_map(|d| {
            rows(d, compared.window).into_iter().map(|(kind, ours, theirs)| Row {
                customer: &d.subject.customer,
                currency: &d.subject.currency,
                month: d.subject.month,
                kind: kind.map(crate::reconcile::Kind::name),
                ours,
                theirs,
                reason: name(&d.reason),
                also: d.also.join(", "),
            })
        })
        .collect();
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")) {
        parquet(path, &list, compared.scale).map_err(io::Error::other)
    } else {
        csv(path, &list, compared.scale)
    }
}

fn csv(path: &Path, list: &[Row<'_>], scale: u8) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    write!(out, "{}\r\n", COLUMNS.join(","))?;
    // What is missing is nothing, not an empty text.
    let text = |text: &str| if text.is_empty() { String::new() } else { quoted(text) };
    for row in list {
        let fields = [
            quoted(row.customer),
            text(row.currency),
            row.month.map(|m| m.to_string()).unwrap_or_default(),
            text(row.kind.unwrap_or_default()),
            exact(row.ours, scale),
            exact(row.theirs, scale),
            exact(row.theirs - row.ours, scale),
            text(row.reason),
            text(&row.also),
        ];
        write!(out, "{}\r\n", fields.join(","))?;
    }
    out.flush()
}

fn parquet(path: &Path, list: &[Row<'_>], scale: u8) -> Result<(), parquet::errors::ParquetError> {
    let text = |of: &dyn Fn(&Row<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(list.iter().map(of).collect::<StringArray>())
    };
    let money = |of: &dyn Fn(&Row<'_>) -> i64| -> Result<ArrayRef, parquet::errors::ParquetError> {
        let units = list.iter().map(|row| Some(i128::from(of(row)))).collect::<Decimal128Array>();
        let scale = i8::try_from(scale).unwrap_or(i8::MAX);
        Ok(Arc::new(units.with_precision_and_scale(DIGITS, scale)?))
    };
    let epoch = Date::constant(1970, 1, 1);
    let months: Date32Array = list.iter().map(|row| row.month.map(|m| (m - epoch).get_days())).collect();
    let arrays: [ArrayRef; 9] = [
        text(&|r| Some(r.customer.to_owned())),
        text(&|r| Some(r.currency.to_owned())),
        Arc::new(months),
        text(&|r| r.kind.map(str::to_owned)),
        money(&|r| r.ours)?,
        money(&|r| r.theirs)?,
        money(&|r| r.theirs - r.ours)?,
        text(&|r| Some(r.reason.to_owned())),
        text(&|r| Some(r.also.clone()).filter(|also| !also.is_empty())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        COLUMNS.into_iter().zip(arrays).map(|(name, array)| (name, array, true)),
    )?;
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close().map(drop)
}
