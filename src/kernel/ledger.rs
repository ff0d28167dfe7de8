//! The pass that makes a ledger: from intervals to what changed for each customer on which day.
//!
//! Customers are numbered once, in the order of the ledger; from then on ids are places in arrays. Every
//! interval is two changes, put beside the others of its customer, so that a customer is netted, sorted
//! and told in one go, without any other. Each thread takes a range of ids, so that threads share nothing
//! and their shares follow one another.

mod share;

use polars::prelude::*;
use rayon::prelude::*;

use super::book::{Array, Book, Codes, array, arrays, inverse, sequence};
use super::ids::{self, Id, Words, bounds};
use super::versions::Versions;
use crate::expr::sequence::CHANGED;
use share::Share;

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

/// Intervals column by column.
struct Rows {
    currencies: Codes,
    /// Place of each currency by the alphabet, as the ledger has them.
    alphabet: Vec<u32>,
    /// The rows one after the other, in the pieces that queries leave.
    pieces: Vec<Piece>,
    reasons: Option<Codes>,
}

/// Rows that lie side by side.
struct Piece {
    starts: Array<Int32Type>,
    ends: Array<Int32Type>,
    list: Array<Int64Type>,
    recurs: Array<BooleanType>,
}

/// A row that pays something for at least one day.
#[derive(Clone, Copy)]
struct Interval {
    starts: i32,
    ends: i32,
    list: i64,
}

impl Rows {
    /// The pieces of all columns have to be the same.
    fn new(items: &DataFrame) -> PolarsResult<Self> {
        let days = |name: &str| Ok::<_, PolarsError>(arrays(items.column(name)?.date()?.physical()));
        let currencies = Codes::new(items.column("currency")?.str()?);
        let reasons = items.column("reason").ok().map(|reasons| reasons.str().map(Codes::new)).transpose()?;
        let (list, recurs) = (arrays(items.column("list")?.i64()?), arrays(items.column("recurs")?.bool()?));
        let columns = days("starts")?.into_iter().zip(days("ends")?).zip(list.into_iter().zip(recurs));
        let piece = |((starts, ends), (list, recurs))| Piece { starts, ends, list, recurs };
        Ok(Self { alphabet: currencies.places(), currencies, pieces: columns.map(piece).collect(), reasons })
    }

    fn height(&self) -> usize {
        self.currencies.of.len()
    }
}

impl Piece {
    fn height(&self) -> usize {
        self.list.len()
    }

    /// The interval of a row, where it is one.
    fn interval(&self, row: usize) -> Option<Interval> {
        let interval = Interval { starts: self.starts.get(row)?, ends: self.ends.get(row)?, list: self.list.get(row)? };
        (self.recurs.get(row)? && interval.ends > interval.starts && interval.list != 0).then_some(interval)
    }
}

/// The book of a ledger; `None` where a row has no customer or currency, or an amount does not fit: the
/// query of the ledger tells these apart.
pub(super) fn book(of: &Intervals<'_>, items: &DataFrame, versions: Option<&DataFrame>) -> PolarsResult<Option<Book>> {
    let mut items = items.clone();
    items.align_chunks();
    let rows = Rows::new(&items)?;
    let known = versions.map(|versions| Versions::new(of.dimensions, versions)).transpose()?;
    let (own, other) = (items.column("customer_id")?, versions.map(|v| v.column("customer_id")).transpose()?);
    let known = known.as_ref();
    if own.dtype() != &DataType::String {
        let (own, other) = (arrays(own.i64()?), other.map(|ids| ids.i64().map(array)).transpose()?);
        let versions = known.zip(other.as_ref()).map(|(known, ids)| (known, |row| ids.get(row)));
        return Ok(shared(of, &rows, |piece, row| own[piece].get(row), versions, |ids| ids::numbers(ids.into_iter())));
    }
    let words = Words::of(own.str()?);
    let (own, other) = (arrays(own.str()?), other.map(|ids| ids.str().map(array)).transpose()?);
    let Some(words) = words else {
        let versions = known.zip(other.as_ref()).map(|(known, ids)| (known, |row| ids.get(row)));
        return Ok(shared(of, &rows, |piece, row| own[piece].get(row), versions, |ids| ids::texts(ids.into_iter())));
    };
    let versions = known.zip(other.as_ref());
    let versions = versions.map(|(known, ids)| (known, |row| ids.get(row).and_then(|id| words.word(id))));
    let own = |piece: usize, row| own[piece].get(row).and_then(|id| words.word(id));
    Ok(shared(of, &rows, own, versions, |ids| words.column(ids.into_iter())))
}

/// Some ids, evenly spread over the rows.
fn sampled<T>(rows: &Rows, id: impl Fn(usize, usize) -> Option<T>) -> Vec<T> {
    const SAMPLE: usize = 1024;
    let step = rows.height().div_ceil(SAMPLE).max(1);
    let (mut sample, mut next) = (Vec::with_capacity(SAMPLE), 0);
    for (at, piece) in rows.pieces.iter().enumerate() {
        while next < piece.height() {
            sample.extend(id(at, next));
            next += step;
        }
        next -= piece.height();
    }
    sample
}

/// As [`book`], from the ids of the rows, by piece and place, and of the versions; `column` makes a column of ids.
fn shared<T: Id>(
    of: &Intervals<'_>,
    rows: &Rows,
    id: impl Fn(usize, usize) -> Option<T> + Sync,
    versions: Option<(&Versions, impl Fn(usize) -> Option<T> + Sync)>,
    column: impl Fn(Vec<T>) -> Column,
) -> Option<Book> {
    let bounds = bounds(sampled(rows, &id), rayon::current_num_threads());
    let shares = (0..=bounds.len()).into_par_iter().map(|range| {
        let mut share = Share::new(of, rows, &id, &bounds, range)?;
        if let Some((versions, id)) = &versions {
            share.find_versions(versions, id, &bounds, range);
        }
        Some(share)
    });
    let shares = shares.collect::<Option<Vec<_>>>()?;
    let (mut book, ids) = joined(shares, rows, versions.map(|(versions, _)| versions));
    book.customers = column(ids);
    Some(book)
}

/// All shares as one book, and the ids of its series.
fn joined<T: Id>(shares: Vec<Share<T>>, rows: &Rows, versions: Option<&Versions>) -> (Book, Vec<T>) {
    let height = shares.iter().map(Share::height).sum();
    let mut book = Book { bounds: vec![0], sequence: vec![sequence(CHANGED); height], ..Book::default() };
    let codes = inverse(&rows.alphabet);
    let (mut ids, mut currencies, mut latest, mut reasons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for share in shares {
        let first = book.dated.len();
        for (customer, id) in share.customers() {
            for (currency, first_paid, rows) in share.series(customer) {
                ids.push(id);
                currencies.push(codes[currency as usize]);
                latest.push(share.latest(customer));
                book.first_paid.push(first_paid);
                book.bounds.push(first + rows.end);
            }
        }
        append(&mut book.dated, share.dated);
        append(&mut book.kinds, share.kinds);
        append(&mut book.delta, share.delta);
        append(&mut book.after, share.after);
        // A share without any reason has no entries.
        reasons.resize(first, None);
        reasons.extend(share.reasons);
    }
    reasons.resize(height, None);
    book.currencies = rows.currencies.with(currencies);
    if let Some(known) = rows.reasons.as_ref().filter(|_| reasons.iter().any(Option::is_some)) {
        let mut known = known.with(Vec::new());
        let none = known.code(None);
        known.of = reasons.into_iter().map(|reason| reason.unwrap_or(none)).collect();
        book.reasons = known;
    }
    book.dimensions = versions.map_or_else(Vec::new, |versions| versions.dimensions(&latest, true));
    (book, ids)
}

/// Puts rows behind others; the first ones stay where they are.
fn append<T>(all: &mut Vec<T>, more: Vec<T>) {
    if all.is_empty() {
        *all = more;
    } else {
        all.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::dims::NOT_SET;

    /// The book of five intervals of these customers, the second of whom pays twice.
    fn book_of(ids: &Column, dimensions: &[String]) -> Book {
        let of = Intervals { items: "items", versions: Some("versions"), dimensions, horizon: 100, reactivation: None };
        let versions = df!("day" => [0, 5, 0], "plan" => ["basic", "pro", "team"]).unwrap();
        let day = col("day").cast(DataType::Date);
        let versions = versions.lazy().with_column(day).collect().unwrap();
        let mut own = ids.take(&IdxCa::from_slice("at".into(), &[1, 1, 2])).unwrap();
        let versions = versions.hstack(&[std::mem::take(&mut own).with_name("customer_id".into())]).unwrap();
        let items = df!(
            "currency" => ["USD"; 5],
            "starts" => [10, 20, 0, 30, 20],
            "ends" => [50, 100, 100, 40, 60],
            "list" => [7i64, 5, 3, 4, 9],
            "recurs" => [true; 5],
        );
        let days = [col("starts").cast(DataType::Date), col("ends").cast(DataType::Date)];
        let items = items.unwrap().lazy().with_columns(days).collect().unwrap();
        let own = ids.take(&IdxCa::from_slice("at".into(), &[2, 0, 1, 1, 3])).unwrap().with_name("customer_id".into());
        book(&of, &items.hstack(&[own]).unwrap(), Some(&versions)).unwrap().unwrap()
    }

    #[test]
    fn a_ledger_is_the_same_whatever_ids_are_made_of() {
        let short = ["cus_1", "cus_3", "cus_5", "cus_7"];
        let long = short.map(|id| format!("{id} and many more than sixteen bytes"));
        assert!(Words::of(&StringChunked::from_slice("ids".into(), &short)).is_some());
        assert!(Words::of(&StringChunked::from_iter_values("ids".into(), long.iter())).is_none());
        let dimensions = ["plan".to_owned()];
        for ids in [
            Column::new("ids".into(), short),
            Column::new("ids".into(), long.each_ref().map(String::as_str)),
            Column::new("ids".into(), [1i64, 3, 5, 7]),
        ] {
            let book = book_of(&ids, &dimensions);
            assert!(
                book.customers.equals_missing(&ids.clone().with_name("customer_id".into())),
                "{:?}",
                book.customers
            );
            assert_eq!(book.bounds, [0, 1, 4, 6, 8]);
            assert_eq!(book.dated, [20, 0, 30, 40, 10, 50, 20, 60]);
            assert_eq!(book.after, [5, 3, 7, 3, 7, 0, 9, 0]);
            let plans: Vec<_> =
                book.dimensions[0].codes.of.iter().map(|code| book.dimensions[0].codes.text(*code)).collect();
            assert_eq!(plans, [Some(NOT_SET), Some("pro"), Some("team"), Some(NOT_SET)]);
        }
    }
}
