//! Contracts on the rows of a source: what each means, and the expression that finds its bad rows.

mod depth;
mod references;
mod row;
mod unique;
mod value;

pub use depth::{MOST_OPERATORS, operators};
pub use row::{CurrencyRule, RowRule, check_regex};
pub use value::{Literal, canonical_type};

pub(crate) use references::{distinct_values, orphans, unknown_values};
pub(crate) use row::{check_column, unread_column};
pub(crate) use unique::{repeated, superseded, versions};
pub(crate) use value::days;
