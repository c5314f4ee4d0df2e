"""C: lineitem from PostgreSQL into a new Iceberg table: a SQL catalog, local files, one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import checks, goals, headrace
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

SERVER, PARQUET = "Headrace (server)", "Headrace to Parquet (server)"
APPEND = "DuckDB → PyIceberg append"

DUCKDB: tuple[Options, ...] = ({"batches": "whole"}, {"batches": "stream"}, {"batches": "whole", "threads": "4"})
DLT: tuple[Options, ...] = ({}, {"chunk": "500000"}, {"arrow": "arrow"})

ABOUT = """The whole of lineitem into a table that is not there yet, of a SQL catalog and local files; to readers all
rows appear in one step. Every tool writes with its own default codec. Headrace to Parquet is A once more, in the same
rounds."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    with headrace.serving(bench.folder("c-server") / "data") as server:
        yield Workload(
            "C", "PostgreSQL to Iceberg", ABOUT,
            [
                ours(bench, server, SERVER), ours(bench, server, f"{SERVER}, again"),
                to_parquet(bench, server), duckdb(bench), dlt(bench),
            ],
            APPEND, GOALS, (SERVER, f"{SERVER}, again"),
        )  # fmt: skip


def catalog(warehouse: Path) -> str:
    return f"sqlite:///{warehouse}/catalog.db"


def into_iceberg(warehouse: Path) -> headrace.Parameters:
    places = {"catalog_uri": catalog(warehouse), "warehouse": f"file://{warehouse}"}
    return "warehouse.iceberg", {"catalog_type": "sql", "namespace": "bench", **places}


def ours(bench: Bench, server: headrace.Server, label: str) -> Contender:
    warehouse = bench.out / "c-ours"

    def fresh(_table: str) -> None:
        bench.folder("c-ours")

    def carry(table: str) -> Record:
        # Endpoints of their own for each run: the table is new, and so is what is known of it.
        name = f"c {len(server.endpoints)}"
        source = server.register(name, headrace.postgres(bench.source.database), {"mode": "full"})
        sink = server.register(f"{name} target", into_iceberg(warehouse))
        return {"wall": server.run(source, f"public.{table}", sink)[0]}

    def served(table: str, _options: Options) -> Action:
        return Call(partial(carry, table), server.pid)

    return Contender(label, "headrace", served, partial(look, bench, warehouse), before=fresh, warm=label == SERVER)


def to_parquet(bench: Bench, server: headrace.Server) -> Contender:
    lake = bench.folder("c-lake")
    source = server.register("c parquet", headrace.postgres(bench.source.database), {"mode": "full"})
    sink = server.register("c lake", headrace.files(lake))

    def carry(table: str) -> Record:
        server.run(source, f"public.{table}", sink)
        return {}

    def served(table: str, _options: Options) -> Action:
        return Call(partial(carry, table), server.pid)

    def seen(table: str) -> Verdict:
        return checks.parquet(str(lake / f"public.{table}/gen=*/slice=*/*.parquet"), bench.source.reference[table])

    return Contender(PARQUET, "headrace", served, seen, warm=True)


def look(bench: Bench, warehouse: Path, table: str) -> Verdict:
    return checks.iceberg(catalog(warehouse), f"file://{warehouse}", table, bench.source.reference[table])


def duckdb(bench: Bench) -> Contender:
    warehouse = bench.out / "c-duckdb"

    def append(table: str, options: Options) -> Command:
        return commands.duckdb_iceberg(bench.source.database, table, options, warehouse)

    def fresh(_table: str) -> None:
        bench.folder("c-duckdb")

    return Contender(APPEND, "duckdb", append, partial(look, bench, warehouse), options=DUCKDB, before=fresh)


def dlt(bench: Bench) -> Contender:
    out, state = bench.out / "c-dlt", bench.out / "c-dlt-state"

    def load(table: str, options: Options) -> Command:
        return commands.dlt("iceberg", bench.source.database, table, options, str(out), state)

    def fresh(_table: str) -> None:
        bench.folder("c-dlt")
        bench.folder("c-dlt-state")

    def seen(table: str) -> Verdict:
        return checks.parquet(str(out / f"dlt_bench/{table}/data/**/*.parquet"), bench.source.reference[table])

    return Contender("dlt, connectorx", "dlt", load, seen, options=DLT, before=fresh)


GOALS = (
    goals.faster(SERVER, 2.5, "dlt, connectorx"),
    goals.faster(SERVER, 1.1, APPEND),
    goals.faster(SERVER, 0.75, PARQUET),
    goals.memory(SERVER, 400),
)
