//! Tables of the whole company: what selling and caring cost, and what a yen was worth.

use super::calendar::{EXPORT_DAY, HISTORY_START, MONTHS, add_months, history_month, month_index};
use super::catalog::Currency;
use super::ids::IdStyle;
use super::life::Life;
use super::profile::Segment;
use super::rng::{Rng, Stream};
use super::tables::{Costs, FxRates};

/// The key of draws that belong to no customer.
const COMPANY: u64 = u64::MAX;
/// Yen for a cent, for costs that follow revenue of both currencies.
const YEN_PER_USD: i128 = 150;

/// Recurring revenue by month and segment, in cents: the sums that costs are derived from.
#[derive(Clone)]
pub(super) struct Revenue {
    new: [[i128; 3]; MONTHS],
    total: [[i128; 3]; MONTHS],
}

impl Revenue {
    pub(super) const fn zero() -> Self {
        Self { new: [[0; 3]; MONTHS], total: [[0; 3]; MONTHS] }
    }

    /// Adds a customer.
    pub(super) fn count(&mut self, life: &Life) {
        let Some(first) = life.first_paid() else {
            return;
        };
        let Some(from) = month_index(first.max(HISTORY_START)) else {
            return;
        };
        let cents = |day| {
            let hundredths = life.mrr_36(day) / 3_600;
            match life.who.currency {
                Currency::Usd => hundredths,
                Currency::Jpy => hundredths * 100 / YEN_PER_USD,
            }
        };
        for month in from..MONTHS {
            let last = add_months(history_month(month), 1) - 1;
            let segment = life.who.segment_on(last).of(0, 1, 2);
            let revenue = cents(last);
            self.total[month][segment] += revenue;
            if month == from {
                self.new[month][segment] += revenue;
            }
        }
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        let pairs = [(&mut self.new, &other.new), (&mut self.total, &other.total)];
        for (mine, theirs) in pairs {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    *mine += theirs;
                }
            }
        }
        self
    }
}

/// Costs by month, category and segment; sales and marketing pay back in 10 to 20 months.
pub(super) fn costs(revenue: &Revenue, seed: u64, ids: IdStyle) -> Costs {
    let mut rng = Rng::new(seed, COMPANY, Stream::Costs);
    let mut table = Costs::new(ids);
    for month in 0..MONTHS {
        for segment in Segment::ALL {
            let at = segment.of(0, 1, 2);
            // Budgets do not jump with every deal: three months, evenly.
            let from = month.saturating_sub(1);
            let to = (month + 2).min(MONTHS);
            let months = i128::try_from(to - from).unwrap_or(1);
            let won: i128 = revenue.new[from..to].iter().map(|new| new[at]).sum();
            let payback = i128::from(segment.of(104, 130, 160) + rng.int(-8, 8));
            let spent = won * payback / 10 / months;
            let kept = revenue.total[month][at] * i128::from(segment.of(7, 9, 8)) / 100;
            let noise = i128::from(rng.int(95, 105));
            let rows =
                [("sales_marketing", spent.max(100_000)), ("customer_success", (kept * noise / 100).max(50_000))];
            for (category, cents) in rows {
                table.month.push(history_month(month));
                table.category.push(category);
                table.segment.push(segment.name());
                // Whole dollars, as finance books them.
                table.amount.push(cents / 100 * 100);
                table.currency.push("usd");
            }
        }
    }
    table
}

/// Dollars for a yen, every day of the history.
pub(super) fn fx_rates(seed: u64, ids: IdStyle) -> FxRates {
    let mut rng = Rng::new(seed, COMPANY, Stream::Fx);
    let mut table = FxRates::new(ids);
    // Millionths of a dollar; pulled back to where the yen was in those years.
    let mut rate: i64 = 7_350;
    for day in HISTORY_START..EXPORT_DAY {
        table.rate_date.push(day);
        table.base.push("jpy");
        table.quote.push("usd");
        table.rate.write(format_args!("0.{rate:06}"));
        let pull = (6_650 - rate) / 150;
        rate = (rate + pull + rng.int(-38, 38)).clamp(6_000, 7_900);
    }
    table
}
