//! Tables as plain rows, and how a published one is compared with what the reference says.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use jiff::civil::Date;

/// A row: values by the name of their column.
pub type Row = BTreeMap<String, Value>;

/// A published table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Columns in their order.
    pub columns: Vec<String>,
    /// Rows in their order.
    pub rows: Vec<Row>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Civil date.
    Date(Date),
    /// Text.
    Text(String),
    /// Exact amount, in units of the pipeline's scale.
    Money(i128),
    /// Amount that was found through a float: equal when it is as near as a float can tell.
    About(f64),
    /// Rate or ratio.
    Float(f64),
}

/// An exact amount, to be put into a row.
#[derive(Clone, Copy, Debug)]
pub struct Money(pub i128);

/// An amount found through a float, to be put into a row.
#[derive(Clone, Copy, Debug)]
pub struct About(pub f64);

macro_rules! values {
    ($($from:ty => $to:expr),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                $to(value)
            }
        })+
    };
}

values! {
    bool => Value::Bool,
    i64 => Value::Int,
    Date => Value::Date,
    String => Value::Text,
    f64 => Value::Float,
    &str => |text: &str| Value::Text(text.to_owned()),
    Money => |money: Money| Value::Money(money.0),
    About => |about: About| Value::About(about.0),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Date(v) => write!(f, "{v}"),
            Self::Text(v) => f.write_str(v),
            Self::Money(v) => write!(f, "{v}u"),
            Self::About(v) => write!(f, "~{v}u"),
            Self::Float(v) => write!(f, "{v:?}"),
        }
    }
}

/// Whether two floats are the same number up to the order of a few operations.
pub fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 + 1e-11 * a.abs().max(b.abs())
}

impl Value {
    /// Whether a published value is the expected one.
    pub fn is(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Self::Float(a), Self::Float(b)) => close(*a, *b),
            (Self::Money(a), Self::About(b)) => {
                let a = *a as f64;
                (a - b).abs() <= 1.0 + 1e-11 * b.abs()
            }
            (a, b) => a == b,
        }
    }

    /// The order in which tables are sorted: NULL behind everything, false before true.
    pub fn order(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Money(a), Self::Money(b)) => a.cmp(b),
            (a, b) => panic!("{a} and {b} do not stand in one column"),
        }
    }

    /// An exact amount; 0 for NULL.
    pub fn money(&self) -> i128 {
        match self {
            Self::Money(v) => *v,
            Self::Int(v) => i128::from(*v),
            Self::Null => 0,
            other => panic!("{other} is no amount"),
        }
    }

    /// A number; `None` for NULL.
    pub fn float(&self) -> Option<f64> {
        match self {
            Self::Float(v) => Some(*v),
            Self::Null => None,
            other => panic!("{other} is no float"),
        }
    }
}

/// A row from pairs of column and value.
macro_rules! row {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::laws::table::Row::from([$(($name.to_string(), $crate::laws::table::Value::from($value))),*])
    };
}
pub(crate) use row;

/// The values of some columns of a row.
pub fn pick(row: &Row, names: &[&str]) -> Vec<Value> {
    names.iter().map(|n| row.get(*n).unwrap_or_else(|| panic!("no column `{n}`")).clone()).collect()
}

/// Orders two rows by the columns of a grain.
fn by_grain(a: &Row, b: &Row, grain: &[&str]) -> Ordering {
    grain.iter().map(|n| a[*n].order(&b[*n])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares a published table with expected rows, which may come in any order: the published ones
/// must have the same columns, be sorted on the grain, and be the same one by one.
pub fn compare(name: &str, published: &Table, mut expected: Vec<Row>, grain: &[&str]) -> Result<(), String> {
    expected.sort_by(|a, b| by_grain(a, b, grain));
    if let Some(pair) = expected.windows(2).find(|w| by_grain(&w[0], &w[1], grain).is_eq()) {
        return Err(format!("{name}: the reference has two rows for {:?}", pick(&pair[0], grain)));
    }
    let columns: BTreeSet<&str> = published.columns.iter().map(String::as_str).collect();
    for row in &expected {
        let known: BTreeSet<&str> = row.keys().map(String::as_str).collect();
        if known != columns {
            let differ: Vec<_> = known.symmetric_difference(&columns).collect();
            return Err(format!("{name}: columns that only one side has: {differ:?}"));
        }
    }
    let (mut left, mut right) = (published.rows.iter().peekable(), expected.iter().peekable());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(()),
            (Some(row), None) => {
                return Err(format!("{name}: published row that the reference does not have: {}", shown(row)));
            }
            (None, Some(row)) => {
                return Err(format!("{name}: row of the reference that is not published: {}", shown(row)));
            }
            (Some(a), Some(b)) => match by_grain(a, b, grain) {
                Ordering::Less => {
                    return Err(format!("{name}: published row that the reference does not have: {}", shown(a)));
                }
                Ordering::Greater => {
                    return Err(format!("{name}: row of the reference that is not published: {}", shown(b)));
                }
                Ordering::Equal => same(name, a, b, grain)?,
            },
        }
    }
}

fn same(name: &str, published: &Row, expected: &Row, grain: &[&str]) -> Result<(), String> {
    let mut text = String::new();
    for (column, value) in expected {
        if !published[column].is(value) {
            let _ = write!(text, "\n  {column}: published {}, expected {value}", published[column]);
        }
    }
    if text.is_empty() {
        return Ok(());
    }
    let key: Vec<String> = grain.iter().map(|n| format!("{n}={}", expected[*n])).collect();
    Err(format!("{name}: {} differs{text}\n  published: {}", key.join(" "), shown(published)))
}

/// A row on one line.
pub fn shown(row: &Row) -> String {
    row.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}
