"""Cursors that are times, beside the server's clock: what it has not passed waits, also where a column is coarse."""

from __future__ import annotations

import pytest
from postgres_reading import Taken, taken
from postgres_server import PostgresServer, postgres_server

from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def read(server: PostgresServer, checkpoint: Json = None, *, field: str = "at", **policy: Json) -> Taken:
    asked = {"mode": "incremental", "cursorField": field, **policy}
    return taken(server.parameters("shop"), UNIT, checkpoint, **asked)


def test_a_row_from_the_future_waits_and_hides_no_row_of_today(server: PostgresServer) -> None:
    """F28: a clock that was wrong once must not end the reading of everything after it."""
    server.database(
        "create table orders (id int primary key, at timestamptz default now())",
        "insert into orders values (1, default), (2, '2999-01-01'), (3, 'infinity')",
    )
    first = read(server)
    server.run("shop", "insert into orders values (4, default)")

    assert (first.ids, read(server, first.checkpoint).ids) == ([1], [4])
    assert "their at is not before" in str(first.delivery["leftForLater"])


def test_rows_of_a_day_that_is_not_over_wait_for_it_to_end(server: PostgresServer) -> None:
    """A cursor of dates cannot tell what came later on the day that was read."""
    server.database(
        "create table orders (id int primary key, at date)",
        "insert into orders values (5, '2024-01-01'), (6, now() at time zone 'UTC' + interval '12 h')",
    )
    first = read(server)
    server.run("shop", "insert into orders select 3, at from orders where id = 6")

    assert (first.ids, read(server, first.checkpoint).ids) == ([5], [])
    assert first.delivery["leftForLater"] == "their day is not over, and more of its rows may come"


def test_a_cursor_of_whole_seconds_loses_no_row_of_the_second_in_which_a_transaction_began(
    server: PostgresServer,
) -> None:
    """F39: its rows may say the beginning of that second, which is before its own."""
    server.database("create table orders (id int primary key, at timestamptz(0))")
    server.run("shop", "insert into orders values (5, '2024-01-01')")
    slow_insert = "insert into orders values (3, date_trunc('second', now())) returning at"
    with server.connect("shop") as slow:
        slow.execute("begin")
        (moment,) = slow.execute(slow_insert.encode()).fetchall()[0]
        server.run("shop", f"insert into orders values (6, '{moment}')")
        during = read(server)
        slow.execute("commit")
    server.run("shop", "update orders set at = '2024-01-02' where id in (3, 6)")  # as if the second had passed

    assert (during.ids, read(server, during.checkpoint).ids) == ([5], [3, 6])


@pytest.mark.parametrize("offset", ["-8 h", "-3 h 30 min", "0 h", "5 h 45 min", "13 h"])
def test_times_without_zone_never_overtake_an_open_transaction_whatever_their_zone(
    server: PostgresServer, offset: str
) -> None:
    """F41: nobody says of which zone they are; the newest of them does."""
    clock = f"(now() at time zone 'UTC' + interval '{offset}')"
    server.database(f"create table orders (id int primary key, at timestamp default {clock})")
    server.run("shop", "insert into orders values (1)")
    with server.connect("shop") as slow:
        slow.execute("begin")
        slow.execute("insert into orders values (2)")
        server.run("shop", "insert into orders values (3)")
        during = read(server)
        slow.execute("commit")

    after = read(server, during.checkpoint)
    assert (during.ids, after.ids) == ([1], [2, 3])
    assert "leftForLater" not in after.delivery
