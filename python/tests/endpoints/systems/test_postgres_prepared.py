"""What a session was asked before it is asked so again, as long as it is the same session that answers."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from cutting_proxy import CuttingProxy
from postgres_reading import BY_TIME, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_kept import KEPT
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import PREPARED_AFTER

UNIT = "public.orders"


@pytest.fixture
def server(kept_within: None) -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key, at timestamptz)", "insert into orders values (1, now())")
    return server


def prepared(parameters: dict[str, str]) -> set[str]:
    """The statements that the session of the next run knows."""
    with closing(Snapshot(PostgresParameters.parse(parameters))) as snapshot:
        return {text for (text,) in snapshot.ask("select statement from pg_prepared_statements", where=UNIT)}


def test_what_every_run_asks_is_prepared_in_the_session_that_is_kept(server: PostgresServer) -> None:
    parameters = server.parameters("shop")
    for _ in range(PREPARED_AFTER + 1):
        taken(parameters, UNIT, **BY_TIME)

    assert {"pg_class", "pg_attribute", "pg_stat_activity"} <= set(re.findall("pg_[a-z_]+", str(prepared(parameters))))


def test_a_table_that_changed_is_read_as_it_is_by_a_session_that_knew_it_otherwise(server: PostgresServer) -> None:
    parameters, first = server.parameters("shop"), None
    for _ in range(PREPARED_AFTER + 6):
        first = taken(parameters, UNIT, first and first.checkpoint, **BY_TIME)
    server.run("shop", "alter table orders alter id type bigint, add more text default 'x'")
    server.run("shop", "insert into orders values (7000000000, now())")

    second = taken(parameters, UNIT, first and first.checkpoint, **BY_TIME)

    assert (second.ids, second.rows[0]["more"]) == ([7000000000], "x")


class AsAPooler(CuttingProxy):
    """Tells the client another process than the one that answers, for it may be a third one the next time."""

    def _told(self, answer: bytes) -> bytes:
        return re.sub(rb"K\0\0\0\x0c....", b"K\0\0\0\x0c\0\0\0\1", answer, flags=re.DOTALL)


def test_nothing_is_prepared_behind_a_pooler(server: PostgresServer) -> None:
    there = server.parameters("shop")
    with closing(AsAPooler(there["host"], int(there["port"]))) as pooler, closing(KEPT):
        parameters = server.parameters("shop", host=pooler.directory)
        for _ in range(PREPARED_AFTER + 1):
            taken(parameters, UNIT)

        assert prepared(parameters) == set()
