//! The YAML text as a tree in which every key and value keeps its place.
//!
//! Scalars stay text: nothing is retyped before [`super::decode`] knows what is wanted. Aliases
//! and merge keys are resolved here, so that readers of a [`Node`] never meet them.

mod build;
mod inside;
mod syntax;

pub use crate::diag::Span;
pub use build::parse;
pub use inside::span_inside;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands; for an alias, where the alias stands. Empty for a key without a value.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is, before its type is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A text; `plain` when it is written without quotes and not as a block.
    Scalar {
        /// The text after quotes, escapes and line folding.
        text: String,
        /// Whether it could also be read as a number or a boolean.
        plain: bool,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of the file, without duplicate keys.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Entry {
    /// Whether the key is free for notes and anchors: it starts with `x-`.
    #[must_use]
    pub fn is_note(&self) -> bool {
        self.key.starts_with("x-")
    }
}

impl Node {
    /// The entry of a key; `None` too when this is no map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a key; `None` too when this is no map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entries of a map; empty when this is none.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; empty when this is none.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value at a path of keys and, within lists, decimal indices.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.kind {
            Kind::Seq(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(step),
        })
    }

    /// Where a message about `path` points: a scalar itself, else the key of the list or map.
    ///
    /// A path that does not exist is shown at the deepest part of it that does: a missing key at
    /// the key of its parent.
    #[must_use]
    pub fn span_of(&self, path: &[&str]) -> Span {
        self.walk(path).1
    }

    /// Where the key at the end of `path` stands; falls back like [`Node::span_of`].
    #[must_use]
    pub fn key_span_of(&self, path: &[&str]) -> Span {
        self.walk(path).0
    }

    /// The places of the last key and of the last value on the way along `path`.
    fn walk(&self, path: &[&str]) -> (Span, Span) {
        let mut node = self;
        let mut key = self.entries().first().map_or(self.span, |first| first.key_span);
        let mut reached = 0;
        for step in path {
            match &node.kind {
                Kind::Seq(items) => match step.parse().ok().and_then(|index: usize| items.get(index)) {
                    Some(item) => (key, node) = (item.span, item),
                    None => break,
                },
                _ => match node.entry(step) {
                    Some(entry) => (key, node) = (entry.key_span, &entry.value),
                    None => break,
                },
            }
            reached += 1;
        }
        let whole = reached == path.len() && reached > 0;
        let value = match &node.kind {
            Kind::Scalar { .. } if whole => node.span,
            _ => key,
        };
        (key, value)
    }
}

#[cfg(test)]
mod tests;
