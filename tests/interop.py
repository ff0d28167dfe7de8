"""Opens every published table with DuckDB and PyArrow and compares what they read.

Usage: python tests/interop.py OUT

Checks per table: both readers open it through its published path, agree on rows, column names,
types and the exact total of every amount and count, and see the metadata of the footer.
Checks across tables: the bridge closes and its last closing is what the ledger sums to.
"""

import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

DUCKDB = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
}


def arrow_name(kind: pa.DataType) -> str:
    """The type in DuckDB's words, for the types that a published table may have."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "VARCHAR"
    return DUCKDB.get(str(kind), f"unexpected {kind}")


def check(path: Path, db: duckdb.DuckDBPyConnection) -> list[str]:
    wrong = []
    table = pq.read_table(path)
    described = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    duck = [(row[0], row[1]) for row in described]
    arrow = [(field.name, arrow_name(field.type)) for field in table.schema]
    if duck != arrow:
        wrong.append(f"columns differ: DuckDB {duck}, PyArrow {arrow}")
    rows = db.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()[0]
    if rows != table.num_rows:
        wrong.append(f"rows differ: DuckDB {rows}, PyArrow {table.num_rows}")
    for name, kind in duck:
        if not (kind.startswith("DECIMAL") or kind == "BIGINT"):
            continue
        total = db.execute(f'SELECT sum("{name}") FROM read_parquet(?)', [str(path)]).fetchone()[0]
        # Exact in Python integers and decimals, whatever the width.
        expected = sum((v for v in table.column(name).to_pylist() if v is not None), Decimal(0))
        if (total or 0) != expected:
            wrong.append(f"total of {name} differs: DuckDB {total}, PyArrow {expected}")
    for name, kind in duck:
        if kind == "DOUBLE":
            bad = db.execute(f'SELECT count(*) FROM read_parquet(?) WHERE NOT isfinite("{name}")', [str(path)]).fetchone()[0]
            if bad:
                wrong.append(f"{name} holds {bad} values that are not finite")
    footer = pq.read_metadata(path)
    metadata = footer.metadata or {}
    for key in (b"tenure.pipeline", b"tenure.as_of", b"tenure.definition", b"tenure.columns"):
        if key not in metadata:
            wrong.append(f"the footer lacks {key.decode()}")
    for i in range(footer.num_columns):
        column = footer.schema.column(i)
        if column.logical_type.type == "DECIMAL" and column.physical_type != "INT64":
            wrong.append(f"{column.name} is stored as {column.physical_type}, expected INT64")
    print(f"{path.name}: {rows} rows, {len(duck)} columns")
    return wrong


def across(out: Path, db: duckdb.DuckDBPyConnection) -> list[str]:
    ledger, movements = out / "ledger.parquet", out / "movements.parquet"
    broken = db.execute(
        """SELECT count(*) FROM read_parquet(?)
           WHERE opening_mrr + new_mrr + reactivation_mrr + resumed_mrr + expansion_mrr + contraction_mrr
                 + paused_mrr + churned_mrr + fx_mrr + transfer_in_mrr + transfer_out_mrr <> closing_mrr""",
        [str(movements)],
    ).fetchone()[0]
    wrong = [f"the bridge does not close in {broken} rows"] if broken else []
    differs = db.execute(
        """WITH last AS (SELECT currency, arg_max(closing_mrr, period_start) AS closing
                         FROM read_parquet(?) WHERE is_total GROUP BY currency),
                sums AS (SELECT currency, sum(mrr_delta) AS closing FROM read_parquet(?) GROUP BY currency)
           SELECT count(*) FROM last FULL JOIN sums USING (currency)
           WHERE last.closing IS DISTINCT FROM sums.closing""",
        [str(movements), str(ledger)],
    ).fetchone()[0]
    if differs:
        wrong.append(f"the last closing differs from the ledger in {differs} currencies")
    return wrong


def main() -> int:
    out = Path(sys.argv[1])
    db = duckdb.connect()
    paths = sorted(out.glob("*.parquet"))
    wrong = ["no table is published"] if not paths else []
    for path in paths:
        wrong += [f"{path.name}: {message}" for message in check(path, db)]
    if paths:
        wrong += across(out, db)
    globbed = db.execute("SELECT count(DISTINCT filename) FROM read_parquet(?, filename=true, union_by_name=true)", [str(out / "*.parquet")]).fetchone()[0]
    if globbed != len(paths):
        wrong.append(f"a DuckDB glob sees {globbed} tables, expected {len(paths)}")
    for message in wrong:
        print(f"WRONG {message}", file=sys.stderr)
    print(f"{len(paths)} tables, {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
