"""A transaction has its time a moment before it is seen to be open: what it writes is not lost to a run in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from postgres_reading import BY_TIME, Taken, once_it_waits, open_transaction, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.sources.postgres_horizon import horizon, looked_again
from headrace.endpoints.systems.postgres_session import SOURCE_APPLICATION
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key, at timestamptz default now())")
    server.run("shop", "insert into orders values (1, '2024-01-01'), (2, '2024-01-02')")
    return server


def read(server: PostgresServer, checkpoint: Json = None) -> Taken:
    return taken(server.parameters("shop"), UNIT, checkpoint, **BY_TIME)


@contextmanager
def unseen_transaction(server: PostgresServer, *statements: str) -> Iterator[Any]:
    """As one that has its time and is not shown yet: a run overlooks what goes by the name of its own sessions."""
    with open_transaction(server, "shop", "rollback") as connection:
        connection.execute(f"set application_name = '{SOURCE_APPLICATION}'")
        for statement in ("begin", *statements):
            connection.execute(statement.encode())
        yield connection


def shown(transaction: Any) -> Any:
    transaction.execute("set application_name = 'app'")
    return transaction


def test_one_that_is_seen_only_when_the_run_looks_again_is_not_overtaken(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unseen_transaction(server, "insert into orders values (10)") as slow:
        server.run("shop", "insert into orders values (20)")

        def looked_and_then(*arguments: object) -> object:
            found = horizon(*arguments)  # pyright: ignore[reportArgumentType]
            shown(slow)
            return found

        with monkeypatch.context() as patched:
            patched.setattr("headrace.endpoints.sources.postgres.horizon", looked_and_then)
            during = read(server)
        slow.execute("commit")

    assert during.ids == [1, 2]
    assert sorted(read(server, during.checkpoint).ids) == [10, 20]


@pytest.mark.parametrize("is_first", [True, False])
def test_one_that_came_and_went_between_two_looks_is_not_overtaken(server: PostgresServer, is_first: bool) -> None:
    """It is not in the snapshot, for it ended later; and it is not open any more when the run looks again."""
    before = Taken(None, "", {}) if is_first else read(server)
    with (
        taking_its_snapshot_before_it_locks(server) as parameters,
        unseen_transaction(server, "insert into orders values (10)") as quick,
        closing(PostgresSource(parameters)) as source,
        ThreadPoolExecutor(1) as beside,
    ):
        server.run("shop", "insert into orders values (20)")
        source.describe(UNIT)
        quick.execute("lock table orders in access exclusive mode")
        running = beside.submit(lambda: taken_from(source, before.checkpoint))
        once_it_waits(server, "shop", lambda: shown(quick).execute("commit"))
        during = running.result()

    assert during.ids == ([1, 2] if is_first else [])
    assert "other sessions were at work" in str(during.delivery["leftForLater"])
    assert sorted(read(server, during.checkpoint).ids) == [10, 20]


def test_one_whose_session_ended_between_two_looks_is_not_overtaken(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in neither look: at the first it was not shown yet, and at the second there is no session to be seen."""
    with unseen_transaction(server, "insert into orders values (10)") as gone:
        server.run("shop", "insert into orders values (20)")
        with open_transaction(server, "shop", "rollback") as other, monkeypatch.context() as patched:
            (pid,) = other.execute("select pg_backend_pid()").fetchone()

            def frozen_and_then(*arguments: object) -> object:
                gone.execute("commit")
                other.close()
                once_it_is_gone(server, pid)
                return looked_again(*arguments)  # pyright: ignore[reportArgumentType]

            patched.setattr("headrace.endpoints.sources.postgres.looked_again", frozen_and_then)
            during = read(server)

    assert during.ids == [1, 2]
    assert "other sessions were at work" in str(during.delivery["leftForLater"])
    assert sorted(read(server, during.checkpoint).ids) == [10, 20]


def once_it_is_gone(server: PostgresServer, pid: int) -> None:
    while server.rows("postgres", f"select from pg_stat_activity where pid = {pid}"):
        pass


@contextmanager
def taking_its_snapshot_before_it_locks(server: PostgresServer) -> Iterator[dict[str, str]]:
    """A user who may not lock the table, but reads all of it and sees who is at work."""
    yield reader(server, "shop", "usage on schema public", "select (id, at) on orders", "pg_read_all_stats")
    server.run("shop", "revoke pg_read_all_stats from reader")


def taken_from(source: PostgresSource, checkpoint: Json) -> Taken:
    plan = source.plan(UNIT, checkpoint, BY_TIME)
    found = Taken(checkpoint, plan.strategy, plan.delivery)
    for slice_ in plan.slices:
        found.slices.append([row for batch in source.read(UNIT, slice_, BY_TIME) for row in batch.to_pylist()])
        found.checkpoint = slice_.to_checkpoint
    return found
