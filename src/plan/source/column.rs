//! One declared column: its settings, each with an effect, each readable as its type.

use super::Here;
use super::fit::takes_parse;
use crate::checks::Literal;
use crate::diag::{Diagnostics, Relation};
use crate::schema::ColumnType;
use crate::sources::{ColumnPlan, Currency, MoneyPlan};
use crate::spec::pipeline::{ColumnSpec, MoneyUnit};
use crate::spec::types::CurrencyCode;

pub(super) fn resolve(here: Here<'_>, diags: &mut Diagnostics) -> Vec<ColumnPlan> {
    let columns: Vec<ColumnPlan> =
        here.spec.columns.iter().map(|(name, spec)| One { here, name: name.as_str(), spec }.resolve(diags)).collect();
    repeated_from(here, &columns, diags);
    columns
}

/// Two columns that read the same one are a slip, unless they read it as different types.
fn repeated_from(here: Here<'_>, columns: &[ColumnPlan], diags: &mut Diagnostics) {
    for (index, column) in columns.iter().enumerate() {
        let same =
            |other: &&ColumnPlan| other.from == column.from && other.hive == column.hive && other.ty == column.ty;
        if let Some(first) = columns.iter().take(index).find(same) {
            let first = here.key(&["columns", &first.name]);
            diags.repeated_item(here.at(&["columns", &column.name, "from"]), "from", &column.from, first);
        }
    }
}

struct One<'a> {
    here: Here<'a>,
    name: &'a str,
    spec: &'a ColumnSpec,
}

impl One<'_> {
    fn at(&self, key: &str) -> crate::spec::tree::Span {
        self.here.at(&["columns", self.name, key])
    }

    fn resolve(&self, diags: &mut Diagnostics) -> ColumnPlan {
        let spec = self.spec;
        self.settings_for_type(diags);
        let null_as = spec.null_as.as_ref().and_then(|text| self.literal("null_as", text, diags));
        if spec.null_as.is_some() && spec.not_null {
            diags.no_effect(self.at("not_null"), "not_null", "`null_as` leaves no NULL");
        }
        if spec.hive && spec.optional {
            diags.no_effect(
                self.at("optional"),
                "optional",
                "a value in the folder names is there or the path is another",
            );
        }
        let money = (spec.ty == ColumnType::Money).then(|| self.money(diags)).flatten();
        ColumnPlan {
            name: self.name.to_owned(),
            ty: spec.ty,
            from: spec.from.clone().unwrap_or_else(|| self.name.to_owned()),
            hive: spec.hive,
            optional: spec.optional,
            parse: spec.parse,
            zone: spec.zone.as_ref().map(|zone| zone.as_str().to_owned()),
            money,
            null_as,
        }
    }

    /// Settings that the declared type leaves without effect.
    fn settings_for_type(&self, diags: &mut Diagnostics) {
        let (spec, ty) = (self.spec, self.spec.ty);
        let is = |types: &[ColumnType]| types.contains(&ty);
        let mut idle = |key: &str, given: bool, has_effect: bool| {
            if given && !has_effect {
                diags.no_effect(self.at(key), key, &format!("the column is `type: {ty}`"));
            }
        };
        let moment = is(&[ColumnType::Date, ColumnType::Timestamp]);
        let ordered = moment || is(&[ColumnType::Int, ColumnType::Float, ColumnType::Money]);
        idle("parse", spec.parse.is_some(), spec.parse.is_none_or(|parse| takes_parse(ty, parse)));
        idle("zone", spec.zone.is_some(), moment);
        idle("unit", spec.unit.is_some(), is(&[ColumnType::Money]));
        idle("currency", spec.currency.is_some(), is(&[ColumnType::Money]));
        idle("matches", spec.matches.is_some(), is(&[ColumnType::String]));
        idle("length", spec.length.is_some(), is(&[ColumnType::String]));
        idle("min", spec.min.is_some(), ordered);
        idle("max", spec.max.is_some(), ordered);
        let listed = is(&[ColumnType::String, ColumnType::Int, ColumnType::Currency, ColumnType::Date]);
        idle("one_of", spec.one_of.is_some(), listed);
        if spec.hive && ty == ColumnType::Money {
            diags.bad_format(
                self.at("hive"),
                "hive",
                "amounts are not read from folder names",
                &["read the column from the files: remove `hive`".to_owned()],
            );
        }
    }

    fn literal(&self, key: &str, text: &str, diags: &mut Diagnostics) -> Option<Literal> {
        read_literal(self.here, &["columns", self.name, key], key, text, self.spec.ty, diags)
    }

    fn money(&self, diags: &mut Diagnostics) -> Option<MoneyPlan> {
        if self.spec.unit.is_none() {
            diags.money_without_unit(self.here.key(&["columns", self.name]), self.name, self.here.source);
        }
        let currency = self.currency(diags)?;
        Some(MoneyPlan { unit: self.spec.unit.unwrap_or(MoneyUnit::Minor), currency })
    }

    fn currency(&self, diags: &mut Diagnostics) -> Option<Currency> {
        let Some(text) = &self.spec.currency else {
            let Some(code) = self.here.context.currency else {
                diags.money_without_currency(self.here.key(&["columns", self.name]), self.name, self.here.source);
                return None;
            };
            return Some(Currency::Code(code));
        };
        let at = self.at("currency");
        if let Some(column) = self.here.spec.columns.get(text.as_str()) {
            if column.ty == ColumnType::Currency {
                return Some(Currency::Column(text.clone()));
            }
            let help = format!("declare `{text}: {{type: currency}}`");
            diags.column_type(at, text, self.here.source, column.ty.name(), "currency", Some(help));
            return None;
        }
        if let Ok(code) = text.parse::<CurrencyCode>() {
            return Some(Currency::Code(code));
        }
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            diags.bad_format(
                at,
                "currency",
                &format!("`{text}` is not an ISO 4217 code"),
                &["write a code such as `USD`, or the name of a currency column".to_owned()],
            );
        } else {
            diags.unknown_column(at, text, Relation::Source(self.here.source), &self.here.declared());
        }
        None
    }
}

/// A value of the pipeline file as a value of type `ty`; tells what is wrong with it.
pub(super) fn read_literal(
    here: Here<'_>,
    path: &[&str],
    key: &str,
    text: &str,
    ty: ColumnType,
    diags: &mut Diagnostics,
) -> Option<Literal> {
    match Literal::read(text, ty, here.context.money_scale) {
        Ok(value) => Some(value),
        Err(help) => {
            diags.bad_format(here.at(path), key, &format!("`{text}` is not a value of type {ty}"), &[help.to_owned()]);
            None
        }
    }
}
