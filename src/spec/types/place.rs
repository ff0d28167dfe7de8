//! Time zones, currencies and amounts of money.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Refusal, clip, text_type};
use crate::diag::nearest;
use crate::money;

/// The zones that ship with the program, so that a file means the same on every machine.
static ZONES: LazyLock<(TimeZoneDatabase, Vec<String>)> = LazyLock::new(|| {
    let zones = TimeZoneDatabase::bundled();
    let names = zones.available().map(|name| name.to_string()).collect();
    (zones, names)
});

/// An IANA time zone, written `Asia/Tokyo` or `UTC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneName {
    name: String,
    zone: TimeZone,
}

impl ZoneName {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The rules of the zone.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl FromStr for ZoneName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (zones, names) = &*ZONES;
        if names.iter().any(|name| name == text)
            && let Ok(zone) = zones.get(text)
        {
            return Ok(Self { name: text.to_owned(), zone });
        }
        let city = || {
            names
                .iter()
                .find(|name| name.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(&text.replace(' ', "_"))))
        };
        let near = nearest(text, names).or_else(|| city().map(String::as_str));
        let help = match near {
            Some(name) => format!("did you mean `{name}`?"),
            None if text.starts_with(['+', '-']) => {
                "a fixed offset ignores daylight saving; name a place, as in `Asia/Tokyo`, or `UTC`".to_owned()
            }
            None => "write an IANA name such as `Asia/Tokyo`, `America/New_York` or `UTC`".to_owned(),
        };
        Err(Refusal::new(format!("unknown time zone `{}`", clip(text)), help))
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

text_type!(ZoneName, "tenure-zone", "[A-Za-z0-9_+\\-]+(/[A-Za-z0-9_+\\-]+)*", "Asia/Tokyo");

/// A currency by its ISO 4217 code in upper case, written `USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode {
    code: [u8; 3],
    exponent: u8,
}

impl CurrencyCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// The decimal places of the minor unit: 2 for `USD`, 0 for `JPY`.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }
}

impl FromStr for CurrencyCode {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let upper = text.to_ascii_uppercase();
        let code: Option<[u8; 3]> = upper.as_bytes().try_into().ok();
        match (code, money::exponent(text)) {
            (Some(code), Some(exponent)) if upper == text => Ok(Self { code, exponent }),
            (_, Some(_)) => {
                Err(Refusal::new(format!("currency `{text}` is not in upper case"), format!("write `{upper}`")))
            }
            _ => {
                let help = match symbol(text) {
                    Some(codes) => format!("write the ISO 4217 code: {codes}"),
                    None => "write an ISO 4217 code such as `USD`, `EUR` or `JPY`".to_owned(),
                };
                Err(Refusal::new(format!("unknown currency `{}`", clip(text)), help))
            }
        }
    }
}

/// The codes that a sign or a common mistake may stand for.
fn symbol(text: &str) -> Option<&'static str> {
    Some(match text.to_uppercase().as_str() {
        "$" | "US" | "US$" | "DOLLAR" => "`USD`",
        "€" | "EURO" => "`EUR`",
        "£" | "UKP" => "`GBP`",
        "¥" | "YEN" | "JPN" => "`JPY` or `CNY`",
        "RMB" => "`CNY`",
        _ => return None,
    })
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

text_type!(CurrencyCode, "tenure-currency", "[A-Z]{3}", "USD");

/// An exact amount of money, written `1500.00 USD` or `1500 JPY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MoneyText {
    minor: i64,
    currency: CurrencyCode,
}

impl MoneyText {
    /// The amount in minor units: 150 000 for `1500.00 USD`, 1500 for `1500 JPY`.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> CurrencyCode {
        self.currency
    }
}

impl FromStr for MoneyText {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        const HELP: &str = "write the amount, a space and the currency, as in `1500.00 USD`";
        let refuse = |title: &str, help: String| Err(Refusal::new(format!("`{}` {title}", clip(text)), help));
        let Some((amount, code)) = text.split_once(' ') else {
            return match text.parse::<f64>() {
                Ok(_) => refuse("has no currency", format!("write `{text} USD` if US dollars are meant")),
                Err(_) => refuse("is not an amount of money", HELP.to_owned()),
            };
        };
        let currency: CurrencyCode = code.parse()?;
        if amount.contains([',', '_', '\'']) {
            let plain: String = amount.chars().filter(|c| !matches!(c, ',' | '_' | '\'')).collect();
            return refuse("groups its digits", format!("write `{plain} {code}`"));
        }
        let (sign, digits) = amount.strip_prefix('-').map_or((1, amount), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !numeric(whole) || !numeric(fraction) {
            return refuse("is not an amount of money", HELP.to_owned());
        }
        let places = usize::from(currency.exponent());
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > places {
            return refuse("is finer than its currency", format!("{code} has {places} decimal places"));
        }
        match format!("{whole}{fraction:0<places$}").parse::<i64>() {
            Ok(minor) => Ok(Self { minor: sign * minor, currency }),
            Err(_) => refuse("is too large", HELP.to_owned()),
        }
    }
}

impl fmt::Display for MoneyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let dot = if places == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{dot}{fraction} {}", self.currency)
    }
}

text_type!(MoneyText, "tenure-money", "-?[0-9]+(\\.[0-9]+)? [A-Z]{3}", "1500.00 USD");
