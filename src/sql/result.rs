//! From what a query gives to columns that may be published.

use polars::prelude::*;

use crate::schema::ColumnType;

/// A column of a result: its type in the pipeline, and how it is made from what the query gives.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// The canonical column; money in units of the pipeline's scale.
    pub expr: Expr,
}

/// Why a column of a result cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The column.
    pub column: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// The columns of a result, or every reason why they are none.
pub type Result<T> = std::result::Result<T, Vec<Unfit>>;

/// Microseconds of the units that a column of durations can be named after.
const LENGTHS: [(&str, i64); 4] =
    [("_days", 86_400_000_000), ("_hours", 3_600_000_000), ("_minutes", 60_000_000), ("_seconds", 1_000_000)];

/// The columns of a result of that schema.
///
/// `asked` are types that the pipeline file gives to columns by name. Rules: whole numbers become
/// 64 bits; decimals are money; floats that are not finite become NULL; instants become UTC with
/// microseconds; a length of time becomes a whole number of the unit in the column's name.
///
/// # Errors
/// Every column that has no published form.
pub fn shape(schema: &Schema, scale: u8, asked: &[(String, ColumnType)]) -> Result<Vec<Shape>> {
    let mut out = Vec::new();
    let mut unfit = Vec::new();
    for (name, ty) in schema.iter() {
        let wanted = asked.iter().find(|(column, _)| column == name.as_str()).map(|(_, ty)| *ty);
        match column(name, ty, scale, wanted) {
            Ok((ty, expr)) => out.push(Shape { name: name.to_string(), ty, expr: expr.alias(name.clone()) }),
            Err((reason, help)) => unfit.push(Unfit { column: name.to_string(), reason, help }),
        }
    }
    if unfit.is_empty() { Ok(out) } else { Err(unfit) }
}

type Made = std::result::Result<(ColumnType, Expr), (String, String)>;

fn column(name: &str, ty: &DataType, scale: u8, asked: Option<ColumnType>) -> Made {
    let (found, expr) = natural(name, ty, scale)?;
    let Some(asked) = asked.filter(|asked| *asked != found) else { return Ok((found, expr)) };
    match (found, asked) {
        // An exact number that is no amount: a share, a ratio.
        (ColumnType::Money, ColumnType::Float) => Ok((asked, col(name).cast(DataType::Float64))),
        (ColumnType::Int, ColumnType::Float) => Ok((asked, expr.cast(DataType::Float64))),
        (ColumnType::String, ColumnType::Currency) | (ColumnType::Currency, ColumnType::String) => Ok((asked, expr)),
        _ => Err((
            format!("it is {found}, and `columns` says {asked}"),
            format!("write CAST in the query, or remove `type: {asked}`"),
        )),
    }
}

/// The type that follows from what the engine gives.
fn natural(name: &str, ty: &DataType, scale: u8) -> Made {
    let column = col(name);
    let refuse = |reason: &str, help: &str| Err((reason.to_owned(), help.to_owned()));
    Ok(match ty {
        DataType::String if name == "currency" || name.ends_with("_currency") => (ColumnType::Currency, column),
        DataType::String => (ColumnType::String, column),
        DataType::Boolean => (ColumnType::Bool, column),
        DataType::Date => (ColumnType::Date, column),
        DataType::Int64 => (ColumnType::Int, column),
        _ if ty.is_integer() => (ColumnType::Int, column.strict_cast(DataType::Int64)),
        DataType::Float32 | DataType::Float64 => {
            let wide = column.cast(DataType::Float64);
            (ColumnType::Float, when(wide.clone().is_finite()).then(wide).otherwise(lit(NULL).cast(DataType::Float64)))
        }
        DataType::Decimal(..) => {
            let major = column.cast(DataType::Decimal(38, usize::from(scale)));
            (ColumnType::Money, major.to_physical().strict_cast(DataType::Int64))
        }
        DataType::Datetime(_, Some(_)) => {
            let utc = column.dt().convert_time_zone(TimeZone::UTC);
            (ColumnType::Timestamp, utc.cast(DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))))
        }
        DataType::Duration(_) => {
            let Some((_, length)) = LENGTHS.iter().find(|(unit, _)| name.ends_with(unit)) else {
                return refuse(
                    "it is a length of time, whose unit nobody would know",
                    "name it after its unit: `AS age_days`, `_hours`, `_minutes` or `_seconds`",
                );
            };
            let micros = column.cast(DataType::Duration(TimeUnit::Microseconds)).cast(DataType::Int64);
            (ColumnType::Int, micros.floor_div(lit(*length).cast(DataType::Int64)))
        }
        DataType::Datetime(_, None) => {
            return refuse(
                "it is a local time of no time zone",
                "keep a timestamp column as it is, or make it a date with `date_trunc('day', ..)`",
            );
        }
        DataType::Null => return refuse("it is NULL of no type", "say the type: `CAST(NULL AS DATE)`"),
        DataType::List(_) | DataType::Struct(_) => {
            return refuse("it holds several values in one row", "make it one row per value, or one column per field");
        }
        DataType::Time => return refuse("it is a time of day", "write it as text: `STRFTIME(.., '%H:%M:%S')`"),
        other => return refuse(&format!("it is {other}, which is not published"), "write CAST in the query"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(columns: Vec<Column>) -> DataFrame {
        let frame = DataFrame::new_infer_height(columns).unwrap();
        let shapes = shape(frame.schema(), 6, &[]).unwrap();
        frame.lazy().select(shapes.into_iter().map(|s| s.expr).collect::<Vec<_>>()).collect().unwrap()
    }

    #[test]
    fn numbers_get_types_that_readers_know() {
        let got = shaped(vec![
            Column::new("n".into(), [1_u32, 2]),
            Column::new("f".into(), [f64::NAN, 0.5]),
            Column::new("g".into(), [f32::INFINITY, 0.25]),
            Column::new("age_days".into(), [90_000_000_i64, -1])
                .cast(&DataType::Duration(TimeUnit::Milliseconds))
                .unwrap(),
        ]);
        let text: Vec<String> = got
            .columns()
            .iter()
            .map(|c| format!("{:?}", c.as_materialized_series().iter().collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            text,
            [
                "[Int64(1), Int64(2)]",
                "[Null, Float64(0.5)]",
                "[Null, Float64(0.25)]",
                // 25 hours are one day; a moment before zero is in the day before.
                "[Int64(1), Int64(-1)]",
            ]
        );
    }

    #[test]
    fn decimals_are_amounts_in_units() {
        let decimal = |scale| Column::new("m".into(), ["12.5", "-0.25"]).cast(&DataType::Decimal(38, scale)).unwrap();
        for scale in [2, 6] {
            let got = shaped(vec![decimal(scale)]);
            assert_eq!(got.column("m").unwrap().i64().unwrap().to_vec(), [Some(12_500_000), Some(-250_000)]);
        }
        // More places than the pipeline keeps: half-even, 0.0000005 to 0, 0.0000015 to 2 units.
        let fine = Column::new("m".into(), ["0.00000050", "0.00000150", "-0.00000150"]);
        let got = shaped(vec![fine.cast(&DataType::Decimal(38, 8)).unwrap()]);
        assert_eq!(got.column("m").unwrap().i64().unwrap().to_vec(), [Some(0), Some(2), Some(-2)]);
    }

    #[test]
    fn what_has_no_published_form_is_refused() {
        let schema = Schema::from_iter([
            Field::new("a".into(), DataType::Null),
            Field::new("b".into(), DataType::Duration(TimeUnit::Microseconds)),
            Field::new("c".into(), DataType::List(Box::new(DataType::Int64))),
            Field::new("d".into(), DataType::Datetime(TimeUnit::Microseconds, None)),
            Field::new("e".into(), DataType::Int64),
        ]);
        let unfit = shape(&schema, 6, &[("e".into(), ColumnType::Date)]).unwrap_err();
        let columns: Vec<&str> = unfit.iter().map(|u| u.column.as_str()).collect();
        assert_eq!(columns, ["a", "b", "c", "d", "e"]);
    }
}
