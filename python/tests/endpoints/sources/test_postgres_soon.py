"""A large table whose rows go on as they come is read by pages, as long as it is read again soon."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest
from postgres_reading import reader
from postgres_server import PostgresServer, postgres_server

from headrace.endpoint import Plan
from headrace.endpoints.sources import postgres_plan
from headrace.endpoints.sources.postgres import PostgresSource

UNIT = "public.orders"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    monkeypatch.setattr(postgres_plan, "LARGE_PAGES", 1)
    server = postgres_server()
    server.database("create table orders (id int primary key, at timestamptz, note text)")
    server.run(
        "shop",
        "insert into orders select n, '2024-01-01', repeat('x', 200) from generate_series(1, 900) n",
        "vacuum analyze orders",
    )
    return server


def plan(server: PostgresServer, user: Mapping[str, str] | None = None, **policy: Any) -> tuple[Plan, int]:
    """And how many slices it has."""
    with closing(PostgresSource(user or server.parameters("shop"))) as source:
        planned = source.plan(UNIT, None, {"targetSliceSize": 300, **policy})
        return planned, len(list(planned.slices))


@pytest.mark.parametrize("format_", ["parquet", "pgcopy"])
@pytest.mark.parametrize("disposition", ["replace", "merge"])
def test_what_becomes_files_or_travels_in_blocks_is_read_by_pages_and_says_so(
    server: PostgresServer, format_: str, disposition: str
) -> None:
    planned, slices = plan(server, nativeFormat=format_, writeDisposition=disposition)

    assert (planned.strategy, planned.delivery) == ("page ranges", {"cut": postgres_plan.SOONER})
    assert (planned.resumes, slices > 1) == (False, True)


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"nativeFormat": "pgcopy", "writeDisposition": "append"},
        {"nativeFormat": "parquet", "mode": "incremental", "cursorField": "at"},
        {"nativeFormat": "parquet", "staging": {"provider": "local_disk"}},
    ],
    ids=["as Arrow", "appended", "incremental", "staged on disk"],
)
def test_a_load_that_gains_nothing_by_it_or_has_to_go_on_is_read_by_key(server: PostgresServer, policy: Any) -> None:
    assert plan(server, **policy)[0].strategy == "key ranges"


def test_a_table_that_takes_long_is_read_by_key_so_that_a_load_that_breaks_off_goes_on(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_plan, "SOON_PAGES", 2)

    assert plan(server, nativeFormat="parquet")[0].strategy == "key ranges"


@pytest.mark.parametrize("readers", [2, 3, 5])
def test_each_reader_has_as_many_slices_as_any_other(server: PostgresServer, readers: int) -> None:
    _, slices = plan(server, nativeFormat="pgcopy", targetSliceSize=200, maxParallelSlices=readers)

    assert (slices > readers / 2, slices % readers) == (True, 0)


@pytest.mark.parametrize("format_", ["parquet", "pgcopy"])
def test_a_user_who_may_not_read_every_column_reads_by_key_for_pages_are_closed_to_him(
    server: PostgresServer, format_: str
) -> None:
    user = reader(server, "shop", "usage on schema public", "select (id, at) on orders")

    planned, slices = plan(server, user, nativeFormat=format_, writeDisposition="replace", columns=["id", "at"])

    assert (planned.strategy, planned.delivery, slices > 1) == ("key ranges", {}, True)
