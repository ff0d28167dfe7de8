//! What happened to a customer: the facts that every table is written from.

use super::calendar::{Day, EXPORT_DAY, day_of, instant, last_second, loaded, midnight};
use super::catalog::{Currency, Cycle, Hundredths, Plan};
use super::profile::Profile;

/// One row of `subscription_items`: an interval of constant terms.
#[derive(Clone)]
pub(super) struct Item {
    /// Which of the customer's subscriptions.
    pub(super) subscription: usize,
    pub(super) owner: Owner,
    pub(super) plan: &'static Plan,
    pub(super) list: usize,
    pub(super) percent_off: i64,
    pub(super) cycle: Cycle,
    pub(super) currency: Currency,
    pub(super) quantity: Option<i64>,
    pub(super) status: &'static str,
    pub(super) start: Day,
    pub(super) end: Option<Day>,
    /// The instant of the end, in epoch seconds.
    pub(super) ended_at: Option<i64>,
    pub(super) trial_end: Option<Day>,
    /// Epoch seconds.
    pub(super) cancel_requested_at: Option<i64>,
    pub(super) cancel_reason: Option<&'static str>,
    pub(super) livemode: bool,
    pub(super) is_deleted: bool,
    /// Days between the fact and its arrival in the warehouse.
    pub(super) late_days: i32,
    /// Further rows that equal this one in every column.
    pub(super) copies: u32,
    /// The export also holds the row as it was before it ended, with this status.
    pub(super) earlier_status: Option<&'static str>,
    /// What a broken row holds instead of a proper value.
    pub(super) broken: Broken,
}

/// Whom a row says it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Customer,
    Nobody,
    Stranger,
}

/// Values that no price has.
#[derive(Clone, Copy, Default)]
pub(super) struct Broken {
    pub(super) currency: Option<&'static str>,
    pub(super) interval: Option<&'static str>,
    pub(super) count: Option<i32>,
    pub(super) id: Option<usize>,
}

/// The terms of an item, before it has a time.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) plan: &'static Plan,
    pub(super) quantity: i64,
    pub(super) cycle: Cycle,
    pub(super) list: usize,
    pub(super) percent_off: i64,
}

pub(super) struct Pause {
    pub(super) subscription: usize,
    pub(super) from: Day,
    pub(super) to: Option<Day>,
}

pub(super) struct Discount {
    pub(super) subscription: usize,
    pub(super) coupon: &'static str,
    pub(super) off: Off,
    pub(super) duration: &'static str,
    pub(super) months: Option<i32>,
    pub(super) start: Day,
    pub(super) end: Option<Day>,
}

#[derive(Clone, Copy)]
pub(super) enum Off {
    Percent(i64),
    /// Minor units per invoice.
    Amount(i64),
}

pub(super) struct Trial {
    pub(super) from: Day,
    pub(super) to: Day,
    pub(super) converted: Option<Day>,
}

/// Something that sales worked on.
pub(super) struct Deal {
    pub(super) kind: DealKind,
    pub(super) closed: Day,
    pub(super) won: bool,
    /// Minor units per year.
    pub(super) annual: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DealKind {
    NewBusiness,
    Renewal,
    Upsell,
    CrossSell,
}

pub(super) struct Life {
    pub(super) who: Profile,
    pub(super) items: Vec<Item>,
    pub(super) pauses: Vec<Pause>,
    pub(super) discounts: Vec<Discount>,
    pub(super) trials: Vec<Trial>,
    pub(super) deals: Vec<Deal>,
    /// Billing happens at this second of a customer's day.
    pub(super) billing_second: i64,
}

impl Item {
    /// As a row of it says, which may be broken.
    pub(super) fn billing_interval(&self) -> &'static str {
        self.broken.interval.unwrap_or(self.cycle.interval())
    }

    /// As a row of it says, which may be broken.
    pub(super) fn billing_count(&self) -> i32 {
        self.broken.count.unwrap_or(self.cycle.count())
    }

    /// As a row of it says, which may be broken.
    pub(super) fn currency_code(&self) -> &'static str {
        self.broken.currency.unwrap_or(self.currency.code())
    }

    /// The price of one unit in hundredths of a minor unit; metered items have none.
    pub(super) fn unit_price(&self) -> Option<Hundredths> {
        (!self.plan.metered).then(|| self.plan.price(self.list, self.currency, self.cycle, self.percent_off))
    }

    /// The amount of one billing cycle in hundredths of a minor unit.
    pub(super) fn amount(&self) -> Hundredths {
        let units = self.quantity.unwrap_or(1);
        self.unit_price().unwrap_or(0).saturating_mul(units)
    }

    /// Whether it counts as recurring revenue at the end of `day`.
    pub(super) fn pays_on(&self, day: Day) -> bool {
        self.is_real()
            && self.status != "unpaid"
            && !self.plan.metered
            && self.trial_end.unwrap_or(self.start) <= day
            && self.end.is_none_or(|end| end > day)
    }

    /// Neither a test, nor deleted, nor broken.
    pub(super) fn is_real(&self) -> bool {
        self.livemode && !self.is_deleted && self.broken.id.is_none()
    }

    /// One thirty-sixth of this is the amount of a month, in hundredths of a minor unit.
    pub(super) fn monthly_36(&self) -> i128 {
        let per_count = match self.cycle.interval() {
            "day" => 365 * 3,
            "week" => 52 * 3,
            "month" => 36,
            _ => 3,
        };
        i128::from(self.amount()) * per_count / i128::from(self.cycle.count())
    }

    /// When the last change of this row reached the warehouse, in microseconds.
    pub(super) fn recorded_at(&self) -> i64 {
        let changed = self.end.unwrap_or(self.start).max(self.start);
        loaded((changed + self.late_days).min(EXPORT_DAY - 1))
    }

    fn end_at(&mut self, day: Day, second: i64) {
        self.end = Some(day);
        self.ended_at = Some(instant(day, second));
    }
}

impl Life {
    pub(super) fn new(who: Profile, billing_second: i64) -> Self {
        Self {
            who,
            items: Vec::new(),
            pauses: Vec::new(),
            discounts: Vec::new(),
            trials: Vec::new(),
            deals: Vec::new(),
            billing_second,
        }
    }

    /// Opens an item and says where it is.
    pub(super) fn open(&mut self, subscription: usize, terms: Terms, start: Day) -> usize {
        self.items.push(Item {
            subscription,
            owner: Owner::Customer,
            plan: terms.plan,
            list: terms.list,
            percent_off: terms.percent_off,
            cycle: terms.cycle,
            currency: self.who.currency,
            quantity: terms.plan.per_seat.then_some(terms.quantity),
            status: "active",
            start,
            end: None,
            ended_at: None,
            trial_end: None,
            cancel_requested_at: None,
            cancel_reason: None,
            livemode: true,
            is_deleted: false,
            late_days: 0,
            copies: 0,
            earlier_status: None,
            broken: Broken::default(),
        });
        self.items.len() - 1
    }

    /// Ends the item `at` and opens the next one on the same date with other terms.
    pub(super) fn change(&mut self, at: usize, on: Day, edit: impl FnOnce(&mut Item)) -> usize {
        if self.items[at].start >= on {
            // An interval without a day would be no interval: the terms are new from the start.
            edit(&mut self.items[at]);
            return at;
        }
        let mut next = self.items[at].clone();
        next.start = on;
        next.trial_end = None;
        edit(&mut next);
        let second = self.billing_second;
        self.items[at].end_at(on, second);
        self.items.push(next);
        self.items.len() - 1
    }

    /// Ends the item `at` without a cancellation.
    pub(super) fn end(&mut self, at: usize, on: Day) {
        let second = self.billing_second;
        if self.items[at].start < on {
            self.items[at].end_at(on, second);
        }
    }

    /// Cancels the item `at`: requested on one day, effective on another.
    pub(super) fn cancel(&mut self, at: usize, requested: Day, on: Day, reason: Option<&'static str>) {
        self.end(at, on);
        let item = &mut self.items[at];
        item.status = "canceled";
        item.cancel_requested_at = Some(instant(requested.max(item.start), 11 * 3_600 + 1_800));
        item.cancel_reason = reason;
    }

    /// The items that are open, in order of opening.
    pub(super) fn open_items(&self) -> Vec<usize> {
        let is_open = |at: &usize| self.items[*at].end.is_none() && self.items[*at].is_real();
        (0..self.items.len()).filter(is_open).collect()
    }

    /// The day that the billing periods of a subscription are counted from, and their length.
    pub(super) fn billing_anchor(&self, subscription: usize) -> Option<(Day, Cycle)> {
        let first = self.items.iter().find(|item| item.subscription == subscription && item.is_real())?;
        Some((first.trial_end.unwrap_or(first.start), first.cycle))
    }

    /// The end of the billing period in which the cancellation of an item was asked for.
    pub(super) fn cancel_period_end(&self, item: &Item) -> Option<Day> {
        let requested = day_of(item.cancel_requested_at?);
        let (anchor, cycle) = self.billing_anchor(item.subscription)?;
        let ends = (0..).map(|n| cycle.after(anchor, n));
        ends.filter(|end| *end > item.start).find(|end| *end >= requested)
    }

    /// The times in which the customer could use the product, merged and in order.
    pub(super) fn spans(&self) -> Vec<(Day, Day)> {
        let real = self.items.iter().filter(|item| item.is_real());
        let mut spans: Vec<(Day, Day)> = real
            .map(|item| (item.start, item.end.unwrap_or(EXPORT_DAY)))
            .chain(self.trials.iter().map(|trial| (trial.from, trial.to.min(EXPORT_DAY))))
            .filter(|(from, to)| from < to)
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(Day, Day)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged
    }

    /// Recurring revenue at the end of `day`; one thirty-sixth is a hundredth of a minor unit.
    pub(super) fn mrr_36(&self, day: Day) -> i128 {
        let paying = self.items.iter().filter(|item| item.pays_on(day));
        paying.map(Item::monthly_36).sum()
    }

    /// The first day with recurring revenue.
    pub(super) fn first_paid(&self) -> Option<Day> {
        let paid = self.items.iter().filter(|item| item.amount() > 0);
        paid.map(|item| item.trial_end.unwrap_or(item.start))
            .filter(|day| *day < EXPORT_DAY && self.mrr_36(*day) > 0)
            .min()
    }

    /// Moves the end of the item `at` to the first or the last second of its day in New York.
    pub(super) fn end_at_boundary(&mut self, at: usize, last: bool) {
        let item = &mut self.items[at];
        item.ended_at = item.end.map(|day| if last { last_second(day) } else { midnight(day) });
    }
}
