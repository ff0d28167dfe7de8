"""Runs files of SQL in one engine and ends: a contestant is a whole process.

Usage: python engines.py duckdb|clickhouse FILE[,FILE] EXPORTS OUT
"""

import re
import sys
from pathlib import Path


def statements(file: Path, exports: str, out: str) -> str:
    """The SQL of a file with its places filled in, without comments."""
    text = re.sub(r"--[^\n]*", "", file.read_text())
    return text.replace("${exports}", exports).replace("${out}", out)


def duckdb(sql: str) -> None:
    import duckdb

    connection = duckdb.connect()
    # The bar costs little, but it writes over the terminal.
    connection.execute("SET enable_progress_bar = false")
    connection.execute(sql)


def clickhouse(sql: str) -> None:
    from chdb import session

    with session.Session() as connection:
        for statement in sql.split(";"):
            if statement.strip():
                connection.query(statement)


if __name__ == "__main__":
    engine, files, exports, out = sys.argv[1:]
    sql = "\n".join(statements(Path(file), exports, out) for file in files.split(","))
    {"duckdb": duckdb, "clickhouse": clickhouse}[engine](sql)
