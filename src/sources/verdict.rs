//! The rows of one source in memory, and what becomes of each.

use polars::prelude::*;
use rayon::prelude::*;

use super::finding::{self, Finding, Measures};
use super::outcome::{Action, Attrition, LoadedSource, Reason, Sample, ViolationReport};
use super::plan::{Bearing, Deduplicate, Reference, SourcePlan, exceeds};
use super::sample::text;
use super::scan::ROW;
use crate::checks::{orphans, repeated, superseded, versions};
use crate::report::format::counted;
use crate::spec::contract::Severity;
use crate::spec::pipeline::OnViolation;

/// The rows of a source that are neither deleted nor filtered.
pub(super) struct Rows<'a> {
    plan: &'a SourcePlan,
    /// Canonical columns, and the row numbers in ascending order.
    frame: DataFrame,
    rows: Vec<u32>,
    /// Rows that break a rule on single rows, with the columns that only such rules look at.
    odd: DataFrame,
    /// By rule the rows that break it, as ascending positions in `frame`: rules on rows, unique columns, references.
    broken: Vec<Vec<u32>>,
    /// Rows of which a later version is used, where the source has versions.
    superseded: Option<Vec<bool>>,
    dropped: Vec<(Reason, u64)>,
}

/// A rule with the rows that break it.
pub(super) struct Broken {
    /// As in reports.
    pub(super) rule: String,
    /// The columns whose values say why.
    pub(super) columns: Vec<String>,
    /// What would help.
    help: Option<String>,
    /// Row numbers among all files, ascending.
    pub(super) rows: Vec<u32>,
    /// What happens to them.
    pub(super) action: Action,
    /// How the rule is meant.
    bearing: Bearing,
}

impl<'a> Rows<'a> {
    /// Rows of a scan in ascending order, with the rules of the plan that some of them break, and these rows whole.
    pub(super) fn new(
        plan: &'a SourcePlan,
        frame: DataFrame,
        (found, odd): (Vec<(usize, u32)>, DataFrame),
        dropped: Vec<(Reason, u64)>,
    ) -> PolarsResult<Self> {
        let rows: Vec<u32> = frame.column(ROW)?.u32()?.into_no_null_iter().collect();
        let mut broken: Vec<Vec<u32>> = vec![Vec::new(); plan.rules.len() + plan.unique.len() + plan.references.len()];
        for (rule, row) in found {
            let at = rows.binary_search(&row).ok().and_then(|at| u32::try_from(at).ok());
            if let Some((of_rule, at)) = broken.get_mut(rule).zip(at) {
                of_rule.push(at);
            }
        }
        broken.iter_mut().for_each(|of_rule| of_rule.sort_unstable());
        Ok(Self { plan, frame, rows, odd, broken, superseded: None, dropped })
    }

    /// Finds versions that others replace, then keys that repeat among the rest.
    pub(super) fn check_alone(&mut self) -> PolarsResult<()> {
        if let Some(deduplicate) = &self.plan.deduplicate {
            let Deduplicate { key, order_by } = deduplicate;
            let several = versions(self.frame.clone().lazy(), key, order_by, ROW).collect()?;
            let mut replaced = vec![false; self.rows.len()];
            for at in self.positions(superseded(several.lazy(), key, order_by, ROW))? {
                if let Some(row) = replaced.get_mut(at as usize) {
                    *row = true;
                }
            }
            // What an old version holds is nobody's concern.
            for found in &mut self.broken {
                found.retain(|at| !replaced.get(*at as usize).copied().unwrap_or_default());
            }
            self.superseded = Some(replaced);
        }
        for (index, columns) in self.plan.unique.iter().enumerate() {
            let one_version =
                self.plan.deduplicate.as_ref().is_some_and(|d| d.key.iter().all(|column| columns.contains(column)));
            if one_version {
                continue;
            }
            let current = self.not_superseded()?.lazy();
            let found = self.positions(repeated(current, columns, ROW))?;
            self.mark(self.plan.rules.len() + index, found);
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
        let found = self.positions(orphans(current, &reference.column, targets, &reference.target_column, ROW))?;
        self.mark(self.plan.rules.len() + self.plan.unique.len() + index, found);
        Ok(())
    }

    /// The rows that tables see, as far as checks have come.
    pub(super) fn used(&self) -> PolarsResult<DataFrame> {
        let bad = self.bad();
        let aside = self.first_reasons(&bad);
        let is_aside = |at: usize| aside.as_ref().and_then(|aside| aside.get(at)).is_some_and(Option::is_some);
        self.only(|at| !self.is_superseded(at) && !is_aside(at))
    }

    /// The contracts of the source as a whole.
    pub(super) fn findings(&self, measures: &Measures) -> PolarsResult<Vec<Finding>> {
        let mut out = finding::row_count(self.plan, measures);
        if let Some(newest) = finding::newest(self.plan, measures) {
            let found = self.frame.clone().lazy().select(newest).collect()?;
            out.extend(finding::freshness(self.plan, &found, measures)?);
        }
        if !self.plan.aggregates.is_empty() {
            out.extend(finding::aggregates(self.plan, &self.used()?)?);
        }
        Ok(out)
    }

    /// By row the first rule for which it is set aside; `None` where no row is.
    fn first_reasons<'b>(&self, bad: &'b [Broken]) -> Option<Vec<Option<&'b Broken>>> {
        let mut out: Option<Vec<Option<&Broken>>> = None;
        for broken in bad.iter().filter(|broken| broken.action == Action::Quarantine) {
            let out = out.get_or_insert_with(|| vec![None; self.rows.len()]);
            for row in &broken.rows {
                let at = self.rows.binary_search(row).ok().and_then(|at| out.get_mut(at));
                if let Some(first) = at.filter(|first| first.is_none()) {
                    *first = Some(broken);
                }
            }
        }
        out
    }

    fn is_superseded(&self, at: usize) -> bool {
        self.superseded.as_ref().and_then(|replaced| replaced.get(at)).copied().unwrap_or_default()
    }

    fn not_superseded(&self) -> PolarsResult<DataFrame> {
        self.only(|at| !self.is_superseded(at))
    }

    fn only(&self, stays: impl Fn(usize) -> bool) -> PolarsResult<DataFrame> {
        if (0..self.rows.len()).all(&stays) {
            return Ok(self.frame.clone());
        }
        let mask: BooleanChunked = (0..self.rows.len()).map(|at| Some(stays(at))).collect();
        self.frame.filter(&mask)
    }

    /// Positions of the rows that a query over them finds.
    fn positions(&self, found: LazyFrame) -> PolarsResult<Vec<u32>> {
        let found = found.collect()?;
        let numbers = found.column(ROW)?.u32()?.into_no_null_iter();
        let at = |row: u32| u32::try_from(self.rows.binary_search(&row).ok()?).ok();
        Ok(numbers.filter_map(at).collect())
    }

    fn mark(&mut self, rule: usize, mut found: Vec<u32>) {
        found.sort_unstable();
        found.dedup();
        if let Some(broken) = self.broken.get_mut(rule) {
            *broken = found;
        }
    }

    /// The rules that rows broke, in the order of the rules.
    pub(super) fn bad(&self) -> Vec<Broken> {
        (0..self.broken.len()).filter(|rule| !self.broken[*rule].is_empty()).map(|rule| self.broken(rule)).collect()
    }

    fn broken(&self, rule: usize) -> Broken {
        let plan = self.plan;
        let after_rules = rule.checked_sub(plan.rules.len());
        let after_unique = after_rules.and_then(|at| at.checked_sub(plan.unique.len()));
        let (name, columns, help) = if let Some(reference) = after_unique.and_then(|at| plan.references.get(at)) {
            let help = format!("no used row of `{}` has this `{}`", reference.target, reference.target_column);
            (format!("references({})", reference.column), vec![reference.column.clone()], Some(help))
        } else if let Some(columns) = after_rules.and_then(|at| plan.unique.get(at)) {
            (format!("unique({})", columns.join(", ")), columns.clone(), None)
        } else {
            let rule = &plan.rules[rule];
            (rule.to_string(), rule.columns().into_iter().map(str::to_owned).collect(), rule.help())
        };
        let positions = &self.broken[rule];
        let rows: Vec<u32> = positions.iter().filter_map(|at| self.rows.get(*at as usize)).copied().collect();
        let bearing = plan.bearing(&name);
        let harmless = bearing.severity == Severity::Warn || bearing.tolerates(rows.len() as u64, plan.rows());
        let action = match plan.on_violation {
            _ if harmless => Action::Warn,
            OnViolation::Fail => Action::Fail,
            OnViolation::Warn => Action::Warn,
            OnViolation::Quarantine(_) => Action::Quarantine,
        };
        Broken { rule: name, columns, help, rows, action, bearing }
    }

    /// Canonical values of one row, as text, NULL as `NULL`.
    pub(super) fn shown(&self, row: u32, columns: &[String]) -> Vec<(String, String)> {
        let at = self.rows.binary_search(&row).ok();
        let odd = || self.odd.column(ROW).ok()?.u32().ok()?.into_no_null_iter().position(|known| known == row);
        let value = |column: &String| {
            let value = match self.frame.column(column) {
                Ok(values) => values.get(at?),
                // Only the rules of single rows look at a column that is not there.
                Err(_) => self.odd.column(column).ok()?.get(odd()?),
            };
            Some((column.clone(), text(&value.ok()?)))
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
        findings: Vec<Finding>,
    ) -> PolarsResult<LoadedSource> {
        let read = self.plan.rows();
        let mut reasons = self.dropped.clone();
        let superseded = self.superseded.iter().flatten().filter(|replaced| **replaced).count() as u64;
        reasons.push((Reason::Duplicate, superseded));
        let firsts = self.first_reasons(bad);
        for broken in bad.iter().filter(|broken| broken.action == Action::Quarantine) {
            let all = firsts.iter().flatten().filter_map(|first| *first);
            let rows = all.filter(|first| std::ptr::eq(*first, broken)).count() as u64;
            reasons.push((Reason::Quarantined(broken.rule.clone()), rows));
        }
        reasons.retain(|(_, rows)| *rows > 0);
        let stays: Vec<bool> = (0..self.rows.len())
            .map(|at| !self.is_superseded(at) && firsts.as_ref().and_then(|f| f.get(at)).is_none_or(Option::is_none))
            .collect();
        let used = stays.iter().filter(|stays| **stays).count();
        let attrition = Attrition { read, used: used as u64, reasons };
        assert!(attrition.adds_up(), "rows of `{}` are unaccounted for: {attrition:?}", self.plan.name);
        let violations = bad
            .iter()
            .zip(samples)
            .map(|(broken, samples)| ViolationReport {
                rule: broken.rule.clone(),
                rows: broken.rows.len() as u64,
                samples,
                action: broken.action,
                allowed: Some(broken.bearing.words()).filter(|words| !words.is_empty()),
                help: broken.help.clone(),
            })
            .collect();
        let aside = firsts.iter().flatten().filter(|reason| reason.is_some()).count() as u64;
        Ok(LoadedSource {
            name: self.plan.name.clone(),
            frame: chosen(self.frame, columns, &stays, used)?,
            is_projected: false,
            is_condensed: false,
            tally: None,
            attrition,
            violations,
            findings,
            proven: self.plan.proven.iter().map(ToString::to_string).collect(),
            quarantined,
            exceeded: exceeded(&self.plan.on_violation, aside, read),
        })
    }
}

/// Some columns of the rows that stay; each column is let go as soon as it is copied.
fn chosen(frame: DataFrame, names: &[String], stays: &[bool], height: usize) -> PolarsResult<DataFrame> {
    let wanted = frame.select(names)?;
    drop(frame);
    if height == stays.len() {
        return Ok(wanted);
    }
    let mask: BooleanChunked = stays.iter().map(|stays| Some(*stays)).collect();
    let columns = wanted.into_columns().into_par_iter().map(|column| column.filter(&mask));
    DataFrame::new(height, columns.collect::<PolarsResult<Vec<_>>>()?)
}

/// The cap of the quarantine that rows set aside exceed, in words.
fn exceeded(on_violation: &OnViolation, aside: u64, read: u64) -> Option<String> {
    let OnViolation::Quarantine(caps) = on_violation else { return None };
    if let Some(most) = caps.max_rows.filter(|most| aside > *most) {
        return Some(counted(most, "row"));
    }
    let share = caps.max_share.filter(|share| exceeds(aside, read, *share))?;
    Some(format!("{share} of the rows"))
}
