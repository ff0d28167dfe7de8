"""Times the revenue family beside DuckDB on the same tables, after checking that both give the same numbers.

Usage: python benches/run.py TENURE [CUSTOMERS] [ROUNDS]

TENURE is the release binary. Needs duckdb from PyPI. Makes its data below a temporary folder with
`tenure sample`, runs the contestants in turn (A B A B ..), and prints medians of wall time, CPU time
and peak memory of whole processes, and the ratio of the medians. Only the ratio carries over to
another machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def duck(exports: str, out: str) -> None:
    import duckdb

    sql = (HERE / "revenue.sql").read_text().replace("${exports}", exports).replace("${out}", out)
    duckdb.connect().execute(sql)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of one process."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    log = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status:
        sys.exit(f"{command} failed:\n{log.decode()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def differences(ours: Path, theirs: Path) -> list[str]:
    """Rows in one but not in the other, table by table, on the columns that both have."""
    import duckdb

    # Six digits behind the point, always: without the point it is the number of units.
    units = "CAST(replace(CAST({} AS VARCHAR), '.', '') AS BIGINT)"
    pairs = {
        "ledger": (
            f"SELECT customer_id, currency, effective_on, kind, {units.format('mrr_delta')}, {units.format('mrr_after')}, first_paid_on, segment FROM '{{}}'",
            "SELECT customer_id, currency, effective_on, kind, mrr_delta, mrr_after, first_paid_on, segment FROM '{}'",
        ),
        "movements": (
            "SELECT period_start, currency, segment, "
            + ", ".join(units.format(f"{k}_mrr") for k in ("new", "reactivation", "expansion", "contraction", "churned", "closing"))
            + ", closing_customers FROM '{}'",
            "SELECT m, currency, segment, new_mrr, reactivation_mrr, expansion_mrr, contraction_mrr, churned_mrr, closing_mrr, closing_customers FROM '{}'",
        ),
        "churn": (
            "SELECT period_start, currency, segment, opening_customers, churned_customers, round(logo_churn_rate, 12) FROM '{}'",
            "SELECT m, currency, segment, opening_customers, churned_customers, round(logo_churn_rate, 12) FROM '{}'",
        ),
        "retention": (
            f"SELECT period_start, currency, segment, base_customers, {units.format('nrr_denominator')}, {units.format('nrr_numerator')}, {units.format('grr_numerator')} FROM '{{}}'",
            "SELECT m, currency, segment, base_customers, denominator, nrr_numerator, grr_numerator FROM '{}'",
        ),
        "cohorts": (
            f"SELECT currency, cohort, period_offset, measure, retained_customers, {units.format('retained_mrr')} FROM '{{}}' WHERE NOT is_total AND is_mature",
            "SELECT currency, cohort, k, unnest(['customers', 'gross_revenue', 'net_revenue']) AS measure, unnest([customers, NULL, NULL]), unnest([NULL, gross, net]) FROM '{}' WHERE is_mature",
        ),
    }
    wrong = []
    for table, (a, b) in pairs.items():
        a, b = a.format(ours / f"{table}.parquet"), b.format(theirs / f"{table}.parquet")
        for left, right, side in ((a, b, "only ours"), (b, a, "only theirs")):
            rows = duckdb.sql(f"SELECT count(*) FROM (({left}) EXCEPT ({right}))").fetchall()[0][0]
            if rows:
                wrong.append(f"{table}: {rows} rows {side}")
    return wrong


def main() -> None:
    if sys.argv[1] == "--duck":
        return duck(sys.argv[2], sys.argv[3])
    tenure = str(Path(sys.argv[1]).resolve())
    customers = sys.argv[2] if len(sys.argv) > 2 else "1000000"
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with tempfile.TemporaryDirectory() as folder:
        data, ours, theirs = (Path(folder) / name for name in ("data", "ours", "theirs"))
        theirs.mkdir()
        subprocess.run([tenure, "sample", "--customers", customers, "--seed", "7", "--events", "0", "--out", str(data)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        contestants = {
            "tenure": [tenure, "run", str(HERE / "revenue.yml"), "--param", f"exports={data}", "--root", str(ours)],
            "duckdb": [sys.executable, __file__, "--duck", str(data), str(theirs)],
        }
        for command in contestants.values():
            measured(command)
        wrong = differences(ours, theirs)
        if wrong:
            sys.exit("the results differ:\n" + "\n".join(wrong))
        print(f"{customers} customers: both give the same numbers")
        times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, command in contestants.items():
                times[name].append(measured(command))
        medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in times.items()}
        print(f"| | wall s | cpu s | peak MiB |\n|---|---|---|---|")
        for name, (wall, cpu, peak) in medians.items():
            print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |")
        ratios = [a / b for a, b in zip(medians["tenure"], medians["duckdb"])]
        print("| tenure / duckdb | " + " | ".join(f"{r:.2f}" for r in ratios) + " |")


if __name__ == "__main__":
    main()
