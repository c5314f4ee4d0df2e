"""A table that is altered beside a run is read as it was or as it is: it never looks empty, and never half of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from postgres_reading import BY_TIME, once_it_waits, open_transaction, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import EndpointUnreachable, SourceReplaced

UNIT = "public.orders"
FILL = "insert into orders select n, n, '2024-01-01' from generate_series({}, {}) n"
TABLE = "create table orders (id int, v int, at timestamptz, primary key (id)){}"

PLAIN = (TABLE.format(""), FILL.format(1, 9))
PARTS = (
    TABLE.format(" partition by range (id)"),
    "create table part1 partition of orders for values from (0) to (5)",
    "create table part2 partition of orders for values from (5) to (50)",
    FILL.format(1, 9),
)
CHILDREN = (TABLE.format(""), "create table child () inherits (orders)", FILL.format(1, 4).replace("orders", "child"))
VIEW = ("create table base (id int)", "insert into base values (1), (2), (3)")

ALTERED: dict[str, tuple[tuple[str, ...], tuple[str, ...], list[int]]] = {
    "rewritten": (PLAIN, ("alter table orders alter v type bigint",), [*range(1, 10)]),
    "emptied and filled": (PLAIN, ("truncate orders", FILL.format(7, 9)), [7, 8, 9]),
    "clustered": (PLAIN, ("cluster orders using orders_pkey",), [*range(1, 10)]),
    "made again": (PLAIN, ("drop table orders", *PLAIN), [*range(1, 10)]),
    "exchanged": (
        PLAIN,
        ("alter table orders rename to old", "create table orders (id int)", "insert into orders values (3)"),
        [3],
    ),
    "with a column more": (PLAIN, ("alter table orders add more int not null default 7",), [*range(1, 10)]),
    "with a column less": (PLAIN, ("alter table orders drop v",), [*range(1, 10)]),
    "without its key": (
        PLAIN,
        ("alter table orders drop constraint orders_pkey", "insert into orders values (1)"),
        [1, *range(1, 10)],
    ),
    "a partition": (PARTS, ("truncate part1", "insert into part1 select 4, 4, now()"), [*range(4, 10)]),
    "all its partitions": (PARTS, ("alter table orders alter v type bigint",), [*range(1, 10)]),
    "a child": (CHILDREN, ("alter table orders alter v type bigint",), [1, 2, 3, 4]),
    "under a view": (
        (*VIEW, "create view within as select * from base", "create view orders as select id from within"),
        ("alter table base add more float default random()",),
        [1, 2, 3],
    ),
    "a materialized view": (
        (*VIEW, "create materialized view orders as select id from base"),
        ("insert into base values (4)", "refresh materialized view orders"),
        [1, 2, 3, 4],
    ),
}  # fmt: skip
"""What there was, what one transaction does to it, and the ids that are there afterwards."""


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def ids_read_while(
    server: PostgresServer, source: PostgresSource, statements: tuple[str, ...], read: Callable[[], list[int]]
) -> list[int]:
    """What ``read`` finds when it has the unit described, and then waits for the transaction of those statements."""
    source.describe(UNIT)
    with open_transaction(server, "shop", *statements) as other, ThreadPoolExecutor(1) as beside:
        found = beside.submit(read)
        once_it_waits(server, "shop", lambda: other.execute("commit"))
        return sorted(found.result())


def planned_and_read(source: PostgresSource, checkpoint: Any = None, **policy: Any) -> list[int]:
    return [
        row["id"]
        for slice_ in source.plan(UNIT, checkpoint, policy).slices
        for batch in source.read(UNIT, slice_, policy)
        for row in batch.to_pylist()
    ]


@pytest.mark.parametrize("what", ALTERED)
def test_what_is_altered_between_description_and_snapshot_is_read_as_it_is_afterwards(
    server: PostgresServer, what: str
) -> None:
    """The snapshot is older than the new file: without care every row in it is from the future."""
    made, statements, expected = ALTERED[what]
    server.database(*made)

    with closing(PostgresSource(server.parameters("shop"))) as source:
        found = ids_read_while(server, source, statements, lambda: planned_and_read(source))

    assert found == expected


@pytest.mark.parametrize("what", ["rewritten", "emptied and filled", "a partition", "all its partitions"])
def test_the_same_holds_for_a_user_who_may_read_some_columns_only_and_so_may_lock_nothing(
    server: PostgresServer, what: str
) -> None:
    made, statements, expected = ALTERED[what]
    server.database(*made)
    user = reader(server, "shop", "usage on schema public", "select (id) on orders")

    with closing(PostgresSource(user)) as source:
        found = ids_read_while(server, source, statements, lambda: planned_and_read(source, columns=["id"]))

    assert found == expected


def test_an_incremental_read_of_what_is_rewritten_goes_on_from_its_checkpoint(server: PostgresServer) -> None:
    server.database(*PLAIN)
    first = taken(server.parameters("shop"), UNIT, **BY_TIME)
    server.run("shop", FILL.format(10, 10).replace("2024", "2025"))

    with closing(PostgresSource(server.parameters("shop"))) as source:
        found = ids_read_while(
            server,
            source,
            ("alter table orders alter v type bigint",),
            lambda: planned_and_read(source, first.checkpoint, **BY_TIME),
        )

    assert found == [10]


def test_a_table_made_again_between_description_and_snapshot_is_not_taken_for_that_of_the_checkpoint(
    server: PostgresServer,
) -> None:
    """F36"""
    server.database(*PLAIN)
    first = taken(server.parameters("shop"), UNIT, **BY_TIME)

    with closing(PostgresSource(server.parameters("shop"))) as source, pytest.raises(SourceReplaced):
        ids_read_while(
            server,
            source,
            ("drop table orders", *PLAIN),
            lambda: planned_and_read(source, first.checkpoint, **BY_TIME),
        )


@pytest.mark.parametrize("what", ["rewritten", "with a column less"])
def test_a_slice_that_another_source_planned_is_read_whole_from_what_was_altered_since(
    server: PostgresServer, what: str
) -> None:
    made, statements, expected = ALTERED[what]
    server.database(*made)
    parameters = server.parameters("shop")

    with closing(PostgresSource(parameters)) as planning:
        (slice_,) = planning.plan(UNIT, None, {}).slices
    with closing(PostgresSource(parameters)) as source:
        found = ids_read_while(
            server,
            source,
            statements,
            lambda: [row["id"] for batch in source.read(UNIT, slice_, {}) for row in batch.to_pylist()],
        )

    assert found == expected


def test_what_is_being_read_cannot_be_altered_before_the_read_has_ended(server: PostgresServer) -> None:
    server.database(*PARTS)

    with closing(PostgresSource(server.parameters("shop"))) as source:
        source.plan(UNIT, None, {})
        for statement in ("alter table orders alter v type bigint", "truncate part2"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                server.run("shop", "set lock_timeout = '1ms'", statement)

    server.run("shop", "set lock_timeout = '1min'", "truncate part2")


def test_a_table_altered_after_the_snapshot_of_another_is_refused_and_may_be_tried_again(
    server: PostgresServer,
) -> None:
    server.database(*PLAIN, "create table other (id int)", "insert into other values (1)")

    with closing(PostgresSource(server.parameters("shop"))) as source:
        source.plan(UNIT, None, {})
        server.run("shop", "alter table other alter id type bigint")
        with pytest.raises(EndpointUnreachable, match=r"public\.other was altered while it was looked at. Try again"):
            source.preview("public.other", 1)
