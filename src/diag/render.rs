//! How messages look: rustc's layout for people, one JSON object per message for machines.

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use serde_json::{Value, json};

use super::{Diagnostic, Diagnostics, Severity, Span, plural};

/// Whether the text carries ANSI colours. Meaning is never carried by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI escapes.
    Always,
}

/// Most messages that are shown: nobody reads more, and each looks through the whole file.
const SHOWN: usize = 100;

const BOM: &str = "\u{feff}";

impl Diagnostics {
    /// All messages in the order of their places, a blank line between them, then the summary.
    ///
    /// `width` is that of the terminal; long lines of the file are cut to it, never the messages.
    /// Of very many messages the first are shown, and the summary says so.
    /// Ends in a line break, and is empty when there is no message.
    #[must_use]
    pub fn render(&self, color: Color, width: Option<usize>) -> String {
        let mut blocks: Vec<String> =
            self.sorted().into_iter().take(SHOWN).map(|d| self.render_one(d, color, width)).collect();
        blocks.extend(self.summary());
        let mut out = blocks.join("\n\n");
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    /// One message as [`Diagnostics::render`] shows it, without a final line break.
    #[must_use]
    pub fn render_one(&self, diagnostic: &Diagnostic, color: Color, width: Option<usize>) -> String {
        let renderer = match color {
            Color::Never => Renderer::plain(),
            Color::Always => Renderer::styled(),
        }
        .term_width(width.unwrap_or(DEFAULT_TERM_WIDTH));
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.title.as_str()).id(diagnostic.code.id());
        let mut head = Group::with_title(title);
        if let Some(span) = diagnostic.span {
            head = head.element(self.snippet(span, diagnostic));
        }
        let mut out = renderer.render(&[head]);
        for detail in &diagnostic.details {
            out.push_str("\n  ");
            out.push_str(&normalize_untrusted_str(detail));
        }
        for help in &diagnostic.help {
            let help = Group::with_title(Level::HELP.secondary_title(help.as_str()));
            out.push('\n');
            out.push_str(&renderer.render(&[help]));
        }
        out
    }

    /// The last line: how many mistakes and warnings there are in which file.
    ///
    /// `None` when there is no message, or no file that they concern.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let counts = match (errors, warnings) {
            _ if self.file.is_empty() => return None,
            (0, 0) => return None,
            (0, _) => plural(warnings, "warning"),
            (_, 0) => plural(errors, "mistake"),
            _ => format!("{} and {}", plural(errors, "mistake"), plural(warnings, "warning")),
        };
        let word = if errors > 0 { Severity::Error.word() } else { Severity::Warning.word() };
        let first =
            if errors + warnings > SHOWN { format!(", of which the first {SHOWN} are shown") } else { String::new() };
        Some(format!("{word}: {counts} in {}{first}", normalize_untrusted_str(&self.file)))
    }

    /// The messages in the order of [`Diagnostics::render`], one object each.
    ///
    /// Keys: `severity`, `code`, `title`, `file`, `line`, `column` (from 1, in characters; null
    /// where a message has no place), `details` and `help` (lists of text).
    #[must_use]
    pub fn to_json(&self) -> Vec<Value> {
        let object = |d: &Diagnostic| {
            let place = d.span.map(|span| position(&self.text, span.start));
            json!({
                "severity": d.severity.word(),
                "code": d.code.id(),
                "title": d.title,
                "file": (!self.file.is_empty()).then_some(&self.file),
                "line": place.map(|(line, _)| line),
                "column": place.map(|(_, column)| column),
                "details": d.details,
                "help": d.help,
            })
        };
        self.sorted().into_iter().map(object).collect()
    }

    fn snippet<'a>(&'a self, span: Span, diagnostic: &'a Diagnostic) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let (skipped, text) = without_bom(&self.text);
        let range = |span: Span| first_line(text, span, skipped);
        let mut primary = AnnotationKind::Primary.span(range(span));
        if let Some(label) = &diagnostic.label {
            primary = primary.label(label.as_str());
        }
        let secondary = diagnostic
            .secondary
            .iter()
            .map(|(span, label)| AnnotationKind::Context.span(range(*span)).label(label.as_str()));
        Snippet::source(text).path(self.file.as_str()).annotation(primary).annotations(secondary)
    }
}

/// Line and column of a byte offset, both from 1; a byte order mark takes no column.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let (skipped, text) = without_bom(text);
    let before = &text[..char_start(text, offset.saturating_sub(skipped))];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn without_bom(text: &str) -> (usize, &str) {
    text.strip_prefix(BOM).map_or((0, text), |rest| (BOM.len(), rest))
}

/// A long map or a block text is shown by its first line.
fn first_line(text: &str, span: Span, skipped: usize) -> std::ops::Range<usize> {
    let start = char_start(text, span.start.saturating_sub(skipped));
    let end = char_start(text, span.end.saturating_sub(skipped)).max(start);
    let line = text[start..end].lines().next().unwrap_or_default().trim_end();
    start..start + line.len()
}

/// The offset itself, or the start of the character it lies in, or the end of the text.
fn char_start(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
