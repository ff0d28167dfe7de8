"""Compares the tables of two contestants, row by row and to the last unit.

A peer writes the columns named here, with the names that tenure gives them: amounts as whole numbers of 10^-6 major
units, counts as whole numbers. Of tenure's tables the same columns are taken.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

GROUP = ("period_start", "currency", "segment", "is_total")


@dataclass(frozen=True)
class Table:
    """What two contestants must agree on."""

    keys: tuple[str, ...]
    counts: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    # Ratios of numbers that are compared themselves, and amounts that are such a ratio: floats, equal in twelve digits.
    rates: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()
    # Whether rows must stand in the order of the keys.
    ordered: bool = False
    # How tenure's rows become these, where names are not enough.
    ours: str = ""

    def exact(self) -> tuple[str, ...]:
        return self.keys + self.texts + self.counts + self.amounts

    def floats(self) -> tuple[str, ...]:
        return self.rates + self.estimates


FAMILIES: dict[str, dict[str, Table]] = {
    "revenue": {
        "ledger": Table(
            keys=("customer_id", "currency", "effective_on"),
            texts=("kind", "first_paid_on", "segment"),
            amounts=("mrr_before", "mrr_delta", "mrr_after"),
            ordered=True,
        ),
        "movements": Table(
            keys=GROUP,
            amounts=tuple(
                f"{k}_mrr" for k in ("opening", "new", "reactivation", "expansion", "contraction", "churned", "closing")
            ),
            counts=tuple(
                f"{k}_customers"
                for k in ("opening", "new", "reactivation", "expansion", "contraction", "churned", "closing")
            ),
        ),
        "retention": Table(
            keys=GROUP,
            counts=("base_customers", "retained_customers"),
            amounts=("nrr_denominator", "nrr_numerator", "grr_numerator"),
            rates=("nrr", "grr"),
        ),
        "churn": Table(
            keys=GROUP,
            counts=("opening_customers", "churned_customers"),
            amounts=("opening_mrr", "churned_mrr", "contraction_mrr", "expansion_mrr"),
            rates=("logo_churn_rate", "gross_revenue_churn_rate", "net_revenue_churn_rate"),
        ),
        "cohorts": Table(
            keys=("currency", "cohort", "period_offset"),
            counts=("base_customers", "retained_customers"),
            amounts=("base_mrr", "gross_mrr", "net_mrr"),
            # A row per measure becomes a row per cell; cells whose month is not over have no values.
            ours="""
                SELECT currency, cohort, period_offset, max(base_customers) AS base_customers,
                       max(retained_customers) AS retained_customers, max(base_mrr) AS base_mrr,
                       max(retained_mrr) FILTER (measure = 'gross_revenue') AS gross_mrr,
                       max(retained_mrr) FILTER (measure = 'net_revenue') AS net_mrr
                FROM {file} WHERE NOT is_total AND is_mature GROUP BY ALL""",
        ),
        "ltv": Table(
            keys=GROUP,
            counts=("closing_customers", "churn_events"),
            amounts=("closing_mrr", "arpa"),
            rates=("trailing_churn_rate",),
            estimates=("ltv",),
        ),
    },
    "usage": {
        "active": Table(
            keys=("grain", "unit", "period_start"),
            counts=("active", "new", "returning", "resurrecting", "dormant", "active_days"),
        ),
        "usage_cohorts": Table(
            keys=("cohort", "period_offset"),
            counts=("cohort_size", "retained"),
            # Cells whose week is not over have no values.
            ours="SELECT * FROM {file} WHERE NOT is_total AND is_mature",
        ),
    },
}

# Both in one process.
FAMILIES["nightly"] = FAMILIES["revenue"] | FAMILIES["usage"]


def quoted(names: Iterable[str]) -> str:
    """Columns for a SELECT; `returning` is a word of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def rows(table: Table, file: Path, of_tenure: bool) -> str:
    """The query that gives the compared columns of a contestant's table."""
    source = f"read_parquet('{file}')"
    if not of_tenure:
        return f"SELECT {quoted(table.exact() + table.floats())} FROM {source}"
    if table.ours:
        source = f"({table.ours.format(file=source)})"
    units = [
        f"CAST(CAST({name} AS DECIMAL(24, 6)) * 1000000 AS BIGINT) AS {name}"
        for name in table.amounts + table.estimates
    ]
    plain = table.keys + table.texts + table.counts
    return f"SELECT {', '.join([quoted(plain), *units, *table.rates])} FROM {source}"


def differences(family: str, ours: Path, theirs: Path, of_tenure: bool, spared: Iterable[str] = ()) -> list[str]:
    """What two folders of tables do not agree on; empty if they do. `of_tenure`: tenure wrote the first one."""
    wrong: list[str] = []
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = '{tempfile.gettempdir()}'")
    for name, table in FAMILIES[family].items():
        if name in spared:
            continue
        files = (ours / f"{name}.parquet", theirs / f"{name}.parquet")
        missing = [str(file) for file in files if not file.exists()]
        if missing:
            wrong.append(f"{name}: {', '.join(missing)} is missing")
            continue
        a, b = (rows(table, file, flag) for file, flag in zip(files, (of_tenure, False)))
        exact = quoted(table.exact())
        sizes = [connection.sql(f"SELECT count(*) FROM ({side})").fetchall()[0][0] for side in (a, b)]
        differ = sizes[0] != sizes[1]
        for left, right, side in ((a, b, "ours"), (b, a, "theirs")):
            # As many rows, and none of ours that is not theirs: then they are the same.
            if side == "theirs" and not differ:
                break
            query = f"SELECT {exact} FROM ({left}) EXCEPT ALL SELECT {exact} FROM ({right})"
            shown = connection.sql(f"SELECT *, count(*) OVER () FROM ({query}) LIMIT 3").fetchall()
            if shown:
                differ = True
                examples = "\n".join(f"  {row[:-1]}" for row in shown)
                wrong.append(f"{name}: {shown[0][-1]} rows only in {side}, such as\n{examples}")
        if table.floats() and not differ:
            same = " AND ".join(f"a.{key} IS NOT DISTINCT FROM b.{key}" for key in table.keys)
            far = " OR ".join(
                f"(a.{r} IS NULL) <> (b.{r} IS NULL) OR abs(a.{r} - b.{r}) > 1e-12 * greatest(1, abs(a.{r}))"
                for r in table.floats()
            )
            count = connection.sql(f"SELECT count(*) FROM ({a}) a JOIN ({b}) b ON {same} WHERE {far}").fetchall()[0][0]
            if count:
                wrong.append(f"{name}: {count} rows with other rates ({', '.join(table.floats())})")
        if table.ordered:
            key = f"({quoted(table.keys)})"
            for file in files:
                source = f"read_parquet('{file}', file_row_number = true)"
                pairs = f"SELECT {key} AS key, lag({key}) OVER (ORDER BY file_row_number) AS previous FROM {source}"
                count = connection.sql(f"SELECT count(*) FROM ({pairs}) WHERE previous > key").fetchall()[0][0]
                if count:
                    wrong.append(f"{name}: {file} is not in the order of {', '.join(table.keys)}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="What two folders of tables do not agree on; exit code 1 if anything.")
    parser.add_argument("family", choices=list(FAMILIES))
    parser.add_argument("ours", type=Path)
    parser.add_argument("theirs", type=Path)
    parser.add_argument("--tenure", action="store_true", help="the first folder is tenure's")
    parser.add_argument("--spared", action="append", default=[], help="a table that the second folder lacks")
    args = parser.parse_args()
    wrong = differences(args.family, args.ours, args.theirs, args.tenure, args.spared)
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    # An exception is exit code 2, so that it is no difference.
    try:
        sys.exit(main())
    except duckdb.Error as error:
        print(error, file=sys.stderr)
        sys.exit(2)
