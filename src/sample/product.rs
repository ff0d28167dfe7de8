//! What the product records: events, sessions, onboarding steps, trials.

use super::calendar::{Day, EXPORT_DAY, add_months, day, instant, micros, weekday};
use super::life::Life;
use super::profile::Segment;
use super::rng::{Rng, Stream};
use super::tables::Tables;

/// The warehouse keeps usage for half a year.
const KEPT_MONTHS: i32 = 6;
/// The checklist was built into the product that day.
const ONBOARDING_SINCE: Day = day(2025, 1, 1);
/// How many days before leaving a customer begins to use the product less.
const DECLINE_DAYS: i32 = 75;

const EVENTS: [((&str, Option<&str>), u64); 11] = [
    (("login", None), 14),
    (("page_viewed", None), 16),
    (("dashboard_opened", Some("dashboards")), 22),
    (("report_created", Some("reports")), 11),
    (("report_shared", Some("reports")), 6),
    (("alert_configured", Some("alerts")), 6),
    (("export_run", Some("exports")), 7),
    (("integration_synced", Some("integrations")), 7),
    (("automation_ran", Some("automations")), 6),
    (("api_called", Some("api")), 4),
    (("sso_login", Some("sso")), 1),
];

/// Usage per customer, in thousandths of an event.
pub(super) fn write(life: &Life, events_per_mille: u64, tables: &mut Tables) {
    usage(life, events_per_mille, tables);
    onboarding(life, tables);
    trials(life, tables);
}

/// A user of a customer; the first ones are the busiest.
fn user(life: &Life, rng: &mut Rng, users: i64) -> usize {
    debug_assert!(users > 0, "customer {} has no user", life.who.key.index);
    usize::try_from(rng.skewed(0, users - 1)).unwrap_or(0)
}

/// How many people of the customer use the product at all.
pub(super) fn users(life: &Life) -> i64 {
    life.who.segment().of(4, 9, 16)
}

fn usage(life: &Life, events_per_mille: u64, tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Usage);
    let users = users(life);
    let kept_from = add_months(EXPORT_DAY, -KEPT_MONTHS);
    let weight = who.segment().of(40, 110, 240) * (250 + who.fit * 3 / 2) / 1_000;
    let rate = u64::try_from(weight).unwrap_or(1).saturating_mul(events_per_mille);
    let (mut event_n, mut session_n) = (0, 0);
    for (from, to) in life.spans() {
        let last_stay = to < EXPORT_DAY;
        let quiet_from = if last_stay { to - DECLINE_DAYS } else { to };
        for (from, to, share) in [(from, quiet_from, 100), (from.max(quiet_from), to, 30)] {
            let from = from.max(kept_from);
            if from >= to {
                continue;
            }
            let days = u64::from(to.abs_diff(from));
            // A session is four events on average; the chance of one more makes up for division.
            let scaled = rate.saturating_mul(days).saturating_mul(share) / 100;
            let per_session = 4 * SESSION_DIVISOR;
            let sessions = scaled / per_session + u64::from(rng.below(per_session) < scaled % per_session);
            for nth in 0..sessions {
                let day = from + stratum(&mut rng, nth, sessions, days);
                let day = if weekday(day) >= 5 && rng.chance(650_000) && day > from + 1 { day - 2 } else { day };
                let user = user(life, &mut rng, users);
                let start = instant(day, rng.int(7 * 3_600, 21 * 3_600));
                let mut at = start;
                let count = rng.int(1, 7);
                for _ in 0..count {
                    event(life, &mut rng, user, at, event_n, tables);
                    event_n += 1;
                    at += rng.int(4, 400);
                }
                if who.key.index % 4 == 3 {
                    session(life, &mut rng, user, (start, at), session_n, tables);
                    session_n += 1;
                }
            }
        }
    }
}

/// Brings the default volume to what was asked for, over all kinds of customers; measured.
const SESSION_DIVISOR: u64 = 8_100_000;

/// The `nth` of `of` points spread over `days`, in order, each at random in its own part.
fn stratum(rng: &mut Rng, nth: u64, of: u64, days: u64) -> i32 {
    let part = 1_000;
    let at = (nth * part + rng.below(part)) * days / (of.max(1) * part);
    i32::try_from(at.min(days.saturating_sub(1))).unwrap_or(0)
}

fn event(life: &Life, rng: &mut Rng, user: usize, at: i64, n: usize, tables: &mut Tables) {
    let key = &life.who.key;
    let (mut name, mut feature) = rng.weighted(&EVENTS);
    let shallow = life.who.fit < 350 && !matches!(feature, None | Some("dashboards"));
    let no_sso = name == "sso_login" && life.who.segment() != Segment::Enterprise;
    if no_sso || (shallow && rng.chance(600_000)) {
        (name, feature) = ("page_viewed", None);
    }
    // At-least-once delivery: some events arrive twice.
    let deliveries = if rng.chance(5_000) { 2 } else { 1 };
    let table = &mut tables.usage_events;
    for _ in 0..deliveries {
        table.event_id.write(format_args!("{}", key.nth("ev_", n)));
        table.customer_id.push(key);
        table.user_id.push(key, user);
        table.event_name.push(name);
        table.feature.push(feature);
        table.occurred_at.push(micros(at));
    }
}

fn session(life: &Life, rng: &mut Rng, user: usize, (start, end): (i64, i64), n: usize, tables: &mut Tables) {
    let key = &life.who.key;
    let table = &mut tables.sessions;
    table.session_id.write(format_args!("{}", key.nth("se_", n)));
    table.user_id.push(key, user);
    table.customer_id.push(key);
    table.started_at.push(micros(start));
    // A closed laptop ends no session.
    let lost = rng.chance(15_000);
    table.ended_at.push((!lost).then_some(micros(end)));
}

fn onboarding(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    if who.signed_up < ONBOARDING_SINCE {
        return;
    }
    let Some((from, to)) = life.spans().first().copied() else {
        return;
    };
    let mut rng = who.rng(Stream::Onboarding);
    let pace = who.segment().of(5, 12, 22);
    let mut at = from;
    for step in ["workspace_created", "team_invited", "data_connected", "first_report", "went_live"] {
        at += i32::try_from(rng.skewed(0, pace * 2)).unwrap_or(0);
        let goes_on = rng.chance(760_000 + who.fit * 235);
        if at >= to || !goes_on {
            return;
        }
        tables.onboarding_steps.customer_id.push(&who.key);
        tables.onboarding_steps.step.push(step);
        let second = rng.int(9 * 60, 18 * 60) * 60;
        tables.onboarding_steps.completed_at.push(micros(instant(at, second)));
    }
}

fn trials(life: &Life, tables: &mut Tables) {
    let key = &life.who.key;
    let table = &mut tables.trials;
    let second = life.billing_second;
    for (at, trial) in life.trials.iter().enumerate() {
        table.trial_id.write(format_args!("{}", key.nth("tr_", at)));
        table.customer_id.push(key);
        table.started_at.push(micros(instant(trial.from, second)));
        table.ends_at.push(micros(instant(trial.to, second)));
        let converted = trial.converted.map(|day| micros(instant(day, second)));
        table.converted_at.push(converted);
    }
}
