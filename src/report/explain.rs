//! A row explained, for people and for programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::format::{aligned, count, counted, decimals, exact, money, whole};
use crate::engine::explain::{Explained, Explanation, Grid, Origin, Published, Read, Shown, Standing, Summed};
use crate::metrics::behind::How;
use crate::money::exponent;
use crate::schema::{Cell, ColumnType};
use crate::sources::{FATE, FILE, FILE_ROW};

/// What is told about a row beside its explanation.
#[derive(Debug)]
pub struct Circumstance {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Last civil day the results cover.
    pub as_of: jiff::civil::Date,
    /// Amounts are whole numbers of 10^-scale major units.
    pub scale: u8,
    /// What was taken for granted to find the row.
    pub taken: Vec<(String, Cell)>,
    /// Sources whose contract is broken.
    pub rejected: Vec<String>,
    /// The published table, where there is one, and how it stands beside this.
    pub published: Option<(Published, Standing)>,
    /// Where the table would be published.
    pub path: PathBuf,
}

/// Longest line, where words can be wrapped.
const WIDTH: usize = 100;
/// Most characters of a cell in a table.
const CELL: usize = 36;

/// How values of this explanation are written.
struct Hand<'a> {
    scale: u8,
    currency: &'a str,
}

impl Hand<'_> {
    /// A value for people. Amounts have all their decimals, so that sums can be followed.
    fn show(&self, value: &Cell, ty: ColumnType, unit: &str) -> String {
        match value {
            Cell::Int(n) if ty == ColumnType::Money => amount(*n, self.scale, self.currency),
            Cell::Int(n) => whole(*n),
            Cell::Float(f) if unit == "rate" => format!("{}%", decimals(f * 100.0, 2)),
            Cell::Float(f) => decimals(*f, 4),
            other => plain(other),
        }
    }

    /// A value for programs: amounts as exact texts.
    fn json(&self, value: &Cell, ty: ColumnType) -> Value {
        match value {
            Cell::Int(n) if ty == ColumnType::Money => json!(exact(*n, self.scale)),
            Cell::Null => Value::Null,
            Cell::Bool(b) => json!(b),
            Cell::Int(n) => json!(n),
            Cell::Float(f) => json!(f),
            Cell::Date(d) => json!(d.to_string()),
            Cell::Text(t) => json!(t),
        }
    }

    fn rows(&self, grid: &Grid) -> Value {
        let object = |row: &Vec<Cell>| {
            let cells = grid.columns.iter().zip(row).map(|((name, ty), cell)| (name.clone(), self.json(cell, *ty)));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        Value::Array(grid.rows.iter().map(object).collect())
    }
}

/// A value without regard to its unit, in one line.
#[must_use]
pub fn plain(value: &Cell) -> String {
    match value {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(b) => b.to_string(),
        Cell::Int(n) => n.to_string(),
        Cell::Float(f) => f.to_string(),
        Cell::Date(d) => d.to_string(),
        // Values of an export must not move the cursor of a terminal.
        Cell::Text(t) => t.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
    }
}

/// An amount at the decimals of its currency, with more where it has more.
fn amount(units: i64, scale: u8, currency: &str) -> String {
    let rounded = money(units, scale, currency);
    let places = exponent(currency).unwrap_or(2);
    let (_, fraction) =
        exact(units, scale).split_once('.').map(|(w, f)| (w.to_owned(), f.to_owned())).unwrap_or_default();
    let kept = fraction.trim_end_matches('0');
    if kept.len() <= usize::from(places) {
        return rounded;
    }
    let major = 10_u64.pow(u32::from(scale));
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{kept}", count(units.unsigned_abs() / major))
}

/// The explanation for people.
#[must_use]
pub fn text(explained: &Explanation, told: &Circumstance, color: bool) -> String {
    let bold = |text: &str| if color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let hand = Hand { scale: told.scale, currency: explained.currency.as_deref().unwrap_or_default() };
    let mut out = String::new();
    let (table, ty) = &explained.table;
    let _ = writeln!(out, "{} ({ty}) of {} as of {}", bold(table), told.pipeline, told.as_of);
    let grain: Vec<String> =
        explained.grain.iter().map(|(c, v)| format!("{} = {}", c.name, hand.show(v, c.ty, &c.unit))).collect();
    let _ = writeln!(out, "  {}", grain.join(", "));
    if !told.taken.is_empty() {
        let taken: Vec<String> =
            told.taken.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        let _ = writeln!(out, "  taken for granted: {}", taken.join(" and "));
    }
    let _ = writeln!(out, "  {}", standing(told, &hand));
    for source in &told.rejected {
        let _ = writeln!(out, "  source `{source}` breaks its contract: a run would publish nothing");
    }
    out.push('\n');
    cells(&mut out, explained, &hand, &bold);
    for set in &explained.behind {
        behind(&mut out, set, &hand, &bold);
    }
    for origin in &explained.origins {
        of_source(&mut out, origin, told.scale, &bold);
    }
    out
}

/// How the published table stands beside this row.
fn standing(told: &Circumstance, hand: &Hand<'_>) -> String {
    let Some((published, standing)) = &told.published else {
        return format!("not published yet at {}", told.path.display());
    };
    let path = published.path.display();
    let day = published.as_of.map(|day| day.to_string()).unwrap_or_default();
    if published.as_of != Some(told.as_of) {
        return format!("published as of {day}, another day: {path}");
    }
    match standing {
        Standing::OtherDefinition => format!("published with another definition of the table: {path}"),
        Standing::NoRow => format!("published without this row: {path}"),
        Standing::Row(differs) if differs.is_empty() => format!("published with the same values: {path}"),
        Standing::Row(differs) => {
            let words: Vec<String> =
                differs.iter().map(|(c, v)| format!("{} = {}", c.name, hand.show(v, c.ty, &c.unit))).collect();
            format!("published with other values ({}): {path}", words.join(", "))
        }
    }
}

fn cells(out: &mut String, explained: &Explanation, hand: &Hand<'_>, bold: &dyn Fn(&str) -> String) {
    let value = |cell: &Explained| {
        let shown = hand.show(&cell.value, cell.column.ty, &cell.column.unit);
        let currency = cell.column.ty == ColumnType::Money && cell.value != Cell::Null;
        if currency && !hand.currency.is_empty() { format!("{shown} {}", hand.currency) } else { shown }
    };
    let names = explained.cells.iter().map(|c| c.column.name.chars().count()).max().unwrap_or(0);
    let shown: Vec<String> = explained.cells.iter().map(value).collect();
    let values = shown.iter().map(|v| v.chars().count()).max().unwrap_or(0).min(CELL);
    for (cell, value) in explained.cells.iter().zip(&shown) {
        let name = &cell.column.name;
        let pad = " ".repeat(names - name.chars().count());
        let meaning = &cell.column.meaning;
        let unit = match cell.column.unit.strip_prefix("money").unwrap_or(&cell.column.unit).trim() {
            "" | "rate" | "ratio" => String::new(),
            unit if meaning.contains(unit) => String::new(),
            unit => format!(" ({unit})"),
        };
        let _ = writeln!(out, "{}{pad}  {value:>values$}  {meaning}{unit}", bold(name));
        let Some((formula, reads)) = &cell.formula else { continue };
        let indent = names + 2;
        let written = |name: &str, back: u32| match back {
            0 => name.to_owned(),
            n => format!("{name} {} before", counted(u64::from(n), "period")),
        };
        wrapped(out, indent, &formula.term.text(&written));
        let with_value = |name: &str, back: u32| look(reads, name, back, hand);
        wrapped(out, indent, &formula.term.text(&with_value));
        match (cell.holds, &formula.unless) {
            (Some(true), _) => wrapped(out, indent, value.trim()),
            (Some(false), _) => {
                let _ = writeln!(out, "{}this is not the value: please report it", " ".repeat(indent));
            }
            (None, Some(why)) if cell.value == Cell::Null => {
                let _ = writeln!(out, "{}{why}", " ".repeat(indent));
            }
            (None, _) => {}
        }
    }
}

fn look(reads: &[Read], name: &str, back: u32, hand: &Hand<'_>) -> String {
    let read = reads.iter().find(|r| r.column == name && r.back == back);
    read.map_or_else(|| "NULL".to_owned(), |r| hand.show(&r.value, r.ty, &r.unit))
}

/// `= a + b`, broken before operators where it is long.
fn wrapped(out: &mut String, indent: usize, text: &str) {
    let mut line = format!("{}= ", " ".repeat(indent));
    let start = line.chars().count();
    for word in text.split(' ') {
        let operator = matches!(word, "+" | "-" | "*" | "/");
        if operator && line.chars().count() + word.len() + 12 > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(start);
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn behind(out: &mut String, set: &Shown, hand: &Hand<'_>, bold: &dyn Fn(&str) -> String) {
    let _ = writeln!(out, "\n{}: {}", bold(&set.title), count(set.rows.total as u64));
    if !set.rows.rows.is_empty() {
        table(out, &set.rows, hand);
        more(out, &set.rows);
    }
    let sums: Vec<Vec<String>> = set.sums.iter().map(|s| sum(s, set.of_customers, hand)).collect();
    if !sums.is_empty() {
        out.push_str(&aligned(&sums, &[false, false, true], 2));
    }
    if set.rows.rows.is_empty() && set.rows.total > 0 {
        let asked: Vec<&str> = set.sums.iter().map(|s| s.column.name.as_str()).collect();
        if let Some(first) = asked.first() {
            let _ = writeln!(out, "  listed with --column {first}");
        }
    }
    if let Some((ledger, words, rows)) = &set.ledger {
        let _ = writeln!(out, "\n{} {words}: {}", bold(&format!("their rows in `{ledger}`")), count(rows.total as u64));
        table(out, rows, hand);
        more(out, rows);
    }
}

fn sum(summed: &Summed, of_customers: bool, hand: &Hand<'_>) -> Vec<String> {
    let noun = if of_customers { "customer" } else { "row" };
    let rows = counted(summed.rows as u64, noun);
    let words = match &summed.how {
        How::Sum => format!("sum of {rows}"),
        How::Share(_) => format!("share in {rows}"),
        How::Mean => format!("mean of {rows}"),
    };
    let value = hand.show(&summed.value, summed.column.ty, &summed.column.unit);
    let verdict = if summed.equal { "equals the cell" } else { "is not the cell: please report it" };
    vec![summed.column.name.clone(), words, value, verdict.to_owned()]
}

fn more(out: &mut String, rows: &Grid) {
    let hidden = rows.total.saturating_sub(rows.rows.len());
    if hidden > 0 {
        let _ = writeln!(out, "  and {} more, see --limit", count(hidden as u64));
    }
}

fn table(out: &mut String, grid: &Grid, hand: &Hand<'_>) {
    let mut rows = vec![grid.columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()];
    let right: Vec<bool> = grid
        .columns
        .iter()
        .map(|(name, ty)| {
            name != "customer_id" && matches!(ty, ColumnType::Int | ColumnType::Float | ColumnType::Money)
        })
        .collect();
    for row in &grid.rows {
        let cells = grid.columns.iter().zip(row);
        rows.push(
            cells
                .map(|((name, ty), cell)| {
                    // An id is a name, also where it is a number.
                    if name == "customer_id" { clip(&plain(cell)) } else { clip(&hand.show(cell, *ty, "rate")) }
                })
                .collect(),
        );
    }
    out.push_str(&aligned(&rows, &right, 2));
}

/// Rows of an export, the file above those that come from it.
fn of_source(out: &mut String, origin: &Origin, scale: u8, bold: &dyn Fn(&str) -> String) {
    let title = format!("their rows in the source `{}`", origin.source);
    let _ = writeln!(out, "\n{}, {}: {}", bold(&title), origin.folder, count(origin.rows.total as u64));
    let names: Vec<&str> = origin.rows.columns.iter().map(|(name, _)| name.as_str()).collect();
    let currency_at = origin.rows.columns.iter().position(|(_, ty)| *ty == ColumnType::Currency);
    let heading = |name: &&str| match *name {
        FILE => "file".to_owned(),
        FILE_ROW => "row".to_owned(),
        FATE => "what became of it".to_owned(),
        other => other.to_owned(),
    };
    let mut rows = vec![names.iter().map(heading).collect::<Vec<_>>()];
    for row in &origin.rows.rows {
        let own =
            currency_at.and_then(|at| if let Some(Cell::Text(c)) = row.get(at) { Some(c.as_str()) } else { None });
        rows.push(
            origin
                .rows
                .columns
                .iter()
                .zip(row)
                .map(|((name, ty), cell)| {
                    let fixed = origin.currencies.iter().find(|(column, _)| column == name).map(|(_, c)| c.as_str());
                    let hand = Hand { scale, currency: fixed.or(own).unwrap_or_default() };
                    // Numbers of a source may be ids: no separators.
                    if matches!(ty, ColumnType::Int | ColumnType::Float) {
                        plain(cell)
                    } else {
                        clip(&hand.show(cell, *ty, ""))
                    }
                })
                .collect(),
        );
    }
    let right: Vec<bool> = origin
        .rows
        .columns
        .iter()
        .map(|(name, ty)| name == FILE_ROW || matches!(ty, ColumnType::Money | ColumnType::Float))
        .collect();
    out.push_str(&aligned(&rows, &right, 2));
    more(out, &origin.rows);
}

fn clip(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(CELL - 3).collect();
    out.push_str("...");
    out
}

/// A value as it is written in `--where`.
#[must_use]
pub fn literal(value: &Cell) -> String {
    match value {
        Cell::Text(text) => format!("'{}'", plain(&Cell::Text(text.replace('\'', "''")))),
        other => plain(other),
    }
}

/// The explanation for programs.
#[must_use]
pub fn json(explained: &Explanation, told: &Circumstance) -> Value {
    let hand = Hand { scale: told.scale, currency: explained.currency.as_deref().unwrap_or_default() };
    let pairs = |cells: &[(String, Cell)]| {
        Value::Object(cells.iter().map(|(name, v)| (name.clone(), hand.json(v, ColumnType::String))).collect())
    };
    let grain: Map<String, Value> = explained.grain.iter().map(|(c, v)| (c.name.clone(), hand.json(v, c.ty))).collect();
    let published = told.published.as_ref().map(|(published, standing)| {
        let differs: Option<Map<String, Value>> = match standing {
            Standing::Row(differs) => Some(differs.iter().map(|(c, v)| (c.name.clone(), hand.json(v, c.ty))).collect()),
            Standing::OtherDefinition | Standing::NoRow => None,
        };
        json!({
            "path": published.path,
            "as_of": published.as_of,
            "same_definition": !matches!(standing, Standing::OtherDefinition),
            "has_row": matches!(standing, Standing::Row(_)),
            "other_values": differs,
        })
    });
    json!({
        "version": 1,
        "pipeline": told.pipeline,
        "table": explained.table.0,
        "type": explained.table.1,
        "as_of": told.as_of.to_string(),
        "currency": explained.currency,
        "row": grain,
        "taken_for_granted": pairs(&told.taken),
        "published": published,
        "rejected_sources": told.rejected,
        "cells": explained.cells.iter().map(|c| cell_json(c, &hand)).collect::<Vec<_>>(),
        "behind": explained.behind.iter().map(|s| behind_json(s, &hand)).collect::<Vec<_>>(),
        "sources": explained.origins.iter().map(|o| json!({
            "source": o.source,
            "folder": o.folder,
            "total": o.rows.total,
            "rows": hand.rows(&o.rows),
        })).collect::<Vec<_>>(),
    })
}

fn cell_json(cell: &Explained, hand: &Hand<'_>) -> Value {
    let formula = cell.formula.as_ref().map(|(formula, reads)| {
        let name = |name: &str, back: u32| if back == 0 { name.to_owned() } else { format!("{name}[-{back}]") };
        let values = |column: &str, back: u32| look(reads, column, back, hand);
        json!({
            "term": formula.term.text(&name),
            "with_values": formula.term.text(&values),
            "holds": cell.holds,
            "reads": reads.iter().map(|r| json!({
                "column": r.column, "periods_before": r.back, "value": hand.json(&r.value, r.ty),
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "column": cell.column.name,
        "type": cell.column.ty,
        "unit": cell.column.unit,
        "meaning": cell.column.meaning,
        "value": hand.json(&cell.value, cell.column.ty),
        "formula": formula,
    })
}

fn behind_json(set: &Shown, hand: &Hand<'_>) -> Value {
    let sums = set.sums.iter().map(|s| {
        let how = match s.how {
            How::Sum => "sum",
            How::Share(_) => "share",
            How::Mean => "mean",
        };
        json!({
            "column": s.column.name, "how": how, "rows": s.rows,
            "value": hand.json(&s.value, s.column.ty), "equals_cell": s.equal,
        })
    });
    json!({
        "title": set.title,
        "total": set.rows.total,
        "rows": hand.rows(&set.rows),
        "adds_up_to": sums.collect::<Vec<_>>(),
        "ledger": set.ledger.as_ref().map(|(table, words, rows)| json!({
            "table": table, "which": words, "total": rows.total, "rows": hand.rows(rows),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_decimals_that_matter() {
        for (units, shown) in [
            (1_234_500_000, "1,234.50"),
            (8_333_333, "8.333333"),
            (-8_330_000, "-8.33"),
            (-1_000_008_335_000, "-1,000,008.335"),
            (0, "0.00"),
        ] {
            assert_eq!(amount(units, 6, "USD"), shown, "{units}");
        }
        assert_eq!(amount(1_234_000_000, 6, "JPY"), "1,234");
        assert_eq!(amount(1_234_500_000, 6, "JPY"), "1,234.5");
    }

    #[test]
    fn long_formulas_break_before_an_operator() {
        let mut out = String::new();
        let term = ["a_rather_long_column_name"; 5].join(" + ");
        wrapped(&mut out, 4, &term);
        assert_eq!(
            out,
            "    = a_rather_long_column_name + a_rather_long_column_name + a_rather_long_column_name\n      \
             + a_rather_long_column_name + a_rather_long_column_name\n"
        );
    }

    #[test]
    fn values_are_told_as_they_are_written() {
        assert_eq!(literal(&Cell::Text("o'hara".to_owned())), "'o''hara'");
        assert_eq!(literal(&Cell::Bool(true)), "true");
        assert_eq!(plain(&Cell::Text("a\u{1b}[2J".to_owned())), "a\u{fffd}[2J");
    }
}
