//! From the tree to a typed value, reporting every mistake with its place.
//!
//! A type is described by the JSON Schema that `schemars` derives for it. The tree is checked
//! against that schema first, so that all mistakes are told at once and in our own words; only a
//! tree without mistakes is handed to serde. The schema also says how a plain text is read: where
//! a text is wanted, `1.10`, `no` and `2026-03-31` stay what is written.
//!
//! What our types use of JSON Schema is understood, and no more: `type`, `properties`, `required`,
//! `additionalProperties`, `propertyNames`, `items`, `enum`, `const`, `$ref`, bounds, nullable
//! values, and choices (`oneOf`, `anyOf`) told apart by a `type` key, by their single key, or by
//! shape. An object with `properties` is closed whether or not its schema says so.

mod choice;
mod scalar;
mod schema;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::tree::{Entry, Kind, Node, Span};
use super::types::{self, Name};
use crate::diag::{Diagnostics, nearest};

pub(super) use scalar::{decimal, whole};
pub use schema::schema_of;

/// Where a node stands, for messages: its dotted path, and the key (or item) that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    path: String,
    span: Span,
    /// An entry of a list, or of a map whose keys are data: a written `null` may be data.
    item: bool,
}

impl Place {
    /// The whole file.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The node at the dotted `path`, whose key stands at `span`.
    #[must_use]
    pub fn new(path: impl Into<String>, span: Span) -> Self {
        Self { path: path.into(), span, item: false }
    }

    fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    fn child(&self, entry: &Entry) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{}", self.path, entry.key), span: entry.key_span, item: false }
    }

    /// An entry of a list, shown as `by[1]`.
    fn item(&self, index: usize, span: Span) -> Self {
        Self { path: format!("{}[{index}]", self.path), span, item: true }
    }
}

/// Reads the whole file, or any node taken for it, as a `T`.
///
/// `None` when a message was reported.
pub fn decode<T: DeserializeOwned + JsonSchema>(node: &Node, diags: &mut Diagnostics) -> Option<T> {
    decode_at(node, &Place::root(), diags)
}

/// Reads a node inside of the file as a `T`; messages name its place.
///
/// `None` when a message was reported.
pub fn decode_at<T: DeserializeOwned + JsonSchema>(node: &Node, place: &Place, diags: &mut Diagnostics) -> Option<T> {
    let value = check(node, place, &schema_of::<T>(), diags)?;
    match serde_json::from_value(value) {
        Ok(value) => Some(value),
        Err(error) => {
            let name = if place.path.is_empty() { "the file" } else { place.path.as_str() };
            diags.internal(place.span, name, &error.to_string());
            None
        }
    }
}

/// Checks a node against a schema, which may be composed at run time, and gives it as JSON.
///
/// `$ref`s are looked up in the `$defs` of `schema` itself. `None` when a message was reported.
pub fn check(node: &Node, place: &Place, schema: &Value, diags: &mut Diagnostics) -> Option<Value> {
    Walk { root: schema, diags }.value(node, schema, place)
}

struct Walk<'a> {
    root: &'a Value,
    diags: &'a mut Diagnostics,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        if self.waits_for_param(node) {
            return None;
        }
        let schema = schema::resolve(self.root, schema);
        let (schema, nullable) = schema::without_null(self.root, schema);
        if node.kind == Kind::Null {
            // A key without a value is a mistake. A written `null` is data where data may be null.
            let wanted = schema::is_any(&schema) || (nullable && place.item);
            if wanted && !node.span.is_empty() {
                return Some(Value::Null);
            }
            let at = if place.item && !node.span.is_empty() { node.span } else { place.span };
            self.diags.empty_value(at, place.key(), &schema::expected(self.root, &schema));
            return None;
        }
        if let Some(variants) = schema::variants(&schema) {
            return self.choice(node, &schema, variants, place);
        }
        // An extension: the text as written, whatever it could be read as.
        if schema.get("x-read").and_then(Value::as_str) == Some("text") {
            return self.text(node, &schema, place);
        }
        let words = schema::words(&schema);
        if !words.is_empty() {
            return self.word(node, &words, place);
        }
        match schema.get("type").and_then(Value::as_str) {
            _ if schema::is_any(&schema) => Some(scalar::untyped(node)),
            Some("object") => self.object(node, &schema, place),
            Some("array") => self.list(node, &schema, place),
            Some("string") => self.text(node, &schema, place),
            Some("integer") => self.integer(node, &schema, place),
            Some("number") => self.number(node, &schema, place),
            Some("boolean") => self.boolean(node, place),
            other => {
                let reason = format!("its schema has the type {other:?}");
                self.diags.internal(place.span, &place.path, &reason);
                None
            }
        }
    }

    /// Whether the value is a parameter that could not be put in, which was reported.
    fn waits_for_param(&self, node: &Node) -> bool {
        node.text().is_some_and(|text| text.contains("${")) && self.diags.has_errors()
    }

    fn object(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        let Kind::Map(entries) = &node.kind else {
            return self.wrong_kind(node, place, "a map", scalar::map_help(node));
        };
        let shape = schema::Object::of(schema);
        let mut out = Map::new();
        let mut whole = true;
        let mut meant = Vec::new();
        for entry in entries {
            if entry.is_note() && !shape.free_keys() {
                continue;
            }
            let Some(inner) = shape.value_of(&entry.key) else {
                let keys = shape.keys();
                meant.extend(nearest(&entry.key, &keys).map(ToOwned::to_owned));
                self.diags.unknown_key(entry.key_span, &entry.key, &place.path, &keys);
                whole = false;
                continue;
            };
            if shape.names()
                && let Err(refusal) = entry.key.parse::<Name>()
            {
                self.diags.bad_name(entry.key_span, &refusal.title, &refusal.help);
                whole = false;
            }
            let mut inner_place = place.child(entry);
            inner_place.item = shape.free_keys();
            match self.value(&entry.value, inner, &inner_place) {
                Some(value) => drop(out.insert(entry.key.clone(), value)),
                None => whole = false,
            }
        }
        for key in shape.required() {
            // A misspelt key is one mistake, not two.
            if meant.iter().any(|other| other == key) {
                continue;
            }
            if node.entry(key).is_none() {
                let help = schema::help_for(self.root, key, shape.value_of(key));
                self.diags.missing_key(place.span, key, &place.path, help);
                whole = false;
            }
        }
        whole.then_some(Value::Object(out))
    }

    fn list(&mut self, node: &Node, schema: &Value, place: &Place) -> Option<Value> {
        let Kind::Seq(items) = &node.kind else {
            let help = node.text().map(|text| format!("write `[{text}]`"));
            return self.wrong_kind(node, place, "a list", help);
        };
        let (min, max) = schema::bounds(schema, "minItems", "maxItems");
        if items.len() < min || items.len() > max {
            let range = schema::range(min, max);
            self.diags.wrong_length(self.span(node, place), place.key(), items.len(), "value", &range);
            return None;
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.repeated(items, place)?;
        }
        let one_by_one = schema.get("prefixItems").and_then(Value::as_array);
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let inner = one_by_one.and_then(|schemas| schemas.get(index)).or_else(|| schema.get("items"));
            out.push(self.value(item, inner.unwrap_or(&Value::Bool(true)), &place.item(index, item.span)));
        }
        out.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn repeated(&mut self, items: &[Node], place: &Place) -> Option<()> {
        let mut whole = Some(());
        for (index, item) in items.iter().enumerate() {
            let first = items[..index].iter().find(|other| other.text().is_some() && other.text() == item.text());
            if let Some(first) = first {
                self.diags.repeated_item(item.span, place.key(), item.text().unwrap_or_default(), first.span);
                whole = None;
            }
        }
        whole
    }

    fn wrong_kind(&mut self, node: &Node, place: &Place, expected: &str, help: Option<String>) -> Option<Value> {
        let given = self.diags.source(node.span).trim_start_matches(['\'', '"']).starts_with("${");
        let help = if given { Some("the value comes from a parameter; compare its `type`".to_owned()) } else { help };
        self.diags.wrong_kind(self.span(node, place), place.key(), expected, &scalar::found(node), help);
        None
    }

    /// Where a message about the value itself points: a block list or map is shown by its key.
    fn span(&self, node: &Node, place: &Place) -> Span {
        let flow = self.diags.source(node.span).starts_with(['[', '{', '*']);
        match node.kind {
            Kind::Seq(_) | Kind::Map(_) if !flow && !place.item => place.span,
            _ => node.span,
        }
    }
}

/// What a text of that format looks like: "a duration such as `26h`".
fn format_words(format: &str) -> Option<String> {
    let noun = match format.strip_prefix("tenure-").unwrap_or(format) {
        "date" => "a date",
        "duration" => "a duration",
        "size" => "a size",
        "percent" => "a percentage",
        "memory" => "a size or percentage",
        "zone" => "a time zone",
        "currency" => "a currency",
        "money" => "an amount of money",
        "name" => "a name",
        "path" => "a path",
        "regex" => "a regular expression",
        _ => return None,
    };
    Some(types::example(format).map_or_else(|| noun.to_owned(), |example| format!("{noun} such as `{example}`")))
}

#[cfg(test)]
mod messages;
#[cfg(test)]
pub(in crate::spec) mod sample;
#[cfg(test)]
mod tests;
