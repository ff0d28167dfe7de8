//! Periods: days, weeks, months, quarters and years as integer indexes, so that "the next period" is `+ 1`.

use jiff::{Timestamp, civil, tz};
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
/// When the zone is not known, which is reported with the pipeline file before.
pub fn local_date(instant: Expr, zone: &str) -> PolarsResult<Expr> {
    let known = tz::TimeZone::get(zone);
    let known = known.map_err(|error| polars_err!(InvalidOperation: "time zone `{zone}`: {error}"))?;
    if known.to_fixed_offset().is_ok_and(tz::Offset::is_zero) || known == tz::TimeZone::UTC {
        return Ok(instant.dt().date());
    }
    let spans = Spans::new(known);
    let of_rows = move |column: Column| dates_in(&column, &spans);
    let date = |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Date));
    Ok(instant.map_with_fmt_str(of_rows, date, "local_date"))
}

/// The dates of instants in a zone.
fn dates_in(instants: &Column, zone: &Spans) -> PolarsResult<Column> {
    let instants = instants.cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))?;
    let mut span = zone.of(0);
    let date = |micros: i64| {
        // Neighbouring instants mostly are of one span.
        if micros < span.from || span.until <= micros {
            span = zone.of(micros);
        }
        let day = micros.saturating_add(span.offset).div_euclid(DAY);
        i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
    };
    let dates: Int32Chunked = arity::unary_elementwise_values(instants.datetime()?.physical(), date);
    Ok(dates.with_name(instants.name().clone()).into_date().into_column())
}

/// A stretch of time in which a zone has one offset, in microseconds.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    /// The first instant that is no longer in it.
    until: i64,
    offset: i64,
}

/// The offsets of a zone. It has few in the time that exports are of, so that these are looked up once.
struct Spans {
    zone: tz::TimeZone,
    /// One after the other, from [`Self::FIRST`] to [`Self::LAST`].
    known: Vec<Span>,
    /// By so many microseconds since the first of them, in which a zone hardly changes twice, the first span there.
    near: Vec<usize>,
}

impl Spans {
    /// Years of which the offsets are looked up once.
    const FIRST: i16 = 1970;
    const LAST: i16 = 2100;
    /// Four weeks.
    const NEAR: i64 = 28 * DAY;

    fn new(zone: tz::TimeZone) -> Self {
        let new_year = |year: i16| Self::instant(i64::from(epoch_day(civil::date(year, 1, 1))) * DAY);
        let (first, last) = (new_year(Self::FIRST), new_year(Self::LAST));
        let changes = zone.following(first).map(|change| change.timestamp()).take_while(|at| *at < last);
        let bounds: Vec<Timestamp> = std::iter::once(first).chain(changes).chain([last]).collect();
        let span = |pair: &[Timestamp]| Span {
            from: pair[0].as_microsecond(),
            until: pair[1].as_microsecond(),
            offset: Self::offset(&zone, pair[0]),
        };
        let known: Vec<Span> = bounds.windows(2).map(span).collect();
        let (first, last) = (first.as_microsecond(), last.as_microsecond());
        let steps = (0..).map(|step| first + step * Self::NEAR).take_while(|at| *at < last);
        let near = steps.map(|at| known.partition_point(|span| span.until <= at)).collect();
        Self { zone, known, near }
    }

    /// The nearest instant that can be told.
    fn instant(micros: i64) -> Timestamp {
        let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_microsecond(micros).unwrap_or(nearest)
    }

    fn offset(zone: &tz::TimeZone, at: Timestamp) -> i64 {
        i64::from(zone.to_offset(at).seconds()) * 1_000_000
    }

    /// What holds at an instant.
    fn of(&self, micros: i64) -> Span {
        let step = self.known.first().and_then(|first| micros.checked_sub(first.from)).map(|since| since / Self::NEAR);
        let near = step.and_then(|step| self.near.get(usize::try_from(step).ok()?));
        let mut from_there = near.and_then(|at| self.known.get(*at..)).unwrap_or_default().iter();
        let known = from_there.find(|span| micros < span.until).filter(|span| span.from <= micros);
        known.copied().unwrap_or_else(|| Span {
            from: micros,
            until: micros.saturating_add(1),
            offset: Self::offset(&self.zone, Self::instant(micros)),
        })
    }
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

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
    use proptest::prelude::*;

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

    /// What the engine itself says, row by row.
    fn one_by_one(instants: &[Option<i64>], zone: &str) -> (Vec<Option<i32>>, Vec<Option<i32>>) {
        let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let slow = TimeZone::opt_try_new(Some(zone)).unwrap().unwrap();
        let out = df!("at" => instants)
            .unwrap()
            .lazy()
            .select([col("at").cast(utc)])
            .select([
                local_date(col("at"), zone).unwrap().cast(DataType::Int32).alias("fast"),
                col("at").dt().convert_time_zone(slow).dt().date().cast(DataType::Int32).alias("slow"),
            ])
            .collect()
            .unwrap();
        let days = |name: &str| out.column(name).unwrap().i32().unwrap().iter().collect();
        (days("fast"), days("slow"))
    }

    const ZONES: [&str; 10] = [
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Africa/Monrovia",
        "Etc/GMT+12",
    ];

    proptest! {
        /// Both know the time zones from tables of their own, which must say the same.
        #[test]
        fn dates_are_those_of_the_zone(
            zone in prop::sample::select(&ZONES[..]),
            instants in prop::collection::vec(prop::option::weighted(0.9, 0..2_200_000_000i64), 0..50),
        ) {
            let micros: Vec<Option<i64>> = instants.iter().map(|at| at.map(|at| at * 1_000_000 + at % 1_000_000)).collect();
            let (fast, slow) = one_by_one(&micros, zone);
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn the_date_changes_at_midnight_of_the_zone() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_microsecond());
        // Clocks went forward on 2026-03-08 and back on 2025-11-02 in New York; Samoa left 2011-12-30 out.
        let new_york = [
            at("2026-03-08T04:59:59.999999Z"),
            at("2026-03-08T05:00:00Z"),
            at("2026-03-09T03:59:59.999999Z"),
            at("2026-03-09T04:00:00Z"),
            None,
            at("2025-11-02T04:00:00Z"),
            at("2025-11-03T04:59:59.999999Z"),
            at("2025-11-03T05:00:00Z"),
            at("1969-12-31T23:59:59.999999Z"),
        ];
        let day = |year, month, day| Some(epoch_day(civil::date(year, month, day)));
        let expected = vec![
            day(2026, 3, 7),
            day(2026, 3, 8),
            day(2026, 3, 8),
            day(2026, 3, 9),
            None,
            day(2025, 11, 2),
            day(2025, 11, 2),
            day(2025, 11, 3),
            day(1969, 12, 31),
        ];
        assert_eq!(one_by_one(&new_york, "America/New_York"), (expected.clone(), expected));
        let samoa = [at("2011-12-30T09:59:59Z"), at("2011-12-30T10:00:00Z")];
        let expected = vec![day(2011, 12, 29), day(2011, 12, 31)];
        assert_eq!(one_by_one(&samoa, "Pacific/Apia"), (expected.clone(), expected));
    }

    #[test]
    fn dates_are_known_before_and_after_the_years_that_are_looked_up_once() {
        let zone = tz::TimeZone::get("America/New_York").unwrap();
        for year in [1883, 1925, 1969, 1970, 2099, 2100, 2350] {
            let new_year = i64::from(epoch_day(civil::date(year, 1, 1))) * DAY;
            let hours: Vec<i64> = (0..9_000).map(|hour| new_year + hour * 3_600_000_000).collect();
            let date = |micros: &i64| epoch_day(Spans::instant(*micros).to_zoned(zone.clone()).date());
            let expected: Vec<i32> = hours.iter().map(date).collect();
            let hours = Int64Chunked::from_vec("at".into(), hours).into_column();
            let found = dates_in(&hours, &Spans::new(zone.clone())).unwrap();
            let found: Vec<i32> = found.date().unwrap().physical().into_no_null_iter().collect();
            assert_eq!(found, expected, "{year}");
        }
    }
}
