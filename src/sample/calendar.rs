//! Civil days and the instants of New York, the zone the sample company keeps its books in.
//!
//! The rule of daylight saving is written out (second Sunday of March to first Sunday of
//! November, since 2007), so that the files do not depend on the machine's zone database.

/// Days since 1970-01-01.
pub(super) type Day = i32;

pub(super) const HISTORY_START: Day = day(2022, 7, 1);
/// The first day that the export does not cover.
pub(super) const EXPORT_DAY: Day = day(2026, 7, 1);
/// When an older exporter, with an older schema, wrote its last file.
pub(super) const OLD_EXPORT_DAY: Day = day(2024, 7, 1);
pub(super) const MONTHS: usize = 48;

const DAY_SECONDS: i64 = 86_400;
const MICROS: i64 = 1_000_000;

/// The day of a proleptic Gregorian date (Howard Hinnant's `days_from_civil`).
pub(super) const fn day(year: i32, month: i32, date: i32) -> Day {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + date - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and date of a day.
pub(super) const fn civil(day: Day) -> (i32, i32, i32) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, date)
}

/// `months` later, on the same date or the last one of a shorter month.
pub(super) const fn add_months(from: Day, months: i32) -> Day {
    let (year, month, date) = civil(from);
    let first = month_start(year * 12 + month - 1 + months);
    let next = month_start(year * 12 + month + months);
    let last = next - first;
    first + if date < last { date } else { last } - 1
}

/// The first day of a month counted from year 0.
const fn month_start(month: i32) -> Day {
    day(month.div_euclid(12), month.rem_euclid(12) + 1, 1)
}

/// The first day of the history's month `n`.
pub(super) fn history_month(n: usize) -> Day {
    add_months(HISTORY_START, i32::try_from(n).unwrap_or(0))
}

/// The history's month that contains `day`.
pub(super) fn month_index(day: Day) -> Option<usize> {
    let (year, month, _) = civil(day);
    let index = usize::try_from((year - 2022) * 12 + month - 7).ok()?;
    (index < MONTHS).then_some(index)
}

/// Monday is 0.
pub(super) const fn weekday(day: Day) -> i32 {
    (day + 3).rem_euclid(7)
}

const fn sunday_on_or_after(day: Day) -> Day {
    day + (6 - weekday(day))
}

/// Epoch seconds of midnight in New York at the start of `on`.
pub(super) fn midnight(on: Day) -> i64 {
    let (year, _, _) = civil(on);
    // The clock changes at two in the morning, after this midnight.
    let summer_from = sunday_on_or_after(day(year, 3, 8));
    let summer_to = sunday_on_or_after(day(year, 11, 1));
    let offset = if on > summer_from && on <= summer_to { 4 } else { 5 };
    i64::from(on) * DAY_SECONDS + offset * 3_600
}

/// Epoch seconds of the last second of `on` in New York.
pub(super) fn last_second(on: Day) -> i64 {
    midnight(on + 1) - 1
}

/// Epoch seconds, `second` seconds into `on` in New York and never outside that day.
pub(super) fn instant(on: Day, second: i64) -> i64 {
    (midnight(on) + second.max(0)).min(last_second(on))
}

/// What a clock in New York shows at an instant, in seconds since 1970-01-01T00:00:00 of that clock.
pub(super) fn wall_clock(second: i64) -> i64 {
    const HOUR: i64 = 3_600;
    let (year, _, _) = civil(day_number(second - 5 * HOUR));
    // At two in the morning: standard time in March, summer time in November.
    let summer_from = i64::from(sunday_on_or_after(day(year, 3, 8))) * DAY_SECONDS + 7 * HOUR;
    let summer_to = i64::from(sunday_on_or_after(day(year, 11, 1))) * DAY_SECONDS + 6 * HOUR;
    let offset = if (summer_from..summer_to).contains(&second) { 4 } else { 5 };
    second - offset * HOUR
}

/// The day in New York that contains an instant.
pub(super) fn day_of(second: i64) -> Day {
    day_number(wall_clock(second))
}

fn day_number(second: i64) -> Day {
    Day::try_from(second.div_euclid(DAY_SECONDS)).unwrap_or(HISTORY_START)
}

/// Microseconds of an instant in seconds.
pub(super) const fn micros(second: i64) -> i64 {
    second * MICROS
}

/// When the warehouse loaded what happened on `on`: 05:00 UTC of the next day, in microseconds.
pub(super) fn loaded(on: Day) -> i64 {
    micros((i64::from(on) + 1) * DAY_SECONDS + 5 * 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    #[test]
    fn agrees_with_a_zone_database_over_the_whole_history() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        for on in HISTORY_START - 400..EXPORT_DAY + 1_500 {
            let (year, month, of_month) = civil(on);
            assert_eq!(day(year, month, of_month), on);
            let expected =
                date(i16::try_from(year).unwrap(), i8::try_from(month).unwrap(), i8::try_from(of_month).unwrap());
            let zoned = expected.to_zoned(new_york.clone()).unwrap();
            assert_eq!(midnight(on), zoned.timestamp().as_second(), "{expected}");
            assert_eq!((day_of(midnight(on)), day_of(last_second(on))), (on, on), "{expected}");
            assert_eq!(weekday(on), i32::from(expected.weekday().to_monday_zero_offset()));
        }
    }

    #[test]
    fn clocks_are_put_forward_and_back_at_two_in_the_morning() {
        let shown = |utc: &str| {
            let second = utc.parse::<jiff::Timestamp>().unwrap().as_second();
            jiff::Timestamp::from_second(wall_clock(second)).unwrap().to_string()
        };
        assert_eq!(shown("2025-03-09T06:59:59Z"), "2025-03-09T01:59:59Z");
        assert_eq!(shown("2025-03-09T07:00:00Z"), "2025-03-09T03:00:00Z");
        assert_eq!(shown("2025-11-02T05:59:59Z"), "2025-11-02T01:59:59Z");
        assert_eq!(shown("2025-11-02T06:00:00Z"), "2025-11-02T01:00:00Z");
        assert_eq!(shown("2026-01-01T04:59:59Z"), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn months_are_clipped_to_the_shorter_one() {
        assert_eq!(add_months(day(2024, 1, 31), 1), day(2024, 2, 29));
        assert_eq!(add_months(day(2024, 12, 31), 2), day(2025, 2, 28));
        assert_eq!(add_months(day(2022, 7, 15), 48), day(2026, 7, 15));
        assert_eq!(month_index(day(2022, 7, 1)), Some(0));
        assert_eq!(month_index(day(2026, 6, 30)), Some(47));
        assert_eq!(month_index(EXPORT_DAY), None);
    }
}
