//! Messages about a pipeline file or a run: collected, coded, positioned, then shown together.
//!
//! [`Diagnostics`] has one method per message a user can meet; the texts live in the files of this
//! folder, one per group of codes, and nowhere else. A message says what is wrong, where, and the
//! next step: lower case, no final period, names in backticks, help on its own line.

mod cases;
mod codes;
mod contracts;
mod files;
#[cfg(test)]
mod messages;
mod parameters;
mod render;
mod settings;
mod sources;
mod sql;
mod structure;
mod suggest;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use codes::Code;
pub use render::Color;
pub use sources::Relation;
pub use suggest::nearest;

/// A half-open range of byte offsets in the text of a pipeline file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just behind the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether the range covers no byte; a key without a value has such a value.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// Whether a message stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is computed until it is fixed.
    Error,
    /// The run goes on; someone should look.
    Warning,
}

impl Severity {
    /// The word that opens the message.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of message it is; stable across versions.
    pub code: Code,
    /// Whether it stops the run.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// Where, when it concerns a place in the pipeline file.
    pub span: Option<Span>,
    /// A few words shown under the place.
    pub label: Option<String>,
    /// Other places that belong to the mistake, each with a few words.
    pub secondary: Vec<(Span, String)>,
    /// Evidence shown between title and help, such as sample rows.
    pub details: Vec<String>,
    /// The next step, one line each.
    pub help: Vec<String>,
}

impl Diagnostic {
    fn error(code: Code, title: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title: title.into(),
            span: None,
            label: None,
            secondary: Vec::new(),
            details: Vec::new(),
            help: Vec::new(),
        }
    }

    fn warning(code: Code, title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, title) }
    }

    fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = span.into();
        self
    }

    fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// All messages about one pipeline file, with the text they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    file: String,
    text: String,
    list: Vec<Diagnostic>,
    /// Positions in `list` by code and place.
    by_place: HashMap<(&'static str, Option<Span>), Vec<usize>>,
}

impl Diagnostics {
    /// No messages yet about the file shown as `file`, whose whole content is `text`.
    #[must_use]
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), ..Self::default() }
    }

    /// No messages yet, and no file that they could point into: for data contracts at run time.
    #[must_use]
    pub fn without_file() -> Self {
        Self::default()
    }

    /// The name under which the file is shown; empty when there is none.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text of the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text at `span`; empty when the span does not lie in the text.
    #[must_use]
    pub fn source(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Whether a message stops the run.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// Whether there is no message at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of messages of one severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|d| d.severity == severity).count()
    }

    /// The messages in the order of their places in the file, those without a place last.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<_> = self.list.iter().collect();
        sorted.sort_by_key(|d| (d.span.is_none(), d.span));
        sorted
    }

    /// Line and column of a byte offset, both from 1; a column counts characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        render::position(&self.text, offset)
    }

    /// A mistake under an anchor is met once per alias but told once.
    fn push(&mut self, diagnostic: Diagnostic) {
        let same_place = self.by_place.entry((diagnostic.code.id(), diagnostic.span)).or_default();
        if same_place.iter().all(|at| self.list[*at] != diagnostic) {
            same_place.push(self.list.len());
            self.list.push(diagnostic);
        }
    }
}

/// A value in backticks: one line, printable, at most 60 characters.
fn quote(text: &str) -> String {
    let mut out = String::from("`");
    let mut rest = text.trim_end_matches('\n').chars();
    for character in rest.by_ref().take(60) {
        if character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if rest.next().is_some() {
        out.push_str("...");
    }
    out.push('`');
    out
}

/// Names in backticks, separated by commas, at most twelve of them.
fn quote_all<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 12;
    let mut out: Vec<String> = names.iter().take(SHOWN).map(|name| quote(name.as_ref())).collect();
    if names.len() > SHOWN {
        out.push(format!("{} more", names.len() - SHOWN));
    }
    out.join(", ")
}

/// Words of a parser, which may repeat all of a long text.
fn brief(words: &str) -> String {
    const SHOWN: usize = 400;
    let mut out: String = words.chars().take(SHOWN).collect();
    if out.len() < words.len() {
        out.push_str("...");
    }
    out
}

/// `did you mean ..?` when a known name is near, else the list of known names after `what`.
fn did_you_mean<S: AsRef<str>>(word: &str, known: &[S], what: &str) -> Option<String> {
    match nearest(word, known) {
        Some(name) => Some(format!("did you mean {}?", quote(name))),
        None if known.is_empty() => None,
        None => Some(format!("{what}: {}", quote_all(known))),
    }
}

/// `1 row`, `3 rows`.
fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The place of a key for a title: the top level, or the dotted path of its parent.
fn inside(place: &str) -> String {
    if place.is_empty() { "at the top level".to_owned() } else { format!("in {}", quote(place)) }
}
