//! The lines of invoices, each with the time in which the service is given.

use super::billing::half_even;
use super::calendar::{Day, instant, micros};
use super::catalog::Currency;
use super::invoices::{Bill, discount};
use super::life::{Item, Life};
use super::profile::Segment;
use super::rng::Rng;
use super::tables::Tables;

/// Writes the lines of an invoice: the items of the period, then what changed during the one
/// before it, then a fee for setting up.
pub(super) fn write(life: &Life, number: usize, bill: &Bill, rng: &mut Rng, tables: &mut Tables) {
    let mut invoice = Invoice { life, number, bill, lines: 0 };
    let items = || life.items.iter().enumerate().filter(|(_, item)| item.subscription == bill.subscription);
    let due: Vec<_> = items().filter(|(_, item)| item.pays_on(bill.from)).collect();
    let off = shares(discount(life, bill), &due);
    for ((at, item), off) in due.iter().zip(off) {
        let amount = item.amount() / 100;
        if amount > 0 {
            let what = What { kind: "subscription", at: Some(*at), amount, off, from: bill.from, to: bill.to };
            invoice.line(&what, tables);
        }
    }
    if let Some(before) = bill.before {
        for (at, item) in items().filter(|(_, item)| item.is_real()) {
            let paid_from = item.trial_end.unwrap_or(item.start);
            if before < paid_from && paid_from < bill.from && item.pays_on(paid_from) {
                invoice.proration(at, item, before, paid_from, 1, tables);
            }
            if let Some(end) = item.end.filter(|end| before < *end && *end < bill.from)
                && item.pays_on(end - 1)
            {
                invoice.proration(at, item, before, end, -1, tables);
            }
        }
    }
    if bill.before.is_none() && life.who.segment_on(bill.from) == Segment::Enterprise && rng.chance(400_000) {
        let amount = match bill.currency {
            Currency::Usd => 250_000,
            Currency::Jpy => 375_000,
        };
        let what = What { kind: "invoiceitem", at: None, amount, off: 0, from: bill.from, to: bill.from };
        invoice.line(&what, tables);
    }
}

/// A discount, shared out over the items it is taken off; the last one takes what rounding leaves.
fn shares(off: i64, due: &[(usize, &Item)]) -> Vec<i64> {
    let amounts: Vec<i64> = due.iter().map(|(_, item)| item.amount() / 100).collect();
    let total: i64 = amounts.iter().sum();
    let (mut left, mut rest) = (off.min(total), total);
    amounts
        .into_iter()
        .map(|amount| {
            let share = if rest == 0 { 0 } else { i128::from(left) * i128::from(amount) / i128::from(rest) };
            let share = i64::try_from(share).unwrap_or(0);
            left -= share;
            rest -= amount;
            share
        })
        .collect()
}

/// An invoice whose lines are being written.
struct Invoice<'a> {
    life: &'a Life,
    number: usize,
    bill: &'a Bill,
    lines: usize,
}

/// What a line is for.
struct What {
    kind: &'static str,
    at: Option<usize>,
    amount: i64,
    off: i64,
    from: Day,
    to: Day,
}

impl Invoice<'_> {
    /// Charges, or gives back, the rest of a period in which an item came or went.
    fn proration(&mut self, at: usize, item: &Item, before: Day, from: Day, sign: i64, tables: &mut Tables) {
        let to = self.bill.from;
        let share = i128::from(item.amount() / 100) * i128::from(to - from);
        let amount = sign * i64::try_from(half_even(share, i128::from(to - before))).unwrap_or(0);
        if amount != 0 {
            self.line(&What { kind: "invoiceitem", at: Some(at), amount, off: 0, from, to }, tables);
        }
    }

    fn line(&mut self, what: &What, tables: &mut Tables) {
        let (life, key) = (self.life, &self.life.who.key);
        let item = what.at.map(|at| &life.items[at]);
        let table = &mut tables.invoice_lines;
        // An invoice has fewer lines than this.
        table.line_id.write(format_args!("{}", key.nth("il_", self.number * 62 + self.lines)));
        self.lines += 1;
        table.invoice_id.write(format_args!("{}", key.nth("in_", self.number)));
        table.customer_id.push(key);
        table.subscription_id.write(format_args!("{}", key.nth("sub_", self.bill.subscription)));
        match what.at {
            Some(at) => table.subscription_item_id.write(format_args!("{}", key.nth("si_", at))),
            None => table.subscription_item_id.push(None),
        }
        table.type_.push(what.kind);
        table.proration.push(what.kind == "invoiceitem" && item.is_some());
        table.product.push(item.map_or("onboarding", |item| item.plan.product));
        table.plan.push(item.map(|item| item.plan.name));
        table.quantity.push(item.map_or(1, |item| item.quantity.unwrap_or(1)));
        table.amount.push(what.amount);
        table.discount_amount.push(what.off);
        table.net_amount.push(what.amount - what.off);
        table.currency.push(item.map_or(self.bill.currency, |item| item.currency).code());
        let second = life.billing_second;
        table.period_start.push(micros(instant(what.from, second)));
        table.period_end.push(micros(instant(what.to, second)));
    }
}
