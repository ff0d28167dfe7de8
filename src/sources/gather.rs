//! Rows gathered batch by batch into columns that lie in one piece.
//!
//! What batches leave behind can then be used for the next ones: columns that keep the pieces of their
//! batches lie scattered between what was let go, and hold several times the memory that they fill.

use polars::prelude::*;
use polars_arrow::array::MutablePlString;

/// Columns that grow with every batch.
pub(super) struct Columns {
    names: Vec<PlSmallStr>,
    columns: Vec<Growing>,
    height: usize,
}

/// A column that grows.
enum Growing {
    Texts(PlSmallStr, MutablePlString),
    Bools(BooleanChunkedBuilder),
    Floats(PrimitiveChunkedBuilder<Float64Type>),
    /// Whole numbers, and what is one inside.
    Ints(PrimitiveChunkedBuilder<Int64Type>, DataType),
    Days(PrimitiveChunkedBuilder<Int32Type>),
    Numbers(PrimitiveChunkedBuilder<UInt32Type>),
    Other(Series),
}

impl Columns {
    /// For at most so many rows; room that stays empty costs nothing.
    pub(super) fn new(schema: &Schema, rows: usize) -> Self {
        let column = |name: &PlSmallStr, dtype: &DataType| {
            let name = name.clone();
            match dtype {
                DataType::String => Growing::Texts(name, MutablePlString::with_capacity(rows)),
                DataType::Boolean => Growing::Bools(BooleanChunkedBuilder::new(name, rows)),
                DataType::Float64 => Growing::Floats(PrimitiveChunkedBuilder::new(name, rows)),
                DataType::Int64 | DataType::Datetime(..) => {
                    Growing::Ints(PrimitiveChunkedBuilder::new(name, rows), dtype.clone())
                }
                DataType::Date => Growing::Days(PrimitiveChunkedBuilder::new(name, rows)),
                DataType::UInt32 => Growing::Numbers(PrimitiveChunkedBuilder::new(name, rows)),
                _ => Growing::Other(Series::new_empty(name, dtype)),
            }
        };
        Self {
            names: schema.iter_names().cloned().collect(),
            columns: schema.iter().map(|(name, dtype)| column(name, dtype)).collect(),
            height: 0,
        }
    }

    /// Adds the rows of a batch; it may have further columns.
    pub(super) fn add(&mut self, batch: &DataFrame) -> PolarsResult<()> {
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            column.add(batch.column(name)?)?;
        }
        self.height += batch.height();
        Ok(())
    }

    pub(super) fn finish(self) -> PolarsResult<DataFrame> {
        DataFrame::new(self.height, self.columns.into_iter().map(Growing::finish).collect())
    }
}

impl Growing {
    fn add(&mut self, column: &Column) -> PolarsResult<()> {
        match self {
            Self::Texts(_, own) => column.str()?.downcast_iter().for_each(|texts| {
                if texts.total_buffer_len() == 0 {
                    // Of short texts their views are all there is.
                    own.extend_from_array(texts);
                } else {
                    // So that nothing is held of the batch.
                    texts.iter().for_each(|text| own.push(text));
                }
            }),
            Self::Bools(own) => column.bool()?.iter().for_each(|value| own.append_option(value)),
            Self::Floats(own) => extend(own, column.f64()?),
            Self::Ints(own, DataType::Datetime(..)) => extend(own, column.datetime()?.physical()),
            Self::Ints(own, _) => extend(own, column.i64()?),
            Self::Days(own) => extend(own, column.date()?.physical()),
            Self::Numbers(own) => extend(own, column.u32()?),
            Self::Other(own) => own.append(column.as_materialized_series()).map(drop)?,
        }
        Ok(())
    }

    fn finish(self) -> Column {
        match self {
            Self::Texts(name, own) => StringChunked::with_chunk(name, own.freeze()).into_column(),
            Self::Bools(own) => own.finish().into_column(),
            Self::Floats(own) => own.finish().into_column(),
            Self::Ints(own, DataType::Datetime(unit, zone)) => own.finish().into_datetime(unit, zone).into_column(),
            Self::Ints(own, _) => own.finish().into_column(),
            Self::Days(own) => own.finish().into_date().into_column(),
            Self::Numbers(own) => own.finish().into_column(),
            Self::Other(own) => own.into_column(),
        }
    }
}

fn extend<T: PolarsNumericType>(own: &mut PrimitiveChunkedBuilder<T>, values: &ChunkedArray<T>) {
    if values.has_nulls() {
        values.iter().for_each(|value| own.append_option(value));
    } else {
        values.into_no_null_iter().for_each(|value| own.append_value(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_batches() {
        let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let batch = df!(
            "text" => [Some("a"), None, Some("longer than twelve bytes")],
            "flag" => [Some(true), None, Some(false)],
            "float" => [Some(0.5), None, Some(-1.0)],
            "int" => [Some(1i64), None, Some(-3)],
            "number" => [1u32, 2, 3],
            "at" => [Some(5i64), None, Some(7)],
            "day" => [Some(1i32), None, Some(20_000)],
            "other" => [Some(1i16), None, Some(2)],
        )
        .unwrap()
        .lazy()
        .with_columns([col("at").cast(utc), col("day").cast(DataType::Date)])
        .collect()
        .unwrap();
        let mut columns = Columns::new(batch.schema(), 6);
        columns.add(&batch).unwrap();
        columns.add(&batch.slice(1, 2)).unwrap();
        columns.add(&batch.slice(0, 0)).unwrap();
        let expected = batch.vstack(&batch.slice(1, 2)).unwrap();
        let found = columns.finish().unwrap();
        assert!(found.equals_missing(&expected), "{found}");
        assert_eq!(found.schema(), expected.schema());
    }
    #[test]
    fn short_texts_and_long_ones_follow_each_other() {
        let batch =
            |texts: &[Option<&str>]| StringChunked::from_slice_options("text".into(), texts).into_column().into_frame();
        let (short, long) = (batch(&[Some("a"), None, Some("")]), batch(&[Some("longer than twelve bytes"), None]));
        for batches in [[&short, &long, &short], [&long, &short, &long], [&short, &short, &short]] {
            let mut columns = Columns::new(short.schema(), 0);
            let mut expected = short.clear();
            for batch in batches {
                columns.add(batch).unwrap();
                expected.vstack_mut(batch).unwrap();
            }
            assert!(columns.finish().unwrap().equals_missing(&expected));
        }
    }
}
