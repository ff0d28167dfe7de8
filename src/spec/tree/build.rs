//! From parser events to a tree: aliases, merge keys, duplicate keys.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, options};

use super::{Entry, Kind, Node, Span, syntax};
use crate::diag::Diagnostics;

/// Deeper nesting is refused: every walk over the tree recurses.
const MAX_DEPTH: usize = 64;
/// The cost that all aliases of a file may add together; see [`cost`].
const MAX_ALIASED: usize = 4 << 20;

/// Reads a pipeline file, reporting every mistake that does not hide the rest of the text.
///
/// `text` is the text that `diags` was made with. `None` when no tree could be read; a tree that
/// comes with errors (say, a duplicate key, of which the first is kept) can still be checked on.
pub fn parse(text: &str, diags: &mut Diagnostics) -> Option<Node> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        disallow_directives: true,
    };
    let mut builder = Builder {
        text,
        diags,
        open: Vec::new(),
        anchors: HashMap::new(),
        names: Vec::new(),
        aliased: 0,
        broken: false,
        root: None,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    break;
                }
            }
            Err(error) => {
                syntax::report(text, &error, builder.diags);
                return None;
            }
        }
    }
    let Builder { root, broken, diags, .. } = builder;
    match root {
        _ if broken => None,
        None | Some(Node { kind: Kind::Null, .. }) => {
            diags.empty_file();
            None
        }
        root => root,
    }
}

struct Builder<'a> {
    text: &'a str,
    diags: &'a mut Diagnostics,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    names: Vec<String>,
    aliased: usize,
    /// Set when a value is missing from the tree; what depends on it could not be judged.
    broken: bool,
    root: Option<Node>,
}

struct Anchor {
    node: Node,
    cost: usize,
    depth: usize,
}

/// A list or map whose end has not been met.
struct Open {
    start: usize,
    flow: bool,
    anchor: usize,
    content: Content,
}

enum Content {
    Seq(Vec<Node>),
    Map { entries: Vec<Pair>, key: Option<Key> },
}

/// An entry as written: a merge key is not resolved, a key that is no text is marked.
struct Pair {
    key: Key,
    value: Node,
}

enum Key {
    Text { text: String, span: Span },
    Merge { span: Span },
    Invalid,
}

impl Builder<'_> {
    /// Takes the next event; `false` when the rest of the file is not read.
    fn event(&mut self, event: Event<'_>, place: granit_parser::Span) -> bool {
        let range = place.byte_range().unwrap_or_default();
        let span = Span::new(range.start, range.end);
        if let Some(tag) = place.tag_span().and_then(|tag| tag.byte_range()) {
            let tag = Span::new(tag.start, tag.end);
            self.diags.tag(tag, &self.text[tag.start..tag.end]);
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Kind::Null
                } else {
                    Kind::Scalar { text: text.into_owned(), plain }
                };
                self.add(Node { span, kind }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                return self.open(span, anchor, Content::Seq(Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                return self.open(span, anchor, Content::Map { entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Anchor(_, name) => self.names.push(name.into_owned()),
            Event::Alias(id) => return self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                let known: Vec<_> = self.names.iter().map(String::as_str).collect();
                self.diags.unknown_anchor(span, &name, &known);
                self.missing(span);
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.diags.second_document(span);
                return false;
            }
            _ => {}
        }
        true
    }

    fn open(&mut self, span: Span, anchor: usize, content: Content) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.diags.nesting(span, MAX_DEPTH);
            self.broken = true;
            return false;
        }
        self.open.push(Open { start: span.start, flow: !span.is_empty(), anchor, content });
        true
    }

    fn close(&mut self, span: Span) {
        let Some(Open { start, flow, anchor, content }) = self.open.pop() else {
            return;
        };
        let (last, kind) = match content {
            Content::Seq(items) => (items.last().map(|item| item.span.end), Kind::Seq(items)),
            Content::Map { entries, .. } => {
                let last = entries.last().map(|pair| pair.value.span.end);
                (last, Kind::Map(self.entries(entries)))
            }
        };
        let end = if flow { span.end } else { last.unwrap_or(start) };
        self.add(Node { span: Span::new(start, end.max(start)), kind }, anchor);
    }

    /// Stands in for a value that could not be read.
    fn missing(&mut self, span: Span) {
        self.broken = true;
        self.add(Node { span, kind: Kind::Scalar { text: String::new(), plain: false } }, 0);
    }

    fn alias(&mut self, id: usize, span: Span) -> bool {
        let Some(anchor) = self.anchors.get(&id) else {
            let name = self.text[span.start..span.end].trim_start_matches('*').to_owned();
            self.diags.alias_loop(span, &name);
            self.missing(span);
            return true;
        };
        self.aliased = self.aliased.saturating_add(anchor.cost);
        if self.aliased > MAX_ALIASED {
            self.diags.alias_expansion(span);
        } else if self.open.len() + anchor.depth > MAX_DEPTH {
            self.diags.nesting(span, MAX_DEPTH);
        } else {
            let node = Node { span, kind: anchor.node.kind.clone() };
            self.add(node, 0);
            return true;
        }
        self.broken = true;
        false
    }

    /// Puts a finished value where it belongs: root, list item, key, or value of a key.
    fn add(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let (cost, depth) = cost(&node);
            self.anchors.insert(anchor, Anchor { node: node.clone(), cost, depth });
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Seq(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                Some(key) => entries.push(Pair { key, value: node }),
                None => *key = Some(as_key(node, self.diags)),
            },
        }
    }

    /// Drops repeated keys and puts merged entries in, behind those that the map has itself.
    fn entries(&mut self, pairs: Vec<Pair>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut seen: HashMap<String, Span> = HashMap::with_capacity(pairs.len());
        let mut merges: Vec<Node> = Vec::new();
        for Pair { key, value } in pairs {
            let (text, span, merge) = match key {
                Key::Text { text, span } => (text, span, false),
                Key::Merge { span } => ("<<".to_owned(), span, true),
                Key::Invalid => continue,
            };
            if let Some(first) = seen.get(&text) {
                self.diags.duplicate_key(span, &text, *first);
                continue;
            }
            seen.insert(text.clone(), span);
            match value.kind {
                _ if !merge => entries.push(Entry { key: text, key_span: span, value }),
                Kind::Map(_) => merges.push(value),
                Kind::Seq(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                    merges.extend(items);
                }
                _ => self.diags.merge_not_map(span),
            }
        }
        for Node { kind, .. } in merges {
            let Kind::Map(inherited) = kind else { continue };
            for entry in inherited {
                if !seen.contains_key(&entry.key) {
                    seen.insert(entry.key.clone(), entry.key_span);
                    entries.push(entry);
                }
            }
        }
        entries
    }
}

fn as_key(node: Node, diags: &mut Diagnostics) -> Key {
    match node.kind {
        Kind::Scalar { text, plain: true } if text == "<<" => Key::Merge { span: node.span },
        Kind::Scalar { text, .. } => Key::Text { text, span: node.span },
        _ => {
            diags.key_not_text(node.span);
            Key::Invalid
        }
    }
}

/// What a copy of the value costs in bytes, roughly, and how deep it is.
fn cost(node: &Node) -> (usize, usize) {
    let own = size_of::<Entry>();
    match &node.kind {
        Kind::Null => (own, 0),
        Kind::Scalar { text, .. } => (own + text.len(), 0),
        Kind::Seq(items) => items.iter().map(cost).fold((own, 1), deeper),
        Kind::Map(entries) => entries
            .iter()
            .map(|entry| {
                let (cost, depth) = cost(&entry.value);
                (cost + entry.key.len(), depth)
            })
            .fold((own, 1), deeper),
    }
}

fn deeper((cost, depth): (usize, usize), (more, below): (usize, usize)) -> (usize, usize) {
    (cost.saturating_add(more), depth.max(below + 1))
}
