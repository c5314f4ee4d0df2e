"""E: the highest memory of A as the table grows sixteenfold, each time in a fresh server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench import checks, goals, headrace
from bench.contenders import Contender, Options, Verdict
from bench.data import load
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

SIZES = {"li_q": "a quarter", "lineitem": "all", "li_x4": "four times"}

ABOUT = """A over a quarter of lineitem, all of it and four times as much, two rounds. Headrace is a fresh server each
time, asked four times a second, as a page that a person looks at would."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    bench = Bench(load.four_times(bench.source), bench.rows)
    with ExitStack() as stack:
        ours = Fresh(bench, stack)
        contenders = [contender for table in SIZES for contender in of_size(bench, ours, table)]
        yield Workload(
            "E", "Memory", ABOUT, contenders, "Headrace (server), all",
            [goals.memory_growth(label("li_q"), label("li_x4"), 1.1)], rounds=2,
        )  # fmt: skip


def label(table: str) -> str:
    return f"Headrace (server), {SIZES[table]}"


@dataclass
class Fresh:
    """A server that was just started, with a source and a sink; the one before it is stopped first."""

    bench: Bench
    stack: ExitStack
    started: list[headrace.Server] = field(default_factory=list)

    def start(self, _table: str) -> None:
        self.stack.close()
        # The debug log tells how many bytes of frames a run took.
        data = self.bench.folder("e-server") / "data"
        server = self.stack.enter_context(headrace.serving(data, HEADRACE_LOG_LEVEL="debug"))
        server.register("e", headrace.postgres(self.bench.source.database), {"mode": "full"})
        server.register("e lake", headrace.files(self.bench.folder("e-lake")))
        self.started.append(server)

    def carry(self, table: str, _options: Options) -> Action:
        server = self.started[-1]

        def work() -> Record:
            server.run(server.endpoints["e"], f"public.{table}", server.endpoints["e lake"], every=0.25)
            return {}

        return Call(work, server.pid)

    def look(self, table: str) -> Verdict:
        kib = frame_bytes(self.started[-1].log.read_text(errors="replace")) / 1024
        lake = self.bench.out / "e-lake"
        notes = [f"{kib:.1f} KiB of frames between TypeScript and Python"] if kib else []
        return checks.parquet(str(lake / "*/gen=*/slice=*/*.parquet"), self.bench.source.reference[table], notes)


def frame_bytes(log: str) -> int:
    """Bytes of frames both ways of the last run that the server's debug log tells of; 0 when it tells of none."""
    found = re.findall(r'"?frameBytes"?[=: ]+(\d+)', log)
    return int(found[-1]) if found else 0


def of_size(bench: Bench, ours: Fresh, table: str) -> Iterator[Contender]:
    database, out = bench.source.database, bench.out / "e-rival"

    def emptied(_table: str) -> None:
        bench.folder("e-rival")

    def duckdb(table: str, options: Options) -> Command:
        return commands.duckdb_parquet(database, table, options, out / "duckdb.parquet")

    def ingestr(table: str, options: Options) -> Command:
        return commands.ingestr(database, table, options, f"parquet://{out}/ingestr.parquet", table)

    def seen(table: str) -> Verdict:
        return checks.parquet(str(out / "**/*.parquet"), bench.source.reference[table])

    rows, size = bench.source.rows(table), SIZES[table]
    yield Contender(label(table), "headrace", ours.carry, ours.look, table, before=ours.start, rows=rows)
    yield Contender(f"DuckDB, {size}", "duckdb", duckdb, seen, table, before=emptied, rows=rows)
    if table != "li_x4":
        yield Contender(f"ingestr, {size}", "ingestr", ingestr, seen, table, before=emptied, rows=rows)
