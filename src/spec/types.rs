//! Values that have a form of their own in the pipeline file: dates, names, units, codes.
//!
//! Each is written as one YAML text, read by [`std::str::FromStr`] whose error says what is
//! expected with an example, displayed as it is written, and described to editors by a schema
//! with a `format` of its own. [`check_format`] maps such a format back to its reader.

mod named;
mod place;
mod quantity;

use std::fmt;
use std::str::FromStr;

pub use named::Named;
pub use place::{CurrencyCode, MoneyText, ZoneName};
pub use quantity::{ByteSize, Duration, MemoryLimit, Percent};

/// Why a text is not a value of its type: what is wrong, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{title}")]
pub struct Refusal {
    /// What is wrong, in one line.
    pub title: String,
    /// The next step, one line each.
    pub help: Vec<String>,
}

impl Refusal {
    fn new(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { title: title.into(), help: vec![help.into()] }
    }
}

/// Reads and writes a type as text, and describes it to editors.
macro_rules! text_type {
    ($type:ident, $format:literal, $pattern:literal, $example:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // A value may also be one whole parameter, which is put in before it is checked.
                schemars::json_schema!({
                    "type": "string",
                    "format": $format,
                    "pattern": concat!("^(", $pattern, "|\\$\\{[a-z][a-z0-9_]*\\})$"),
                    "examples": [$example],
                })
            }
        }
    };
}
use text_type;

type Check = fn(&str) -> Result<(), Refusal>;

/// Formats, their checks and an example of each.
const FORMATS: &[(&str, Check, &str)] = &[
    ("tenure-date", reads::<Date>, "2026-06-30"),
    ("tenure-duration", reads::<Duration>, "26h"),
    ("tenure-size", reads::<ByteSize>, "2GiB"),
    ("tenure-percent", reads::<Percent>, "80%"),
    ("tenure-memory", reads::<MemoryLimit>, "80%"),
    ("tenure-zone", reads::<ZoneName>, "Asia/Tokyo"),
    ("tenure-currency", reads::<CurrencyCode>, "USD"),
    ("tenure-money", reads::<MoneyText>, "1500.00 USD"),
    ("tenure-name", reads::<Name>, "nps_monthly"),
    ("tenure-path", reads::<PathTemplate>, "${exports}/customers/*.parquet"),
    ("regex", reads::<RegexText>, "^[A-Z]{2}$"),
];

fn reads<T: FromStr<Err = Refusal>>(text: &str) -> Result<(), Refusal> {
    text.parse::<T>().map(drop)
}

/// Checks a text against a `format` of this module; a format of others accepts every text.
///
/// # Errors
///
/// The [`Refusal`] of the type that the format stands for.
pub fn check_format(format: &str, text: &str) -> Result<(), Refusal> {
    FORMATS.iter().find(|(name, ..)| *name == format).map_or(Ok(()), |(_, check, _)| check(text))
}

/// A text that has the `format`, for help lines.
#[must_use]
pub fn example(format: &str) -> Option<&'static str> {
    FORMATS.iter().find(|(name, ..)| *name == format).map(|(.., example)| *example)
}

/// A civil date, written `2026-06-30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub jiff::civil::Date);

impl FromStr for Date {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let help = "write year, month and day as in `2026-06-30`";
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => b == b'-',
                _ => b.is_ascii_digit(),
            });
        if !shaped {
            return Err(Refusal::new(format!("`{}` is not a date", clip(text)), help));
        }
        text.parse().map(Self).map_err(|_| Refusal::new(format!("`{text}` is not a day of the calendar"), help))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_type!(Date, "tenure-date", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-06-30");

/// The name of something that the file defines: `snake_case` ASCII, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut bytes = text.bytes();
        let snake = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !snake {
            let help = match snake_case(text) {
                Some(name) => format!("write `{name}`"),
                None => "a name begins with a to z and goes on with a to z, 0 to 9 and _".to_owned(),
            };
            return Err(Refusal::new(format!("`{}` is not a snake_case name", clip(text)), help));
        }
        if text.len() > 63 {
            let title = format!("`{}` has {} characters", clip(text), text.len());
            return Err(Refusal::new(title, "a name has at most 63 characters, so that every database takes it"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

text_type!(Name, "tenure-name", "[a-z][a-z0-9_]{0,62}", "nps_monthly");

/// `Nps-Monthly` and `npsMonthly` as `nps_monthly`, where that gives a name.
fn snake_case(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut after_small = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_small {
            out.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        match c {
            '-' | ' ' | '.' => out.push('_'),
            _ => out.push(c.to_ascii_lowercase()),
        }
    }
    (out != text).then(|| out.parse::<Name>().ok()).flatten().map(|name| name.0)
}

/// A path, pattern or URL, in which `${param}` may stand for whole segments.
///
/// Relative paths are meant relative to the pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate(String);

impl PathTemplate {
    /// The path as text; without `${..}` once parameters are put in.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathTemplate {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let help = "write a path such as `${exports}/customers/*.parquet`";
        if text.trim().is_empty() {
            return Err(Refusal::new("a path cannot be empty", help));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            let title = format!("path `{}` holds a line break or outer space", clip(text));
            return Err(Refusal::new(title, help));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(PathTemplate, "tenure-path", ".+", "${exports}/customers/*.parquet");

/// A regular expression, not yet compiled: the resolver does that and reports what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegexText(String);

impl RegexText {
    /// The expression as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegexText {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new("a regular expression cannot be empty", "write one such as `'^[A-Z]{2}$'`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RegexText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(RegexText, "regex", ".+", "^[A-Z]{2}$");

/// A text short enough for a title.
fn clip(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    if out.len() < text.trim_end_matches('\n').len() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests;
