//! From a source as written, and the footers of its files, to a [`SourcePlan`]; every mistake is told.

mod column;
mod contract;
mod fit;
mod layout;
#[cfg(test)]
mod tests;
mod whole;

use indexmap::IndexMap;

use crate::diag::Diagnostics;
use crate::schema::ColumnType;
use crate::sources::{SourceCatalog, SourcePlan, engine_knows_zone, proven};
use crate::spec::pipeline::SourceSpec;
use crate::spec::tree::{Node, Span};
use crate::spec::types::{CurrencyCode, Name, ZoneName};

/// Decimal places behind the minor unit that every amount keeps.
const PLACES_BEHIND_MINOR: u8 = 4;

/// What a source is resolved against, the same for all sources of a pipeline.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Zone in which instants become civil dates.
    pub zone: &'a ZoneName,
    /// The pipeline's reporting currency.
    pub currency: Option<CurrencyCode>,
    /// See [`money_scale`].
    pub money_scale: u8,
    /// All sources, for references among them.
    pub sources: &'a IndexMap<Name, SourceSpec>,
    /// The pipeline file, for places.
    pub root: &'a Node,
}

/// The scale of all money of a pipeline: amounts are whole numbers of 10^-scale major units.
///
/// Four places behind the minor unit of the currency with the most places, among the reporting
/// currency, the codes named by money columns, and for currency columns the codes of their
/// `one_of`, or two places without one.
#[must_use]
pub fn money_scale<'a>(currency: Option<CurrencyCode>, sources: impl IntoIterator<Item = &'a SourceSpec>) -> u8 {
    let mut places = currency.map(CurrencyCode::exponent);
    let mut consider = |exponent: Option<u8>| places = places.max(exponent);
    for column in sources.into_iter().flat_map(|source| source.columns.values()) {
        match (column.ty, &column.one_of, &column.currency) {
            (ColumnType::Currency, Some(codes), _) => {
                codes.iter().for_each(|code| consider(crate::money::exponent(code)));
            }
            (ColumnType::Currency, None, _) => consider(Some(2)),
            (ColumnType::Money, _, Some(code)) => consider(crate::money::exponent(code)),
            _ => {}
        }
    }
    PLACES_BEHIND_MINOR + places.unwrap_or(2)
}

/// Resolves one source. `None` when a mistake was told, or when its catalog is incomplete.
///
/// Pure: looks at nothing but its arguments.
pub fn resolve(
    name: &str,
    spec: &SourceSpec,
    catalog: &SourceCatalog,
    context: Context<'_>,
    diags: &mut Diagnostics,
) -> Option<SourcePlan> {
    let before = diags.count(crate::diag::Severity::Error);
    let here = Here { source: name, spec, catalog, context };
    zones(here, diags);
    if let Err(fault) = glob::Pattern::new(spec.path.as_str()) {
        let title = format!("`{}` is not a pattern of paths: {}", spec.path.as_str(), fault.msg);
        let help = "a name that holds `[`, `*` or `?` itself is written with `[[]`, `[*]`, `[?]`".to_owned();
        diags.bad_format(here.at(&["path"]), "path", &title, &[help]);
    }
    let columns = column::resolve(here, diags);
    let (files, layouts) = layout::resolve(here, &columns, diags);
    let contract = contract::resolve(here, &columns, diags);
    let (proven, rules) = contract.rules.into_iter().partition(|rule| proven(rule, &columns, &files, &layouts));
    let plan = SourcePlan {
        name: name.to_owned(),
        files,
        layouts,
        columns,
        deleted: contract.deleted,
        filters: contract.filters,
        rules,
        proven,
        checks: contract.checks,
        aggregates: contract.aggregates,
        bearings: contract.bearings,
        row_count: contract.row_count,
        freshness: contract.freshness,
        key: spec.key.clone(),
        unique: contract.unique,
        deduplicate: contract.deduplicate,
        references: contract.references,
        on_violation: spec.on_violation.clone(),
        zone: context.zone.as_str().to_owned(),
        money_scale: context.money_scale,
    };
    let sound = catalog.complete && diags.count(crate::diag::Severity::Error) == before;
    sound.then_some(plan)
}

/// The engine carries rules for zones of its own; a zone that only we know cannot be computed with.
fn zones(here: Here<'_>, diags: &mut Diagnostics) {
    let mut check = |zone: &str, at: Span, key: &str| {
        if !engine_knows_zone(zone) {
            let title = format!("time zone `{zone}` is not known to the query engine");
            diags.bad_format(at, key, &title, &["name another city with the same clock".to_owned()]);
        }
    };
    check(here.context.zone.as_str(), here.context.root.span_of(&["timezone"]), "timezone");
    for (name, column) in &here.spec.columns {
        if let Some(zone) = &column.zone {
            check(zone.as_str(), here.at(&["columns", name.as_str(), "zone"]), "zone");
        }
    }
}

/// The source at hand, and where it stands.
#[derive(Clone, Copy)]
struct Here<'a> {
    source: &'a str,
    spec: &'a SourceSpec,
    catalog: &'a SourceCatalog,
    context: Context<'a>,
}

impl Here<'_> {
    /// The place of a value below the source.
    fn at(&self, path: &[&str]) -> Span {
        let whole: Vec<&str> = ["sources", self.source].iter().chain(path).copied().collect();
        self.context.root.span_of(&whole)
    }

    /// The place of the key at the end of a path below the source.
    fn key(&self, path: &[&str]) -> Span {
        let whole: Vec<&str> = ["sources", self.source].iter().chain(path).copied().collect();
        self.context.root.key_span_of(&whole)
    }

    /// The declared names, for suggestions.
    fn declared(&self) -> Vec<&str> {
        self.spec.columns.keys().map(Name::as_str).collect()
    }
}
