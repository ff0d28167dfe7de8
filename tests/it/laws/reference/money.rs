//! Exact amounts: rationals over 128 bits, rounded once.

use super::super::books::{Book, Item, exponent};

/// `numerator / denominator`, halves to the even neighbour.
pub fn round_half_even(numerator: i128, denominator: i128) -> i128 {
    assert!(denominator > 0, "a denominator is positive");
    let below = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator);
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => below + 1,
        std::cmp::Ordering::Equal => below + below.rem_euclid(2),
    }
}

/// Billing intervals in a month, as a fraction.
fn per_month(factors: &str, every: &str) -> (i128, i128) {
    match (factors, every) {
        (_, "month") => (1, 1),
        (_, "year") => (1, 12),
        ("standard", "day") => (365, 12),
        (_, "day") => (30, 1),
        ("paddle", "week") => (433, 100),
        ("profitable", "week") => (4, 1),
        (_, "week") => (52, 12),
        other => panic!("no factor for {other:?}"),
    }
}

/// What an interval pays in a month: price times quantity, over its length in months, rounded to
/// 10^-4 of the minor unit of its currency. In units of the book's scale.
pub fn monthly(book: &Book, item: &Item) -> i128 {
    let (n, d) = per_month(book.factors, item.every);
    let price = i128::from(item.price) * i128::from(item.quantity) * 10_000;
    round_half_even(price * n, d * i128::from(item.count)) * unit(book, item.currency)
}

/// 10^-4 of the minor unit of a currency, in units of the book's scale.
fn unit(book: &Book, currency: &str) -> i128 {
    10_i128.pow(book.scale() - 4 - exponent(currency))
}

/// An amount of minor units, in units of the book's scale.
pub fn minor(book: &Book, amount: i64, currency: &str) -> i128 {
    i128::from(amount) * 10_000 * unit(book, currency)
}

#[test]
fn halves_go_to_the_even_neighbour() {
    let got: Vec<i128> = [(5, 2), (7, 2), (-5, 2), (-7, 2), (1, 3), (2, 3), (-1, 3), (-2, 3)]
        .map(|(n, d)| round_half_even(n, d))
        .to_vec();
    assert_eq!(got, [2, 4, -2, -4, 0, 1, 0, -1]);
}
