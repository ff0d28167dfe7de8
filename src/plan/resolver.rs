//! What a metric asks while it is resolved: its own keys, sources, columns, ledgers and dimensions.
//!
//! Every question that has no answer becomes a message at the place of the key that asked, so a
//! metric only names keys and never builds text about positions.

use indexmap::IndexMap;
use polars::prelude::{DataType, Expr, col, lit};

use std::ops::Range;

use crate::diag::{Diagnostics, Relation, Span};
use crate::expr::calendar::Calendar;
use crate::metrics::LedgerShape;
use crate::schema::{ColumnType, TableSchema};
use crate::spec::decode::{Place, decode_at};
use crate::spec::pipeline::{ColumnSpec, SourceSpec};
use crate::spec::tree::{Node, span_inside};
use crate::spec::types::Name;

/// What is the same for every table of a pipeline.
#[derive(Clone, Debug)]
pub struct Context {
    /// Last civil day the results cover.
    pub as_of: jiff::civil::Date,
    /// IANA name of the time zone whose days are meant.
    pub zone: String,
    /// Where weeks and fiscal years begin.
    pub calendar: Calendar,
    /// Amounts are whole numbers of 10^-scale major units.
    pub scale: u8,
    /// Reporting currency.
    pub currency: Option<String>,
}

/// A source as a metric sees it.
pub struct SourceRef<'a> {
    name: String,
    columns: &'a IndexMap<Name, ColumnSpec>,
}

impl SourceRef<'_> {
    /// Declared type of a column.
    pub fn type_of(&self, column: &str) -> Option<ColumnType> {
        self.columns.get(column).map(|c| c.ty)
    }
}

/// The columns of a source or table.
pub struct Columns {
    /// Names and types, in order.
    pub columns: Vec<(String, ColumnType)>,
    /// Whether they are those of a source.
    pub is_source: bool,
}

/// The table at hand, and what it may refer to.
pub struct Resolver<'a> {
    /// Name of the table.
    pub(super) table: &'a str,
    /// The table without the keys every table has.
    pub(super) body: &'a Node,
    /// Place of the table's key.
    pub(super) key_span: Span,
    pub(super) context: &'a Context,
    pub(super) sources: &'a IndexMap<Name, SourceSpec>,
    /// Tables resolved so far; `None` for those that are no ledger.
    pub(super) ledgers: &'a IndexMap<String, Option<LedgerShape>>,
    /// Columns of the tables resolved so far.
    pub(super) outputs: &'a IndexMap<String, TableSchema>,
    /// Names of all tables, for suggestions.
    pub(super) tables: &'a [String],
    pub(super) diags: &'a mut Diagnostics,
    /// Source columns the query reads.
    pub(super) reads: IndexMap<String, Vec<String>>,
    /// Tables the query reads.
    pub(super) inputs: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// What is the same for every table.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// The keys of the table as the metric declares them.
    pub fn spec<T: serde::de::DeserializeOwned + schemars::JsonSchema>(&mut self) -> Option<T> {
        let place = Place::new(format!("tables.{}", self.table), self.key_span);
        decode_at(self.body, &place, self.diags)
    }

    fn span(&self, path: &str) -> Span {
        if path.is_empty() {
            return self.key_span;
        }
        let steps: Vec<&str> = path.split('.').collect();
        if self.body.entry(steps[0]).is_none() { self.key_span } else { self.body.span_of(&steps) }
    }

    /// Reports a setting that cannot be used so.
    pub fn error(&mut self, path: &str, title: &str, help: &str) {
        let at = self.span(path);
        self.diags.setting(at, title, help);
    }

    /// The source of that name.
    pub fn source(&mut self, path: &str, name: &str) -> Option<SourceRef<'a>> {
        if let Some(source) = self.sources.get(name) {
            self.reads.entry(name.to_owned()).or_default();
            return Some(SourceRef { name: name.to_owned(), columns: &source.columns });
        }
        let at = self.span(path);
        if self.tables.iter().any(|t| t == name) {
            self.diags.setting(at, &format!("`{name}` is a table, expected a source"), "name one of `sources`");
        } else {
            let known: Vec<&str> = self.sources.keys().map(Name::as_str).collect();
            self.diags.unknown_input(at, name, &known);
        }
        None
    }

    /// A declared column of one of the expected types; the query will read it.
    pub fn column(
        &mut self,
        source: &SourceRef<'_>,
        path: &str,
        name: &str,
        expected: &[ColumnType],
    ) -> Option<String> {
        let at = self.span(path);
        let Some(spec) = source.columns.get(name) else {
            let known: Vec<&str> = source.columns.keys().map(Name::as_str).collect();
            self.diags.unknown_column(at, name, Relation::Source(&source.name), &known);
            return None;
        };
        if !expected.contains(&spec.ty) {
            let wanted: Vec<&str> = expected.iter().map(|t| t.name()).collect();
            self.diags.declared_type(at, name, &source.name, spec.ty.name(), &wanted.join(" or "));
            return None;
        }
        let reads = self.reads.entry(source.name.clone()).or_default();
        if !reads.iter().any(|r| r == name) {
            reads.push(name.to_owned());
        }
        Some(name.to_owned())
    }

    /// As [`Resolver::column`] for a key that may be absent: `Some(None)` then, `None` after a mistake.
    pub fn optional_column(
        &mut self,
        source: &SourceRef<'_>,
        path: &str,
        name: Option<&str>,
        expected: &[ColumnType],
    ) -> Option<Option<String>> {
        match name {
            None => Some(None),
            Some(name) => self.column(source, path, name, expected).map(Some),
        }
    }

    /// Currency of a money column, row by row.
    pub fn currency_of(&mut self, source: &SourceRef<'_>, money: &str) -> Option<Expr> {
        // An undeclared or currency-less money column has been reported with its source.
        let spec = source.columns.get(money)?;
        let code = match &spec.currency {
            None => self.context.currency.clone()?,
            Some(c) if source.columns.contains_key(c.as_str()) => {
                let reads = self.reads.entry(source.name.clone()).or_default();
                if !reads.contains(c) {
                    reads.push(c.clone());
                }
                return Some(col(c.as_str()));
            }
            Some(c) => c.clone(),
        };
        Some(lit(code).cast(DataType::String))
    }

    /// The pipeline's currency as a literal.
    pub fn reporting_currency(&mut self, path: &str) -> Option<Expr> {
        if self.context.currency.is_none() {
            self.error(
                path,
                "the pipeline has no reporting currency",
                "add `currency: USD` at the top level, or name a currency column here",
            );
        }
        self.context.currency.clone().map(|c| lit(c).cast(DataType::String))
    }

    /// The value at a path below the table as it is written.
    pub fn node(&self, path: &str) -> Option<&'a Node> {
        self.body.at(&path.split('.').collect::<Vec<_>>())
    }

    /// The place of a part of the text at `path`, given in bytes; of the whole text without one.
    pub fn place_in(&self, path: &str, part: Option<&Range<usize>>) -> Span {
        let whole = self.span(path);
        part.zip(self.node(path)).and_then(|(part, node)| span_inside(self.diags.text(), node, part)).unwrap_or(whole)
    }

    /// The place of a key below the table.
    pub fn key_place(&self, path: &str) -> Span {
        self.body.key_span_of(&path.split('.').collect::<Vec<_>>())
    }

    /// Where messages go that only one metric has.
    pub fn diags(&mut self) -> &mut Diagnostics {
        self.diags
    }

    /// Names of the sources, and of the tables other than this one.
    pub fn relations(&self) -> Vec<String> {
        let tables = self.tables.iter().filter(|t| *t != self.table).cloned();
        self.sources.keys().map(Name::to_string).chain(tables).collect()
    }

    /// The columns of a source or of a table that comes before this one. The query will read it.
    ///
    /// `Some(None)` for a table that is wrong itself, which has been reported; `None` for no such name.
    pub fn relation(&mut self, name: &str) -> Option<Option<Columns>> {
        if let Some(source) = self.sources.get(name) {
            self.reads.entry(name.to_owned()).or_default();
            let columns = source.columns.iter().map(|(column, spec)| (column.to_string(), spec.ty)).collect();
            return Some(Some(Columns { columns, is_source: true }));
        }
        if name == self.table || !self.tables.iter().any(|t| t == name) {
            return None;
        }
        if !self.inputs.iter().any(|i| i == name) {
            self.inputs.push(name.to_owned());
        }
        let output = self.outputs.get(name);
        Some(output.map(|schema| Columns {
            columns: schema.columns.iter().map(|c| (c.name.clone(), c.ty)).collect(),
            is_source: false,
        }))
    }

    /// Says that the query reads these columns of a source.
    pub fn reads(&mut self, source: &str, columns: impl IntoIterator<Item = String>) {
        if self.sources.contains_key(source) {
            let reads = self.reads.entry(source.to_owned()).or_default();
            for column in columns {
                if !reads.contains(&column) {
                    reads.push(column);
                }
            }
        }
    }

    /// The ledger of that name.
    pub fn ledger(&mut self, path: &str, name: &str) -> Option<LedgerShape> {
        let at = self.span(path);
        match self.ledgers.get(name) {
            Some(Some(shape)) => {
                if !self.inputs.iter().any(|i| i == name) {
                    self.inputs.push(name.to_owned());
                }
                return Some(shape.clone());
            }
            // The table itself is wrong, which has been reported.
            None if self.tables.iter().any(|t| t == name) => {}
            None if !self.sources.contains_key(name) => {
                let known: Vec<&str> = self.tables.iter().map(String::as_str).filter(|t| *t != self.table).collect();
                self.diags.unknown_input(at, name, &known);
            }
            Some(None) | None => {
                self.diags.setting(at, &format!("`{name}` is no ledger"), "name a table of type `mrr_ledger`");
            }
        }
        None
    }

    /// The query reads these source columns too: those of a ledger it carries on.
    pub fn also_reads(&mut self, reads: &IndexMap<String, Vec<String>>) {
        for (source, columns) in reads {
            let own = self.reads.entry(source.clone()).or_default();
            for column in columns {
                if !own.contains(column) {
                    own.push(column.clone());
                }
            }
        }
    }

    /// Dimensions of a ledger, at the items of the list at `path`.
    pub fn dimensions(&mut self, path: &str, shape: &LedgerShape, names: &[String]) -> Option<Vec<String>> {
        let mut out: Vec<String> = Vec::new();
        let mut sound = true;
        for (i, name) in names.iter().enumerate() {
            sound &= self.dimension(&format!("{path}.{i}"), shape, name).is_some();
            if out.contains(name) {
                self.error(&format!("{path}.{i}"), &format!("the dimension `{name}` is given twice"), "remove one");
                sound = false;
            }
            out.push(name.clone());
        }
        sound.then_some(out)
    }

    /// A dimension of a ledger.
    pub fn dimension(&mut self, path: &str, shape: &LedgerShape, name: &str) -> Option<()> {
        if shape.dimensions.iter().any(|d| d == name) {
            return Some(());
        }
        let at = self.span(path);
        let known: Vec<&str> = shape.dimensions.iter().map(String::as_str).collect();
        self.diags.unknown_dimension(at, name, &known);
        None
    }
}
