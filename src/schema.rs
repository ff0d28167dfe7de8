//! Column types as the user knows them. Nothing here knows Polars.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of a column, in a source as declared and in a table as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    String,
    /// Whole number, 64 bits.
    Int,
    /// Floating-point number. Never money.
    Float,
    /// True or false.
    Bool,
    /// Civil date in the pipeline's time zone.
    Date,
    /// Instant, kept in UTC with microseconds.
    Timestamp,
    /// Exact amount: fixed point at 10^-4 of the currency's minor unit.
    Money,
    /// ISO 4217 code, upper case.
    Currency,
}

impl ColumnType {
    /// The name used in the pipeline file and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Money => "money",
            Self::Currency => "currency",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column of a published table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Snake-case ASCII name, unique in its table.
    pub name: String,
    /// Type of the values.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Whether NULL can occur.
    pub nullable: bool,
    /// Unit of the values (`customers`, `rate`, `days`, `money`); empty where the name says it.
    pub unit: String,
    /// What a value means, one sentence.
    pub meaning: String,
}

/// The columns a table promises, in order, and the columns that identify a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableSchema {
    /// Columns in the order they are written.
    pub columns: Vec<Column>,
    /// Columns that identify a row; the table is sorted by them.
    pub grain: Vec<String>,
}

impl TableSchema {
    /// An empty schema with the given grain.
    pub fn with_grain<S: Into<String>>(grain: impl IntoIterator<Item = S>) -> Self {
        Self { columns: Vec::new(), grain: grain.into_iter().map(Into::into).collect() }
    }

    /// Adds a column that is never NULL.
    #[must_use]
    pub fn column(self, name: impl Into<String>, ty: ColumnType, unit: &str, meaning: impl Into<String>) -> Self {
        self.push(name.into(), ty, false, unit, meaning.into())
    }

    /// Adds a column that may be NULL.
    #[must_use]
    pub fn nullable(self, name: impl Into<String>, ty: ColumnType, unit: &str, meaning: impl Into<String>) -> Self {
        self.push(name.into(), ty, true, unit, meaning.into())
    }

    fn push(mut self, name: String, ty: ColumnType, nullable: bool, unit: &str, meaning: String) -> Self {
        self.columns.push(Column { name, ty, nullable, unit: unit.to_owned(), meaning });
        self
    }

    /// The column of that name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Column names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }
}

/// A value of a table or source, as it can be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// Whole number, or money in units of the pipeline's scale.
    Int(i64),
    /// Floating-point number.
    Float(f64),
    /// Civil date.
    Date(jiff::civil::Date),
    /// Text, a currency, or an instant as RFC 3339.
    Text(String),
}
