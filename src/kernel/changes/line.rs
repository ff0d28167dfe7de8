//! Changes taken apart, line by line: a line is what a series pays for one product.

use super::{Change, Net};
use crate::expr::money::mul_div_of;
use crate::expr::parts::rounding;

/// Takes the lines of series apart.
pub(super) struct Line {
    /// What may be left by rounding alone.
    rounding: f64,
    /// Of the series at hand, by product and day.
    changes: Vec<(u32, Change)>,
}

impl Line {
    pub(super) fn new(scale: u8) -> Self {
        Self { rounding: rounding(scale), changes: Vec::new() }
    }

    /// Adds what changed in a series, from what begins and ends of each product; `None` where something does not fit.
    pub(super) fn tell(
        &mut self,
        changes: impl Iterator<Item = (u32, Option<Change>)>,
        net: &mut Vec<Net>,
    ) -> Option<()> {
        self.changes.clear();
        for (product, change) in changes {
            self.changes.push((product, change?));
        }
        self.changes.sort_unstable_by_key(|(product, change)| (*product, change.day));
        for line in self.changes.chunk_by(|a, b| a.0 == b.0) {
            let mut was = Change::default();
            for of_day in line.chunk_by(|a, b| a.1.day == b.1.day) {
                let mut change = of_day[0].1;
                of_day[1..].iter().try_for_each(|(_, more)| change.add(more))?;
                let mut is = was;
                is.add(&change)?;
                net.push(self.taken_apart(&was, &change, &is)?);
                was = is;
            }
        }
        Some(())
    }

    /// What a change of a line is made of.
    ///
    /// In a fixed order: more or fewer units at the old price per unit; of the rest, all is of the plan where that
    /// changed, else of the billing interval where that changed, else of the price. A line that appears or disappears
    /// is the product. Discounts, pauses and usage are parts of their own.
    fn taken_apart(&self, was: &Change, change: &Change, is: &Change) -> Option<Net> {
        let [list, discount, paused, usage] = change.amounts;
        let delta = change.amounts.iter().try_fold(0i64, |sum, amount| sum.checked_add(*amount))?;
        let mut out = Net { day: change.day, delta, paused, parts: [0, 0, 0, 0, 0, discount, paused, usage] };
        let [seats, plan, interval, price, product, ..] = &mut out.parts;
        if was.amounts[0] == 0 || is.amounts[0] == 0 {
            *product = list;
            return Some(out);
        }
        let [units, ..] = change.state;
        let (
            [units_before, items_before, plan_before, cycle_before],
            [units_after, items_after, plan_after, cycle_after],
        ) = (was.state, is.state);
        if units_before > 0 && units_after > 0 && units != 0 {
            *seats = mul_div_of(was.amounts[0], units, units_before)?;
        }
        // One more item of the same plan is no other plan: what counts is the mean over the items.
        let other = |before: i64, after: i64| after.wrapping_mul(items_before) != before.wrapping_mul(items_after);
        let (new_plan, new_cycle) = (other(plan_before, plan_after), other(cycle_before, cycle_after));
        // What rounding alone leaves over is no change of price.
        if !new_plan && !new_cycle && *seats != 0 && self.is_rounding(list.checked_sub(*seats)?, units_before, units) {
            *seats = list;
        }
        let rest = list.checked_sub(*seats)?;
        *if new_plan {
            plan
        } else if new_cycle {
            interval
        } else {
            price
        } = rest;
        Some(out)
    }

    /// Whether what seats leave of a change can come from rounding, once of the old amount and once of what it is
    /// stretched to.
    #[allow(clippy::cast_precision_loss, reason = "a bound needs no last digit")]
    fn is_rounding(&self, rest: i64, units_before: i64, units: i64) -> bool {
        let before = units_before as f64;
        rest.unsigned_abs() as f64 * before <= (before * 2.0 + units.unsigned_abs() as f64) * self.rounding
    }
}
