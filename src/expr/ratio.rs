//! Ratios, intervals and the reasons why there is none.

use polars::prelude::*;

use crate::expr::dims::int;

/// `numerator / denominator` as a float; NULL where the denominator is 0 or either side is NULL.
pub fn ratio(numerator: Expr, denominator: Expr) -> Expr {
    when(denominator.clone().eq(int(0)))
        .then(lit(NULL))
        .otherwise(numerator.cast(DataType::Float64) / denominator.cast(DataType::Float64))
}

/// 97.5 % point of the standard normal distribution: the half-width of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson score interval, 95 %, of `hits` in `n`; NULL where `n` is 0.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// Journal of the American Statistical Association 22 (1927).
pub fn wilson(hits: &Expr, n: &Expr) -> (Expr, Expr) {
    let n = n.clone().cast(DataType::Float64);
    let hits = hits.clone().cast(DataType::Float64);
    let share = hits.clone() / n.clone();
    let z2 = Z * Z;
    let centre = share.clone() + lit(z2) / (lit(2.0) * n.clone());
    let spread =
        lit(Z) * (share.clone() * (lit(1.0) - share) / n.clone() + lit(z2) / (lit(4.0) * n.clone() * n.clone())).sqrt();
    let scale = lit(1.0) + lit(z2) / n.clone();
    let known = |bound: Expr| when(n.clone().eq(lit(0.0))).then(lit(NULL)).otherwise(bound);
    // Exact at the ends, where rounding would leave a hair.
    let low = (centre.clone() - spread.clone()) / scale.clone();
    let high = (centre + spread) / scale;
    let low = when(hits.clone().eq(lit(0.0))).then(lit(0.0)).otherwise(low);
    let high = when(hits.eq(n.clone())).then(lit(1.0)).otherwise(high);
    (known(low), known(high))
}

/// Share of `hits` less share of `misses` in `n`, and the half-width of its 95 % interval; NULL where `n` is 0.
///
/// The interval is that of the normal approximation, with the variance `h + m - (h - m)²` of a value
/// that is 1, 0 or -1.
pub fn net_share(hits: &Expr, misses: &Expr, n: &Expr) -> (Expr, Expr) {
    let (hits, misses) = (ratio(hits.clone(), n.clone()), ratio(misses.clone(), n.clone()));
    let net = hits.clone() - misses.clone();
    let variance = hits + misses - net.clone() * net.clone();
    // Rounding may leave a hair below zero where all are of one kind.
    let variance = when(variance.clone().lt(lit(0.0))).then(lit(0.0)).otherwise(variance);
    (net, lit(Z) * (variance / n.clone().cast(DataType::Float64)).sqrt())
}

/// A rate per period as the rate per year it compounds to: `1 - (1 - rate)^periods`.
pub fn annualised(rate: Expr, periods_per_year: f64) -> Expr {
    lit(1.0) - (lit(1.0) - rate).pow(lit(periods_per_year))
}

/// The first reason whose condition holds, else NULL.
pub fn reason<'a>(cases: impl IntoIterator<Item = (Expr, &'a str), IntoIter: DoubleEndedIterator>) -> Expr {
    cases.into_iter().rev().fold(lit(NULL).cast(DataType::String), |rest, (condition, name)| {
        when(condition).then(lit(name.to_owned())).otherwise(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(expr: Expr, hits: i64, n: i64) -> Option<f64> {
        let frame = df!("k" => [hits], "n" => [n]).unwrap();
        let out = frame.lazy().select([expr.alias("v")]).collect().unwrap();
        out.column("v").unwrap().f64().unwrap().get(0)
    }

    #[test]
    fn wilson_matches_the_published_vector() {
        // 15 of 500: 1.83 % to 4.89 %.
        let (low, high) = wilson(&col("k"), &col("n"));
        assert_eq!(format!("{:.4}", one(low, 15, 500).unwrap()), "0.0183");
        assert_eq!(format!("{:.4}", one(high, 15, 500).unwrap()), "0.0489");
    }

    #[test]
    fn wilson_stays_inside_the_unit_interval() {
        let (low, high) = wilson(&col("k"), &col("n"));
        assert_eq!(one(low.clone(), 0, 7), Some(0.0));
        assert!(one(high.clone(), 7, 7).unwrap() <= 1.0);
        assert_eq!(one(low, 0, 0), None);
        assert_eq!(one(high, 0, 0), None);
    }

    #[test]
    fn a_net_share_matches_the_published_vector() {
        // Half in favour and a fifth against, of 200: 0.30 ± 0.1082.
        let (net, half) = net_share(&col("k"), &int(40), &col("n"));
        assert_eq!(format!("{:.4}", one(net.clone(), 100, 200).unwrap()), "0.3000");
        assert_eq!(format!("{:.4}", one(half.clone(), 100, 200).unwrap()), "0.1082");
        assert_eq!(one(net, 0, 0), None);
        assert_eq!(one(half, 0, 0), None);
        let (all, no_width) = net_share(&col("k"), &int(0), &col("n"));
        assert_eq!((one(all, 3, 3), one(no_width, 3, 3)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn three_per_cent_a_month_is_30_62_a_year() {
        let year = one(annualised(col("k").cast(DataType::Float64) / lit(100.0), 12.0), 3, 1);
        assert_eq!(format!("{:.4}", year.unwrap()), "0.3062");
    }

    #[test]
    fn no_ratio_over_zero() {
        assert_eq!(one(ratio(col("k"), col("n")), 3, 0), None);
        assert_eq!(one(ratio(col("k"), col("n")), 3, 4), Some(0.75));
    }
}
