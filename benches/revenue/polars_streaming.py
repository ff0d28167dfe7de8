"""The tables of the revenue family in Polars, tuned by hand. Cost follows changes, not customers x months.

Usage: python polars_streaming.py EXPORTS OUT

What makes it fast:
  * A customer is a number, in the order of its id, and one Int64, the key, holds customer, segment, currency and day:
    customer << 20 | segment << 17 | currency << 16 | day. Sorting sees one column; no group-by sees more than two.
  * Open intervals end on 2026-07-01, the day after as_of. So the changes of every customer add up to zero, and one
    running sum over all rows in the order of the key is the running sum of each, without partitions.
  * Sorting and taking adjacent differences is cheaper than a hash group-by and a sort.
  * The civil day of an instant depends on its hour alone, so the time zone is asked once per hour, not once per row.

Money is Int64 in units of 10^-6 major units, as in the pipeline.
"""

import sys
from datetime import date, datetime, timezone
from functools import reduce
from operator import add
from pathlib import Path

import polars as pl

END = date(2026, 7, 1)
LAST_MONTH = 2026 * 12 + 5
HORIZON = 48
ITEM_COLUMNS = [
    "customer_id", "start_date", "trial_end", "ended_at", "unit_amount", "currency", "quantity", "billing_interval",
    "interval_count", "usage_type", "status", "livemode", "is_deleted",
]  # fmt: skip


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


def intervals(exports: Path) -> pl.LazyFrame:
    """What each item pays, from its first paid day up to but not including its end."""
    # The two schemas of the export differ in the width of the quantity.
    files = [
        pl.scan_parquet(exports / "subscription_items" / f"{stem}-*.parquet")
        .select(ITEM_COLUMNS)
        .with_columns(pl.col("quantity").cast(pl.Int64))
        for stem in ("v1", "v2")
    ]
    first_hour, days = civil_days(2020, 2030)
    end = pl.lit(END).cast(pl.Int32)
    c = pl.col
    quantity = c("quantity").fill_null(1)
    price = (
        c("unit_amount") * 10_000 * quantity
        * pl.when(c("billing_interval") == "day").then(365).when(c("billing_interval") == "week").then(52).otherwise(1)
    )  # fmt: skip
    months = pl.when(c("billing_interval") == "month").then(1).otherwise(12) * c("interval_count").cast(pl.Int64)
    ended = pl.lit(days).gather(c("ended_at") // 3600 - first_hour)
    whole, rest = c("price") // c("months"), c("price") % c("months")
    # Rounded half to even at 10^-4 of the minor unit, of which a yen has one and a dollar a hundred.
    up = (2 * rest > c("months")) | ((2 * rest == c("months")) & (whole % 2 == 1))
    return (
        pl.concat(files)
        .filter(
            c("livemode"), ~c("is_deleted"), c("usage_type") == "licensed", c("status") != "unpaid",
            c("currency").is_in(["usd", "jpy"]), c("billing_interval").is_in(["day", "week", "month", "year"]),
            c("interval_count") > 0, quantity >= 0, c("unit_amount") > 0, c("customer_id").is_not_null(),
        )
        .select(
            "customer_id",
            (c("currency") == "usd").cast(pl.Int64).alias("is_usd"),
            pl.max_horizontal("start_date", "trial_end").cast(pl.Int32).alias("starts"),
            pl.min_horizontal(ended, end).alias("ends"),
            price.alias("price"),
            months.alias("months"),
        )
        .filter(c("ends") > c("starts"), c("price") > 0)
        .select("customer_id", "is_usd", "starts", "ends", ((whole + up) * (100 - 99 * c("is_usd"))).alias("mrr"))
    )  # fmt: skip


def month_of(day: pl.Expr) -> pl.Expr:
    """Months since year 0 of a day given as days since 1970."""
    civil = day.cast(pl.Int32).cast(pl.Date)
    return civil.dt.year().cast(pl.Int64) * 12 + civil.dt.month() - 1


def main(exports: Path, out: Path) -> None:
    c = pl.col
    items = intervals(exports).collect(engine="streaming").lazy()

    profiles = pl.scan_parquet(exports / "customers" / "*.parquet").select("customer_id", "segment")
    names = pl.concat([profiles.select(c("segment").drop_nulls().unique()), pl.LazyFrame({"segment": ["(not set)"]})])
    segments = names.unique().sort("segment").collect()["segment"]
    # Sorted first and joined then: a sort of ids alone is cheap, and the join may give any order.
    ids = items.select(c("customer_id").unique()).sort("customer_id").collect(engine="streaming")["customer_id"]
    code = c("segment").cast(pl.Enum(segments)).to_physical().cast(pl.Int64)
    not_set = segments.index_of("(not set)")
    customers = (
        pl.LazyFrame({"customer_id": ids, "n": pl.int_range(len(ids), eager=True)})
        .join(profiles.select("customer_id", code.alias("code")), on="customer_id", how="left")
        .with_columns(c("code").fill_null(not_set))
        .collect(engine="streaming")
    )

    numbered = (
        items.join(customers.lazy(), on="customer_id")
        .select((c("n") * 2**20 + c("code") * 2**17 + c("is_usd") * 2**16).alias("series"), "starts", "ends", "mrr")
        .collect(engine="streaming")
        .lazy()
    )
    changes = pl.concat(
        [
            numbered.select((c("series") + c("starts")).alias("key"), c("mrr").alias("delta")),
            numbered.select((c("series") + c("ends")).alias("key"), -c("mrr").alias("delta")),
        ]
    )
    # One row per change. The last row of who still pays is the end on 2026-07-01.
    ledger = (
        changes.sort("key")
        .select("key", c("delta").cum_sum().alias("after"))
        .filter(c("key") != c("key").shift(-1, fill_value=-1))
        .with_columns((c("after") - c("after").shift(1, fill_value=0)).alias("delta"))
        .filter(c("delta") != 0)
        .with_columns((c("key") // 2**16).alias("series"), (c("key") % 2**16).alias("day"))
        .with_columns((c("series") != c("series").shift(1, fill_value=-1)).alias("is_new"))
        .with_columns(
            pl.when("is_new").then("day").forward_fill().alias("first_day"),
            pl.when("is_new").then("after").forward_fill().alias("entry"),
            month_of(c("day")).alias("month"),
        )
        .with_columns(pl.when("is_new").then("month").forward_fill().alias("first_month"))
        .collect(engine="streaming")
        .lazy()
    )
    is_usd = c("series") % 2
    currencies = pl.lit(pl.Series(["JPY", "USD"]))
    ledger.filter(c("day") < pl.lit(END).cast(pl.Int32)).select(
        pl.lit(ids).gather(c("series") // 16).alias("customer_id"),
        currencies.gather(is_usd).alias("currency"),
        c("day").cast(pl.Int32).cast(pl.Date).alias("effective_on"),
        pl.when("is_new").then(pl.lit("new")).when(c("after") == c("delta")).then(pl.lit("reactivation"))
        .when(c("after") == 0).then(pl.lit("churn")).when(c("delta") > 0).then(pl.lit("expansion"))
        .otherwise(pl.lit("contraction")).alias("kind"),
        (c("after") - c("delta")).alias("mrr_before"),
        c("delta").alias("mrr_delta"),
        c("after").alias("mrr_after"),
        c("first_day").cast(pl.Int32).cast(pl.Date).alias("first_paid_on"),
        pl.lit(segments).gather(c("series") // 2 % 8).alias("segment"),
    ).sink_parquet(out / "ledger.parquet", compression="zstd")  # fmt: skip

    # The months at whose end somebody pays another amount than at the end of the month before.
    packed = c("series") * 2**15 + c("month")
    steps = (
        ledger.select(packed.alias("key"), "after", "first_month")
        .filter(c("key") != c("key").shift(-1, fill_value=-1))
        .with_columns(c("after").shift(1, fill_value=0).alias("before"))
        .filter(c("before") != c("after"))
        .collect(engine="streaming")
        .lazy()
    )
    group = (c("key") // 2**15 % 16).alias("grp")
    month = (c("key") % 2**15).alias("month")
    before, after = c("before"), c("after")
    kinds = {
        "new": (before == 0) & (c("first_month") == c("month")),
        "reactivation": (before == 0) & (c("first_month") != c("month")),
        "expansion": (before > 0) & (after > before),
        "contraction": (after > 0) & (after < before),
        "churned": after == 0,
    }
    moves = (
        steps.with_columns(group, month)
        .with_columns((after - before).alias("delta"))
        .group_by("grp", "month")
        .agg(
            [c("delta").filter(is_kind).sum().alias(f"{kind}_mrr") for kind, is_kind in kinds.items()]
            + [is_kind.sum().cast(pl.Int64).alias(f"{kind}_customers") for kind, is_kind in kinds.items()]
        )
        .filter(c("month") <= LAST_MONTH)
    )

    # The step function and itself, twelve months later: both are sorted, so merging is enough.
    now_then = steps.select("key", (after - before).alias("now"), pl.lit(0, pl.Int64).alias("then")).merge_sorted(
        steps.select(c("key") + 12, pl.lit(0, pl.Int64).alias("now"), (after - before).alias("then")), key="key"
    )
    paid_then = c("then") > 0
    retained = (
        now_then.select("key", c("now").cum_sum(), c("then").cum_sum())
        .select(
            "key",
            pl.when(paid_then).then("now").otherwise(0).alias("net"),
            pl.min_horizontal("now", "then").alias("gross"),
            (paid_then & (c("now") > 0)).cast(pl.Int64).alias("customers"),
        )
        .select(group, month, *[c(name) - c(name).shift(1, fill_value=0) for name in ("net", "gross", "customers")])
        .group_by("grp", "month")
        .sum()
    )
    moves, retained = pl.collect_all([moves, retained], engine="streaming")

    # From here on everything is small: months x segments.
    opens = moves.group_by("grp").agg(c("month").min()).with_columns(c("month").min().over(c("grp") % 2))
    grid = opens.with_columns(pl.int_ranges("month", LAST_MONTH + 1).alias("month")).explode("month")
    keys = ["period_start", "currency", "segment", "is_total"]
    parts = (
        grid.join(moves, on=["grp", "month"], how="left")
        .join(retained, on=["grp", "month"], how="left")
        .with_columns(
            pl.date(c("month") // 12, c("month") % 12 + 1, 1).alias("period_start"),
            currencies.gather(c("grp") % 2).alias("currency"),
            pl.lit(segments).gather(c("grp") // 2).alias("segment"),
            pl.lit(False).alias("is_total"),
        )
        .drop("grp", "month")
        .fill_null(0)
    )
    total = (
        parts.group_by("period_start", "currency")
        .agg(pl.exclude(*keys).sum())
        .with_columns(pl.lit(None, pl.String).alias("segment"), pl.lit(True).alias("is_total"))
    )
    of = ["currency", "segment", "is_total"]
    bridge = (
        pl.concat([parts, total.select(parts.columns)])
        .sort(keys)
        .with_columns(
            pl.sum_horizontal([f"{kind}_mrr" for kind in kinds]).cum_sum().over(of).alias("closing_mrr"),
            (c("new_customers") + c("reactivation_customers") - c("churned_customers"))
            .cum_sum()
            .over(of)
            .alias("closing_customers"),
            c("net").cum_sum().over(of).alias("nrr_numerator"),
            c("gross").cum_sum().over(of).alias("grr_numerator"),
            c("customers").cum_sum().over(of).alias("retained_customers"),
        )
        .with_columns(
            [
                c(f"closing_{what}").shift(by, fill_value=0).over(of).alias(f"{name}_{what}")
                for what in ("mrr", "customers")
                for by, name in ((1, "opening"), (12, "base"))
            ]
        )
    )

    def ratio(numerator: pl.Expr, denominator: str) -> pl.Expr:
        return pl.when(c(denominator) != 0).then(numerator / c(denominator))

    bridge.select(
        *keys,
        *[f"{kind}_mrr" for kind in ("opening", *kinds, "closing")],
        *[f"{kind}_customers" for kind in ("opening", *kinds, "closing")],
    ).write_parquet(out / "movements.parquet")
    bridge.select(
        *keys, "base_customers", "retained_customers", c("base_mrr").alias("nrr_denominator"),
        "nrr_numerator", ratio(c("nrr_numerator"), "base_mrr").alias("nrr"),
        "grr_numerator", ratio(c("grr_numerator"), "base_mrr").alias("grr"),
    ).write_parquet(out / "retention.parquet")  # fmt: skip
    lost = -c("churned_mrr") - c("contraction_mrr")
    bridge.select(
        *keys, "opening_customers", "churned_customers",
        "opening_mrr", "churned_mrr", "contraction_mrr", "expansion_mrr",
        ratio(c("churned_customers"), "opening_customers").alias("logo_churn_rate"),
        ratio(lost, "opening_mrr").alias("gross_revenue_churn_rate"),
        ratio(lost - c("expansion_mrr"), "opening_mrr").alias("net_revenue_churn_rate"),
    ).write_parquet(out / "churn.parquet")  # fmt: skip
    n, mrr = c("closing_customers"), c("closing_mrr")
    up = (2 * (mrr % n) > n) | ((2 * (mrr % n) == n) & (mrr // n % 2 == 1))
    churn, events = c("churn"), c("churned_customers")
    known = (n > 0) & (c("churn_events") >= 10) & (c("trailing_churn_rate") > 0)
    (
        bridge.with_columns(ratio(c("churned_customers"), "opening_customers").alias("churn"))
        .with_columns(
            pl.when(n > 0).then(mrr // n + up).alias("arpa"),
            pl.sum_horizontal([events.shift(k, fill_value=0).over(of) for k in range(6)]).alias("churn_events"),
            # Added in this order, as elsewhere: floats are.
            (reduce(add, [churn.shift(k).over(of) for k in range(6)]) / 6).alias("trailing_churn_rate"),
        )
        .with_columns(
            pl.when(known)
            .then((mrr * 0.8 / n / c("trailing_churn_rate")).round(0, "half_to_even").cast(pl.Int64))
            .alias("ltv")
        )
        .select(*keys, "closing_customers", "closing_mrr", "arpa", "churn_events", "trailing_churn_rate", "ltv")
        .write_parquet(out / "ltv.parquet")
    )

    # The cohort triangle: offset 0 is the entry, offset k the end of the k-th month after. What a customer changes
    # within an offset is summed as it comes; only the sum of all changes up to an offset is looked at.
    cell = [is_usd.alias("is_usd"), c("first_month").alias("cohort")]
    bases = (
        ledger.filter("is_new")
        .group_by(cell)
        .agg(pl.len().cast(pl.Int64).alias("base_customers"), c("after").sum().alias("base_mrr"))
    )
    was = c("after") - c("delta")
    deltas = (
        ledger.filter(~c("is_new"), c("month") <= LAST_MONTH)
        .select(
            *cell,
            pl.max_horizontal(c("month") - c("first_month"), 1).alias("period_offset"),
            ((c("after") > 0).cast(pl.Int64) - (was > 0).cast(pl.Int64)).alias("retained_customers"),
            (pl.min_horizontal("after", "entry") - pl.min_horizontal(was, c("entry"))).alias("gross_mrr"),
            c("delta").alias("net_mrr"),
        )
        .group_by("is_usd", "cohort", "period_offset")
        .sum()
    )
    bases, deltas = pl.collect_all([bases, deltas], engine="streaming")
    at = ["is_usd", "cohort"]
    (
        bases.with_columns(pl.int_ranges(0, HORIZON + 1).alias("period_offset"))
        .explode("period_offset")
        .filter(c("cohort") + c("period_offset") <= LAST_MONTH)
        .join(deltas, on=[*at, "period_offset"], how="left")
        .sort(*at, "period_offset")
        .select(
            currencies.gather(c("is_usd")).alias("currency"),
            pl.date(c("cohort") // 12, c("cohort") % 12 + 1, 1).alias("cohort"),
            "period_offset",
            "base_customers",
            (c("base_customers") + c("retained_customers").fill_null(0).cum_sum().over(at)).alias("retained_customers"),
            "base_mrr",
            (c("base_mrr") + c("gross_mrr").fill_null(0).cum_sum().over(at)).alias("gross_mrr"),
            (c("base_mrr") + c("net_mrr").fill_null(0).cum_sum().over(at)).alias("net_mrr"),
        )
        .write_parquet(out / "cohorts.parquet")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
