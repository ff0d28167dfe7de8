//! Rows gathered batch by batch into columns that lie in one piece.
//!
//! What batches leave behind can then be used for the next ones: columns that keep the pieces of their
//! batches lie scattered between what was let go, and hold several times the memory that they fill.

use polars::prelude::*;
use polars::series::builder::SeriesBuilder;
use polars_arrow::array::builder::ShareStrategy;

/// Columns that grow with every batch.
pub(super) struct Columns {
    names: Vec<PlSmallStr>,
    columns: Vec<SeriesBuilder>,
    height: usize,
    /// Rows that there is room for.
    room: usize,
}

impl Columns {
    /// For at most so many rows.
    pub(super) fn new(schema: &Schema, rows: usize) -> Self {
        let column = |dtype: &DataType| {
            let mut column = SeriesBuilder::new(dtype.clone());
            column.reserve(rows);
            column
        };
        Self {
            names: schema.iter_names().cloned().collect(),
            columns: schema.iter_values().map(column).collect(),
            height: 0,
            room: rows,
        }
    }

    /// Adds the rows of a batch; it may have further columns.
    pub(super) fn add(&mut self, batch: &DataFrame) -> PolarsResult<()> {
        for (name, own) in self.names.iter().zip(&mut self.columns) {
            let column = batch.column(name)?;
            polars_ensure!(own.dtype() == column.dtype(), SchemaMismatch: "`{name}` is {} here", column.dtype());
            own.extend(column.as_materialized_series(), share(column));
        }
        self.height += batch.height();
        Ok(())
    }

    /// The rows. Where much room is left, they move to where there is none.
    pub(super) fn finish(self) -> PolarsResult<DataFrame> {
        let columns = self.names.into_iter().zip(self.columns).map(|(name, own)| own.freeze(name).into_column());
        let frame = DataFrame::new(self.height, columns.collect())?;
        if self.height >= self.room / 4 * 3 {
            return Ok(frame);
        }
        let mut exact = Self::new(frame.schema(), self.height);
        exact.add(&frame)?;
        exact.finish()
    }
}

/// What a column may keep of a batch: nothing of its buffers. Short texts have none, their views are all there is.
fn share(column: &Column) -> ShareStrategy {
    let is_short = |texts: &StringChunked| texts.downcast_iter().all(|texts| texts.total_buffer_len() == 0);
    if column.str().is_ok_and(is_short) { ShareStrategy::Always } else { ShareStrategy::Never }
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
        // Room for just as many rows, and for many more.
        for room in [5, 100] {
            let mut columns = Columns::new(batch.schema(), room);
            columns.add(&batch).unwrap();
            columns.add(&batch.slice(1, 2)).unwrap();
            columns.add(&batch.slice(0, 0)).unwrap();
            let expected = batch.vstack(&batch.slice(1, 2)).unwrap();
            let found = columns.finish().unwrap();
            assert!(found.equals_missing(&expected), "{found}");
            assert_eq!(found.schema(), expected.schema());
        }
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
