//! Invoices and refunds: of one customer in five, for the last year.

use super::calendar::{Day, EXPORT_DAY, add_months, instant, micros};
use super::catalog::Currency;
use super::life::{Life, Off};
use super::lines;
use super::rng::{Rng, Stream};
use super::tables::Tables;

const KEPT_MONTHS: i32 = 12;

/// One invoice in the making.
pub(super) struct Bill {
    pub(super) subscription: usize,
    pub(super) from: Day,
    pub(super) to: Day,
    /// The start of the period before, if there was one.
    pub(super) before: Option<Day>,
    pub(super) currency: Currency,
}

pub(super) fn write(life: &Life, tables: &mut Tables) {
    let key = &life.who.key;
    if key.index % 5 != 1 && !life.who.scripted {
        return;
    }
    let mut rng = life.who.rng(Stream::Invoices);
    let mut fees = life.who.rng(Stream::Lines);
    let refunded_case = life.who.company == "Refunded Inc";
    for (at, bill) in bills(life).into_iter().enumerate() {
        let Some(due) = amount(life, &bill) else {
            continue;
        };
        let table = &mut tables.invoices;
        let tax = due * tax_percent(life.who.country) / 100;
        let total = due + tax;
        let status = status(life, &bill, &mut rng);
        let paid = if status == "paid" { total } else { 0 };
        let second = life.billing_second;
        table.invoice_id.write(format_args!("{}", key.nth("in_", at)));
        table.customer_id.push(key);
        table.subscription_id.write(format_args!("{}", key.nth("sub_", bill.subscription)));
        table.status.push(status);
        table.billing_reason.push(if bill.before.is_none() { "subscription_create" } else { "subscription_cycle" });
        table.currency.push(bill.currency.code());
        table.subtotal.push(due);
        table.tax.push(tax);
        table.total.push(total);
        table.amount_paid.push(paid);
        table.period_start.push(micros(instant(bill.from, second)));
        table.period_end.push(micros(instant(bill.to, second)));
        table.created_at.push(micros(instant(bill.from, second + 3_600)));
        lines::write(life, at, &bill, &mut fees, tables);
        if paid > 0 && (refunded_case || rng.chance(12_000)) {
            let refunds = &mut tables.refunds;
            let part = if refunded_case { 50 } else { rng.pick(&[100, 100, 50, 25]) };
            refunds.refund_id.write(format_args!("{}", key.nth("re_", at)));
            refunds.invoice_id.write(format_args!("{}", key.nth("in_", at)));
            refunds.amount.push(paid * part / 100);
            let day = (bill.from + rng.days(3, 20)).min(EXPORT_DAY - 1);
            refunds.created_at.push(micros(instant(day, 50_400)));
            refunds.reason.push(rng.pick(&["requested_by_customer", "requested_by_customer", "duplicate"]));
        }
    }
}

/// The billing periods that start in the last year, of each subscription in turn.
fn bills(life: &Life) -> Vec<Bill> {
    let kept_from = add_months(EXPORT_DAY, -KEPT_MONTHS);
    let subscriptions = life.items.iter().map(|item| item.subscription + 1).max();
    let mut bills = Vec::new();
    for subscription in 0..subscriptions.unwrap_or(0) {
        let items = || life.items.iter().filter(move |item| item.subscription == subscription && item.is_real());
        let Some(first) = items().next() else {
            continue;
        };
        let Some((anchor, cycle)) = life.billing_anchor(subscription) else {
            continue;
        };
        let open = items().any(|item| item.end.is_none());
        let last = items().filter_map(|item| item.end).max();
        let end = if open { EXPORT_DAY } else { last.unwrap_or(EXPORT_DAY) };
        let mut n = 0;
        let mut from = anchor;
        while from < end {
            let to = cycle.after(anchor, n + 1);
            if from >= kept_from {
                let before = (n > 0).then(|| cycle.after(anchor, n - 1));
                bills.push(Bill { subscription, from, to, before, currency: first.currency });
            }
            n += 1;
            from = to;
        }
    }
    bills
}

/// What the period costs in minor units, coupons taken off; nothing if nothing is due.
fn amount(life: &Life, bill: &Bill) -> Option<i64> {
    let day = bill.from;
    let paused = life.pauses.iter().any(|pause| {
        pause.subscription == bill.subscription && pause.from <= day && pause.to.is_none_or(|to| to > day)
    });
    let due = due(life, bill);
    if paused || due == 0 {
        return None;
    }
    Some((due - discount(life, bill)).max(0))
}

/// What the coupons of a subscription take off the items that are due.
pub(super) fn discount(life: &Life, bill: &Bill) -> i64 {
    let day = bill.from;
    let due = due(life, bill);
    life.discounts
        .iter()
        .filter(|discount| {
            discount.subscription == bill.subscription
                && discount.start <= day
                && discount.end.is_none_or(|end| end > day)
        })
        .map(|discount| match discount.off {
            Off::Percent(percent) => due * percent / 100,
            Off::Amount(amount) => amount,
        })
        .sum()
}

/// What the items of the period cost in minor units, before coupons.
fn due(life: &Life, bill: &Bill) -> i64 {
    let items = life.items.iter().filter(|item| item.subscription == bill.subscription);
    items.filter(|item| item.pays_on(bill.from)).map(|item| item.amount() / 100).sum()
}

fn status(life: &Life, bill: &Bill, rng: &mut Rng) -> &'static str {
    let of_subscription = || life.items.iter().filter(|item| item.subscription == bill.subscription);
    let failed = of_subscription()
        .any(|item| item.cancel_reason == Some("payment_failed") && item.end.is_some_and(|end| end <= bill.to));
    let past_due = of_subscription().any(|item| item.status == "past_due" && item.end.is_none());
    if failed {
        "uncollectible"
    } else if past_due && bill.to >= EXPORT_DAY {
        "open"
    } else if rng.chance(6_000) {
        "void"
    } else {
        "paid"
    }
}

/// Taxes on software in the countries that the company sells to.
fn tax_percent(country: &str) -> i64 {
    match country {
        "JP" => 10,
        "GB" | "FR" => 20,
        "DE" => 19,
        "NL" => 21,
        _ => 0,
    }
}
