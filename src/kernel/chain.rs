//! The file of a ledger as a chain of changes: one walk over what was written proves what must hold of it.
//!
//! The walk reads with another library than the one that writes, and does not say what is wrong: where anything is, or
//! where it cannot tell, it proves nothing, and the queries of the identities count and show the rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, RecordBatch, Scalar, StringViewArray,
};
use arrow::compute::kernels::cmp;
use arrow::compute::{or, partition};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Decimal128Type, Field as ArrowField, Schema as ArrowSchema};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use polars::prelude::*;
use rayon::prelude::*;

use super::sums::Sums;

/// What a walk over the file of a ledger has to prove.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Columns that sum to the change in rows of kind `expansion` and `contraction`, and are zero in others.
    pub parts: Vec<String>,
    /// The identities that hold where the walk finds nothing: before + delta = after in every row; after of one row is
    /// before of the next of its customer and currency, and before is zero in the first; after is never negative; the
    /// magnitudes of all changes sum to less than [`MOST`]; and of the parts what is said there.
    pub proves: Vec<&'static str>,
}

/// Rows that are looked at together.
const SOME: usize = 1 << 14;

/// What all changes sum to at most, whatever their sign: far enough below what 64 bits hold.
const MOST: u128 = 9_000_000_000_000_000_000;

/// The columns that are read, without the parts.
const COLUMNS: [&str; 6] = ["customer_id", "currency", "effective_on", "mrr_before", "mrr_delta", "mrr_after"];

impl Chain {
    /// Walks the file. When all that it [proves](Chain::proves) holds, the sums of `mrr_delta` by `currency` and
    /// `effective_on`; else `None`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn walk(&self, file: &Path) -> PolarsResult<Option<DataFrame>> {
        match self.walked(file) {
            Ok(whole) => whole.map(Stretch::daily).transpose(),
            Err(e) => polars_bail!(ComputeError: "{e}"),
        }
    }

    /// The whole file, where nothing is wrong in it.
    fn walked(&self, file: &Path) -> Result<Option<Stretch>, ParquetError> {
        let footer = ArrowReaderMetadata::load(&File::open(file)?, ArrowReaderOptions::new())?;
        // Views of texts are compared without a look at the texts, where these are short.
        let as_views = |field: &Arc<ArrowField>| match field.data_type() {
            ArrowType::Utf8 | ArrowType::LargeUtf8 => {
                Arc::new(field.as_ref().clone().with_data_type(ArrowType::Utf8View))
            }
            _ => field.clone(),
        };
        let schema = Arc::new(ArrowSchema::new(footer.schema().fields().iter().map(as_views).collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let footer = ArrowReaderMetadata::try_new(footer.metadata().clone(), options)?;
        let kind = self.parts.first().map(|_| "kind");
        let wanted = COLUMNS.into_iter().chain(kind).chain(self.parts.iter().map(String::as_str));
        let columns = ProjectionMask::columns(footer.parquet_schema(), wanted);
        let stretches = (0..footer.metadata().num_row_groups()).into_par_iter().map(|group| {
            let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(file)?, footer.clone())
                .with_row_groups(vec![group])
                .with_projection(columns.clone())
                .with_batch_size(SOME)
                .build()?;
            let mut stretch = Stretch::default();
            for rows in rows {
                let rows = Rows::of(&rows?, &self.parts)?;
                if !rows.is_some_and(|rows| stretch.go_on(&rows)) {
                    return Ok(None);
                }
            }
            Ok(Some(stretch))
        });
        let stretches = stretches.collect::<Result<Option<Vec<Stretch>>, ParquetError>>()?;
        Ok(stretches.and_then(|all| all.into_iter().try_fold(Stretch::default(), Stretch::join)))
    }
}

/// Rows that were read together.
struct Rows {
    customer: ArrayRef,
    currency: StringViewArray,
    day: Date32Array,
    before: Decimal128Array,
    delta: Decimal128Array,
    after: Decimal128Array,
    parts: Vec<Decimal128Array>,
    /// Whether the parts sum to the change; empty where there are none.
    apart: BooleanArray,
    /// The rows of each customer and currency.
    series: Vec<Range<usize>>,
}

impl Rows {
    /// `None` where a column is not what a ledger has there.
    fn of(rows: &RecordBatch, parts: &[String]) -> Result<Option<Self>, ArrowError> {
        let column = |name: &str| rows.column_by_name(name).filter(|c| c.null_count() == 0).cloned();
        let amount = |name: &str| column(name)?.as_primitive_opt::<Decimal128Type>().cloned();
        let (Some(customer), Some(currency), Some(day)) =
            (column("customer_id"), column("currency"), column("effective_on"))
        else {
            return Ok(None);
        };
        let series = partition(&[customer.clone(), currency.clone()])?.ranges();
        let (Some(currency), Some(day)) =
            (currency.as_string_view_opt(), day.as_primitive_opt::<Date32Type>().cloned())
        else {
            return Ok(None);
        };
        let (Some(before), Some(delta), Some(after), Some(parts)) = (
            amount("mrr_before"),
            amount("mrr_delta"),
            amount("mrr_after"),
            parts.iter().map(|part| amount(part)).collect::<Option<Vec<_>>>(),
        ) else {
            return Ok(None);
        };
        let apart = if parts.is_empty() {
            BooleanArray::new_null(0)
        } else {
            let Some(kind) = column("kind") else { return Ok(None) };
            let is = |name: &str| cmp::eq(&kind, &Scalar::new(StringViewArray::from(vec![name])));
            or(&is("expansion")?, &is("contraction")?)?
        };
        Ok(Some(Self { customer, currency: currency.clone(), day, before, delta, after, parts, apart, series }))
    }

    /// Whether the parts of a row are the change, or nothing where it is not taken apart.
    fn is_sum_of_parts(&self, row: usize) -> bool {
        if self.parts.is_empty() {
            return true;
        }
        let change = if self.apart.value(row) { self.delta.value(row) } else { 0 };
        let sum = self.parts.iter().try_fold(0i128, |sum, part| sum.checked_add(part.value(row)));
        sum == Some(change)
    }

    /// A row as an end of a stretch.
    fn end(&self, row: usize, amounts: &Decimal128Array) -> End {
        End {
            customer: self.customer.slice(row, 1),
            currency: Arc::new(self.currency.slice(row, 1)),
            amount: amounts.value(row),
        }
    }
}

/// The first or the last row of a stretch: before the one and after the other.
struct End {
    customer: ArrayRef,
    currency: ArrayRef,
    amount: i128,
}

impl End {
    /// What the next row begins with.
    fn carried_to(&self, next: &Self) -> i128 {
        let is_same =
            self.customer.as_ref() == next.customer.as_ref() && self.currency.as_ref() == next.currency.as_ref();
        if is_same { self.amount } else { 0 }
    }
}

/// Rows that follow each other, in which nothing is wrong.
#[derive(Default)]
struct Stretch {
    /// Nothing where there are no rows.
    ends: Option<(End, End)>,
    /// Sum of the magnitudes of the changes, less than [`MOST`].
    magnitude: u128,
    /// Changes by currency and day.
    days: BTreeMap<String, Sums<i32, 1>>,
}

impl Stretch {
    /// Takes the rows that follow; false where something is wrong with them.
    fn go_on(&mut self, rows: &Rows) -> bool {
        let Some(last) = rows.day.len().checked_sub(1) else { return true };
        let first = rows.end(0, &rows.before);
        // What comes before the first row of all is seen when stretches are joined.
        let mut amount = self.ends.as_ref().map_or(first.amount, |(_, last)| last.carried_to(&first));
        for series in &rows.series {
            if series.start > 0 {
                amount = 0;
            }
            let currency = rows.currency.value(series.start);
            if !self.days.contains_key(currency) {
                self.days.insert(currency.to_owned(), Sums::new());
            }
            let Some(days) = self.days.get_mut(currency) else { return false };
            for row in series.clone() {
                let (before, delta, after) = (rows.before.value(row), rows.delta.value(row), rows.after.value(row));
                self.magnitude = self.magnitude.saturating_add(delta.unsigned_abs());
                let chains = before == amount && before.checked_add(delta) == Some(after) && after >= 0;
                if !chains || self.magnitude >= MOST || !rows.is_sum_of_parts(row) {
                    return false;
                }
                // Less than what 64 bits hold, by the line above.
                let Ok(delta) = i64::try_from(delta) else { return false };
                days.of(rows.day.value(row))[0] += delta;
                amount = after;
            }
        }
        let last = rows.end(last, &rows.after);
        self.ends = Some(match self.ends.take() {
            Some((first, _)) => (first, last),
            None => (first, last),
        });
        true
    }

    /// Both, one after the other; `None` where something is wrong between them.
    fn join(mut self, next: Self) -> Option<Self> {
        let carried = |first: &End| self.ends.as_ref().map_or(0, |(_, last)| last.carried_to(first));
        if next.ends.as_ref().is_some_and(|(first, _)| first.amount != carried(first)) {
            return None;
        }
        self.magnitude = self.magnitude.saturating_add(next.magnitude);
        if self.magnitude >= MOST {
            return None;
        }
        for (currency, days) in next.days {
            let known = self.days.remove(&currency).unwrap_or_else(Sums::new);
            self.days.insert(currency, known.merged(days));
        }
        self.ends = match (self.ends, next.ends) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (known, None) => known,
            (None, next) => next,
        };
        Some(self)
    }

    /// The changes by currency and day: `currency`, `effective_on`, `mrr_delta`.
    fn daily(self) -> PolarsResult<DataFrame> {
        let rows = self.days.into_iter().flat_map(|(currency, days)| {
            days.rows().into_iter().map(move |(day, [delta])| (currency.clone(), day, delta))
        });
        let rows: Vec<(String, i32, i64)> = rows.collect();
        let columns = vec![
            Column::new("currency".into(), rows.iter().map(|(currency, ..)| currency.as_str()).collect::<Vec<_>>()),
            Column::new("effective_on".into(), rows.iter().map(|(_, day, _)| *day).collect::<Vec<_>>())
                .cast(&DataType::Date)?,
            Column::new("mrr_delta".into(), rows.iter().map(|(.., delta)| *delta).collect::<Vec<_>>()),
        ];
        DataFrame::new(rows.len(), columns)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Rows of a ledger: customer, currency, day, kind, before, delta, after, and seats.
    type Row = (&'static str, &'static str, i32, &'static str, i64, i64, i64, i64);

    /// Two customers, one of them in two currencies.
    const SOUND: [Row; 6] = [
        ("cus_a", "EUR", 3, "new", 0, 100, 100, 0),
        ("cus_a", "USD", 3, "new", 0, 10, 10, 0),
        ("cus_a", "USD", 5, "expansion", 10, 20, 30, 20),
        ("cus_a", "USD", 9, "churn", 30, -30, 0, 0),
        ("cus_with_a_long_name", "USD", 5, "new", 0, 7, 7, 0),
        ("cus_with_a_long_name", "USD", 6, "contraction", 7, -2, 5, -2),
    ];

    /// What the walk gives for a file of these rows, with so many rows in a row group.
    fn walked(rows: &[Row], group: usize) -> Option<Vec<(String, i32, i64)>> {
        let amount = |name: &str, of: fn(&Row) -> i64| {
            let units: Vec<i64> = rows.iter().map(of).collect();
            let wide = Int128Chunked::from_iter_values(name.into(), units.into_iter().map(i128::from));
            wide.into_decimal(18, 2).unwrap().into_column()
        };
        let texts = |name: &str, of: fn(&Row) -> &'static str| {
            Column::new(name.into(), rows.iter().map(of).collect::<Vec<_>>())
        };
        let days = Column::new("effective_on".into(), rows.iter().map(|r| r.2).collect::<Vec<_>>());
        let columns = vec![
            texts("customer_id", |r| r.0),
            texts("currency", |r| r.1),
            days.cast(&DataType::Date).unwrap(),
            texts("kind", |r| r.3),
            amount("mrr_before", |r| r.4),
            amount("mrr_delta", |r| r.5),
            amount("mrr_after", |r| r.6),
            amount("seats_delta", |r| r.7),
        ];
        let mut frame = DataFrame::new(rows.len(), columns).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.parquet");
        let file = File::create(&path).unwrap();
        ParquetWriter::new(file).with_row_group_size(Some(group)).finish(&mut frame).unwrap();
        let chain = Chain { parts: vec!["seats_delta".to_owned()], proves: Vec::new() };
        let daily = chain.walk(&path).unwrap()?;
        let (currency, day) = (daily.column("currency").unwrap(), daily.column("effective_on").unwrap());
        let day = day.cast(&DataType::Int32).unwrap();
        let delta = daily.column("mrr_delta").unwrap();
        let row = |row: usize| {
            let currency = currency.str().unwrap().get(row).unwrap().to_owned();
            (currency, day.i32().unwrap().get(row).unwrap(), delta.i64().unwrap().get(row).unwrap())
        };
        Some((0..daily.height()).map(row).collect())
    }

    #[test]
    fn a_sound_ledger_gives_its_changes_by_day() {
        // EUR: 100 on day 3. USD: 10 on day 3, 20 + 7 on day 5, -2 on day 6, -30 on day 9.
        let expected = [("EUR", 3, 100), ("USD", 3, 10), ("USD", 5, 27), ("USD", 6, -2), ("USD", 9, -30)];
        let expected: Vec<_> = expected.map(|(currency, day, delta)| (currency.to_owned(), day, delta)).into();
        for group in 1..=SOUND.len() {
            assert_eq!(walked(&SOUND, group), Some(expected.clone()), "{group} rows in a row group");
        }
        assert_eq!(walked(&[], 1), Some(Vec::new()));
    }

    #[test]
    fn whatever_is_wrong_proves_nothing() {
        let with = |at: usize, change: fn(&mut Row)| {
            let mut rows = SOUND;
            change(&mut rows[at]);
            rows.to_vec()
        };
        let cases = [
            ("before + delta is not after", with(5, |r| r.6 = 6)),
            ("before is not what was after", with(2, |r| (r.4, r.6) = (11, 31))),
            ("the first does not begin with nothing", with(0, |r| (r.4, r.6) = (1, 101))),
            ("another currency goes on", with(1, |r| (r.4, r.6) = (100, 110))),
            ("another customer goes on", with(4, |r| (r.4, r.6) = (5, 12))),
            ("less than nothing", with(3, |r| (r.5, r.6) = (-31, -1))),
            ("parts of another sum", with(2, |r| r.7 = 19)),
            ("parts of what is not taken apart", with(3, |r| r.7 = -30)),
            ("rows of a customer that do not stand together", [&SOUND[..], &SOUND[3..4]].concat()),
        ];
        for (name, rows) in cases {
            for group in 1..=rows.len() {
                assert_eq!(walked(&rows, group), None, "{name}, {group} rows in a row group");
            }
        }
    }

    #[test]
    fn sums_that_may_not_fit_are_left_to_the_queries() {
        // Within 18 digits each; ten of them are more than 64 bits hold.
        let most = 999_999_999_999_999_999;
        let customers = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let rows: Vec<Row> = customers.iter().map(|c| (*c, "USD", 1, "new", 0, most, most, 0)).collect();
        assert_eq!(walked(&rows[..9], 2), Some(vec![("USD".to_owned(), 1, 8_999_999_999_999_999_991)]));
        for group in 1..=rows.len() {
            assert_eq!(walked(&rows, group), None);
        }
    }
}
