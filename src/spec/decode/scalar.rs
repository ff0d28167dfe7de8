//! Texts, numbers and booleans: YAML 1.2 core, and only where the schema wants them.

use serde_json::{Map, Number, Value};

use super::{Kind, Node, Place, Walk, schema};
use crate::spec::types;

impl Walk<'_> {
    pub(super) fn text(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let Some(text) = node.text() else {
            let help = match &node.kind {
                Kind::Seq(items) if items.len() == 1 && !place.item => {
                    items[0].text().map(|text| format!("write `{}: {text}`", place.key()))
                }
                _ => None,
            };
            return self.wrong_kind(node, place, &schema::expected(self.root, schema), help);
        };
        if let Err(refusal) = types::check_format(format, text) {
            self.diags.bad_format(node.span, place.key(), &refusal.title, &refusal.help);
            return None;
        }
        let (min, max) = schema::bounds(schema, "minLength", "maxLength");
        let length = text.chars().count();
        if length < min || length > max {
            self.diags.wrong_length(node.span, place.key(), length, "character", &schema::range(min, max));
            return None;
        }
        Some(Value::from(text))
    }

    pub(super) fn boolean(&mut self, node: &Node, place: &Place) -> Option<Value> {
        match &node.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(Value::Bool(true)),
            Kind::Scalar { text, plain: true } if text == "false" => Some(Value::Bool(false)),
            Kind::Scalar { text, plain } => {
                let quoted = if *plain { text.clone() } else { format!("'{text}'") };
                self.diags.not_boolean(node.span, place.key(), &quoted);
                None
            }
            _ => self.wrong_kind(node, place, "`true` or `false`", None),
        }
    }

    pub(super) fn integer(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        let Some(number) = plain(node).and_then(whole) else {
            return self.wrong_kind(node, place, "a whole number", number_help(node));
        };
        let (format_min, format_max) = format_bounds(schema);
        let bound = |key: &str| schema.get(key).and_then(Value::as_i64).map(i128::from);
        let above = bound("exclusiveMinimum").map(|least| least + 1);
        let below = bound("exclusiveMaximum").map(|most| most - 1);
        let min = bound("minimum").or(above).unwrap_or(format_min).max(format_min);
        let max = bound("maximum").or(below).unwrap_or(format_max).min(format_max);
        if number < min || number > max {
            let range = match number < min {
                _ if max < i128::from(u32::MAX) => format!("{min} to {max}"),
                true => format!("at least {min}"),
                false => format!("at most {max}"),
            };
            self.diags.out_of_range(node.span, place.key(), node.text().unwrap_or_default(), &range);
            return None;
        }
        i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
    }

    pub(super) fn number(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        let Some(number) = plain(node).and_then(decimal) else {
            return self.wrong_kind(node, place, "a number", number_help(node));
        };
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let bounds = [
            (bound("minimum"), number >= bound("minimum").unwrap_or(number), "at least"),
            (bound("maximum"), number <= bound("maximum").unwrap_or(number), "at most"),
            (bound("exclusiveMinimum"), bound("exclusiveMinimum").is_none_or(|least| number > least), "more than"),
            (bound("exclusiveMaximum"), bound("exclusiveMaximum").is_none_or(|most| number < most), "less than"),
        ];
        if bounds.iter().any(|(_, kept, _)| !kept) {
            let words: Vec<String> =
                bounds.iter().filter_map(|(bound, _, word)| bound.map(|b| format!("{word} {b}"))).collect();
            self.diags.out_of_range(node.span, place.key(), node.text().unwrap_or_default(), &words.join(", "));
            return None;
        }
        Number::from_f64(number).map(Value::Number)
    }
}

fn plain(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => Some(text),
        _ => None,
    }
}

/// A whole number as YAML 1.2 core writes it: decimal, `0o17` or `0x1f`.
pub(in crate::spec) fn whole(text: &str) -> Option<i128> {
    let radix = |digits: &str, radix| {
        let valid = digits.chars().all(|digit| digit.is_digit(radix));
        valid.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // More digits than any type holds still make a number, one that is out of range.
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| text.parse().unwrap_or(if text.starts_with('-') { i128::MIN } else { i128::MAX }))
}

/// A finite number as YAML 1.2 core writes it.
pub(in crate::spec) fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let shaped = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    shaped.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// A value nobody has a type for, as YAML 1.2 core reads it; notes are kept.
pub(super) fn untyped(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Seq(items) => items.iter().map(untyped).collect(),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|e| (e.key.clone(), untyped(&e.value))).collect::<Map<_, _>>())
        }
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => {
                let whole = whole(text).and_then(|number| i64::try_from(number).ok()).map(Value::from);
                let number = || decimal(text).filter(|_| text.contains(['.', 'e', 'E'])).and_then(Number::from_f64);
                whole.or_else(|| number().map(Value::Number)).unwrap_or_else(|| Value::from(text.as_str()))
            }
        },
        Kind::Scalar { text, plain: false } => Value::from(text.as_str()),
    }
}

/// What a node is, for titles.
pub(super) fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Seq(_) => "a list".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
        Kind::Scalar { text, .. } => {
            let line = text.lines().next().unwrap_or_default();
            let short: String = line.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect();
            let dots = if short.len() < text.trim_end().len() { "..." } else { "" };
            format!("the text `{short}{dots}`")
        }
    }
}

pub(super) fn map_help(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar { text, plain: true } if text.contains(':') => {
            Some("write `key: value`, with a space behind the colon".to_owned())
        }
        Kind::Seq(_) => Some("write one `name: ..` per entry, without `-`".to_owned()),
        _ => None,
    }
}

fn number_help(node: &Node) -> Option<String> {
    let Kind::Scalar { text, plain } = &node.kind else {
        return None;
    };
    if !plain && decimal(text).is_some() {
        return Some(format!("remove the quotes: `{text}`"));
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
    if digits != *text && whole(&digits).is_some() {
        return Some(format!("write `{digits}`"));
    }
    let percent = text.strip_suffix('%').and_then(decimal);
    percent.map(|_| "no percentage is meant here; write the number alone".to_owned())
}

/// The range of the machine type behind an integer schema.
fn format_bounds(schema: &Value) -> (i128, i128) {
    match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}
