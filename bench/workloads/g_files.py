"""G: files. lineitem as CSV into Parquet, and as Parquet into PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from bench import checks, cluster, goals, headrace, lineitem
from bench.contenders import Contender, Options, Verdict
from bench.meter import Action, Call, Command, Record
from bench.places import url
from bench.rivals import commands
from bench.workload import Bench, Workload

CSV, POSTGRES = "CSV → Parquet", "Parquet → PostgreSQL"
TYPES = {"BIGINT": "int64", "INTEGER": "int32", "DECIMAL(15,2)": "decimal(15,2)", "DATE": "date", "VARCHAR": "string"}
NAMED_BY_INGESTR = {
    "BIGINT": "bigint",
    "INTEGER": "int",
    "DECIMAL(15,2)": "decimal(15,2)",
    "DATE": "date",
    "VARCHAR": "string",
}
INGESTR_TYPES = ",".join(f"{name}:{NAMED_BY_INGESTR[duckdb]}" for name, (_, duckdb) in lineitem.COLUMNS.items())
INGESTR_CSV: tuple[Options, ...] = ({}, {"no-inference": ""}, {"no-inference": "", "page-size": "100000"})
INGESTR: tuple[Options, ...] = ({}, {"page-size": "100000"})
THREADS: tuple[Options, ...] = ({"threads": "2"}, {"threads": "4"})
DLT: tuple[Options, ...] = ({}, {"chunk": "500000"})

ABOUT = """lineitem as one CSV file with a header into Parquet, and the Parquet that DuckDB wrote of it, as one file,
into a new PostgreSQL table. DuckDB has a bound of 320 MB of memory in both. Types are told to every tool that can be
told. Nobody makes a key here, for files have none."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    made = files(bench)
    cluster.empty_database(f"{bench.source.target}_server")
    with headrace.serving(bench.folder("g-server") / "data") as server:
        contenders = [
            *ours(bench, server, made["lineitem"]),
            *to_parquet(bench, made),
            *to_postgres(bench, made),
        ]
        yield Workload("G", "Files", ABOUT, contenders, f"DuckDB, {CSV}", GOALS, rounds=3)
    for database in (bench.source.target, f"{bench.source.target}_server"):
        cluster.run("postgres", f"drop database if exists {database} with (force)")


@dataclass(frozen=True)
class Files:
    """A table as one CSV file, and as one Parquet file in a folder of its own."""

    csv: Path
    folder: Path

    @property
    def parquet(self) -> Path:
        return self.folder / "lineitem.parquet"


def files(bench: Bench) -> dict[str, Files]:
    """lineitem, and the quarter that settings are tried on: its first rows, for the file is in order of the key."""
    part = bench.folder("g-csv") / "lineitem.csv"
    with bench.source.csv.open("rb") as whole, part.open("wb") as cut:
        cut.writelines(islice(whole, 1 + bench.source.rows("li_q")))
    made = {
        "lineitem": Files(bench.source.csv, bench.folder("g-parquet")),
        "li_q": Files(part, bench.folder("g-parquet-part")),
    }
    for each in made.values():
        commands.done(commands.duckdb_files(str(each.csv), ("--parquet", str(each.parquet)), {}))
    return made


def ours(bench: Bench, server: headrace.Server, given: Files) -> list[Contender]:
    csv, lake, target = given.csv, bench.folder("g-lake"), f"{bench.source.target}_server"
    types = json.dumps({name: TYPES[duckdb] for name, (_, duckdb) in lineitem.COLUMNS.items()})
    policy = {"mode": "full", "writeDisposition": "replace"}
    server.register("g csv", headrace.files(csv, column_types=types), policy)
    server.register("g lake", headrace.files(lake))
    server.register("g parquet", headrace.files(given.folder), policy)
    server.register("g target", headrace.postgres(target))

    def carry(source: str, unit: str, sink: str) -> Record:
        server.run(server.endpoints[source], unit, server.endpoints[sink])
        return {}

    def action(source: str, unit: str, sink: str, _table: str, _options: Options) -> Action:
        return Call(partial(carry, source, unit, sink), server.pid)

    def filed(table: str) -> Verdict:
        return checks.parquet(str(lake / "*/gen=*/slice=*/*.parquet"), bench.source.reference[table])

    def stored(table: str) -> Verdict:
        # A file lands in a table of its own name, without folder and ending.
        return checks.postgres(target, "public.lineitem", bench.source.reference[table])

    from_csv = partial(action, "g csv", csv.name, "g lake")
    from_parquet = partial(action, "g parquet", "lineitem.parquet", "g target")
    base = f"DuckDB, {POSTGRES}"
    return [
        Contender(f"Headrace, {CSV}", "headrace", from_csv, filed, warm=True),
        Contender(
            f"Headrace, {POSTGRES}", "headrace", from_parquet, stored, before=cluster.settle, base=base, warm=True
        ),
    ]


def to_parquet(bench: Bench, given: Mapping[str, Files]) -> list[Contender]:
    out = bench.out / "g-rival"

    def emptied(_table: str) -> None:
        bench.folder("g-rival")
        bench.folder("g-dlt")

    def seen(table: str) -> Verdict:
        return checks.parquet(str(out / "**/*.parquet"), bench.source.reference[table])

    def duckdb(table: str, options: Options) -> Command:
        return commands.duckdb_files(str(given[table].csv), ("--parquet", str(out / "lineitem.parquet")), options)

    def dlt(table: str, options: Options) -> Command:
        return commands.dlt_files(str(given[table].csv), str(out), str(bench.out / "g-dlt"), options)

    def ingestr(table: str, options: Options) -> Command:
        types = ("--columns", INGESTR_TYPES)
        to = f"parquet://{out}/ingestr.parquet"
        return commands.ingestr_from(f"csv://{given[table].csv}", "lineitem", options, to, "lineitem", *types)

    return [
        Contender(f"DuckDB, {CSV}", "duckdb", duckdb, seen, options=THREADS, before=emptied),
        Contender(f"dlt, {CSV}", "dlt", dlt, seen, options=DLT, before=emptied),
        Contender(f"ingestr, {CSV}", "ingestr", ingestr, seen, options=INGESTR_CSV, before=emptied),
    ]


def to_postgres(bench: Bench, given: Mapping[str, Files]) -> list[Contender]:
    target, base = bench.source.target, f"DuckDB, {POSTGRES}"

    def emptied(_table: str) -> None:
        bench.folder("g-dlt")
        cluster.empty_database(target)
        cluster.settle()

    def made(table: str) -> None:
        emptied(table)
        cluster.run(target, lineitem.ddl("lineitem", key=False))

    def seen(relation: str, table: str) -> Verdict:
        return checks.postgres(target, relation, bench.source.reference[table])

    def duckdb(table: str, options: Options) -> Command:
        return commands.duckdb_files(str(given[table].parquet), ("--target", target), options)

    def dlt(table: str, options: Options) -> Command:
        return commands.dlt_files(str(given[table].folder), target, str(bench.out / "g-dlt"), options)

    def ingestr(table: str, options: Options) -> Command:
        to = url(target) + commands.SSL
        return commands.ingestr_from(f"parquet://{given[table].parquet}", "lineitem", options, to, "public.lineitem")

    loaders: tuple[Options, ...] = ({"loader": "csv"}, {"loader": "parquet"})
    public = partial(seen, "public.lineitem")
    dlts = partial(seen, "dlt_bench.lineitem")
    return [
        Contender(base, "duckdb", duckdb, public, options=THREADS, before=made, base=base),
        Contender(f"dlt, {POSTGRES}", "dlt", dlt, dlts, options=loaders, before=emptied, base=base),
        Contender(f"ingestr, {POSTGRES}", "ingestr", ingestr, public, options=INGESTR, before=emptied, base=base),
    ]


GOALS = (
    goals.faster(f"Headrace, {CSV}", 0.8, f"DuckDB, {CSV}"),
    goals.memory(f"Headrace, {CSV}", 320),
    *(
        goals.faster(f"Headrace, {what}", 1, f"{tool}, {what}")
        for what in (CSV, POSTGRES)
        for tool in ("dlt", "ingestr")
    ),
    goals.faster(f"Headrace, {POSTGRES}", 1, f"DuckDB, {POSTGRES}"),
)
