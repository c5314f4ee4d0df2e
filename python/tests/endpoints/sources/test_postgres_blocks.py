"""Blocks of binary COPY as a source reads them: how large they are, and how a read ends that nobody wants any more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from peer import SECONDS
from postgres_reading import carried, reader
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources import postgres_increment
from headrace.endpoints.sources.postgres_blocks import CopyBlocks
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_pgcopy import BLOCK_BYTES
from headrace.endpoints.systems.postgres_session import Connection
from headrace.errors import EndpointUnreachable
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database()
    return server


def exported(lead: Connection) -> tuple[str, ...]:
    """What a reader says to see what ``lead`` sees from now on."""
    lead.execute(b"begin isolation level repeatable read")
    ((snapshot,),) = lead.execute(b"select pg_export_snapshot()").fetchall()
    return (f"set transaction snapshot '{snapshot}'",)


def test_a_read_in_blocks_that_waits_ends_when_the_source_is_closed_at_the_server_too(server: PostgresServer) -> None:
    parameters = PostgresParameters.parse(server.parameters("shop"))
    reads = CopyBlocks(parameters)
    sleeps = "select from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()"
    with ThreadPoolExecutor(2) as beside, server.connect("shop") as lead:
        blocks = reads.read(exported(lead), "select pg_sleep(600)", where=UNIT)
        assert blocks is not None
        waiting = beside.submit(list, blocks)
        while not server.rows("postgres", sleeps):
            assert not waiting.done(), waiting.result()

        beside.submit(reads.close).result(SECONDS)

        with pytest.raises(EndpointUnreachable, match="its source was closed"):
            waiting.result(SECONDS)
        while server.rows("postgres", sleeps):
            pass


def test_blocks_begin_small_and_become_large(server: PostgresServer) -> None:
    """Whoever takes them begins early, and does not take a table in crumbs."""
    reads = CopyBlocks(PostgresParameters.parse(server.parameters("shop")))
    with server.connect("shop") as lead, closing(reads):
        blocks = reads.read(exported(lead), "select repeat('x', 1000) from generate_series(1, 4000)", where=UNIT)
        assert blocks is not None
        sizes = [len(block.data) for block in blocks]

    assert sizes[0] < BLOCK_BYTES <= max(sizes)


def test_blocks_that_nobody_reads_to_their_end_are_ended_at_the_server(server: PostgresServer) -> None:
    reads = CopyBlocks(PostgresParameters.parse(server.parameters("shop")))
    copies = "select from pg_stat_activity where query like 'COPY%generate_series%' and pid <> pg_backend_pid()"
    with closing(reads), server.connect("shop") as lead:
        blocks = reads.read(exported(lead), "select * from generate_series(1, 100000000)", where=UNIT)
        assert blocks is not None
        next(blocks)
        assert server.rows("postgres", copies) != []

        blocks.close()

        while server.rows("postgres", copies):
            pass


# ---- what is little


@pytest.mark.parametrize(
    ("bound", "most", "tags"),
    [
        ("_LITTLE_ROWS", 3, []),
        ("_LITTLE_ROWS", 2, ["EndpointUnreachable"]),
        ("_LITTLE_BYTES", 8, ["EndpointUnreachable"]),
    ],
)
def test_what_is_little_is_read_by_a_user_who_has_one_connection(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, tags: list[str]
) -> None:
    server.run("shop", "create table orders (id int primary key)", "insert into orders values (0)")
    source = reader(server, "shop", "usage on schema public", "select on orders")
    sink = server.parameters("shop", schemas="lake")
    policy: dict[str, Json] = {"mode": "incremental", "cursorField": "id", "writeDisposition": "merge"}
    first = carried(source, sink, UNIT, policy)
    server.run("shop", "insert into orders select generate_series(1, 3)")
    server.run("postgres", "alter role reader connection limit 1")
    monkeypatch.setattr(postgres_increment, bound, most)
    try:
        found = carried(source, sink, UNIT, policy, epoch=2, checkpoint=first.new_checkpoint)
    finally:
        server.run("postgres", "alter role reader connection limit -1")

    assert [error.tag for error in found.errors] == tags
    ids = [number for (number,) in server.rows("shop", "select id from lake.orders order by id")]
    assert ids == ([0] if tags else [0, 1, 2, 3])
