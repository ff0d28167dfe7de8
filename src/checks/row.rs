//! Contracts on single rows.

use std::fmt;

use polars::prelude::*;

use super::Literal;
use crate::expr::money::by_places;

/// What a currency rule asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrencyRule {
    /// A value is an ISO 4217 code; with a limit, one whose minor unit has at most so many places.
    Known {
        /// Most decimal places that the pipeline's money can hold.
        places: Option<u8>,
    },
    /// An amount has a currency, which stands in this column.
    Given(String),
}

/// A contract on one row. Displays as the rule is named in reports: `not_null(customer_id)`.
#[derive(Clone, Debug)]
pub enum RowRule {
    /// A stored value can be read as declared.
    Parse(String),
    /// A currency column holds currencies, an amount has one.
    Currency(String, CurrencyRule),
    /// No NULL.
    NotNull(String),
    /// One of these values.
    OneOf(String, Vec<Literal>),
    /// At least this value.
    Min(String, Literal),
    /// At most this value.
    Max(String, Literal),
    /// Text that the regular expression matches.
    Matches(String, String),
    /// Text of at least and at most so many characters.
    Length(String, Option<u32>, Option<u32>),
    /// A condition of the pipeline file; false breaks it, NULL passes.
    Check {
        /// Its name.
        name: String,
        /// The columns it reads.
        columns: Vec<String>,
        /// Why it exists.
        description: Option<String>,
    },
}

impl fmt::Display for RowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(column) => write!(f, "parse({column})"),
            Self::Currency(column, _) => write!(f, "currency({column})"),
            Self::NotNull(column) => write!(f, "not_null({column})"),
            Self::OneOf(column, _) => write!(f, "one_of({column})"),
            Self::Min(column, _) => write!(f, "min({column})"),
            Self::Max(column, _) => write!(f, "max({column})"),
            Self::Matches(column, _) => write!(f, "matches({column})"),
            Self::Length(column, ..) => write!(f, "length({column})"),
            Self::Check { name, .. } => f.write_str(name),
        }
    }
}

impl RowRule {
    /// The columns whose values say why a row breaks the rule.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Parse(column)
            | Self::Currency(column, CurrencyRule::Known { .. })
            | Self::NotNull(column)
            | Self::OneOf(column, _)
            | Self::Min(column, _)
            | Self::Max(column, _)
            | Self::Matches(column, _)
            | Self::Length(column, ..) => vec![column],
            Self::Currency(column, CurrencyRule::Given(currency)) => vec![column, currency],
            Self::Check { columns, .. } => columns.iter().map(String::as_str).collect(),
        }
    }

    /// What to do about rows that break the rule, where that is not plain from its name.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Parse(column) => Some(format!("a stored value of `{column}` is not written as declared")),
            Self::Currency(column, CurrencyRule::Known { places: Some(_) }) => Some(format!(
                "add the code to `one_of` of `{column}` if it is a currency, so that its decimal places are planned for"
            )),
            Self::Currency(column, CurrencyRule::Known { places: None }) => {
                Some(format!("`{column}` holds something else than an ISO 4217 code"))
            }
            Self::Currency(column, CurrencyRule::Given(currency)) => Some(format!(
                "`{column}` holds an amount where `{currency}` is NULL; set `null_as` on `{currency}` if that means one currency"
            )),
            Self::Check { description, .. } => description.clone(),
            _ => None,
        }
    }

    /// True in a row that breaks the rule; false or NULL elsewhere.
    ///
    /// Sees the canonical columns, for every column whose reading can fail a column [`unread_column`]
    /// that is true where it did, and for every check a column [`check_column`] with what it says.
    pub(crate) fn failing(&self) -> Expr {
        match self {
            Self::Parse(column) => col(unread_column(column)),
            Self::Currency(column, CurrencyRule::Known { places }) => {
                let most = places.unwrap_or(u8::MAX);
                let known = by_places(&col(column.as_str()), move |places| (places <= most).then_some(1));
                col(column.as_str()).is_not_null().and(known.is_null())
            }
            Self::Currency(column, CurrencyRule::Given(currency)) => {
                col(unread_column(column)).and(col(currency.as_str()).is_null())
            }
            Self::NotNull(column) => col(column.as_str()).is_null(),
            Self::OneOf(column, values) => col(column.as_str())
                .is_not_null()
                .and(values.iter().fold(lit(true), |all, value| all.and(col(column.as_str()).neq(value.expr())))),
            Self::Min(column, value) => col(column.as_str()).lt(value.expr()),
            Self::Max(column, value) => col(column.as_str()).gt(value.expr()),
            Self::Matches(column, regex) => col(column.as_str()).str().contains(lit(regex.as_str()), true).not(),
            Self::Length(column, least, most) => {
                let length = col(column.as_str()).str().len_chars();
                let short = least.map(|least| length.clone().lt(lit(least)));
                let long = most.map(|most| length.gt(lit(most)));
                short.into_iter().chain(long).reduce(Expr::or).unwrap_or_else(|| lit(false))
            }
            Self::Check { name, .. } => col(check_column(name)).not(),
        }
    }
}

/// The helper column that is true where a stored value of `column` could not be read.
pub(crate) fn unread_column(column: &str) -> String {
    format!("#unread:{column}")
}

/// The helper column that holds what a check says of a row.
pub(crate) fn check_column(name: &str) -> String {
    format!("#check:{name}")
}

/// Compiles a regular expression in the engine's dialect.
///
/// # Errors
///
/// What the compiler says.
pub fn check_regex(regex: &str) -> Result<(), String> {
    StringChunked::new("text".into(), [""]).contains(regex, true).map(drop).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_regex_is_named() {
        assert!(check_regex("^[A-Z]{2}$").is_ok());
        assert!(check_regex("([A-Z]").unwrap_err().contains("unclosed"));
    }
}
