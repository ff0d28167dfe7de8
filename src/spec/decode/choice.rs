//! Values that are one of several kinds, and how the kind is told.

use serde_json::{Map, Value};

use super::{Kind, Node, Place, Walk, scalar, schema};
use crate::diag::nearest;

impl Walk<'_> {
    /// Told by a key that every variant fixes (`type`), by the single key, or by shape.
    pub(super) fn choice(&mut self, node: &Node, schema: &Value, variants: &[Value], place: &Place) -> Option<Value> {
        let variants: Vec<Value> = variants.iter().map(|v| schema::resolve(self.root, v).into_owned()).collect();
        if let Some(tag) = tag_of(&variants) {
            return self.tagged(node, &variants, &tag, place);
        }
        if variants.iter().all(|variant| !schema::words(variant).is_empty() || single_key(variant).is_some()) {
            return self.keyed(node, &variants, place);
        }
        let fits = |variant: &&Value| shape_fits(variant, node);
        if let Some(variant) = variants.iter().find(fits) {
            return self.value(node, variant, place);
        }
        let kinds: Vec<_> = variants.iter().map(|variant| schema::expected(self.root, variant)).collect();
        let expected = if kinds.is_empty() { schema::expected(self.root, schema) } else { kinds.join(" or ") };
        self.wrong_kind(node, place, &expected, None)
    }

    fn tagged(&mut self, node: &Node, variants: &[Value], tag: &str, place: &Place) -> Option<Value> {
        if !matches!(node.kind, Kind::Map(_)) {
            return self.wrong_kind(node, place, &format!("a map with `{tag}`"), scalar::map_help(node));
        }
        let words: Vec<&str> = variants.iter().filter_map(|variant| constant(variant, tag)).collect();
        let Some(entry) = node.entry(tag) else {
            let misspelt = node.entries().iter().find(|entry| nearest(&entry.key, &[tag]).is_some());
            if let Some(entry) = misspelt {
                self.diags.unknown_key(entry.key_span, &entry.key, &place.path, &[tag]);
                return None;
            }
            let help = vec![format!("add `{tag}`: one of `{}`", words.join("`, `"))];
            self.diags.missing_key(place.span, tag, &place.path, help);
            return None;
        };
        let chosen = self.word(&entry.value, &words, &place.child(entry))?;
        let variant = variants.iter().find(|variant| constant(variant, tag) == chosen.as_str())?;
        self.object(node, variant, place)
    }

    fn keyed(&mut self, node: &Node, variants: &[Value], place: &Place) -> Option<Value> {
        let words: Vec<&str> = variants.iter().flat_map(schema::words).collect();
        let keyed: Vec<(&str, &Value)> = variants.iter().filter_map(single_key).collect();
        let Kind::Map(entries) = &node.kind else {
            // A variant that needs settings was named as if it needed none.
            if let Some((key, inner)) = keyed.iter().find(|(key, _)| node.text() == Some(key)) {
                let help = format!("write `{{{key}: ..}}` with {} for `{key}`", schema::expected(self.root, inner));
                return self.wrong_kind(node, place, "a map for this choice", Some(help));
            }
            let all: Vec<&str> = words.iter().copied().chain(keyed.iter().map(|(key, _)| *key)).collect();
            return self.word(node, &all, place);
        };
        let entries: Vec<_> = entries.iter().filter(|entry| !entry.is_note()).collect();
        let all: Vec<&str> = keyed.iter().map(|(key, _)| *key).chain(words.iter().copied()).collect();
        let [entry] = entries[..] else {
            let found: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            self.diags.one_key_of(self.span(node, place), place.key(), &found, &all);
            return None;
        };
        if let Some((key, inner)) = keyed.iter().find(|(key, _)| *key == entry.key) {
            let value = self.value(&entry.value, inner, &place.child(entry))?;
            return Some(Value::Object(Map::from_iter([((*key).to_owned(), value)])));
        }
        if words.contains(&entry.key.as_str()) {
            let help = format!("write `{}: {}`", place.key(), entry.key);
            return self.wrong_kind(node, place, &format!("the word `{}` alone", entry.key), Some(help));
        }
        self.diags.unknown_key(entry.key_span, &entry.key, &place.path, &all);
        None
    }

    pub(super) fn word(&mut self, node: &Node, words: &[&str], place: &Place) -> Option<Value> {
        let Some(text) = node.text() else {
            if node.kind == Kind::Null {
                self.diags.empty_value(place.span, place.key(), "a word");
                return None;
            }
            return self.wrong_kind(node, place, "a word", None);
        };
        if !words.contains(&text) {
            self.diags.unknown_choice(node.span, place.key(), text, words);
            return None;
        }
        Some(Value::from(text))
    }
}

/// The key that every variant requires and fixes to a word of its own.
fn tag_of(variants: &[Value]) -> Option<String> {
    let properties = variants.first()?.get("properties")?.as_object()?;
    let fixed = |key: &str| variants.iter().all(|variant| constant(variant, key).is_some());
    properties.keys().find(|key| fixed(key)).cloned()
}

fn constant<'v>(variant: &'v Value, key: &str) -> Option<&'v str> {
    variant.get("properties")?.get(key)?.get("const")?.as_str()
}

/// The single key of a variant that is a map of one entry.
fn single_key(variant: &Value) -> Option<(&str, &Value)> {
    let properties = variant.get("properties")?.as_object()?;
    let required = variant.get("required")?.as_array()?;
    let mut entries = properties.iter();
    match (entries.next(), entries.next(), &required[..]) {
        (Some((key, value)), None, [only]) if only == key => Some((key, value)),
        _ => None,
    }
}

fn shape_fits(variant: &Value, node: &Node) -> bool {
    let kind = variant.get("type").and_then(Value::as_str);
    match &node.kind {
        Kind::Map(_) => kind == Some("object"),
        Kind::Seq(_) => kind == Some("array"),
        Kind::Null => false,
        Kind::Scalar { text, plain } => match kind {
            Some("string") => true,
            Some("boolean") => *plain && matches!(text.as_str(), "true" | "false"),
            Some("integer") => *plain && scalar::whole(text).is_some(),
            Some("number") => *plain && scalar::decimal(text).is_some(),
            _ => schema::words(variant).contains(&text.as_str()),
        },
    }
}
