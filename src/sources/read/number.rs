//! Numbers, exact: nothing is rounded that a user did not write as a float.

use polars::prelude::*;

use super::super::plan::Stored;
use super::{looks_like, only_if};

/// Largest magnitude up to which every whole number is a float.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Whole numbers; NULL where a fraction would be lost or 64 bits do not suffice.
pub(super) fn whole(raw: Expr, stored: Stored) -> Expr {
    match stored {
        Stored::Float => {
            let float = raw.cast(DataType::Float64);
            let exact = float.clone().floor().eq(float.clone()).and(float.clone().abs().lt_eq(lit(EXACT_FLOAT)));
            only_if(exact, float).cast(DataType::Int64)
        }
        Stored::Decimal(places) => decimal(raw, places, 0).cast(DataType::Int64),
        Stored::Text | Stored::Category | Stored::Bytes => digits(raw, 0),
        _ => raw.cast(DataType::Int64),
    }
}

/// Finite numbers.
pub(super) fn float(raw: Expr, stored: Stored) -> Expr {
    let float = if stored.is_text() {
        let text = raw.str().strip_chars(lit(NULL));
        only_if(looks_like(&text, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"), text).cast(DataType::Float64)
    } else {
        raw.cast(DataType::Float64)
    };
    only_if(float.clone().is_finite(), float)
}

/// A decimal number as `Int128` in units of 10^-`places`; NULL where digits would be lost.
pub(super) fn decimal(raw: Expr, stored_places: i8, places: u8) -> Expr {
    let wanted = DataType::Decimal(38, usize::from(places));
    let moved = raw.clone().cast(wanted);
    let units = moved.clone().to_physical().cast(DataType::Int128);
    match usize::try_from(stored_places) {
        Ok(stored) if stored > usize::from(places) => {
            let back = moved.cast(DataType::Decimal(38, stored));
            only_if(back.eq(raw), units)
        }
        _ => units,
    }
}

/// A decimal text as `Int64` in units of 10^-`places`; NULL where it is none, or digits would be lost.
///
/// Never goes through a float. Takes `12`, `-12.50`, `+.5`, outer space; no exponent, no grouping.
pub(super) fn digits(raw: Expr, places: u8) -> Expr {
    let text = raw.str().strip_chars(lit(NULL));
    let numeric = looks_like(&text, r"^[+-]?(\d+\.?\d*|\.\d+)$");
    let negative = text.clone().str().starts_with(lit("-"));
    let parts = text.str().strip_chars_start(lit("+-")).str().splitn(lit("."), 2);
    let part = |name: &str| parts.clone().struct_().field_by_name(name).fill_null(lit(""));
    let fraction = part("field_1").str().strip_chars_end(lit("0"));
    let fits = fraction.clone().str().len_bytes().lt_eq(lit(u32::from(places)));
    let filled = concat_str([fraction, lit("0".repeat(usize::from(places)))], "", false);
    let units = concat_str([lit("0"), part("field_0"), filled.str().head(lit(i64::from(places)))], "", false)
        .cast(DataType::Int64);
    let signed = when(negative).then(lit(0_i64) - units.clone()).otherwise(units);
    only_if(numeric.and(fits), signed)
}
