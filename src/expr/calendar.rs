//! Periods: days, weeks, months, quarters and years as integer indexes, so that "the next period" is `+ 1`.

use jiff::civil;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// Length of a reporting period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// Civil day.
    Day,
    /// Seven days from the pipeline's `week_start`.
    Week,
    /// Calendar month.
    #[default]
    Month,
    /// Three months of the pipeline's fiscal year.
    Quarter,
    /// Twelve months from the pipeline's `fiscal_year_start`.
    Year,
}

impl Grain {
    /// The name used in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Mean number of such periods in a year, for annualising a rate.
    pub fn per_year(self) -> f64 {
        match self {
            Self::Day => 365.0,
            Self::Week => 365.0 / 7.0,
            Self::Month => 12.0,
            Self::Quarter => 4.0,
            Self::Year => 1.0,
        }
    }
}

/// Where weeks and fiscal years begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Days after Monday on which a week begins, 0 to 6.
    pub week_start: i32,
    /// Months after January in which a fiscal year begins, 0 to 11.
    pub fiscal_start: i32,
}

/// 1970-01-01 was a Thursday: three days after a Monday.
const EPOCH_WEEKDAY: i32 = 3;

/// A grain on a calendar: the map between civil dates and period indexes.
///
/// Indexes are `Int32` and increase by one per period; only their order and distance mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    grain: Grain,
    calendar: Calendar,
}

impl Periods {
    /// The periods of `grain` on `calendar`.
    pub fn new(grain: Grain, calendar: Calendar) -> Self {
        Self { grain, calendar }
    }

    /// The grain.
    pub fn grain(self) -> Grain {
        self.grain
    }

    /// Index of the period that contains a `Date`.
    pub fn index(self, date: Expr) -> Expr {
        let months = || {
            date.clone().dt().year() * lit(12) + date.clone().dt().month().cast(DataType::Int32)
                - lit(1 + self.calendar.fiscal_start)
        };
        match self.grain {
            Grain::Day => date.cast(DataType::Int32),
            Grain::Week => {
                (date.cast(DataType::Int32) + lit(EPOCH_WEEKDAY - self.calendar.week_start)).floor_div(lit(7))
            }
            Grain::Month => months() + lit(self.calendar.fiscal_start),
            Grain::Quarter => months().floor_div(lit(3)),
            Grain::Year => months().floor_div(lit(12)),
        }
        .cast(DataType::Int32)
    }

    /// Index of the first period that starts on or after a `Date`.
    pub fn index_on_or_after(self, date: Expr) -> Expr {
        let index = self.index(date.clone());
        when(self.start(index.clone()).eq(date)).then(index.clone()).otherwise(index + lit(1))
    }

    /// First day of the period with that index, as a `Date`.
    pub fn start(self, index: Expr) -> Expr {
        let from_months = |months: Expr| {
            let year = months.clone().floor_div(lit(12));
            let month = months - year.clone() * lit(12) + lit(1);
            datetime(DatetimeArgs::new(year, month, lit(1))).cast(DataType::Date)
        };
        match self.grain {
            Grain::Day => index.cast(DataType::Int32).cast(DataType::Date),
            Grain::Week => (index * lit(7) - lit(EPOCH_WEEKDAY - self.calendar.week_start))
                .cast(DataType::Int32)
                .cast(DataType::Date),
            Grain::Month => from_months(index),
            Grain::Quarter => from_months(index * lit(3) + lit(self.calendar.fiscal_start)),
            Grain::Year => from_months(index * lit(12) + lit(self.calendar.fiscal_start)),
        }
    }

    /// Index of the period that contains `date`.
    pub fn index_of(self, date: civil::Date) -> i32 {
        let months = i32::from(date.year()) * 12 + i32::from(date.month()) - 1 - self.calendar.fiscal_start;
        match self.grain {
            Grain::Day => epoch_day(date),
            Grain::Week => (epoch_day(date) + EPOCH_WEEKDAY - self.calendar.week_start).div_euclid(7),
            Grain::Month => months + self.calendar.fiscal_start,
            Grain::Quarter => months.div_euclid(3),
            Grain::Year => months.div_euclid(12),
        }
    }

    /// First day of the period with that index.
    pub fn start_of(self, index: i32) -> civil::Date {
        let day = |days: i32| civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(days));
        let month = |months: i32| {
            let year = i16::try_from(months.div_euclid(12)).unwrap_or(i16::MAX);
            let month = i8::try_from(months.rem_euclid(12) + 1).unwrap_or(1);
            civil::Date::new(year, month, 1).unwrap_or(civil::Date::MAX)
        };
        match self.grain {
            Grain::Day => day(index),
            Grain::Week => day(index * 7 - EPOCH_WEEKDAY + self.calendar.week_start),
            Grain::Month => month(index),
            Grain::Quarter => month(index * 3 + self.calendar.fiscal_start),
            Grain::Year => month(index * 12 + self.calendar.fiscal_start),
        }
    }

    /// Index of the last period of which every day is at or before `as_of`.
    pub fn last_complete(self, as_of: civil::Date) -> i32 {
        self.index_of(as_of.saturating_add(jiff::Span::new().days(1))) - 1
    }
}

/// The civil date of a UTC instant in the time zone of that IANA name.
///
/// # Errors
/// When Polars does not know the zone, which is reported with the pipeline file before.
pub fn local_date(instant: Expr, zone: &str) -> PolarsResult<Expr> {
    Ok(match TimeZone::opt_try_new(Some(zone))? {
        Some(zone) if zone != TimeZone::UTC => instant.dt().convert_time_zone(zone).dt().date(),
        _ => instant.dt().date(),
    })
}

/// Days since 1970-01-01.
pub fn epoch_day(date: civil::Date) -> i32 {
    // The span between any two civil dates jiff can hold is below eight million days.
    (date - civil::date(1970, 1, 1)).get_days()
}

/// A civil date as a `Date` literal.
pub fn date_lit(date: civil::Date) -> Expr {
    lit(epoch_day(date)).cast(DataType::Date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grain: Grain, calendar: Calendar, day: civil::Date, start: civil::Date) {
        let periods = Periods::new(grain, calendar);
        let out = df!("d" => [epoch_day(day)])
            .unwrap()
            .lazy()
            .with_column(col("d").cast(DataType::Date))
            .select([
                periods.index(col("d")).alias("i"),
                periods.start(periods.index(col("d"))).cast(DataType::Int32).alias("s"),
                periods.index_on_or_after(col("d")).alias("c"),
            ])
            .collect()
            .unwrap();
        let index = out.column("i").unwrap().i32().unwrap().get(0).unwrap();
        assert_eq!(index, periods.index_of(day), "{grain:?} {day}");
        assert_eq!(periods.start_of(index), start, "{grain:?} {day}");
        assert_eq!(out.column("s").unwrap().i32().unwrap().get(0), Some(epoch_day(start)), "{grain:?} {day}");
        let ceil = out.column("c").unwrap().i32().unwrap().get(0).unwrap();
        assert_eq!(ceil, index + i32::from(day != start), "{grain:?} {day}");
    }

    #[test]
    fn periods_start_where_the_calendar_says() {
        let d = civil::date;
        let plain = Calendar::default();
        let sunday = Calendar { week_start: 6, ..plain };
        let april = Calendar { fiscal_start: 3, ..plain };
        check(Grain::Day, plain, d(2024, 2, 29), d(2024, 2, 29));
        // 2026-06-30 is a Tuesday.
        check(Grain::Week, plain, d(2026, 6, 30), d(2026, 6, 29));
        check(Grain::Week, sunday, d(2026, 6, 30), d(2026, 6, 28));
        check(Grain::Week, sunday, d(2026, 6, 28), d(2026, 6, 28));
        check(Grain::Week, plain, d(1969, 12, 31), d(1969, 12, 29));
        check(Grain::Month, april, d(2024, 2, 29), d(2024, 2, 1));
        check(Grain::Quarter, plain, d(2025, 12, 31), d(2025, 10, 1));
        check(Grain::Quarter, april, d(2026, 3, 31), d(2026, 1, 1));
        check(Grain::Year, plain, d(2026, 3, 31), d(2026, 1, 1));
        check(Grain::Year, april, d(2026, 3, 31), d(2025, 4, 1));
        check(Grain::Year, april, d(2026, 4, 1), d(2026, 4, 1));
    }

    #[test]
    fn the_running_period_is_not_complete() {
        let months = Periods::new(Grain::Month, Calendar::default());
        let june = months.index_of(civil::date(2026, 6, 1));
        assert_eq!(months.last_complete(civil::date(2026, 6, 30)), june);
        assert_eq!(months.last_complete(civil::date(2026, 6, 29)), june - 1);
    }
}
