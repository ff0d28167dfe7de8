//! The rows of one source in memory, and what becomes of each.

use polars::prelude::*;

use super::outcome::{Action, Attrition, LoadedSource, Reason, Sample, ViolationReport};
use super::plan::{Deduplicate, Reference, SourcePlan};
use super::sample::text;
use super::scan::{CODE, FINE, ROW, code, first_rule};
use crate::checks::{orphans, repeated, superseded, versions};
use crate::spec::pipeline::OnViolation;

/// A later version of the row is used. Greater than every rule.
const SUPERSEDED: u16 = u16::MAX;

/// The rows of a source that are neither deleted nor filtered.
pub(super) struct Rows<'a> {
    plan: &'a SourcePlan,
    /// Canonical columns, and the row numbers in ascending order.
    frame: DataFrame,
    rows: Vec<u32>,
    /// What becomes of each row: used, superseded, or the rule it breaks.
    verdicts: Vec<u16>,
    dropped: Vec<(Reason, u64)>,
}

/// A rule with the rows that break it, ascending.
pub(super) struct Broken {
    /// As in reports.
    pub(super) rule: String,
    /// The columns whose values say why.
    pub(super) columns: Vec<String>,
    /// What would help.
    help: Option<String>,
    /// Row numbers among all files.
    pub(super) rows: Vec<u32>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(plan: &'a SourcePlan, frame: &DataFrame, dropped: Vec<(Reason, u64)>) -> PolarsResult<Self> {
        let verdicts = frame.column(CODE)?.u16()?.into_no_null_iter().collect();
        let rows = frame.column(ROW)?.u32()?.into_no_null_iter().collect();
        let frame = frame.drop(CODE)?;
        Ok(Self { plan, frame, rows, verdicts, dropped })
    }

    /// Finds versions that others replace, then keys that repeat among the rest.
    pub(super) fn check_alone(&mut self) -> PolarsResult<()> {
        if let Some(deduplicate) = &self.plan.deduplicate {
            let Deduplicate { key, order_by } = deduplicate;
            let several = versions(self.frame.clone().lazy(), key, order_by, ROW).collect()?;
            self.mark(superseded(several.lazy(), key, order_by, ROW), SUPERSEDED, true)?;
        }
        for (index, columns) in self.plan.unique.iter().enumerate() {
            let one_version =
                self.plan.deduplicate.as_ref().is_some_and(|d| d.key.iter().all(|column| columns.contains(column)));
            if one_version {
                continue;
            }
            let current = self.not_superseded()?.lazy();
            self.mark(repeated(current, columns, ROW), self.first_unique() + code(index), false)?;
        }
        Ok(())
    }

    /// Finds rows whose reference is not among `targets`.
    pub(super) fn check_reference(
        &mut self,
        index: usize,
        reference: &Reference,
        targets: LazyFrame,
    ) -> PolarsResult<()> {
        let current = self.not_superseded()?.lazy();
        let found = orphans(current, &reference.column, targets, &reference.target_column, ROW);
        self.mark(found, self.first_reference() + code(index), false)
    }

    /// The rows that tables see, as far as checks have come.
    pub(super) fn used(&self) -> PolarsResult<DataFrame> {
        let quarantines = matches!(self.plan.on_violation, OnViolation::Quarantine(_));
        self.only(|verdict| verdict == FINE || (verdict != SUPERSEDED && !quarantines))
    }

    fn not_superseded(&self) -> PolarsResult<DataFrame> {
        self.only(|verdict| verdict != SUPERSEDED)
    }

    fn only(&self, stays: impl Fn(u16) -> bool) -> PolarsResult<DataFrame> {
        if self.verdicts.iter().all(|verdict| stays(*verdict)) {
            return Ok(self.frame.clone());
        }
        let mask: BooleanChunked = self.verdicts.iter().map(|verdict| Some(stays(*verdict))).collect();
        self.frame.filter(&mask)
    }

    fn first_unique(&self) -> u16 {
        first_rule(self.plan) + code(self.plan.rules.len())
    }

    fn first_reference(&self) -> u16 {
        self.first_unique() + code(self.plan.unique.len())
    }

    /// Gives found rows a verdict, unless they have one already and it is not `above` all others.
    fn mark(&mut self, found: LazyFrame, verdict: u16, above: bool) -> PolarsResult<()> {
        let found = found.collect()?;
        for row in found.column(ROW)?.u32()?.into_no_null_iter() {
            let known = self.rows.binary_search(&row).ok().and_then(|at| self.verdicts.get_mut(at));
            if let Some(known) = known.filter(|known| above || **known == FINE) {
                *known = verdict;
            }
        }
        Ok(())
    }

    /// The rules that rows broke, in the order of the rules.
    pub(super) fn bad(&self) -> Vec<Broken> {
        let mut rules: Vec<Broken> = Vec::new();
        for rule in &self.plan.rules {
            let columns = rule.columns().into_iter().map(str::to_owned).collect();
            rules.push(Broken { rule: rule.to_string(), columns, help: rule.help(), rows: Vec::new() });
        }
        for columns in &self.plan.unique {
            rules.push(Broken {
                rule: format!("unique({})", columns.join(", ")),
                columns: columns.clone(),
                help: None,
                rows: Vec::new(),
            });
        }
        for reference in &self.plan.references {
            let help = format!("no used row of `{}` has this `{}`", reference.target, reference.target_column);
            let rule = format!("references({})", reference.column);
            rules.push(Broken { rule, columns: vec![reference.column.clone()], help: Some(help), rows: Vec::new() });
        }
        let first = first_rule(self.plan);
        for (row, verdict) in self.rows.iter().zip(&self.verdicts) {
            if *verdict == FINE || *verdict == SUPERSEDED {
                continue;
            }
            if let Some(rule) = rules.get_mut(usize::from(verdict.saturating_sub(first))) {
                rule.rows.push(*row);
            }
        }
        rules.retain(|rule| !rule.rows.is_empty());
        rules
    }

    /// Canonical values of one row, as text, NULL as `NULL`.
    pub(super) fn shown(&self, row: u32, columns: &[String]) -> Vec<(String, String)> {
        let at = self.rows.binary_search(&row).ok();
        let value = |column: &String| {
            let value = self.frame.column(column).ok()?.get(at?).ok()?;
            Some((column.clone(), text(&value)))
        };
        columns.iter().filter_map(value).collect()
    }

    /// What the rows became, once all checks are done.
    pub(super) fn finish(
        self,
        columns: &[String],
        bad: &[Broken],
        samples: Vec<Vec<Sample>>,
        quarantined: Option<DataFrame>,
    ) -> PolarsResult<LoadedSource> {
        let read = self.plan.rows();
        let action = match self.plan.on_violation {
            OnViolation::Fail => Action::Fail,
            OnViolation::Warn => Action::Warn,
            OnViolation::Quarantine(_) => Action::Quarantine,
        };
        let used = self.used()?;
        let mut reasons = self.dropped.clone();
        let superseded = self.verdicts.iter().filter(|verdict| **verdict == SUPERSEDED).count() as u64;
        reasons.push((Reason::Duplicate, superseded));
        if action == Action::Quarantine {
            reasons
                .extend(bad.iter().map(|broken| (Reason::Quarantined(broken.rule.clone()), broken.rows.len() as u64)));
        }
        reasons.retain(|(_, rows)| *rows > 0);
        let attrition = Attrition { read, used: used.height() as u64, reasons };
        assert!(attrition.adds_up(), "rows of `{}` are unaccounted for: {attrition:?}", self.plan.name);
        let violations = bad
            .iter()
            .zip(samples)
            .map(|(broken, samples)| ViolationReport {
                rule: broken.rule.clone(),
                rows: broken.rows.len() as u64,
                samples,
                action,
                help: broken.help.clone(),
            })
            .collect();
        Ok(LoadedSource {
            name: self.plan.name.clone(),
            frame: used.select(columns)?,
            attrition,
            violations,
            quarantined,
            exceeded: exceeded(&self.plan.on_violation, bad, read),
        })
    }
}

/// The cap of the quarantine that bad rows exceed, in words.
fn exceeded(on_violation: &OnViolation, bad: &[Broken], read: u64) -> Option<String> {
    let OnViolation::Quarantine(caps) = on_violation else { return None };
    let rows: u64 = bad.iter().map(|broken| broken.rows.len() as u64).sum();
    if let Some(most) = caps.max_rows.filter(|most| rows > *most) {
        return Some(format!("{most} row{}", if most == 1 { "" } else { "s" }));
    }
    let share = caps.max_share.filter(|share| {
        u128::from(rows) * 1_000_000 > u128::from(read) * u128::from(share.millionths().unsigned_abs())
    })?;
    Some(format!("{share} of the rows"))
}
