"""A file of rows says in its footer which slice of which run it is, whoever wrote it, and nothing that is secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import Watching, unit_run
from local_files_kit import RUN, UNIT, land, rows, target, visible
from postgres_server import PASSWORD, postgres_server

from headrace import __version__
from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging


def footer(path: Path) -> Mapping[str, Any]:
    return json.loads(pq.ParquetFile(path).metadata.metadata[b"headrace"])


def test_each_file_says_which_slice_it_is(tmp_path: Path) -> None:
    land(tmp_path, target(generation=3), rows(1), rows(2))

    assert [footer(path) for path in visible(tmp_path)] == [
        {"unit": UNIT, "run": RUN, "generation": 3, "slice": seq, "version": __version__} for seq in (0, 1)
    ]


def test_a_file_of_columns_alone_says_so_too(tmp_path: Path) -> None:
    land(tmp_path, target(), rows())

    (path,) = visible(tmp_path)
    assert (footer(path)["slice"], pq.read_table(path).num_rows) == (0, 0)


def test_what_the_columns_came_with_stays_in_the_footer(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1).replace_schema_metadata({"made by": "somebody"}))

    metadata = pa.parquet.read_schema(visible(tmp_path)[0]).metadata
    assert metadata[b"made by"] == b"somebody"


@pytest.mark.parametrize(("size", "writer"), [(100, "parquet-cpp-arrow"), (4, "DuckDB")])
def test_a_file_of_a_run_says_the_same_whoever_wrote_it(tmp_path: Path, size: int, writer: str) -> None:
    server = postgres_server()
    server.database("create table orders (id int primary key)", "insert into orders select generate_series(1, 9)")
    run = unit_run("public.orders", sink_id="lake", policy={"mode": "full", "targetSliceSize": size})
    with (
        closing(PostgresSource(server.parameters("shop"))) as source,
        closing(LocalFilesSink({"base_path": str(tmp_path)})) as sink,
    ):
        assert run_unit(run, source, sink, InMemoryStaging(), Watching()).errors == []

    paths = visible(tmp_path)

    assert {pq.ParquetFile(path).metadata.created_by.split()[0] for path in paths} == {writer}
    assert [footer(path) for path in paths] == [
        {"unit": UNIT, "run": run.run_id, "generation": 1, "slice": seq, "version": __version__}
        for seq in range(len(paths))
    ]
    assert [path for path in paths if PASSWORD.encode() in path.read_bytes()] == []
