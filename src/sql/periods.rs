//! `month_start`, `month_end` and `date_trunc`: a date or an instant to the first or last day of its period.
//!
//! Polars SQL has none of them. They give a date, always: of a date its period, of an instant the
//! period of its civil day in the pipeline's time zone. Weeks, quarters and years begin where the
//! pipeline says, so that they meet the periods of the other tables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone as Zone;
use polars::lazy::dsl::{BaseColumnUdf, UserDefinedFunction};
use polars::prelude::*;
use polars::sql::{FunctionOptions, FunctionRegistry};

use crate::expr::calendar::Calendar;

/// 1970-01-01 was a Thursday: three days after a Monday.
const EPOCH_WEEKDAY: i64 = 3;

/// Which day of which period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    MonthEnd,
}

const PARTS: [Part; 6] = [Part::Day, Part::Week, Part::Month, Part::Quarter, Part::Year, Part::MonthEnd];

impl Part {
    /// The first day of the period of that name.
    pub(super) fn of_unit(unit: &str) -> Option<Self> {
        Some(match unit {
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// Name of the function in the query that runs.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Day => "tenure_day_start",
            Self::Week => "tenure_week_start",
            Self::Month => "tenure_month_start",
            Self::Quarter => "tenure_quarter_start",
            Self::Year => "tenure_year_start",
            Self::MonthEnd => "tenure_month_end",
        }
    }

    /// The day asked for, of a day; both since 1970-01-01.
    fn of_day(self, day: i64, calendar: Calendar) -> i64 {
        let fiscal = i64::from(calendar.fiscal_start);
        let (year, month) = civil(day);
        let months = year * 12 + month;
        let start = |length: i64, shift: i64| first_of(months - (months - shift).rem_euclid(length));
        match self {
            Self::Day => day,
            Self::Week => day - (day + EPOCH_WEEKDAY - i64::from(calendar.week_start)).rem_euclid(7),
            Self::Month => first_of(months),
            Self::Quarter => start(3, fiscal),
            Self::Year => start(12, fiscal),
            Self::MonthEnd => first_of(months + 1) - 1,
        }
    }
}

/// Year and month (from 0) of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: i64) -> (i64, i64) {
    // Eras of 400 years that begin on 1 March, so that the leap day is the last of a year.
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = (march_month + 2) % 12;
    (era * 400 + year_of_era + i64::from(month < 2), month)
}

/// First day of a month, counted in months since the year 0.
fn first_of(months: i64) -> i64 {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let year = if month < 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 10) % 12) + 2) / 5;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// The functions by name, for the planner of queries.
pub(super) struct Functions(BTreeMap<&'static str, UserDefinedFunction>);

impl Functions {
    /// The functions on a calendar, in the zone in which instants become civil days.
    pub(super) fn new(calendar: Calendar, zone: &Zone) -> Self {
        Self(PARTS.into_iter().map(|part| (part.function(), function(part, calendar, zone.clone()))).collect())
    }
}

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(InvalidOperation: "`{name}` cannot be added")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(self.0.get(name).cloned())
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn function(part: Part, calendar: Calendar, zone: Zone) -> UserDefinedFunction {
    let compute = move |columns: &mut [Column]| match columns {
        [column] => days(part, calendar, &zone, column),
        _ => polars_bail!(InvalidOperation: "a period is of one date"),
    };
    let field = |_: &Schema, fields: &[Field]| match fields {
        [field] if takes(field.dtype()) => Ok(Field::new(field.name().clone(), DataType::Date)),
        [field] => polars_bail!(
            InvalidOperation: "`month_start`, `month_end` and `date_trunc` take a date or a timestamp, found {}", field.dtype()
        ),
        _ => polars_bail!(InvalidOperation: "a period is of one date"),
    };
    let mut out = UserDefinedFunction::new(part.function().into(), BaseColumnUdf::new(compute, field));
    out.options = FunctionOptions::elementwise();
    out
}

fn takes(ty: &DataType) -> bool {
    matches!(ty, DataType::Date | DataType::Datetime(_, Some(_)))
}

fn days(part: Part, calendar: Calendar, zone: &Zone, column: &Column) -> PolarsResult<Column> {
    let series = column.as_materialized_series();
    let civil: Vec<Option<i64>> = match series.dtype() {
        DataType::Date => series.date()?.physical().iter().map(|day| day.map(i64::from)).collect(),
        DataType::Datetime(_, Some(_)) => {
            let instants = series.cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))?;
            let local = |micros: i64| {
                let instant = Timestamp::from_microsecond(micros)
                    .map_err(|e| polars_err!(ComputeError: "an instant is out of range: {e}"))?;
                Ok((micros.div_euclid(1_000_000) + i64::from(zone.to_offset(instant).seconds())).div_euclid(86_400))
            };
            let physical = instants.datetime()?.physical().clone();
            physical.iter().map(|micros| micros.map(local).transpose()).collect::<PolarsResult<_>>()?
        }
        other => polars_bail!(InvalidOperation: "a period is of a date or a timestamp, found {other}"),
    };
    let out: Vec<Option<i32>> = civil
        .into_iter()
        .map(|day| {
            day.map(|day| {
                let day = part.of_day(day, calendar);
                i32::try_from(day).map_err(|_| polars_err!(ComputeError: "a date is out of range"))
            })
            .transpose()
        })
        .collect::<PolarsResult<_>>()?;
    Ok(Int32Chunked::from_iter_options(series.name().clone(), out.into_iter()).into_date().into_column())
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};

    use super::*;

    fn of(part: Part, day: Date, calendar: Calendar) -> Date {
        let epoch = date(1970, 1, 1);
        let since = i64::from((day - epoch).get_days());
        epoch.checked_add(jiff::Span::new().days(part.of_day(since, calendar))).unwrap()
    }

    #[test]
    fn periods_begin_where_the_pipeline_says() {
        let plain = Calendar::default();
        // 2026-05-17 is a Sunday.
        let day = date(2026, 5, 17);
        assert_eq!(of(Part::Day, day, plain), day);
        assert_eq!(of(Part::Week, day, plain), date(2026, 5, 11));
        assert_eq!(of(Part::Week, day, Calendar { week_start: 6, ..plain }), day);
        assert_eq!(of(Part::Month, day, plain), date(2026, 5, 1));
        assert_eq!(of(Part::MonthEnd, day, plain), date(2026, 5, 31));
        assert_eq!(of(Part::Quarter, day, plain), date(2026, 4, 1));
        assert_eq!(of(Part::Year, day, plain), date(2026, 1, 1));
        // A fiscal year from February: quarters begin in February, May, August and November.
        let february = Calendar { fiscal_start: 1, ..plain };
        assert_eq!(of(Part::Quarter, day, february), date(2026, 5, 1));
        assert_eq!(of(Part::Quarter, date(2026, 1, 31), february), date(2025, 11, 1));
        assert_eq!(of(Part::Year, date(2026, 1, 31), february), date(2025, 2, 1));
    }

    #[test]
    fn months_agree_with_the_civil_calendar() {
        // Around leap days, the turn of centuries, and before 1970.
        let mut day = date(1895, 1, 1);
        while day < date(2105, 1, 1) {
            assert_eq!(of(Part::Month, day, Calendar::default()), day.first_of_month(), "{day}");
            assert_eq!(of(Part::MonthEnd, day, Calendar::default()), day.last_of_month(), "{day}");
            day = day.checked_add(jiff::Span::new().days(13)).unwrap();
        }
        assert_eq!(of(Part::MonthEnd, date(2024, 2, 5), Calendar::default()), date(2024, 2, 29));
        assert_eq!(of(Part::MonthEnd, date(1900, 2, 5), Calendar::default()), date(1900, 2, 28));
    }

    #[test]
    fn instants_count_in_the_zone_of_the_pipeline() {
        // 2026-03-01T02:30Z is still February in New York, and noon of 1 March in Tokyo.
        let at = 1_772_332_200_000_000_i64;
        let column = Column::new("at".into(), [Some(at), None])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
            .unwrap();
        for (zone, first) in [("America/New_York", "2026-02-01"), ("Asia/Tokyo", "2026-03-01")] {
            let zone = Zone::get(zone).unwrap();
            let got = days(Part::Month, Calendar::default(), &zone, &column).unwrap();
            let got = got.cast(&DataType::String).unwrap();
            assert_eq!(got.str().unwrap().iter().collect::<Vec<_>>(), [Some(first), None]);
        }
    }
}
