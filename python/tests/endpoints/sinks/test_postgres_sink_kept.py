"""The session of a sink is kept for the next run into it, unless anything went wrong."""

from __future__ import annotations

import pytest
from postgres_reading import taken
from postgres_server import PostgresServer, postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.endpoint import Target
from headrace.endpoints.systems.postgres_kept import KEPT
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import PREPARED_AFTER, SINK_APPLICATION, query
from headrace.errors import DataPlaneError, SchemaChanged


@pytest.fixture
def server(kept_within: None) -> PostgresServer:
    server = postgres_server()
    server.database()
    return server


@pytest.fixture
def orders(server: PostgresServer) -> PostgresWriting:
    return PostgresWriting(server, server.parameters("shop"))


def sessions(server: PostgresServer) -> list[int]:
    ours = f"datname = 'shop' and application_name = '{SINK_APPLICATION}'"
    return [pid for (pid,) in server.rows("postgres", f"select pid from pg_stat_activity where {ours}")]


def once_there_is_one(server: PostgresServer) -> list[int]:
    """What a server shows of a session that ended, it shows a little later."""
    while len(found := sessions(server)) != 1:
        pass
    return found


def test_one_run_after_the_other_writes_through_one_session(server: PostgresServer, orders: PostgresWriting) -> None:
    target = orders.to("append")
    orders.put(target, [note(1)])
    kept = once_there_is_one(server)

    with orders.owner(target, epoch=2) as sink:
        within = sessions(server)
        orders.write(sink, target, [note(2)], seq=1, epoch=2, schema=NOTES)

    assert (within, once_there_is_one(server)) == (kept, kept)
    assert orders.rows() == [(1, "old"), (2, "old")]


def test_what_is_kept_holds_nothing_of_the_run(server: PostgresServer, orders: PostgresWriting) -> None:
    orders.put(orders.to("merge"), [note(1)])
    (pid,) = once_there_is_one(server)

    assert server.rows("postgres", f"select from pg_locks where pid = {pid}") == []
    assert server.rows("postgres", f"select state, backend_xmin from pg_stat_activity where pid = {pid}") == [
        ("idle", None)
    ]


def test_a_sink_that_refused_anything_is_not_kept(orders: PostgresWriting, server: PostgresServer) -> None:
    server.run("shop", "create table orders (id int, note int)")

    with pytest.raises(SchemaChanged):
        orders.put(orders.to("append"), [note(1)])

    assert len(KEPT) == 0


def test_a_session_that_broke_in_the_run_is_not_kept(orders: PostgresWriting, server: PostgresServer) -> None:
    target = orders.to("append")
    with orders.owner(target) as sink:
        (pid,) = sessions(server)
        server.run("postgres", f"select pg_terminate_backend({pid}, 10000)")
        orders.write(sink, target, [note(1)], seq=0, epoch=1, schema=NOTES)

    assert (len(KEPT), orders.rows()) == (0, [(1, "old")])


def test_a_session_that_ended_between_two_runs_is_replaced(orders: PostgresWriting, server: PostgresServer) -> None:
    target = orders.to("append")
    orders.put(target, [note(1)])
    (pid,) = once_there_is_one(server)
    server.run("postgres", f"select pg_terminate_backend({pid}, 10000)")

    orders.put(target, [note(1)], [note(2)], epoch=2)

    assert orders.rows() == [(1, "old"), (2, "old")]


def test_what_was_prepared_outlives_the_stage_tables_that_are_dropped(
    orders: PostgresWriting, server: PostgresServer
) -> None:
    """psycopg forgets all of it with a DROP that it sees."""
    target = orders.to("append")
    for epoch in range(1, PREPARED_AFTER + 3):
        orders.put(target, *([note(seq)] for seq in range(epoch)), epoch=epoch)

    parameters = PostgresParameters.parse(orders.parameters, "sink")
    session = KEPT.take(parameters, "sink")
    known = query(session.connection, "select statement from pg_prepared_statements")
    KEPT.keep(parameters, session)

    assert "pg_attribute" in str(known)


def test_a_source_does_not_come_in_by_the_session_of_a_sink(orders: PostgresWriting, server: PostgresServer) -> None:
    orders.put(orders.to("append"), [note(1)])
    kept = once_there_is_one(server)

    assert taken(server.parameters("shop"), "public.orders").ids == [1]
    assert (once_there_is_one(server), len(KEPT)) == (kept, 2)


# ---- a target that a run before left ready


@pytest.fixture
def left_ready(orders: PostgresWriting) -> Target:
    """The first run makes the table, and the second finds that there is nothing to make."""
    orders.parameters["statement_timeout_ms"] = "3000"
    target = orders.to("merge")
    orders.put(target, [note(1)])
    orders.put(target, [note(1)], [note(2)], epoch=2)
    return target


def test_a_target_that_is_as_a_run_left_it_is_not_made_ready_again(
    server: PostgresServer, orders: PostgresWriting, left_ready: Target
) -> None:
    """Whoever makes a target ready waits for the schema's lock, and here it would wait in vain."""
    with server.connect("shop") as holding:
        holding.execute("select pg_advisory_lock(hashtext('headrace'), hashtext('public'))")

        orders.put(left_ready, [note(1)], [note(2)], [note(3)], epoch=3)

    assert len(orders.rows()) == 3


@pytest.mark.parametrize(
    "change",
    [
        "alter table orders drop constraint orders_pkey",
        "alter table orders alter note type int using 1",
        "alter table orders rename id to number",
        "alter table orders rename to former; create view orders as select * from former",
        "update _hr_target set unit = 'another'",
    ],
)
def test_whatever_was_changed_of_a_target_since_is_seen(
    server: PostgresServer, orders: PostgresWriting, left_ready: Target, change: str
) -> None:
    server.run("shop", *change.split("; "))

    with pytest.raises(DataPlaneError) as refused:
        orders.put(left_ready, [note(1)], [note(2)], [note(3)], epoch=3)

    assert refused.value.tag in ("SchemaChanged", "ConfigInvalid", "CheckpointAheadOfSink"), refused.value
    assert len(orders.rows("1, 2", "former" if "former" in change else "")) == 2


def test_a_column_that_was_dropped_since_is_there_again(
    server: PostgresServer, orders: PostgresWriting, left_ready: Target
) -> None:
    server.run("shop", "alter table orders drop column note")

    orders.put(left_ready, [note(1)], [note(2)], [note(3)], epoch=3)

    assert sorted(orders.rows("id, note"), key=str) == [(1, None), (2, None), (3, "old")]
