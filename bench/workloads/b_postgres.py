"""B: lineitem from PostgreSQL into another database, replacing what is there; the target ends with its primary key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import checks, cluster, goals, headrace, lineitem, places
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

SERVER, COMMAND = "Headrace (server)", "Headrace (command)"
POLICY = {"mode": "full", "writeDisposition": "replace", "primaryKeys": ["l_orderkey", "l_linenumber"]}
PIPES = "psql pipe, 2 connections"

DUCKDB: tuple[Options, ...] = ({"threads": "2"}, {"threads": "4"}, {"threads": "2", "pages": "4000"})
INGESTR: tuple[Options, ...] = (
    {},
    {"extract-parallelism": "2"},
    {"extract-parallelism": "8"},
    {"page-size": "100000"},
    {"extract-partition-by": "l_orderkey"},
)
DLT: tuple[Options, ...] = (
    {"loader": "csv"},
    {"loader": "parquet"},
    {"loader": "csv", "workers": "4"},
    {"loader": "csv", "chunk": "500000"},
)

ABOUT = """The whole of lineitem into another database of the same PostgreSQL, `replace`. The target has its primary key
at the end; a tool that makes none does less, which is noted. The floor is what `psql` does with `COPY … | COPY …` into
a table that has its key, on one connection and on two halves of the pages (two snapshots and two transactions, so no
copy of a table that changes). Headrace itself uses no `psql`: its worker holds both ends."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    target = bench.source.target
    ends = {SERVER: f"{target}_server", COMMAND: f"{target}_command"}
    for database in (target, *ends.values()):
        cluster.empty_database(database)
    with headrace.serving(bench.folder("b-server") / "data") as server:
        source = server.register("b", headrace.postgres(bench.source.database), POLICY)
        sink = server.register("b target", headrace.postgres(ends[SERVER]))

        def carry(table: str) -> Record:
            server.run(source, f"public.{table}", sink)
            return {}

        def served(table: str, _options: Options) -> Action:
            return Call(partial(carry, table), server.pid)

        seen = partial(look, bench, ends[SERVER], "public", True)
        ours = [
            Contender(SERVER, "headrace", served, seen, before=cluster.settle, warm=True),
            Contender(f"{SERVER}, again", "headrace", served, seen, before=cluster.settle),
            from_cold(bench, ends[COMMAND]),
        ]
        yield Workload(
            "B", "PostgreSQL to PostgreSQL", ABOUT, [*ours, *floors(bench), *rivals(bench)], PIPES,
            GOALS, (SERVER, f"{SERVER}, again"),
        )  # fmt: skip
    headrace.delete_store(bench.out / "b-command")
    for database in (target, *ends.values()):
        cluster.run("postgres", f"drop database if exists {database} with (force)")


def look(bench: Bench, database: str, schema: str, key_is_due: bool, table: str) -> Verdict:
    return checks.postgres(database, f"{schema}.{table}", bench.source.reference[table], key_is_due)


def from_cold(bench: Bench, database: str) -> Contender:
    data = bench.folder("b-command")

    def ingest(table: str, _options: Options) -> Action:
        more = ("--mode", "full", "--write", "replace", "--key", ",".join(lineitem.KEY))
        return headrace.ingest(data, places.url(bench.source.database), f"public.{table}", places.url(database), *more)

    return Contender(COMMAND, "headrace", ingest, partial(look, bench, database, "public", True), before=cluster.settle)


def floors(bench: Bench) -> list[Contender]:
    source, target = bench.source.database, bench.source.target

    def keyed(table: str) -> None:
        emptied(bench, table)
        cluster.run(target, lineitem.ddl(table), "checkpoint")

    seen = partial(look, bench, target, "public", True)

    def one(table: str, _options: Options) -> Command:
        return commands.pipe_one(source, table, target)

    def two(table: str, _options: Options) -> Command:
        return commands.pipe_two(source, table, target)

    return [
        Contender("psql pipe, 1 connection", "psql", one, seen, before=keyed),
        Contender(PIPES, "psql", two, seen, before=keyed),
    ]


def emptied(bench: Bench, _table: str) -> None:
    cluster.empty_database(bench.source.target)
    cluster.settle()


def rivals(bench: Bench) -> list[Contender]:
    source, target, state = bench.source.database, bench.source.target, bench.out / "b-dlt"
    seen = partial(look, bench, target, "public", False)

    def fresh(table: str) -> None:
        bench.folder("b-dlt")
        emptied(bench, table)

    def keyed(table: str) -> None:
        emptied(bench, table)
        cluster.run(target, lineitem.ddl(table), "checkpoint")

    def duckdb(table: str, options: Options) -> Command:
        return commands.duckdb_postgres(source, table, options, target)

    def ingestr(table: str, options: Options) -> Command:
        keys = tuple(word for name in lineitem.KEY for word in ("--primary-key", name))
        to = places.url(target) + commands.SSL
        return commands.ingestr(
            source, table, options, to, f"public.{table}", *keys, "--incremental-strategy", "replace"
        )

    def dlt(table: str, options: Options) -> Command:
        return commands.dlt("postgres", source, table, options, target, state)

    def sling(table: str, _options: Options) -> Command:
        to = ("--tgt-object", f"public.{table}", "--mode", "full-refresh", "--primary-key", ",".join(lineitem.KEY))
        return commands.sling(source, table, "--tgt-conn", "DST", *to, target=target)

    to_dlt = partial(look, bench, target, "dlt_bench", False)
    return [
        Contender("DuckDB", "duckdb", duckdb, seen, "li_q", options=DUCKDB, before=keyed),
        Contender("ingestr", "ingestr", ingestr, seen, options=INGESTR, before=fresh),
        Contender("dlt, connectorx", "dlt", dlt, to_dlt, "li_q", options=DLT, before=fresh),
        Contender("Sling", "sling", sling, seen, "li_30", before=fresh),
    ]


GOALS = (
    goals.faster(SERVER, 1.9, "ingestr"),
    goals.slower_at_most(SERVER, 1.05, PIPES),
    goals.slower_at_most(SERVER, 1.3, PIPES, "without psql (it uses none)"),
    goals.memory(SERVER, 128),
)
