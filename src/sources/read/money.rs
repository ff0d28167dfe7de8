//! Amounts as whole numbers of units, in any stored form and any currency.

use polars::prelude::*;

use super::super::plan::{Currency, MoneyPlan, Stored};
use super::{number, only_if};
use crate::expr::money::by_places;
use crate::spec::pipeline::MoneyUnit;

/// Decimal places that floats keep behind the minor unit of their currency.
const FLOAT_PLACES: u8 = 4;

/// Largest float that certainly fits 64 bits.
const LARGEST: f64 = 9.2e18;

/// An amount in units of 10^-`scale` of the major unit.
///
/// Integers, decimals and texts are exact. A float is rounded half-even to 10^-4 of the minor unit
/// of its currency. NULL where an amount does not fit 64 bits, has more digits than the scale
/// keeps, or has no currency that the pipeline plans for.
pub(super) fn amount(raw: &Expr, stored: Stored, money: &MoneyPlan, scale: u8) -> Expr {
    let per_minor = move |places: u8| (places <= scale).then(|| scale - places);
    match stored {
        Stored::Float => {
            let float = raw.clone().cast(DataType::Float64);
            // Units of 10^-4 minor units first, so that rounding is the currency's, then whole steps.
            let unit = money.unit;
            let shift = by_currency(money, scale, move |places| {
                let behind_point = match unit {
                    MoneyUnit::Minor => FLOAT_PLACES,
                    MoneyUnit::Major => places + FLOAT_PLACES,
                };
                Some(10_i64.pow(u32::from(behind_point)))
            });
            let rounded = (float * shift.cast(DataType::Float64)).round(0, RoundMode::HalfToEven);
            let fits = rounded.clone().abs().lt(lit(LARGEST));
            let rounded = only_if(fits, rounded).cast(DataType::Int64);
            times(rounded, |limit| {
                by_currency(money, scale, move |places| {
                    let step = 10_i64.pow(u32::from(per_minor(places)?.checked_sub(FLOAT_PLACES)?));
                    Some(if limit { i64::MAX / step } else { step })
                })
            })
        }
        Stored::Decimal(stored_places) => {
            let units = number::decimal(raw.clone(), stored_places, scale);
            minor_to_units(units, money, scale).cast(DataType::Int64)
        }
        Stored::Text | Stored::Category | Stored::Bytes => {
            minor_to_units(number::digits(raw.clone(), scale), money, scale)
        }
        _ => times(raw.clone().cast(DataType::Int64), |limit| {
            let unit = money.unit;
            by_currency(money, scale, move |places| {
                let exponent = match unit {
                    MoneyUnit::Minor => per_minor(places)?,
                    MoneyUnit::Major => scale,
                };
                let step = 10_i64.pow(u32::from(exponent));
                Some(if limit { i64::MAX / step } else { step })
            })
        }),
    }
}

/// `number` times a step that may differ by row; NULL where the product would leave 64 bits.
fn times(number: Expr, step_or_limit: impl Fn(bool) -> Expr) -> Expr {
    let limit = step_or_limit(true);
    let fits = number.clone().lt_eq(limit.clone()).and(number.clone().gt_eq(lit(0_i64) - limit));
    only_if(fits, number) * step_or_limit(false)
}

/// What was read as if in major units, where it is in minor ones: divided, without any remainder.
fn minor_to_units(units: Expr, money: &MoneyPlan, scale: u8) -> Expr {
    let size = by_currency(money, scale, |places| Some(10_i64.pow(u32::from(places))));
    match money.unit {
        MoneyUnit::Major => only_if(size.is_not_null(), units),
        MoneyUnit::Minor => {
            let whole = units.clone().floor_div(size.clone());
            only_if((whole.clone() * size).eq(units), whole)
        }
    }
}

/// A whole number per row that depends on the decimal places of the row's currency; NULL for a currency
/// that is none, or has more places than the pipeline's scale keeps.
fn by_currency(money: &MoneyPlan, scale: u8, value: impl Fn(u8) -> Option<i64> + Send + Sync + 'static) -> Expr {
    match &money.currency {
        Currency::Code(code) => value(code.exponent()).map_or_else(|| lit(NULL), lit),
        Currency::Column(column) => {
            let most = scale.saturating_sub(FLOAT_PLACES);
            by_places(&col(column.as_str()), move |places| value(places).filter(|_| places <= most))
        }
    }
}
