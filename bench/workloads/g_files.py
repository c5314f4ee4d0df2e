"""G: files. lineitem as CSV into Parquet, and as Parquet into PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import checks, cluster, goals, headrace, lineitem
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.places import url
from bench.rivals import commands
from bench.workload import Bench, Workload

CSV, POSTGRES = "CSV → Parquet", "Parquet → PostgreSQL"
TYPES = {"BIGINT": "int64", "INTEGER": "int32", "DECIMAL(15,2)": "decimal(15,2)", "DATE": "date", "VARCHAR": "string"}
INGESTR = {"BIGINT": "bigint", "INTEGER": "int", "DECIMAL(15,2)": "decimal(15,2)", "DATE": "date", "VARCHAR": "string"}
INGESTR_TYPES = ",".join(f"{name}:{INGESTR[duckdb]}" for name, (_, duckdb) in lineitem.COLUMNS.items())
THREADS: tuple[Options, ...] = ({"threads": "2"}, {"threads": "4"})
DLT: tuple[Options, ...] = ({}, {"chunk": "500000"})

ABOUT = """lineitem as one CSV file with a header into Parquet, where DuckDB has a bound of 320 MB of memory; and the
Parquet that DuckDB wrote of it, as one file, into a new PostgreSQL table. Types are told to every tool that can be
told. Nobody makes a key here, for files have none."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    parquet = bench.folder("g-parquet")
    made = commands.duckdb_files(str(bench.source.csv), ("--parquet", str(parquet / "lineitem.parquet")), {})
    commands.done(made)
    cluster.empty_database(f"{bench.source.target}_server")
    with headrace.serving(bench.folder("g-server") / "data") as server:
        contenders = [
            *ours(bench, server, parquet),
            *to_parquet(bench),
            *to_postgres(bench, parquet),
        ]
        yield Workload("G", "Files", ABOUT, contenders, f"DuckDB, {CSV}", GOALS)
    for database in (bench.source.target, f"{bench.source.target}_server"):
        cluster.run("postgres", f"drop database if exists {database} with (force)")


def ours(bench: Bench, server: headrace.Server, parquet: Path) -> list[Contender]:
    csv, lake, target = bench.source.csv, bench.folder("g-lake"), f"{bench.source.target}_server"
    types = json.dumps({name: TYPES[duckdb] for name, (_, duckdb) in lineitem.COLUMNS.items()})
    policy = {"mode": "full", "writeDisposition": "replace"}
    server.register("g csv", headrace.files(csv, column_types=types), policy)
    server.register("g lake", headrace.files(lake))
    server.register("g parquet", headrace.files(parquet), policy)
    server.register("g target", headrace.postgres(target))

    def carry(source: str, unit: str, sink: str) -> Record:
        server.run(server.endpoints[source], unit, server.endpoints[sink])
        return {}

    def action(source: str, unit: str, sink: str, _table: str, _options: Options) -> Action:
        return Call(partial(carry, source, unit, sink), server.pid)

    def filed(table: str) -> Verdict:
        return checks.parquet(str(lake / "*/gen=*/slice=*/*.parquet"), bench.source.reference[table])

    def stored(table: str) -> Verdict:
        # A unit's name is cut at its first dot: schema lineitem, table parquet.
        return checks.postgres(target, "lineitem.parquet", bench.source.reference[table])

    from_csv = partial(action, "g csv", csv.name, "g lake")
    from_parquet = partial(action, "g parquet", "lineitem.parquet", "g target")
    return [
        Contender(f"Headrace, {CSV}", "headrace", from_csv, filed),
        Contender(f"Headrace, {POSTGRES}", "headrace", from_parquet, stored),
    ]


def to_parquet(bench: Bench) -> list[Contender]:
    csv, out = bench.source.csv, bench.out / "g-rival"

    def emptied(_table: str) -> None:
        bench.folder("g-rival")
        bench.folder("g-dlt")

    def seen(table: str) -> Verdict:
        return checks.parquet(str(out / "**/*.parquet"), bench.source.reference[table])

    def duckdb(_table: str, options: Options) -> Command:
        return commands.duckdb_files(str(csv), ("--parquet", str(out / "lineitem.parquet")), options)

    def dlt(_table: str, options: Options) -> Command:
        return commands.dlt_files(str(csv), str(out), str(bench.out / "g-dlt"), options)

    def ingestr(_table: str, options: Options) -> Command:
        types = ("--columns", INGESTR_TYPES)
        to = f"parquet://{out}/ingestr.parquet"
        return commands.ingestr_from(f"csv://{csv}", "lineitem", options, to, "lineitem", *types)

    return [
        Contender(f"DuckDB, {CSV}", "duckdb", duckdb, seen, options=THREADS, part="lineitem", before=emptied),
        Contender(f"dlt, {CSV}", "dlt", dlt, seen, options=DLT, part="lineitem", before=emptied),
        Contender(f"ingestr, {CSV}", "ingestr", ingestr, seen, before=emptied),
    ]


def to_postgres(bench: Bench, parquet: Path) -> list[Contender]:
    target = bench.source.target
    file = str(parquet / "lineitem.parquet")

    def emptied(_table: str) -> None:
        bench.folder("g-dlt")
        cluster.empty_database(target)
        cluster.run("postgres", "checkpoint")

    def made(table: str) -> None:
        emptied(table)
        cluster.run(target, lineitem.ddl("lineitem", key=False))

    def seen(relation: str, table: str) -> Verdict:
        return checks.postgres(target, relation, bench.source.reference[table])

    def duckdb(_table: str, options: Options) -> Command:
        return commands.duckdb_files(file, ("--target", target), options)

    def dlt(_table: str, options: Options) -> Command:
        return commands.dlt_files(str(parquet), target, str(bench.out / "g-dlt"), options)

    def ingestr(_table: str, options: Options) -> Command:
        return commands.ingestr_from(
            f"parquet://{file}", "lineitem", options, url(target) + commands.SSL, "public.lineitem"
        )

    loaders: tuple[Options, ...] = ({"loader": "csv"}, {"loader": "parquet"})
    public = partial(seen, "public.lineitem")
    return [
        Contender(f"DuckDB, {POSTGRES}", "duckdb", duckdb, public, options=THREADS, part="lineitem", before=made),
        Contender(
            f"dlt, {POSTGRES}",
            "dlt",
            dlt,
            partial(seen, "dlt_bench.lineitem"),
            options=loaders,
            part="lineitem",
            before=emptied,
        ),
        Contender(f"ingestr, {POSTGRES}", "ingestr", ingestr, public, before=emptied),
    ]


GOALS = (
    goals.faster(f"Headrace, {CSV}", 0.8, f"DuckDB, {CSV}"),
    *(
        goals.faster(f"Headrace, {what}", 1, f"{tool}, {what}")
        for what in (CSV, POSTGRES)
        for tool in ("dlt", "ingestr")
    ),
    goals.faster(f"Headrace, {POSTGRES}", 1, f"DuckDB, {POSTGRES}"),
)
