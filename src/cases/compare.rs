//! Rows as expected and as found: which differ, in lines that people read.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::schema::{ColumnType, TableSchema};
use crate::spec::cases::{Cell, Expected, scaled};

/// What NULL looks like.
const NULL: &str = "NULL";

/// Digits behind the point that amounts are compared with.
const PLACES: usize = 12;

/// A table as text.
pub(super) struct Found {
    header: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// The rows of a published file.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
    let header = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut out = Found { header, rows: Vec::new() };
    let options = FormatOptions::default();
    for batch in reader.build().map_err(|e| e.to_string())? {
        let batch = batch.map_err(|e| e.to_string())?;
        let columns = batch.columns().iter();
        let formats: Vec<ArrayFormatter<'_>> = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&formats);
            out.rows.push(cells.map(|(c, f)| (!c.is_null(row)).then(|| f.value(row).to_string())).collect());
        }
    }
    Ok(out)
}

/// Expected rows beside the found ones, unless they agree: `-` marks what was expected, `+` what was found.
///
/// The order of the rows does not matter. A row that has no partner stands beside the one of the other side that
/// is most like it.
pub(super) fn difference(expected: &Expected, schema: &TableSchema, found: &Found) -> Option<String> {
    let at = |name: &str| found.header.iter().position(|h| h == name);
    let column = |name: &str| Some((at(name)?, schema.get(name)?.ty));
    let columns: Vec<(usize, ColumnType)> =
        expected.rows.header.iter().map(|(name, _)| column(name)).collect::<Option<_>>()?;
    let kept = |row: &&Vec<Option<String>>| {
        expected
            .only
            .iter()
            .all(|(name, _, cell)| column(name).is_none_or(|(at, ty)| same(ty, Some(cell), row[at].as_deref())))
    };
    let found: Vec<Vec<Option<&str>>> =
        found.rows.iter().filter(kept).map(|row| columns.iter().map(|(at, _)| row[*at].as_deref()).collect()).collect();
    let agreeing = |wanted: &[Option<Cell>], got: &[Option<&str>]| {
        let cells = wanted.iter().zip(got).zip(&columns);
        cells.filter(|((wanted, got), (_, ty))| same(*ty, wanted.as_ref(), **got)).count()
    };
    let wanted = &expected.rows.rows;
    let mut partner: Vec<Option<usize>> = vec![None; found.len()];
    let mut alone: Vec<usize> = Vec::new();
    for (index, row) in wanted.iter().enumerate() {
        let free = (0..found.len()).find(|f| partner[*f].is_none() && agreeing(row, &found[*f]) == columns.len());
        match free {
            Some(found) => partner[found] = Some(index),
            None => alone.push(index),
        }
    }
    let matched = partner.iter().flatten().count();
    if alone.is_empty() && matched == found.len() {
        return None;
    }
    let mut lines: Vec<(char, Vec<String>)> = Vec::new();
    for (index, row) in found.iter().enumerate() {
        let text: Vec<String> = row.iter().map(|cell| cell.unwrap_or(NULL).to_owned()).collect();
        if partner[index].is_some() {
            lines.push((' ', text));
            continue;
        }
        let nearest = alone.iter().enumerate().max_by_key(|(at, w)| (agreeing(&wanted[**w], row), usize::MAX - at));
        if let Some((at, like)) = nearest.map(|(at, w)| (at, *w)) {
            alone.remove(at);
            lines.push(('-', written(&wanted[like])));
        }
        lines.push(('+', text));
    }
    lines.extend(alone.iter().map(|row| ('-', written(&wanted[*row]))));
    let mut out = format!("expected {} rows, found {}, of which {matched} agree\n", wanted.len(), found.len());
    let header: Vec<String> = expected.rows.header.iter().map(|(name, _)| name.clone()).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|i| {
            lines.iter().map(|(_, cells)| &cells[i]).chain([&header[i]]).map(|c| c.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for (mark, cells) in std::iter::once((' ', header)).chain(lines) {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(out, "{}", format!("  {mark} {}", padded.join(" | ")).trim_end());
    }
    Some(out.trim_end().to_owned())
}

fn written(row: &[Option<Cell>]) -> Vec<String> {
    let text = |cell: &Option<Cell>| match cell {
        None => "(any)".to_owned(),
        Some(cell) => cell.text.clone().unwrap_or_else(|| NULL.to_owned()),
    };
    row.iter().map(text).collect()
}

/// Whether a value is what was expected: amounts exactly, other decimals to half of the last place written.
fn same(ty: ColumnType, wanted: Option<&Cell>, got: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let (Some(wanted), Some(got)) = (wanted.text.as_deref(), got) else {
        return wanted.text.is_none() && got.is_none();
    };
    match ty {
        ColumnType::Money => scaled(wanted, PLACES).is_some_and(|w| Some(w) == scaled(got, PLACES)),
        ColumnType::Float => {
            let (Ok(w), Ok(g)) = (wanted.parse::<f64>(), got.parse::<f64>()) else { return false };
            let places = wanted.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let half = 0.5 * 0.1_f64.powi(i32::try_from(places).unwrap_or(i32::MAX));
            (w - g).abs() <= half + 1e-12
        }
        ColumnType::Timestamp => {
            let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
            instant(wanted).is_some() && instant(wanted) == instant(got)
        }
        _ => wanted == got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    fn cell(text: &str) -> Option<Cell> {
        (text != "*").then(|| Cell { text: (text != NULL).then(|| text.to_owned()), span: Span::default() })
    }

    #[test]
    fn values_agree_by_their_type() {
        use ColumnType::{Float, Int, Money, String as Text, Timestamp};
        for (ty, wanted, got, agree) in [
            (Money, "100", Some("100.000000"), true),
            (Money, "100.000001", Some("100.000000"), false),
            (Float, "0.333", Some("0.3333333333333333"), true),
            (Float, "0.33", Some("0.336"), false),
            (Text, "a", Some("a"), true),
            (Text, "NULL", Some("NULL"), false),
            (Text, "NULL", None, true),
            (Int, "1", None, false),
            (Text, "*", None, true),
            (Timestamp, "2026-03-31T10:00:00Z", Some("2026-03-31T10:00:00.000Z"), true),
            (Timestamp, "2026-03-31T12:00:00+02:00", Some("2026-03-31T10:00:00Z"), true),
        ] {
            assert_eq!(same(ty, cell(wanted).as_ref(), got), agree, "{wanted} {got:?}");
        }
    }

    #[test]
    fn differences_stand_beside_what_is_most_like_them() {
        let schema =
            TableSchema::default().column("k", ColumnType::String, "", "").column("n", ColumnType::Int, "", "");
        let found = Found {
            header: vec!["k".into(), "n".into()],
            rows: [("a", "1"), ("b", "2"), ("c", "3")].map(|(k, n)| vec![Some(k.into()), Some(n.into())]).into(),
        };
        let mut expected = Expected {
            key_span: Span::default(),
            rows: crate::spec::cases::Rows {
                header: vec![("k".into(), Span::default()), ("n".into(), Span::default())],
                rows: vec![vec![cell("d"), cell("4")], vec![cell("b"), cell("22")], vec![cell("a"), cell("1")]],
            },
            only: Vec::new(),
        };
        let told = difference(&expected, &schema, &found).unwrap();
        assert_eq!(
            told,
            "expected 3 rows, found 3, of which 1 agree\n    k | n\n    a | 1\n  - b | 22\n  + b | 2\n  - d | 4\n  + c | 3"
        );
        expected.only = vec![("k".into(), Span::default(), cell("a").unwrap())];
        expected.rows.rows = vec![vec![cell("a"), None]];
        assert_eq!(difference(&expected, &schema, &found), None);
    }
}
