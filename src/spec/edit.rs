//! A table with other values at some of its keys.

use super::tree::{Entry, Kind, Node, Span};

/// A change of one key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The key, parts joined by dots.
    pub path: String,
    /// Its value, a list in brackets; `None` takes the key out.
    pub value: Option<String>,
}

/// The table with the changes in place.
#[must_use]
pub fn edited(body: &Node, edits: &[Edit]) -> Node {
    let mut out = body.clone();
    for edit in edits {
        let steps: Vec<&str> = edit.path.split('.').collect();
        set(&mut out, &steps, edit.value.as_deref());
    }
    out
}

fn set(node: &mut Node, steps: &[&str], value: Option<&str>) {
    let Some((step, rest)) = steps.split_first() else { return };
    let span = node.span;
    if !matches!(node.kind, Kind::Map(_)) {
        node.kind = Kind::Map(Vec::new());
    }
    let Kind::Map(entries) = &mut node.kind else { return };
    if rest.is_empty() && value.is_none() {
        entries.retain(|entry| entry.key != *step);
        return;
    }
    let at = entries.iter().position(|entry| entry.key == *step).unwrap_or_else(|| {
        let empty = Node { span, kind: Kind::Map(Vec::new()) };
        entries.push(Entry { key: (*step).to_owned(), key_span: span, value: empty });
        entries.len() - 1
    });
    match value {
        Some(text) if rest.is_empty() => {
            entries[at].value.kind = written(text, span);
        }
        _ => set(&mut entries[at].value, rest, value),
    }
}

/// A value as it would stand in the file: `month`, or `[flow, cohort]`.
fn written(text: &str, span: Span) -> Kind {
    let scalar = |text: &str| Kind::Scalar { text: text.trim().to_owned(), plain: true };
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        None => scalar(text),
        Some(items) => Kind::Seq(items.split(',').map(|item| Node { span, kind: scalar(item) }).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::spec::tree::parse;

    fn body(text: &str) -> Node {
        parse(text, &mut Diagnostics::new("p.yml", text)).unwrap()
    }

    fn edit(path: &str, value: Option<&str>) -> Edit {
        Edit { path: path.to_owned(), value: value.map(str::to_owned) }
    }

    #[test]
    fn a_table_is_changed_at_its_keys() {
        let before = body("from: items\ntrial_end: t\npauses: {from: p, as: pause}\n");
        let after = edited(
            &before,
            &[edit("pauses.as", Some("keep")), edit("trial_end", None), edit("reactivation.within", Some("90d"))],
        );
        assert_eq!(after.at(&["pauses", "as"]).and_then(Node::text), Some("keep"));
        assert_eq!(after.at(&["pauses", "from"]).and_then(Node::text), Some("p"));
        assert_eq!(after.at(&["reactivation", "within"]).and_then(Node::text), Some("90d"));
        assert!(after.get("trial_end").is_none() && before.get("trial_end").is_some());
    }

    #[test]
    fn a_list_is_a_list() {
        let after = edited(&body("from: ledger\n"), &[edit("methods", Some("[flow, cohort]"))]);
        let items: Vec<Option<&str>> =
            after.get("methods").map(Node::items).unwrap_or_default().iter().map(Node::text).collect();
        assert_eq!(items, [Some("flow"), Some("cohort")]);
    }
}
