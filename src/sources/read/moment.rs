//! Instants and civil dates.
//!
//! A local time that a clock shows twice (the hour repeated in autumn) is taken as the earlier
//! instant; one that no clock shows (the hour skipped in spring) as if the clock had not been
//! moved yet, so that it lands as much later. Instants outside of the years 1 to 9999 are no values:
//! they come from milliseconds read as seconds.

use std::ops::RangeInclusive;

use polars::prelude::*;

use super::super::plan::Stored;
use super::{looks_like, only_if};
use crate::checks::canonical_type;
use crate::expr::calendar::local_date;
use crate::schema::ColumnType;
use crate::spec::pipeline::Parse;

/// 0001-01-01T00:00:00Z in microseconds.
const EARLIEST: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z in microseconds.
const LATEST: i64 = 253_402_300_799_999_999;
const SECOND: i64 = 1_000_000;
/// Longer than every skip of a clock, the day that Samoa left out included.
const BEFORE_SKIP: i64 = 25 * 3600 * SECOND;

const LOCAL: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// The civil date in `zone`, the pipeline's; `readable` as in [`instant`].
pub(super) fn date(
    raw: Expr,
    stored: Stored,
    readable: bool,
    parse: Option<Parse>,
    stored_zone: Option<&str>,
    zone: &str,
) -> Expr {
    if stored.is_text() && parse == Some(Parse::IsoDate) {
        let text = raw.str().strip_chars(lit(NULL));
        let dated = looks_like(&text, r"^\d{4}-\d{2}-\d{2}$");
        return only_if(dated, text).str().to_date(format("%Y-%m-%d"));
    }
    if stored == Stored::Local && stored_zone == Some(zone) {
        // The date that was written is the date, whatever the clocks did.
        return in_range(micros(raw)).cast(LOCAL).dt().date();
    }
    let instant = instant(raw, stored, readable, parse, stored_zone);
    // A zone that is not known is reported with the pipeline file before.
    local_date(instant.clone(), zone).unwrap_or_else(|_| instant.dt().date())
}

/// The instant in UTC; `readable` says that the stored number is one of the years 1 to 9999, so that none need be
/// looked at.
pub(super) fn instant(
    raw: Expr,
    stored: Stored,
    readable: bool,
    parse: Option<Parse>,
    stored_zone: Option<&str>,
) -> Expr {
    let utc = canonical_type(ColumnType::Timestamp);
    match stored {
        Stored::Local => localize(in_range(micros(raw)), stored_zone),
        Stored::Date => localize(known_day(raw).cast(LOCAL).cast(DataType::Int64), stored_zone),
        Stored::Text | Stored::Category | Stored::Bytes => iso(&raw, stored_zone),
        Stored::Whole { .. } | Stored::Decimal(_) => {
            let (step, number) = (epoch_step(parse), super::number::whole(raw, stored));
            let known = known_instants(step);
            let fits = number.clone().is_between(lit(*known.start()), lit(*known.end()), ClosedInterval::Both);
            ((if readable { number } else { only_if(fits, number) }) * lit(step)).cast(utc)
        }
        _ if readable => micros(raw).cast(utc),
        _ => in_range(micros(raw)).cast(utc),
    }
}

/// A stored date, if it lies in the years 1 to 9999; databases write infinity as a date far beyond.
pub(super) fn known_day(raw: Expr) -> Expr {
    let days = raw.clone().to_physical().cast(DataType::Int64);
    let known = days.is_between(lit(*known_days().start()), lit(*known_days().end()), ClosedInterval::Both);
    only_if(known, raw)
}

/// The years 1 to 9999 as days since 1970-01-01.
pub(in crate::sources) fn known_days() -> RangeInclusive<i64> {
    const DAY: i64 = 86_400 * SECOND;
    EARLIEST / DAY..=LATEST / DAY
}

/// Microseconds that the unit of a number of an epoch has.
pub(in crate::sources) fn epoch_step(parse: Option<Parse>) -> i64 {
    match parse {
        Some(Parse::EpochMs) => 1_000,
        Some(Parse::EpochUs) => 1,
        _ => SECOND,
    }
}

/// The years 1 to 9999 in units of so many microseconds since 1970.
pub(in crate::sources) fn known_instants(step: i64) -> RangeInclusive<i64> {
    EARLIEST / step..=LATEST / step
}

/// A stored timestamp as microseconds, whatever its precision and zone.
fn micros(raw: Expr) -> Expr {
    raw.dt().cast_time_unit(TimeUnit::Microseconds).cast(DataType::Int64)
}

fn in_range(micros: Expr) -> Expr {
    let known = known_instants(1);
    only_if(micros.clone().is_between(lit(*known.start()), lit(*known.end()), ClosedInterval::Both), micros)
}

/// Local microseconds as an instant; NULL without a zone.
fn localize(micros: Expr, zone: Option<&str>) -> Expr {
    let utc = canonical_type(ColumnType::Timestamp);
    let Some(zone) = zone.and_then(zone_of) else {
        return lit(NULL).cast(utc);
    };
    if zone == TimeZone::UTC {
        return micros.cast(utc);
    }
    let place = |micros: Expr| {
        let instant = micros.cast(LOCAL).dt().replace_time_zone(Some(zone.clone()), lit("earliest"), NonExistent::Null);
        instant.cast(DataType::Int64)
    };
    let skipped = place(micros.clone() - lit(BEFORE_SKIP)) + lit(BEFORE_SKIP);
    place(micros).fill_null(skipped).cast(utc)
}

/// `2026-03-31T23:15:00Z` and its relatives; a text without an offset is local in `zone`.
fn iso(raw: &Expr, zone: Option<&str>) -> Expr {
    const SHAPE: &str =
        r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}([.,]\d{1,9})? ?([Zz]|UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)?$";
    let text = raw.clone().str().strip_chars(lit(NULL));
    let text = only_if(looks_like(&text, SHAPE), text);
    let part = |from: i64, length: u64| text.clone().str().slice(lit(from), lit(length));
    let local = concat_str([part(0, 10), lit("T"), part(11, 8)], "", false);
    let local = local
        .str()
        .to_datetime(Some(TimeUnit::Microseconds), None, format("%Y-%m-%dT%H:%M:%S"), lit("raise"))
        .cast(DataType::Int64);
    let rest = text.clone().str().slice(lit(19_i64), lit(NULL));
    let find = |regex: &'static str| rest.clone().str().extract(lit(regex), 1);
    let number = |found: Expr| found.cast(DataType::Int64).fill_null(lit(0_i64));
    let fraction =
        concat_str([find(r"^[.,](\d+)").fill_null(lit("")), lit("000000")], "", false).str().head(lit(6_i64));
    let local = local + number(fraction);
    let minutes = number(find(r"[+-](\d{2})")) * lit(60_i64) + number(find(r"[+-]\d{2}:?(\d{2})$"));
    let west = looks_like(&rest, "-");
    let minutes = when(west).then(lit(0_i64) - minutes.clone()).otherwise(minutes);
    let placed = looks_like(&rest, r"([Zz]|UTC|[+-][\d:]+)$");
    let instant = (local.clone() - minutes * lit(60 * SECOND)).cast(canonical_type(ColumnType::Timestamp));
    when(placed).then(instant).otherwise(localize(local, zone))
}

fn format(format: &str) -> StrptimeOptions {
    StrptimeOptions { format: Some(format.into()), strict: false, exact: true, cache: true }
}

/// The engine's form of a zone; `None` for a name that it does not know, which resolving refuses.
pub(in crate::sources) fn zone_of(name: &str) -> Option<TimeZone> {
    TimeZone::opt_try_new(Some(name)).ok().flatten()
}
