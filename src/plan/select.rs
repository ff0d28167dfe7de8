//! `--select` and `--exclude`: which tables a run publishes.
//!
//! A term is a table name, a glob such as `mrr_*`, or `tag:finance`; a leading `+` adds what the
//! table reads, a trailing `+` adds what reads it. A term that matches nothing is a mistake.

use std::collections::BTreeSet;

use glob::Pattern;

use crate::diag::Diagnostics;

/// A table as selection sees it.
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its tags.
    pub tags: Vec<&'a str>,
    /// Tables it reads.
    pub inputs: Vec<&'a str>,
}

/// Names of the selected tables. `None` after a term was reported.
pub fn select(
    tables: &[Candidate<'_>],
    select: &[String],
    exclude: &[String],
    diags: &mut Diagnostics,
) -> Option<BTreeSet<String>> {
    let mut sound = true;
    let mut matched = |flag: &str, terms: &[String]| {
        let mut out = BTreeSet::new();
        for term in terms {
            let found = matching(tables, term);
            if found.is_empty() {
                let mut known: Vec<&str> = tables.iter().map(|t| t.name).collect();
                let tags: Vec<String> = tables
                    .iter()
                    .flat_map(|t| t.tags.iter().map(|g| format!("tag:{g}")))
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect();
                known.extend(tags.iter().map(String::as_str));
                diags.unknown_selection(flag, term, &known);
                sound = false;
            }
            out.extend(found);
        }
        out
    };
    let chosen = if select.is_empty() {
        tables.iter().map(|t| t.name.to_owned()).collect()
    } else {
        matched("--select", select)
    };
    let excluded = matched("--exclude", exclude);
    sound.then(|| chosen.difference(&excluded).cloned().collect())
}

fn matching(tables: &[Candidate<'_>], term: &str) -> BTreeSet<String> {
    let upstream = term.starts_with('+');
    let downstream = term.len() > 1 && term.ends_with('+');
    let core = term.trim_start_matches('+').trim_end_matches('+');
    let by_name = |name: &str| match core.strip_prefix("tag:") {
        Some(_) => false,
        None => core == name || Pattern::new(core).is_ok_and(|p| p.matches(name)),
    };
    let is = |t: &Candidate<'_>| by_name(t.name) || core.strip_prefix("tag:").is_some_and(|tag| t.tags.contains(&tag));
    let mut out: BTreeSet<String> = tables.iter().filter(|t| is(t)).map(|t| t.name.to_owned()).collect();
    let start = out.clone();
    if upstream {
        spread(
            &mut out,
            &start,
            |t, seen| tables.iter().filter(|o| seen.contains(o.name) && o.inputs.contains(&t)).count() > 0,
            tables,
        );
    }
    if downstream {
        spread(
            &mut out,
            &start,
            |t, seen| tables.iter().any(|o| o.name == t && o.inputs.iter().any(|i| seen.contains(*i))),
            tables,
        );
    }
    out
}

/// Adds tables that `joins` the growing set until nothing is added, and merges them into `out`.
fn spread(
    out: &mut BTreeSet<String>,
    start: &BTreeSet<String>,
    joins: impl Fn(&str, &BTreeSet<String>) -> bool,
    tables: &[Candidate<'_>],
) {
    let mut seen = start.clone();
    loop {
        let next: Vec<String> =
            tables.iter().map(|t| t.name.to_owned()).filter(|t| !seen.contains(t) && joins(t, &seen)).collect();
        if next.is_empty() {
            break;
        }
        seen.extend(next);
    }
    out.extend(seen);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<Candidate<'static>> {
        let t = |name, tags: &[&'static str], inputs: &[&'static str]| Candidate {
            name,
            tags: tags.to_vec(),
            inputs: inputs.to_vec(),
        };
        vec![
            t("ledger", &["core"], &[]),
            t("movements", &["board"], &["ledger"]),
            t("movements_day", &[], &["ledger"]),
            t("scorecard", &["board"], &["movements"]),
            t("nps", &[], &[]),
        ]
    }

    fn check(chosen: &[&str], excluded: &[&str], expected: &[&str]) {
        let owned = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let mut diags = Diagnostics::without_file();
        let got = select(&tables(), &owned(chosen), &owned(excluded), &mut diags).unwrap();
        assert_eq!(got.into_iter().collect::<Vec<_>>(), owned(expected));
    }

    #[test]
    fn terms_name_tables() {
        check(&[], &[], &["ledger", "movements", "movements_day", "nps", "scorecard"]);
        check(&["nps"], &[], &["nps"]);
        check(&["movements*"], &[], &["movements", "movements_day"]);
        check(&["tag:board"], &[], &["movements", "scorecard"]);
        check(&["+scorecard"], &[], &["ledger", "movements", "scorecard"]);
        check(&["movements+"], &[], &["movements", "scorecard"]);
        check(&["+movements+"], &["movements"], &["ledger", "scorecard"]);
        check(&["ledger+"], &["tag:board"], &["ledger", "movements_day"]);
    }

    #[test]
    fn a_term_without_a_match_is_a_mistake() {
        let mut diags = Diagnostics::without_file();
        assert_eq!(select(&tables(), &["movement".to_owned()], &[], &mut diags), None);
        assert!(diags.has_errors());
    }
}
