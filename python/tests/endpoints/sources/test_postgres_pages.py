"""Tables without a key are read by ranges of pages of one snapshot: every row once, and never half of two moments."""

from __future__ import annotations

from contextlib import closing

import pytest
from carrying import Watching
from postgres_reading import BY_TIME, carried, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid, SourceReplaced
from headrace.events import Planned
from headrace.protocol import Json

UNIT = "public.orders"
SMALL: dict[str, Json] = {"targetSliceSize": 100}
FILL = "select n, repeat('x', 200) from generate_series({}, {}) n"

KINDS: dict[str, tuple[str, ...]] = {
    "plain": ("create table orders (id int, note text)", f"insert into orders {FILL.format(1, 900)}"),
    "empty pages in front, within and at the end": (
        "create table orders (id int, note text) with (autovacuum_enabled = off)",
        f"insert into orders {FILL.format(1, 2000)}",
        "delete from orders where id < 300 or id between 900 and 1300 or id > 1800",
        "vacuum (truncate off) orders",
    ),
    "wide rows kept out of line": (
        "create table orders (id int, note text)",
        "alter table orders alter note set storage external",
        "insert into orders select n, repeat('x', 20000) from generate_series(1, 600) n",
    ),
    "partitions of different sizes": (
        "create table orders (id int, note text) partition by range (id)",
        "create table orders_a partition of orders for values from (minvalue) to (700)",
        "create table orders_b partition of orders for values from (700) to (1000) partition by range (id)",
        "create table orders_b1 partition of orders_b for values from (700) to (1000)",
        "create table orders_c partition of orders default",
        f"insert into orders {FILL.format(1, 1001)}",
    ),
    "tables that inherit": (
        "create table orders (id int primary key, note text)",
        "create table more () inherits (orders)",
        "create table still_more (extra int) inherits (more)",
        f"insert into orders {FILL.format(1, 50)}",
        f"insert into more {FILL.format(1, 900)}",
        f"insert into still_more {FILL.format(1, 400)}",
    ),
    "a materialised view": (
        "create table made (id int primary key)",
        "insert into made select generate_series(1, 900)",
        "create materialized view orders as select id, repeat('x', 200) as note from made",
    ),
    "one page": ("create table orders (id int, note text)", "insert into orders values (1, 'a'), (2, 'b'), (1, 'a')"),
}


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_of_pages_cover_every_row_as_often_as_it_is_there(server: PostgresServer, kind: str) -> None:
    """F46: a slice with few rows, or none, is not the end."""
    server.database(*KINDS[kind])

    found = taken(server.parameters("shop"), UNIT, **SMALL)

    assert sorted(found.ids) == sorted(n for (n,) in server.rows("shop", "select id from orders"))
    assert (found.strategy, len(found.slices) > 2) == (
        ("the whole table at once", False) if kind == "one page" else ("page ranges", True)
    )
    assert found.checkpoint is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_who_may_not_read_every_column_may_not_ask_for_pages_and_reads_all_rows_at_once(
    server: PostgresServer, kind: str
) -> None:
    server.database(*KINDS[kind])
    user = reader(server, "shop", "usage on schema public", "select (id) on orders")

    found = taken(user, UNIT, columns=["id"], **SMALL)

    assert sorted(found.ids) == sorted(n for (n,) in server.rows("shop", "select id from orders"))
    assert (found.strategy, len(found.slices)) == ("the whole table at once", 1)


def test_slices_of_pages_hold_about_as_much_as_asked_for_also_where_long_values_lie_elsewhere(
    server: PostgresServer,
) -> None:
    """F37: a page of such a table can stand for megabytes."""
    server.database(*KINDS["wide rows kept out of line"])

    found = taken(server.parameters("shop"), UNIT, sliceBytes=4_000_000)

    sizes = [sum(len(row["note"]) for row in rows) for rows in found.slices]
    assert (len(found.rows), max(sizes) < 2 * 4_000_000) == (600, True)


def test_slices_of_pages_are_of_one_moment_whatever_happens_meanwhile(server: PostgresServer) -> None:
    """F45: an updated row moves to another page, before or behind what was read."""
    server.database("create table orders (id int, note text)")
    server.run("shop", "insert into orders select n, repeat('x', 200) || 'old' from generate_series(1, 900) n")

    def meanwhile() -> None:
        server.run(
            "shop",
            "update orders set note = repeat('x', 200) || 'new' where id % 7 = 0",
            "delete from orders where id % 11 = 0",
            "insert into orders select n, 'new' from generate_series(1, 300) n",
            "vacuum orders",
        )

    found = taken(server.parameters("shop"), UNIT, meanwhile=meanwhile, **SMALL)

    assert sorted(found.ids) == list(range(1, 901))
    assert {row["note"][200:] for row in found.rows} == {"old"}


def test_a_read_by_pages_that_died_is_begun_anew_by_the_next_run_and_no_row_is_lost_or_doubled(
    server: PostgresServer,
) -> None:
    """A row that was updated since may lie behind the part already read."""
    server.database(name="target")
    server.database(*KINDS["plain"])
    parameters, target = server.parameters("shop"), server.parameters("target")
    broken = Watching(verdict=lambda event: "commit" if event.slice_seq < 2 else "stop")
    carried(parameters, target, UNIT, SMALL, broken)
    server.run("shop", "update orders set note = 'moved' where id < 50", "delete from orders where id > 890")
    seen = server.rows("target", "select to_regclass('orders')::text")

    finished = carried(parameters, target, UNIT, SMALL, generation=2, epoch=2, run_id="later")

    assert ([event.resumes for event in broken.of(Planned)], seen, finished.errors) == ([False], [(None,)], [])
    everything = "select id, note from orders order by id"
    assert server.rows("target", everything) == server.rows("shop", everything)


def test_one_whose_rows_are_appended_is_refused_and_says_what_to_do(server: PostgresServer) -> None:
    """Its rows are in the target already, and begun anew they would be there twice."""
    server.database(*KINDS["plain"])
    parameters = server.parameters("shop")
    with closing(PostgresSource(parameters)) as source:
        assert source.plan(UNIT, None, {**SMALL, "writeDisposition": "append"}).resumes
    first = taken(parameters, UNIT, stop_after=1, writeDisposition="append", **SMALL)

    with pytest.raises(SourceReplaced, match="Where its rows were appended, remove them, and reset the unit"):
        taken(parameters, UNIT, first.checkpoint, writeDisposition="append", **SMALL)


def test_staged_on_disk_a_table_without_a_key_is_one_slice_that_a_dead_run_begins_again(
    server: PostgresServer,
) -> None:
    server.database(*KINDS["plain"])

    found = taken(server.parameters("shop"), UNIT, staging={"provider": "local_disk"}, **SMALL)

    assert [len(rows) for rows in found.slices] == [900]


def test_a_table_without_rows_but_with_pages_has_no_slices(server: PostgresServer) -> None:
    server.database(*KINDS["plain"], "delete from orders")

    assert taken(server.parameters("shop"), UNIT, **SMALL).slices == []


def test_no_key_of_a_table_that_others_inherit_from_is_taken_for_one(server: PostgresServer) -> None:
    """Its rows and theirs may have one key, and merging by it would lose some."""
    server.database(*KINDS["tables that inherit"], "alter table orders add at timestamptz")

    with pytest.raises(ConfigInvalid, match="none does once other tables inherit from it"):
        taken(server.parameters("shop"), UNIT, **BY_TIME)


@pytest.mark.parametrize(
    "view",
    [
        "create view orders as select n as id from generate_series(1, 900) n",
        "create extension if not exists file_fdw; create server files foreign data wrapper file_fdw; "
        "create foreign table orders (id int) server files options (program 'seq 900')",
    ],
)
def test_what_has_neither_key_nor_pages_is_one_slice(server: PostgresServer, view: str) -> None:
    server.database(*view.split("; "))

    found = taken(server.parameters("shop"), UNIT, **SMALL)

    assert (found.strategy, [len(rows) for rows in found.slices]) == ("the whole table at once", [900])


def test_a_slice_of_pages_is_refused_under_any_snapshot_but_its_own(server: PostgresServer) -> None:
    server.database(*KINDS["plain"])
    with (
        closing(PostgresSource(server.parameters("shop"))) as own,
        closing(PostgresSource(server.parameters("shop"))) as other,
    ):
        first, *_ = own.plan(UNIT, None, SMALL).slices
        list(other.plan(UNIT, None, SMALL).slices)

        assert list(own.read(UNIT, first, SMALL)) == list(own.read(UNIT, first, SMALL)) != []
        with pytest.raises(SourceReplaced):
            list(other.read(UNIT, first, SMALL))
