"""Incremental reads of PostgreSQL by a cursor: no version of a row is lost, and none comes twice."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from postgres_reading import BY_TIME, Taken, taken
from postgres_server import PostgresServer, postgres_server

from headrace.errors import RowRejected
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def read(server: PostgresServer, checkpoint: Json = None, *, field: str = "at", **policy: Json) -> Taken:
    asked = {"mode": "incremental", "cursorField": field, **policy}
    return taken(server.parameters("shop"), UNIT, checkpoint, **asked)


# ---- nothing lost, nothing doubled

KEYS = st.tuples(st.sampled_from(["a", "A", "ä", "'", '"', "\\", "%", "z z", "Ω"]), st.integers(-2, 2))
CHANGES = st.lists(st.tuples(KEYS, st.integers(0, 1)), max_size=8)
"""Keys that are inserted or updated, each at one of two moments: so most of them tie."""

RUNS = st.lists(st.tuples(CHANGES, st.integers(1, 4), st.sampled_from([None, None, 0, 1, 2])), min_size=2, max_size=4)
"""What changes before a run, how large its slices are, and after how many of them it dies."""

END = [([], 3, None), ([], 3, None)]
"""A load that broke off ends with what its snapshot held; one run more, and everything is read."""

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each example is several runs against a server; what failed is small enough to read."""


def _change(server: PostgresServer, run: int, changes: Sequence[tuple[tuple[str, int], int]]) -> None:
    with server.connect("shop") as connection:
        for version, ((name, number), moment) in enumerate(changes):
            connection.execute(
                b"insert into orders values (%s, %s, timestamptz '2024-01-01' + %s * interval '1 microsecond', %s) "
                b"on conflict (name, number) do update set at = excluded.at, version = excluded.version",
                [name, number, 2 * run + moment, 100 * run + version],
            )


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=WITHOUT_SHRINKING)
@given(RUNS)
def test_runs_that_follow_each_other_deliver_the_newest_version_of_every_key(runs: list[Any]) -> None:
    """F38, F39: with equal cursors on every border of slices and runs, and runs that die half-way."""
    server = postgres_server()
    server.database(
        "create table orders (name text, number int, at timestamptz, version int, primary key (name, number))"
    )
    delivered: list[tuple[Any, ...]] = []
    checkpoint: Json = None

    for run, (changes, slice_rows, stop_after) in enumerate([*runs, *END]):
        _change(server, run, changes)
        parameters = server.parameters("shop")
        found = taken(parameters, UNIT, checkpoint, stop_after=stop_after, targetSliceSize=slice_rows, **BY_TIME)
        checkpoint = found.checkpoint
        assert all(len(slice_) <= slice_rows for slice_ in found.slices)
        delivered += [(row["name"], row["number"], row["at"], row["version"]) for row in found.rows]

    newest = {row[:2]: row for row in delivered}
    assert sorted(newest.values()) == sorted(server.rows("shop", "select name, number, at, version from orders"))
    assert {count for count in Counter(delivered).values()} <= {1}


def test_microseconds_tell_rows_apart(server: PostgresServer) -> None:
    server.database(
        "create table orders (id int primary key, at timestamptz)",
        "insert into orders values (1, '2024-01-01 00:00:00.000001')",
    )
    first = read(server)

    server.run("shop", "insert into orders values (0, '2024-01-01 00:00:00.000002')")

    (found,) = read(server, first.checkpoint).rows
    assert found == {"id": 0, "at": datetime.datetime(2024, 1, 1, microsecond=2, tzinfo=datetime.UTC)}


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("timestamptz", ["0044-03-15 BC", "1969-12-31 23:59:59.999999", "2024-01-01", "2024-01-01 00:00:00.000001"]),
        ("timestamp", ["0001-01-01", "1969-12-31 23:59:59.999999", "2024-01-01", "2024-01-01 00:00:00.000001"]),
        ("timestamptz(0)", ["1969-12-31 23:59:59", "2024-01-01", "2024-01-01 00:00:01", "2024-01-01 00:00:02"]),
        ("date", ["0044-03-15 BC", "1969-12-31", "2024-01-01", "2024-01-02"]),
        ("bigint", ["-9223372036854775808", "-1", "9007199254740993", "9223372036854775807"]),
        ("numeric", ["-1e30", "0.1", "0.10000000000000000000000001", "1e30"]),
        ("text", ["", "'", "Z", "a"]),
        ("uuid", [f"00000000-0000-0000-0000-0000000000{n}" for n in ("0a", "0f", "a0", "ff")]),
    ],
)
def test_a_cursor_of_an_ordered_type_delivers_each_row_once_in_its_order(
    server: PostgresServer, declared: str, values: list[str]
) -> None:
    server.database(f"create table orders (id int primary key, at {declared})")
    delivered: list[list[int]] = []
    checkpoint: Json = None

    for number, value in enumerate(values):
        with server.connect("shop") as connection:
            connection.execute(b"insert into orders values (%s, %s)", [-number, value])
        found = read(server, checkpoint, columns=["id"])
        checkpoint = found.checkpoint
        delivered.append(found.ids)

    assert delivered == [[0], [-1], [-2], [-3]]
    assert read(server, checkpoint).ids == []


# ---- rows without cursor

NULLS = (
    "create table orders (id int primary key, at timestamptz)",
    "insert into orders values (1, '2024-01-01'), (2, null), (3, '2024-01-03'), (4, null)",
)


def test_rows_without_a_cursor_are_read_by_the_first_run_and_counted(server: PostgresServer) -> None:
    server.database(*NULLS)

    first = read(server, targetSliceSize=1)
    server.run("shop", "insert into orders values (5, null), (6, '2024-01-06')")
    later = read(server, first.checkpoint)

    assert (first.ids, later.ids) == ([1, 2, 3, 4], [6])
    assert first.delivery["nullCursors"] == {"rows": 2, "policy": "once"}
    assert later.delivery["nullCursors"] == {"rows": 3, "policy": "once"}


def test_a_table_with_no_cursor_at_all_is_read_once_and_then_from_its_first_one(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key, at timestamptz)", "insert into orders values (1), (2)")

    first = read(server)
    nothing = read(server, first.checkpoint)
    server.run("shop", "update orders set at = '2024-01-01' where id = 2")

    assert (first.ids, nothing.ids, read(server, first.checkpoint).ids) == ([1, 2], [], [2])


def test_rows_without_a_cursor_are_never_read_when_they_are_to_be_ignored(server: PostgresServer) -> None:
    server.database(*NULLS)

    first = read(server, nulls="ignore")

    assert first.ids == [1, 3]
    assert first.delivery["nullCursors"] == {"rows": 2, "policy": "ignore"}


def test_rows_without_a_cursor_end_a_run_that_would_set_them_aside(server: PostgresServer) -> None:
    server.database(*NULLS)

    with pytest.raises(RowRejected, match=r"2 rows of public\.orders have no at") as refusal:
        read(server, nulls="quarantine")

    assert refusal.value.details == {"column": "at", "rows": 2}
