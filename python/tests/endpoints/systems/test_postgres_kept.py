"""The session of a run is kept for the next one, with nothing of the run in it, and not for long."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from postgres_reading import BY_TIME, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.sources.postgres_snapshot import BEGIN, Snapshot
from headrace.endpoints.systems import postgres_kept
from headrace.endpoints.systems.postgres_kept import KEPT, MOST
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import SOURCE_APPLICATION, run
from headrace.errors import AuthenticationFailed, EndpointUnreachable, PermissionDenied, RowRejected

UNIT = "public.orders"
OURS = f"from pg_stat_activity where datname = 'shop' and application_name = '{SOURCE_APPLICATION}'"


@pytest.fixture
def server(kept_within: None) -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key, at timestamptz)", "insert into orders values (1, now())")
    return server


def sessions(server: PostgresServer) -> list[int]:
    return [pid for (pid,) in server.rows("postgres", f"select pid {OURS}")]


def once_there_are(server: PostgresServer, count: int) -> list[int]:
    """What a server shows of a session that ended, it shows a little later."""
    while len(found := sessions(server)) != count:
        pass
    return found


def test_one_run_after_the_other_uses_one_session(server: PostgresServer) -> None:
    first = taken(server.parameters("shop"), UNIT, **BY_TIME)
    kept, within = once_there_are(server, 1), list[int]()
    server.run("shop", "insert into orders values (2, now())")

    second = taken(
        server.parameters("shop"), UNIT, first.checkpoint, meanwhile=lambda: within.extend(sessions(server)), **BY_TIME
    )

    assert (second.ids, within) == ([2], kept)


def test_what_is_kept_has_no_transaction_no_lock_and_no_setting_of_the_run(server: PostgresServer) -> None:
    """A policy of rows runs functions of people, in our session."""
    user = reader(server, "shop", "usage on schema public", "select on orders")
    server.run(
        "shop",
        "create function leaves() returns bool language plpgsql as $$ begin "
        "if coalesce(current_setting('my.own', true), '') not in ('', now()::text) then raise 'left behind'; end if; "
        "perform set_config('my.own', now()::text, false), pg_advisory_lock_shared(7); return true; end $$",
        "create policy leaving on orders using (leaves())",
        "alter table orders enable row level security",
    )

    first = taken(user, UNIT, **BY_TIME)
    (pid,) = once_there_are(server, 1)

    assert server.rows("postgres", f"select state, xact_start, backend_xmin {OURS}") == [("idle", None, None)]
    assert server.rows("postgres", f"select from pg_locks where pid = {pid}") == []
    assert (first.ids, taken(user, UNIT, first.checkpoint, **BY_TIME).ids) == ([1], [])


@pytest.mark.parametrize(
    "made", ["create view v as select 1 / (id - 1) as id from orders", "create table v (id int, at int)"]
)
def test_a_session_of_a_run_in_which_the_server_refused_anything_is_not_kept(server: PostgresServer, made: str) -> None:
    """The view fails while it is read, and of the table only one column may be read."""
    user = reader(server, "shop", "usage on schema public")
    server.run("shop", made, f"grant select {'' if 'view' in made else '(id)'} on v to reader")

    with pytest.raises(RowRejected if "view" in made else PermissionDenied):
        taken(user, "public.v")

    assert len(KEPT) == 0


def test_a_session_that_ended_meanwhile_is_replaced(server: PostgresServer) -> None:
    taken(server.parameters("shop"), UNIT)
    (pid,) = once_there_are(server, 1)
    server.run("postgres", f"select pg_terminate_backend({pid}, 10000)")

    assert taken(server.parameters("shop"), UNIT).ids == [1]
    assert once_there_are(server, 1) != [pid]


def test_a_session_that_nobody_asks_for_is_closed(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_kept, "IDLE_SECONDS", 0)

    taken(server.parameters("shop"), UNIT)

    assert once_there_are(server, 0) == []


def test_a_session_is_closed_when_it_is_old_however_often_it_is_asked_for(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(server.parameters("shop"), UNIT)
    assert len(KEPT) == 1
    monkeypatch.setattr(postgres_kept, "AGE_SECONDS", 0)

    taken(server.parameters("shop"), UNIT)

    assert len(KEPT) == 0


def test_a_session_whose_snapshot_is_lost_is_not_kept(server: PostgresServer) -> None:
    """Something ended its transaction, so nobody knows what else is wrong with it."""
    with closing(Snapshot(PostgresParameters.parse(server.parameters("shop")))) as snapshot:
        snapshot.with_lead(lambda lead: run(lead, BEGIN), where=UNIT)
        assert snapshot.id
        snapshot.with_lead(lambda lead: run(lead, "commit"), where=UNIT)
        with pytest.raises(EndpointUnreachable, match="kept the run's snapshot has ended"):
            list(snapshot.batches("select 1", 1000, where=UNIT))

    assert len(KEPT) == 0


# ---- a server that is silent


@contextmanager
def silent(pid: int) -> Iterator[None]:
    """The session's process stands still: whatever is sent arrives, and nothing is answered."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_session_that_is_silent_is_replaced_by_a_new_one(server: PostgresServer) -> None:
    parameters = server.parameters("shop", connect_timeout_ms="2000")
    taken(parameters, UNIT)
    (pid,) = once_there_are(server, 1)

    with silent(pid):
        assert taken(parameters, UNIT).ids == [1]


def test_a_run_ends_whose_session_is_silent_when_it_is_to_be_kept(server: PostgresServer) -> None:
    with closing(PostgresSource(server.parameters("shop", connect_timeout_ms="2000"))) as source:
        source.plan(UNIT, None, {})
        (pid,) = sessions(server)
        with silent(pid):
            source.close()

            assert len(KEPT) == 0


# ---- a server that has no connection left


@contextmanager
def reader_with(server: PostgresServer, connections: int) -> Iterator[dict[str, str]]:
    user = reader(server, "shop", "usage on schema public", "select on orders")
    server.run("postgres", f"alter role reader connection limit {connections}")
    try:
        yield user
    finally:
        server.run("postgres", "alter role reader connection limit -1")


def test_what_is_kept_makes_room_for_a_run_of_other_parameters_and_for_its_readers(server: PostgresServer) -> None:
    with reader_with(server, 2) as user:
        for timeout in ("10000", "20000"):
            with closing(PostgresSource({**user, "statement_timeout_ms": timeout})) as source:
                source.describe(UNIT)
        assert len(KEPT) == 2
        with closing(PostgresSource(user)) as source:
            assert source.describe(UNIT).columns[0].name == "id"
        with closing(PostgresSource({**user, "statement_timeout_ms": "10000"})) as source:
            source.describe(UNIT)
        assert len(KEPT) == 2

        assert taken(user, UNIT).ids == [1]


def test_a_run_that_finds_no_room_names_what_would_need_less(server: PostgresServer) -> None:
    with reader_with(server, 1) as user, pytest.raises(EndpointUnreachable, match="lower maxParallelSlices"):
        taken(user, UNIT)


def test_nobody_comes_in_by_the_session_of_another_user(server: PostgresServer) -> None:
    taken(server.parameters("shop"), UNIT)

    with (
        closing(PostgresSource(server.parameters("shop", password="wrong"))) as source,
        pytest.raises(AuthenticationFailed),
    ):
        source.describe(UNIT)


def test_no_more_than_a_few_are_kept(server: PostgresServer) -> None:
    for timeout in range(MOST + 2):
        taken(server.parameters("shop", statement_timeout_ms=str(10_000 + timeout)), UNIT)

    assert len(KEPT) == MOST
    assert len(once_there_are(server, MOST)) == MOST
