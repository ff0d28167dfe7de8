//! A table with the choices of its dialect for the keys that it does not write.

use crate::dialect::Dialect;
use crate::spec::edit::{Edit, edited};
use crate::spec::tree::Node;

/// What a preset set in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The vendor.
    pub dialect: Dialect,
    /// Keys and values, in the order of the page.
    pub set: Vec<(&'static str, &'static str)>,
}

/// Fills keys one after the other. A choice that the table cannot take is left out: `mistakes` counts
/// what is wrong with a table, and a choice must not add to it.
pub(super) fn filled(
    body: &Node,
    ty: &str,
    dialect: Dialect,
    mistakes: &mut dyn FnMut(&Node) -> usize,
) -> (Node, Preset) {
    let mut out = body.clone();
    let mut set = Vec::new();
    let mut wrong = mistakes(&out);
    for choice in dialect.for_table(ty) {
        let steps: Vec<&str> = choice.key().split('.').collect();
        let Some(value) = choice.value.filter(|_| body.at(&steps).is_none()) else { continue };
        let next = edited(&out, &[Edit { path: choice.key().to_owned(), value: Some(value.to_owned()) }]);
        let found = mistakes(&next);
        if found <= wrong {
            (out, wrong) = (next, found);
            set.push((choice.key(), value));
        }
    }
    (out, Preset { dialect, set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::spec::tree::parse;

    fn body(text: &str) -> Node {
        parse(text, &mut Diagnostics::new("p.yml", text)).unwrap()
    }

    #[test]
    fn written_keys_stay_and_what_does_not_fit_is_left_out() {
        let before = body("from: ledger\ngrain: week\n");
        // As if the table had no bases.
        let mut mistakes = |node: &Node| usize::from(node.get("logo_base").is_some());
        let (after, preset) = filled(&before, "churn", Dialect::Stripe, &mut mistakes);
        assert_eq!(preset.set, [("same_period", "both"), ("reactivation_in_net", "true")]);
        assert_eq!(after.get("grain").and_then(Node::text), Some("week"));
        assert_eq!(after.get("reactivation_in_net").and_then(Node::text), Some("true"));
        assert!(after.get("logo_base").is_none());
    }

    #[test]
    fn a_choice_may_mend_what_is_missing() {
        let before = body("past_due: {since: s}\n");
        let mut mistakes = |node: &Node| {
            usize::from(node.at(&["past_due", "grace"]).is_none()) + usize::from(node.get("fx").is_some())
        };
        let (after, preset) = filled(&before, "mrr_ledger", Dialect::Profitwell, &mut mistakes);
        assert_eq!(after.at(&["past_due", "grace"]).and_then(Node::text), Some("15d"));
        assert!(preset.set.contains(&("past_due.grace", "15d")) && after.get("fx").is_none());
    }
}
