//! Numbers as people read them: ASCII, with thousands separators, never depending on a locale.

use std::time::Duration;

use crate::money;

/// A count with thousands separators: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A whole number with thousands separators: `-1,234`.
#[must_use]
pub fn whole(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", count(n.unsigned_abs()))
}

/// A count and its noun: `1 row`, `3,000 rows`.
#[must_use]
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A size in binary units with one decimal: `812 B`, `1.4 MiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    // Tenths of the unit, so that rounding up to the next unit is seen: 1023.97 KiB is 1.0 MiB.
    let (mut tenths, mut unit) = ((u128::from(n) * 10 + 512) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// How long something took: `0.8 s`, `1 min 12 s`, `2 h 05 min`.
#[must_use]
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => {
            let tenths = length.as_millis() / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A rate from 0 to 1 as a percentage with one decimal: `4.2%`.
#[must_use]
pub fn percent(rate: f64) -> String {
    format!("{}%", decimals(rate * 100.0, 1))
}

/// A number with so many decimals and thousands separators.
#[must_use]
pub fn decimals(number: f64, places: usize) -> String {
    if !number.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{:.places$}", number.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    // What is rounded to zero has no sign.
    let sign = if number < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { "-" } else { "" };
    let dot = if fraction.is_some() { "." } else { "" };
    format!("{sign}{}{dot}{}", grouped(whole), fraction.unwrap_or_default())
}

/// An amount of whole units of 10^-`scale`, at the decimals of its currency: `1,234.50` for dollars,
/// `1,235` for yen. Halves go to the even neighbour.
#[must_use]
pub fn money(units: i64, scale: u8, currency: &str) -> String {
    let places = money::exponent(currency).unwrap_or(2);
    let wide = i128::from(units).abs();
    let minor = if scale > places {
        let by = 10_i128.pow(u32::from(scale - places));
        let (whole, rest) = (wide / by, wide % by);
        let up = match (rest * 2).cmp(&by) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Equal => whole % 2,
        };
        whole + up
    } else {
        wide * 10_i128.pow(u32::from(places - scale))
    };
    let sign = if units < 0 && minor != 0 { "-" } else { "" };
    let (whole, fraction) = split(minor, places);
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}", grouped(&whole))
}

/// An amount of whole units of 10^-`scale`, exact and without separators: `-1234.5600`.
#[must_use]
pub fn exact(units: i64, scale: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let (whole, fraction) = split(i128::from(units).abs(), scale);
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{dot}{fraction}")
}

/// The digits before and behind the point of a number of 10^-`places`.
fn split(number: i128, places: u8) -> (String, String) {
    let places = usize::from(places);
    let digits = format!("{number:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    (whole.to_owned(), fraction.to_owned())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Columns padded to a common width, two spaces apart, without trailing blanks.
///
/// `right` says for each column whether it is aligned to the right; a missing one is not.
#[must_use]
pub fn aligned(rows: &[Vec<String>], right: &[bool], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (at, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[at] - cell.chars().count());
            let gap = if at == 0 { "" } else { "  " };
            line.push_str(gap);
            if right.get(at).copied().unwrap_or(false) {
                line.push_str(&pad);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&pad);
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_at_the_decimals_of_its_currency() {
        for (units, scale, currency, shown) in [
            (12_345_678_900_i64, 6, "USD", "12,345.68"),
            (1_234_567_000_000, 6, "JPY", "1,234,567"),
            (-1_500_000, 6, "USD", "-1.50"),
            (5_000, 6, "USD", "0.00"),
            (15_000, 6, "USD", "0.02"),
            (25_000, 6, "USD", "0.02"),
            (25_001, 6, "USD", "0.03"),
            (-4_999, 6, "USD", "0.00"),
            (1_234_567, 4, "KWD", "123.457"),
            (7, 0, "USD", "7.00"),
            (i64::MIN, 6, "USD", "-9,223,372,036,854.78"),
            (1_005_000, 6, "???", "1.00"),
        ] {
            assert_eq!(money(units, scale, currency), shown, "{units} at {scale} {currency}");
        }
        assert_eq!(exact(-1_234_567, 6), "-1.234567");
        assert_eq!(exact(42, 0), "42");
        assert_eq!(exact(7, 2), "0.07");
    }

    #[test]
    fn numbers_are_grouped_and_rounded() {
        assert_eq!((count(0), count(999), count(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(whole(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!((counted(1, "row"), counted(3_000, "row")), ("1 row".into(), "3,000 rows".into()));
        assert_eq!((percent(0.0421), percent(1.1), percent(-0.0001)), ("4.2%".into(), "110.0%".into(), "0.0%".into()));
        assert_eq!((decimals(1234.567, 2), decimals(f64::NAN, 2)), ("1,234.57".into(), "-".into()));
        for (n, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (1_468_006, "1.4 MiB")]
        {
            assert_eq!(bytes(n), shown);
        }
        for (millis, shown) in [(840, "0.8 s"), (59_990, "59.9 s"), (72_000, "1 min 12 s"), (7_500_000, "2 h 05 min")] {
            assert_eq!(duration(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn tables_are_aligned_without_trailing_blanks() {
        let rows = [
            vec!["a".to_owned(), "10".to_owned(), String::new()],
            vec!["long".to_owned(), "5".to_owned(), "x".to_owned()],
        ];
        assert_eq!(aligned(&rows, &[false, true], 2), "  a     10\n  long   5  x\n");
    }
}
