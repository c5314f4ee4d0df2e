"""A sink that is closed while it waits for somebody ends there and then, and nothing of the slice is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from peer import SECONDS
from postgres_server import postgres_server
from postgres_writing import NOTES, PostgresWriting, note
from worker_process import greeted, run_request, staged

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sinks.postgres_ledger import COMMIT, FENCE
from headrace.errors import DataPlaneError, EndpointUnreachable


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop"))


@contextmanager
def somebody_keeps(writing: PostgresWriting, table: str) -> Iterator[None]:
    """Somebody else is in the middle of a transaction that has locked the table."""
    with writing.server.connect("shop") as connection, connection.transaction(force_rollback=True):
        connection.execute(f"lock table public.{table} in access exclusive mode".encode())
        yield


def waits_for_a_lock(writing: PostgresWriting) -> bool:
    return writing.server.rows("postgres", "select from pg_stat_activity where wait_event_type = 'Lock'") != []


def until_it_waits(writing: PostgresWriting, call: Future[Any]) -> None:
    while not waits_for_a_lock(writing):
        assert not call.done(), call.result()


def written(writing: PostgresWriting, sink: PostgresSink, target: Target) -> None:
    writing.write(sink, target, [note(2)], seq=1, schema=NOTES)


def fenced(writing: PostgresWriting, sink: PostgresSink, target: Target) -> None:
    sink.high_water(target, 1)


@pytest.mark.parametrize(
    ("locked", "call"),
    [("orders", written), (COMMIT, written), (FENCE, written), (FENCE, fenced)],
)
def test_a_call_that_waits_for_a_lock_ends_when_the_sink_is_closed_and_stores_nothing(
    writing: PostgresWriting, locked: str, call: Callable[[PostgresWriting, PostgresSink, Target], None]
) -> None:
    target = writing.to("append")
    with ThreadPoolExecutor(2) as beside, writing.owner(target) as sink:
        writing.write(sink, target, [note(1)], seq=0, schema=NOTES)
        with somebody_keeps(writing, locked):
            waiting = beside.submit(call, writing, sink, target)
            until_it_waits(writing, waiting)

            beside.submit(sink.close).result(SECONDS)

            with pytest.raises(DataPlaneError):
                waiting.result(SECONDS)
            assert not waits_for_a_lock(writing)
    assert writing.rows() == [(1, "old")]


def test_a_sink_that_was_closed_connects_no_more(writing: PostgresWriting) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        sink.close()

        with pytest.raises(EndpointUnreachable, match=r"was closed"):
            writing.write(sink, target, [note(1)], seq=0, schema=NOTES)


def test_interrupting_a_run_whose_sink_waits_for_a_lock_ends_it_and_frees_the_worker(
    writing: PostgresWriting, tmp_path: Path
) -> None:
    """P31"""
    sink = {"id": "lake", "templateId": "jdbc.postgres", "parameters": writing.parameters}
    with greeted(tmp_path) as (peer, _):
        run = peer.request("runIngestionUnit", run_request(sink=sink))
        for tag in ("Opened", "Planned", "Sealed"):
            peer.event(run, tag)
        peer.decide("run-1", 0)
        for tag in ("Committed", "Sealed"):
            peer.event(run, tag)
        with somebody_keeps(writing, "rows"):
            peer.decide("run-1", 1)
            while not waits_for_a_lock(writing):
                pass

            peer.interrupt(run)

            assert peer.cause(run) == {"_tag": "Interrupt", "fiberId": None}
            assert staged(tmp_path) == []
        assert writing.server.rows("shop", "select count(*) from public.rows") == [(2,)]
        again = peer.request("runIngestionUnit", run_request(runId="run-2", epoch=2, sink=sink))
        assert peer.event(again, "Opened")["highWater"]["sliceSeq"] == 0
