//! `tests:`: small inputs with the rows that must come out of them.
//!
//! Rows are written as a list of maps, or as a table with `|` between cells. Values are those after
//! reading: a date is a date, an amount is in major units, whatever the files of the source hold.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::decode::{Place, decode_at};
use super::pipeline::SourceSpec;
use super::tree::{Kind, Node, Span, span_inside};
use super::types::{CurrencyCode, Date, Name, Named};
use crate::diag::{Diagnostics, Relation};
use crate::schema::ColumnType;

/// What NULL looks like in a table.
const NULL: &str = "NULL";

/// Digits behind the point that an amount in a test may have: as many as any currency's scale.
const PLACES: usize = 8;

/// A test as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseSpec {
    /// What the test shows.
    #[serde(default)]
    pub description: Option<String>,
    /// Last civil day the results cover.
    pub as_of: Date,
    /// Rows of sources, by name; a source that is not given is empty.
    #[serde(default)]
    #[allow(dead_code, reason = "read from the tree, with places")]
    given: Named<RowsValue>,
    /// Rows that the tables must have, by name.
    #[serde(default)]
    #[allow(dead_code, reason = "read from the tree, with places")]
    expect: Named<ExpectValue>,
    /// Names of contracts or identities that must be broken, such as `not_null(customer_id)` or `bridge_closes`.
    #[serde(default)]
    pub broken: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RowsValue(#[allow(dead_code, reason = "only its shape counts")] Value);

#[derive(Clone, Debug, Deserialize)]
struct ExpectValue(#[allow(dead_code, reason = "only its shape counts")] Value);

/// A text, or a list of maps from columns to values.
fn rows_schema() -> [Value; 2] {
    [
        serde_json::json!({"type": "string", "description": "A table with `|` between cells and the columns in its first line."}),
        serde_json::json!({"type": "array", "items": {"type": "object", "additionalProperties": true}}),
    ]
}

impl JsonSchema for RowsValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TestRows".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": rows_schema()})
    }
}

impl JsonSchema for ExpectValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TestExpectation".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let [text, list] = rows_schema();
        json_schema!({"anyOf": [text, list, {
            "type": "object",
            "properties": {
                "rows": {"anyOf": rows_schema()},
                "only": {"type": "object", "additionalProperties": true}
            },
            "required": ["rows"]
        }]})
    }
}

/// A value as written, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The text; `None` for NULL.
    pub text: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// Rows as written.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Columns, and where each is first named.
    pub header: Vec<(String, Span)>,
    /// Cells by column; `None` where a row does not name it.
    pub rows: Vec<Vec<Option<Cell>>>,
}

/// What a table must hold.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Place of the name of the table.
    pub key_span: Span,
    /// Its rows, in any order, as far as columns are named.
    pub rows: Rows,
    /// Only rows with these values are looked at.
    pub only: Vec<(String, Span, Cell)>,
}

/// A test, read.
#[derive(Clone, Debug)]
pub struct CaseNode {
    /// Its name.
    pub name: String,
    /// Place of the name.
    pub key_span: Span,
    /// Keys other than `given` and `expect`.
    pub spec: CaseSpec,
    /// Rows of sources.
    pub given: IndexMap<String, Rows>,
    /// What tables must hold.
    pub expect: IndexMap<String, Expected>,
}

/// Reads the section `tests`. `None` after a mistake was reported.
pub fn read(root: &Node, sources: &IndexMap<Name, SourceSpec>, diags: &mut Diagnostics) -> Option<Vec<CaseNode>> {
    let Some(entry) = root.entry("tests") else { return Some(Vec::new()) };
    let specs: Named<CaseSpec> = decode_at(&entry.value, &Place::new("tests", entry.key_span), diags)?;
    let mut out = Vec::new();
    let mut sound = true;
    for (name, spec) in specs {
        let Some(node) = entry.value.entry(name.as_str()) else { continue };
        let mut case = CaseNode {
            name: name.to_string(),
            key_span: node.key_span,
            spec,
            given: IndexMap::new(),
            expect: IndexMap::new(),
        };
        for given in node.value.get("given").map(Node::entries).unwrap_or_default().iter().filter(|e| !e.is_note()) {
            let Some(source) = sources.get(given.key.as_str()) else {
                let known: Vec<&str> = sources.keys().map(Name::as_str).collect();
                diags.unknown_input(given.key_span, &given.key, &known);
                sound = false;
                continue;
            };
            let rows = rows(&given.value, diags);
            sound &= rows.as_ref().is_some_and(|rows| fits_source(rows, &given.key, source, diags));
            case.given.extend(rows.map(|rows| (given.key.clone(), rows)));
        }
        for expect in node.value.get("expect").map(Node::entries).unwrap_or_default().iter().filter(|e| !e.is_note()) {
            let written = expect.value.get("rows").unwrap_or(&expect.value);
            let only = expect.value.get("only").map(Node::entries).unwrap_or_default();
            let only = only.iter().filter_map(|e| Some((e.key.clone(), e.key_span, cell(&e.value)?))).collect();
            match rows(written, diags) {
                Some(rows) => {
                    let expected = Expected { key_span: expect.key_span, rows, only };
                    case.expect.insert(expect.key.clone(), expected);
                }
                None => sound = false,
            }
        }
        if case.expect.is_empty() && case.spec.broken.is_empty() {
            diags.case(case.key_span, "the test expects nothing", "add `expect: {TABLE: ..}` or `broken: [..]`");
            sound = false;
        }
        out.push(case);
    }
    sound.then_some(out)
}

/// Whether every column is declared and every value is of its type.
fn fits_source(rows: &Rows, name: &str, source: &SourceSpec, diags: &mut Diagnostics) -> bool {
    let mut fits = true;
    for (at, (column, span)) in rows.header.iter().enumerate() {
        let Some(spec) = source.columns.get(column.as_str()) else {
            let known: Vec<&str> = source.columns.keys().map(Name::as_str).collect();
            diags.unknown_column(*span, column, Relation::Source(name), &known);
            fits = false;
            continue;
        };
        fits &= rows.check(at, spec.ty, diags);
    }
    fits
}

impl Rows {
    /// Reports the values of a column that are none of a type; whether there are none.
    pub fn check(&self, column: usize, ty: ColumnType, diags: &mut Diagnostics) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column)?.as_ref());
        let mut fits = true;
        for cell in cells {
            fits &= cell.check(&self.header[column].0, ty, diags);
        }
        fits
    }
}

impl Cell {
    /// Reports the value when it is none of a type; whether it is one.
    pub fn check(&self, column: &str, ty: ColumnType, diags: &mut Diagnostics) -> bool {
        let fits = self.text.as_deref().is_none_or(|text| is_a(ty, text));
        if !fits {
            diags.case_value(self.span, column, self.text.as_deref().unwrap_or(NULL), ty.name(), example(ty));
        }
        fits
    }
}

/// Whether a text is a value of a type.
fn is_a(ty: ColumnType, text: &str) -> bool {
    match ty {
        ColumnType::String => true,
        ColumnType::Int => text.parse::<i64>().is_ok(),
        ColumnType::Float => text.parse::<f64>().is_ok_and(f64::is_finite),
        ColumnType::Bool => text.parse::<bool>().is_ok(),
        ColumnType::Date => text.parse::<Date>().is_ok(),
        ColumnType::Timestamp => text.parse::<jiff::Timestamp>().is_ok(),
        ColumnType::Money => scaled(text, PLACES).is_some(),
        ColumnType::Currency => text.parse::<CurrencyCode>().is_ok(),
    }
}

fn example(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::String => "smb",
        ColumnType::Int => "3",
        ColumnType::Float => "0.25",
        ColumnType::Bool => "true",
        ColumnType::Date => "2026-03-31",
        ColumnType::Timestamp => "2026-03-31T10:00:00Z",
        ColumnType::Money => "19.99",
        ColumnType::Currency => "USD",
    }
}

/// A decimal number as a whole number of 10^-places; `None` where it is none or has more places.
#[must_use]
pub fn scaled(text: &str, places: usize) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let point_alone = digits.contains('.') && fraction.is_empty();
    if whole.is_empty() || point_alone || !all(whole) || !all(fraction) {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(places));
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    format!("{whole}{kept:0<places$}").parse::<i128>().ok().map(|number| sign * number)
}

fn cell(node: &Node) -> Option<Cell> {
    match &node.kind {
        Kind::Null => Some(Cell { text: None, span: node.span }),
        Kind::Scalar { text, .. } => Some(Cell { text: Some(text.clone()), span: node.span }),
        Kind::Seq(_) | Kind::Map(_) => None,
    }
}

/// Rows in either form. `None` after a mistake was reported.
fn rows(node: &Node, diags: &mut Diagnostics) -> Option<Rows> {
    match &node.kind {
        Kind::Seq(items) => listed(items, diags),
        _ => table(node, diags),
    }
}

fn listed(items: &[Node], diags: &mut Diagnostics) -> Option<Rows> {
    let mut out = Rows::default();
    let mut sound = true;
    for item in items {
        let mut row: Vec<Option<Cell>> = vec![None; out.header.len()];
        for entry in item.entries().iter().filter(|e| !e.is_note()) {
            let Some(cell) = cell(&entry.value) else {
                let title = format!("`{}` holds a list or a map, expected one value", entry.key);
                diags.case(entry.key_span, &title, "a row is a map from columns to values");
                sound = false;
                continue;
            };
            let at = out.header.iter().position(|(name, _)| *name == entry.key).unwrap_or_else(|| {
                out.header.push((entry.key.clone(), entry.key_span));
                out.header.len() - 1
            });
            row.resize(out.header.len(), None);
            row[at] = Some(cell);
        }
        out.rows.push(row);
    }
    for row in &mut out.rows {
        row.resize(out.header.len(), None);
    }
    sound.then_some(out)
}

/// A table as Markdown writes it: a line of columns, a line of dashes, lines of cells.
fn table(node: &Node, diags: &mut Diagnostics) -> Option<Rows> {
    let text = node.text().unwrap_or_default();
    let file = diags.text().to_owned();
    let place = |part: std::ops::Range<usize>| span_inside(&file, node, &part).unwrap_or(node.span);
    let mut out = Rows::default();
    let mut sound = true;
    let mut start = 0;
    let mut lines = 0;
    for line in text.split('\n') {
        let at = start;
        start += line.len() + 1;
        if line.trim().is_empty() {
            continue;
        }
        let inner = line.trim().strip_prefix('|').and_then(|l| l.strip_suffix('|'));
        let Some(inner) = inner else {
            let help = "write `| column | column |`, a line `|---|---|`, and `| value | value |` per row";
            diags.case(place(at..at + line.len()), "a row of the table does not begin and end with `|`", help);
            return None;
        };
        let mut from = at + line.find('|').unwrap_or_default() + 1;
        let mut cells = Vec::new();
        for part in inner.split('|') {
            let value = part.trim();
            let begin = from + part.len() - part.trim_start().len();
            let span = if value.is_empty() { place(at..at + line.len()) } else { place(begin..begin + value.len()) };
            cells.push((value.to_owned(), span));
            from += part.len() + 1;
        }
        lines += 1;
        let is_rule = cells.iter().all(|(cell, _)| !cell.is_empty() && cell.bytes().all(|b| matches!(b, b'-' | b':')));
        match lines {
            1 => {
                for (i, (name, span)) in cells.iter().enumerate() {
                    if let Some((_, first)) = cells[..i].iter().find(|(other, _)| other == name) {
                        diags.repeated_item(*span, "columns", name, *first);
                        sound = false;
                    }
                }
                out.header = cells;
            }
            2 if is_rule => {}
            _ if cells.len() != out.header.len() => {
                let title = format!("a row has {} cells, the table has {} columns", cells.len(), out.header.len());
                diags.case(place(at..at + line.len()), &title, "write one cell per column; `NULL` for no value");
                sound = false;
            }
            _ => {
                let cell = |(text, span): (String, Span)| Cell { text: Some(text).filter(|text| text != NULL), span };
                out.rows.push(cells.into_iter().map(|c| Some(cell(c))).collect());
            }
        }
    }
    sound.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, value) in [
            ("19.99", Some(1_999_000_000)),
            ("-0.5", Some(-50_000_000)),
            ("7", Some(700_000_000)),
            ("1.000000000", Some(100_000_000)),
            ("1.000000001", None),
            ("1.", None),
            (".5", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(scaled(text, 8), value, "{text}");
        }
    }
}
