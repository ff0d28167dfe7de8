//! Which options of a ledger may differ between two systems, and a ledger with other values of them.

use crate::spec::tree::{Entry, Kind, Node};

/// A change of one key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The key, parts joined by dots.
    pub path: String,
    /// Its value; `None` takes the key out.
    pub value: Option<String>,
}

/// Another way to read the same rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// What it is called in a bridge.
    pub rule: String,
    /// The changes that make it.
    pub edits: Vec<Edit>,
}

/// Options by their keys, and the values they can have; the order is that in which they are tried.
///
/// A value that the ledger cannot take, because it names no column for it, is left out when the
/// ledger is resolved with it.
const OPTIONS: &[(&str, &[&str])] = &[
    ("trials", &["exclude", "include"]),
    ("interval_factors", &["standard", "paddle", "recurly", "stripe", "profitable"]),
    ("discounts.policy", &["recurring", "all", "forever", "none"]),
    ("pauses.as", &["pause", "keep", "churn"]),
    ("churn_at", &["service_end", "request", "period_end"]),
    ("past_due.grace", &["0d", "15d", "30d", "45d", "60d", "90d"]),
    ("end_inclusive", &["false", "true"]),
    ("usage.policy", &["committed", "trailing"]),
    ("usage.months", &["1", "3", "12"]),
    ("reactivation.within", &["30d", "90d"]),
    ("win_back", &["30d", "60d", "90d"]),
    ("coalesce_within", &["1d", "3d", "7d"]),
    ("fx.rate_of", &["first_day", "last_day", "day_before"]),
    ("fx.revalue", &["day", "week", "month", "quarter", "year"]),
];

/// Keys without which a ledger reads less than it does.
const PARTS: &[&str] =
    &["trial_end", "discounts", "pauses", "past_due", "usage", "reactivation", "win_back", "coalesce_within"];

/// Every single option with another value than the one written.
#[must_use]
pub fn alternatives(body: &Node) -> Vec<Alternative> {
    let mut out = Vec::new();
    for (path, values) in OPTIONS {
        let steps: Vec<&str> = path.split('.').collect();
        let written = body.at(&steps).and_then(Node::text);
        for value in values.iter().filter(|value| written != Some(value)) {
            let edit = Edit { path: (*path).to_owned(), value: Some((*value).to_owned()) };
            out.push(Alternative { rule: format!("{path}: {value}"), edits: vec![edit] });
        }
    }
    for path in PARTS.iter().filter(|path| body.get(path).is_some()) {
        let edit = Edit { path: (*path).to_owned(), value: None };
        out.push(Alternative { rule: format!("without {path}"), edits: vec![edit] });
    }
    out
}

impl Alternative {
    /// Both at once; `None` where they change the same key.
    #[must_use]
    pub fn and(&self, other: &Self) -> Option<Self> {
        let root = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        let clash = self.edits.iter().any(|a| {
            other.edits.iter().any(|b| {
                a.path == b.path || (root(&a.path) == root(&b.path) && (a.value.is_none() || b.value.is_none()))
            })
        });
        (!clash).then(|| Self {
            rule: format!("{} and {}", self.rule, other.rule),
            edits: self.edits.iter().chain(&other.edits).cloned().collect(),
        })
    }
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
            entries[at].value.kind = Kind::Scalar { text: text.to_owned(), plain: true };
        }
        _ => set(&mut entries[at].value, rest, value),
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
    fn what_is_written_is_no_alternative() {
        let rules: Vec<String> =
            alternatives(&body("trials: exclude\ntrial_end: t\n")).into_iter().map(|a| a.rule).collect();
        assert!(rules.contains(&"trials: include".to_owned()) && !rules.contains(&"trials: exclude".to_owned()));
        assert_eq!(rules.last().map(String::as_str), Some("without trial_end"));
        assert!(!rules.contains(&"without pauses".to_owned()));
    }

    #[test]
    fn two_options_go_together_unless_they_are_one() {
        let of = |path: &str, value| Alternative { rule: path.to_owned(), edits: vec![edit(path, value)] };
        assert_eq!(of("a", Some("1")).and(&of("b", Some("2"))).unwrap().rule, "a and b");
        assert!(of("a", Some("1")).and(&of("a", Some("2"))).is_none());
        assert!(of("p.as", Some("keep")).and(&of("p", None)).is_none());
    }
}
