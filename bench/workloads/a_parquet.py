"""A: the whole of lineitem from PostgreSQL to Parquet on the local disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import checks, goals, headrace, places
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

SERVER, COMMAND = "Headrace (server)", "Headrace (command)"
PARQUET = "**/*.parquet"

DUCKDB: tuple[Options, ...] = (
    {"threads": "2"},
    {"threads": "4"},
    {"threads": "2", "pages": "4000"},
    {"threads": "2", "pages": "250"},
)
INGESTR: tuple[Options, ...] = (
    {},
    {"extract-parallelism": "2"},
    {"extract-parallelism": "8"},
    {"page-size": "100000"},
    {"page-size": "10000"},
    {"extract-partition-by": "l_orderkey"},
)
DLT_CONNECTORX: tuple[Options, ...] = (
    {"backend": "connectorx"},
    {"backend": "connectorx", "chunk": "500000"},
    {"backend": "connectorx", "arrow": "arrow"},
    {"backend": "connectorx", "workers": "1"},
)
DLT_PYARROW: tuple[Options, ...] = (
    {"backend": "pyarrow"},
    {"backend": "pyarrow", "chunk": "50000"},
)

ABOUT = """The whole of lineitem, 16 columns, into Parquet with snappy. *Server* is a warm Headrace asked through
GraphQL until the unit is SUCCEEDED; *command* is `headrace ingest` from cold, which also starts and stops the database
of its checkpoints. Both replace what the round before wrote, in slices that are each forced to the disk and
committed."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    with headrace.serving(bench.folder("a-server") / "data") as server:
        lake = bench.folder("a-lake")
        source = server.register("a", headrace.postgres(bench.source.database), {"mode": "full"})
        sink = server.register("a-lake", headrace.files(lake))

        def carry(table: str) -> Record:
            server.run(source, f"public.{table}", sink)
            return {}

        def served(table: str, _options: Options) -> Action:
            return Call(partial(carry, table), server.pid)

        def look(table: str) -> Verdict:
            return checks.parquet(str(lake / f"public.{table}/gen=*/slice=*/*.parquet"), bench.source.reference[table])

        ours = [
            Contender(SERVER, "headrace", served, look, warm=True),
            Contender(f"{SERVER}, again", "headrace", served, look),
            from_cold(bench),
        ]
        yield Workload(
            "A", "PostgreSQL to Parquet", ABOUT, [*ours, *floors(bench), *rivals(bench)], "DuckDB",
            GOALS, (SERVER, f"{SERVER}, again"),
        )  # fmt: skip
        headrace.delete_store(bench.out / "a-command")


def from_cold(bench: Bench) -> Contender:
    lake = bench.folder("a-command-lake")
    data = bench.folder("a-command")

    def ingest(table: str, _options: Options) -> Action:
        return headrace.ingest(data, places.url(bench.source.database), f"public.{table}", str(lake), "--mode", "full")

    def look(table: str) -> Verdict:
        return checks.parquet(str(lake / f"public.{table}/gen=*/slice=*/*.parquet"), bench.source.reference[table])

    return Contender(COMMAND, "headrace", ingest, look)


def floors(bench: Bench) -> list[Contender]:
    database = bench.source.database
    nothing: partial[Verdict] = partial(lambda _table: Verdict(notes=("nothing is written",)))
    return [
        Contender("COPY, 1 connection", "psql", lambda table, _: commands.raw_one(database, table), nothing),
        Contender("COPY, 2 connections", "psql", lambda table, _: commands.raw_two(database, table), nothing),
    ]


def rivals(bench: Bench) -> list[Contender]:
    database, out, state = bench.source.database, bench.out / "a-rival", bench.out / "a-dlt"

    def emptied(_table: str) -> None:
        bench.folder("a-rival")
        bench.folder("a-dlt")

    def look(table: str) -> Verdict:
        return checks.parquet(str(out / PARQUET), bench.source.reference[table])

    def dlt(table: str, options: Options) -> Command:
        return commands.dlt("files", database, table, options, str(out), state)

    def ingestr(table: str, options: Options) -> Command:
        return commands.ingestr(database, table, options, f"parquet://{out}/ingestr.parquet", table)

    def duckdb(table: str, options: Options) -> Command:
        return commands.duckdb_parquet(database, table, options, out / "duckdb.parquet")

    def sling(table: str, _options: Options) -> Command:
        return commands.sling(database, table, "--tgt-object", f"file://{out}/sling.parquet", "--mode", "full-refresh")

    return [
        Contender("DuckDB", "duckdb", duckdb, look, options=DUCKDB, before=emptied),
        Contender("ingestr", "ingestr", ingestr, look, options=INGESTR, before=emptied),
        Contender("dlt, connectorx", "dlt", dlt, look, options=DLT_CONNECTORX, before=emptied),
        Contender("dlt, pyarrow", "dlt", dlt, look, "li_q", options=DLT_PYARROW, before=emptied),
        Contender("Sling", "sling", sling, look, "li_30", before=emptied),
    ]


GOALS = (
    goals.faster(SERVER, 1.4, "ingestr"),
    goals.faster(SERVER, 2, "dlt, connectorx", "dlt, pyarrow"),
    goals.faster(SERVER, 0.88, "DuckDB"),
    goals.slower_at_most(SERVER, 2, "COPY, 2 connections"),
    goals.memory(SERVER, 320),
)
