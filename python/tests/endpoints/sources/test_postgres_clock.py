"""Cursors that are times, beside the server's clock: what it has not passed waits, also where a column is coarse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from postgres_reading import Taken, taken
from postgres_server import USER, PostgresServer, postgres_server

from headrace.endpoints.systems.postgres_kept import KEPT
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


@pytest.mark.parametrize("ahead", ["25 s", "5 h"])
def test_a_row_from_the_future_without_zone_waits_and_hides_no_row_of_today(server: PostgresServer, ahead: str) -> None:
    """It looks as if it came from the east; nobody can tell, so it is believed of none."""
    clock = "(now() at time zone 'UTC')"
    server.database(f"create table orders (id int primary key, at timestamp default {clock})")
    server.run("shop", f"insert into orders values (1, default), (2, {clock} + interval '{ahead}')")
    first = read(server)
    server.run("shop", "insert into orders values (3, default)")
    second = read(server, first.checkpoint)

    assert (first.ids, second.ids) == ([1], [3])
    assert "at has no time zone and is read as time of UTC" in str(first.delivery["leftForLater"])
    assert str(first.delivery["source"]).endswith("a timestamp without zone is read as time of UTC")


@pytest.mark.parametrize("offset", ["-8 h", "-3 h 30 min", "0 h"])
def test_times_without_zone_never_overtake_an_open_transaction_whatever_zone_in_the_west_they_are_of(
    server: PostgresServer, offset: str
) -> None:
    """F41: nobody says of which zone they are; the newest of them does."""
    server.database(f"create table orders (id int primary key, at timestamp default {clock_of(offset)})")
    during, after = read_beside_an_open_transaction(server)

    assert (during.ids, after.ids) == ([1], [2, 3])
    assert "leftForLater" not in after.delivery


@pytest.mark.parametrize(("zone", "offset"), [("Asia/Kathmandu", "5 h 45 min"), ("Etc/GMT-13", "13 h")])
def test_times_without_zone_of_the_east_are_read_at_once_where_the_zone_is_set_for_the_user(
    server: PostgresServer, zone: str, offset: str
) -> None:
    server.database(f"create table orders (id int primary key, at timestamp default {clock_of(offset)})")
    with having_set(server, f"role {USER}", zone):
        during, after = read_beside_an_open_transaction(server)

    assert (during.ids, after.ids) == ([1], [2, 3])
    assert str(after.delivery["source"]).endswith(f"a timestamp without zone is read as time of {zone}")


@pytest.mark.parametrize(("zone", "read_as"), [("Etc/GMT-2", "UTC"), ("Etc/GMT+5", "Etc/GMT+5")])
def test_where_the_database_has_a_zone_the_earlier_of_its_clock_and_of_utc_bounds_times_without_zone(
    server: PostgresServer, zone: str, read_as: str
) -> None:
    """Its writers may use either."""
    server.database("create table orders (id int primary key, at timestamp)")
    clock = f"(now() at time zone '{read_as}')"
    later = f"{clock} + interval '25 s'"
    server.run("shop", f"insert into orders values (1, {clock}), (2, {later})")
    with having_set(server, "database shop", zone):
        found = read(server)

    assert found.ids == [1]
    assert f"is read as time of {read_as}" in str(found.delivery["leftForLater"])


def clock_of(offset: str) -> str:
    return f"(now() at time zone 'UTC' + interval '{offset}')"


@contextmanager
def having_set(server: PostgresServer, whom: str, zone: str) -> Iterator[None]:
    """The zone of new sessions; what was kept of old ones is closed."""
    KEPT.close()
    server.run("postgres", f"alter {whom} set timezone = '{zone}'")
    try:
        yield
    finally:
        server.run("postgres", f"alter {whom} reset timezone")
        KEPT.close()


def read_beside_an_open_transaction(server: PostgresServer) -> tuple[Taken, Taken]:
    """What is read while the second of three rows is not committed, and afterwards."""
    server.run("shop", "insert into orders values (1)")
    with server.connect("shop") as slow:
        slow.execute("begin")
        slow.execute("insert into orders values (2)")
        server.run("shop", "insert into orders values (3)")
        during = read(server)
        slow.execute("commit")
    return during, read(server, during.checkpoint)
