//! Messages of group `T02`: sources, their columns, and the files behind them.

use std::fmt;

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote, quote_all};

/// A source or a table, by name; displays as "source `customers`".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation<'a> {
    /// An entry of `sources:`.
    Source(&'a str),
    /// An entry of `tables:`, or one of the tables it emits.
    Table(&'a str),
    /// The query of a `sql` table, or what it reads.
    Query,
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(name) => write!(f, "source {}", quote(name)),
            Self::Table(name) => write!(f, "table {}", quote(name)),
            Self::Query => f.write_str("the query"),
        }
    }
}

impl Diagnostics {
    /// `column` is not among the columns of `of`.
    pub fn unknown_column(&mut self, at: Span, column: &str, of: Relation<'_>, known: &[&str]) {
        let title = format!("{of} has no column {}", quote(column));
        let mut message = Diagnostic::error(Code::UnknownColumn, title).at(at);
        message.help.extend(did_you_mean(column, known, "its columns"));
        self.push(message);
    }

    /// The files hold `found` where `expected` is declared; `help` says how it can be read.
    pub fn column_type(
        &mut self,
        at: Span,
        column: &str,
        source: &str,
        found: &str,
        expected: &str,
        help: Option<String>,
    ) {
        let title = format!("column {} of {} is {found}, expected {expected}", quote(column), quote(source));
        let mut message = Diagnostic::error(Code::ColumnType, title).at(at);
        message.help.extend(help);
        self.push(message);
    }

    /// The files hold a type that no declaration can read, such as a map.
    pub fn unsupported_type(&mut self, at: Span, column: &str, source: &str, found: &str) {
        let title = format!("column {} of {} has the unsupported type {found}", quote(column), quote(source));
        self.push(
            Diagnostic::error(Code::UnsupportedType, title)
                .at(at)
                .help("remove the column here, or export it as a flat column"),
        );
    }

    /// Two files of one source hold a column with different types; each is (file, type).
    pub fn conflicting_types(&mut self, at: Span, column: &str, source: &str, one: (&str, &str), other: (&str, &str)) {
        let title = format!(
            "column {} of {} is {} in {} and {} in {}",
            quote(column),
            quote(source),
            one.1,
            quote(one.0),
            other.1,
            quote(other.0)
        );
        self.push(
            Diagnostic::error(Code::ConflictingTypes, title)
                .at(at)
                .help("export the files again with one schema, or narrow the path to the files that agree"),
        );
    }

    /// No file matches `path`; `nearest` is the deepest folder of it that exists.
    pub fn no_files(&mut self, at: Span, source: &str, path: &str, nearest: Option<&str>) {
        let title = format!("source {}: no file matches {}", quote(source), quote(path));
        let message = Diagnostic::error(Code::NoFiles, title).at(at);
        let message = match nearest {
            Some(folder) => message.help(format!("the nearest folder that exists is {}", quote(folder))),
            None => message.help("a path is relative to the pipeline file, not to the working directory"),
        };
        self.push(message.help("write `optional: true` if the export may be absent"));
    }

    /// A money column without `currency`, in a pipeline that declares none either.
    pub fn money_without_currency(&mut self, at: Span, column: &str, source: &str) {
        let title = format!("money column {} of {} has no currency", quote(column), quote(source));
        self.push(
            Diagnostic::error(Code::MoneyWithoutCurrency, title)
                .at(at)
                .help("name a code or the column that holds it: `currency: USD` or `currency: currency_code`"),
        );
    }

    /// A money column without `unit`.
    pub fn money_without_unit(&mut self, at: Span, column: &str, source: &str) {
        let title = format!("money column {} of {} has no unit", quote(column), quote(source));
        self.push(
            Diagnostic::error(Code::MoneyWithoutUnit, title)
                .at(at)
                .help("write `unit: minor` if 1999 means 19.99, `unit: major` if 19.99 is written as such"),
        );
    }

    /// A timestamp column that is an instant in an unknown zone.
    pub fn timestamp_without_zone(&mut self, at: Span, column: &str, source: &str) {
        let title = format!("timestamp column {} of {} has no time zone", quote(column), quote(source));
        self.push(
            Diagnostic::error(Code::TimestampWithoutZone, title)
                .at(at)
                .help("say in which zone the export writes it: `zone: UTC`"),
        );
    }

    /// `key:` of a source names a column that `columns:` does not declare.
    pub fn key_not_declared(&mut self, at: Span, column: &str, source: &str, known: &[&str]) {
        let title = format!("key column {} of {} is not declared", quote(column), quote(source));
        let mut message = Diagnostic::error(Code::KeyNotDeclared, title).at(at);
        message.help.extend(did_you_mean(column, known, "declared columns"));
        self.push(message);
    }

    /// `references: target` points nowhere; `known` are the `source.column` that exist.
    pub fn unknown_reference(&mut self, at: Span, target: &str, known: &[&str]) {
        let title = format!("`references` names {}, which does not exist", quote(target));
        let mut message = Diagnostic::error(Code::UnknownReference, title).at(at);
        message.help.extend(did_you_mean(target, known, "it takes `source.column`; known are"));
        self.push(message);
    }

    /// No table reads `source`; a warning.
    pub fn unused_source(&mut self, at: Span, source: &str, tables: &[&str]) {
        let message = Diagnostic::warning(Code::UnusedSource, format!("source {} is read by no table", quote(source)));
        let help = if tables.is_empty() {
            "remove it, or add a table that reads it".to_owned()
        } else {
            format!("remove it, or read it in one of {}", quote_all(tables))
        };
        self.push(message.at(at).help(help));
    }
}
