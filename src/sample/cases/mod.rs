//! Customers written out by hand: each holds one trap of real exports.
//!
//! They have fixed numbers, below fifty, and so the same ids in every sample.

mod rows;
mod stays;

use super::calendar::Day;
use super::catalog::{Currency, Cycle, Plan, TEAM};
use super::ids::CustomerKey;
use super::life::{Discount, Life, Off, Terms, Trial};
use super::profile::{Path, Profile, Segment};

/// A customer with a story of its own.
pub(in crate::sample) struct Case {
    pub(in crate::sample) index: u64,
    pub(in crate::sample) company: &'static str,
    signed_up: Day,
    segment: Segment,
    play: fn(&mut Life),
}

/// The first number that no case can have.
#[cfg(test)]
pub(in crate::sample) const END: u64 = 50;
/// Whose name the broken rows carry; its own row is sound.
pub(in crate::sample) const BROKEN_ROWS: u64 = 36;
const GROUP_PARENT: u64 = 41;
const GROUP_CHILD: u64 = 42;

const SMB: Segment = Segment::Smb;
const MID: Segment = Segment::MidMarket;
const ENT: Segment = Segment::Enterprise;

const fn case(index: u64, company: &'static str, segment: Segment, signed_up: Day, play: fn(&mut Life)) -> Case {
    Case { index, company, signed_up, segment, play }
}

/// Every case. Their numbers leave out the tens: those keep snapshots.
pub(in crate::sample) fn all() -> impl Iterator<Item = &'static Case> {
    stays::CASES.iter().chain(rows::CASES)
}

/// The case with that number, if there is one.
pub(in crate::sample) fn find(index: u64) -> Option<&'static Case> {
    all().find(|case| case.index == index)
}

/// The life of a case. What it does not say is as for any customer of that number.
pub(in crate::sample) fn tell(case: &Case, mut who: Profile) -> Life {
    who.scripted = true;
    case.company.clone_into(&mut who.company);
    who.path = Path::Paying;
    who.signed_up = case.signed_up;
    who.signup_second = 10 * 3_600;
    if case.index == 8 {
        who.signup_second = 86_399;
    }
    who.segments = vec![(case.segment, case.signed_up)];
    (who.country, who.currency) = ("US", Currency::Usd);
    who.parent = (case.index == GROUP_CHILD).then(|| CustomerKey::new(GROUP_PARENT));
    let mut life = Life::new(who, 10 * 3_600);
    (case.play)(&mut life);
    life
}

fn terms(plan: &'static Plan, quantity: i64, cycle: Cycle) -> Terms {
    Terms { plan, quantity, cycle, list: 0, percent_off: 0 }
}

fn monthly(plan: &'static Plan, quantity: i64) -> Terms {
    terms(plan, quantity, Cycle::Month)
}

fn new_list(terms: Terms) -> Terms {
    Terms { list: 1, ..terms }
}

/// 29.00 a seat and month.
fn team(seats: i64) -> Terms {
    monthly(&TEAM, seats)
}

/// 32.00 a seat and month.
fn new_team(seats: i64) -> Terms {
    new_list(team(seats))
}

fn in_yen(life: &mut Life) {
    (life.who.country, life.who.currency) = ("JP", Currency::Jpy);
}

fn trial(life: &mut Life, from: Day, to: Day, converts: bool) {
    life.trials.push(Trial { from, to, converted: converts.then_some(to) });
}

fn leaves_and_returns(life: &mut Life, from: Day, to: Day, gap: i32) {
    let item = life.open(0, team(10), from);
    life.cancel(item, to - 12, to, Some("too_expensive"));
    life.open(1, new_team(8), to + gap);
}

fn discount(
    life: &mut Life,
    coupon: &'static str,
    off: Off,
    duration: &'static str,
    months: Option<i32>,
    start: Day,
    end: Option<Day>,
) {
    life.discounts.push(Discount { subscription: 0, coupon, off, duration, months, start, end });
}
