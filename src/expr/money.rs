//! Exact money: integers, divided and rounded once.

use polars::prelude::*;

use crate::expr::dims::int;
use crate::expr::texts::of_texts;

use crate::money;

/// Largest magnitude below which an amount in 64 bits is certainly exact, seen as a float.
pub const MAX_EXACT: f64 = 9.2e18;

/// `numerator / denominator` rounded half-even to a whole number, for `Int64` and a positive denominator.
///
/// Ties go to the even neighbour, so that repeated rounding has no drift; negative numerators round
/// symmetrically.
pub fn div_half_even(numerator: Expr, denominator: Expr) -> Expr {
    let floor = numerator.clone().floor_div(denominator.clone());
    let rest = numerator - floor.clone() * denominator.clone();
    round_half_even(&floor, rest, denominator)
}

/// As [`div_half_even`] of two columns, in steps, so that a quotient is found once: columns to add one after the other,
/// and the result as an expression over them. `name` tells them from others.
pub fn div_half_even_in_steps(numerator: &str, denominator: &str, name: &str) -> (Vec<Vec<Expr>>, Expr) {
    let (floor, rest) = (format!("#floor:{name}"), format!("#rest:{name}"));
    let steps = vec![
        vec![col(numerator).floor_div(col(denominator)).alias(floor.as_str())],
        vec![(col(numerator) - col(floor.as_str()) * col(denominator)).alias(rest.as_str())],
    ];
    (steps, round_half_even(&col(floor), col(rest), col(denominator)))
}

/// `amount * numerator / denominator` rounded half-even, without the full product: it cannot wrap
/// where `numerator` is at most `denominator` and their product is small.
pub fn share_of(amount: &Expr, numerator: i64, denominator: i64) -> Expr {
    let whole = amount.clone().floor_div(int(denominator));
    let part = (amount.clone() - whole.clone() * int(denominator)) * int(numerator);
    let part_floor = part.clone().floor_div(int(denominator));
    let rest = part - part_floor.clone() * int(denominator);
    round_half_even(&(whole * int(numerator) + part_floor), rest, int(denominator))
}

/// `amount * numerator / denominator` rounded half-even, exact over the whole range of the result.
///
/// The quotient is guessed in floats; what the guess is off by follows from the low 64 bits of the
/// products, which Polars' wrapping integers keep, because the true difference is small. Holds for
/// denominators up to 10^14; NULL where the result does not fit.
pub fn mul_div(amount: &Expr, numerator: &Expr, denominator: i64) -> Expr {
    mul_div_by(amount, numerator, &int(denominator))
}

/// As [`mul_div`] with a column of positive denominators.
pub fn mul_div_by(amount: &Expr, numerator: &Expr, denominator: &Expr) -> Expr {
    let float = |e: &Expr| e.clone().cast(DataType::Float64);
    let guess = (float(amount) * float(numerator) / float(denominator)).round(0, RoundMode::HalfToEven);
    let guess = when(guess.clone().abs().lt(lit(MAX_EXACT))).then(guess).otherwise(lit(NULL)).cast(DataType::Int64);
    let off = amount.clone() * numerator.clone() - guess.clone() * denominator.clone();
    let steps = off.clone().floor_div(denominator.clone());
    let rest = off - steps.clone() * denominator.clone();
    round_half_even(&(guess + steps), rest, denominator.clone())
}

/// As [`mul_div`], of one row: an amount that fits, and a positive denominator.
pub fn mul_div_of(amount: i64, numerator: i64, denominator: i64) -> Option<i64> {
    #[allow(clippy::cast_precision_loss, reason = "a guess")]
    let guess = (amount as f64 * numerator as f64 / denominator as f64).round_ties_even();
    if guess.abs() >= MAX_EXACT {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and fits")]
    let guess = guess as i64;
    let off = amount.wrapping_mul(numerator).wrapping_sub(guess.wrapping_mul(denominator));
    let floor = guess + off.div_euclid(denominator);
    let twice = off.rem_euclid(denominator) * 2;
    Some(floor + i64::from(twice > denominator || (twice == denominator && floor & 1 == 1)))
}

/// As [`mul_div`] for several columns at once, in steps, so that plans stay small.
///
/// Adds `to = from * numerator / denominator * unit` for each `(from, numerator, to)`.
pub fn with_products(frame: LazyFrame, products: &[(String, &str, String)], denominator: i64, unit: i64) -> LazyFrame {
    let float = |name: &str| col(name).cast(DataType::Float64);
    let temporary = |step: &str, to: &str| format!("__{step}_{to}");
    let each = |f: &dyn Fn(&(String, &str, String)) -> Expr| products.iter().map(f).collect::<Vec<_>>();
    #[allow(clippy::cast_precision_loss, reason = "a guess")]
    let whole = denominator as f64;
    let guessed = each(&|(from, numerator, to)| {
        let guess = (float(from) * float(numerator) / lit(whole)).round(0, RoundMode::HalfToEven);
        when(guess.clone().abs().lt(lit(MAX_EXACT)))
            .then(guess)
            .otherwise(lit(NULL))
            .cast(DataType::Int64)
            .alias(temporary("guess", to))
    });
    let off = each(&|(from, numerator, to)| {
        let off = col(from.as_str()) * col(*numerator) - col(temporary("guess", to)) * int(denominator);
        off.alias(temporary("off", to))
    });
    let floors = each(&|(_, _, to)| {
        let steps = col(temporary("off", to)).floor_div(int(denominator));
        (col(temporary("guess", to)) + steps).alias(temporary("floor", to))
    });
    let rests = each(&|(_, _, to)| {
        let steps = col(temporary("floor", to)) - col(temporary("guess", to));
        (col(temporary("off", to)) - steps * int(denominator)).alias(temporary("rest", to))
    });
    let rounded = each(&|(_, _, to)| {
        let floor = col(temporary("floor", to));
        (round_half_even(&floor, col(temporary("rest", to)), int(denominator)) * int(unit)).alias(to.as_str())
    });
    let gone: Vec<String> = products
        .iter()
        .flat_map(|(_, _, to)| ["guess", "off", "floor", "rest"].map(|step| temporary(step, to)))
        .collect();
    frame
        .with_columns(guessed)
        .with_columns(off)
        .with_columns(floors)
        .with_columns(rests)
        .with_columns(rounded)
        .drop(by_name(gone, true, false))
}

/// `floor` or one more, whichever is nearer to `floor + rest / denominator`; ties go to the even one.
fn round_half_even(floor: &Expr, rest: Expr, denominator: Expr) -> Expr {
    let rest2 = rest * int(2);
    // The last bit of a negative number says so, too.
    let odd = floor.clone().and(int(1)).eq(int(1));
    let up = rest2.clone().gt(denominator.clone()).or(rest2.eq(denominator).and(odd));
    floor.clone() + up.cast(DataType::Int64)
}

/// Units of the pipeline's scale in 10^-4 of a currency's minor unit: what amounts are rounded to.
///
/// 1 for a currency with the largest exponent of the pipeline, 100 for JPY beside USD. NULL for a
/// code that is not ISO 4217.
pub fn rounding_unit(currency: &Expr, scale: u8) -> Expr {
    // A currency with more places than the scale holds was refused with its source.
    by_places(currency, move |places| Some(10i64.pow(u32::from(scale.checked_sub(4 + places)?))))
}

/// A whole number per row by the decimal places of its currency; NULL for what is no ISO 4217 code.
///
/// Looked up once per code and batch: comparing every row with all codes takes several times as long.
pub fn by_places(currency: &Expr, value: impl Fn(u8) -> Option<i64> + Send + Sync + 'static) -> Expr {
    let of_code = move |code: &str| money::exponent(code).and_then(&value);
    if let Expr::Literal(LiteralValue::Scalar(one)) = currency
        && let Some(code) = one.as_any_value().get_str()
    {
        return of_code(code).map_or_else(|| lit(NULL).cast(DataType::Int64), int);
    }
    let of_rows = move |column: Column| {
        let values = of_texts(column.str()?, |code| code.and_then(&of_code));
        let name = column.name().clone();
        let known: Option<Vec<i64>> = values.iter().copied().collect();
        Ok(match known {
            Some(known) => Int64Chunked::from_vec(name, known),
            None => Int64Chunked::from_iter_options(name, values.into_iter()),
        }
        .into_column())
    };
    let whole = |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Int64));
    currency.clone().map_with_fmt_str(of_rows, whole, "by_places")
}

/// A float amount rounded half-even to whole units, as `Int64`; NULL where it does not fit.
pub fn float_to_units(amount: Expr) -> Expr {
    let rounded = amount.round(0, RoundMode::HalfToEven);
    when(rounded.clone().abs().lt(lit(MAX_EXACT))).then(rounded).otherwise(lit(NULL)).cast(DataType::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let out = df!(
            "n" => [5i64, 15, -5, -15, 7, -7, 25, 3, 1_000_000_000_000_000_001],
            "d" => [10i64, 10, 10, 10, 2, 2, 10, 3, 2],
        )
        .unwrap()
        .lazy();
        let (steps, stepped) = div_half_even_in_steps("n", "d", "q");
        let in_steps = steps.into_iter().fold(out.clone(), LazyFrame::with_columns).select([stepped.alias("q")]);
        for out in [out.select([div_half_even(col("n"), col("d")).alias("q")]), in_steps] {
            let out = out.collect().unwrap();
            let got: Vec<i64> = out.column("q").unwrap().i64().unwrap().into_no_null_iter().collect();
            assert_eq!(got, [0, 2, 0, -2, 4, -4, 2, 1, 500_000_000_000_000_000]);
        }
    }

    #[test]
    fn shares_are_exact_for_large_amounts() {
        let out = df!("a" => [9_000_000_000_000_000_001i64, -9_000_000_000_000_000_001, 5, 15])
            .unwrap()
            .lazy()
            .select([share_of(&col("a"), 500_000, 1_000_000).alias("half")])
            .collect()
            .unwrap();
        let got: Vec<i64> = out.column("half").unwrap().i64().unwrap().into_no_null_iter().collect();
        // Halves of odd amounts are ties: 4.5e18 + 0.5 goes down to even, 2.5 to 2, 7.5 to 8.
        assert_eq!(got, [4_500_000_000_000_000_000, -4_500_000_000_000_000_000, 2, 8]);
    }

    #[test]
    fn products_beyond_64_bits_are_divided_exactly() {
        // Rates at 10^-12: 0.007350 dollars a yen, 480 yen a dinar, and amounts near the end of the range.
        let rates = [7_350_000_000i64, 480_000_000_000_000, 999_999_999_999, 1_000_000_000_000, 500_000_000_000];
        let amounts = [1_234_567_890_123_456_789i64, 19_000_000_000_000_001, -9_000_000_000_000_000_001, 7, 3];
        let out = df!("a" => amounts, "n" => rates)
            .unwrap()
            .lazy()
            .select([mul_div(&col("a"), &col("n"), 1_000_000_000_000).alias("q")])
            .collect()
            .unwrap();
        let got: Vec<i64> = out.column("q").unwrap().i64().unwrap().into_no_null_iter().collect();
        let exact: Vec<i64> = amounts
            .iter()
            .zip(rates)
            .map(|(a, n)| {
                let (product, den) = (i128::from(*a) * i128::from(n), 1_000_000_000_000i128);
                let floor = product.div_euclid(den);
                let twice = product.rem_euclid(den) * 2;
                let up = twice > den || (twice == den && floor % 2 != 0);
                i64::try_from(floor + i128::from(up)).unwrap()
            })
            .collect();
        assert_eq!(got, exact);
        let of_rows = amounts.iter().zip(rates).map(|(a, n)| mul_div_of(*a, n, 1_000_000_000_000));
        assert_eq!(of_rows.collect::<Option<Vec<_>>>().unwrap(), exact);
        assert_eq!(mul_div_of(i64::MAX, 3, 2), None);
        assert_eq!([5, 15, -5, -15, 7].map(|n| mul_div_of(n, 1, 10)), [0, 2, 0, -2, 1].map(Some));
    }

    #[test]
    fn rounding_units_follow_the_exponents() {
        let out = df!("c" => ["USD", "JPY", "KWD", "XXQ"])
            .unwrap()
            .lazy()
            .select([rounding_unit(&col("c"), 6).alias("u")])
            .collect()
            .unwrap();
        let got: Vec<Option<i64>> = out.column("u").unwrap().i64().unwrap().iter().collect();
        assert_eq!(got, [Some(1), Some(100), None, None]);
    }
}
