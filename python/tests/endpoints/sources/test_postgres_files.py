"""Slices that DuckDB writes as Parquet hold what the Arrow reader gives, or are left to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import Watching, unit_run
from postgres_reading import reader
from postgres_server import PostgresServer, postgres_server
from postgres_values import CASES, CORPUS, REFUSED, fill

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import EndpointUnreachable, RowRejected
from headrace.events import Finished
from headrace.run import run_unit
from headrace.staging import NativeFile
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

UNIT = "public.orders"
SCALAR = [case for case in CASES if not case.declared.endswith("[]")]
FILES = {"nativeFormat": "parquet"}
ELSEWHERE = {"numeric(76,10)", "text"}
"""What DuckDB does not have, and what is too wide for it here."""


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def into(path: Path, **policy: Any) -> dict[str, Any]:
    """So small slices that there are several, for a single one is not worth a file."""
    return {**FILES, "targetSliceSize": 5, "nativeFile": {"path": str(path), "compression": "zstd"}, **policy}


@dataclass
class Read:
    """What was read, in order: each file as it was then, and each batch."""

    tables: list[pa.Table]
    files: list[NativeFile]

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables(self.tables)


def read(source: PostgresSource, unit_id: str, policy: dict[str, Any]) -> Read:
    found, tables = Read([], []), cast(Any, pa.Table)
    for slice_ in source.plan(unit_id, None, policy).slices:
        for item in source.read(unit_id, slice_, policy):
            if isinstance(item, NativeFile):
                found.files.append(item)
                found.tables.append(pq.read_table(item.path))
            else:
                found.tables.append(tables.from_batches([item]))
    return found


@pytest.fixture(scope="module")
def corpus() -> Iterator[PostgresSource]:
    server = postgres_server()
    fill(server)
    with closing(PostgresSource(server.parameters(CORPUS))) as source:
        yield source


@pytest.mark.parametrize("case", SCALAR, ids=lambda case: case.declared)
def test_a_file_holds_the_columns_and_values_that_arrow_has(corpus: PostgresSource, case: Any, tmp_path: Path) -> None:
    asked = {"columns": ["id", case.declared]}
    path = tmp_path / "slice"

    found = read(corpus, "public.everything", into(path, **asked))

    expected = read(corpus, "public.everything", asked).table
    if case.declared in ELSEWHERE:
        assert (found.files, found.table.equals(expected)) == ([], True)
        return
    assert (sum(file.rows for file in found.files), found.files[0].schema) == (expected.num_rows, expected.schema)
    assert found.table.schema.equals(nullable(expected.schema), check_metadata=True)
    assert bits(found.table) == bits(expected)


def test_text_is_what_it_was(server: PostgresServer, tmp_path: Path) -> None:
    values = [value for case in SCALAR if case.declared == "text" for value in case.values[:-1]]
    server.database("create table orders (id int primary key, note text)")
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate([*values, "null"]))
    server.run("shop", f"insert into orders values {rows}")

    with closing(PostgresSource(server.parameters("shop"))) as source:
        found = read(source, UNIT, into(tmp_path / "slice"))

    assert len(found.files) > 1
    kept = server.rows("shop", "select note from orders order by id")
    assert found.table["note"].to_pylist() == [note for (note,) in kept]


def nullable(schema: pa.Schema) -> pa.Schema:
    """DuckDB does not write down which columns are never NULL."""
    return pa.schema([field.with_nullable(True) for field in schema])


def bits(table: pa.Table) -> list[list[Any]]:
    """Values as they are told apart: of numbers and times the bits, so that zero is not minus zero and NaN is NaN."""
    return [
        column.combine_chunks().view(f"int{column.type.bit_width}").to_pylist()
        if pa.types.is_floating(column.type) or pa.types.is_temporal(column.type)
        else column.to_pylist()
        for column in table.columns
    ]


@pytest.mark.parametrize(("declared", "value"), REFUSED)
def test_a_value_that_arrow_cannot_say_is_refused_by_column(
    server: PostgresServer, declared: str, value: str, tmp_path: Path
) -> None:
    """F32"""
    server.database(f"create table orders (id int primary key, v {declared})")
    server.run("shop", f"insert into orders values (1, {value}), (2, null)")

    with closing(PostgresSource(server.parameters("shop"))) as source, pytest.raises(RowRejected) as refused:
        read(source, UNIT, into(tmp_path / "slice", targetSliceSize=1))

    assert refused.value.details == {"column": "v"}


def test_a_column_that_is_not_for_duckdb_leaves_the_slice_to_arrow(server: PostgresServer, tmp_path: Path) -> None:
    server.database("create table orders (id int primary key, tags text[])")
    server.run("shop", "insert into orders values (1, '{a}'), (2, null)")

    with closing(PostgresSource(server.parameters("shop"))) as source:
        found = read(source, UNIT, into(tmp_path / "slice", targetSliceSize=1))

    assert (found.files, found.table.to_pylist()) == ([], [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": None}])


def test_a_load_of_one_slice_and_rows_that_are_wide_are_not_worth_or_not_for_a_file(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.database("create table orders (id int primary key, note text)")
    server.run("shop", "insert into orders select n, 'short' from generate_series(1, 10) n")
    with closing(PostgresSource(server.parameters("shop"))) as source:
        small = read(source, UNIT, into(tmp_path / "slice", targetSliceSize=100))
        files = read(source, UNIT, into(tmp_path / "slice", targetSliceSize=4))
    server.run("shop", "update orders set note = repeat('wide', 5000)")
    with closing(PostgresSource(server.parameters("shop"))) as source:
        wide = read(source, UNIT, into(tmp_path / "slice", targetSliceSize=4))

    assert [len(found.files) for found in (small, files, wide)] == [0, 3, 0]
    assert [found.table.num_rows for found in (small, files, wide)] == [10, 10, 10]


def test_rows_that_come_after_the_plan_are_in_no_file(server: PostgresServer, tmp_path: Path) -> None:
    """The slices of a plan are of one moment, whoever reads them."""
    server.database("create table orders (id int primary key)", "insert into orders select generate_series(1, 100)")
    policy = into(tmp_path / "slice", targetSliceSize=30)

    with closing(PostgresSource(server.parameters("shop"))) as source:
        found: list[int] = []
        for slice_ in source.plan(UNIT, None, policy).slices:
            server.run("shop", "insert into orders select max(id) + 1 from orders", "delete from orders where id = 99")
            list(source.read(UNIT, slice_, policy))
            found += pq.read_table(tmp_path / "slice").column("id").to_pylist()

    assert found == list(range(1, 101))


def test_closing_the_source_ends_a_file_that_is_being_written(server: PostgresServer, tmp_path: Path) -> None:
    """P34. A policy of the table sleeps where it is copied, and nowhere else."""
    server.database("create table orders (id int primary key)", "insert into orders select generate_series(1, 9)")
    parameters = reader(server, "shop", "usage on schema public", "select on orders")
    server.run(
        "shop",
        "create function nap() returns boolean language plpgsql as "
        "$$begin if current_query() ilike 'copy%' then perform pg_sleep(600); end if; return true; end$$",
        "alter table orders enable row level security",
        "create policy slow on orders for select using (nap())",
    )
    ended: list[BaseException] = []

    def reading(source: PostgresSource) -> None:
        try:
            read(source, UNIT, into(tmp_path / "slice"))
        except EndpointUnreachable as error:
            ended.append(error)

    source = PostgresSource(parameters)
    thread = threading.Thread(target=reading, args=(source,))
    thread.start()
    asleep = "select from pg_stat_activity where wait_event = 'PgSleep'"
    while not server.rows("postgres", asleep):
        assert thread.is_alive()
    source.close()
    thread.join(30)

    assert not thread.is_alive()
    assert len(ended) == 1
    assert not server.rows("postgres", asleep)


# ---- with a sink


def carried(server: PostgresServer, lake: Path, staging: Any, **policy: Any) -> Finished:
    run = unit_run(UNIT, sink_id="lake", policy={"mode": "full", **policy})
    with (
        closing(PostgresSource(server.parameters("shop"))) as source,
        closing(LocalFilesSink({"base_path": str(lake)})) as sink,
    ):
        return run_unit(run, source, sink, staging, Watching())


@pytest.mark.parametrize("kept", ["in_memory", "local_disk"])
def test_a_file_that_was_staged_becomes_the_sinks_as_it_is(server: PostgresServer, tmp_path: Path, kept: str) -> None:
    server.database("create table orders (id int primary key, price numeric(10,2), at timestamptz)")
    server.run("shop", "insert into orders select n, n / 100.0, to_timestamp(n) from generate_series(1, 1000) n")
    staging = InMemoryStaging() if kept == "in_memory" else LocalDiskStaging(tmp_path / "staging")

    finished = carried(server, tmp_path / "lake", staging, targetSliceSize=400)

    files = sorted((tmp_path / "lake").glob("*/gen=*/slice=*/*.parquet"))
    assert (finished.errors, finished.stats["applied_rows"], len(files)) == ([], 1000, 3)
    assert {pq.ParquetFile(file).metadata.created_by.split()[0] for file in files} == {"DuckDB"}
    assert [n for file in files for n in pq.read_table(file).column("id").to_pylist()] == list(range(1, 1001))
    with suppress(FileNotFoundError):
        assert list((tmp_path / "staging").iterdir()) == []
