"""A read that broke off goes on in the mode it was begun in, and in no other."""

from __future__ import annotations

import pytest
from postgres_reading import BY_TIME, taken
from postgres_server import PostgresServer, postgres_server

from headrace.errors import ConfigInvalid

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int primary key, at timestamptz)")
    server.run("shop", "insert into orders select n, '2024-01-01' from generate_series(1, 6) n")
    return server


def test_a_first_incremental_load_that_broke_off_is_not_ended_by_a_full_read(server: PostgresServer) -> None:
    """What changed behind the key since then would be missing, and nothing would bring it later."""
    first = taken(server.parameters("shop"), UNIT, stop_after=1, targetSliceSize=3, **BY_TIME)
    server.run("shop", "update orders set at = '2024-02-01' where id = 1")

    with pytest.raises(
        ConfigInvalid, match="Reset the unit to load it anew, or go on with mode incremental"
    ) as refusal:
        taken(server.parameters("shop"), UNIT, first.checkpoint, mode="full")
    rest = taken(server.parameters("shop"), UNIT, first.checkpoint, **BY_TIME)
    changed = taken(server.parameters("shop"), UNIT, rest.checkpoint, **BY_TIME)

    assert refusal.value.details == {"field": "mode"}
    assert (first.ids, rest.ids, changed.ids) == ([1, 2, 3], [4, 5, 6], [1])


def test_a_full_read_that_broke_off_is_not_ended_by_an_incremental_one(server: PostgresServer) -> None:
    first = taken(server.parameters("shop"), UNIT, stop_after=1, targetSliceSize=3)

    with pytest.raises(ConfigInvalid, match=r"A full read of public\.orders is in progress") as refusal:
        taken(server.parameters("shop"), UNIT, first.checkpoint, **BY_TIME)

    assert refusal.value.details == {"field": "mode"}
    assert taken(server.parameters("shop"), UNIT, first.checkpoint).ids == [4, 5, 6]
