"""Times `tenure check` over many small Parquet files.

Usage: python benches/startup.py TENURE [FILES] [ROUNDS] [--links]

TENURE is the release binary. Makes small companies with `tenure sample`, takes their subscription
items (two layouts: `v1-*` lacks columns that `v2-*` has), and spreads FILES of them over folders by
month as files of their own, or as hard links to the few that were made. Then times
`tenure check pipelines/nightly.yml` on a tenth of the files and on all of them, in turn, and prints
medians of whole processes. Everything is in the page cache; the ratio of the two lines says how time
grows with files, and only that carries over to another machine.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = Path(__file__).resolve().parent.parent / "pipelines" / "nightly.yml"
COMPANIES = 12


def run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stderr.decode()}")


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


def spread(exports: Path, made: list[Path], files: int, links: bool) -> None:
    """So many subscription item files below `exports`, beside the other exports of the first company."""
    for folder in made[0].parent.parent.iterdir():
        if folder.is_dir() and folder.name != "subscription_items":
            shutil.copytree(folder, exports / folder.name)
    for at in range(files):
        one = made[at % len(made)]
        folder = exports / "subscription_items" / f"month={2000 + at // 240:04}-{at // 20 % 12 + 1:02}"
        folder.mkdir(parents=True, exist_ok=True)
        to = folder / f"part-{at:05}.parquet"
        if links:
            os.link(one, to)
        else:
            shutil.copyfile(one, to)


def main() -> None:
    links = "--links" in sys.argv
    args = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    tenure = str(Path(args[0]).resolve())
    files = int(args[1]) if len(args) > 1 else 10_000
    rounds = int(args[2]) if len(args) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        made = []
        for seed in range(COMPANIES):
            company = base / f"company-{seed}"
            run([tenure, "sample", "--customers", "60", "--seed", str(seed), "--events", "0", "--out", str(company)])
            made += sorted((company / "subscription_items").glob("*.parquet"))
        text = PIPELINE.read_text().replace("/subscription_items/*.parquet", "/subscription_items/**/*.parquet")
        pipeline = base / "startup.yml"
        pipeline.write_text(text)
        commands = {}
        for count in (files // 10, files):
            exports = base / f"exports-{count}"
            spread(exports, made, count, links)
            commands[count] = [tenure, "check", str(pipeline), "--param", f"exports={exports}", "--root", str(base / "out")]
        for command in commands.values():
            measured(command)
        times: dict[int, list[tuple[float, float, float]]] = {count: [] for count in commands}
        for _ in range(rounds):
            for count, command in commands.items():
                times[count].append(measured(command))
        print("| files | wall s | cpu s | peak MiB |\n|---|---|---|---|")
        medians = {count: [statistics.median(column) for column in zip(*runs)] for count, runs in times.items()}
        for count, (wall, cpu, peak) in medians.items():
            print(f"| {count} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
