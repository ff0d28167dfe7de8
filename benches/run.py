"""Times tenure beside its peers on the same tables, after checking that all give the same numbers.

Usage: python benches/run.py [--scales 0.1,1] [--ids stripe,bigint] [--families revenue,usage] [--rounds 5] ..

A contestant is a whole process, Parquet in, Parquet out. They run in turn (A B C A B C ..), and what is shown are
medians of wall time, CPU time and peak memory. Only the ratios mean anything on another machine. See benches/README.md.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL = "pip install -r benches/requirements.txt"
MARKS = ("<!-- results: written by run.py --write -->", "<!-- end of results -->")
SEED = 7
CUSTOMERS = 1_000_000
EVENTS_PER_CUSTOMER = 50
# What the families read; the rest of a sample is removed, for it is most of it.
TABLES = {"revenue": ("customers", "subscription_items"), "usage": ("usage_events",)}
# Both in one process, as a nightly run does.
NIGHTLY = ("revenue", "usage")
TABLES["nightly"] = tuple(table for family in NIGHTLY for table in TABLES[family])


@dataclass(frozen=True)
class Contestant:
    """Who takes part: its package on PyPI if it is a peer, and its file in the folder of a family."""

    name: str
    package: str | None
    file: str
    # Tables that it does not make.
    spared: tuple[str, ...] = ()

    def files(self, family: str) -> list[Path]:
        """What it runs for a family; SQL of several families runs as one."""
        single = family != "nightly" or not self.file.endswith(".sql")
        return [HERE / part / self.file for part in ((family,) if single else NIGHTLY)]

    def command(self, family: str, tenure: Path, exports: Path, out: Path, ids: str) -> list[str]:
        files = self.files(family)
        file = files[0]
        if self.name == "tenure":
            params = [f"exports={exports}", f"id={'int' if ids == 'bigint' else 'string'}"]
            given = [part for param in params for part in ("--param", param)]
            return [str(tenure), "run", str(file), "--root", str(out), "--quiet", "--result", "none", *given]
        if file.suffix == ".sql":
            engine = "clickhouse" if self.package == "chdb" else "duckdb"
            sql = ",".join(map(str, files))
            return [sys.executable, str(HERE / "engines.py"), engine, sql, str(exports), str(out)]
        return [sys.executable, str(file), str(exports), str(out)]


CONTESTANTS = [
    Contestant("tenure", None, "tenure.yml"),
    Contestant("duckdb", "duckdb", "duckdb.sql"),
    Contestant("clickhouse", "chdb", "clickhouse.sql"),
    Contestant("polars", "polars", "polars_streaming.py"),
    Contestant("spine", "duckdb", "spine.sql", spared=("ledger",)),
    Contestant("floor", "duckdb", "floor.sql"),
]


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall: float
    cpu: float
    peak: float


class Failed(Exception):
    """A process ended with an error; the text is the end of what it said."""


def measured(command: list[str], folder: Path) -> Cost:
    """Runs one process in a folder, where an engine may spill: wall seconds, CPU seconds and peak MiB.

    This script must stay small: until a child has begun its own program, the memory of its parent counts as its own.
    """
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            # A traceback ends with what matters, an error of tenure begins with it.
            lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
            found = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|error|Exception)\b", line)]
            text = (found or lines[-1:] or ["it said nothing"])[0]
            raise Failed(f"exit code {process.returncode}, {text.replace(str(HERE.parent), '.')[:300]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def empty(folder: Path) -> Path:
    """A new folder, in place of an old one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def data(tenure: Path, root: Path, scale: float, ids: str, families: list[str]) -> Path:
    """The exports at a scale, made with `tenure sample` unless they are there already."""
    customers = round(CUSTOMERS * scale)
    events = customers * EVENTS_PER_CUSTOMER if any("usage_events" in TABLES[family] for family in families) else 0
    with_events = root / f"{customers}-{ids}-events"
    folder = with_events if events or with_events.with_suffix(".made").exists() else root / f"{customers}-{ids}"
    made = folder.with_suffix(".made")
    if made.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    tell(f"making {customers:,} customers, {ids} ids, about {events:,} events")
    command = [str(tenure), "sample", "--customers", str(customers), "--seed", str(SEED), "--events", str(events)]
    begun = time.monotonic()
    subprocess.run([*command, "--ids", ids, "--out", str(folder), "--quiet"], check=True)
    kept = {table for tables in TABLES.values() for table in tables}
    for table in folder.iterdir():
        if table.is_dir() and table.name not in kept:
            shutil.rmtree(table)
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    tell(f"made in {time.monotonic() - begun:.0f} s, {size / 2**20:,.0f} MiB kept")
    made.write_text(json.dumps(command))
    return folder


def tell(text: str) -> None:
    """Progress, on stderr: stdout is the report."""
    print(text, file=sys.stderr, flush=True)


def differences(family: str, ours: Path, theirs: Path, of_tenure: bool, spared: tuple[str, ...]) -> str:
    """What two folders do not agree on, asked of a process of its own so that this one stays small."""
    command = [sys.executable, str(HERE / "verify.py"), family, str(ours), str(theirs)]
    if of_tenure:
        command.append("--tenure")
    done = subprocess.run([*command, *(f"--spared={table}" for table in spared)], capture_output=True, text=True)
    if done.returncode > 1:
        return done.stderr
    return done.stdout


@dataclass
class Result:
    """Of one family at one scale with one kind of ids."""

    title: str
    size: str
    medians: dict[str, Cost]
    spreads: dict[str, tuple[float, float]]
    remarks: list[str]


def contest(args: argparse.Namespace, family: str, scale: float, ids: str, exports: Path, work: Path) -> Result:
    """Checks and times the contestants of one family on one set of exports."""
    title = f"{family}, scale {scale:g}, {ids} ids"
    tell(f"\n{title}")
    remarks: list[str] = []
    commands: dict[str, list[str]] = {}
    reference: Contestant | None = None
    for contestant in CONTESTANTS:
        name = contestant.name
        if name not in args.contestants or not all(file.exists() for file in contestant.files(family)):
            continue
        if contestant.package and not version(contestant.package):
            remarks.append(f"`{name}` did not run: `{contestant.package}` is not installed; `{INSTALL}`")
            continue
        out = empty(work / name)
        command = contestant.command(family, args.tenure, exports, out, ids)
        try:
            # The first run also brings the files into the cache of the system.
            cost = measured(command, work)
        except (Failed, OSError) as error:
            remarks.append(f"`{name}` failed: {error}")
            tell(f"  {name} failed: {error}")
            continue
        tell(f"  {name}: {cost.wall:.2f} s, CPU {cost.cpu:.2f} s, {cost.peak:,.0f} MiB")
        commands[name] = command
        if name == "floor":
            continue
        if reference is None:
            reference = contestant
            continue
        wrong = differences(family, work / reference.name, out, reference.name == "tenure", contestant.spared)
        if wrong:
            sys.exit(f"{title}: `{reference.name}` and `{name}` give different numbers\n{wrong}")
        tell(f"  {name} gives the numbers of {reference.name}")
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(args.rounds):
        for name in list(commands):
            empty(work / name)
            try:
                costs[name].append(measured(commands[name], work))
            except (Failed, OSError) as error:
                remarks.append(f"`{name}` failed in round {number + 1}: {error}")
                del commands[name], costs[name]
        tell(
            f"  round {number + 1} of {args.rounds}: "
            + ", ".join(f"{name} {costs[name][-1].wall:.2f}" for name in commands)
        )
    shutil.rmtree(work)
    medians = {
        name: Cost(*(statistics.median(column) for column in zip(*((c.wall, c.cpu, c.peak) for c in of))))
        for name, of in costs.items()
        if of
    }
    spreads = {name: (min(c.wall for c in of), max(c.wall for c in of)) for name, of in costs.items() if of}
    return Result(title, rows_of(exports, family), medians, spreads, remarks)


def rows_of(exports: Path, family: str) -> str:
    """How many rows the tables of a family have, from the footers."""
    script = (
        "import sys, glob, pyarrow.parquet as pq\n"
        "for table in sys.argv[2:]:\n"
        "    files = glob.glob(f'{sys.argv[1]}/{table}/*.parquet')\n"
        "    print(f'{sum(pq.ParquetFile(f).metadata.num_rows for f in files):,} rows of `{table}`')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(exports), *TABLES[family]], capture_output=True, text=True)
    return ", ".join(done.stdout.split("\n")).strip(", ")


def version(package: str) -> str | None:
    """The version of an installed package, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def circumstances(args: argparse.Namespace) -> list[str]:
    """Machine, versions and load."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(
        f"{package} {version(package)}" for package in ("duckdb", "chdb", "polars") if version(package)
    )
    try:
        ours = subprocess.run([str(args.tenure), "--version"], capture_output=True, text=True).stdout.strip()
    except OSError:
        ours = "no tenure"
    load = f"load average at the start {os.getloadavg()[0]:.1f}"
    versions = f"{ours or 'tenure'}, {packages}, Python {platform.python_version()}"
    return [
        f"{processor}, {cores} cores, {memory:.0f} GiB, {platform.system()}; {load}.",
        f"{versions}. Medians of {args.rounds} rounds, contestants in turn.",
    ]


def ratios_of(theirs: Cost, ours: Cost) -> str:
    """A cell of the last table: wall, CPU, memory."""
    pairs = ((theirs.wall, ours.wall), (theirs.cpu, ours.cpu), (theirs.peak, ours.peak))
    return " / ".join(f"{a / b:.2f}" for a, b in pairs)


def report(args: argparse.Namespace, about: list[str], results: list[Result]) -> str:
    """All tables, as Markdown."""
    lines = [*about, ""]
    for result in results:
        lines += [f"### {result.title[0].upper()}{result.title[1:]}", "", f"{result.size}.", ""]
        lines += [*(f"- {remark}" for remark in result.remarks), *([""] if result.remarks else [])]
        if not result.medians:
            lines += ["Checked, not timed.", ""]
            continue
        lines += ["| | wall s | fastest to slowest | CPU s | peak MiB |", "|---|---|---|---|---|"]
        for name, cost in result.medians.items():
            low, high = result.spreads[name]
            lines.append(f"| {name} | {cost.wall:.2f} | {low:.2f} to {high:.2f} | {cost.cpu:.2f} | {cost.peak:,.0f} |")
        lines.append("")
    peers = [c.name for c in CONTESTANTS if c.name != "tenure" and any(c.name in r.medians for r in results)]
    ratios = [r for r in results if "tenure" in r.medians]
    if ratios and peers:
        lines += [
            "### Ratios",
            "",
            "Peer over tenure: wall time, CPU time, peak memory. Above 1, tenure is faster or leaner. On a shared machine "
            "CPU time is the steadier of the two times.",
            "",
        ]
        lines += ["| | " + " | ".join(peers) + " |", "|---|" + "---|" * len(peers)]
        for result in ratios:
            ours = result.medians["tenure"]
            cells = []
            for name in peers:
                theirs = result.medians.get(name)
                cells.append(ratios_of(theirs, ours) if theirs else "")
            lines.append(f"| {result.title} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def write(text: str) -> None:
    """Puts a report between the marks in the README."""
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    readme.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{after}")


def listed(allowed: list[str]) -> Callable[[str], list[str]]:
    """A type of argument: names from a list, with commas between."""

    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"`{name}` is none of {', '.join(allowed)}")
        return names

    return parse


def arguments() -> argparse.Namespace:
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--tenure", type=Path, default=target / "release" / "tenure", help="the release binary")
    parser.add_argument(
        "--data", type=Path, help="folder for the exports, reused if they are there; a temporary one if not given"
    )
    parser.add_argument(
        "--scales", default="1", help="scale 1 is a million customers and 50 million events; 0.1,1 for two"
    )
    parser.add_argument("--ids", type=listed(["stripe", "bigint"]), default="stripe,bigint", help="how ids are written")
    parser.add_argument("--families", type=listed(list(TABLES)), default="revenue,usage,nightly", help="what is computed")
    parser.add_argument("--contestants", type=listed(names), default=",".join(names), help="who takes part")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often each runs after the run that is checked; 0 only checks"
    )
    parser.add_argument(
        "--largest-usage", type=float, default=1, help="largest scale of families with events: they take disk"
    )
    parser.add_argument("--write", action="store_true", help="also put the report into benches/README.md")
    args = parser.parse_args()
    args.scales = [float(scale) for scale in args.scales.split(",")]
    args.tenure = args.tenure.resolve()
    return args


def main() -> None:
    args = arguments()
    if not args.tenure.exists():
        tell(f"no release binary at {args.tenure}: build it with `cargo build --release`, or name it with --tenure")
        sys.exit(2)
    if not version("duckdb") or not version("pyarrow"):
        tell(f"duckdb and pyarrow check the results: {INSTALL}")
        sys.exit(2)
    about = circumstances(args)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as temporary:
        root = (args.data or Path(temporary) / "data").resolve()
        for scale in args.scales:
            families = [f for f in args.families if "usage_events" not in TABLES[f] or scale <= args.largest_usage]
            for ids in args.ids:
                exports = data(args.tenure, root, scale, ids, families)
                for family in families:
                    results.append(contest(args, family, scale, ids, exports, Path(temporary) / "work"))
                if args.data is None:
                    shutil.rmtree(exports)
    text = report(args, about, results)
    print(text)
    if args.write:
        write(text)


if __name__ == "__main__":
    main()
