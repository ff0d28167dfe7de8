//! From stored values to canonical ones, one expression per column.
//!
//! Nothing is guessed and nothing wraps: a stored value that cannot be read exactly as declared
//! becomes NULL and is told apart from a stored NULL, so that the rule `parse(column)` finds it.

mod moment;
mod money;
mod number;
mod text;

pub(super) use moment::{epoch_step, known_days, known_instants, zone_of};

use polars::prelude::*;

use super::plan::{ColumnPlan, Stored};
use crate::checks::canonical_type;
use crate::schema::ColumnType;
use crate::spec::pipeline::Parse;

/// What holds for all columns of a source.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// Zone in which instants become civil dates.
    pub(super) zone: &'a str,
    /// Money is in units of 10^-scale of the major unit.
    pub(super) scale: u8,
}

/// How a column is read.
pub(super) struct Reading {
    /// The canonical value, before `null_as`.
    pub(super) value: Expr,
    /// Whether a value is stored; `None` where every stored value can be read.
    pub(super) given: Option<Expr>,
}

/// Reads `raw`, stored as `stored`, as `column` declares it; `readable` says that every value can be read.
///
/// The expression for money of a per-row currency names the currency column, which must be there
/// in its canonical form. NaN counts as NULL, as pandas means it.
pub(super) fn reading(
    column: &ColumnPlan,
    stored: Stored,
    readable: bool,
    raw: &Expr,
    setting: Setting<'_>,
) -> Reading {
    let ty = column.ty;
    let surely = |value: Expr| Reading { value, given: None };
    let checked = |value: Expr| Reading { value, given: (!readable).then(|| given(stored, raw)) };
    let raw = match stored {
        Stored::Absent => return surely(lit(NULL).cast(canonical_type(ty))),
        Stored::Category => raw.clone().cast(DataType::String),
        Stored::Bytes => text::utf8(raw.clone()),
        _ => raw.clone(),
    };
    match ty {
        ColumnType::String => match stored {
            Stored::Text | Stored::Category => surely(raw),
            Stored::Bytes => checked(raw),
            Stored::Decimal(_) => checked(number::whole(raw, stored).cast(DataType::String)),
            _ => surely(raw.cast(DataType::String)),
        },
        ColumnType::Currency => match stored {
            Stored::Text | Stored::Category => surely(text::currency(raw)),
            _ => checked(text::currency(raw)),
        },
        ColumnType::Int => match stored {
            Stored::Whole { unsigned: false } => surely(raw.cast(DataType::Int64)),
            _ => checked(number::whole(raw, stored)),
        },
        ColumnType::Float => match stored {
            Stored::Whole { .. } | Stored::Decimal(_) => surely(raw.cast(DataType::Float64)),
            _ => checked(number::float(raw, stored)),
        },
        ColumnType::Bool => match stored {
            Stored::Flag => surely(raw),
            _ => checked(text::flag(raw, stored)),
        },
        ColumnType::Date => match stored {
            Stored::Date if readable => surely(raw),
            Stored::Date => checked(moment::known_day(raw)),
            _ => checked(moment::date(raw, stored, readable, parse(column), column.zone.as_deref(), setting.zone)),
        },
        ColumnType::Timestamp => checked(moment::instant(raw, stored, readable, parse(column), column.zone.as_deref())),
        ColumnType::Money => match &column.money {
            Some(money) => checked(money::amount(&raw, stored, money, setting.scale)),
            None => surely(lit(NULL).cast(canonical_type(ty))),
        },
    }
}

/// Folder names are text; their form follows from the type.
fn parse(column: &ColumnPlan) -> Option<Parse> {
    match column.ty {
        ColumnType::Date if column.hive => column.parse.or(Some(Parse::IsoDate)),
        _ => column.parse,
    }
}

fn given(stored: Stored, raw: &Expr) -> Expr {
    let there = raw.clone().is_not_null();
    if stored == Stored::Float { there.and(raw.clone().is_not_nan()) } else { there }
}

/// `value` where `sound`, else NULL.
fn only_if(sound: Expr, value: Expr) -> Expr {
    when(sound).then(value).otherwise(lit(NULL))
}

/// Whether a text matches a regular expression of ours.
fn looks_like(text: &Expr, regex: &'static str) -> Expr {
    text.clone().str().contains(lit(regex), true)
}
