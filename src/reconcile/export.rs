//! The rows of an export as a book.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::grid::Grid;
use super::layout::{Layout, Unit, fold, month_of};
use super::{Amounts, Book, Fault, Kind, Subject, Window};
use crate::diag::nearest;
use crate::money::exponent;

/// How the values of an export are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Time zone of the pipeline: instants become civil dates in it.
    pub zone: TimeZone,
    /// Amounts become whole numbers of 10^-scale major units.
    pub scale: u8,
    /// Currency of amounts without one.
    pub currency: Option<String>,
    /// Decimals that the other system rounds to; else those that it writes.
    pub decimals: Option<u8>,
    /// Names of kinds beside the usual ones; `None` leaves such rows out.
    pub kinds: BTreeMap<String, Option<Kind>>,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    customer: String,
    currency: String,
    /// Day of the amount; none where the whole file is of one day.
    day: Option<Date>,
    amount: i64,
    kind: Option<Kind>,
}

/// An export that was read.
#[derive(Clone, Debug)]
pub struct Export {
    rows: Vec<Row>,
    /// Whether the amounts are changes.
    changes: bool,
    /// Whether dates are months: the amount holds at the end of the month.
    monthly: bool,
    /// Half the step that amounts are rounded to, in units, by currency.
    half_step: BTreeMap<String, i64>,
}

/// The other side of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Theirs {
    /// Amounts.
    pub book: Book,
    /// How far a subject may be off by rounding alone.
    pub tolerance: BTreeMap<Subject, i64>,
    /// The same for subjects that are not in the export, by currency.
    pub step: BTreeMap<String, i64>,
    /// Kinds that occur in the export.
    pub kinds: BTreeSet<Kind>,
}

impl Theirs {
    /// How far a subject may be off by rounding alone.
    #[must_use]
    pub fn tolerance_of(&self, subject: &Subject) -> i64 {
        let step = || self.step.get(&subject.currency).copied().unwrap_or(0);
        self.tolerance.get(subject).copied().unwrap_or_else(step)
    }
}

impl Export {
    /// Reads the rows: changes where the export is one of movements or has no balance, else balances.
    ///
    /// # Errors
    /// The first value that cannot be read, with its line.
    pub fn new(grid: &Grid, layout: &Layout, movements: bool, reading: &Reading) -> Result<Self, Fault> {
        // What stands beside a movement holds from that moment on, so balances come from the changes.
        let changes = movements || layout.has_movements() || (layout.mrr.is_none() && layout.months.is_empty());
        let amounts: Vec<(usize, Option<Date>)> = if changes {
            layout.change.map(|at| (at, None)).into_iter().collect()
        } else if layout.months.is_empty() {
            layout.mrr.map(|at| (at, None)).into_iter().collect()
        } else {
            layout.months.iter().map(|(at, month)| (*at, Some(*month))).collect()
        };
        let mut places: BTreeMap<String, u8> = BTreeMap::new();
        let mut out = Self {
            rows: Vec::new(),
            changes,
            monthly: !layout.months.is_empty() && !changes,
            half_step: BTreeMap::new(),
        };
        let mut months = 0_usize;
        for (line, cells) in &grid.rows {
            let cell = |at: usize| cells.get(at).map(String::as_str).unwrap_or_default();
            let wrong = |what: &str, help: &str| Fault::file(format!("line {line} of the export: {what}"), help);
            let customer = cell(layout.customer);
            if customer.is_empty() {
                return Err(wrong(
                    "no customer",
                    "leave out rows of totals, or name another column with `--columns customer=NAME`",
                ));
            }
            let currency = match layout.currency.map(cell).filter(|c| !c.is_empty()) {
                Some(code) => code.to_ascii_uppercase(),
                None => reading
                    .currency
                    .clone()
                    .ok_or_else(|| wrong("no currency", "name the currency of the export with `--currency`"))?,
            };
            let minor = exponent(&currency).ok_or_else(|| {
                wrong(
                    &format!("`{currency}` is no currency"),
                    "name the column of currencies with `--columns currency=NAME`",
                )
            })?;
            let day = match layout.date.map(cell).filter(|c| !c.is_empty()) {
                None => None,
                Some(text) => {
                    let day = day_of(text, &reading.zone);
                    months += usize::from(day.is_some_and(|(_, month)| month));
                    Some(day.map(|(day, _)| day).ok_or_else(|| {
                        wrong(
                            &format!("`{text}` is no date"),
                            "write days as 2026-05-31, months as 2026-05 or instants as 2026-05-31T12:00:00Z",
                        )
                    })?)
                }
            };
            if changes && day.is_none() {
                return Err(wrong("a change without a date", "name the column with `--columns date=NAME`"));
            }
            let kind = match layout.kind.map(cell).filter(|_| movements) {
                None => None,
                Some(text) => match kind_of(text, &reading.kinds) {
                    Some(Some(kind)) => Some(kind),
                    Some(None) => continue,
                    None => return Err(wrong(&format!("`{text}` is no kind of movement"), &kind_help(text))),
                },
            };
            for (at, month) in &amounts {
                let text = cell(*at);
                if text.is_empty() {
                    continue;
                }
                let shift = if layout.unit == Unit::Minor { minor } else { 0 };
                let (mut amount, decimals) = amount_of(text, shift, reading.scale)
                    .ok_or_else(|| wrong(&format!("`{text}` is no amount"), "write amounts as 1234.50"))?;
                if kind.is_some_and(Kind::is_loss) && amount > 0 {
                    // Some systems write what was lost without a sign.
                    amount = -amount;
                }
                let widest = places.entry(currency.clone()).or_insert(minor);
                *widest = (*widest).max(decimals);
                out.rows.push(Row {
                    customer: customer.to_owned(),
                    currency: currency.clone(),
                    day: month.or(day),
                    amount,
                    kind,
                });
            }
        }
        // Days that are all the first of a month name the month.
        let days = || out.rows.iter().filter_map(|row| row.day);
        out.monthly |= months > 0 || (!changes && days().next().is_some() && days().all(|day| day.day() == 1));
        for (currency, widest) in places {
            let decimals = reading.decimals.unwrap_or(widest).min(reading.scale);
            let step = 10_i64.pow(u32::from(reading.scale - decimals));
            out.half_step.insert(currency, (step / 2).max(1));
        }
        Ok(out)
    }

    /// The last day that the export knows of: of months their last day.
    #[must_use]
    pub fn last_day(&self) -> Option<Date> {
        let last = self.rows.iter().filter_map(|row| row.day).max()?;
        Some(if self.monthly { last.last_of_month() } else { last })
    }

    /// The first day that the export knows of.
    #[must_use]
    pub fn first_day(&self) -> Option<Date> {
        self.rows.iter().filter_map(|row| row.day).min()
    }

    /// Amounts in a window.
    ///
    /// A balance is the sum of all changes up to the day, or else that of the rows of the last day of
    /// the month up to it; a file without dates is taken to be of that day.
    ///
    /// # Errors
    /// When the export has no row of that time.
    pub fn within(&self, window: Window) -> Result<Theirs, Fault> {
        let mut out = Theirs { step: self.half_step.clone(), ..Theirs::default() };
        let chosen: Vec<&Row> = match window {
            Window::Movements { since, at } => {
                self.rows.iter().filter(|r| r.day.is_some_and(|d| since <= d && d <= at)).collect()
            }
            Window::Balances { at } if self.changes => {
                self.rows.iter().filter(|r| r.day.is_some_and(|d| d <= at)).collect()
            }
            Window::Balances { at } => {
                let of_month = |d: Date| d.first_of_month() == at.first_of_month() && (self.monthly || d <= at);
                let days = || self.rows.iter().filter_map(|r| r.day).filter(|d| of_month(*d));
                match days().max() {
                    Some(last) => self.rows.iter().filter(|r| r.day.is_none_or(|d| d == last)).collect(),
                    None => self.rows.iter().filter(|r| r.day.is_none()).collect(),
                }
            }
        };
        if chosen.is_empty() {
            let span = match (self.first_day(), self.last_day()) {
                (Some(first), Some(last)) => format!("; it goes from {first} to {last}"),
                _ => String::new(),
            };
            return Err(Fault::usage(
                format!("the export has no row for {}{span}", window.at()),
                "choose a day that both sides know with `--at`",
            ));
        }
        for row in chosen {
            let month = match window {
                Window::Movements { .. } => row.day.map(Date::first_of_month),
                Window::Balances { .. } => None,
            };
            let subject = Subject { customer: row.customer.clone(), currency: row.currency.clone(), month };
            // Every row was rounded by itself.
            *out.tolerance.entry(subject.clone()).or_default() += out.step.get(&row.currency).copied().unwrap_or(0);
            let amounts = out.book.entry(subject).or_default();
            match (window, row.kind) {
                (Window::Movements { .. }, Some(kind)) => {
                    amounts.add_of(kind, row.amount);
                    out.kinds.insert(kind);
                }
                _ => amounts.add(row.amount),
            }
        }
        out.book.retain(|_, amounts: &mut Amounts| !amounts.is_zero());
        Ok(out)
    }
}

/// A day, and whether only its month is meant.
fn day_of(text: &str, zone: &TimeZone) -> Option<(Date, bool)> {
    if let Ok(at) = text.replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some((at.to_zoned(zone.clone()).date(), false));
    }
    if let Some(day) = text.get(..10).filter(|_| text.len() >= 10).and_then(|t| t.parse::<Date>().ok()) {
        // A day, or a clock reading without an offset.
        let plain = text.len() == 10 || text.parse::<DateTime>().is_ok();
        return plain.then_some((day, false));
    }
    month_of(text).map(|month| (month, true))
}

/// An amount in units of the scale, and the decimals it is written with, in major units.
///
/// Reads `1234.5`, `1,234.50`, `$1,234.50` and `-3`; `shift` is 2 for cents. What is finer than the
/// scale is rounded half-even.
fn amount_of(text: &str, shift: u8, scale: u8) -> Option<(i64, u8)> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let rest = rest.trim_start_matches(['$', '€', '£', '¥']);
    let (sign, rest) = rest.strip_prefix('-').map_or((sign, rest), |rest| (-sign, rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let whole = if whole.contains(',') {
        let mut groups = whole.split(',');
        let first = groups.next()?;
        if first.is_empty() || first.len() > 3 || !groups.clone().all(|g| g.len() == 3) {
            return None;
        }
        std::iter::once(first).chain(groups).collect()
    } else {
        whole.to_owned()
    };
    if whole.is_empty() || !digits(&whole) || !digits(fraction) || rest.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).ok()? + u32::from(shift);
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = u32::from(scale);
    let units = if places <= scale {
        number.checked_mul(10_i128.checked_pow(scale - places)?)?
    } else {
        let by = 10_i128.checked_pow(places - scale)?;
        let (whole, rest) = (number / by, number % by);
        whole + i128::from(rest * 2 > by || (rest * 2 == by && whole % 2 == 1))
    };
    Some((i64::try_from(sign * units).ok()?, u8::try_from(places).unwrap_or(u8::MAX)))
}

/// Names that systems give to the kinds, folded.
const NAMES: &[(Kind, &[&str])] = &[
    (Kind::New, &["new", "newbiz", "newbusiness", "newmrr", "activestart", "signup"]),
    (Kind::Reactivation, &["reactivation", "reactivated", "reactivate", "reactivationmrr"]),
    (Kind::Resume, &["resume", "resumed"]),
    (Kind::Expansion, &["expansion", "upgrade", "upgraded", "activeupgrade", "expansionmrr"]),
    (Kind::Contraction, &["contraction", "downgrade", "downgraded", "activedowngrade", "contractionmrr"]),
    (Kind::Pause, &["pause", "paused"]),
    (
        Kind::Churn,
        &["churn", "churned", "activeend", "cancellation", "cancelled", "canceled", "churndelinquent", "churnmrr"],
    ),
    (Kind::Fx, &["fx", "exchangerateimpact", "fximpact"]),
];

/// The kind that a name means; `Some(None)` for rows to be left out.
#[must_use]
pub fn kind_of(name: &str, given: &BTreeMap<String, Option<Kind>>) -> Option<Option<Kind>> {
    if let Some(kind) = given.get(name) {
        return Some(*kind);
    }
    let name = fold(name);
    // Moves between segments leave a customer's revenue as it is.
    if name == "transferin" || name == "transferout" {
        return Some(None);
    }
    NAMES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(kind, _)| Some(*kind))
}

fn kind_help(name: &str) -> String {
    let known = Kind::ALL.map(Kind::name);
    let like = nearest(name, &known).unwrap_or("expansion");
    format!("say what it is with `--kinds {name}={like}`, or leave such rows out with `--kinds {name}=ignore`")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::grid::of_csv;
    use super::*;

    fn reading() -> Reading {
        Reading {
            zone: TimeZone::get("America/New_York").unwrap(),
            scale: 6,
            currency: Some("USD".to_owned()),
            decimals: None,
            kinds: BTreeMap::new(),
        }
    }

    fn export(text: &str, movements: bool) -> Result<Export, Fault> {
        let grid = of_csv(text).unwrap();
        let layout = Layout::find(&grid.header, &[], None)?;
        Export::new(&grid, &layout, movements, &reading())
    }

    fn balances(text: &str, at: Date) -> Vec<(String, String, i64)> {
        let book = export(text, false).unwrap().within(Window::Balances { at }).unwrap().book;
        book.into_iter().map(|(s, a)| (s.customer, s.currency, a.total())).collect()
    }

    #[test]
    fn amounts_are_read_exactly() {
        for (text, shift, read) in [
            ("1234.5", 0, Some((1_234_500_000, 1))),
            ("$1,234.50", 0, Some((1_234_500_000, 1))),
            ("-$3", 0, Some((-3_000_000, 0))),
            ("€-3", 0, Some((-3_000_000, 0))),
            ("16667", 2, Some((166_670_000, 2))),
            ("12.5", 2, Some((125_000, 3))),
            // Seven decimals at a scale of six: 0.0000005 and 0.0000015 go to the even neighbour.
            ("0.0000005", 0, Some((0, 7))),
            ("0.0000015", 0, Some((2, 7))),
            ("0.00000051", 0, Some((1, 8))),
            ("1.234,50", 0, None),
            ("12,34", 0, None),
            ("1e3", 0, None),
            ("", 0, None),
            ("5.", 0, None),
            ("99999999999999999999", 0, None),
        ] {
            assert_eq!(amount_of(text, shift, 6), read, "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_pipeline() {
        let zone = reading().zone;
        for (text, day) in [
            ("2025-08-01T03:59:59Z", Some((date(2025, 7, 31), false))),
            ("2025-08-01 04:00:00+00:00", Some((date(2025, 8, 1), false))),
            ("2025-08-01 23:00:00", Some((date(2025, 8, 1), false))),
            ("2025-08-01", Some((date(2025, 8, 1), false))),
            ("2025-08", Some((date(2025, 8, 1), true))),
            ("2025-08-01x", None),
            ("soon", None),
        ] {
            assert_eq!(day_of(text, &zone), day, "{text}");
        }
    }

    #[test]
    fn a_balance_is_that_of_the_last_day_of_the_month() {
        let daily = "customer,date,mrr\na,2026-05-30,10\nb,2026-05-30,7\na,2026-05-31,12\na,2026-06-01,99\n";
        assert_eq!(balances(daily, date(2026, 5, 31)), [("a".into(), "USD".into(), 12_000_000)]);
        let firsts = "customer,date,mrr\na,2026-04-01,3\na,2026-05-01,10\n";
        assert_eq!(balances(firsts, date(2026, 5, 31)), [("a".into(), "USD".into(), 10_000_000)]);
        let monthly =
            "customer,month,mrr,currency\na,2026-05,10,usd\na,2026-05,1.5,usd\nb,2026-05,500,jpy\na,2026-04,3,usd\n";
        assert_eq!(
            balances(monthly, date(2026, 5, 31)),
            [("a".into(), "USD".into(), 11_500_000), ("b".into(), "JPY".into(), 500_000_000)]
        );
        let wide = "customer,2026-04,May 2026\na,3,10\nb,4,\n";
        assert_eq!(balances(wide, date(2026, 5, 31)), [("a".into(), "USD".into(), 10_000_000)]);
        let one_day = "customer,mrr\na,10\nb,0\n";
        assert_eq!(balances(one_day, date(2026, 5, 31)), [("a".into(), "USD".into(), 10_000_000)]);
        let changes = "customer,date,change\na,2026-01-03,10\na,2026-05-31,-4\na,2026-06-01,5\n";
        assert_eq!(balances(changes, date(2026, 5, 31)), [("a".into(), "USD".into(), 6_000_000)]);
    }

    #[test]
    fn rounding_is_allowed_for_once_per_row() {
        let text = "customer,month,mrr,currency\na,2026-05,41.67,usd\na,2026-05,0.5,usd\nb,2026-05,100,usd\nc,2026-05,500,jpy\n";
        let theirs = export(text, false).unwrap().within(Window::Balances { at: date(2026, 5, 31) }).unwrap();
        let of = |customer: &str, currency: &str| {
            theirs.tolerance_of(&Subject { customer: customer.into(), currency: currency.into(), month: None })
        };
        // Half a cent is 5,000 units of 10^-6 dollars, half a yen 500,000.
        assert_eq!((of("a", "USD"), of("b", "USD"), of("c", "JPY"), of("d", "USD")), (10_000, 5_000, 500_000, 5_000));
    }

    #[test]
    fn movements_are_summed_by_month_and_kind() {
        let text = "DATE,CUSTOMER_EXTERNAL_ID,MRR_MOVEMENT,MRR,MOVEMENT_TYPE,CURRENCY_CODE\n\
                    2026-05-02T12:00:00Z,a,1000,1000,new_biz,EUR\n\
                    2026-05-09T12:00:00Z,a,500,1500,expansion,EUR\n\
                    2026-05-20T12:00:00Z,a,-1500,0,churn,EUR\n\
                    2026-06-01T03:00:00Z,b,200,200,reactivation,EUR\n";
        let window = Window::Movements { since: date(2026, 5, 1), at: date(2026, 5, 31) };
        let theirs = export(text, true).unwrap().within(window).unwrap();
        // The last row is of 31 May in New York; amounts are in the currency of the account.
        let may = Some(date(2026, 5, 1));
        let found: Vec<_> =
            theirs.book.iter().map(|(s, a)| (s.customer.as_str(), s.currency.as_str(), s.month, *a)).collect();
        let mut a = Amounts::default();
        a.add_of(Kind::New, 10_000_000);
        a.add_of(Kind::Expansion, 5_000_000);
        a.add_of(Kind::Churn, -15_000_000);
        let mut b = Amounts::default();
        b.add_of(Kind::Reactivation, 2_000_000);
        assert_eq!(found, [("a", "USD", may, a), ("b", "USD", may, b)]);
        assert_eq!(theirs.kinds.len(), 4);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        for (text, title, help) in [
            ("customer,mrr\n,5\n", "line 2 of the export: no customer", "totals"),
            ("customer,mrr\na,five\n", "line 2 of the export: `five` is no amount", "1234.50"),
            ("customer,mrr,date\na,5,soon\n", "line 2 of the export: `soon` is no date", "2026-05-31"),
            ("customer,mrr,currency\na,5,XXX\n", "line 2 of the export: `XXX` is no currency", "--columns currency"),
        ] {
            let fault = export(text, false).unwrap_err();
            assert_eq!(fault.title, title);
            assert!(fault.help.contains(help), "{}", fault.help);
        }
        let text = "customer,date,change,type\na,2026-05-01,5,expanssion\n";
        let fault = export(text, true).unwrap_err();
        assert_eq!(fault.title, "line 2 of the export: `expanssion` is no kind of movement");
        assert!(fault.help.contains("--kinds expanssion=expansion"), "{}", fault.help);
        let none = export("customer,month,mrr\na,2026-05,1\n", false).unwrap();
        let fault = none.within(Window::Balances { at: date(2026, 4, 30) }).unwrap_err();
        assert_eq!(fault.title, "the export has no row for 2026-04-30; it goes from 2026-05-01 to 2026-05-31");
    }
}
