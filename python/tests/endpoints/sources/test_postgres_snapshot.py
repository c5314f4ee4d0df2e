"""One snapshot, asked by several: what is wrong with it is said alike to all of them."""

from __future__ import annotations

from contextlib import closing

import pytest
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import relation
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.errors import EndpointUnreachable

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key)")
    return server


def test_a_question_after_one_that_failed_says_what_failed_and_not_that_nothing_is_answered(
    server: PostgresServer,
) -> None:
    """Slices are read beside the plan: whichever hears of it first, the run ends with the reason."""
    with closing(Snapshot(PostgresParameters.parse(server.parameters("shop", statement_timeout_ms="50")))) as snapshot:
        snapshot.freeze(snapshot.with_lead(lambda lead: relation(lead, UNIT, (), "source"), where=UNIT))
        with pytest.raises(EndpointUnreachable, match="longer than statement_timeout_ms"):
            snapshot.ask("select pg_sleep(600)", where=UNIT)

        with pytest.raises(EndpointUnreachable, match="longer than statement_timeout_ms"):
            _ = snapshot.id
