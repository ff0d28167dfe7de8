//! Random books: the customers of a small company, what they subscribe to, and what it costs.
//!
//! A book is data only. Dates lie within about twenty months from [`FIRST`], some of them after
//! `as_of`, and many fall on the same day or on the first of a month, because that is where
//! mistakes live.

use std::fmt;

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// No date of a book lies before.
pub const FIRST: Date = date(2024, 1, 1);

/// Reasons of a cancellation.
pub const REASONS: [&str; 4] = ["price", "competitor", "closed", "card_failed"];

/// What money was spent on.
pub const CATEGORIES: [&str; 4] = ["ads", "sales", "support", "rent"];

/// A company and how its books are to be read.
#[derive(Clone, Debug)]
pub struct Book {
    /// Last day of the results.
    pub as_of: Date,
    /// Reporting currency, and the other one.
    pub currencies: [&'static str; 2],
    /// Days after Monday on which a week begins.
    pub week_start: i64,
    /// Months after January in which a fiscal year begins.
    pub fiscal_start: i64,
    /// Days and weeks in a month.
    pub factors: &'static str,
    /// Whether exports name the last day of an interval instead of the day after.
    pub end_inclusive: bool,
    /// Whether customers are numbers instead of text.
    pub numbered: bool,
    /// How attributes are carried.
    pub dimensions: Dimensions,
    /// The customers.
    pub customers: Vec<Customer>,
    /// What was spent.
    pub costs: Vec<Cost>,
}

/// How the attributes of a customer are carried into the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimensions {
    /// One row per customer.
    Fixed,
    /// The version that held at the time.
    History,
    /// The latest version for all of history.
    Current,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Identity.
    pub id: i64,
    /// When the customer signed up, where that is known.
    pub signed_up: Option<Date>,
    /// Attributes from a day on, ascending; none where no source knows the customer.
    pub versions: Vec<Version>,
    /// What the customer subscribes to.
    pub items: Vec<Item>,
}

/// Attributes of a customer from a day on.
#[derive(Clone)]
pub struct Version {
    /// First day.
    pub from: Date,
    /// `segment` and `country`.
    pub values: [Option<&'static str>; 2],
}

/// An interval of a subscription.
#[derive(Clone)]
pub struct Item {
    /// First day.
    pub start: Date,
    /// Day after the last; none where it is open.
    pub end: Option<Date>,
    /// First day that is paid for.
    pub trial_end: Option<Date>,
    /// Price of one unit, in minor units of the currency.
    pub price: i64,
    /// Currency.
    pub currency: &'static str,
    /// Units.
    pub quantity: i64,
    /// Billing interval.
    pub every: &'static str,
    /// Billing intervals that one price covers.
    pub count: i64,
    /// Why it ended.
    pub reason: Option<&'static str>,
}

/// Money spent.
#[derive(Clone)]
pub struct Cost {
    /// When.
    pub day: Date,
    /// On what.
    pub category: &'static str,
    /// How much, in minor units.
    pub amount: i64,
    /// Currency.
    pub currency: &'static str,
    /// For which segment.
    pub segment: &'static str,
}

// One line each, so that a book that breaks a law can be read.

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [segment, country] = self.values;
        write!(f, "from {}: {} {}", self.from, segment.unwrap_or("-"), country.unwrap_or("-"))
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end.map_or("-".to_owned(), |e| e.to_string()))?;
        if let Some(trial_end) = self.trial_end {
            write!(f, ", trial to {trial_end}")?;
        }
        write!(f, ": {} x {} {} per {} {}", self.quantity, self.price, self.currency, self.count, self.every)?;
        self.reason.map_or(Ok(()), |reason| write!(f, ", {reason}"))
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} for {} of {}", self.day, self.amount, self.currency, self.category, self.segment)
    }
}

impl Book {
    /// Decimal places of all amounts: four behind the minor unit of the currency with the most.
    pub fn scale(&self) -> u32 {
        4 + self.currencies.map(exponent).into_iter().max().unwrap_or(2)
    }
}

/// Decimal places of the minor unit of the currencies used here.
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "JPY" => 0,
        "USD" => 2,
        "KWD" => 3,
        other => panic!("no exponent for {other}"),
    }
}

/// A customer's identity as text.
pub fn id_text(id: i64) -> String {
    format!("c{id}")
}

/// A book of up to twelve customers.
pub fn books() -> impl Strategy<Value = Book> {
    books_of(prop::collection::vec(customer(6), 0..=12))
}

/// A book with a customer of many intervals among few others.
pub fn long_books() -> impl Strategy<Value = Book> {
    books_of((customer(25), prop::collection::vec(customer(3), 0..=2)).prop_map(|(long, mut rest)| {
        rest.push(long);
        rest
    }))
}

/// A book large enough that the engine splits, sorts and merges in earnest.
pub fn large_books() -> impl Strategy<Value = Book> {
    books_of(prop::collection::vec(customer(8), 300..=400))
}

fn books_of(customers: impl Strategy<Value = Vec<Drafted>>) -> impl Strategy<Value = Book> {
    let reading = (
        as_of(),
        select(&[["USD", "JPY"], ["JPY", "USD"], ["JPY", "JPY"], ["USD", "KWD"]][..]),
        0..7i64,
        0..12i64,
        select(&["standard", "standard", "paddle", "recurly", "stripe", "profitable"][..]),
        any::<bool>(),
        any::<bool>(),
        select(&[Dimensions::Fixed, Dimensions::History, Dimensions::History, Dimensions::Current][..]),
    );
    (reading, customers, prop::collection::vec(cost(), 0..=20)).prop_map(|(reading, customers, costs)| {
        let (as_of, currencies, week_start, fiscal_start, factors, end_inclusive, numbered, dimensions) = reading;
        let customers = customers.into_iter().zip(1..).map(|(drafted, id)| drafted.settle(id, currencies)).collect();
        let costs =
            costs.into_iter().map(|(cost, other)| Cost { currency: currencies[usize::from(other)], ..cost }).collect();
        Book {
            as_of,
            currencies,
            week_start,
            fiscal_start,
            factors,
            end_inclusive,
            numbered,
            dimensions,
            customers,
            costs,
        }
    })
}

/// A day some days after [`FIRST`], or the first day of its month.
fn day(offsets: std::ops::Range<i64>) -> impl Strategy<Value = Date> {
    (offsets, prop::bool::weighted(0.35)).prop_map(|(offset, first)| {
        let day = FIRST + offset.days();
        if first { day.first_of_month() } else { day }
    })
}

fn as_of() -> impl Strategy<Value = Date> {
    (240..620i64, any::<bool>()).prop_map(|(offset, last)| {
        let day = FIRST + offset.days();
        if last { day.last_of_month() } else { day }
    })
}

fn cost() -> impl Strategy<Value = (Cost, bool)> {
    let amount = prop_oneof![1 => Just(0), 6 => 1..2_000_000i64];
    (day(0..660), select(&CATEGORIES[..]), amount, select(&SEGMENTS[..]), prop::bool::weighted(0.2)).prop_map(
        |(day, category, amount, segment, other)| (Cost { day, category, amount, currency: "", segment }, other),
    )
}

const SEGMENTS: [&str; 3] = ["ent", "mid", "smb"];

/// A customer without an identity, and whose intervals know only how they lie to each other.
#[derive(Clone, Debug)]
struct Drafted {
    signed_up: Option<Date>,
    versions: Vec<Version>,
    items: Vec<(Place, Item, bool)>,
}

/// Where an interval lies.
#[derive(Clone, Debug)]
enum Place {
    /// Where it says.
    Own,
    /// From the end of the one before, or so many days later.
    After(i64),
    /// From the start of the one before.
    With,
    /// It ends with the one before.
    UpTo,
    /// It takes so many per cent off the price of the one before, for as long.
    Discount(i64),
}

fn customer(most: usize) -> impl Strategy<Value = Drafted> {
    let version = (day(0..660), weighted(0.85, select(&SEGMENTS[..])), weighted(0.85, select(&["JP", "US"][..])));
    (
        weighted(0.8, day(0..660)),
        prop::collection::vec(version, 0..=5),
        prop::collection::vec((place(), item(), prop::bool::weighted(0.12)), 1..=most),
    )
        .prop_map(|(signed_up, versions, items)| {
            let mut versions: Vec<_> =
                versions.into_iter().map(|(from, s, c)| Version { from, values: [s, c] }).collect();
            versions.sort_by_key(|v| v.from);
            versions.dedup_by_key(|v| v.from);
            Drafted { signed_up, versions, items }
        })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        4 => Just(Place::Own),
        3 => Just(Place::After(0)),
        3 => (1..70i64).prop_map(Place::After),
        1 => Just(Place::With),
        1 => Just(Place::UpTo),
        1 => prop_oneof![Just(100i64), 1..100i64].prop_map(Place::Discount),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let length = prop_oneof![1 => -3..=0i64, 6 => 1..=31i64, 9 => 32..=400i64];
    let price = prop_oneof![1 => Just(0), 4 => 1..=60i64, 6 => 100..=90_000i64, 1 => 1_000_000..=9_999_999i64];
    let quantity = prop_oneof![6 => Just(1), 3 => 2..=40i64, 1 => Just(0)];
    let interval = prop_oneof![
        8 => Just(("month", 1)),
        2 => Just(("year", 1)),
        1 => (select(&["day", "week"][..]), Just(1)),
        // Counts with many factors of two are where halves have to be rounded.
        2 => (select(&["day", "week", "month", "year"][..]), select(&[2i64, 3, 6, 7, 8, 16, 24, 32, 36][..])),
    ];
    (
        prop_oneof![4 => day(0..400), 1 => day(0..640)],
        (weighted(0.7, length), prop::bool::weighted(0.3)),
        weighted(0.2, -5..=45i64),
        price,
        quantity,
        interval,
        weighted(0.6, select(&REASONS[..])),
    )
        .prop_map(|(start, (length, first), trial, price, quantity, (every, count), reason)| {
            let end = length.map(|days| start + days.days()).map(|end| if first { end.first_of_month() } else { end });
            let trial_end = trial.map(|days| start + days.days());
            Item { start, end, trial_end, price, currency: "", quantity, every, count, reason }
        })
}

impl Drafted {
    fn settle(self, id: i64, currencies: [&'static str; 2]) -> Customer {
        let mut items: Vec<Item> = Vec::new();
        for (place, drafted, other) in self.items {
            let item = Item { currency: currencies[usize::from(other)], ..drafted };
            let settled = match items.last() {
                Some(before) => place.beside(before, item),
                None => item,
            };
            items.push(settled);
        }
        Customer { id, signed_up: self.signed_up, versions: self.versions, items }
    }
}

impl Place {
    fn beside(&self, before: &Item, item: Item) -> Item {
        match self {
            Self::Own => item,
            Self::After(gap) => item.shifted_to(before.end.unwrap_or(before.start) + gap.days()),
            Self::With => item.shifted_to(before.start),
            Self::UpTo => Item { end: before.end, ..item },
            // Never more than is paid: a ledger refuses customers whose revenue is negative.
            Self::Discount(share) if before.price > 0 => {
                Item { price: -(before.price * share / 100), ..before.clone() }
            }
            Self::Discount(_) => item,
        }
    }
}

impl Item {
    /// The same interval from another day on.
    fn shifted_to(self, start: Date) -> Self {
        let start = start.max(FIRST);
        let by: Span = (start - self.start).get_days().days();
        Self { start, end: self.end.map(|e| e + by), trial_end: self.trial_end.map(|t| t + by), ..self }
    }
}
