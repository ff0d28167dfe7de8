//! Values of a column: their type once it is read, and how the pipeline file writes them.

use jiff::Timestamp;
use jiff::civil::Date;
use polars::prelude::{DataType, Expr, TimeUnit, TimeZone, lit};

use crate::money;
use crate::schema::ColumnType;

/// The engine's type of a column once it is read: what every query sees.
///
/// Money is `Int64` in units of the pipeline's scale, an instant is microseconds in UTC, a currency
/// is text in upper case.
#[must_use]
pub fn canonical_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::String | ColumnType::Currency => DataType::String,
        ColumnType::Int | ColumnType::Money => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
    }
}

/// A value of a column, in the form that the column has once it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Text, or a currency code in upper case.
    Text(String),
    /// Whole number; an amount of money in units of the pipeline's scale.
    Int(i64),
    /// Finite number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl Literal {
    /// Reads `text` as a value of type `ty`; money is in major units.
    ///
    /// # Errors
    ///
    /// What such a value looks like, with an example.
    pub fn read(text: &str, ty: ColumnType, money_scale: u8) -> Result<Self, &'static str> {
        match ty {
            ColumnType::String => Ok(Self::Text(text.to_owned())),
            ColumnType::Int => text.parse().map(Self::Int).map_err(|_| "write a whole number such as `12`"),
            ColumnType::Float => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Float(number)),
                _ => Err("write a number such as `0.5`"),
            },
            ColumnType::Bool => match text {
                "true" => Ok(Self::Bool(true)),
                "false" => Ok(Self::Bool(false)),
                _ => Err("write `true` or `false`"),
            },
            ColumnType::Date => {
                text.parse().map(|date| Self::Date(days(date))).map_err(|_| "write a date such as `2026-03-31`")
            }
            ColumnType::Timestamp => text
                .parse::<Timestamp>()
                .map(|instant| Self::Timestamp(instant.as_microsecond()))
                .map_err(|_| "write an instant such as `2026-03-31T00:00:00Z`"),
            ColumnType::Money => {
                exact(text, money_scale).map(Self::Int).ok_or("write an amount in major units such as `19.99`")
            }
            ColumnType::Currency => {
                let code = text.trim().to_ascii_uppercase();
                if money::exponent(&code).is_some() {
                    Ok(Self::Text(code))
                } else {
                    Err("write an ISO 4217 code such as `USD`")
                }
            }
        }
    }

    /// The value as an expression of its column's type.
    pub(crate) fn expr(&self) -> Expr {
        match self {
            Self::Text(text) => lit(text.as_str()),
            Self::Int(number) => lit(*number),
            Self::Float(number) => lit(*number),
            Self::Bool(flag) => lit(*flag),
            Self::Date(days) => lit(*days).cast(canonical_type(ColumnType::Date)),
            Self::Timestamp(micros) => lit(*micros).cast(canonical_type(ColumnType::Timestamp)),
        }
    }

    /// Whether this value is smaller than one of the same kind; false for kinds without an order.
    #[must_use]
    pub fn less_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a < b,
            (Self::Float(a), Self::Float(b)) => a < b,
            (Self::Date(a), Self::Date(b)) => a < b,
            _ => false,
        }
    }
}

/// Days since 1970-01-01.
pub(crate) fn days(date: Date) -> i32 {
    let epoch = Date::constant(1970, 1, 1);
    // Both dates lie within years -9999 to 9999: the span has no other unit than days.
    date.since(epoch).map_or(0, |span| span.get_days())
}

/// A decimal text as a whole number of units of 10^-`scale`; `None` where digits would be lost.
fn exact(text: &str, scale: u8) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fraction_cut = fraction.trim_end_matches('0');
    if !numeric(whole) || !numeric(fraction) || fraction_cut.len() > usize::from(scale) {
        return None;
    }
    let units: i64 = format!("{whole}{fraction_cut:0<width$}", width = usize::from(scale)).parse().ok()?;
    Some(if negative { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        use ColumnType as T;
        for (text, ty, want) in [
            ("12", T::Int, Some(Literal::Int(12))),
            ("1.5", T::Int, None),
            ("-1.5", T::Money, Some(Literal::Int(-1_500_000))),
            ("0.0000001", T::Money, None),
            ("0.5000000", T::Money, Some(Literal::Int(500_000))),
            ("1e3", T::Money, None),
            ("nan", T::Float, None),
            ("0.25", T::Float, Some(Literal::Float(0.25))),
            ("yes", T::Bool, None),
            ("true", T::Bool, Some(Literal::Bool(true))),
            ("1970-01-02", T::Date, Some(Literal::Date(1))),
            ("1969-12-31", T::Date, Some(Literal::Date(-1))),
            ("2026-02-30", T::Date, None),
            ("1970-01-01T09:00:00+09:00", T::Timestamp, Some(Literal::Timestamp(0))),
            ("1970-01-01", T::Timestamp, None),
            ("usd", T::Currency, Some(Literal::Text("USD".into()))),
            ("XXX", T::Currency, None),
        ] {
            assert_eq!(Literal::read(text, ty, 6).ok(), want, "{text} as {ty}");
        }
    }
}
