//! What the company sells and at which price.

use super::calendar::{Day, add_months, day};

/// Amounts are held in hundredths of a minor unit, so that 12.5 cents is a whole number.
pub(super) type Hundredths = i64;

/// When the second price list took effect for new customers.
pub(super) const NEW_LIST_FROM: Day = day(2025, 2, 1);
/// From when on a customer of the first list pays the second at its next renewal.
pub(super) const PRICE_INCREASE_FROM: Day = day(2025, 5, 1);

/// A plan of a product and its monthly price per unit, in cents and in yen, on both lists.
pub(super) struct Plan {
    pub(super) product: &'static str,
    pub(super) name: &'static str,
    usd: [Hundredths; 2],
    jpy: [Hundredths; 2],
    /// Negotiated discounts and cheaper long terms apply.
    negotiable: bool,
    /// The customer pays per unit; otherwise the quantity is left empty.
    pub(super) per_seat: bool,
    pub(super) metered: bool,
}

const fn plan(product: &'static str, name: &'static str, usd: [Hundredths; 2], jpy: [Hundredths; 2]) -> Plan {
    Plan { product, name, usd, jpy, negotiable: true, per_seat: true, metered: false }
}

pub(super) static FREE: Plan = plan("core", "core_free", [0, 0], [0, 0]);
pub(super) static STARTER: Plan = plan("core", "core_starter", [150_000, 160_000], [200_000, 220_000]);
pub(super) static TEAM: Plan = plan("core", "core_team", [290_000, 320_000], [390_000, 430_000]);
pub(super) static BUSINESS: Plan = plan("core", "core_business", [490_000, 540_000], [660_000, 720_000]);
pub(super) static ENTERPRISE: Plan = plan("core", "core_enterprise", [790_000, 850_000], [1_050_000, 1_150_000]);
pub(super) static ANALYTICS: Plan = plan("analytics", "addon_analytics", [80_000, 90_000], [110_000, 120_000]);
pub(super) static SUPPORT_PLUS: Plan = Plan {
    negotiable: false,
    per_seat: false,
    ..plan("support_plus", "addon_support_plus", [2_500_000, 2_500_000], [3_500_000, 3_500_000])
};
/// Committed calls, sold at a fraction of a cent less than thirteen cents.
pub(super) static API_COMMITTED: Plan =
    Plan { negotiable: false, ..plan("api_addon", "addon_api_committed", [1_250, 1_250], [1_750, 1_750]) };
pub(super) static API_METERED: Plan = Plan {
    per_seat: false,
    metered: true,
    negotiable: false,
    ..plan("api_addon", "addon_api_metered", [0, 0], [0, 0])
};

/// How often a price is billed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cycle {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    ThreeYears,
}

impl Cycle {
    pub(super) const fn interval(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month | Self::Quarter => "month",
            Self::Year | Self::ThreeYears => "year",
        }
    }

    pub(super) const fn count(self) -> i32 {
        match self {
            Self::Quarter | Self::ThreeYears => 3,
            _ => 1,
        }
    }

    /// The start of the `n`th billing period after the one that starts on `anchor`.
    pub(super) fn after(self, anchor: Day, n: i32) -> Day {
        match self {
            Self::Day => anchor + n,
            Self::Week => anchor + 7 * n,
            cycle => add_months(anchor, cycle.term_months() * n),
        }
    }

    /// Months between two decisions to renew; a short cycle is looked at once a month.
    pub(super) const fn term_months(self) -> i32 {
        match self {
            Self::Day | Self::Week | Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
            Self::ThreeYears => 36,
        }
    }
}

/// The currencies the company bills in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Currency {
    Usd,
    Jpy,
}

impl Currency {
    /// As billing systems write it.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Jpy => "jpy",
        }
    }

    /// As CRM systems write it.
    pub(super) const fn iso_code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Jpy => "JPY",
        }
    }

    /// Minor units in a major one.
    pub(super) const fn minor_units(self) -> i64 {
        match self {
            Self::Usd => 100,
            Self::Jpy => 1,
        }
    }
}

impl Plan {
    /// The price of one unit for one cycle, `percent_off` below the list.
    pub(super) fn price(&self, list: usize, currency: Currency, cycle: Cycle, percent_off: i64) -> Hundredths {
        let lists = match currency {
            Currency::Usd => self.usd,
            Currency::Jpy => self.jpy,
        };
        let month = lists[list.min(1)];
        if !self.negotiable {
            return month * i64::from(cycle.term_months());
        }
        let (factor, per) = match cycle {
            Cycle::Day => (12, 365),
            Cycle::Week => (12, 52),
            Cycle::Month => (1, 1),
            Cycle::Quarter => (291, 100),
            Cycle::Year => (10, 1),
            Cycle::ThreeYears => (27, 1),
        };
        // Negotiated prices are whole minor units.
        let minor = month * factor * (100 - percent_off) / (per * 100) / 100;
        minor * 100
    }

    /// The next plan up, if there is one.
    pub(super) fn upgrade(&self) -> Option<&'static Self> {
        match self.name {
            "core_free" => Some(&STARTER),
            "core_starter" => Some(&TEAM),
            "core_team" => Some(&BUSINESS),
            "core_business" => Some(&ENTERPRISE),
            _ => None,
        }
    }

    /// The next plan down among those that cost something.
    pub(super) fn downgrade(&self) -> Option<&'static Self> {
        match self.name {
            "core_team" => Some(&STARTER),
            "core_business" => Some(&TEAM),
            "core_enterprise" => Some(&BUSINESS),
            _ => None,
        }
    }
}
