"""The page of types is the one that was generated, and what it says beside the tables is so."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from carrying import Watching, unit_run
from fidelity.matrix import ORIGINS, PLACES, recorded
from fidelity.page import PAGE, page
from fidelity.page_words import CODES
from fidelity.parquet_files import ParquetPlace
from postgres_reading import carried
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging


def test_the_page_is_what_was_recorded() -> None:
    assert PAGE.read_text() == page(), "The page is stale. Write it anew: npm run codegen"


def test_every_source_and_sink_of_the_matrix_was_recorded() -> None:
    assert set(recorded()) == {(origin, place) for origin in ORIGINS for place in PLACES}


def test_every_type_of_a_source_is_in_the_page_once() -> None:
    lines = [
        line for line in PAGE.read_text().partition("## What is refused")[0].splitlines() if line.startswith("| `")
    ]

    assert [line for line in lines if line.startswith("| `numeric(20,4)`")] == [
        "| `numeric(20,4)`, as every `numeric(p,s)` to 38 digits "
        "| `numeric(20,4)` | `DECIMAL(20,4)` | `decimal(20,4)` |"
    ]
    assert len([line for line in lines if "| `jsonb`" in line and "STRING" in line]) == 1


def test_every_refusal_says_what_to_do() -> None:
    said = [each for outcomes in recorded().values() for each in outcomes.values() if each.how == "refused"]

    assert {each.error for each in said} == set(CODES)
    assert [
        each.said for each in said if not any(word in each.said.lower() for word in ("correct", "leave", "say"))
    ] == []


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, at date not null, note text)",
        "insert into orders select n, '2024-01-01', 'x' from generate_series(1, 9) n",
    )
    return server


@pytest.mark.parametrize(("size", "written", "required"), [(100, "parquet-cpp-arrow", True), (4, "DuckDB", False)])
def test_a_column_that_is_never_null_is_required_in_a_file_unless_duckdb_wrote_it(
    server: PostgresServer, tmp_path: Path, size: int, written: str, required: bool
) -> None:
    place = ParquetPlace(tmp_path / "lake")
    run = unit_run("public.orders", sink_id="lake", policy={"mode": "full", "targetSliceSize": size})
    with closing(PostgresSource(server.parameters("shop"))) as source, closing(place.open()) as sink:
        assert run_unit(run, source, sink, InMemoryStaging(), Watching()).errors == []

    file = pq.ParquetFile(place.files()[0])

    assert place.writers() == {written}
    assert [field.nullable for field in file.schema_arrow] == [not required, not required, True]
    assert [file.metadata.row_group(0).column(n).statistics.null_count for n in range(3)] == [0, 0, 0]


def test_in_a_table_that_the_sink_made_only_the_key_is_not_null(server: PostgresServer) -> None:
    parameters = server.parameters("shop")
    for schema, policy in {
        "merged": {"writeDisposition": "merge"},
        "replaced": {"writeDisposition": "replace"},
    }.items():
        found = carried(parameters, {**parameters, "schemas": schema}, "public.orders", {"mode": "full", **policy})
        assert found.errors == []

    never = (
        "select attname::text from pg_attribute where attrelid = '{}.orders'::regclass and attnum > 0 and attnotnull"
    )
    assert [server.rows("shop", never.format(schema)) for schema in ("merged", "replaced")] == [[("id",)], [("id",)]]
