//! Values of flags: up to which day the data counts (`--as-of`, `--cutoff`), and what a run may take.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::spec::types;

/// Reads `--as-of`.
pub(super) fn as_of(text: &str) -> Result<Date, String> {
    text.parse::<types::Date>().map(|date| date.0).map_err(|refusal| with_help(&refusal))
}

/// Reads `--timeout`.
pub(super) fn timeout(text: &str) -> Result<std::time::Duration, String> {
    let length = text.parse::<types::Duration>().map_err(|refusal| with_help(&refusal))?;
    if length.seconds() == 0 {
        Err("a run needs some time; leave the flag out for no limit".to_owned())
    } else {
        Ok(length.to_std())
    }
}

/// Reads `--memory`.
pub(super) fn memory(text: &str) -> Result<types::MemoryLimit, String> {
    text.parse::<types::MemoryLimit>().map_err(|refusal| with_help(&refusal))
}

fn with_help(refusal: &types::Refusal) -> String {
    let mut text = refusal.title.clone();
    for help in &refusal.help {
        text.push_str("\n  help: ");
        text.push_str(help);
    }
    text
}

/// Reads `--cutoff`: an instant with an offset, as `2026-07-01T00:00:00Z` or as Airflow writes it,
/// `2026-07-01 00:00:00+00:00`.
pub(super) fn cutoff(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if text.is_empty() || text == "None" {
        return Err(
            "the instant is empty\n  help: a run that an asset or a person triggered may have no data interval; \
                    pass `{{ data_interval_end or logical_date or dag_run.run_after }}`, or `--as-of`"
                .to_owned(),
        );
    }
    if text.parse::<Date>().is_ok() && text.len() <= 10 {
        return Err(format!(
            "`{text}` is a day, not an instant\n  help: give `--as-of {text}` if it is the last day that counts, or an instant with an offset: `{text}T00:00:00Z`"
        ));
    }
    if let Some((from, to)) = text.split_once('/')
        && !text.contains('[')
    {
        let zero = if from.trim() == to.trim() {
            " of no length; an orchestrator that fires without a data interval writes such"
        } else {
            ""
        };
        return Err(format!(
            "`{text}` is an interval{zero}\n  help: give the instant up to which exports are complete"
        ));
    }
    // A zone in brackets would be a second statement about the offset.
    let instant = if text.contains('[') { None } else { text.parse::<Timestamp>().ok() };
    instant.ok_or_else(|| {
        if text.parse::<jiff::civil::DateTime>().is_ok() && !has_offset(text) {
            let shown = text.replace(' ', "T");
            format!("`{text}` has no offset, so it is a different instant in every zone\n  help: write `{shown}Z` if UTC is meant")
        } else {
            format!("`{text}` is not an instant\n  help: write it as `2026-07-01T00:00:00Z` or `2026-07-01 00:00:00+09:00`")
        }
    })
}

fn has_offset(text: &str) -> bool {
    let time = text.get(10..).unwrap_or_default();
    time.contains(['Z', 'z', '+', '-'])
}

/// The last civil day that is complete at `instant` in `zone`.
///
/// A day ends when the next one begins, wherever the clock is moved; a day that a zone skipped is
/// no day.
pub(super) fn last_complete_day(instant: Timestamp, zone: &TimeZone) -> Option<Date> {
    let here: Zoned = instant.to_zoned(zone.clone());
    let begun = here.start_of_day().ok()?;
    let before = begun.checked_sub(Span::new().nanoseconds(1)).ok()?;
    Some(before.date())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn day(instant: &str, zone: &str) -> String {
        let zone: types::ZoneName = zone.parse().unwrap();
        last_complete_day(cutoff(instant).unwrap(), zone.time_zone()).unwrap().to_string()
    }

    #[test]
    fn a_day_counts_when_it_is_over_in_the_zone() {
        for (instant, zone, last) in [
            ("2026-07-01T00:00:00Z", "UTC", "2026-06-30"),
            ("2026-06-30T23:59:59Z", "UTC", "2026-06-29"),
            ("2026-07-01 00:00:00+00:00", "UTC", "2026-06-30"),
            ("2026-07-01T00:00:00+00:00", "UTC", "2026-06-30"),
            ("2026-07-01T02:00:00.000001+02:00", "UTC", "2026-06-30"),
            // Tokyo is nine hours ahead: its day is over at 15:00 UTC.
            ("2026-06-30T15:00:00Z", "Asia/Tokyo", "2026-06-30"),
            ("2026-06-30T14:59:59Z", "Asia/Tokyo", "2026-06-29"),
            ("2026-07-01T00:00:00+09:00", "Asia/Tokyo", "2026-06-30"),
            ("2026-07-01T00:00:00Z", "Asia/Tokyo", "2026-06-30"),
            // New York is four hours behind in summer, five in winter.
            ("2026-07-01T00:00:00Z", "America/New_York", "2026-06-29"),
            ("2026-07-01T04:00:00Z", "America/New_York", "2026-06-30"),
            ("2026-01-01T04:00:00Z", "America/New_York", "2025-12-30"),
            ("2026-01-01T05:00:00Z", "America/New_York", "2025-12-31"),
            // The night in which clocks go forward, and the one in which they go back.
            ("2026-03-08T04:59:59Z", "America/New_York", "2026-03-06"),
            ("2026-03-08T05:00:00Z", "America/New_York", "2026-03-07"),
            ("2026-03-09T03:59:59Z", "America/New_York", "2026-03-07"),
            ("2026-03-09T04:00:00Z", "America/New_York", "2026-03-08"),
            ("2026-11-02T04:59:59Z", "America/New_York", "2026-10-31"),
            ("2026-11-02T05:00:00Z", "America/New_York", "2026-11-01"),
            // Here the day begins at 01:00, because midnight does not exist.
            ("2018-11-04T02:59:59Z", "America/Sao_Paulo", "2018-11-02"),
            ("2018-11-04T03:00:00Z", "America/Sao_Paulo", "2018-11-03"),
            // Here the last hour of 17 February comes twice; the day ends after the second.
            ("2018-02-18T02:30:00Z", "America/Sao_Paulo", "2018-02-16"),
            ("2018-02-18T03:00:00Z", "America/Sao_Paulo", "2018-02-17"),
            // Samoa went from 29 to 31 December.
            ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-29"),
            ("2011-12-31T10:00:00Z", "Pacific/Apia", "2011-12-31"),
        ] {
            assert_eq!(day(instant, zone), last, "{instant} in {zone}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused_with_the_reason() {
        for (text, words) in [
            ("", "is empty"),
            ("None", "is empty"),
            ("2026-07-01", "is a day, not an instant"),
            ("2026-07-01T00:00:00", "has no offset"),
            ("2026-07-01 00:00:00", "write `2026-07-01T00:00:00Z`"),
            ("2026-07-01T00:00:00Z/2026-07-01T00:00:00Z", "interval of no length"),
            ("2026-07-01T00:00:00Z/2026-07-02T00:00:00Z", "is an interval"),
            ("yesterday", "is not an instant"),
            ("2026-13-01T00:00:00Z", "is not an instant"),
            ("2026-07-01T00:00:00+09:00[Asia/Tokyo]", "is not an instant"),
        ] {
            let refusal = cutoff(text).unwrap_err();
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
    }

    #[test]
    fn dates_and_timeouts_are_read_as_in_the_file() {
        assert_eq!(as_of("2026-06-30"), Ok(date(2026, 6, 30)));
        assert!(as_of("30.06.2026").is_err());
        assert_eq!(timeout("90m").map(|t| t.as_secs()), Ok(5_400));
        assert!(timeout("90").unwrap_err().contains("help:"));
        assert!(timeout("0s").is_err());
    }
}
