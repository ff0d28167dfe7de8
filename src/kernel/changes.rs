//! The pass that nets what series pay: from intervals of all components to what changed on which day, taken apart.
//!
//! Intervals are put beside the others of their series, so that a series is netted and told in one go, without any other.

mod line;

use std::ops::Range;

use polars::prelude::*;
use rayon::prelude::*;

use super::book::{Codes, array, number, side_by_side};
use super::sums::{all, ints};
use super::tally::IntArray;
use crate::expr::key::pack;
use crate::expr::parts::{PARTS, part};
use line::Line;

/// Net changes per series and day.
#[derive(Clone, Copy, Debug)]
pub struct Changes {
    /// Step with a row per interval: `series`, `starts`, `ends` (at most the horizon), `list`, and as there are
    /// `discount`, `paused` and `usage`; with products also `product`, `quantity`, `items`, `plan` and `cycle`.
    pub rows: &'static str,
    /// Order within a day, for the keys of the rows.
    pub order: i64,
    /// Whether changes are taken apart by product.
    pub lines: bool,
    /// Whether pauses are movements of their own.
    pub pauses: bool,
    /// Day after the last day that results cover.
    pub horizon: i32,
    /// Decimal places of amounts.
    pub scale: u8,
}

/// Names of the amounts that add up to what is paid, in the order of [`Change::amounts`].
const AMOUNTS: [&str; 4] = ["list", "discount", "paused", "usage"];

/// Names of what a line is, in the order of [`Change::state`].
const STATE: [&str; 4] = ["quantity", "items", "plan", "cycle"];

/// What begins or ends on a day.
#[derive(Clone, Copy, Default)]
struct Change {
    day: i32,
    amounts: [i64; 4],
    state: [i64; 4],
}

impl Change {
    /// `None` where a sum does not fit.
    fn add(&mut self, more: &Self) -> Option<()> {
        let own = self.amounts.iter_mut().chain(&mut self.state);
        for (sum, more) in own.zip(more.amounts.iter().chain(&more.state)) {
            *sum = sum.checked_add(*more)?;
        }
        Some(())
    }

    fn negated(&self, day: i32) -> Option<Self> {
        let mut out = Self { day, ..Self::default() };
        let own = out.amounts.iter_mut().chain(&mut out.state);
        for (to, from) in own.zip(self.amounts.iter().chain(&self.state)) {
            *to = from.checked_neg()?;
        }
        Some(out)
    }
}

/// What changed on a day, and what of it is which part.
#[derive(Clone, Copy, Default)]
struct Net {
    day: i32,
    delta: i64,
    paused: i64,
    parts: [i64; PARTS.len()],
}

impl Net {
    fn add(&mut self, more: &Self) -> Option<()> {
        self.delta = self.delta.checked_add(more.delta)?;
        self.paused = self.paused.checked_add(more.paused)?;
        for (sum, more) in self.parts.iter_mut().zip(more.parts) {
            *sum = sum.checked_add(more)?;
        }
        Some(())
    }
}

/// The intervals, column by column.
struct Rows {
    /// The rows of each series, side by side.
    order: Vec<u32>,
    /// First place of each series in the order, and the number of rows.
    first: Vec<usize>,
    starts: Int32Chunked,
    ends: Int32Chunked,
    /// By row its product; without products nothing.
    products: Vec<u32>,
    amounts: [Option<IntArray>; 4],
    state: [Option<IntArray>; 4],
}

impl Rows {
    /// `None` where something is missing.
    fn new(of: &Changes, frame: &DataFrame) -> PolarsResult<Option<Self>> {
        let has_nulls = |name: &str| Ok::<_, PolarsError>(frame.column(name)?.null_count() > 0);
        let mut names = vec!["series", "starts", "ends"];
        names.extend(AMOUNTS.iter().filter(|name| frame.schema().contains(name)));
        if of.lines {
            names.push("product");
            names.extend(STATE);
        }
        for name in names {
            if has_nulls(name)? {
                return Ok(None);
            }
        }
        let ints = |name: &str| -> PolarsResult<Option<IntArray>> {
            let Ok(column) = frame.column(name) else { return Ok(None) };
            Ok(Some(array(column.i64()?)))
        };
        let days = |name: &str| Ok::<_, PolarsError>(frame.column(name)?.date()?.physical().rechunk().into_owned());
        let series = frame.column("series")?.u32()?;
        let all = series.max().map_or(0, |last| last as usize + 1);
        let (order, first) = side_by_side(|| series.into_no_null_iter(), all);
        let [list, discount, paused, usage] = AMOUNTS;
        let [quantity, items, plan, cycle] = STATE;
        Ok(Some(Self {
            order,
            first,
            starts: days("starts")?,
            ends: days("ends")?,
            products: if of.lines { Codes::new(frame.column("product")?.str()?).of } else { Vec::new() },
            amounts: [ints(list)?, ints(discount)?, ints(paused)?, ints(usage)?],
            state: [ints(quantity)?, ints(items)?, ints(plan)?, ints(cycle)?],
        }))
    }

    /// The row of a series where it begins.
    fn change(&self, row: usize, day: i32) -> Change {
        let of = |columns: &[Option<IntArray>; 4]| {
            [0, 1, 2, 3].map(|at: usize| columns[at].as_ref().map_or(0, |values| values.value(row)))
        };
        Change { day, amounts: of(&self.amounts), state: of(&self.state) }
    }
}

impl Changes {
    /// The frame of the step, by series and day; `None` where something is missing or does not fit: the query tells
    /// these apart.
    pub(super) fn run(&self, frame: &DataFrame) -> PolarsResult<Option<DataFrame>> {
        /// Series that one thread takes at once.
        const SHARE: usize = 16_384;
        let Some(rows) = Rows::new(self, frame)? else { return Ok(None) };
        let (Ok(starts), Ok(ends)) = (rows.starts.cont_slice(), rows.ends.cont_slice()) else { return Ok(None) };
        let all = rows.first.len() - 1;
        let shares = (0..all.div_ceil(SHARE)).into_par_iter();
        let told = shares.map(|share| self.told(&rows, (starts, ends), share * SHARE..all.min((share + 1) * SHARE)));
        let Some(told) = told.collect::<Option<Vec<_>>>() else { return Ok(None) };
        self.frame(&told).map(Some)
    }

    fn told(&self, rows: &Rows, (starts, ends): (&[i32], &[i32]), series: Range<usize>) -> Option<Told> {
        let (mut told, mut net) = (Told::default(), Vec::new());
        let mut line = Line::new(self.scale);
        for series in series {
            net.clear();
            let own = &rows.order[rows.first[series]..rows.first[series + 1]];
            let changes = own.iter().map(|row| *row as usize).flat_map(|row| {
                let begins = rows.change(row, starts[row]);
                let product = rows.products.get(row).copied().unwrap_or(0);
                [(product, Some(begins)), (product, begins.negated(ends[row]))]
            });
            if self.lines {
                line.tell(changes, &mut net)?;
            } else {
                for (_, change) in changes {
                    let Change { day, amounts, .. } = change?;
                    let delta = amounts.iter().try_fold(0i64, |sum, amount| sum.checked_add(*amount))?;
                    net.push(Net { day, delta, paused: amounts[2], ..Net::default() });
                }
            }
            net.sort_unstable_by_key(|net| net.day);
            self.tell(number(series), &net, &mut told)?;
        }
        Some(told)
    }

    /// Tells what changed in a series, sorted by day.
    fn tell(&self, series: u32, net: &[Net], told: &mut Told) -> Option<()> {
        let (mut after, mut paused_after) = (0i64, 0i64);
        // What runs beyond the horizon ends there, which nobody sees.
        let seen = &net[..net.partition_point(|net| net.day < self.horizon)];
        for of_day in seen.chunk_by(|a, b| a.day == b.day) {
            let mut net = of_day[0];
            of_day[1..].iter().try_for_each(|more| net.add(more))?;
            if net.delta == 0 && (net.paused == 0 || !self.pauses) {
                continue;
            }
            after = after.checked_add(net.delta)?;
            paused_after = paused_after.checked_sub(net.paused)?;
            told.series.push(series);
            told.days.push(net.day);
            told.delta.push(net.delta);
            told.after.push(after);
            if self.pauses {
                told.paused.push(net.paused);
                told.paused_after.push(paused_after);
            }
            if self.lines {
                told.parts.push(net.parts);
            }
        }
        Some(())
    }

    /// All shares as one frame, with the columns of the query.
    fn frame(&self, told: &[Told]) -> PolarsResult<DataFrame> {
        let (series, days) = (|| all(told, |told| &told.series), || all(told, |told| &told.days));
        let keys = series().zip(days()).map(|(series, day)| pack(series, day, self.order));
        let mut columns = vec![ints("key", keys), ints("delta", all(told, |told| &told.delta))];
        if self.pauses {
            columns.push(ints("paused", all(told, |told| &told.paused)));
        }
        if self.lines {
            let of =
                |(at, name): (usize, &&str)| ints(&part(name), all(told, |told| &told.parts).map(|parts| parts[at]));
            columns.extend(PARTS.iter().enumerate().map(of));
        }
        columns.push(ints("after", all(told, |told| &told.after)));
        columns.push(UInt32Chunked::from_iter_values("series".into(), series()).into_column());
        columns.push(Int32Chunked::from_iter_values("day".into(), days()).into_date().into_column());
        if self.pauses {
            columns.push(ints("paused_after", all(told, |told| &told.paused_after)));
        }
        DataFrame::new(told.iter().map(|told| told.days.len()).sum(), columns)
    }
}

/// The changes of some series, by series and day.
#[derive(Default)]
struct Told {
    series: Vec<u32>,
    days: Vec<i32>,
    delta: Vec<i64>,
    after: Vec<i64>,
    /// Where pauses are movements of their own.
    paused: Vec<i64>,
    paused_after: Vec<i64>,
    /// Where changes are taken apart.
    parts: Vec<[i64; PARTS.len()]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pass without products, or with them; nothing is known after day 90.
    fn changes(lines: bool) -> Changes {
        Changes { rows: "rows", order: 3, lines, pauses: false, horizon: 90, scale: 2 }
    }

    /// Intervals of one product and plan: series, first and last day, list price, units.
    fn intervals(rows: &[(u32, i32, i32, i64, i64)]) -> DataFrame {
        let ints = |name: &str, of: fn(&(u32, i32, i32, i64, i64)) -> i64| ints(name, rows.iter().map(of));
        let days = |name: &str, of: fn(&(u32, i32, i32, i64, i64)) -> i32| {
            Int32Chunked::from_iter_values(name.into(), rows.iter().map(of)).into_date().into_column()
        };
        let columns = vec![
            UInt32Chunked::from_iter_values("series".into(), rows.iter().map(|r| r.0)).into_column(),
            days("starts", |r| r.1),
            days("ends", |r| r.2),
            ints("list", |r| r.3),
            Column::new("product".into(), vec!["crm"; rows.len()]),
            ints("quantity", |r| r.4),
            ints("items", |_| 1),
            ints("plan", |_| 7),
            ints("cycle", |_| 12),
        ];
        DataFrame::new(rows.len(), columns).unwrap()
    }

    fn column(frame: &DataFrame, name: &str) -> Vec<i64> {
        let column = frame.column(name).unwrap().cast(&DataType::Int64).unwrap();
        column.i64().unwrap().into_no_null_iter().collect()
    }

    #[test]
    fn changes_are_netted_by_series_and_day_and_taken_apart() {
        // Series 1 begins with one unit of 100, takes a second one on day 10, and still runs at the horizon. Series 0
        // pays 30 from day 3 to day 5. Rows of the series are mixed.
        let rows = intervals(&[(1, 10, 90, 200, 2), (0, 3, 5, 30, 1), (1, 0, 10, 100, 1)]);
        let told = changes(true).run(&rows).unwrap().expect("nothing is missing");
        assert_eq!(column(&told, "series"), [0, 0, 1, 1]);
        assert_eq!(column(&told, "day"), [3, 5, 0, 10]);
        assert_eq!(column(&told, "delta"), [30, -30, 100, 100]);
        assert_eq!(column(&told, "after"), [30, 0, 100, 200]);
        assert_eq!(column(&told, "product_delta"), [30, -30, 100, 0]);
        assert_eq!(column(&told, "seats_delta"), [0, 0, 0, 100]);
        let plain = changes(false).run(&rows).unwrap().expect("nothing is missing");
        assert_eq!(plain.get_column_names(), ["key", "delta", "after", "series", "day"]);
        assert!(plain.equals(&told.select(plain.get_column_names()).unwrap()));
    }

    #[test]
    fn what_goes_on_at_the_same_price_is_no_change() {
        let rows = intervals(&[(0, 0, 10, 100, 1), (0, 10, 20, 100, 1)]);
        let told = changes(true).run(&rows).unwrap().expect("nothing is missing");
        assert_eq!((column(&told, "day"), column(&told, "delta")), (vec![0, 20], vec![100, -100]));
    }

    #[test]
    fn what_does_not_fit_or_is_missing_is_left_to_the_query() {
        let rows = intervals(&[(0, 0, 10, i64::MAX, 1), (0, 0, 10, i64::MAX, 1)]);
        for lines in [false, true] {
            assert!(changes(lines).run(&rows).unwrap().is_none(), "two of the largest amounts, lines: {lines}");
        }
        let mut rows = intervals(&[(0, 0, 10, 100, 1)]);
        rows.with_column(Column::full_null("list".into(), 1, &DataType::Int64)).unwrap();
        assert!(changes(false).run(&rows).unwrap().is_none(), "no price");
    }
}
