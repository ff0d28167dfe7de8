//! The page of the presets.

use std::fmt::Write as _;

use super::{Certainty, Dialect};

const HEAD: &str = "\
# Dialects

Named presets that set every option of the revenue tables the way one vendor does, as far as its pages tell.

`dialect: chartmogul` at the top level of the pipeline file holds for all tables, in a table for that table. A key that
is written in a table wins over the preset; the preset wins over the default of the metric. An option that a table
cannot take, such as `trials` in a ledger without `trial_end`, is left alone. `tenure plan` shows what a preset set.

A preset says how a vendor counts, not what it is fed: tables, filters and columns stay those of the pipeline. Where
the vendor has a setting, its default is taken. Months stand for rolling windows of 30 days.

| mark | meaning |
|---|---|
| documented | a page of the vendor says it |
| excerpt | a page that was not read whole, or one of somebody else, says it |
| **uncertain** | nothing was found that says it; the value is what fits the rest best |

A value `-` means that the key stays away.
";

/// The whole page.
#[must_use]
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    for dialect in Dialect::ALL {
        out.push('\n');
        out.push_str(&part(dialect));
    }
    out
}

/// The part of one preset.
#[must_use]
pub fn part(dialect: Dialect) -> String {
    let mut out = format!("## `{}`: {}\n\n", dialect.name(), dialect.title());
    out.push_str("| option | value | known | source | note |\n|---|---|---|---|---|\n");
    for choice in dialect.choices() {
        let value = choice.value.map_or("-".to_owned(), |value| format!("`{value}`"));
        let known = match choice.certainty {
            Certainty::Uncertain => "**uncertain**".to_owned(),
            known => known.word().to_owned(),
        };
        let source = choice.source.map(|s| format!("[{}]({})", s.name, s.address)).unwrap_or_default();
        let _ = writeln!(out, "| `{}` | {value} | {known} | {source} | {} |", choice.option, choice.note);
    }
    out
}
