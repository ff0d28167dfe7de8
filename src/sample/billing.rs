//! What the billing system exports: customers, items, coupons, pauses, monthly snapshots.

use std::collections::BTreeMap;
use std::fmt;

use super::calendar::{
    Day, EXPORT_DAY, HISTORY_START, MONTHS, OLD_EXPORT_DAY, add_months, history_month, instant, loaded, micros,
};
use super::cases::BROKEN_ROWS;
use super::ids::CustomerKey;
use super::life::{Item, Life, Off, Owner};
use super::rng::Stream;
use super::tables::Tables;

/// Of how many customers one more broken row is exported, beyond those of the sample.
const BROKEN_EVERY: u64 = 100_000;
/// Days from a failed payment to the cancellation for it.
const PAST_DUE_DAYS: i32 = 10;
const BROKEN_KINDS: usize = 8;
/// A customer number that no sample has.
const STRANGER: u64 = 99_999_999_999;

pub(super) fn write(life: &Life, tables: &mut Tables) {
    customer(life, tables);
    segments(life, tables);
    for (at, item) in life.items.iter().enumerate() {
        item_rows(life, at, item, tables);
    }
    broken_items(life, tables);
    discounts(life, tables);
    pauses(life, tables);
    snapshots(life, tables);
}

fn customer(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    let table = &mut tables.customers;
    let last_change = life.items.iter().map(Item::recorded_at).max();
    let open = life.items.iter().any(|item| item.end.is_none());
    let gone = !open && !who.scripted && who.rng(Stream::Billing).chance(12_000);
    table.customer_id.push(&who.key);
    table.company_name.write(format_args!("{}", who.company));
    table.country.push(who.country);
    table.industry.push(who.industry);
    table.segment.push(who.segment().name());
    table.acquisition_channel.push(who.channel);
    table.currency.push(who.currency.code());
    table.parent_id.push(who.parent.as_ref());
    table.signed_up_at.push(micros(instant(who.signed_up, who.signup_second)));
    table.is_deleted.push(gone);
    let updated = last_change.unwrap_or(loaded(who.signed_up));
    table.updated_at.push(updated.max(loaded(who.signed_up)));
    table.exported_at.push(loaded(EXPORT_DAY - 1));
}

fn segments(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    let table = &mut tables.customer_segments;
    for (at, (segment, from)) in who.segments.iter().enumerate() {
        table.customer_id.push(&who.key);
        table.segment.push(segment.name());
        table.valid_from.push(*from);
        table.valid_to.push(who.segments.get(at + 1).map(|(_, from)| *from));
    }
}

/// The rows of one item: the row, its copies, and what it was before it ended.
fn item_rows(life: &Life, at: usize, item: &Item, tables: &mut Tables) {
    let past_due = past_due_since(life, item);
    if let Some(status) = item.earlier_status {
        let mut earlier = item.clone();
        let known = match (status, item.end) {
            ("past_due", Some(end)) => item.start.max(end - PAST_DUE_DAYS),
            _ => item.start,
        };
        earlier.status = status;
        (earlier.end, earlier.ended_at) = (None, None);
        (earlier.cancel_requested_at, earlier.cancel_reason) = (None, None);
        let past_due = past_due.filter(|_| status == "past_due");
        item_row(life, at, &earlier, past_due, loaded(known), tables);
    }
    for _ in 0..=item.copies {
        item_row(life, at, item, past_due, item.recorded_at(), tables);
    }
}

macro_rules! item_columns {
    ($table:expr, $life:expr, $at:expr, $item:expr, $recorded:expr, $exported:expr) => {{
        let (table, life, item) = ($table, $life, $item);
        let key = &life.who.key;
        let stranger = CustomerKey::new(STRANGER);
        match item.broken.id {
            Some(n) => table.item_id.write(format_args!("{}", key.nth("si_broken_", n))),
            None => table.item_id.write(format_args!("{}", key.nth("si_", $at))),
        }
        table.subscription_id.write(format_args!("{}", key.nth("sub_", item.subscription)));
        table.customer_id.push(match item.owner {
            Owner::Customer => Some(key),
            Owner::Nobody => None,
            Owner::Stranger => Some(&stranger),
        });
        table.product.push(item.plan.product);
        table.plan.push(item.plan.name);
        table.price_id.write(format_args!("{}", PriceId(item)));
        table.status.push(item.status);
        table.start_date.push(item.start);
        table.ended_at.push(item.ended_at);
        table.trial_end.push(item.trial_end);
        table.cancel_requested_at.push(item.cancel_requested_at.map(micros));
        let price = item.unit_price();
        table.unit_amount.push(price.filter(|p| p % 100 == 0).map(|p| p / 100));
        match price {
            Some(price) => table.unit_amount_decimal.write(format_args!("{}", Decimal(price))),
            None => table.unit_amount_decimal.push(None),
        }
        table.currency.push(item.currency_code());
        table.billing_interval.push(item.billing_interval());
        table.interval_count.push(item.billing_count());
        let metered = item.plan.metered;
        table.usage_type.push(if metered { "metered" } else { "licensed" });
        table.billing_scheme.push(if metered { "tiered" } else { "per_unit" });
        table.livemode.push(item.livemode);
        table.is_deleted.push(item.is_deleted);
        table.recorded_at.push($recorded);
        table.exported_at.push($exported);
    }};
}

fn item_row(life: &Life, at: usize, item: &Item, past_due: Option<Day>, recorded: i64, tables: &mut Tables) {
    let old_export = loaded(OLD_EXPORT_DAY - 1);
    if recorded <= old_export {
        let table = &mut tables.items_v1;
        let narrow = item.quantity.and_then(|units| i32::try_from(units).ok());
        table.quantity.push(narrow);
        item_columns!(table, life, at, item, recorded, old_export);
    } else {
        let table = &mut tables.items_v2;
        table.quantity.push(item.quantity);
        table.cancel_reason.push(item.cancel_reason);
        table.cancel_period_end.push(life.cancel_period_end(item));
        table.past_due_since.push(past_due);
        item_columns!(table, life, at, item, recorded, loaded(EXPORT_DAY - 1));
    }
}

/// The day on which a payment failed that has not been made good.
fn past_due_since(life: &Life, item: &Item) -> Option<Day> {
    let since = match (item.status, item.end) {
        ("canceled", Some(end)) if item.earlier_status == Some("past_due") => end - PAST_DUE_DAYS,
        ("past_due", None) => EXPORT_DAY - life.who.rng(Stream::PastDue).days(3, 70),
        _ => return None,
    };
    Some(since.max(item.start))
}

/// What the price of an item is called; one that was negotiated has a suffix.
pub(super) struct PriceId<'a>(pub(super) &'a Item);

impl fmt::Display for PriceId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = self.0;
        let (count, interval, currency) = (item.billing_count(), item.billing_interval(), item.currency_code());
        write!(f, "price_{}_{count}{interval}_{currency}_v{}", item.plan.name, item.list + 1)?;
        if item.percent_off == 0 { Ok(()) } else { write!(f, "_off{}", item.percent_off) }
    }
}

/// Hundredths written as a decimal without trailing zeros: `12.5`, `3200`.
struct Decimal(i64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}"),
            part if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            part => write!(f, "{whole}.{part:02}"),
        }
    }
}

/// Rows that no ledger should accept: one of each kind under the case that collects them, and
/// one more for every hundred thousand customers.
fn broken_items(life: &Life, tables: &mut Tables) {
    let index = life.who.key.index;
    let Some(sound) = life.items.first() else {
        return;
    };
    let kinds = if index == BROKEN_ROWS {
        0..BROKEN_KINDS
    } else if index % BROKEN_EVERY == BROKEN_EVERY - 1 {
        let kind = usize::try_from(index / BROKEN_EVERY).unwrap_or(0) % BROKEN_KINDS;
        kind..kind + 1
    } else {
        return;
    };
    for kind in kinds {
        let mut item = sound.clone();
        item.broken.id = Some(kind);
        item.subscription += 10 + kind;
        item.start = item.start.max(OLD_EXPORT_DAY);
        (item.copies, item.late_days, item.earlier_status) = (0, 0, None);
        (item.end, item.ended_at) = (None, None);
        (item.status, item.trial_end) = ("active", None);
        (item.cancel_requested_at, item.cancel_reason) = (None, None);
        (item.livemode, item.is_deleted) = (true, false);
        match kind {
            0 => item.ended_at = Some(instant(item.start - 30, 43_200)),
            1 => item.ended_at = Some(instant(item.start, 43_200)),
            2 => item.broken.currency = Some("xxq"),
            3 => item.quantity = Some(-3),
            4 => item.owner = Owner::Nobody,
            5 => item.broken.interval = Some("fortnight"),
            6 => item.owner = Owner::Stranger,
            _ => item.broken.count = Some(0),
        }
        let recorded = item.recorded_at();
        item_row(life, 0, &item, None, recorded, tables);
    }
}

fn discounts(life: &Life, tables: &mut Tables) {
    let key = &life.who.key;
    let table = &mut tables.discounts;
    for (at, discount) in life.discounts.iter().enumerate() {
        table.discount_id.write(format_args!("{}", key.nth("di_", at)));
        table.subscription_id.write(format_args!("{}", key.nth("sub_", discount.subscription)));
        table.coupon_id.push(discount.coupon);
        match discount.off {
            Off::Percent(percent) => {
                let whole = i32::try_from(percent).unwrap_or(0);
                table.percent_off.push(f64::from(whole));
                table.amount_off.push(None);
                table.currency.push(None);
            }
            Off::Amount(minor) => {
                table.percent_off.push(None);
                table.amount_off.push(minor);
                table.currency.push(life.who.currency.code());
            }
        }
        table.duration.push(discount.duration);
        table.duration_in_months.push(discount.months);
        table.start_date.push(discount.start);
        table.end_date.push(discount.end);
    }
}

fn pauses(life: &Life, tables: &mut Tables) {
    let table = &mut tables.pauses;
    for pause in &life.pauses {
        let subscription = life.who.key.nth("sub_", pause.subscription);
        table.subscription_id.write(format_args!("{subscription}"));
        table.paused_on.push(pause.from);
        table.resumed_on.push(pause.to);
    }
}

/// The same revenue as the items, as a tool that only keeps month ends would export it.
fn snapshots(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    let Some(first) = who.is_snapshot().then(|| life.first_paid()).flatten() else {
        return;
    };
    let from = super::calendar::month_index(first.max(HISTORY_START)).unwrap_or(0);
    let table = &mut tables.mrr_snapshots;
    for month in from..MONTHS {
        let start: Day = history_month(month);
        let last = add_months(start, 1) - 1;
        let mut plans: BTreeMap<(&str, &str), i128> = BTreeMap::new();
        for item in life.items.iter().filter(|item| item.pays_on(last)) {
            let cents = item.monthly_36() * 100 / i128::from(item.currency.minor_units());
            *plans.entry((item.plan.name, item.currency.code())).or_default() += cents;
        }
        for ((plan, currency), amount) in plans {
            if amount > 0 {
                table.snapshot_month.push(start);
                table.customer_id.push(&who.key);
                table.plan.push(plan);
                // Hundredths of hundredths of a major unit, thirty-sixths of them.
                table.mrr.push(half_even(amount, 3_600));
                table.currency.push(currency);
            }
        }
    }
}

/// `n / d` rounded to the nearest integer, halves to the even one; `n` is not negative.
pub(super) fn half_even(n: i128, d: i128) -> i128 {
    let (whole, rest) = (n / d, n % d);
    match (rest * 2).cmp(&d) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let rounded: Vec<i128> = [5, 15, 25, 26, 24, 0].map(|n| half_even(n, 10)).to_vec();
        assert_eq!(rounded, [0, 2, 2, 3, 2, 0]);
    }

    #[test]
    fn decimals_keep_what_is_needed() {
        let text: Vec<String> = [1_250, 320_000, 5, 1_234].map(|p| Decimal(p).to_string()).to_vec();
        assert_eq!(text, ["12.5", "3200", "0.05", "12.34"]);
    }
}
