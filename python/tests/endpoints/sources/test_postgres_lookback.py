"""F40: rows that came late, behind the cursor, are found as far back as the policy's lookback reaches, and counted."""

from __future__ import annotations

from typing import Any

import pytest
from carrying import Watching
from postgres_reading import Taken, carried, refused, taken
from postgres_server import PostgresServer, postgres_server

from headrace.errors import ConfigInvalid
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, at timestamptz)",
        "insert into orders select n, timestamptz '2024-01-01 12:00' + n * interval '1 m' from generate_series(1, 6) n",
    )
    return server


def read(server: PostgresServer, checkpoint: Json = None, lookback: Json = "2 minutes", **more: Any) -> Taken:
    policy = {"mode": "incremental", "cursorField": "at", "writeDisposition": "merge", "lookback": lookback}
    return taken(server.parameters("shop"), UNIT, checkpoint, **{**policy, **more})


def read_ids(server: PostgresServer, checkpoint: Json = None, **policy: Any) -> Taken:
    """Years before the first are nothing that Python could say."""
    return read(server, checkpoint, columns=["id"], **policy)


def test_rows_that_came_late_are_found_within_the_lookback_and_not_beyond(server: PostgresServer) -> None:
    first = read(server)
    server.run("shop", "insert into orders values (7, '2024-01-01 12:04:30'), (8, '2024-01-01 12:03:59')",
               "insert into orders values (9, '2024-01-01 12:07')")  # fmt: skip

    second = read(server, first.checkpoint)

    assert (first.ids, "lookback" in first.delivery) == ([1, 2, 3, 4, 5, 6], False)
    assert second.ids == [4, 7, 5, 6, 9]
    assert second.delivery["lookback"] == {"reach": "2 minutes", "from": "2024-01-01 12:04:00+00", "rows": 4}


def test_the_window_is_read_again_also_when_nothing_is_new(server: PostgresServer) -> None:
    first = read(server)

    second = read(server, first.checkpoint)

    assert (second.ids, second.strategy, second.checkpoint) == ([4, 5, 6], "cursor ranges", first.checkpoint)


def test_a_window_without_rows_is_no_slice(server: PostgresServer) -> None:
    first = read(server)
    server.run("shop", "delete from orders where id > 3", "insert into orders values (9, '2024-01-01 12:30')")

    second = read(server, first.checkpoint)

    assert (second.slices, second.delivery["lookback"]["rows"]) == ([second.rows], 0)
    assert second.ids == [9]


def test_a_run_that_died_in_the_window_reads_it_again_and_no_further_back(server: PostgresServer) -> None:
    """The checkpoint does not go back with what is read again, or each death would take it further."""
    first = read(server)
    server.run("shop", "insert into orders values (7, '2024-01-01 12:07')")

    broken = read(server, first.checkpoint, stop_after=2, targetSliceSize=1)
    rest = read(server, broken.checkpoint, targetSliceSize=2)

    assert (broken.ids, broken.checkpoint) == ([4, 5], first.checkpoint)
    assert [[row["id"] for row in rows] for rows in rest.slices] == [[4, 5], [6], [7]]


@pytest.mark.parametrize(
    ("declared", "values", "lookback", "read_again"),
    [
        ("int", [10, 20, 30], 10, [2, 3]),
        ("int", [10, 20, 30], "9.5", [2, 3]),
        ("smallint", [-32768, 5, 9], 40_000, [1, 2, 3]),
        ("bigint", [-(2**63), 1, 2], 5, [2, 3]),
        ("numeric", [1, 2.25, 2.5], "0.25", [2, 3]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-03'"], 1, [2, 3]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-03'"], "36 hours", [1, 2, 3]),
        ("timestamp", ["'2024-01-01 10:00'", "'2024-01-01 11:00'", "'2024-01-01 11:00:09'"], 9, [2, 3]),
        ("timestamptz", ["'2023-12-01'", "'2023-12-10'", "'2023-12-11 12:00'"], "1 day 12 Hours", [2, 3]),
        ("timestamptz", ["'2023-12-01'", "'2023-12-10'", "'2023-12-17'"], "1week", [2, 3]),
    ],
)
def test_a_lookback_is_in_the_units_of_the_cursor(
    server: PostgresServer, declared: str, values: list[Any], lookback: Json, read_again: list[int]
) -> None:
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values, 1))
    server.run("shop", "drop table orders", f"create table orders (id int primary key, at {declared})",
               f"insert into orders values {rows}")  # fmt: skip
    first = read(server, lookback=lookback)

    assert read(server, first.checkpoint, lookback=lookback).ids == read_again


@pytest.mark.parametrize("lookback", ["999999999 weeks", "9" * 30, "2500000 days"])
@pytest.mark.parametrize("declared", ["date", "timestamp", "timestamptz"])
def test_a_lookback_beyond_what_the_type_can_say_reads_everything_again(
    server: PostgresServer, declared: str, lookback: str
) -> None:
    server.run("shop", "drop table orders", f"create table orders (id int primary key, at {declared})",
               "insert into orders values (1, '0101-01-01 BC'), (2, '2024-01-01')")  # fmt: skip
    before = read_ids(server)

    again = read_ids(server, before.checkpoint, lookback=lookback)

    assert (before.rows, again.rows) == ([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 2}])
    assert again.checkpoint == before.checkpoint


@pytest.mark.parametrize("declared", ["timestamp", "timestamptz"])
def test_a_lookback_shorter_than_a_microsecond_reads_the_newest_moment_again(
    server: PostgresServer, declared: str
) -> None:
    server.run("shop", f"alter table orders alter at type {declared}")
    first = read(server)

    assert read(server, first.checkpoint, lookback="0.0000001").ids == [6]


@pytest.mark.parametrize(
    "lookback", ["ten minutes", "10 fortnights", "-5", "1 hour ago", "10 m; drop table orders", True]
)
def test_what_is_no_length_is_refused_by_name(server: PostgresServer, lookback: Json) -> None:
    with refused(ConfigInvalid, "lookback is a length of time such as '10 minutes'", field="lookback"):
        read(server, lookback=lookback)


@pytest.mark.parametrize(
    ("declared", "lookback", "remedy"),
    [("text", 5, "choose another cursor"), ("uuid", "1 hour", "choose another cursor"), ("int", "1 hour", "a number")],
)
def test_a_cursor_from_which_it_cannot_be_taken_is_refused(
    server: PostgresServer, declared: str, lookback: Json, remedy: str
) -> None:
    server.run("shop", "drop table orders", f"create table orders (id int primary key, at {declared})")

    with refused(ConfigInvalid, f"from which that cannot be taken.*{remedy}", field="lookback"):
        read(server, lookback=lookback)


def test_a_full_read_has_nothing_behind_it(server: PostgresServer) -> None:
    with refused(ConfigInvalid, "lookback goes with mode incremental", field="lookback"):
        read(server, mode="full")


def test_rows_read_again_are_not_appended(server: PostgresServer) -> None:
    server.database(name="target")
    policy: dict[str, Json] = {"mode": "incremental", "cursorField": "at", "lookback": 5, "writeDisposition": "append"}
    watching = Watching()

    with refused(ConfigInvalid, "would be there twice where writeDisposition is append", field="policy.lookback"):
        carried(server.parameters("shop"), server.parameters("target"), UNIT, policy, watching)

    assert watching.events == []


def test_a_row_that_came_late_reaches_the_target_once(server: PostgresServer) -> None:
    server.database(name="target")
    policy: dict[str, Json] = {"mode": "incremental", "cursorField": "at", "lookback": "10 minutes"}
    first = carried(server.parameters("shop"), server.parameters("target"), UNIT, policy)
    server.run("shop", "insert into orders values (7, '2024-01-01 12:00:30')")

    second = carried(
        server.parameters("shop"), server.parameters("target"), UNIT, policy,
        checkpoint=first.new_checkpoint, next_seq=1, epoch=2, run_id="later",
    )  # fmt: skip

    assert (second.errors, second.new_checkpoint) == ([], first.new_checkpoint)
    assert server.rows("target", "select array_agg(id order by id) from orders") == [([1, 2, 3, 4, 5, 6, 7],)]
