//! The pass that tells what the changes of series are: in the reporting currency, of which kind, and why.
//!
//! Customers are told one after the other, so that what is before a change is at hand: no shift, no window, no join.

mod history;
mod kinds;
mod rates;

use std::cmp::Reverse;
use std::ops::Range;

use polars::prelude::*;
use rayon::prelude::*;

use super::Steps;
use super::book::{Codes, array};
use super::tally::IntArray;
use crate::expr::parts::{PARTS, part};
pub use history::Movements;
use kinds::Told;
pub use rates::Conversion;
use rates::Rates;

/// Movements of a ledger, without dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a> {
    /// Step with the net changes by series and day, see [`Changes`](super::Changes).
    pub changes: &'static str,
    /// Step with what series are: `series`, `customer_id`, `currency`, and with exchange rates `owner`.
    pub series: &'static str,
    /// Step with the intervals that changes come from: `series`, with exchange rates `owner`, `ends`, `list`, `reason`.
    pub numbered: &'static str,
    /// How amounts become those of the reporting currency.
    pub conversion: Option<Conversion<'a>>,
    /// Whether changes are taken apart by product.
    pub lines: bool,
    /// Whether pauses are movements of their own.
    pub pauses: bool,
    /// Whether rows of `numbered` have reasons.
    pub reasons: bool,
    /// Days after which a return is a new customer.
    pub reactivation: Option<i32>,
    /// Day after the last day that results cover.
    pub horizon: i32,
}

/// Changes, column by column, by series and day.
struct Rows {
    series: Vec<u32>,
    days: Vec<i32>,
    delta: IntArray,
    after: IntArray,
    paused_after: Option<IntArray>,
    parts: Option<[IntArray; PARTS.len()]>,
}

impl Rows {
    /// `None` where something is missing.
    fn new(of: &Moves<'_>, changes: &DataFrame) -> PolarsResult<Option<Self>> {
        if changes.columns().iter().any(|column| column.null_count() > 0) {
            return Ok(None);
        }
        let ints = |name: &str| Ok::<_, PolarsError>(array(changes.column(name)?.i64()?));
        let parts = PARTS.map(|name| of.lines.then(|| ints(&part(name))));
        let parts = parts.into_iter().flatten().collect::<PolarsResult<Vec<_>>>()?;
        Ok(Some(Self {
            series: changes.column("series")?.u32()?.into_no_null_iter().collect(),
            days: changes.column("day")?.date()?.physical().into_no_null_iter().collect(),
            delta: ints("delta")?,
            after: ints("after")?,
            paused_after: of.pauses.then(|| ints("paused_after")).transpose()?,
            parts: parts.try_into().ok(),
        }))
    }

    fn paused_after(&self, row: usize) -> i64 {
        self.paused_after.as_ref().map_or(0, |paused| paused.value(row))
    }

    /// What a change is made of.
    fn parts(&self, row: usize) -> [i64; PARTS.len()] {
        let mut out = [0; PARTS.len()];
        for (to, from) in out.iter_mut().zip(self.parts.iter().flatten()) {
            *to = from.value(row);
        }
        out
    }

    /// A change that needs no conversion.
    fn step(&self, row: usize) -> Step {
        Step {
            day: self.days[row],
            delta: self.delta.value(row),
            parts: self.parts(row),
            after: self.after.value(row),
            paused_after: self.paused_after(row),
            ..Step::default()
        }
    }
}

/// What changed for a customer on a day, and what there is after it.
#[derive(Clone, Copy, Default)]
struct Step {
    day: i32,
    /// What exchange rates changed, before the rest.
    fx: i64,
    delta: i64,
    constant_delta: i64,
    paused: i64,
    parts: [i64; PARTS.len()],
    after: i64,
    constant_after: i64,
    paused_after: i64,
}

/// Why an interval ended: whose it was, its last day, amount, reason.
type Ending = (u32, i32, i64, u32);

/// Reasons by customer and day: of the largest interval that ended; equal amounts go by the name.
struct Reasons {
    codes: Codes,
    endings: Vec<Ending>,
}

impl Reasons {
    fn new(of: &Moves<'_>, numbered: &DataFrame) -> PolarsResult<Self> {
        let codes = Codes::new(numbered.column("reason")?.str()?);
        let owners = numbered.column(if of.conversion.is_some() { "owner" } else { "series" })?.u32()?;
        let ends = numbered.column("ends")?.date()?.physical();
        let rows = owners.iter().zip(ends.iter()).zip(numbered.column("list")?.i64()?.iter()).zip(&codes.of);
        let known = rows.filter(|(_, reason)| codes.text(**reason).is_some());
        let known = known.filter_map(|(((owner, ends), list), reason)| Some((owner?, ends?, list?, *reason)));
        let mut endings: Vec<Ending> = known.filter(|(_, ends, ..)| *ends < of.horizon).collect();
        let alphabet = codes.places();
        endings.par_sort_unstable_by_key(|(owner, ends, list, reason)| {
            (*owner, *ends, Reverse(*list), alphabet[*reason as usize])
        });
        endings.dedup_by_key(|(owner, ends, ..)| (*owner, *ends));
        Ok(Self { codes, endings })
    }

    fn of(&self, owner: u32, day: i32) -> Option<u32> {
        let found = self.endings.binary_search_by_key(&(owner, day), |(owner, ends, ..)| (*owner, *ends));
        found.ok().map(|at| self.endings[at].3)
    }
}

impl Moves<'_> {
    /// The frame of the step, by series, day and sequence; `None` where something is missing or does not fit: the query
    /// tells these apart.
    pub(super) fn run(&self, steps: &Steps) -> PolarsResult<Option<DataFrame>> {
        let Some((told, reasons)) = self.told(steps)? else { return Ok(None) };
        kinds::frame(self, &told, reasons).map(Some)
    }

    /// The movements of all customers, in shares that follow one another, and the reasons that they name.
    fn told(&self, steps: &Steps) -> PolarsResult<Option<(Vec<Told>, Option<Codes>)>> {
        /// Changes that one thread takes at once, at least.
        const SHARE: usize = 1 << 16;
        let step = |name: &str| steps.get(name);
        let (Some(changes), Some(series), Some(numbered)) =
            (step(self.changes), step(self.series), step(self.numbered))
        else {
            return Ok(None);
        };
        let Some(rows) = Rows::new(self, changes)? else { return Ok(None) };
        let rates = match &self.conversion {
            None => None,
            Some(conversion) => {
                let Some(known) = step(conversion.rates) else { return Ok(None) };
                let Some(rates) = Rates::new(conversion, known, series, &rows.days, self.horizon)? else {
                    return Ok(None);
                };
                Some(rates)
            }
        };
        let reasons = self.reasons.then(|| Reasons::new(self, numbered)).transpose()?;
        let owners: Vec<u32> = match &rates {
            Some(rates) => rows.series.iter().map(|series| rates.owner(*series)).collect(),
            None => rows.series.clone(),
        };
        let mut shares: Vec<Range<usize>> = Vec::new();
        let mut first = 0;
        while first < owners.len() {
            let mut end = (first + SHARE).min(owners.len());
            while end < owners.len() && owners[end] == owners[end - 1] {
                end += 1;
            }
            shares.push(first..end);
            first = end;
        }
        let told = shares.into_par_iter().map(|share| {
            let (mut told, mut steps) = (Told::default(), Vec::new());
            let mut first = share.start;
            for own in owners[share].chunk_by(|a, b| a == b) {
                let range = first..first + own.len();
                first = range.end;
                steps.clear();
                match &rates {
                    None => steps.extend(range.map(|row| rows.step(row))),
                    Some(rates) => self.converted(rates, &rows, range, &mut steps)?,
                }
                told.tell(self, own[0], &steps, reasons.as_ref())?;
            }
            Some(told)
        });
        let told = told.collect::<Option<Vec<_>>>();
        Ok(told.map(|told| (told, reasons.map(|reasons| reasons.codes))))
    }

    /// The changes of a customer in the reporting currency, with those of the rates.
    fn converted(&self, rates: &Rates, rows: &Rows, range: Range<usize>, steps: &mut Vec<Step>) -> Option<()> {
        let mut first = range.start;
        for own in rows.series[range].chunk_by(|a, b| a == b) {
            rates.convert(rows, first..first + own.len(), steps)?;
            first += own.len();
        }
        steps.sort_unstable_by_key(|step| step.day);
        let (mut kept, mut sum) = (0, Step::default());
        let mut at = 0;
        while at < steps.len() {
            let mut net = steps[at];
            at += 1;
            while let Some(more) = steps.get(at).filter(|more| more.day == net.day) {
                net.add(more)?;
                at += 1;
            }
            if net.fx == 0 && net.delta == 0 && net.constant_delta == 0 && (net.paused == 0 || !self.pauses) {
                continue;
            }
            // Its balances so far are none, so that it adds up to the sum of all.
            sum.add(&net)?;
            net.after = sum.fx.checked_add(sum.delta)?;
            net.constant_after = sum.constant_delta;
            net.paused_after = sum.paused;
            steps[kept] = net;
            kept += 1;
        }
        steps.truncate(kept);
        Some(())
    }
}

impl Step {
    /// Adds what another one changes.
    fn add(&mut self, more: &Self) -> Option<()> {
        self.fx = self.fx.checked_add(more.fx)?;
        self.delta = self.delta.checked_add(more.delta)?;
        self.constant_delta = self.constant_delta.checked_add(more.constant_delta)?;
        self.paused = self.paused.checked_add(more.paused)?;
        for (sum, more) in self.parts.iter_mut().zip(more.parts) {
            *sum = sum.checked_add(more)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: Moves<'_> = Moves {
        changes: "changes",
        series: "series",
        numbered: "numbered",
        conversion: None,
        lines: false,
        pauses: false,
        reasons: true,
        reactivation: Some(365),
        horizon: 1_000,
    };

    /// Changes of series 4: day, change, and what is paid after it.
    fn steps(changes: &[(i32, i64, i64)], endings: DataFrame) -> Steps {
        let ints = |name: &str, of: fn(&(i32, i64, i64)) -> i64| {
            Int64Chunked::from_iter_values(name.into(), changes.iter().map(of)).into_column()
        };
        let columns = vec![
            UInt32Chunked::from_iter_values("series".into(), changes.iter().map(|_| 4)).into_column(),
            Int32Chunked::from_iter_values("day".into(), changes.iter().map(|c| c.0)).into_date().into_column(),
            ints("delta", |c| c.1),
            ints("after", |c| c.2),
        ];
        let changes = DataFrame::new(changes.len(), columns).unwrap();
        let endings = endings.lazy().with_column(col("ends").cast(DataType::Date)).collect().unwrap();
        Steps::from([("changes", changes), ("series", DataFrame::empty()), ("numbered", endings)])
    }

    #[test]
    fn changes_are_told_by_kind_and_reason() {
        let changes =
            [(0, 100, 100), (10, 50, 150), (15, -30, 120), (20, -120, 0), (30, 40, 40), (40, -40, 0), (406, 7, 7)];
        // On day 20 two intervals end: the reason of the larger one counts. What ends on day 40 has none.
        let endings = df!(
            "series" => [4u32, 4, 4],
            "ends" => [20, 20, 40],
            "list" => [20i64, 100, 40],
            "reason" => [Some("too dear"), Some("closed"), None],
        );
        let told = MOVES.run(&steps(&changes, endings.unwrap())).unwrap().expect("nothing is missing");
        let texts = |name: &str| {
            let column = told.column(name).unwrap().str().unwrap().iter();
            column.map(|text| text.unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        // 406 is 366 days after 40: who comes back so late is new.
        let kinds = ["new", "expansion", "contraction", "churn", "reactivation", "churn", "new"];
        assert_eq!(texts("kind"), kinds);
        assert_eq!(texts("reason"), ["-", "-", "-", "closed", "-", "-", "-"]);
        let before: Vec<_> = told.column("before").unwrap().i64().unwrap().into_no_null_iter().collect();
        assert_eq!(before, [0, 100, 150, 120, 0, 40, 0]);
        let paid: Vec<_> =
            told.column("first_paid_on").unwrap().date().unwrap().physical().into_no_null_iter().collect();
        assert_eq!(paid, [0, 0, 0, 0, 0, 0, 406]);
    }

    #[test]
    fn a_step_that_is_not_there_is_left_to_the_query() {
        let endings = || df!("series" => [4u32], "ends" => [20], "list" => [20i64], "reason" => ["closed"]).unwrap();
        let mut steps = steps(&[(0, 100, 100)], endings());
        steps.remove("numbered");
        assert!(MOVES.run(&steps).unwrap().is_none());
    }
}
