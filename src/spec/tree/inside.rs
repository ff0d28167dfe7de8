//! Places inside of a text: a word of a query that stands in a block of its own.

use std::ops::Range;

use super::{Node, Span};

/// Where a part of a scalar's text, given in bytes, stands in the file.
///
/// Exact for plain and quoted texts on one line, and for literal blocks (`|`). `None` where the text is not in
/// the file as it is read: folded, with escapes, or given by a parameter.
#[must_use]
pub fn span_inside(file: &str, node: &Node, part: &Range<usize>) -> Option<Span> {
    let text = node.text()?;
    let written = file.get(node.span.start..node.span.end)?;
    if part.end > text.len() || part.start > part.end {
        return None;
    }
    if !text.contains('\n') {
        let start = node.span.start + written.find(text)?;
        return Some(Span::new(start + part.start, start + part.end));
    }
    // The place of a block begins at its first character that is no space, without the empty lines before it.
    let lead = text.len() - text.trim_start_matches('\n').len();
    let line = text.get(lead..part.start)?.matches('\n').count();
    let line_start = text[..part.start].rfind('\n').map_or(0, |at| at + 1);
    let content = text[line_start..].split('\n').next().unwrap_or_default();
    let rows = written.split_inclusive('\n');
    let start = node.span.start + rows.clone().take(line).map(str::len).sum::<usize>();
    let row = rows.skip(line).map(|row| row.trim_end_matches(['\n', '\r'])).next()?;
    let indent = row.len().checked_sub(content.len())?;
    if row.get(indent..) != Some(content) || row[..indent].contains(|c: char| c != ' ') {
        return None;
    }
    let within = part.start - line_start;
    // A part that goes on behind its line is shown to the end of that line.
    let length = (part.end - part.start).min(content.len() - within);
    Some(Span::new(start + indent + within, start + indent + within + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::spec::tree::parse;

    /// What stands in the file where `word` stands in the text of `query`.
    fn found(file: &str, word: &str) -> Option<String> {
        let mut diags = Diagnostics::new("f.yml", file);
        let root = parse(file, &mut diags).unwrap();
        let node = root.get("query").unwrap();
        let at = node.text().unwrap().find(word).unwrap();
        let span = span_inside(file, node, &(at..at + word.len()))?;
        Some(file[span.start..span.end].to_owned())
    }

    #[test]
    fn words_are_found_in_blocks_and_on_one_line() {
        for file in [
            "query: |\n  SELECT ä, b\n    FROM led\n\n  WHERE x\nother: 1\n",
            "query: |\n\n  SELECT ä, b\n  FROM led WHERE x\n",
            "query: |-\n      SELECT ä, b\n      FROM led WHERE x\n",
            "a: 1\nquery: |2\n  SELECT ä, b\n   FROM led WHERE x\n",
            "query: |\r\n  SELECT ä, b\r\n  FROM led WHERE x\r\n",
            "query: SELECT ä, b FROM led WHERE x\n",
            "query: 'SELECT ä, b FROM led WHERE x'\n",
            "query: \"SELECT ä, b FROM led WHERE x\"\n",
        ] {
            for word in ["SELECT", "ä", "b", "led", "x"] {
                assert_eq!(found(file, word).as_deref(), Some(word), "{file}");
            }
        }
    }

    #[test]
    fn a_text_that_is_written_otherwise_has_no_inner_places() {
        assert_eq!(found("query: >\n  SELECT a\n  FROM led\n", "FROM"), None);
        assert_eq!(found("query: 'it''s FROM'\n", "FROM"), None);
    }
}
