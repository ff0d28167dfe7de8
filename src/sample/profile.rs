//! Who a customer is: what is decided before anything happens to it.

use super::calendar::{Day, EXPORT_DAY, MONTHS, add_months, history_month, weekday};
use super::catalog::Currency;
use super::ids::CustomerKey;
use super::rng::{Rng, Stream};

/// One customer in this many is the head of a group that later ones may belong to.
const GROUP: u64 = 200;
const GROUP_HEAD: u64 = 50;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment {
    Smb,
    MidMarket,
    Enterprise,
}

impl Segment {
    pub(super) const ALL: [Self; 3] = [Self::Smb, Self::MidMarket, Self::Enterprise];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Smb => "smb",
            Self::MidMarket => "mid_market",
            Self::Enterprise => "enterprise",
        }
    }

    /// The value that belongs to this segment.
    pub(super) fn of<T: Copy>(self, smb: T, mid_market: T, enterprise: T) -> T {
        match self {
            Self::Smb => smb,
            Self::MidMarket => mid_market,
            Self::Enterprise => enterprise,
        }
    }
}

/// How far a customer came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Signed up, tried, and billing never heard of it.
    Prospect,
    TrialLost,
    Free,
    Paying,
}

pub(super) struct Profile {
    pub(super) key: CustomerKey,
    pub(super) seed: u64,
    pub(super) company: String,
    pub(super) country: &'static str,
    pub(super) industry: &'static str,
    pub(super) channel: &'static str,
    pub(super) currency: Currency,
    pub(super) parent: Option<CustomerKey>,
    /// The segment from each day on; the first entry is of the day of signing up.
    pub(super) segments: Vec<(Segment, Day)>,
    pub(super) signed_up: Day,
    pub(super) signup_second: i64,
    /// How well the product suits the customer, 0 to 999. Not exported: usage, survey scores and
    /// churn all follow from it, and that is what a health score has to find.
    pub(super) fit: i64,
    pub(super) path: Path,
    /// Whether the customer is written out by hand in `cases`.
    pub(super) scripted: bool,
}

const FIRST: [&str; 40] = [
    "Alder", "Apex", "Aurora", "Beacon", "Birch", "Blue", "Bright", "Cedar", "Clear", "Cobalt", "Copper", "Delta",
    "Echo", "Ember", "Falcon", "Fern", "Granite", "Harbor", "Hazel", "Indigo", "Iron", "Juniper", "Kestrel", "Lark",
    "Linden", "Maple", "Meridian", "Nimbus", "North", "Oak", "Onyx", "Orchid", "Pine", "Quartz", "River", "Sable",
    "Silver", "Summit", "Tidal", "Willow",
];
const SECOND: [&str; 24] = [
    "Analytics",
    "Bank",
    "Bio",
    "Care",
    "Cloud",
    "Data",
    "Energy",
    "Foods",
    "Freight",
    "Games",
    "Health",
    "Labs",
    "Legal",
    "Logistics",
    "Media",
    "Motors",
    "Networks",
    "Robotics",
    "Security",
    "Software",
    "Studios",
    "Systems",
    "Travel",
    "Works",
];
const INDUSTRIES: [(&str, u64); 9] = [
    ("software", 24),
    ("financial_services", 13),
    ("healthcare", 11),
    ("retail", 12),
    ("manufacturing", 12),
    ("media", 8),
    ("logistics", 8),
    ("education", 7),
    ("public_sector", 5),
];
const COUNTRIES: [(&str, u64); 11] = [
    ("US", 46),
    ("JP", 10),
    ("GB", 9),
    ("CA", 7),
    ("DE", 7),
    ("AU", 5),
    ("FR", 4),
    ("NL", 3),
    ("SG", 3),
    ("BR", 3),
    ("IN", 3),
];
/// Signing up by calendar month, January first: budgets in January, holidays in August.
const SEASON: [u64; 12] = [118, 106, 112, 100, 98, 95, 84, 78, 108, 112, 104, 72];

impl Profile {
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut rng = Rng::new(seed, index, Stream::Profile);
        let head = index % GROUP == GROUP_HEAD;
        let segment = rng.weighted(&[(Segment::Smb, 69), (Segment::MidMarket, 23), (Segment::Enterprise, 8)]);
        let segment = if head { Segment::Enterprise } else { segment };
        let country = rng.weighted(&COUNTRIES);
        let fit = rng.int(0, 999);
        let signed_up = signup_day(&mut rng);
        let channel = rng.weighted(&match segment {
            Segment::Smb => [
                ("organic_search", 34),
                ("paid_search", 28),
                ("referral", 18),
                ("partner", 6),
                ("outbound", 4),
                ("event", 10),
            ],
            _ => [
                ("organic_search", 16),
                ("paid_search", 10),
                ("referral", 16),
                ("partner", 22),
                ("outbound", 26),
                ("event", 10),
            ],
        });
        let child = segment == Segment::Enterprise && index % GROUP > GROUP_HEAD;
        let parent = (child && rng.chance(250_000)).then(|| CustomerKey::new(index - index % GROUP + GROUP_HEAD));
        let company = {
            let (first, second) = (rng.pick(&FIRST), rng.pick(&SECOND));
            let form = if head { "Holdings" } else { rng.weighted(&[("Inc", 5), ("Ltd", 2), ("Group", 1), ("Co", 2)]) };
            format!("{first} {second} {form}")
        };
        let mut segments = vec![(segment, signed_up)];
        if rng.chance(70_000) {
            let moved = signed_up + rng.days(240, 900);
            let next = match segment {
                Segment::Smb | Segment::Enterprise => Segment::MidMarket,
                Segment::MidMarket if rng.chance(800_000) => Segment::Enterprise,
                Segment::MidMarket => Segment::Smb,
            };
            if moved < EXPORT_DAY {
                segments.push((next, moved));
            }
        }
        // A customer whom the product suits is more likely to pay in the end.
        let luck = rng.int(0, 999) + (fit - 500) / 5;
        let path = match luck {
            ..150 => Path::TrialLost,
            150..205 => Path::Prospect,
            205..235 => Path::Free,
            _ => Path::Paying,
        };
        let path = if head { Path::Paying } else { path };
        let signup_second = if rng.chance(60_000) {
            // Minutes before or after midnight, to tell zones apart.
            let minute = rng.int(-10, 9) * 60;
            if minute < 0 { 86_400 + minute } else { minute }
        } else {
            rng.int(8 * 60, 20 * 60) * 60
        };
        Self {
            key: CustomerKey::new(index),
            seed,
            company,
            country,
            industry: rng.weighted(&INDUSTRIES),
            channel,
            currency: if country == "JP" { Currency::Jpy } else { Currency::Usd },
            parent,
            segments,
            signed_up,
            signup_second,
            fit,
            path,
            scripted: false,
        }
    }

    pub(super) fn rng(&self, stream: Stream) -> Rng {
        Rng::new(self.seed, self.key.index, stream)
    }

    pub(super) fn segment_on(&self, day: Day) -> Segment {
        let entered = self.segments.iter().rev().find(|(_, from)| *from <= day);
        entered.unwrap_or(&self.segments[0]).0
    }

    pub(super) fn segment(&self) -> Segment {
        self.segment_on(EXPORT_DAY)
    }

    /// Whether monthly snapshots are kept: one customer in ten. These have neither coupons nor
    /// pauses, so that a snapshot equals the items under every rule.
    pub(super) const fn is_snapshot(&self) -> bool {
        self.key.index.is_multiple_of(10)
    }
}

/// More in every month than in the one before, apart from the season and a launch.
fn signup_day(rng: &mut Rng) -> Day {
    let weight = |month: usize| {
        let growth = 60 + 3 * u64::try_from(month).unwrap_or(0);
        let launch = if month < 2 { 3 } else { 1 };
        growth * launch * SEASON[(month + 6) % 12]
    };
    let mut at = rng.below((0..MONTHS).map(weight).sum());
    let mut month = 0;
    while month + 1 < MONTHS && at >= weight(month) {
        at -= weight(month);
        month += 1;
    }
    let first = history_month(month);
    let length = add_months(first, 1) - first;
    let day = first + rng.days(0, length - 1);
    // Few sign up at a weekend.
    if weekday(day) >= 5 && rng.chance(600_000) { first + rng.days(0, length - 1) } else { day }
}
