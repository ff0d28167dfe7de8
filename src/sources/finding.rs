//! Contracts of a source as a whole: how many rows, how old, and what they sum to.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use polars::prelude::*;

use super::condition::seen;
use super::plan::{Aggregate, Freshness, SourcePlan};
use crate::checks::days;
use crate::report::format::{count, counted};
use crate::schema::ColumnType;
use crate::spec::contract::{RowCountSpec, Severity};
use crate::spec::types::{Duration, ZoneName};

/// What a run measures its sources against, beside the sources themselves.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// The instant up to which exports should be complete; without one, ages are not checked.
    pub cutoff: Option<Timestamp>,
    /// Rows read by the last run that succeeded, by source.
    pub rows_before: BTreeMap<String, u64>,
}

/// What a rule about a source as a whole came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule: `row_count`, `freshness(recorded_at)` or the name of a check.
    pub rule: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, in words.
    pub said: String,
    /// What is allowed, or why the rule exists, in words; empty where there is nothing to say.
    pub allowed: String,
}

/// How a rule about a source as a whole ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Held,
    /// There is nothing yet to measure it with.
    Unchecked,
    /// It is broken, and that is worth a warning.
    Warned,
    /// It is broken: nothing may be published.
    Failed,
    /// The newest row is older than expected: a warning.
    Late,
    /// The newest row is older than allowed: nothing may be published before the next export.
    Stale,
}

impl Verdict {
    /// The word used in records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unchecked => "unchecked",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Stale => "stale",
        }
    }

    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Failed,
            Severity::Warn => Self::Warned,
        }
    }
}

/// Compares the rows of all files with what is expected.
pub(super) fn row_count(plan: &SourcePlan, measures: &Measures) -> Vec<Finding> {
    let Some(spec) = &plan.row_count else { return Vec::new() };
    let rows = plan.rows();
    let finding =
        |rule: &str, verdict, said: String, allowed: String| Finding { rule: rule.to_owned(), verdict, said, allowed };
    let broken = Verdict::of(spec.severity);
    let mut out = Vec::new();
    if spec.min.is_some() || spec.max.is_some() {
        let holds = spec.min.is_none_or(|least| rows >= least) && spec.max.is_none_or(|most| rows <= most);
        out.push(finding(
            "row_count",
            if holds { Verdict::Held } else { broken },
            format!("its files hold {}", counted(rows, "row")),
            limits(spec),
        ));
    }
    if let Some(change) = spec.change {
        let rule = "row_count.change";
        let Some(before) = measures.rows_before.get(&plan.name).copied() else {
            let said = format!("its files hold {}, and no earlier run is there to compare with", counted(rows, "row"));
            out.push(finding(rule, Verdict::Unchecked, said, String::new()));
            return out;
        };
        // rows / before against 1 -+ share, in whole numbers.
        let (now, then) = (i128::from(rows) * 1_000_000, i128::from(before));
        let dropped = change.max_drop.is_some_and(|drop| now < then * (1_000_000 - i128::from(drop.millionths())));
        let risen = change.max_rise.is_some_and(|rise| now > then * (1_000_000 + i128::from(rise.millionths())));
        let allowed = [change.max_drop.map(|d| format!("{d} fewer")), change.max_rise.map(|r| format!("{r} more"))];
        let allowed: Vec<String> = allowed.into_iter().flatten().collect();
        out.push(finding(
            rule,
            if dropped || risen { broken } else { Verdict::Held },
            format!("its files hold {} after {} in the run before", counted(rows, "row"), count(before)),
            format!("at most {}", allowed.join(" and ")),
        ));
    }
    out
}

fn limits(spec: &RowCountSpec) -> String {
    match (spec.min, spec.max) {
        (Some(least), Some(most)) => format!("{} to {}", count(least), counted(most, "row")),
        (Some(least), None) => format!("at least {}", counted(least, "row")),
        (None, Some(most)) => format!("at most {}", counted(most, "row")),
        (None, None) => String::new(),
    }
}

/// Columns of what [`freshness`] looks at.
pub(super) const NEWEST: [&str; 2] = ["#newest", "#last"];

/// The newest moment up to the cut-off, and of all rows, as aggregates; `None` where no age is asked for.
pub(super) fn newest(plan: &SourcePlan, measures: &Measures) -> Option<[Expr; 2]> {
    let (spec, cutoff) = (plan.freshness.as_ref()?, measures.cutoff?);
    let zone = zone_of(plan);
    let limit =
        if is_date(plan, spec) { i64::from(days(cutoff.to_zoned(zone).date())) } else { cutoff.as_microsecond() };
    let wide = col(spec.column.as_str()).to_physical().cast(DataType::Int64);
    let [newest, last] = NEWEST;
    Some([wide.clone().filter(wide.clone().lt_eq(lit(limit))).max().alias(newest), wide.max().alias(last)])
}

fn zone_of(plan: &SourcePlan) -> TimeZone {
    plan.zone.parse::<ZoneName>().map_or(TimeZone::UTC, |zone| zone.time_zone().clone())
}

fn is_date(plan: &SourcePlan, spec: &Freshness) -> bool {
    plan.column(&spec.column).is_some_and(|column| column.ty == ColumnType::Date)
}

/// Compares the newest row with the cut-off; `found` has the values of [`newest`] in one row.
///
/// Rows after the cut-off say nothing about what should have been there at it, unless there are no
/// others: then the whole export is younger.
pub(super) fn freshness(plan: &SourcePlan, found: &DataFrame, measures: &Measures) -> PolarsResult<Option<Finding>> {
    let (Some(spec), Some(cutoff)) = (&plan.freshness, measures.cutoff) else { return Ok(None) };
    let rule = format!("freshness({})", spec.column);
    let (zone, date) = (zone_of(plan), is_date(plan, spec));
    let [newest, last] = NEWEST;
    let value = |name: &str| Ok::<_, PolarsError>(found.column(name)?.i64()?.get(0));
    let newest = match (value(newest)?, value(last)?) {
        (Some(newest), _) => newest,
        (None, Some(_)) => {
            let said = format!("every `{}` is after the cut-off {cutoff}", spec.column);
            return Ok(Some(Finding { rule, verdict: Verdict::Held, said, allowed: allowed(spec) }));
        }
        (None, None) => {
            let said = format!("no row has a `{}`", spec.column);
            let verdict = if spec.error_after.is_some() { Verdict::Stale } else { Verdict::Late };
            return Ok(Some(Finding { rule, verdict, said, allowed: allowed(spec) }));
        }
    };
    let (shown, instant) = if date { over(newest, &zone) } else { at(newest) };
    // A date of the cut-off's own day has not ended yet.
    let seconds = cutoff.as_second().saturating_sub(instant.min(cutoff).as_second()).unsigned_abs();
    let beyond = |limit: Option<Duration>| limit.is_some_and(|limit| seconds > limit.seconds());
    let verdict = match (beyond(spec.error_after), beyond(spec.warn_after)) {
        (true, _) => Verdict::Stale,
        (false, true) => Verdict::Late,
        (false, false) => Verdict::Held,
    };
    let said = format!("its newest `{}` is {shown}, {} before the cut-off {cutoff}", spec.column, age(seconds));
    Ok(Some(Finding { rule, verdict, said, allowed: allowed(spec) }))
}

fn allowed(spec: &Freshness) -> String {
    let warn = spec.warn_after.map(|limit| format!("`warn_after` is {limit}"));
    let error = spec.error_after.map(|limit| format!("`error_after` is {limit}"));
    warn.into_iter().chain(error).collect::<Vec<_>>().join(", ")
}

fn at(micros: i64) -> (String, Timestamp) {
    let instant = Timestamp::from_microsecond(micros).unwrap_or_default();
    (instant.to_string(), instant)
}

/// The day, and the instant at which it is over in the zone.
fn over(days: i64, zone: &TimeZone) -> (String, Timestamp) {
    let day = jiff::civil::date(1970, 1, 1).saturating_add(Span::new().days(days));
    (day.to_string(), end_of_day(day, zone).unwrap_or(Timestamp::MAX))
}

/// The instant at which a civil day is over in a zone; `None` beyond the calendar.
#[must_use]
pub fn end_of_day(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp())
}

/// `3d 2h`, `50m`: the two largest units.
fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// Computes the totals of the used rows and says whether each condition on them holds.
pub(super) fn aggregates(plan: &SourcePlan, used: &DataFrame) -> PolarsResult<Vec<Finding>> {
    if plan.aggregates.is_empty() {
        return Ok(Vec::new());
    }
    let amounts = plan.columns.iter().filter(|column| {
        column.ty == ColumnType::Money && plan.aggregates.iter().any(|a| a.condition.columns.contains(&column.name))
    });
    let amounts: Vec<Expr> =
        amounts.map(|c| seen(col(c.name.as_str()), plan.money_scale).alias(c.name.as_str())).collect();
    let said = plan.aggregates.iter().map(|a| a.condition.expr().alias(a.condition.name.as_str()));
    let found = used.clone().lazy().with_columns(amounts).select(said.collect::<Vec<_>>()).collect()?;
    let finding = |aggregate: &Aggregate| {
        let holds = found.column(&aggregate.condition.name)?.bool()?.get(0);
        let said = match holds {
            Some(false) => "is false",
            Some(true) => "is true",
            None => "is NULL",
        };
        Ok(Finding {
            rule: aggregate.condition.name.clone(),
            verdict: if holds == Some(false) { Verdict::of(aggregate.severity) } else { Verdict::Held },
            said: format!("`{}` {said} for its {}", aggregate.condition.sql, counted(used.height() as u64, "used row")),
            allowed: aggregate.description.clone().unwrap_or_default(),
        })
    };
    plan.aggregates.iter().map(finding).collect()
}
