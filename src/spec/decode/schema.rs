//! Reading the parts of JSON Schema that our types use, and publishing them for editors.

use std::borrow::Cow;

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::format_words;

/// The JSON Schema of `T` as editors need it: what it accepts is what [`super::decode`] accepts.
///
/// Maps with fixed keys are closed, `x-` keys are free, and an optional key is left out rather
/// than null.
#[must_use]
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T);
    RecursiveTransform(tidy).transform(&mut schema);
    schema.to_value()
}

fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for property in properties.values_mut() {
            *property = drop_null(property.take());
        }
        object.entry("additionalProperties").or_insert(json!(false));
    }
    let by_pattern = object.get("patternProperties");
    let named = object.contains_key("propertyNames") || by_pattern.is_some_and(holds_names);
    if object.contains_key("properties") || named {
        let patterns = object.entry("patternProperties").or_insert(json!({}));
        patterns["^x-"] = json!(true);
    }
}

/// The schema of an optional key without its null.
fn drop_null(mut property: Value) -> Value {
    let (mut out, nullable) = without_null(&Value::Null, Cow::Owned(property.take()));
    if nullable && let Some(object) = out.to_mut().as_object_mut() {
        object.retain(|key, value| key != "default" || !value.is_null());
    }
    out.into_owned()
}

/// The schema behind `$ref`s, what stands beside them put on top.
pub(super) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> Cow<'s, Value> {
    let mut schema = Cow::Borrowed(schema);
    for _ in 0..16 {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            break;
        };
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let Some(target) = target else { break };
        let beside = schema.as_object().is_some_and(|object| object.len() > 1);
        schema = if beside { Cow::Owned(overlay(target, &schema)) } else { Cow::Borrowed(target) };
    }
    schema
}

fn overlay(target: &Value, over: &Value) -> Value {
    let mut out = target.as_object().cloned().unwrap_or_default();
    for (key, value) in over.as_object().into_iter().flatten() {
        match (key.as_str(), out.get_mut(key), value) {
            ("$ref", ..) => {}
            ("properties", Some(Value::Object(all)), Value::Object(more)) => {
                all.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            ("required", Some(Value::Array(all)), Value::Array(more)) => {
                all.extend(more.iter().cloned());
            }
            _ => drop(out.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(out)
}

/// The schema for values other than null, and whether null is allowed beside them.
pub(super) fn without_null<'s>(root: &'s Value, schema: Cow<'s, Value>) -> (Cow<'s, Value>, bool) {
    let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
    if let Some(Value::Array(types)) = schema.get("type")
        && types.iter().any(|name| name == "null")
    {
        let mut out = schema.into_owned();
        let rest = out["type"].as_array().and_then(|all| all.iter().find(|name| *name != "null")).cloned();
        out["type"] = rest.unwrap_or(Value::Null);
        if let Some(Value::Array(words)) = out.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        return (Cow::Owned(out), true);
    }
    if let Some(Value::Array(any)) = schema.get("anyOf")
        && any.iter().any(is_null)
    {
        let mut out = schema.as_object().cloned().unwrap_or_default();
        let rest: Vec<Value> = any.iter().filter(|schema| !is_null(schema)).cloned().collect();
        match &rest[..] {
            [only] => {
                out.remove("anyOf");
                let only = only.as_object().cloned().unwrap_or_default();
                let mut merged: Map<String, Value> =
                    only.into_iter().filter(|(key, _)| !out.contains_key(key)).collect();
                merged.extend(out);
                let merged = Value::Object(merged);
                return (Cow::Owned(resolve(root, &merged).into_owned()), true);
            }
            _ => drop(out.insert("anyOf".to_owned(), Value::Array(rest))),
        }
        return (Cow::Owned(Value::Object(out)), true);
    }
    (schema, false)
}

/// Whether every value is accepted.
pub(super) fn is_any(schema: &Value) -> bool {
    match schema {
        Value::Bool(any) => *any,
        Value::Object(keys) => !["type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const", "x-read"]
            .iter()
            .any(|key| keys.contains_key(*key)),
        _ => false,
    }
}

/// The alternatives of a choice.
pub(super) fn variants(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
}

/// The words that a text must be one of; empty when it is free.
pub(super) fn words(schema: &Value) -> Vec<&str> {
    let all = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    all.chain(schema.get("const")).filter_map(Value::as_str).collect()
}

/// The keywords of an object schema.
pub(super) struct Object<'s> {
    properties: Option<&'s Map<String, Value>>,
    required: Option<&'s Vec<Value>>,
    others: Option<&'s Value>,
    names: bool,
}

impl<'s> Object<'s> {
    pub(super) fn of(schema: &'s Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        // The schema of `BTreeMap<K, _>` and `IndexMap<K, _>` carries the form of `K` as a pattern.
        let by_pattern = schema.get("patternProperties");
        let patterns = by_pattern.and_then(Value::as_object);
        let pattern = patterns.and_then(|all| all.iter().find(|(pattern, _)| *pattern != "^x-"));
        let others = match schema.get("additionalProperties") {
            None | Some(Value::Bool(false)) if pattern.is_some() => pattern.map(|(_, schema)| schema),
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(schema),
            None if properties.is_some() => None,
            None => Some(&Value::Bool(true)),
        };
        let named = |schema: &Value| schema.get("format").and_then(Value::as_str) == Some("tenure-name");
        Self {
            properties,
            required: schema.get("required").and_then(Value::as_array),
            others,
            names: schema.get("propertyNames").is_some_and(named) || by_pattern.is_some_and(holds_names),
        }
    }

    /// Whether keys are data, not names: then `x-` has no meaning.
    pub(super) fn free_keys(&self) -> bool {
        self.properties.is_none() && !self.names
    }

    /// Whether keys are names that the user chose.
    pub(super) fn names(&self) -> bool {
        self.properties.is_none() && self.names
    }

    pub(super) fn value_of(&self, key: &str) -> Option<&'s Value> {
        self.properties.and_then(|properties| properties.get(key)).or(self.others)
    }

    pub(super) fn keys(&self) -> Vec<&'s str> {
        self.properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.required.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Whether keys of that form are [`super::Name`]s.
fn holds_names(patterns: &Value) -> bool {
    let mut all = patterns.as_object().into_iter().flatten();
    all.any(|(pattern, _)| pattern.contains("[a-z][a-z0-9_]{0,62}"))
}

/// What the value of a key may be, in a few words: "a list", "a date such as `2026-06-30`".
pub(super) fn expected(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    let (schema, _) = without_null(root, schema);
    let words = all_words(root, &schema);
    if !words.is_empty() {
        return match &words[..] {
            [only] => format!("`{only}`"),
            _ if words.len() > 6 => format!("one of `{}`, ..", words[..6].join("`, `")),
            _ => format!("one of `{}`", words.join("`, `")),
        };
    }
    let format = schema.get("format").and_then(Value::as_str);
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "a map".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("string") => format.and_then(format_words).unwrap_or_else(|| "a text".to_owned()),
        None if schema.get("x-read").is_some() => "a value".to_owned(),
        _ if variants(&schema).is_some() => "a map".to_owned(),
        _ => "a value".to_owned(),
    }
}

/// The words of a choice that consists of words alone or has some.
fn all_words(root: &Value, schema: &Value) -> Vec<String> {
    let own = words(schema).into_iter().map(ToOwned::to_owned);
    let inner = variants(schema).into_iter().flatten().flat_map(|variant| {
        let variant = resolve(root, variant);
        words(&variant).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    });
    own.chain(inner).collect()
}

/// Help for a missing key: what it is, and what to write.
pub(super) fn help_for(root: &Value, key: &str, schema: Option<&Value>) -> Vec<String> {
    let Some(schema) = schema else {
        return Vec::new();
    };
    let mut help = vec![format!("add `{key}`: {}", expected(root, schema))];
    let resolved = resolve(root, schema);
    let description = schema.get("description").or_else(|| resolved.get("description"));
    if let Some(text) = description.and_then(Value::as_str) {
        let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let sentence = paragraph.split(". ").next().unwrap_or_default().trim_end_matches('.');
        help.push(format!("`{key}` is documented as: {sentence}"));
    }
    help
}

/// Two bounds, absent ones as wide as can be.
pub(super) fn bounds(schema: &Value, min: &str, max: &str) -> (usize, usize) {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    (bound(min).unwrap_or(0), bound(max).unwrap_or(usize::MAX))
}

/// Bounds of a count in words.
pub(super) fn range(min: usize, max: usize) -> String {
    match (min, max) {
        (min, usize::MAX) => format!("at least {min}"),
        (0, max) => format!("at most {max}"),
        (min, max) if min == max => format!("exactly {min}"),
        (min, max) => format!("{min} to {max}"),
    }
}
