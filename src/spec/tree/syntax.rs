//! What the parser could not read, in words that name the likely repair.

use granit_parser::{ErrorKind, ScanError};

use super::Span;
use crate::diag::Diagnostics;

const QUOTE: &str = "quote the text: `'..'`";
const INDENT: &str = "compare the indentation of this line with the lines above";

/// Reports where and why the text is not YAML.
pub(super) fn report(text: &str, error: &ScanError, diags: &mut Diagnostics) {
    let offset = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line_start..offset];
    if let Some(tab) = before.find('\t').filter(|tab| before[..*tab].trim().is_empty()) {
        let start = line_start + tab;
        return diags.tab(Span::new(start, start + 1));
    }
    let at = place(text, offset);
    match error.kind() {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart => diags.tab(at),
        ErrorKind::RecursionLimitExceeded => diags.nesting(at, 255),
        kind => {
            let (what, help) = explain(kind, text, offset, before);
            diags.syntax(at, &what, &help);
        }
    }
}

fn explain(kind: &ErrorKind, text: &str, offset: usize, before: &str) -> (String, Vec<&'static str>) {
    use ErrorKind as E;
    let after_dollar = text[..offset].ends_with('$');
    let (what, help) = match kind {
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator | E::InvalidColonPlacement
            if after_dollar =>
        {
            (
                "a parameter inside of braces or brackets needs quotes",
                "write `'${name}'`, or put the value on a line of its own",
            )
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            let help = "close brackets and braces in the order they were opened";
            return (format!("`{open}` is closed by `{close}`"), vec![help]);
        }
        E::UnexpectedCharacter { character } => {
            let what = format!("a text cannot begin with `{}`", character.escape_default());
            return (what, vec![QUOTE]);
        }
        E::MappingValueNotAllowed if before.contains(": ") => ("unexpected `:`", "a text that holds `: ` needs quotes"),
        E::ExpectedBlockMappingKey if text[offset..].starts_with(['"', '\'', '-']) => (
            "expected `key: value` here",
            "a list under a key is indented at least as deep as the key; check the line above",
        ),
        kind => {
            let Some(known) = in_flow(kind).or_else(|| in_text(kind)).or_else(|| in_block(kind)) else {
                let words = kind.to_string();
                let what = words.rsplit(", ").next().unwrap_or(&words);
                return (format!("not valid YAML: {what}"), vec![INDENT]);
            };
            known
        }
    };
    (what.to_owned(), vec![help])
}

type Words = (&'static str, &'static str);

/// Mistakes between brackets and braces.
fn in_flow(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as E;
    Some(match kind {
        E::ExpectedFlowMappingSeparator | E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            ("expected `,` or `}`", "close the map with `}`; a text that holds `{`, `}` or `,` needs quotes")
        }
        E::ExpectedFlowSequenceSeparator | E::UnexpectedEofFlowSequence => {
            ("expected `,` or `]`", "close the list with `]`; a text that holds `[`, `]` or `,` needs quotes")
        }
        E::InvalidColonPlacement => ("unexpected `:` inside of a list", "check whether the `[` before it is closed"),
        E::UnclosedFlowCollection { open: '[' } => ("`[` is not closed", "add the missing `]`"),
        E::UnclosedFlowCollection { .. } => ("`{` is not closed", "add the missing `}`"),
        E::MisplacedFlowCollectionEnd => ("a bracket is closed that was not opened", QUOTE),
        _ => return None,
    })
}

/// Mistakes in the writing of a text, an alias or a comment.
fn in_text(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as E;
    Some(match kind {
        E::UnclosedQuotedScalar => {
            ("a quote is not closed", "add the missing quote; inside of `'..'` a quote is written `''`")
        }
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => {
            ("unexpected text behind the closing quote", "put the quotes around the whole value")
        }
        E::UnknownQuotedScalarEscape | E::InvalidQuotedScalarHexEscape | E::InvalidUnicodeEscape => {
            ("unknown escape in a text in double quotes", "single quotes keep backslashes as they are: `'\\d+'`")
        }
        E::MissingAnchorOrAliasName => ("`*` and `&` begin an alias or anchor, and its name is missing", QUOTE),
        E::CommentNotSeparated => ("a comment needs a space before its `#`", QUOTE),
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => {
            ("unexpected text behind `|` or `>`", "begin the text on the next line, indented deeper than its key")
        }
        E::PlainScalarStartsWithDashFlowIndicator => ("a text cannot begin with `-` and a bracket", QUOTE),
        E::UndeclaredTagHandle => ("a text cannot begin with `!`", QUOTE),
        E::BomInsideDocument => ("a byte order mark stands inside of the file", "remove the invisible character here"),
        _ => return None,
    })
}

/// Mistakes in the structure that indentation makes.
fn in_block(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as E;
    Some(match kind {
        E::MappingValueNotAllowed => ("unexpected `:`", INDENT),
        E::ExpectedBlockMappingKey => ("expected `key: value` at the depth of the keys above", INDENT),
        E::ExpectedBlockSequenceEntry => ("expected `- item` at the depth of the items above", INDENT),
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            ("expected `:` behind a key", "write `key: value` on one line, with a space behind the colon")
        }
        E::InvalidIndentation
        | E::InvalidBlockScalarIndent
        | E::InvalidQuotedScalarIndent
        | E::InvalidFlowScalarIndent => ("wrong indentation", INDENT),
        E::BlockSequenceEntryNotAllowed | E::BlockEntryInFlowCollection | E::InvalidBlockEntryWhitespace => {
            ("`- ` cannot stand here", "begin the list on the line below its key, or write `[a, b]`")
        }
        E::MappingKeyNotAllowed => ("a key cannot stand here", INDENT),
        E::DirectiveDisallowed => ("YAML directives are not supported", "remove the line that begins with `%`"),
        _ => return None,
    })
}

/// The character at the offset; at the end of the text, the last one that is not white space.
fn place(text: &str, offset: usize) -> Span {
    match text[offset..].chars().next() {
        Some('\n' | '\r') => Span::new(offset, offset),
        Some(character) => Span::new(offset, offset + character.len_utf8()),
        None => {
            let end = text.trim_end().len();
            let start = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
            Span::new(start, end)
        }
    }
}
