"""What our sinks wrote is read back, equal, by programs that are not ours, whatever columns, NULLs and compression."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pytest
from endpoints.sinks.local_files_kit import described, sink, target, visible, write
from fidelity.arrow_files import ArrowOrigin
from fidelity.carrying_types import Carried, carried
from fidelity.page import PAGE
from fidelity.parquet_files import ParquetPlace
from fidelity.postgres_tables import DATABASE, DuckDBOrigin, PostgresOrigin, PostgresPlace
from fidelity.readers import READERS, UNLIKE
from fidelity.telling import Told, by_arrow
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import postgres_server
from postgres_values import quoted

from headrace.commit import record_hash
from headrace.endpoints.systems.postgres_duckdb import extension
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import connection_string, quote_literal
from headrace.stagings.in_memory import InMemoryStaging

every_reader = pytest.mark.parametrize("reader", READERS)


# ---- the corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[ParquetPlace, Mapping[str, Told]]:
    """Every type of Arrow that Parquet takes, as the sink wrote it, and the values."""
    base = tmp_path_factory.mktemp("corpus")
    count, origin = itertools.count(), ArrowOrigin(base / "origin")
    found = carried(origin, lambda: ParquetPlace(base / str(next(count))), InMemoryStaging())
    place: Any = found.place
    return place, origin.told([name for name, outcome in found.outcomes.items() if outcome.how != "refused"])


@every_reader
def test_every_type_is_read_exactly_but_those_that_the_page_names(
    corpus: tuple[ParquetPlace, Mapping[str, Told]], reader: str
) -> None:
    place, told = corpus

    unlike = {name for name, values in told.items() if read(reader, place.files(), name) != list(values)}

    assert unlike == set(UNLIKE[reader])


def read(reader: str, files: Sequence[Path], column: str) -> Told | None:
    """None when the reader refuses the column."""
    try:
        return list(READERS[reader](files, column))
    except (duckdb.Error, pa.ArrowException, polars.exceptions.PolarsError):
        return None


def test_the_page_names_what_readers_do_otherwise() -> None:
    page = PAGE.read_text()

    assert [said for columns in UNLIKE.values() for said in columns.values() if said not in page] == []


@every_reader
def test_files_of_duckdb_are_read_exactly(tmp_path_factory: pytest.TempPathFactory, reader: str) -> None:
    base, count, origin = tmp_path_factory.mktemp("duckdb"), itertools.count(), DuckDBOrigin.made()
    found = carried(origin, lambda: ParquetPlace(base / str(next(count))), InMemoryStaging())
    place: Any = found.place

    told = origin.told(list(found.outcomes))

    assert place.writers() == {"DuckDB"}
    assert [name for name, values in told.items() if read(reader, place.files(), name) != list(values)] == []


# ---- generated columns

KINDS: Mapping[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), st.floats()),
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]))),
    "bytes": (pa.binary(), st.binary()),
    "decimal": (pa.decimal128(38, 9), st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-9"))),
    "date": (pa.date32(), st.dates()),
    "time": (pa.time64("us"), st.times()),
    "timestamp": (pa.timestamp("us"), st.datetimes()),
    "zoned": (pa.timestamp("us", "UTC"), st.integers(-(2**55), 2**55)),
    "list": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=4)),
    "struct": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": st.none() | st.text("ab")})),
}


def column(kind: tuple[pa.DataType, st.SearchStrategy[Any]], rows: int) -> st.SearchStrategy[pa.Array]:
    """NULL nowhere, everywhere or here and there."""
    type_, values = kind
    one = st.sampled_from([values, st.none(), st.none() | values])
    return one.flatmap(lambda each: st.lists(each, min_size=rows, max_size=rows)).map(lambda v: pa.array(v, type_))


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """Slices of one schema."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=6))
    sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    return [
        pa.table({f"{n} {kind}": draw(column(KINDS[kind], size)) for n, kind in enumerate(kinds)}) for size in sizes
    ]


@settings(max_examples=25)
@given(slices=tables(), compression=st.sampled_from(["snappy", "zstd", "gzip", "none"]))
def test_whatever_the_columns_and_nulls_every_reader_finds_the_values(
    slices: list[pa.Table], compression: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("lake")
    expected = {name: by_arrow(pa.concat_tables(slices)[name]) for name in slices[0].column_names}

    landed(base, slices, compression)

    for reader, name in itertools.product(READERS, expected):
        assert list(READERS[reader](visible(base), name)) == list(expected[name]), (reader, name)


def landed(base: Path, slices: Sequence[pa.Table], compression: str) -> None:
    into, where, last = sink(base, compression=compression), target(), None
    into.high_water(where, 1)
    into.prepare(where, described(slices[0]), {})
    for seq, table in enumerate(slices):
        last = record_hash(write(into, where, seq, table, prev_hash=last).record)
    into.complete(where, {})
    into.close()


# ---- tables of PostgreSQL


@pytest.fixture(scope="module")
def table() -> tuple[Carried, PostgresPlace, Mapping[str, Told]]:
    origin = PostgresOrigin.made()
    refused = [name for name in origin.columns() if " = " in name]
    found = carried(origin, PostgresPlace, InMemoryStaging(), refused)
    place: Any = found.place
    return found, place, origin.told(list(found.outcomes))


def test_psycopg_reads_the_values_of_a_table_that_the_sink_made(
    table: tuple[Carried, PostgresPlace, Mapping[str, Told]],
) -> None:
    _, place, _ = table
    columns = ", ".join(map(quoted, ("smallint", "bigint", "numeric(38,9)", "bytea", "text[]", "uuid", "boolean")))

    with postgres_server().connect(DATABASE) as connection:
        rows = [
            connection.execute(f"select {columns} from {schema}.everything order by id".encode()).fetchall()
            for schema in ("public", place.schema)
        ]

    assert rows[0] == rows[1]
    assert len(rows[0]) > 5


def test_duckdb_reads_the_values_of_a_table_that_the_sink_made(
    table: tuple[Carried, PostgresPlace, Mapping[str, Told]],
) -> None:
    found, place, told = table
    names = [name for name, outcome in found.outcomes.items() if outcome.type in PLAIN]
    columns = ", ".join(map(quoted, names))
    parameters = PostgresParameters.parse(postgres_server().parameters(DATABASE))
    connected = quote_literal(connection_string(parameters, "source"))

    with duckdb.connect() as connection:
        connection.execute(f"load '{extension()}'")
        connection.execute(f"attach {connected} as pg (type postgres, read_only)")
        rows: Any = connection.execute(f"select {columns} from pg.{place.schema}.everything order by id")
        read = rows.to_arrow_table()

    assert {name: list(by_arrow(read[name])) for name in names} == {name: list(told[name]) for name in names}
    assert len(names) > 10


PLAIN = {
    "boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "bytea", "numeric(20,4)",
    "numeric(38,9)", "numeric(10,2)", "time without time zone", "uuid", "smallint[]", "bigint[]", "text[]", "boolean[]",
}  # fmt: skip
"""Types that DuckDB has too, with all their values: its dates and times do not go as far back or ahead."""
