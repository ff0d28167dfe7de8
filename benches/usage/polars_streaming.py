"""The tables of the usage family in Polars, tuned by hand.

Usage: python polars_streaming.py EXPORTS OUT

What makes it fast:
  * Events are read once, by the streaming engine, and become distinct days of users and customers.
  * Everything else follows from how often a day of activity follows another one of the same user: a table of pairs of
    days, a few thousand rows. A week has a user whose day before was in an earlier week, and so on for every grain.
  * Sorting and grouping see one column of whole numbers.
  * The civil day of an instant depends on its hour alone, so the time zone is asked once per hour, not once per row.

Days are numbers since 1970-01-01.
"""

import sys
from datetime import date, datetime, timezone
from pathlib import Path

import polars as pl

AS_OF = (date(2026, 6, 30) - date(1970, 1, 1)).days
LAST_FULL_WEEK = (date(2026, 6, 22) - date(1970, 1, 1)).days // 7 + 1
HORIZON = 12


def civil_days(first_year: int, last_year: int) -> tuple[int, pl.Series]:
    """The first hour since 1970, and the day in New York of every hour from there on."""
    hours = pl.datetime_range(
        datetime(first_year, 1, 1, tzinfo=timezone.utc),
        datetime(last_year, 1, 1, tzinfo=timezone.utc),
        "1h",
        eager=True,
    )
    first = int(hours[0].timestamp()) // 3600
    return first, hours.dt.convert_time_zone("America/New_York").dt.date().cast(pl.Int32)


def pairs(visits: pl.LazyFrame, unit: str) -> pl.LazyFrame:
    """How often a day follows another one of the same unit, the first one none. `cohort` is the week of the first."""
    c = pl.col
    # A text becomes the number of its category. Either way unit and day are one Int64, in any order of units.
    is_text = visits.collect_schema()[unit] == pl.String
    number = c(unit).cast(pl.Categorical).to_physical() if is_text else c(unit) - c(unit).min()
    who, day = c("key") // 2**16, c("key") % 2**16
    pair = c("pair")
    return (
        visits.select((number.cast(pl.Int64) * 2**16 + c("day")).alias("key"))
        .sort("key")
        .filter(c("key") != c("key").shift(1, fill_value=-1))
        .select(day.alias("day"), pl.when(who == who.shift()).then(day.shift()).otherwise(0).alias("previous"))
        .with_columns(pl.when(c("previous") == 0).then((c("day") + 3) // 7).forward_fill().alias("cohort"))
        .select((c("cohort") * 2**32 + c("previous") * 2**16 + c("day")).alias("pair"))
        .group_by("pair")
        .agg(pl.len().cast(pl.Int64).alias("n"))
        .select(
            (pair // 2**32).cast(pl.Int32).alias("cohort"),
            (pair // 2**16 % 2**16).cast(pl.Int32).replace(0, None).alias("previous"),
            (pair % 2**16).cast(pl.Int32).alias("day"),
            "n",
        )
    )


def main(exports: Path, out: Path) -> None:
    c = pl.col
    first_hour, days = civil_days(2020, 2030)
    hour = c("occurred_at").dt.epoch("s") // 3600 - first_hour
    visits = (
        pl.scan_parquet(exports / "usage_events" / "*.parquet")
        .filter(c("user_id").is_not_null(), c("customer_id").is_not_null())
        .select("user_id", "customer_id", pl.lit(days).gather(hour).alias("day"))
        .filter(c("day") <= AS_OF)
        .unique()
        .collect(engine="streaming")
        .lazy()
    )
    users, customers = pl.collect_all([pairs(visits, "user_id"), pairs(visits, "customer_id")], engine="streaming")

    # From here on everything is small. Periods are numbers, so that the one before is one less.
    def month(day: str) -> pl.Expr:
        civil = c(day).cast(pl.Date)
        return civil.dt.year() * 12 + civil.dt.month() - 1

    grains = {"day": c, "week": lambda day: (c(day) + 3) // 7, "month": month}
    start = {
        "day": c("period").cast(pl.Date),
        "week": (c("period") * 7 - 3).cast(pl.Date),
        "month": pl.date(c("period") // 12, c("period") % 12 + 1, 1),
    }
    last = pl.DataFrame({"day": [AS_OF]}, schema={"day": pl.Int32})
    n = c("n")
    tables = []
    for unit, counted in (("user", users), ("customer", customers)):
        for grain, number in grains.items():
            period, previous = c("period"), c("before")
            came = (
                counted.select(number("day").alias("period"), number("previous").alias("before"), "n")
                .group_by("period")
                .agg(
                    n.filter(previous.is_null() | (previous < period)).sum().alias("active"),
                    n.filter(previous.is_null()).sum().alias("new"),
                    n.filter(previous == period - 1).sum().alias("returning"),
                    n.sum().alias("active_days"),
                )
            )
            first, end = came["period"].min(), last.select(number("day")).item()
            grid = pl.DataFrame({"period": pl.int_range(first, end + 1, eager=True, dtype=came["period"].dtype)})
            tables.append(
                grid.join(came, on="period", how="left")
                .fill_null(0)
                .sort("period")
                .select(
                    pl.lit(grain).alias("grain"),
                    pl.lit(unit).alias("unit"),
                    start[grain].alias("period_start"),
                    "active",
                    "new",
                    "returning",
                    (c("active") - c("new") - c("returning")).alias("resurrecting"),
                    # Whoever was there in the period before and did not return.
                    (c("active").shift(fill_value=0) - c("returning")).alias("dormant"),
                    "active_days",
                )
            )
    pl.concat(tables).sort("grain", "unit", "period_start").write_parquet(out / "active.parquet")

    # A cohort is a week of first use.
    week = (c("day") + 3) // 7
    weeks = (
        users.filter(c("previous").is_null() | ((c("previous") + 3) // 7 < week))
        .group_by("cohort", (week - c("cohort")).cast(pl.Int64).alias("period_offset"))
        .agg(n.sum().alias("retained"))
    )
    (
        weeks.filter(c("period_offset") == 0)
        .select("cohort", c("retained").alias("cohort_size"), pl.int_ranges(0, HORIZON + 1).alias("period_offset"))
        .explode("period_offset")
        .filter(c("cohort") + c("period_offset") <= LAST_FULL_WEEK)
        .join(weeks, on=["cohort", "period_offset"], how="left")
        .select(
            (c("cohort") * 7 - 3).cast(pl.Date).alias("cohort"),
            "period_offset",
            "cohort_size",
            c("retained").fill_null(0),
        )
        .sort("cohort", "period_offset")
        .write_parquet(out / "usage_cohorts.parquet")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
