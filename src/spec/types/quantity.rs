//! Numbers with a unit: durations, sizes, percentages.

use std::fmt;
use std::str::FromStr;

use super::{Refusal, clip, text_type};

/// A length of time in one unit, written `26h` or `90d`.
///
/// The unit is kept: 90 days are 90 civil days, whatever the clocks do in between. Equality is
/// that of the text, so `24h` and `1d` differ; compare [`Duration::seconds`] where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Duration {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
}

const UNITS: [(char, Unit, u64); 5] = [
    ('s', Unit::Second, 1),
    ('m', Unit::Minute, 60),
    ('h', Unit::Hour, 3_600),
    ('d', Unit::Day, 86_400),
    ('w', Unit::Week, 604_800),
];

impl Duration {
    /// The length in seconds, a day taken as 24 hours.
    #[must_use]
    pub fn seconds(self) -> u64 {
        let seconds = UNITS.iter().find(|(_, unit, _)| *unit == self.unit).map_or(1, |(.., s)| *s);
        u64::from(self.count) * seconds
    }

    /// The length in civil days when it is written in days or weeks, else `None`.
    #[must_use]
    pub fn days(self) -> Option<u64> {
        match self.unit {
            Unit::Day => Some(u64::from(self.count)),
            Unit::Week => Some(u64::from(self.count) * 7),
            _ => None,
        }
    }

    /// The same length for the standard library, a day taken as 24 hours.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds())
    }
}

impl FromStr for Duration {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        const HELP: &str = "write a whole number and one unit: `45s`, `10m`, `26h`, `90d` or `2w`";
        let (digits, unit) = split_unit(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::new(format!("`{}` is not a duration", clip(text)), HELP));
        }
        if unit.is_empty() {
            let help = format!("units are s, m, h, d and w: write `{digits}d` if days are meant");
            return Err(Refusal::new(format!("duration `{}` has no unit", clip(text)), help));
        }
        let known = UNITS.iter().find(|(letter, ..)| unit.chars().eq([*letter]));
        let Some((_, unit, _)) = known else {
            let help = match unit.trim().to_ascii_lowercase().as_str() {
                "sec" | "secs" | "second" | "seconds" => format!("write `{digits}s`"),
                "min" | "mins" | "minute" | "minutes" => format!("write `{digits}m`"),
                "h" | "hr" | "hrs" | "hour" | "hours" => format!("write `{digits}h`"),
                "d" | "day" | "days" => format!("write `{digits}d`"),
                "w" | "week" | "weeks" => format!("write `{digits}w`"),
                "mo" | "month" | "months" | "y" | "year" | "years" => {
                    "months and years differ in length; write days".to_owned()
                }
                _ => HELP.to_owned(),
            };
            return Err(Refusal::new(format!("duration `{}` has an unknown unit", clip(text)), help));
        };
        let count = digits.parse().map_err(|_| Refusal::new(format!("duration `{}` is too long", clip(text)), HELP))?;
        Ok(Self { count, unit: *unit })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = UNITS.iter().find(|(_, unit, _)| *unit == self.unit).map_or('s', |(l, ..)| *l);
        write!(f, "{}{letter}", self.count)
    }
}

text_type!(Duration, "tenure-duration", "[0-9]+ ?(s|m|h|d|w)", "26h");

/// A number of bytes, written `2GiB` (binary) or `500MB` (decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        const HELP: &str = "write a whole number and a unit: `512MiB`, `2GiB` or `500MB`";
        let (digits, unit) = split_unit(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::new(format!("`{}` is not a size", clip(text)), HELP));
        }
        if unit.is_empty() {
            let help = format!("write `{digits}MiB` if mebibytes are meant");
            return Err(Refusal::new(format!("size `{}` has no unit", clip(text)), help));
        }
        let Some((_, factor)) = SIZES.iter().find(|(known, _)| *known == unit) else {
            // `gib`, `gb`, `Gi` and `G`, of which the last is taken for the binary unit.
            let near = SIZES.iter().find(|(known, _)| {
                let short = known.trim_end_matches('B');
                [known, short, short.trim_end_matches('i')].iter().any(|word| word.eq_ignore_ascii_case(unit))
            });
            let help = near.map_or_else(|| HELP.to_owned(), |(unit, _)| format!("write `{digits}{unit}`"));
            return Err(Refusal::new(format!("size `{}` has an unknown unit", clip(text)), help));
        };
        let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*factor));
        bytes.map(Self).ok_or_else(|| Refusal::new(format!("size `{}` is too large", clip(text)), HELP))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0 != 0 && self.0.is_multiple_of(factor);
        let (unit, factor) = SIZES.into_iter().find(|(_, factor)| whole(*factor)).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

text_type!(ByteSize, "tenure-size", "[0-9]+ ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)", "2GiB");

/// A share of a hundred, written `80%` or `0.1%`; exact to a ten-thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(i64);

impl Percent {
    /// The share in millionths: 800 000 for `80%`.
    #[must_use]
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// The share as a ratio: 0.8 for `80%`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the parser bounds it far below 2^53")]
    pub fn ratio(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl FromStr for Percent {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |title: &str, help: &str| Err(Refusal::new(format!("`{}` {title}", clip(text)), help));
        let Some(number) = text.strip_suffix('%') else {
            return match text.parse::<f64>() {
                Ok(number) if number.abs() <= 1.0 && text.contains('.') => {
                    let percent = (number * 1e8).round() / 1e6;
                    refuse(
                        "is no percentage",
                        &format!("write `{percent}%` if that share is meant, `{text}%` otherwise"),
                    )
                }
                Ok(_) => refuse("has no percent sign", &format!("write `{text}%`")),
                Err(_) => refuse("is not a percentage", "write a number and a percent sign, as in `80%` or `0.1%`"),
            };
        };
        let number = number.trim_end();
        let (sign, digits) = number.strip_prefix('-').map_or((1, number), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !numeric(whole) || !numeric(fraction) {
            return refuse("is not a percentage", "write a number and a percent sign, as in `80%` or `0.1%`");
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 4 {
            return refuse("has more than 4 decimal places", "percentages are exact to `0.0001%`");
        }
        let parsed = format!("{whole}{fraction:0<4}").parse::<i64>().ok();
        match parsed.filter(|millionths| *millionths <= 1_000_000_000_000) {
            Some(millionths) => Ok(Self(sign * millionths)),
            None => refuse("is too large", "percentages go up to `100000000%`"),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 10_000, self.0.unsigned_abs() % 10_000);
        let rest = format!("{rest:04}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}%"),
            rest => write!(f, "{sign}{whole}.{rest}%"),
        }
    }
}

text_type!(Percent, "tenure-percent", "-?[0-9]+(\\.[0-9]{1,4})? ?%", "80%");

/// How much memory a run may take: a size, or a share of the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryLimit {
    /// So many bytes.
    Size(ByteSize),
    /// Such a share of the machine's memory, above 0% and at most 100%.
    Share(Percent),
}

impl FromStr for MemoryLimit {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if !text.ends_with('%') {
            return text.parse().map(Self::Size).map_err(|mut refusal: Refusal| {
                refusal.help.push("a share of the machine is written `80%`".to_owned());
                refusal
            });
        }
        let share: Percent = text.parse()?;
        if share.millionths() <= 0 || share.millionths() > 1_000_000 {
            let title = format!("`{}` is no share of the machine's memory", clip(text));
            return Err(Refusal::new(title, "write more than `0%`, at most `100%`"));
        }
        Ok(Self::Share(share))
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

text_type!(MemoryLimit, "tenure-memory", "[0-9]+ ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)|[0-9]+(\\.[0-9]{1,4})? ?%", "80%");

/// The number at the front and what follows it, spaces between them dropped.
fn split_unit(text: &str) -> (&str, &str) {
    let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    (text[..split].trim_end(), &text[split..])
}
