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
    /// The row numbers, in one piece.
    numbers: UInt32Chunked,
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
        let numbers = frame.column(ROW)?.u32()?.rechunk().into_owned();
        let rows = numbers.cont_slice()?;
        let mut broken: Vec<Vec<u32>> = vec![Vec::new(); plan.rules.len() + plan.unique.len() + plan.references.len()];
        for (rule, row) in found {
            let at = rows.binary_search(&row).ok().and_then(|at| u32::try_from(at).ok());
            if let Some((of_rule, at)) = broken.get_mut(rule).zip(at) {
                of_rule.push(at);
            }
        }
        broken.iter_mut().for_each(|of_rule| of_rule.sort_unstable());
        Ok(Self { plan, frame, numbers, odd, broken, superseded: None, dropped })
    }

    /// The row numbers.
    fn rows(&self) -> &[u32] {
        self.numbers.cont_slice().unwrap_or_default()
    }

    /// Finds versions that others replace, then keys that repeat among the rest.
    pub(super) fn check_alone(&mut self) -> PolarsResult<()> {
        if let Some(deduplicate) = &self.plan.deduplicate {
            let Deduplicate { key, order_by } = deduplicate;
            let several = versions(self.frame.clone().lazy(), key, order_by, ROW).collect()?;
            let mut replaced = vec![false; self.rows().len()];
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
        without(self.frame.clone(), &self.gone(&self.first_reasons(&bad)))
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

    /// The positions of rows that are set aside, ascending, each with the first rule that says so.
    fn first_reasons<'b>(&self, bad: &'b [Broken]) -> Vec<(usize, &'b Broken)> {
        let aside = bad.iter().filter(|broken| broken.action == Action::Quarantine);
        let at = |row: &u32| self.rows().binary_search(row).ok();
        let mut out: Vec<(usize, &Broken)> =
            aside.flat_map(|broken| broken.rows.iter().filter_map(at).map(move |at| (at, broken))).collect();
        // Of one row the rules stay in their order.
        out.sort_by_key(|(at, _)| *at);
        out.dedup_by_key(|(at, _)| *at);
        out
    }

    /// The positions of rows that tables do not see, ascending.
    fn gone(&self, aside: &[(usize, &Broken)]) -> Vec<usize> {
        let superseded = self.superseded.iter().flatten().enumerate().filter(|(_, replaced)| **replaced);
        let mut out: Vec<usize> = superseded.map(|(at, _)| at).chain(aside.iter().map(|(at, _)| *at)).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    fn not_superseded(&self) -> PolarsResult<DataFrame> {
        without(self.frame.clone(), &self.gone(&[]))
    }

    /// Positions of the rows that a query over them finds.
    fn positions(&self, found: LazyFrame) -> PolarsResult<Vec<u32>> {
        let found = found.collect()?;
        let numbers = found.column(ROW)?.u32()?.into_no_null_iter();
        let at = |row: u32| u32::try_from(self.rows().binary_search(&row).ok()?).ok();
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
        let rows: Vec<u32> = positions.iter().filter_map(|at| self.rows().get(*at as usize)).copied().collect();
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
        let at = self.rows().binary_search(&row).ok();
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
            let rows = firsts.iter().filter(|(_, first)| std::ptr::eq(*first, broken)).count() as u64;
            reasons.push((Reason::Quarantined(broken.rule.clone()), rows));
        }
        reasons.retain(|(_, rows)| *rows > 0);
        let gone = self.gone(&firsts);
        let used = self.rows().len() - gone.len();
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
        let aside = firsts.len() as u64;
        let Self { plan, frame, .. } = self;
        let wanted = frame.select(columns)?;
        drop(frame);
        Ok(LoadedSource {
            name: plan.name.clone(),
            frame: without(wanted, &gone)?,
            is_projected: false,
            is_condensed: false,
            tally: None,
            attrition,
            violations,
            findings,
            proven: plan.proven.iter().map(ToString::to_string).collect(),
            quarantined,
            exceeded: exceeded(&plan.on_violation, aside, read),
        })
    }
}

/// The rows but those at some positions, which ascend.
///
/// Where only a few are gone, the others stay where they are, in a few pieces. Else every column is let go as soon as it
/// is copied.
fn without(frame: DataFrame, gone: &[usize]) -> PolarsResult<DataFrame> {
    const FEW: usize = 32;
    if gone.len() > FEW {
        let mut stays = vec![true; frame.height()];
        gone.iter().for_each(|at| stays[*at] = false);
        let mask: BooleanChunked = stays.into_iter().map(Some).collect();
        let height = frame.height() - gone.len();
        let columns = frame.into_columns().into_par_iter().map(|column| column.filter(&mask));
        return DataFrame::new(height, columns.collect::<PolarsResult<Vec<_>>>()?);
    }
    let ends = gone.iter().copied().chain(std::iter::once(frame.height()));
    let firsts = std::iter::once(0).chain(gone.iter().map(|at| at + 1));
    let mut pieces =
        firsts.zip(ends).map(|(first, end)| frame.slice(i64::try_from(first).unwrap_or(i64::MAX), end - first));
    let Some(mut out) = pieces.next() else { return Ok(frame) };
    for piece in pieces.filter(|piece| piece.height() > 0) {
        out.vstack_mut(&piece)?;
    }
    Ok(out)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_left_out_wherever_they_stand() {
        let frame = df!("n" => (0..100i64).collect::<Vec<_>>(), "t" => vec!["text"; 100]).unwrap();
        let most: Vec<usize> = (0..100).filter(|at| at % 3 > 0).collect();
        for gone in [vec![], vec![0], vec![99], vec![0, 1, 50, 98, 99], most, (0..100).collect()] {
            let found = without(frame.clone(), &gone).unwrap();
            let left: Vec<i64> = (0..100i64).filter(|n| !gone.iter().any(|at| i64::try_from(*at) == Ok(*n))).collect();
            assert_eq!(found.column("n").unwrap().i64().unwrap().into_no_null_iter().collect::<Vec<_>>(), left);
            assert_eq!((found.height(), found.width()), (left.len(), 2), "{gone:?}");
        }
    }
}
