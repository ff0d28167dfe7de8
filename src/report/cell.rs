//! The values of a column as text: decimals exact, dates and instants in ISO form.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A column whose values can be shown.
pub(crate) struct Cells<'a> {
    array: &'a dyn Array,
    format: Option<ArrayFormatter<'a>>,
}

impl<'a> Cells<'a> {
    /// The values of `array`.
    pub(crate) fn new(array: &'a dyn Array) -> Self {
        const OPTIONS: FormatOptions<'_> = FormatOptions::new();
        Self { array, format: ArrayFormatter::try_new(array, &OPTIONS).ok() }
    }

    /// Whether values are aligned to the right.
    pub(crate) fn is_number(&self) -> bool {
        self.array.data_type().is_numeric()
    }

    /// A value; `None` where it is NULL.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        if self.array.is_null(row) || *self.array.data_type() == DataType::Null {
            return None;
        }
        if let DataType::Timestamp(unit, zone) = self.array.data_type() {
            return Some(instant(self.array, row, *unit, zone.is_some()).unwrap_or_else(|| "out of range".to_owned()));
        }
        self.format.as_ref().map(|format| format.value(row).to_string())
    }

    /// A value in JSON: whole and floating-point numbers as numbers, decimals as exact texts.
    pub(crate) fn json(&self, row: usize) -> Value {
        let Some(text) = self.text(row) else { return Value::Null };
        let ty = self.array.data_type();
        if ty.is_integer() {
            let signed = text.parse::<i64>().map(Value::from);
            return signed.or_else(|_| text.parse::<u64>().map(Value::from)).unwrap_or(Value::String(text));
        }
        if ty.is_floating() {
            // What is not finite has no number in JSON.
            return text.parse::<f64>().map_or(Value::Null, Value::from);
        }
        if *ty == DataType::Boolean { Value::Bool(self.array.as_boolean().value(row)) } else { Value::String(text) }
    }
}

fn instant(array: &dyn Array, row: usize, unit: TimeUnit, utc: bool) -> Option<String> {
    let at = match unit {
        TimeUnit::Second => Timestamp::from_second(array.as_primitive::<TimestampSecondType>().value(row)),
        TimeUnit::Millisecond => {
            Timestamp::from_millisecond(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            Timestamp::from_microsecond(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => {
            Timestamp::from_nanosecond(i128::from(array.as_primitive::<TimestampNanosecondType>().value(row)))
        }
    };
    let at = at.ok()?;
    Some(if utc { at.to_string() } else { at.to_zoned(TimeZone::UTC).datetime().to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray, UInt64Array,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_exactly() {
        let decimal = Decimal128Array::from(vec![Some(-1_234_567_890), None]).with_precision_and_scale(18, 6).unwrap();
        let micros = || TimestampMicrosecondArray::from(vec![1_782_864_000_000_000, 1]);
        let columns: [(ArrayRef, [&str; 2], Value); 9] = [
            (Arc::new(decimal), ["-1234.567890", "NULL"], json!("-1234.567890")),
            (Arc::new(Int64Array::from(vec![i64::MIN, 7])), ["-9223372036854775808", "7"], json!(i64::MIN)),
            (Arc::new(UInt64Array::from(vec![u64::MAX, 7])), ["18446744073709551615", "7"], json!(u64::MAX)),
            (Arc::new(Float64Array::from(vec![0.1, f64::NAN])), ["0.1", "NaN"], json!(0.1)),
            (Arc::new(BooleanArray::from(vec![Some(true), None])), ["true", "NULL"], json!(true)),
            (Arc::new(Date32Array::from(vec![20_634, -1])), ["2026-06-30", "1969-12-31"], json!("2026-06-30")),
            (
                Arc::new(micros().with_timezone("UTC")),
                ["2026-07-01T00:00:00Z", "1970-01-01T00:00:00.000001Z"],
                json!("2026-07-01T00:00:00Z"),
            ),
            (Arc::new(micros()), ["2026-07-01T00:00:00", "1970-01-01T00:00:00.000001"], json!("2026-07-01T00:00:00")),
            (Arc::new(StringArray::from(vec![Some(""), None])), ["", "NULL"], json!("")),
        ];
        for (array, shown, first) in columns {
            let cells = Cells::new(array.as_ref());
            let texts = [0, 1].map(|row| cells.text(row).unwrap_or_else(|| "NULL".to_owned()));
            assert_eq!(texts, shown);
            assert_eq!(cells.json(0), first);
        }
    }
}
