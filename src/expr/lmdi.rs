//! The change of a product taken apart into what each factor did to it.
//!
//! Logarithmic mean Divisia index, additive (LMDI-I). For `y = f · g · ..` going from `y0` to `y1`,
//! the factor `f` contributes `L(y1, y0) · ln(f1 / f0)` with the logarithmic mean
//! `L(a, b) = (a - b) / (ln a - ln b)`, `L(a, a) = a`. The contributions sum to `y1 - y0` whatever
//! the order of the factors, and none is left over. All factors have to be positive in both periods.
//!
//! Source: B. W. Ang, "Decomposition analysis for policymaking in energy", Energy Policy 32 (2004).

use polars::prelude::*;

/// Below this, the logarithm of a ratio is too near to zero to divide by.
const NEAR: f64 = 1e-3;

/// The logarithmic mean of two positive floats; NULL where one is NULL or not positive.
pub fn log_mean(a: &Expr, b: &Expr) -> Expr {
    let x = ln(a.clone() / b.clone());
    // With x near zero, L = √(ab) · sinh(x/2) / (x/2) by its series, which is exact to the last places.
    let near = (a.clone() * b.clone()).sqrt() * (lit(1.0) + x.clone() * x.clone() / lit(24.0));
    let far = (a.clone() - b.clone()) / x.clone();
    let positive = a.clone().gt(lit(0.0)).and(b.clone().gt(lit(0.0)));
    let mean = when(x.abs().lt(lit(NEAR))).then(near).otherwise(far);
    when(positive).then(mean).otherwise(lit(NULL))
}

/// What a factor that went from `before` to `after` did to a product with this logarithmic mean.
pub fn contribution(log_mean: Expr, after: Expr, before: Expr) -> Expr {
    let positive = after.clone().gt(lit(0.0)).and(before.clone().gt(lit(0.0)));
    when(positive).then(log_mean * ln(after / before)).otherwise(lit(NULL))
}

fn ln(of: Expr) -> Expr {
    of.log(lit(std::f64::consts::E))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contributions of two factors of a product, `f · g`.
    fn apart(before: (f64, f64), after: (f64, f64)) -> [Option<f64>; 2] {
        let frame = df!("f0" => [before.0], "g0" => [before.1], "f1" => [after.0], "g1" => [after.1]).unwrap();
        let mean = log_mean(&(col("f1") * col("g1")), &(col("f0") * col("g0")));
        let out = frame
            .lazy()
            .select([
                contribution(mean.clone(), col("f1"), col("f0")).alias("f"),
                contribution(mean, col("g1"), col("g0")).alias("g"),
            ])
            .collect()
            .unwrap();
        ["f", "g"].map(|name| out.column(name).unwrap().f64().unwrap().get(0))
    }

    #[test]
    fn the_published_vector() {
        // ARPU 100 to 110 and lifetime 20 to 25 months: 2000 to 2750.
        let [arpu, lifetime] = apart((100.0, 1.0 / 0.05), (110.0, 1.0 / 0.04)).map(Option::unwrap);
        assert_eq!((format!("{arpu:.2}"), format!("{lifetime:.2}")), ("224.47".to_owned(), "525.53".to_owned()));
        assert!((arpu + lifetime - 750.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_left_over() {
        for (before, after) in [
            ((1.0, 3.0), (2.0, 7.0)),
            ((8.0, 0.5), (2.0, 0.125)),
            ((100.0, 5.0), (200.0, 2.5)),
            ((100.0, 5.0), (100.000_001, 5.0)),
            ((100.0, 5.0), (100.0 + 4e-12, 5.0)),
            ((1e9, 1e6), (1e9, 1e6 + 0.5)),
            ((3.0, 7.0), (3.0, 7.0)),
        ] {
            let change = after.0 * after.1 - before.0 * before.1;
            let [f, g] = apart(before, after).map(Option::unwrap);
            assert!((f + g - change).abs() <= 1e-11 * (before.0 * before.1), "{before:?} {after:?}: {f} {g} {change}");
            let [back_f, back_g] = apart(after, before).map(Option::unwrap);
            let hair = 1e-11 * (before.0 * before.1);
            assert!((f + back_f).abs() <= hair && (g + back_g).abs() <= hair, "{before:?} {after:?}");
        }
    }

    #[test]
    fn factors_that_cancel_are_told_apart() {
        // Twice the price over half the time: 500 · ln 2 each way.
        let [price, time] = apart((100.0, 5.0), (200.0, 2.5)).map(Option::unwrap);
        assert_eq!((format!("{price:.4}"), format!("{time:.4}")), ("346.5736".to_owned(), "-346.5736".to_owned()));
    }

    #[test]
    fn zero_has_no_logarithm() {
        assert_eq!(apart((0.0, 3.0), (2.0, 7.0)), [None, None]);
        assert_eq!(apart((2.0, 3.0), (2.0, 0.0)), [None, None]);
    }
}
