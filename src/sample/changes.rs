//! What may change while a customer stays, and what exports do to the rows of it.

use super::calendar::{Day, EXPORT_DAY, HISTORY_START, add_months};
use super::catalog::{ANALYTICS, API_COMMITTED, API_METERED, Cycle, NEW_LIST_FROM, Plan, SUPPORT_PLUS, TEAM};
use super::life::{DealKind, Discount, Item, Off, Pause, Terms};
use super::rng::Stream;
use super::story::{Stay, Story};

impl Story {
    pub(super) fn seats(&mut self, stay: &mut Stay, on: Day, percent: i64) {
        let before = self.life.items[stay.core].quantity.unwrap_or(1);
        let step = (before * percent.abs() / 100).max(1);
        let after = if percent > 0 { before + step } else { (before - step).max(1) };
        if after == before {
            return;
        }
        let annual = self.annual(stay.core);
        stay.core = self.life.change(stay.core, on, |item| item.quantity = Some(after));
        if after > before {
            let more = self.annual(stay.core) - annual;
            self.deal(DealKind::Upsell, on, true, more);
        }
    }

    pub(super) fn other_plan(&mut self, stay: &mut Stay, on: Day) {
        let plan = self.life.items[stay.core].plan;
        let up = self.rng.chance(820_000) || stay.cycle.term_months() >= 12;
        let next = if up { plan.upgrade() } else { plan.downgrade() };
        let Some(next) = next else { return };
        let annual = self.annual(stay.core);
        stay.core = self.life.change(stay.core, on, |item| item.plan = next);
        if up {
            let more = self.annual(stay.core) - annual;
            self.deal(DealKind::Upsell, on, true, more);
        }
    }

    pub(super) fn add_on(&mut self, stay: &Stay, on: Day) {
        let core = &self.life.items[stay.core];
        if matches!(core.cycle, Cycle::Day | Cycle::Week) {
            return;
        }
        let seats = core.quantity.unwrap_or(1);
        let (list, cycle) = (core.list, core.cycle);
        let plan: &'static Plan =
            self.rng.weighted(&[(&ANALYTICS, 5), (&SUPPORT_PLUS, 2), (&API_COMMITTED, 1), (&API_METERED, 1)]);
        let has = |at: &usize| self.life.items[*at].plan.product == plan.product;
        if self.life.open_items().iter().any(has) {
            return;
        }
        let quantity = if plan.product == "api_addon" { self.rng.skewed(4, 40) * 500 } else { seats };
        let terms = Terms { plan, quantity, cycle, list, percent_off: 0 };
        let item = self.life.open(stay.subscription, terms, on);
        self.deal(DealKind::CrossSell, on, true, self.annual(item));
    }

    pub(super) fn drop_add_on(&mut self, stay: &Stay, on: Day) {
        let open = self.life.open_items();
        let add_on =
            open.into_iter().find(|&at| at != stay.core && self.life.items[at].subscription == stay.subscription);
        if let Some(at) = add_on
            && self.life.items[at].start < on
        {
            self.life.end(at, on);
        }
    }

    pub(super) fn pause(&mut self, stay: &mut Stay, on: Day) {
        if self.life.who.is_snapshot() {
            return;
        }
        let to = on + self.rng.days(20, 95);
        let resumed = (to < EXPORT_DAY).then_some(to);
        self.life.pauses.push(Pause { subscription: stay.subscription, from: on, to: resumed });
        if resumed.is_none() {
            for at in self.life.open_items() {
                if self.life.items[at].subscription == stay.subscription {
                    let next = self.life.change(at, on, |item| item.status = "paused");
                    if at == stay.core {
                        stay.core = next;
                    }
                }
            }
        }
        stay.paused_until = to;
    }

    /// Another team of the same customer buys for itself.
    pub(super) fn second_subscription(&mut self, on: Day) {
        if self.subscriptions > 3 {
            return;
        }
        let subscription = self.subscription();
        let quantity = self.rng.int(4, 40);
        let terms = Terms {
            plan: &TEAM,
            quantity,
            cycle: Cycle::Month,
            list: usize::from(on >= NEW_LIST_FROM),
            percent_off: 0,
        };
        let item = self.life.open(subscription, terms, on);
        self.deal(DealKind::CrossSell, on, true, self.annual(item));
    }

    pub(super) fn coupon(&mut self, stay: &Stay) {
        if self.life.who.is_snapshot() || !self.rng.chance(120_000) {
            return;
        }
        let months = self.rng.pick(&[3, 6, 12]);
        let unit = self.life.who.currency.minor_units();
        let (coupon, off, duration) = self.rng.weighted(&[
            (("WELCOME50", Off::Percent(50), "once"), 3),
            (("START20", Off::Percent(20), "repeating"), 4),
            (("LOYAL10", Off::Percent(10), "forever"), 3),
            (("NONPROFIT25", Off::Percent(25), "forever"), 1),
            (("CREDIT", Off::Amount(if unit == 1 { 1_500 } else { 1_000 }), "repeating"), 1),
        ]);
        let length = match duration {
            "once" => Some(stay.cycle.term_months()),
            "repeating" => Some(months),
            _ => None,
        };
        self.life.discounts.push(Discount {
            subscription: stay.subscription,
            coupon,
            off,
            duration,
            months: (duration == "repeating").then_some(months),
            start: stay.anchor,
            end: length.map(|months| add_months(stay.anchor, months)),
        });
    }

    /// What exports do to rows: boundaries of days, copies, corrections, tests, late arrivals.
    pub(super) fn noise(&mut self) {
        let mut rng = self.life.who.rng(Stream::Noise);
        for at in 0..self.life.items.len() {
            let ended = self.life.items[at].end.is_some();
            if ended && rng.chance(80_000) {
                let last = rng.chance(500_000);
                self.life.end_at_boundary(at, last);
            }
            let item = &mut self.life.items[at];
            if rng.chance(4_000) {
                item.late_days = rng.days(35, 160);
            } else if rng.chance(3_000) {
                item.copies = 1;
            } else if ended && item.earlier_status.is_none() && rng.chance(8_000) {
                item.earlier_status = Some(if item.trial_end.is_some() { "trialing" } else { "active" });
            }
        }
        if rng.chance(6_000) && !self.life.items.is_empty() {
            self.mistake(rng.chance(500_000));
        }
    }

    /// A row that was entered in error and deleted, or that somebody made to test.
    fn mistake(&mut self, deleted: bool) {
        let mut item: Item = self.life.items[0].clone();
        item.subscription = self.subscription();
        item.start = item.start.max(HISTORY_START);
        (item.end, item.ended_at, item.trial_end) = (None, None, None);
        (item.cancel_requested_at, item.cancel_reason) = (None, None);
        (item.copies, item.late_days, item.earlier_status) = (0, 0, None);
        item.status = "active";
        (item.is_deleted, item.livemode) = (deleted, !deleted);
        self.life.items.push(item);
    }
}
