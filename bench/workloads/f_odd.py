"""F: what is not like lineitem, to Parquet: 200 columns; JSON, arrays and texts of a megabyte; nothing but numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import duckdb

from bench import goals, headrace
from bench.contenders import Contender, Options, Verdict
from bench.data import odd
from bench.data.odd import Odd
from bench.goals import Goal
from bench.lineitem import same
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

ABOUT = """Tables that are not like lineitem, to Parquet, two rounds: *wide* has 200 columns, *odd* has JSON, arrays and
in every hundredth row a text of a megabyte, *narrow* has two columns of numbers. Times are reported, without a goal;
memory is held to what A is held to."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    kinds = odd.tables(bench.rows)
    with headrace.serving(bench.folder("f-server") / "data") as server:
        server.register("f", headrace.postgres(bench.source.database), {"mode": "full"})
        contenders = [each for kind in kinds for each in of_kind(bench, server, kind)]
        yield Workload("F", "Wide, odd and narrow tables", ABOUT, contenders, "DuckDB, wide", held(kinds), rounds=2)


def label(kind: Odd) -> str:
    return f"Headrace (server), {kind.table}"


def held(kinds: Sequence[Odd]) -> list[Goal]:
    return [goals.memory(label(kind), 320) for kind in kinds]


def of_kind(bench: Bench, server: headrace.Server, kind: Odd) -> Iterator[Contender]:
    database, wanted = bench.source.database, odd.make(bench.source.database, kind)
    lake, out = bench.folder(f"f-lake-{kind.table}"), bench.out / "f-rival"
    sink = server.register(f"f {kind.table}", headrace.files(lake))

    def carry(table: str) -> Record:
        server.run(server.endpoints["f"], f"public.{table}", sink)
        return {}

    def served(table: str, _options: Options) -> Action:
        return Call(partial(carry, table), server.pid)

    def copied(table: str, options: Options) -> Command:
        return commands.duckdb_parquet(database, table, options, out / "duckdb.parquet")

    def emptied(_table: str) -> None:
        bench.folder("f-rival")

    def look(pattern: str, _table: str) -> Verdict:
        return checked(pattern, kind, wanted)

    base = f"DuckDB, {kind.table}"
    ours = partial(look, f"{lake}/*/gen=*/slice=*/*.parquet")
    theirs = partial(look, f"{out}/*.parquet")
    yield Contender(label(kind), "headrace", served, ours, kind.table, rows=kind.rows, base=base, warm=True)
    yield Contender(base, "duckdb", copied, theirs, kind.table, before=emptied, rows=kind.rows, base=base)


def checked(pattern: str, kind: Odd, wanted: dict[str, str]) -> Verdict:
    with duckdb.connect() as session:
        sums = ", ".join(kind.checks.values())
        found = session.execute(f"select {sums} from read_parquet('{pattern}', union_by_name = true)").fetchone() or ()
    pairs = zip(kind.checks, found, strict=True)
    return Verdict(tuple(f"{name} is {got}, not {wanted[name]}" for name, got in pairs if not same(got, wanted[name])))
