//! Whether a stored type can be read as a declared one, and what that takes.

use crate::schema::ColumnType;
use crate::sources::{PhysicalType, Stored};
use crate::spec::pipeline::Parse;

/// Whether `parse` decides how a value of type `ty` is read.
pub(super) fn uses_parse(stored: Stored, ty: ColumnType) -> bool {
    match ty {
        ColumnType::Date | ColumnType::Timestamp => {
            stored.is_text() || matches!(stored, Stored::Whole { .. } | Stored::Decimal(_))
        }
        ColumnType::Int | ColumnType::Float | ColumnType::Money => stored.is_text(),
        ColumnType::Bool => !matches!(stored, Stored::Flag | Stored::Absent),
        ColumnType::String | ColumnType::Currency => false,
    }
}

/// Whether a zone decides how a value of type `ty` is read.
pub(super) fn uses_zone(stored: Stored, ty: ColumnType, parse: Option<Parse>) -> bool {
    match stored {
        Stored::Local => true,
        Stored::Date => ty == ColumnType::Timestamp,
        _ => stored.is_text() && parse == Some(Parse::IsoTimestamp),
    }
}

/// Why a stored type cannot be read as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No declaration reads it.
    Unsupported,
    /// A local time, and no zone is declared.
    NeedsZone,
    /// It is another type; what would help.
    Type(Option<&'static str>),
}

/// Whether a type takes a `parse` at all.
pub(super) fn takes_parse(ty: ColumnType, parse: Parse) -> bool {
    match parse {
        Parse::Number => matches!(ty, ColumnType::Int | ColumnType::Float | ColumnType::Money),
        Parse::Flag => ty == ColumnType::Bool,
        Parse::IsoDate => ty == ColumnType::Date,
        Parse::IsoTimestamp | Parse::EpochS | Parse::EpochMs | Parse::EpochUs => {
            matches!(ty, ColumnType::Date | ColumnType::Timestamp)
        }
    }
}

fn is_epoch(parse: Parse) -> bool {
    matches!(parse, Parse::EpochS | Parse::EpochMs | Parse::EpochUs)
}

/// How a column of type `physical` is read as `ty`.
pub(super) fn fit(ty: ColumnType, physical: &PhysicalType, parse: Option<Parse>, zone: bool) -> Result<Stored, Misfit> {
    use PhysicalType as P;
    let stored = match physical {
        P::Null => return Ok(Stored::Absent),
        P::Bool => Stored::Flag,
        P::Int { bits, signed } => Stored::Whole { unsigned: *bits == 64 && !signed },
        P::Float { .. } => Stored::Float,
        P::Decimal { scale, .. } => Stored::Decimal(*scale),
        P::String => Stored::Text,
        P::Category => Stored::Category,
        P::Binary => Stored::Bytes,
        P::Date => Stored::Date,
        P::Timestamp { utc: true, .. } => Stored::Instant,
        P::Timestamp { utc: false, .. } | P::Int96 => Stored::Local,
        P::FixedBinary(_) | P::Time | P::Duration | P::List | P::Struct | P::Map | P::Other(_) => {
            return Err(Misfit::Unsupported);
        }
    };
    match ty {
        ColumnType::String => text(stored),
        ColumnType::Currency if stored.is_text() => Ok(stored),
        ColumnType::Currency => Err(Misfit::Type(None)),
        ColumnType::Int | ColumnType::Float | ColumnType::Money => number(stored, parse),
        ColumnType::Bool => flag(stored, parse),
        ColumnType::Date | ColumnType::Timestamp => moment(ty, stored, parse, zone),
    }
}

fn text(stored: Stored) -> Result<Stored, Misfit> {
    match stored {
        Stored::Text | Stored::Category | Stored::Bytes | Stored::Whole { .. } => Ok(stored),
        Stored::Decimal(scale) if scale <= 0 => Ok(stored),
        Stored::Flag => Err(Misfit::Type(Some("declare it `type: bool`"))),
        Stored::Date => Err(Misfit::Type(Some("declare it `type: date`"))),
        Stored::Instant | Stored::Local => Err(Misfit::Type(Some("declare it `type: timestamp`, or `type: date`"))),
        Stored::Float | Stored::Decimal(_) | Stored::Absent => Err(Misfit::Type(Some(
            "a number with a fraction has no one spelling; declare it `type: float`, or `type: int` for ids",
        ))),
    }
}

fn number(stored: Stored, parse: Option<Parse>) -> Result<Stored, Misfit> {
    match stored {
        Stored::Whole { .. } | Stored::Float | Stored::Decimal(_) => Ok(stored),
        _ if stored.is_text() && parse == Some(Parse::Number) => Ok(stored),
        _ if stored.is_text() => {
            Err(Misfit::Type(Some("add `parse: number` to the column if every value is written like 1234.56")))
        }
        Stored::Flag => Err(Misfit::Type(Some("declare it `type: bool`"))),
        _ => Err(Misfit::Type(None)),
    }
}

fn flag(stored: Stored, parse: Option<Parse>) -> Result<Stored, Misfit> {
    match stored {
        Stored::Flag => Ok(stored),
        _ if !stored.is_text() && !matches!(stored, Stored::Whole { .. } | Stored::Decimal(0)) => {
            Err(Misfit::Type(None))
        }
        _ if parse == Some(Parse::Flag) => Ok(stored),
        _ => {
            Err(Misfit::Type(Some("add `parse: flag` to the column if every value is like true/false, yes/no or 1/0")))
        }
    }
}

fn moment(ty: ColumnType, stored: Stored, parse: Option<Parse>, zone: bool) -> Result<Stored, Misfit> {
    match (stored, parse) {
        (Stored::Instant, _) => Ok(stored),
        (Stored::Date, _) if ty == ColumnType::Date || zone => Ok(stored),
        (Stored::Date, _) => Err(Misfit::Type(Some(
            "a date is no instant: declare it `type: date`, or add the `zone` in which its day begins",
        ))),
        (Stored::Local, _) if zone => Ok(stored),
        (Stored::Local, _) => Err(Misfit::NeedsZone),
        (Stored::Whole { .. } | Stored::Decimal(0), Some(parse)) if is_epoch(parse) => Ok(stored),
        (Stored::Whole { .. } | Stored::Decimal(0), _) => Err(Misfit::Type(Some(
            "add `parse: epoch_s` to the column if the numbers are seconds since 1970, `epoch_ms` for milliseconds",
        ))),
        (_, Some(Parse::IsoDate | Parse::IsoTimestamp)) if stored.is_text() => Ok(stored),
        _ if stored.is_text() && ty == ColumnType::Date => Err(Misfit::Type(Some(
            "add `parse: iso_date` to the column if every value is written like 2026-03-31, `iso_timestamp` for 2026-03-31T23:15:00Z",
        ))),
        _ if stored.is_text() => Err(Misfit::Type(Some(
            "add `parse: iso_timestamp` to the column if every value is written like 2026-03-31T23:15:00Z",
        ))),
        _ => Err(Misfit::Type(None)),
    }
}
