"""B: lineitem from PostgreSQL into another database, replacing what is there; the target ends with its primary key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import checks, cluster, goals, headrace, lineitem, places
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

SERVER, COMMAND, WITHOUT = "Headrace (server)", "Headrace (command)", "Headrace (server, no psql)"
POLICY = {"mode": "full", "writeDisposition": "replace", "primaryKeys": ["l_orderkey", "l_linenumber"]}
PIPES = "psql pipe, 2 connections"

DUCKDB: tuple[Options, ...] = ({"threads": "2"}, {"threads": "4"}, {"threads": "2", "pages": "4000"})
INGESTR: tuple[Options, ...] = ({}, {"extract-parallelism": "2"}, {"extract-parallelism": "8"}, {"page-size": "100000"})
DLT: tuple[Options, ...] = (
    {"loader": "csv"},
    {"loader": "parquet"},
    {"loader": "csv", "workers": "4"},
    {"loader": "csv", "chunk": "500000"},
)

ABOUT = """The whole of lineitem into another database of the same PostgreSQL, `replace`. The target has its primary key
at the end; a tool that makes none does less, which is noted. The floor is what `psql` does with `COPY … | COPY …` into
a table that has its key, on one connection and on two halves of the pages (two snapshots and two transactions, so no
copy of a table that changes)."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    target = bench.source.target
    ends = {SERVER: f"{target}_server", WITHOUT: f"{target}_without", COMMAND: f"{target}_command"}
    for database in (target, *ends.values()):
        cluster.empty_database(database)
    with (
        headrace.serving(bench.folder("b-server") / "data") as server,
        headrace.serving(bench.folder("b-without") / "data", PATH=path_without("psql")) as without,
    ):
        ours = [
            served(bench, SERVER, SERVER, server, ends[SERVER]),
            served(bench, f"{SERVER}, again", SERVER, server, ends[SERVER]),
            served(bench, WITHOUT, WITHOUT, without, ends[WITHOUT]),
            from_cold(bench, ends[COMMAND]),
        ]
        yield Workload(
            "B", "PostgreSQL to PostgreSQL", ABOUT, [*ours, *floors(bench), *rivals(bench)], PIPES,
            GOALS, (SERVER, f"{SERVER}, again"),
        )  # fmt: skip
    headrace.delete_store(bench.out / "b-command")
    for database in (target, *ends.values()):
        cluster.run("postgres", f"drop database if exists {database} with (force)")


def served(bench: Bench, label: str, name: str, server: headrace.Server, database: str) -> Contender:
    if label == name:
        server.register(name, headrace.postgres(bench.source.database), POLICY)
        server.register(f"{name} target", headrace.postgres(database))
    seen = partial(look, bench, database, "public", True)
    return Contender(label, "headrace", partial(call, server, name), seen, before=settled)


def call(server: headrace.Server, name: str, table: str, _options: Options) -> Action:
    def work() -> Record:
        server.run(server.endpoints[name], f"public.{table}", server.endpoints[f"{name} target"])
        return {}

    return Call(work, server.pid)


def look(bench: Bench, database: str, schema: str, key_is_due: bool, table: str) -> Verdict:
    return checks.postgres(database, f"{schema}.{table}", bench.source.reference[table], key_is_due)


def settled(_table: str) -> None:
    """What others wrote is on the disk, so that nobody pays for it."""
    cluster.run("postgres", "checkpoint")


def from_cold(bench: Bench, database: str) -> Contender:
    data = bench.folder("b-command")

    def ingest(table: str, _options: Options) -> Action:
        more = ("--mode", "full", "--write", "replace", "--key", ",".join(lineitem.KEY))
        return headrace.ingest(data, places.url(bench.source.database), f"public.{table}", places.url(database), *more)

    return Contender(COMMAND, "headrace", ingest, partial(look, bench, database, "public", True), before=settled)


def path_without(program: str) -> str:
    """A PATH on which everything is found but one program."""
    folder = places.HOME / f"path-without-{program}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for place in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for found in Path(place).iterdir() if Path(place).is_dir() else ():
            if found.name != program and not (folder / found.name).is_symlink():
                (folder / found.name).symlink_to(found)
    return str(folder)


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
    settled(_table)


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
    goals.slower_at_most(WITHOUT, 1.3, PIPES),
    goals.memory(SERVER, 128),
)
