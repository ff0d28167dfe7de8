//! How an ordinary customer fares, month after month.

use super::calendar::{Day, EXPORT_DAY, add_months, instant};
use super::catalog::{BUSINESS, Cycle, ENTERPRISE, FREE, NEW_LIST_FROM, PRICE_INCREASE_FROM, Plan, STARTER, TEAM};
use super::life::{Deal, DealKind, Life, Terms, Trial};
use super::profile::{Path, Profile, Segment};
use super::rng::{Rng, Stream};

/// Reasons that a drop-down offers, and what people write when it does not fit.
const REASONS: [(&str, u64); 10] = [
    ("too_expensive", 26),
    ("missing_features", 17),
    ("competitor", 15),
    ("low_usage", 16),
    ("freemium", 6),
    ("business_closed", 7),
    ("payment_failed", 9),
    ("merged into our parent company", 1),
    ("Too complicated for the team", 2),
    ("project ended", 1),
];

pub(super) struct Story {
    pub(super) life: Life,
    pub(super) rng: Rng,
    pub(super) subscriptions: usize,
}

/// One stay of a customer, from the first paid day to the last.
pub(super) struct Stay {
    pub(super) subscription: usize,
    pub(super) core: usize,
    pub(super) anchor: Day,
    pub(super) cycle: Cycle,
    pub(super) paused_until: Day,
}

pub(super) fn tell(who: Profile) -> Life {
    let mut rng = who.rng(Stream::Life);
    let billing_second = rng.pick(&[2, 6, 9, 10, 11, 13, 15, 17]) * 3_600;
    let mut story = Story { life: Life::new(who, billing_second), rng, subscriptions: 0 };
    match story.life.who.path {
        Path::Prospect => story.prospect(),
        Path::TrialLost => story.trial_lost(),
        Path::Free => story.free(),
        Path::Paying => story.paying(),
    }
    story.noise();
    story.life
}

impl Story {
    fn prospect(&mut self) {
        let from = self.life.who.signed_up;
        if self.rng.chance(700_000) {
            self.trial(from, 14, false);
        }
    }

    fn trial_lost(&mut self) {
        let from = self.life.who.signed_up + self.rng.days(0, 2);
        let days = self.life.who.segment_on(from).of(14, 14, 30);
        if from >= EXPORT_DAY {
            return;
        }
        let end = self.trial(from, days, false);
        let item = self.open_core(from);
        self.life.items[item].trial_end = Some(end);
        if end < EXPORT_DAY {
            let requested = end - self.rng.days(0, 6);
            let reason = self.reason();
            self.life.cancel(item, requested, end, Some(reason));
        } else {
            self.life.items[item].status = "trialing";
        }
    }

    fn free(&mut self) {
        let from = self.life.who.signed_up;
        let subscription = self.subscription();
        let terms = Terms { plan: &FREE, quantity: 1, cycle: Cycle::Month, list: 0, percent_off: 0 };
        self.life.open(subscription, terms, from);
    }

    fn paying(&mut self) {
        let signed_up = self.life.who.signed_up;
        let segment = self.life.who.segment_on(signed_up);
        let trial = self.rng.chance(segment.of(600_000, 400_000, 150_000));
        let lag = if trial {
            self.rng.days(0, 2)
        } else {
            segment.of(self.rng.days(0, 20), self.rng.days(5, 45), self.rng.days(15, 90))
        };
        let mut start = signed_up + lag;
        let mut trial = trial.then(|| segment.of(14, 14, 30));
        for _ in 0..3 {
            if start >= EXPORT_DAY {
                return;
            }
            let Some(end) = self.stay(start, trial) else {
                return;
            };
            if !self.rng.chance(110_000) {
                return;
            }
            start = end + i32::try_from(self.rng.skewed(7, 420)).unwrap_or(30);
            trial = None;
        }
    }

    /// Plays one stay; the day it ended, if it did.
    fn stay(&mut self, start: Day, trial: Option<i32>) -> Option<Day> {
        let core = self.open_core(start);
        let mut anchor = start;
        if let Some(days) = trial {
            anchor = self.trial(start, days, true);
            self.life.items[core].trial_end = Some(anchor);
            if anchor >= EXPORT_DAY {
                self.life.items[core].status = "trialing";
                return None;
            }
        }
        self.deal(DealKind::NewBusiness, anchor, true, self.annual(core));
        let mut stay = Stay {
            subscription: self.life.items[core].subscription,
            core,
            anchor,
            cycle: self.life.items[core].cycle,
            paused_until: anchor,
        };
        self.coupon(&stay);
        let segment = self.life.who.segment_on(anchor);
        if trial.is_none() && self.rng.chance(segment.of(40_000, 150_000, 300_000)) {
            self.add_on(&stay, anchor);
        }
        let mut month = 1;
        loop {
            let on = add_months(anchor, month);
            if on >= EXPORT_DAY {
                break;
            }
            if on >= stay.paused_until {
                if month % stay.cycle.term_months() == 0 && self.renewal(&mut stay, on, month) {
                    return Some(on);
                }
                self.month(&mut stay, on);
            }
            month += 1;
        }
        self.at_export(&stay);
        None
    }

    /// A term is over: the customer leaves (true), or stays and may pay another price.
    fn renewal(&mut self, stay: &mut Stay, on: Day, month: i32) -> bool {
        let term = i64::from(stay.cycle.term_months());
        if self.rng.chance(self.churn_ppm(stay, on, month)) {
            if term >= 12 {
                self.deal(DealKind::Renewal, on, false, self.annual(stay.core));
            }
            self.leave(on);
            return true;
        }
        if term >= 12 {
            self.deal(DealKind::Renewal, on, true, self.annual(stay.core));
        }
        let item = &self.life.items[stay.core];
        if item.list == 0 && on >= PRICE_INCREASE_FROM {
            stay.core = self.life.change(stay.core, on, |item| item.list = 1);
        }
        false
    }

    /// The probability of leaving at the end of a term, in millionths.
    fn churn_ppm(&self, stay: &Stay, on: Day, month: i32) -> i64 {
        let who = &self.life.who;
        let monthly = who.segment_on(on).of(43_000, 18_500, 8_500);
        let tenure = match month {
            ..=3 => 135,
            4..=12 => 105,
            _ => 80,
        };
        let channel = match who.channel {
            "paid_search" => 120,
            "referral" | "partner" => 85,
            _ => 100,
        };
        let fit = 1_900 - who.fit * 9 / 5;
        let term = match stay.cycle.term_months() {
            12 => 9,
            36 => 20,
            months => i64::from(months),
        };
        (monthly * term * tenure * channel / 10_000 * fit / 1_000).min(900_000)
    }

    fn leave(&mut self, on: Day) {
        let reason = self.reason();
        let requested = on - self.rng.days(0, 24);
        for item in self.life.open_items() {
            self.life.cancel(item, requested, on, Some(reason));
            if reason == "payment_failed" {
                self.life.items[item].earlier_status = Some("past_due");
            }
        }
    }

    /// What may happen between two renewals.
    fn month(&mut self, stay: &mut Stay, on: Day) {
        let segment = self.life.who.segment_on(on);
        let later = on + self.rng.days(0, 27);
        let moved = self.life.who.segments.get(1).copied();
        if let Some((to, from)) = moved
            && from < on
            && from >= add_months(on, -1)
        {
            let grown = to != Segment::Smb;
            self.seats(stay, on, if grown { 80 } else { -50 });
        }
        if later < EXPORT_DAY && self.rng.chance(segment.of(150_000, 235_000, 255_000)) {
            let up = self.rng.chance(440_000 + self.life.who.fit * 270);
            let percent = if up { self.rng.int(2, 10) } else { -self.rng.int(2, 9) };
            // Seats may be added at any time; fewer are paid for from the next cycle on.
            if up {
                self.seats(stay, later, percent);
            } else if stay.cycle.term_months() < 12 {
                self.seats(stay, on, percent);
            }
        } else if later < EXPORT_DAY && self.rng.chance(segment.of(6_000, 8_000, 5_000)) {
            self.other_plan(stay, later);
        } else if later < EXPORT_DAY && self.rng.chance(segment.of(4_000, 11_000, 16_000)) {
            self.add_on(stay, later);
        } else if self.rng.chance(segment.of(500, 1_500, 1_200)) {
            self.drop_add_on(stay, on);
        } else if segment != Segment::Enterprise && self.rng.chance(1_800) {
            self.pause(stay, on);
        } else if segment != Segment::Smb && later < EXPORT_DAY && self.rng.chance(2_000) {
            self.second_subscription(later);
        }
    }

    /// What is under way on the day of the export.
    fn at_export(&mut self, stay: &Stay) {
        let last = EXPORT_DAY - 1;
        let open = self.life.open_items();
        let paused = stay.paused_until >= EXPORT_DAY;
        if self.rng.chance(9_000 + (999 - self.life.who.fit) * 12) {
            // Told us already, leaves at the end of the term.
            let requested = last - self.rng.days(0, 25);
            for at in open {
                let item = &mut self.life.items[at];
                let since = requested.max(item.start);
                item.cancel_requested_at = Some(instant(since, 52_200));
            }
        } else if !paused && self.rng.chance(9_000) {
            for at in open {
                self.life.items[at].status = "past_due";
            }
        } else if !paused && self.rng.chance(2_000) {
            for at in open {
                self.life.change(at, last - 12, |item| item.status = "unpaid");
            }
        }
    }

    fn open_core(&mut self, start: Day) -> usize {
        let segment = self.life.who.segment_on(start);
        let plan: &'static Plan = match segment {
            Segment::Smb => self.rng.weighted(&[(&STARTER, 52), (&TEAM, 40), (&BUSINESS, 8)]),
            Segment::MidMarket => self.rng.weighted(&[(&TEAM, 34), (&BUSINESS, 61), (&ENTERPRISE, 5)]),
            Segment::Enterprise => self.rng.weighted(&[(&BUSINESS, 28), (&ENTERPRISE, 70), (&TEAM, 2)]),
        };
        let cycle = match segment {
            Segment::Smb => self.rng.weighted(&[
                (Cycle::Month, 640),
                (Cycle::Year, 295),
                (Cycle::Quarter, 45),
                (Cycle::Week, 15),
                (Cycle::Day, 5),
            ]),
            Segment::MidMarket => self.rng.weighted(&[
                (Cycle::Month, 340),
                (Cycle::Year, 550),
                (Cycle::Quarter, 100),
                (Cycle::ThreeYears, 10),
            ]),
            Segment::Enterprise => self.rng.weighted(&[
                (Cycle::Month, 60),
                (Cycle::Year, 760),
                (Cycle::Quarter, 110),
                (Cycle::ThreeYears, 70),
            ]),
        };
        let quantity = segment.of(self.rng.skewed(2, 26), self.rng.skewed(15, 150), self.rng.skewed(80, 900));
        let percent_off = segment.of(0, self.rng.int(0, 2), self.rng.int(1, 6)) * 5;
        let terms = Terms { plan, quantity, cycle, list: usize::from(start >= NEW_LIST_FROM), percent_off };
        let subscription = self.subscription();
        self.life.open(subscription, terms, start)
    }

    fn trial(&mut self, from: Day, days: i32, converts: bool) -> Day {
        let to = from + days;
        let converted = (converts && to < EXPORT_DAY).then_some(to);
        self.life.trials.push(Trial { from, to, converted });
        to
    }

    /// What the item `at` brings in a year, in minor units.
    pub(super) fn annual(&self, at: usize) -> i128 {
        self.life.items[at].monthly_36() * 12 / 3_600
    }

    pub(super) fn deal(&mut self, kind: DealKind, closed: Day, won: bool, annual: i128) {
        self.life.deals.push(Deal { kind, closed, won, annual: i64::try_from(annual).unwrap_or(i64::MAX) });
    }

    pub(super) fn subscription(&mut self) -> usize {
        self.subscriptions += 1;
        self.subscriptions - 1
    }

    fn reason(&mut self) -> &'static str {
        self.rng.weighted(&REASONS)
    }
}
