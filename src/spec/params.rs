//! `params:` and the places where `${name}` stands: whole values and whole segments of a path.
//!
//! There is no templating: a parameter is put into the tree, not into the text, so every value
//! keeps its place and is checked like one that was written there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::decode::{Place, decimal, decode_at, whole};
use super::tree::{Kind, Node, Span};
use super::types::{Date, Duration, Named, PathTemplate, Percent, Refusal};
use crate::diag::Diagnostics;

/// A value that a run can set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParamSpec {
    /// What the parameter takes.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// The value when neither the run nor the environment gives one.
    pub default: Option<ParamText>,
    /// What the parameter is for.
    pub description: Option<String>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A date such as `2026-06-30`.
    Date,
    /// A duration such as `90d`.
    Duration,
    /// A path or URL; may hold several segments.
    Path,
    /// A percentage such as `80%`.
    Percent,
}

impl ParamType {
    const fn words(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "`true` or `false`",
            Self::Date => "a date such as `2026-06-30`",
            Self::Duration => "a duration such as `90d`",
            Self::Path => "a path",
            Self::Percent => "a percentage such as `80%`",
        }
    }
}

/// The text of a parameter's value, as written, before its type is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ParamText(pub String);

impl JsonSchema for ParamText {
    fn schema_name() -> Cow<'static, str> {
        "ParamText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-read": "text"})
    }
}

/// A value of the parameter's type.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamValue {
    /// Of `type: string`.
    String(String),
    /// Of `type: int`.
    Int(i64),
    /// Of `type: float`; finite.
    Float(f64),
    /// Of `type: bool`.
    Bool(bool),
    /// Of `type: date`.
    Date(Date),
    /// Of `type: duration`.
    Duration(Duration),
    /// Of `type: path`.
    Path(PathTemplate),
    /// Of `type: percent`.
    Percent(Percent),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Duration(duration) => duration.fmt(f),
            Self::Path(path) => path.fmt(f),
            Self::Percent(percent) => percent.fmt(f),
        }
    }
}

/// Reads the text of a parameter's value, from wherever it is given.
///
/// # Errors
///
/// What is wrong and what to write, without the name of the parameter.
pub fn parse_param(text: &str, spec: &ParamSpec) -> Result<ParamValue, Refusal> {
    let expected = || Refusal {
        title: format!("expected {}, found `{text}`", spec.kind.words()),
        help: vec![format!("write {}, or declare another `type`", spec.kind.words())],
    };
    match spec.kind {
        ParamType::String => Ok(ParamValue::String(text.to_owned())),
        ParamType::Int => {
            let number = whole(text).and_then(|number| i64::try_from(number).ok());
            number.map(ParamValue::Int).ok_or_else(expected)
        }
        ParamType::Float => decimal(text).map(ParamValue::Float).ok_or_else(expected),
        ParamType::Bool => text.parse().map(ParamValue::Bool).map_err(|_| expected()),
        ParamType::Date => text.parse().map(ParamValue::Date),
        ParamType::Duration => text.parse().map(ParamValue::Duration),
        ParamType::Path => text.parse().map(ParamValue::Path),
        ParamType::Percent => text.parse().map(ParamValue::Percent),
    }
}

/// A value given for a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The name of the parameter.
    pub name: &'a str,
    /// Its value as text.
    pub text: &'a str,
    /// Where it was given.
    pub origin: Origin<'a>,
}

/// Where the value of a parameter was given.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// In the pipeline file, such as in an environment.
    File(Span),
    /// Elsewhere; how to name it in a message: `--param`.
    Outside(&'a str),
}

/// Reads the `params:` section alone; empty when the file has none.
///
/// `None` when a mistake in it was reported. Reading on without values is still worth it: a text
/// that waits for a parameter is then not judged again.
pub fn declared(file: &Node, diags: &mut Diagnostics) -> Option<Named<ParamSpec>> {
    match file.entry("params") {
        Some(entry) => decode_at(&entry.value, &Place::new("params", entry.key_span), diags),
        None => Some(Named::default()),
    }
}

/// The value of every parameter that has one: its default, or the last of `given`.
///
/// Reports given names that are not declared and values that are not of their type, the overridden
/// ones too. Variables of the process that no parameter is named after are not to be passed.
pub fn values(file: &Node, specs: &Named<ParamSpec>, given: &[Given<'_>], diags: &mut Diagnostics) -> Values {
    let mut out = Values::default();
    for (name, spec) in specs {
        let Some(ParamText(text)) = &spec.default else {
            continue;
        };
        let at = file.span_of(&["params", name.as_str(), "default"]);
        match parse_param(text, spec) {
            Ok(value) => drop(out.known.insert(name.to_string(), value)),
            Err(Refusal { title, help }) => {
                diags.param_value(Some(at), name.as_str(), None, &title, &help);
                out.refused.insert(name.to_string());
            }
        }
    }
    for Given { name, text, origin } in given {
        let (at, outside) = match origin {
            Origin::File(span) => (Some(*span), None),
            Origin::Outside(word) => (None, Some(*word)),
        };
        match specs.get(*name).map(|spec| parse_param(text, spec)) {
            Some(Ok(value)) => drop(out.known.insert((*name).to_owned(), value)),
            Some(Err(Refusal { title, help })) => {
                diags.param_value(at, name, outside, &title, &help);
                out.refused.insert((*name).to_owned());
            }
            None => diags.unknown_param(at, name, &specs.names()),
        }
    }
    out
}

/// The values of all parameters of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    known: BTreeMap<String, ParamValue>,
    /// Given, or declared as a default, wrongly, which was reported.
    refused: BTreeSet<String>,
}

impl Values {
    /// The value of a parameter, when it has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ParamValue> {
        self.known.get(name)
    }

    /// All parameters that have a value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &ParamValue)> {
        self.known.iter()
    }
}

/// The names under `params:` and their places.
fn names_of(file: &Node) -> Vec<(String, Span)> {
    let entries = file.get("params").map(Node::entries).unwrap_or_default();
    let named = entries.iter().filter(|entry| !entry.is_note());
    named.map(|entry| (entry.key.clone(), entry.key_span)).collect()
}

/// Puts values in place of `${name}` throughout the file, except in `x-` notes.
///
/// A text that is `${name}` becomes the value and keeps its place. In a `path` or `root`, `${name}`
/// may be one segment. Reports every other `${`, unknown names, names without a value, and declared
/// parameters that are used nowhere.
pub fn substitute(file: &mut Node, values: &Values, diags: &mut Diagnostics) {
    let declared = names_of(file);
    let mut walk = Walk { declared: &declared, values, used: BTreeSet::new(), path: Vec::new(), diags };
    walk.node(file);
    let used = walk.used;
    for (name, span) in &declared {
        if !used.contains(name) {
            diags.unused_param(*span, name);
        }
    }
}

struct Walk<'a> {
    declared: &'a [(String, Span)],
    values: &'a Values,
    used: BTreeSet<String>,
    path: Vec<String>,
    diags: &'a mut Diagnostics,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) {
        let span = node.span;
        match &mut node.kind {
            Kind::Seq(items) => items.iter_mut().for_each(|item| self.node(item)),
            Kind::Map(entries) => {
                for entry in entries.iter_mut().filter(|entry| !entry.is_note()) {
                    if entry.key.contains("${") {
                        self.diags.templating(entry.key_span, &entry.key, "write the name of the key in full");
                    }
                    self.path.push(entry.key.clone());
                    self.node(&mut entry.value);
                    self.path.pop();
                }
            }
            Kind::Scalar { text, .. } if text.contains("${") => {
                if let Some(kind) = self.replaced(text, span) {
                    node.kind = kind;
                }
            }
            Kind::Null | Kind::Scalar { .. } => {}
        }
    }

    fn replaced(&mut self, text: &str, span: Span) -> Option<Kind> {
        if self.in_params() {
            self.diags.templating(span, text, "a parameter cannot be made of others; write its value in full");
            return None;
        }
        if let Some(name) = whole_name(text) {
            let value = self.value(name, span)?;
            let plain = !matches!(value, ParamValue::String(_) | ParamValue::Path(_));
            return Some(Kind::Scalar { text: value.to_string(), plain });
        }
        let key = self.path.last().map(String::as_str).unwrap_or_default();
        let in_path = matches!(key, "path" | "root");
        let whole_segments = text.split('/').all(|part| !part.contains("${") || whole_name(part).is_some());
        if !in_path || !whole_segments {
            let help = match key {
                _ if in_path => "in a path, `${name}` is a whole segment between two `/`",
                "query" | "expr" | "where" => {
                    "bind the value instead: write `:name`, and `name` under `params` of this table"
                }
                _ => "`${name}` stands for a whole value, or for a segment of a `path`",
            };
            self.diags.templating(span, text, help);
            return None;
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            parts.push(match whole_name(part) {
                Some(name) => self.segment(name, span),
                None => Some(part.to_owned()),
            });
        }
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Kind::Scalar { text: parts.join("/"), plain: false })
    }

    /// The value of a parameter inside of a path, where only `type: path` may hold folders.
    fn segment(&mut self, name: &str, span: Span) -> Option<String> {
        let value = self.value(name, span)?;
        let text = value.to_string();
        if let ParamValue::Path(_) = value {
            return Some(text.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(&text).to_owned());
        }
        if text.is_empty() || text == "." || text == ".." || text.contains(['/', '\\']) {
            self.diags.param_segment(span, name, &text);
            return None;
        }
        Some(text)
    }

    fn value(&mut self, name: &str, span: Span) -> Option<ParamValue> {
        let Some((_, declared)) = self.declared.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = self.declared.iter().map(|(name, _)| name.as_str()).collect();
            self.diags.unknown_param(Some(span), name, &known);
            return None;
        };
        self.used.insert(name.to_owned());
        let value = self.values.get(name).cloned();
        if value.is_none() && !self.values.refused.contains(name) {
            self.diags.param_without_value(span, name, *declared);
        }
        value
    }

    fn in_params(&self) -> bool {
        let path: Vec<&str> = self.path.iter().take(3).map(String::as_str).collect();
        matches!(path[..], ["params", ..] | ["environments", _, "params"])
    }
}

/// The name in a text that is `${name}` and nothing else.
fn whole_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let simple = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    simple.then_some(name)
}

#[cfg(test)]
mod tests;
