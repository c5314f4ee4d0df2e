"""Cursors that are no time: rows that come later with the newest value read are merged, or said to be missed."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice
from typing import Any

import pyarrow as pa
import pytest
from postgres_reading import Taken, carried, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.protocol import Json

UNIT = "public.orders"
MERGED: dict[str, Json] = {"writeDisposition": "merge"}
APPENDED: dict[str, Json] = {"writeDisposition": "append"}
OPEN = "can miss rows of transactions that are open during a run"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key, at int)")
    server.run("shop", "insert into orders values (1, 19), (5, 20), (7, 20)")
    return server


def read(server: PostgresServer, checkpoint: Json = None, **policy: Any) -> Taken:
    asked = {"mode": "incremental", "cursorField": "at", **policy}
    return taken(server.parameters("shop"), UNIT, checkpoint, **asked)


@pytest.mark.parametrize("declared", ["int", "bigint", "numeric", "text", "uuid"])
def test_a_row_that_comes_later_with_the_newest_value_and_a_smaller_key_is_read_where_rows_are_merged(
    server: PostgresServer, declared: str
) -> None:
    value = "lpad(at::text, 32, '0')::uuid" if declared == "uuid" else f"at::{declared}"
    server.run("shop", f"alter table orders alter at type {declared} using {value}")
    first = read(server, **MERGED)
    server.run("shop", "insert into orders select 3, at from orders where id = 5")

    second = read(server, first.checkpoint, **MERGED)

    assert (sorted(first.ids), second.ids) == ([1, 5, 7], [3, 5, 7])
    assert read(server, second.checkpoint, **MERGED).slices == []


def test_newer_rows_travel_alone_where_none_came_beside_the_newest_value(server: PostgresServer) -> None:
    first = read(server, **MERGED)
    server.run("shop", "insert into orders values (2, 21)")

    assert read(server, first.checkpoint, **MERGED).ids == [2]


def test_a_row_that_takes_the_place_of_another_beside_the_newest_value_is_read(server: PostgresServer) -> None:
    """As many were deleted as came: the number alone does not tell."""
    first = read(server, **MERGED)
    server.run("shop", "delete from orders where id = 5", "insert into orders values (3, 20), (2, 21)")

    second = read(server, first.checkpoint, targetSliceSize=1, **MERGED)

    assert second.ids == [3, 7, 2]
    assert read(server, second.checkpoint, **MERGED).slices == []


def test_a_run_that_died_among_rows_of_one_value_misses_none_of_them(server: PostgresServer) -> None:
    first = read(server, **MERGED)
    server.run("shop", "insert into orders values (6, 21), (8, 21)")
    broken = read(server, first.checkpoint, stop_after=1, targetSliceSize=1, **MERGED)
    server.run("shop", "insert into orders values (2, 21)")

    rest = read(server, broken.checkpoint, **MERGED)

    assert (broken.ids, rest.ids) == ([6], [2, 6, 8])


def test_a_first_load_that_died_misses_no_row_of_its_newest_value(server: PostgresServer) -> None:
    broken = read(server, stop_after=2, targetSliceSize=1, **MERGED)
    server.run("shop", "insert into orders values (3, 20)")
    rest = read(server, broken.checkpoint, **MERGED)

    after = read(server, rest.checkpoint, **MERGED)

    assert (broken.ids, rest.ids, after.ids) == ([1, 5], [7], [3, 5, 7])


def test_nothing_is_read_twice_where_rows_are_appended_and_the_run_says_what_it_may_miss(
    server: PostgresServer,
) -> None:
    first = read(server, **APPENDED)
    server.run("shop", "insert into orders values (3, 20)")
    nothing = read(server, first.checkpoint, **APPENDED)
    server.run("shop", "insert into orders values (8, 20), (2, 21)")

    assert (nothing.ids, read(server, first.checkpoint, **APPENDED).ids) == ([], [8, 2])
    assert str(nothing.delivery["source"]).endswith(
        f"{OPEN}; so are rows that come later with the newest value read and a smaller key, unless rows are merged"
    )


def test_a_cursor_that_is_the_key_has_no_rows_that_share_a_value(server: PostgresServer) -> None:
    first = read(server, cursorField="id", **MERGED)
    server.run("shop", "insert into orders values (8, 1)")

    second = read(server, first.checkpoint, cursorField="id", **MERGED)

    assert (second.ids, str(second.delivery["source"]).endswith(OPEN)) == ([8], True)


def test_a_run_that_merges_because_nothing_else_was_said_brings_rows_that_came_later(server: PostgresServer) -> None:
    server.database(name="target")
    source, sink = server.parameters("shop"), server.parameters("target")
    policy: dict[str, Json] = {"mode": "incremental", "cursorField": "at"}
    first = carried(source, sink, UNIT, policy)
    server.run("shop", "insert into orders values (3, 20)")

    second = carried(source, sink, UNIT, policy, checkpoint=first.new_checkpoint, next_seq=1, epoch=2, run_id="later")

    assert (first.errors, second.errors) == ([], [])
    assert server.rows("target", "select id from orders order by id") == [(1,), (3,), (5,), (7,)]


def test_a_million_rows_of_one_cursor_are_read_a_thousand_at_a_time_and_each_once(server: PostgresServer) -> None:
    """F38: also by a run that died between two of the thousand slices."""
    server.run("shop", "create index on orders (at, id)")
    first = read(server, **APPENDED)
    server.run("shop", "insert into orders select n, 21 from generate_series(8, 1000007) n", "analyze orders")
    policy: dict[str, Json] = {"mode": "incremental", "cursorField": "at", "targetSliceSize": 1000, **APPENDED}
    found: list[Any] = []
    checkpoint = first.checkpoint
    for most in (137, 2000):
        with closing(PostgresSource(server.parameters("shop"))) as source:
            for slice_ in islice(source.plan(UNIT, checkpoint, policy).slices, most):
                (batch,) = source.read(UNIT, slice_, policy)
                found.append(batch.column("id"))
                checkpoint = json.loads(json.dumps(slice_.to_checkpoint))

    assert {len(ids) for ids in found} == {1000}
    assert pa.chunked_array(found).equals(pa.chunked_array([pa.array(range(8, 1_000_008), pa.int32())]))
