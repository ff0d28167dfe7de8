//! Presets that set every option of the revenue tables the way one vendor does.
//!
//! A preset is data: choices with their sources. It fills the keys that a table does not write, before
//! the table is resolved, so a written key always wins. The page [`PAGE`] lists every choice; a test
//! keeps it equal to the data.

mod choices;
mod page;
mod sources;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use page::{page, part};

/// The page of all presets. Printed by `tenure dialects`.
pub const PAGE: &str = include_str!("dialects.md");

/// A vendor whose way of counting can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// ChartMogul.
    Chartmogul,
    /// Stripe Billing analytics.
    Stripe,
    /// Recurly analytics.
    Recurly,
    /// Chargebee RevenueStory.
    Chargebee,
    /// ProfitWell Metrics (Paddle).
    Profitwell,
    /// Maxio, formerly Chargify.
    Maxio,
    /// Baremetrics.
    Baremetrics,
    /// SaaS Metrics Standards Board.
    Smsb,
}

/// How well a choice is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// A page of the vendor says it.
    Documented,
    /// A page that was not read whole, or one of somebody else, says it.
    Excerpt,
    /// Nothing was found that says it: the value is what fits the rest best.
    Uncertain,
}

impl Certainty {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Excerpt => "excerpt",
            Self::Uncertain => "uncertain",
        }
    }
}

/// Where a choice is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the page is called.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
}

/// How one vendor sets one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The option: type of the table, then the key, parts joined by dots.
    pub option: &'static str,
    /// Its value as written in the file; `None` where the key stays away.
    pub value: Option<&'static str>,
    /// Where that is from; `None` where nothing was found.
    pub source: Option<Source>,
    /// How well it is known.
    pub certainty: Certainty,
    /// What else there is to know.
    pub note: &'static str,
}

impl Choice {
    /// The type of the table.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.option.split_once('.').map_or(self.option, |(table, _)| table)
    }

    /// The key in the table, parts joined by dots.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.option.split_once('.').map_or("", |(_, key)| key)
    }
}

/// Options that every preset says something about, in the order of the page.
pub const OPTIONS: &[&str] = &[
    "mrr_ledger.trials",
    "mrr_ledger.interval_factors",
    "mrr_ledger.discounts.policy",
    "mrr_ledger.pauses.as",
    "mrr_ledger.past_due.grace",
    "mrr_ledger.churn_at",
    "mrr_ledger.usage.policy",
    "mrr_ledger.win_back",
    "mrr_ledger.reactivation.within",
    "mrr_ledger.coalesce_within",
    "mrr_ledger.fx.rate_of",
    "mrr_ledger.fx.revalue",
    "mrr_movements.grain",
    "mrr_movements.basis",
    "mrr_movements.quick_ratio_with_reactivation",
    "churn.grain",
    "churn.logo_base",
    "churn.same_period",
    "churn.reactivation_in_net",
    "revenue_retention.methods",
    "revenue_retention.windows",
    "ltv.churn_months",
    "ltv.churn_basis",
];

impl Dialect {
    /// Every preset.
    pub const ALL: [Self; 8] = [
        Self::Chartmogul,
        Self::Stripe,
        Self::Recurly,
        Self::Chargebee,
        Self::Profitwell,
        Self::Maxio,
        Self::Baremetrics,
        Self::Smsb,
    ];

    /// Its name in the pipeline file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chartmogul => "chartmogul",
            Self::Stripe => "stripe",
            Self::Recurly => "recurly",
            Self::Chargebee => "chargebee",
            Self::Profitwell => "profitwell",
            Self::Maxio => "maxio",
            Self::Baremetrics => "baremetrics",
            Self::Smsb => "smsb",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Chartmogul => "ChartMogul",
            Self::Stripe => "Stripe Billing analytics",
            Self::Recurly => "Recurly analytics",
            Self::Chargebee => "Chargebee RevenueStory",
            Self::Profitwell => "ProfitWell Metrics",
            Self::Maxio => "Maxio (Chargify)",
            Self::Baremetrics => "Baremetrics",
            Self::Smsb => "SaaS Metrics Standards Board",
        }
    }

    /// The preset of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// What it chooses, one choice per option of [`OPTIONS`].
    #[must_use]
    pub fn choices(self) -> &'static [Choice] {
        choices::of(self)
    }

    /// What it chooses for the tables of a type.
    pub fn for_table(self, ty: &str) -> impl Iterator<Item = &'static Choice> + use<'_> {
        let ty = ty.to_owned();
        self.choices().iter().filter(move |choice| choice.table() == ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_says_something_about_every_option() {
        for dialect in Dialect::ALL {
            let options: Vec<&str> = dialect.choices().iter().map(|c| c.option).collect();
            assert_eq!(options, OPTIONS, "{}", dialect.name());
            assert_eq!(Dialect::find(dialect.name()), Some(dialect));
        }
    }

    #[test]
    fn what_is_known_has_a_source_and_what_is_not_is_marked() {
        for (dialect, choice) in Dialect::ALL.into_iter().flat_map(|d| d.choices().iter().map(move |c| (d, c))) {
            let at = format!("{} {}", dialect.name(), choice.option);
            assert_eq!(choice.source.is_some(), choice.certainty != Certainty::Uncertain, "{at}");
            if let Some(source) = choice.source {
                assert!(source.address.starts_with("http") && !source.name.is_empty(), "{at}");
            }
        }
    }

    #[test]
    fn every_option_is_one_of_its_metric() {
        for option in OPTIONS {
            let (table, key) = option.split_once('.').unwrap();
            let schema = (crate::metrics::find(table).unwrap().schema)().to_string();
            for step in key.split('.') {
                assert!(schema.contains(&format!("\"{step}\":")), "{option}");
            }
        }
    }

    #[test]
    fn the_page_is_the_data() {
        assert_eq!(PAGE, page(), "write the page anew from `dialect::page`");
    }
}
