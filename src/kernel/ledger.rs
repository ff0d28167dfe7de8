//! The pass that makes a ledger: from intervals to what changed for each customer on which day.
//!
//! Customers are numbered once, in the order of the ledger; from then on ids are places in arrays. Every
//! interval is two changes, put beside the others of its customer, so that a customer is netted, sorted
//! and told in one go, without any other.

use polars::prelude::*;
use rayon::prelude::*;

use super::book::{Book, Codes, Dimension, Kind, number};
use super::ids::{Id, Numbers};
use crate::expr::dims::NOT_SET;

/// A ledger made of nothing but the intervals of one source.
#[derive(Clone, Debug)]
pub struct Intervals<'a> {
    /// Step with a row per interval: `customer_id`, `currency`, `starts`, `ends` (at most the horizon), `list`
    /// (per month), `recurs`, and `reason` where there is one.
    pub items: &'static str,
    /// Step with the values of the dimensions: `customer_id`, `day` (from when on), the dimensions; the latest counts.
    pub versions: Option<&'static str>,
    /// Names of the dimensions.
    pub dimensions: &'a [String],
    /// Day after the last day that results cover.
    pub horizon: i32,
    /// Days after which a return is a new customer.
    pub reactivation: Option<i32>,
}

/// An amount that a customer begins or ceases to pay.
#[derive(Clone, Copy, Default)]
struct Change {
    currency: u32,
    day: i32,
    delta: i64,
}

/// A row that pays something for at least one day.
struct Interval {
    starts: i32,
    ends: i32,
    list: i64,
}

impl Interval {
    fn of(((starts, ends), (list, recurs)): (Days, (Option<i64>, Option<bool>))) -> Option<Self> {
        let interval = Self { starts: starts?, ends: ends?, list: list? };
        (recurs? && interval.ends > interval.starts && interval.list != 0).then_some(interval)
    }
}

/// First day and day after the last.
type Days = (Option<i32>, Option<i32>);

/// Why an interval ended: place of the customer, currency, day, amount, reason.
type Ending = (u32, u32, i32, i64, u32);

/// Rows that a thread has told.
#[derive(Default)]
struct Part {
    /// Place of the customer and currency by series, with its number of rows and its first paid day.
    series: Vec<(u32, u32, usize, i32)>,
    dated: Vec<i32>,
    kinds: Vec<Kind>,
    delta: Vec<i64>,
    after: Vec<i64>,
}

/// The book of a ledger; `None` where a row has no customer or currency, or an amount does not fit: the
/// query of the ledger tells these apart.
pub(super) fn book(of: &Intervals<'_>, items: &DataFrame, versions: Option<&DataFrame>) -> PolarsResult<Option<Book>> {
    if items.column("customer_id")?.dtype() == &DataType::String {
        let ids = |frame: &DataFrame| Ok::<_, PolarsError>(frame.column("customer_id")?.str()?.clone());
        let (own, known) = (ids(items)?, versions.map(ids).transpose()?);
        return numbered_by(of, items, own.iter(), versions.zip(known.as_ref().map(StringChunked::iter)));
    }
    let ids = |frame: &DataFrame| Ok::<_, PolarsError>(frame.column("customer_id")?.i64()?.clone());
    let (own, known) = (ids(items)?, versions.map(ids).transpose()?);
    numbered_by(of, items, own.iter(), versions.zip(known.as_ref().map(Int64Chunked::iter)))
}

/// Marks a row that pays nothing.
const UNUSED: u32 = u32::MAX;

fn numbered_by<T: Id>(
    of: &Intervals<'_>,
    items: &DataFrame,
    ids: impl Iterator<Item = Option<T>>,
    versions: Option<(&DataFrame, impl Iterator<Item = Option<T>>)>,
) -> PolarsResult<Option<Book>> {
    let days = |name: &str| -> PolarsResult<Int32Chunked> { Ok(items.column(name)?.date()?.physical().clone()) };
    let (starts, ends) = (days("starts")?, days("ends")?);
    let (list, recurs) = (items.column("list")?.i64()?, items.column("recurs")?.bool()?);
    let currencies = Codes::new(items.column("currency")?.str()?);
    let reasons =
        items.column("reason").ok().map(|reasons| Ok::<_, PolarsError>(Codes::new(reasons.str()?))).transpose()?;
    let rows = || starts.iter().zip(ends.iter()).zip(list.iter().zip(recurs.iter())).map(Interval::of);
    let mut numbers = Numbers::new();
    let mut customers = Vec::with_capacity(items.height());
    for ((id, currency), interval) in ids.zip(&currencies.of).zip(rows()) {
        customers.push(match interval {
            None => UNUSED,
            Some(_) => match (id, currencies.text(*currency)) {
                (Some(id), Some(_)) => numbers.number(id),
                _ => return Ok(None),
            },
        });
    }
    let order = numbers.order();
    let mut places = vec![0u32; order.len()];
    for (place, number) in (0..).zip(&order) {
        places[*number as usize] = place;
    }
    // Currencies by the alphabet, as the ledger has them.
    let alphabet = currencies.places();
    let used = || {
        let all = customers.iter().zip(&currencies.of).zip(rows()).enumerate();
        all.filter_map(|(row, ((customer, currency), interval))| {
            let interval = interval?;
            Some((row, places[*customer as usize], alphabet[*currency as usize], interval))
        })
    };
    let (mut first, mut endings) = (vec![0usize; order.len() + 1], Vec::new());
    for (row, place, currency, Interval { ends, list, .. }) in used() {
        first[place as usize + 1] += 1 + usize::from(ends < of.horizon);
        if let Some(reasons) = reasons.as_ref().filter(|_| ends < of.horizon)
            && reasons.text(reasons.of[row]).is_some()
        {
            endings.push((place, currency, ends, list, reasons.of[row]));
        }
    }
    for at in 1..first.len() {
        first[at] += first[at - 1];
    }
    let mut next = first.clone();
    let mut changes = vec![Change::default(); first.last().copied().unwrap_or(0)];
    for (_, place, currency, Interval { starts, ends, list }) in used() {
        let next = &mut next[place as usize];
        changes[*next] = Change { currency, day: starts, delta: list };
        *next += 1;
        // What is open ends at the horizon, which nobody sees.
        if ends < of.horizon {
            let Some(delta) = list.checked_neg() else { return Ok(None) };
            changes[*next] = Change { currency, day: ends, delta };
            *next += 1;
        }
    }
    drop((customers, next));
    let reasons = reasons.unwrap_or_default();
    let endings = first_endings(endings, &reasons);
    let Some(parts) = told(of, &first, &changes) else { return Ok(None) };
    drop(changes);
    let own = |place: u32| numbers.ids[order[place as usize] as usize];
    let (mut book, customers) = joined(parts, own, &currencies, &alphabet, (&endings, &reasons));
    if let Some((versions, known)) = versions {
        let known = known.map(|id| id.and_then(|id| numbers.of.get(&id)).map(|number| places[*number as usize]));
        let latest = latest_versions(of.dimensions, versions, known, order.len())?;
        book.dimensions = latest.into_iter().map(|(name, codes)| by_series(name, &codes, &customers)).collect();
    }
    Ok(Some(book))
}

/// One reason per customer, currency and day: of the largest interval; equal amounts go by the name.
fn first_endings(mut endings: Vec<Ending>, reasons: &Codes) -> Vec<Ending> {
    let alphabet = reasons.places();
    endings.par_sort_unstable_by_key(|(place, currency, day, list, reason)| {
        (*place, *currency, *day, std::cmp::Reverse(*list), alphabet[*reason as usize])
    });
    endings.dedup_by_key(|(place, currency, day, ..)| (*place, *currency, *day));
    endings
}

/// Tells the customers in shares; `None` where an amount does not fit.
fn told(of: &Intervals<'_>, first: &[usize], changes: &[Change]) -> Option<Vec<Part>> {
    /// Customers that one thread takes at once.
    const SHARE: usize = 16_384;
    let customers = first.len() - 1;
    let shares = (0..customers.div_ceil(SHARE)).into_par_iter().map(|share| {
        let (mut part, mut own) = (Part::default(), Vec::new());
        for place in share * SHARE..customers.min((share + 1) * SHARE) {
            own.clear();
            own.extend_from_slice(&changes[first[place]..first[place + 1]]);
            own.sort_unstable_by_key(|change| (change.currency, change.day));
            for series in own.chunk_by(|a, b| a.currency == b.currency) {
                part.tell(of, number(place), series)?;
            }
        }
        Some(part)
    });
    shares.collect()
}

impl Part {
    /// Tells a customer's changes in one currency, sorted by day.
    fn tell(&mut self, of: &Intervals<'_>, place: u32, changes: &[Change]) -> Option<()> {
        let mut after = 0i64;
        let mut last = None::<i32>;
        for of_day in changes.chunk_by(|a, b| a.day == b.day) {
            let change = of_day[0];
            let delta = of_day.iter().try_fold(0i64, |sum, change| sum.checked_add(change.delta))?;
            // What nets out on one day is no change.
            if delta == 0 || change.day >= of.horizon {
                continue;
            }
            let before = after;
            after = before.checked_add(delta)?;
            let returns = before == 0 && after > 0;
            let late = |last: i32| of.reactivation.is_some_and(|within| returns && change.day - last > within);
            let enters = last.is_none_or(late);
            self.kinds.push(match (before, after) {
                _ if enters => Kind::New,
                (0, _) => Kind::Reactivation,
                (_, 0) => Kind::Churn,
                _ if delta > 0 => Kind::Expansion,
                _ => Kind::Contraction,
            });
            if enters {
                self.series.push((place, change.currency, 0, change.day));
            }
            if let Some((.., rows, _)) = self.series.last_mut() {
                *rows += 1;
            }
            self.dated.push(change.day);
            self.delta.push(delta);
            self.after.push(after);
            last = Some(change.day);
        }
        Some(())
    }
}

/// Rows of one day are told as a change of the amount; the ledger has rows of other sequences where there is more.
const CHANGED: u8 = 4;

/// All parts as one book.
fn joined<T: Id>(
    parts: Vec<Part>,
    id: impl Fn(u32) -> T,
    currencies: &Codes,
    alphabet: &[u32],
    (endings, reasons): (&[Ending], &Codes),
) -> (Book, Vec<u32>) {
    let rows = parts.iter().map(|part| part.dated.len()).sum();
    let mut series = Vec::with_capacity(parts.iter().map(|part| part.series.len()).sum());
    let mut book = Book { bounds: vec![0], sequence: vec![CHANGED; rows], ..Book::default() };
    book.dated.reserve_exact(rows);
    book.kinds.reserve_exact(rows);
    book.delta.reserve_exact(rows);
    book.after.reserve_exact(rows);
    for part in parts {
        series.extend(part.series);
        book.dated.extend(part.dated);
        book.kinds.extend(part.kinds);
        book.delta.extend(part.delta);
        book.after.extend(part.after);
    }
    let mut codes = vec![0u32; alphabet.len()];
    for (code, place) in (0..).zip(alphabet) {
        codes[*place as usize] = code;
    }
    let mut end = 0;
    for (.., rows, first_paid) in &series {
        end += rows;
        book.bounds.push(end);
        book.first_paid.push(*first_paid);
    }
    book.currencies = currencies.with(series.iter().map(|(_, currency, ..)| codes[*currency as usize]).collect());
    book.customers = T::column(series.iter().map(|(place, ..)| id(*place)));
    if !endings.is_empty() {
        let mut known = reasons.clone();
        let none = known.code(None);
        known.of = vec![none; rows];
        for (at, (place, currency, ..)) in series.iter().enumerate() {
            for row in book.rows(at).filter(|row| book.kinds[*row] == Kind::Churn) {
                let key = (*place, *currency, book.dated[row]);
                if let Ok(found) =
                    endings.binary_search_by_key(&key, |(place, currency, day, ..)| (*place, *currency, *day))
                {
                    known.of[row] = endings[found].4;
                }
            }
        }
        book.reasons = known;
    }
    (book, series.into_iter().map(|(place, ..)| place).collect())
}

/// The latest values of the dimensions, by place of the customer; of equal days, the last ones by the alphabet.
fn latest_versions(
    names: &[String],
    versions: &DataFrame,
    places: impl Iterator<Item = Option<u32>>,
    customers: usize,
) -> PolarsResult<Vec<(String, Codes)>> {
    let days: Vec<Option<i32>> = versions.column("day")?.date()?.physical().iter().collect();
    let mut columns = Vec::new();
    for name in names {
        columns.push(Codes::new(versions.column(name)?.str()?));
    }
    let alphabets: Vec<Vec<u32>> = columns.iter().map(Codes::places).collect();
    let values = |row: usize| columns.iter().zip(&alphabets).map(move |(codes, places)| places[codes.of[row] as usize]);
    let mut latest = vec![UNUSED; customers];
    for (row, place) in places.enumerate() {
        let Some(place) = place else { continue };
        let held = &mut latest[place as usize];
        let at = *held as usize;
        if *held == UNUSED || days[row].cmp(&days[at]).then_with(|| values(row).cmp(values(at))).is_ge() {
            *held = number(row);
        }
    }
    let of_customers = |mut codes: Codes| {
        let none = codes.code(Some(NOT_SET));
        codes.with(latest.iter().map(|row| if *row == UNUSED { none } else { codes.of[*row as usize] }).collect())
    };
    Ok(names.iter().cloned().zip(columns.into_iter().map(of_customers)).collect())
}

/// Values of customers as those of their series.
fn by_series(name: String, codes: &Codes, customers: &[u32]) -> Dimension {
    let codes = codes.with(customers.iter().map(|place| codes.of[*place as usize]).collect());
    Dimension { name, by_series: true, codes }
}
