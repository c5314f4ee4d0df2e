"""``npm run bench``: Headrace and its rivals side by side, and docs/benchmarks.md of what was measured.

Interrupted, the same command goes on with the run that was cut off. Each workload has a ledger of its own, and the
page is written from all ledgers of this number of rows after each workload.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from bench import cluster, ledger, machine, page, places, running, tools
from bench.data import load
from bench.ledger import Ledger
from bench.workload import Bench, Entry
from bench.workloads import a_parquet, b_postgres, c_iceberg, d_incremental, e_memory, f_odd, g_files

WORKLOADS = (
    Entry("A", a_parquet.workload),
    Entry("B", b_postgres.workload),
    Entry("C", c_iceberg.workload),
    Entry("D", d_incremental.workload),
    Entry("E", e_memory.workload, usual=False),
    Entry("F", f_odd.workload, usual=False),
    Entry("G", g_files.workload, usual=False),
)
LETTERS = [entry.letter for entry in WORKLOADS]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run bench --", description=__doc__)
    usual = ",".join(entry.letter for entry in WORKLOADS if entry.usual)
    parser.add_argument(
        "--only", default=usual, help=f"workloads of {','.join(LETTERS)}, by commas; none (default {usual})"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--rows", type=int, help="about so many rows of lineitem (default 6,000,000)")
    size.add_argument("--sf", type=float, help="the same as TPC-H's scale factor: 1 is 6,001,215 rows")
    parser.add_argument("--rounds", type=int, default=5, help="in which everybody runs once (default 5)")
    parser.add_argument(
        "--rivals", default=",".join(tools.RIVALS), help=f"of {','.join(tools.RIVALS)}; none: ours alone"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before, instead of going on")
    parser.add_argument("--install", action="store_true", help="bring the rivals, and measure nothing")
    parser.add_argument(
        "--stop", action="store_true", help="at the end stop the benchmark's PostgreSQL, which else stays"
    )
    parser.add_argument("--forget", action="store_true", help="delete the tables of this number of rows")
    parser.add_argument("--page", type=Path, help="where the page goes (default docs/benchmarks.md)")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or round((arguments.sf or 1) * load.ROWS_OF_SCALE_ONE)
    arguments.only = [each.strip().upper() for each in arguments.only.split(",") if each.strip() != "none"]
    if unknown := set(arguments.only) - set(LETTERS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(LETTERS)}")
    arguments.page = arguments.page or places.ROOT / "docs/benchmarks.md"
    return arguments


def absent(wanted: str) -> dict[str, str]:
    """Why a rival does not take part: it cannot be had, or nobody asked for it."""
    asked = {name.strip() for name in wanted.split(",")} - {"none", ""}
    missing = {tool: "left out with --rivals" for tool in tools.RIVALS if tool not in asked}
    for tool in [each for each in tools.RIVALS if each in asked]:
        if why := tools.install(tool):
            missing[tool] = why
            print(f"  {tool} is missing: {why}", flush=True)
    # The generator and the checks need DuckDB's environment, whoever takes part.
    if "duckdb" in missing and (why := tools.install("duckdb")):
        raise SystemExit(f"the data are made by DuckDB, which cannot be had: {why}")
    return missing


def main() -> int:
    arguments = parse()
    missing = absent(arguments.rivals)
    if arguments.install:
        return 0
    cluster.start()
    try:
        if arguments.forget:
            load.forget(arguments.rows)
            return 0
        failures = measured(arguments, missing) if arguments.only else []
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on with the run that was cut off.", file=sys.stderr)
        return 130
    finally:
        if arguments.stop:
            cluster.stop()
    for failure in failures:
        print(f"✗ {failure}", file=sys.stderr)
    return 1 if failures else 0


def measured(arguments: argparse.Namespace, missing: dict[str, str]) -> list[str]:
    """Runs what was asked for, and writes the page after each workload; what failed."""
    bench = Bench(load.source(arguments.rows), arguments.rows)
    folder = places.RESULTS / str(arguments.rows)
    failed: list[str] = []
    for entry in (each for each in WORKLOADS if each.letter in arguments.only):
        began = time.perf_counter()
        shutil.rmtree(places.OUT, ignore_errors=True)
        book = Ledger(folder / f"{entry.letter}.jsonl", machine.head(), arguments.fresh)
        with entry.open(bench) as workload:
            book.add(page.description(workload))
            running.run(bench, workload, book, arguments.rounds, missing)
            runs = ledger.rounds(book.records, [each.label for each in workload.contenders])
            book.add(page.judged(workload, runs))
        failed += running.failures(runs)
        page.write(arguments.page, folder, LETTERS)
        print(f"{entry.letter} took {(time.perf_counter() - began) / 60:.1f} min → {arguments.page}", flush=True)
    shutil.rmtree(places.OUT, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
