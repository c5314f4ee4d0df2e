"""A checkpoint is good for the very table it was taken from: anything else of its name is refused, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_reading import BY_TIME, Taken, reader, taken
from postgres_server import PostgresCluster, PostgresServer, postgres_server, spare_cluster

from headrace.endpoints.sources.postgres_position import Identity, LoadPosition, from_json
from headrace.errors import ConfigInvalid, DataPlaneError, SourceReplaced, SourceRewound, UnitNotFound
from headrace.protocol import Json

UNIT = "public.orders"
TABLE = "create table orders (id int primary key, at timestamptz)"
ROWS = "insert into orders select n, timestamptz '2024-01-01' + n * interval '1 s' from generate_series(1, 3) n"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(TABLE, ROWS)
    return server


@pytest.fixture
def cluster() -> Iterator[PostgresCluster]:
    """A server of its own with the table, running; the others made from its files end with it."""
    cluster = spare_cluster()
    cluster.start()
    cluster.server.database(TABLE, ROWS)
    yield cluster
    cluster.stop()


def read(server: PostgresServer, checkpoint: Json = None, **policy: Json) -> Taken:
    return taken(server.parameters("shop"), UNIT, checkpoint, **{**BY_TIME, **policy})


def test_a_table_dropped_and_made_again_under_its_name_is_refused(server: PostgresServer) -> None:
    """F36"""
    first = read(server)

    server.run("shop", "drop table orders", TABLE, ROWS)

    with pytest.raises(SourceReplaced, match=r"the table was dropped and made again.* reset the unit"):
        read(server, first.checkpoint)


def test_a_table_that_took_the_place_of_another_is_refused(server: PostgresServer) -> None:
    """F36"""
    first = read(server)

    server.run("shop", "create table other (like orders including all)", "alter table orders rename to old")
    server.run("shop", "alter table other rename to orders")

    with pytest.raises(SourceReplaced):
        read(server, first.checkpoint)


def test_a_table_that_was_renamed_is_missed_by_name_and_found_under_its_new_one(server: PostgresServer) -> None:
    first = read(server)
    server.run("shop", "alter table orders rename to orders2", "insert into orders2 values (4, '2024-02-01')")

    with pytest.raises(UnitNotFound, match=r"no table or view public\.orders\. Did you mean public\.orders2\?"):
        read(server, first.checkpoint)
    assert taken(server.parameters("shop"), "public.orders2", first.checkpoint, **BY_TIME).ids == [4]


def test_a_load_in_progress_is_not_continued_in_another_table(server: PostgresServer) -> None:
    first = taken(server.parameters("shop"), UNIT, stop_after=1, targetSliceSize=1)

    server.run("shop", "drop table orders", TABLE, ROWS)

    with pytest.raises(SourceReplaced):
        taken(server.parameters("shop"), UNIT, first.checkpoint)


def test_the_same_table_of_another_database_is_refused(server: PostgresServer) -> None:
    first = read(server)
    server.database(TABLE, ROWS, name="branch")

    with pytest.raises(SourceReplaced, match="the database is another one"):
        taken(server.parameters("branch"), UNIT, first.checkpoint, **BY_TIME)


def test_a_table_that_was_emptied_went_back_in_time(server: PostgresServer) -> None:
    """F62"""
    first = read(server)

    server.run("shop", "truncate orders")

    with pytest.raises(SourceRewound, match=r"was read up to 2024-01-01 00:00:03\+00, and now it has no rows"):
        read(server, first.checkpoint)


def test_a_table_without_its_newest_rows_went_back_in_time(server: PostgresServer) -> None:
    """F62"""
    first = read(server)

    server.run("shop", "delete from orders where id = 3")

    with pytest.raises(SourceRewound, match=r"now its newest value is 2024-01-01 00:00:02\+00.* reset the unit"):
        read(server, first.checkpoint)


def test_a_table_emptied_and_filled_with_newer_rows_goes_on(server: PostgresServer) -> None:
    first = read(server)

    server.run("shop", "truncate orders", "insert into orders values (9, '2024-02-01')")

    assert read(server, first.checkpoint).ids == [9]


def test_a_database_restored_from_an_older_copy_went_back_in_time(cluster: PostgresCluster) -> None:
    """F62: everything in it has the identity it had; only its newest row tells."""
    cluster.stop()
    backup = cluster.copy()
    cluster.start()
    cluster.server.run("shop", "insert into orders values (4, '2024-02-01')")
    first = read(cluster.server)
    cluster.stop()
    backup.start()
    try:
        with pytest.raises(SourceRewound, match=r"now its newest value is 2024-01-01 00:00:03\+00"):
            read(backup.server, first.checkpoint)
        backup.server.run("shop", "insert into orders values (5, '2024-02-02')")
        assert read(backup.server, first.checkpoint).ids == [5]
    finally:
        backup.remove()


def test_a_replica_is_read_whole_and_refused_as_the_source_of_what_is_new(cluster: PostgresCluster) -> None:
    """F43: it does not know which transactions are open at its primary."""
    cluster.stop()
    replica = cluster.copy()
    (replica.server.directory / "data" / "standby.signal").touch()
    replica.start()
    try:
        with pytest.raises(ConfigInvalid, match=r"is a replica.* Use the primary as host, or mode full") as refusal:
            read(replica.server)
        assert refusal.value.details == {"field": "host"}
        assert taken(replica.server.parameters("shop"), UNIT, targetSliceSize=2).ids == [1, 2, 3]
        assert read(replica.server, cursorField="id").ids == [1, 2, 3]
    finally:
        replica.remove()


def test_a_user_who_may_not_know_the_system_still_tells_tables_apart(server: PostgresServer) -> None:
    user = reader(server, "shop", "usage on schema public", "select on orders", "pg_read_all_stats")
    server.run("shop", "revoke execute on function pg_control_system from public")
    try:
        first = taken(user, UNIT, **BY_TIME)
        for user_or_owner in (user, server.parameters("shop")):
            assert taken(user_or_owner, UNIT, first.checkpoint, **BY_TIME).ids == []
        server.run("shop", "drop table orders", TABLE, ROWS, "grant select on orders to reader")
        with pytest.raises(SourceReplaced):
            taken(user, UNIT, first.checkpoint, **BY_TIME)
    finally:
        server.run(
            "shop", "grant execute on function pg_control_system to public", "revoke pg_read_all_stats from reader"
        )


# ---- checkpoints that are none

CHECKPOINTS: list[dict[str, Any]] = [
    {"version": 1, "phase": "cursor", "source": {"system": "7/5", "table": "9"}, "cursorField": "at",
     "keyColumns": ["id"], "kinds": ["timestamptz", "number"], "at": ["2024-01-01 00:00:00+00", ["1"]]},
    {"version": 1, "phase": "load", "cut": "key", "source": {"system": "7/5", "table": "9"}, "keyColumns": ["id"],
     "kinds": ["number"], "after": ["1"], "then": None},
    {"version": 1, "phase": "load", "cut": "pages", "source": {"system": "7/5", "table": "9"}},
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["at", "after"]), inner, max_size=2),
    max_leaves=5,
)
TEXTS = st.lists(st.just("id"), max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CHECKPOINTS), st.data())
def test_a_checkpoint_that_was_altered_is_refused_or_still_a_position_and_never_taken_for_none(
    checkpoint: dict[str, Any], data: st.DataObject
) -> None:
    """F57"""
    altered = json.loads(json.dumps(checkpoint))
    altered[data.draw(st.sampled_from(sorted(altered)))] = data.draw(TEXTS | ANYTHING)

    try:
        position = from_json(altered, Identity(system="7/5", table=9), UNIT)
    except DataPlaneError as refusal:
        assert isinstance(refusal, ConfigInvalid | SourceReplaced)
        assert "eset the unit" in refusal.message
    else:
        assert position is not None
        if isinstance(position, LoadPosition):
            assert len(position.key_columns) == len(position.after) == len(position.kinds or position.after)


@pytest.mark.parametrize("checkpoint", [{}, [], "", 0, {"version": 2}, {"next": 3}])
def test_a_checkpoint_of_others_is_refused(server: PostgresServer, checkpoint: Json) -> None:
    """F57: reading everything again would be a guess."""
    with pytest.raises(ConfigInvalid, match=r"cannot be read.* Reset the unit to begin again"):
        read(server, checkpoint)


def test_a_checkpoint_from_before_kinds_were_kept_still_goes_on(server: PostgresServer) -> None:
    """F56"""
    checkpoint: Any = read(server).checkpoint
    server.run("shop", "insert into orders values (4, '2024-02-01')")

    older = {key: value for key, value in checkpoint.items() if key != "kinds"}

    assert read(server, older).ids == [4]
