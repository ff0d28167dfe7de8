//! Which options of a ledger may differ between two systems, and a ledger with other values of them.

use crate::dialect::Dialect;
use crate::spec::edit::Edit;
use crate::spec::tree::Node;

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
    ("usage.policy", &["exclude", "committed", "trailing"]),
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

/// All options of a ledger as each dialect has them.
#[must_use]
pub fn presets() -> Vec<Alternative> {
    let edits = |dialect: Dialect| {
        let choices = dialect.for_table("mrr_ledger");
        choices.map(|c| Edit { path: c.key().to_owned(), value: c.value.map(str::to_owned) }).collect()
    };
    Dialect::ALL
        .into_iter()
        .map(|dialect| Alternative { rule: format!("dialect: {}", dialect.name()), edits: edits(dialect) })
        .collect()
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
