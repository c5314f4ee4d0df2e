"""No row is lost to a transaction that is open while a run reads (F41, F42): it waits, and the run says why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_reading import BY_TIME, Taken, open_transaction, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres_horizon import horizon
from headrace.errors import ConfigInvalid
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    name = server.database("create table orders (id int primary key, at timestamptz default now())")
    server.run(name, "insert into orders values (1, '2024-01-01'), (2, '2024-01-02')")
    yield name
    for (gid,) in server.rows(name, "select gid from pg_prepared_xacts"):
        server.run(name, f"rollback prepared '{gid}'")


def read(server: PostgresServer, database: str, checkpoint: Json = None, **policy: Json) -> Taken:
    return taken(server.parameters(database), UNIT, checkpoint, **{**BY_TIME, **policy})


def test_rows_of_a_transaction_that_was_open_during_a_run_arrive_once_in_a_later_one(
    server: PostgresServer, database: str
) -> None:
    """F41: they were behind the newest row when they became visible."""
    with open_transaction(server, database, "insert into orders select 10 + n from generate_series(1, 3) n") as slow:
        server.run(database, "insert into orders values (20)")
        during = read(server, database)
        slow.execute("commit")
    after = read(server, database, during.checkpoint)
    later = read(server, database, after.checkpoint)

    assert (during.ids, sorted(after.ids), later.ids) == ([1, 2], [11, 12, 13, 20], [])


def test_a_load_does_not_overtake_an_open_transaction_in_any_slice(server: PostgresServer, database: str) -> None:
    with open_transaction(server, database, "insert into orders values (0)") as slow:
        server.run(database, "insert into orders values (20)")
        during = read(server, database, targetSliceSize=1)
        slow.execute("commit")

    assert during.ids == [1, 2]
    assert sorted(read(server, database, during.checkpoint).ids) == [0, 20]


def test_rows_that_wait_are_explained_by_the_beginning_of_the_open_transaction(
    server: PostgresServer, database: str
) -> None:
    with open_transaction(server, database, "select 1") as slow:
        (began,) = slow.execute("select xact_start::text from pg_stat_activity where pid = pg_backend_pid()").fetchone()
        server.run(database, "insert into orders values (20)")
        during = read(server, database)

    (moment,) = server.rows(database, f"select (timestamptz '{began}' at time zone 'UTC')::text")[0]
    assert (
        during.delivery["leftForLater"] == f"a transaction is open since {moment}+00, and its rows may come before them"
    )


def test_an_open_transaction_that_began_after_the_newest_row_holds_nothing_back(
    server: PostgresServer, database: str
) -> None:
    with open_transaction(server, database, "insert into orders values (10)"):
        during = read(server, database)

    assert during.ids == [1, 2]
    assert "leftForLater" not in during.delivery


def test_a_row_committed_just_now_does_not_wait(server: PostgresServer, database: str) -> None:
    server.run(database, "insert into orders values (20)")

    found = read(server, database)

    assert (found.ids, found.delivery.get("leftForLater")) == ([1, 2, 20], None)


def test_a_transaction_that_begins_between_look_and_snapshot_loses_nothing(
    server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F41: nothing was open when the run looked, and a row that is newer than the slow one's is in the snapshot."""
    with open_transaction(server, database, "commit") as slow:

        def looked_and_then(*arguments: object) -> object:
            found = horizon(*arguments)  # pyright: ignore[reportArgumentType]
            slow.execute("begin")
            slow.execute("insert into orders values (10)")
            server.run(database, "insert into orders values (20)")
            return found

        monkeypatch.setattr("headrace.endpoints.sources.postgres.horizon", looked_and_then)
        during = read(server, database)
        monkeypatch.undo()
        slow.execute("commit")

    assert sorted([*during.ids, *read(server, database, during.checkpoint).ids]) == [1, 2, 10, 20]


def test_a_transaction_in_another_database_holds_nothing_back(server: PostgresServer, database: str) -> None:
    with open_transaction(server, "postgres", "select 1"):
        server.run(database, "insert into orders values (20)")
        found = read(server, database)

    assert found.ids == [1, 2, 20]


def test_two_runs_that_read_at_once_do_not_wait_for_each_other(server: PostgresServer, database: str) -> None:
    found: list[Taken] = []

    def beside() -> None:
        server.run(database, "insert into orders values (20)")
        found.append(read(server, database))

    taken(server.parameters(database), UNIT, meanwhile=beside, **BY_TIME)

    assert found[0].ids == [1, 2, 20]


# ---- what is hidden from the user


def test_transactions_of_others_hold_back_the_newest_minute_where_they_are_hidden(
    server: PostgresServer, database: str
) -> None:
    """Without ``pg_read_all_stats`` their beginning is unknown."""
    user = reader(server, database, "usage on schema public", "select on orders")
    server.run(database, "insert into orders values (3, now() - interval '2 min'), (4, now() - interval '10 s')")
    with open_transaction(server, database, "select 1"):
        found = taken(user, UNIT, **BY_TIME)

    assert found.ids == [1, 2, 3]
    assert str(found.delivery["leftForLater"]).startswith("lookback: open transactions are hidden from this user")
    assert str(found.delivery["leftForLater"]).endswith("grant pg_read_all_stats")


def test_hidden_sessions_that_are_in_no_transaction_hold_nothing_back(server: PostgresServer, database: str) -> None:
    user = reader(server, database, "usage on schema public", "select on orders")
    server.run(database, "insert into orders values (4)")
    with open_transaction(server, database, "commit"):
        found = taken(user, UNIT, **BY_TIME)

    assert (found.ids, found.delivery.get("leftForLater")) == ([1, 2, 4], None)


def test_with_pg_read_all_stats_only_the_open_transaction_counts(server: PostgresServer, database: str) -> None:
    user = reader(server, database, "usage on schema public", "select on orders", "pg_read_all_stats")
    server.run(database, "insert into orders values (3, now() - interval '10 s')")
    try:
        with open_transaction(server, database, "insert into orders values (10)"):
            found = taken(user, UNIT, **BY_TIME)
    finally:
        server.run(database, "revoke pg_read_all_stats from reader")

    assert (found.ids, found.delivery.get("leftForLater")) == ([1, 2, 3], None)
    assert found.delivery["source"] == "never overtakes an open transaction"


def test_a_session_that_does_not_say_what_it_does_holds_back_the_newest_minute_while_its_transaction_is_open(
    server: PostgresServer, database: str
) -> None:
    """With ``track_activities`` off nobody sees its transaction, whatever they may."""
    server.run(database, "insert into orders values (20)")
    with open_transaction(server, database, "rollback", "set track_activities = off", "begin") as quiet:
        quiet.execute("insert into orders values (10)")
        during = read(server, database)
        quiet.execute("rollback")
        after = read(server, database, during.checkpoint)

    assert (during.ids, after.ids) == ([1, 2], [20])
    assert str(during.delivery["leftForLater"]).startswith(
        "lookback: open transactions are hidden by track_activities = off"
    )
    assert str(during.delivery["leftForLater"]).endswith("set track_activities on for every user")


# ---- prepared transactions


def test_a_prepared_transaction_holds_everything_where_it_was_and_is_named(
    server: PostgresServer, database: str
) -> None:
    """F42: its beginning is unknown, so nothing is skipped."""
    first = read(server, database)
    with open_transaction(server, database, "insert into orders values (10)", "prepare transaction 'forgotten'"):
        pass
    server.run(database, "insert into orders values (20)")

    during = read(server, database, first.checkpoint)
    server.run(database, "commit prepared 'forgotten'")
    after = read(server, database, during.checkpoint)

    assert (during.ids, during.checkpoint, sorted(after.ids)) == ([], first.checkpoint, [10, 20])
    assert during.delivery["leftForLater"] == ("held by the prepared transaction forgotten: commit it or roll it back")


def test_a_first_run_beside_a_prepared_transaction_is_refused_with_its_name(
    server: PostgresServer, database: str
) -> None:
    with open_transaction(server, database, "insert into orders values (10)", "prepare transaction 'forgotten'"):
        pass

    with pytest.raises(ConfigInvalid, match=r"forgotten is prepared .* Commit it or roll it back, or choose mode full"):
        read(server, database)
