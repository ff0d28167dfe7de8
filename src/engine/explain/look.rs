//! Cells, rows and sums of frames in memory.

use polars::prelude::*;

use super::{Grid, Summed};
use crate::metrics::behind::{Adds, How, Row};
use crate::plan::RunPlan;
use crate::schema::{Cell, Column as Described, ColumnType, TableSchema};

/// Columns to load of every source that a table reads, by position.
pub(super) fn wanted(plan: &RunPlan) -> Vec<(usize, Vec<String>)> {
    let mut out = Vec::new();
    for (at, source) in plan.sources.iter().enumerate() {
        let reads: Vec<&Vec<String>> = plan.tables.iter().filter_map(|t| t.reads.get(&source.name)).collect();
        if reads.is_empty() {
            continue;
        }
        let mut columns: Vec<String> = Vec::new();
        for name in reads.into_iter().flatten() {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        out.push((at, columns));
    }
    out
}

/// Runs one query.
///
/// Without the search for common parts, which panics in some plans that hold one step function twice.
pub(super) fn collect(query: LazyFrame) -> PolarsResult<DataFrame> {
    Ok(query.with_comm_subplan_elim(false).collect_with_engine(Engine::Streaming)?.unwrap_single())
}

/// A value of the engine as a cell.
pub(super) fn cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(b) => Cell::Bool(*b),
        AnyValue::Float64(f) => Cell::Float(*f),
        AnyValue::Float32(f) => Cell::Float(f64::from(*f)),
        AnyValue::Date(days) => {
            Cell::Date(jiff::civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(i64::from(*days))))
        }
        AnyValue::Datetime(ticks, TimeUnit::Microseconds, _)
        | AnyValue::DatetimeOwned(ticks, TimeUnit::Microseconds, _) => instant(*ticks),
        other => match (other.get_str(), other.extract::<i64>()) {
            (Some(text), _) => Cell::Text(text.to_owned()),
            (None, Some(n)) => Cell::Int(n),
            (None, None) => Cell::Text(other.to_string()),
        },
    }
}

fn instant(micros: i64) -> Cell {
    let at = jiff::Timestamp::from_microsecond(micros);
    Cell::Text(at.map_or_else(|_| micros.to_string(), |at| at.to_string()))
}

/// Rows that hold a value in a column, NULL included.
pub(super) fn is(column: &str, value: &Cell) -> Expr {
    let column = col(column);
    match value {
        Cell::Null => column.is_null(),
        Cell::Bool(b) => column.eq(lit(*b)),
        Cell::Int(n) => column.eq(crate::expr::dims::int(*n)),
        Cell::Float(f) => column.eq(lit(*f)),
        Cell::Date(d) => column.eq(crate::expr::calendar::date_lit(*d)),
        Cell::Text(t) => column.eq(lit(t.as_str())),
    }
}

/// All rows of a frame, some columns of it.
pub(super) fn grid(frame: &DataFrame, columns: impl Iterator<Item = (String, ColumnType)>) -> PolarsResult<Grid> {
    let columns: Vec<(String, ColumnType)> = columns.collect();
    let found = columns.iter().map(|(name, _)| frame.column(name)).collect::<PolarsResult<Vec<_>>>()?;
    let rows = (0..frame.height())
        .map(|at| found.iter().map(|c| Ok(cell(&c.get(at)?))).collect::<PolarsResult<Vec<Cell>>>())
        .collect::<PolarsResult<Vec<_>>>()?;
    Ok(Grid { columns, total: rows.len(), rows })
}

/// The row of a table at a position.
pub(super) fn row_of(frame: &DataFrame, schema: &TableSchema, at: usize) -> PolarsResult<Row> {
    let cells = schema.columns.iter().map(|c| Ok((c.name.clone(), cell(&frame.column(&c.name)?.get(at)?))));
    Ok(Row(cells.collect::<PolarsResult<_>>()?))
}

/// Distinct values of columns, ascending, NULL last.
pub(super) fn values(frame: &DataFrame, columns: &[String]) -> PolarsResult<Vec<(String, Vec<Cell>)>> {
    columns
        .iter()
        .map(|name| {
            let values = frame.column(name)?.unique()?.sort(SortOptions::default().with_nulls_last(true))?;
            let cells = (0..values.len()).map(|at| Ok(cell(&values.get(at)?))).collect::<PolarsResult<Vec<_>>>()?;
            Ok((name.clone(), cells))
        })
        .collect()
}

/// What rows come to; `None` where the cell is NULL, or nothing is there on either side.
pub(super) fn summed(rows: &DataFrame, add: &Adds, column: &Described, cell: &Cell) -> PolarsResult<Option<Summed>> {
    let total = |name: &str| -> PolarsResult<i64> {
        Ok(rows.column(name)?.cast(&DataType::Int64)?.i64()?.iter().flatten().sum())
    };
    let of = rows.column(&add.of)?;
    let counted = match of.dtype() {
        DataType::Int64 => of.i64()?.iter().filter(|n| n.is_some_and(|n| n != 0)).count(),
        _ => rows.height(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let (value, rows) = match &add.how {
        How::Sum => (Cell::Int(total(&add.of)?), counted),
        How::Share(over) => match (total(&add.of)?, total(over)?) {
            (_, 0) => (Cell::Null, rows.height()),
            (part, whole) => (Cell::Float(part as f64 / whole as f64), rows.height()),
        },
        How::Mean => {
            let values: Vec<Option<f64>> = of.f64()?.iter().collect();
            let known: Option<Vec<f64>> = values.into_iter().collect();
            let mean = known.filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64);
            (mean.map_or(Cell::Null, Cell::Float), rows.height())
        }
    };
    if *cell == Cell::Null || (*cell == Cell::Int(0) && value == Cell::Int(0)) {
        return Ok(None);
    }
    let equal = super::number(&value).and_then(|n| super::holds(n, cell)).unwrap_or(false);
    Ok(Some(Summed { column: column.clone(), how: add.how.clone(), rows, value, equal }))
}

/// The rows of the group of a row, by period.
pub(super) struct Earlier {
    group: DataFrame,
    at: Option<usize>,
}

impl Earlier {
    pub(super) fn new(frame: &DataFrame, schema: &TableSchema, row: &Row) -> PolarsResult<Self> {
        let Some(day) = row.date("period_start").filter(|_| schema.grain.iter().any(|g| g == "period_start")) else {
            return Ok(Self { group: DataFrame::default(), at: None });
        };
        let same = schema
            .grain
            .iter()
            .filter(|g| *g != "period_start")
            .map(|g| is(g, row.0.get(g).unwrap_or(&Cell::Null)))
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true));
        let group =
            frame.clone().lazy().filter(same).sort(["period_start"], SortMultipleOptions::default()).collect()?;
        let days = group.column("period_start")?;
        let mut at = None;
        for position in 0..group.height() {
            if cell(&days.get(position)?) == Cell::Date(day) {
                at = Some(position);
            }
        }
        Ok(Self { group, at })
    }

    /// A column of the row, or of the row so many periods before.
    pub(super) fn value(&self, row: &Row, column: &str, back: u32) -> Cell {
        if back == 0 {
            return row.0.get(column).cloned().unwrap_or(Cell::Null);
        }
        let at = self.at.and_then(|at| at.checked_sub(back as usize));
        let found = at.and_then(|at| self.group.column(column).ok()?.get(at).ok().map(|v| cell(&v)));
        found.unwrap_or(Cell::Null)
    }
}
