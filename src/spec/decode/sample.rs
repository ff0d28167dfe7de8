//! Types with one of everything that schemas can ask for, for tests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode;
use crate::diag::{Color, Diagnostics};
use crate::spec::params::ParamSpec;
use crate::spec::tree::parse;
use crate::spec::types::{
    ByteSize, CurrencyCode, Date, Duration, MemoryLimit, MoneyText, Name, Named, PathTemplate, Percent, RegexText,
    ZoneName,
};

/// A small pipeline with one of everything that schemas can ask for.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub version: u8,
    pub pipeline: Name,
    pub timezone: Option<ZoneName>,
    pub strict: Option<bool>,
    #[serde(default)]
    pub limits: Limits,
    pub params: Option<Named<ParamSpec>>,
    #[serde(default)]
    pub sources: Named<Source>,
    #[serde(default)]
    pub tables: Named<Table>,
    pub given: Option<BTreeMap<String, Vec<BTreeMap<String, Value>>>>,
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub threads: Option<u16>,
    pub memory: Option<MemoryLimit>,
    pub lock_wait: Option<Duration>,
    pub spill: Option<ByteSize>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub path: PathTemplate,
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub key: Vec<Name>,
    #[serde(default)]
    pub on_violation: OnViolation,
    pub currency: Option<CurrencyCode>,
    pub matches: Option<RegexText>,
    pub null_as: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// Stop the run.
    #[default]
    Fail,
    /// Go on, and say so.
    Warn,
    /// Set the rows aside.
    Quarantine(Quarantine),
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    pub max_rows: Option<u64>,
    pub max_share: Option<Percent>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Table {
    /// Net promoter score.
    Nps {
        /// The column that holds the answer, 0 to 10. Nulls are left out.
        score: Name,
        #[serde(default)]
        grain: Grain,
        by: Option<Vec<Name>>,
    },
    /// Lifetime value.
    Ltv {
        /// The share of revenue that is kept.
        gross_margin: Percent,
        #[schemars(range(min = 1, max = 120))]
        horizon: Option<u32>,
        #[schemars(range(min = 0.0))]
        discount: Option<f64>,
        floor: Option<MoneyText>,
        due: Option<Date>,
    },
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Day,
    #[default]
    Month,
}

pub(super) fn read<T: DeserializeOwned + JsonSchema>(text: &str) -> (Option<T>, Diagnostics) {
    let mut diags = Diagnostics::new("p.yml", text);
    let node = parse(text, &mut diags);
    let value = node.and_then(|node| decode(&node, &mut diags));
    (value, diags)
}

pub(super) fn good<T: DeserializeOwned + JsonSchema>(text: &str) -> T {
    let (value, diags) = read(text);
    assert!(diags.is_empty(), "{}", diags.render(Color::Never, None));
    value.unwrap()
}
