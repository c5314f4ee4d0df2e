"""What goes wrong while rows are loaded in blocks: they land once, or not at all with the reason and the remedy."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Literal

import pyarrow as pa
import pytest
from carrying import Watching
from cutting_proxy import CuttingProxy
from peer import SECONDS
from postgres_reading import carried, once_it_waits, reader
from postgres_server import PostgresServer, postgres_server
from postgres_writing import PostgresWriting

from headrace.commit import commit_record, first_hash
from headrace.endpoint import Applied, Target
from headrace.endpoints.sinks import postgres_connection, postgres_held
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.errors import Bug, DataPlaneError, EndpointUnreachable
from headrace.events import Finished
from headrace.staging import NativeBlock, Slice, StagingSession
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import context

UNIT = "public.orders"
FULL: dict[str, Any] = {"mode": "full", "targetSliceSize": 2, "maxParallelSlices": 1}
STORED = [(n, f"row {n}") for n in range(1, 6)]

NUMBERS = pa.schema([pa.field("id", pa.int32(), nullable=False)])
BLOCKS = {"nativeFormat": "pgcopy"}
HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
END = struct.pack(">h", -1)


def numbers(*values: int) -> bytes:
    """Rows of one integer, as binary COPY has them."""
    return b"".join(struct.pack(">hii", 1, 4, value) for value in values)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "PAUSE_SECONDS", 0)


@pytest.fixture
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes of a slice are held until its commit."""
    monkeypatch.setattr(postgres_held, "HELD_BYTES", request.param)
    return request.param


SMALL, LARGE = pytest.param(2**20, id="held until its commit"), pytest.param(0, id="loaded before its commit")


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, note text)",
        "insert into orders select n, 'row ' || n from generate_series(1, 5) n",
    )
    return server


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(server.sockets, server.port)
    yield proxy
    proxy.close()


# ---- connections that break


def carry(server: PostgresServer, policy: dict[str, Any], epoch: int, host: str = "") -> Finished:
    """Generation 1, through ``host`` to the sink."""
    source = server.parameters("shop")
    return carried(source, {**source, "schemas": "lake", **({"host": host} if host else {})}, UNIT, policy, epoch=epoch)


def ended(run: Callable[[], Finished]) -> list[Any]:
    """What ended the run early, wherever."""
    try:
        return list(run().errors)
    except DataPlaneError as error:
        return [error]


@pytest.mark.parametrize("disposition", ["replace", "append", "merge"])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("held", [SMALL, LARGE], indirect=True)
def test_a_connection_that_breaks_at_any_message_of_a_run_loses_and_doubles_nothing(
    server: PostgresServer, proxy: CuttingProxy, disposition: str, where: Literal["before", "after"], held: int
) -> None:
    """F17: whatever was lost with the connection is read again by the next run."""
    policy, is_over, number = {**FULL, "writeDisposition": disposition}, False, 0
    while not is_over:
        number += 1
        server.run("shop", "drop schema if exists lake cascade")
        left = [5 * number - 4]

        def countdown(asked: bytes, left: list[int] = left) -> bool:
            left[0] -= not asked.startswith(b"d")  # rows of a COPY have no answer that could be lost
            return left[0] == 0

        proxy.cut_once(countdown, where)
        errors = ended(lambda: carry(server, policy, 1, proxy.directory))
        is_over = left[0] > 0
        proxy.cut_once(lambda _: False, where)
        assert all(error.retry == "Later" for error in errors), errors

        assert carry(server, policy, 2).errors == []
        assert server.rows("shop", "select * from lake.orders order by id") == STORED
        assert hidden(server) == []

    assert proxy.cuts > 5


def hidden(server: PostgresServer) -> list[Any]:
    said = "select relname::text from pg_class where relkind = 'r' and relname ~ '^_(hr_stage|headrace_g)'"
    return server.rows("shop", said)


@pytest.mark.parametrize(("where", "rows_there"), [("before", 0), ("after", 2)])
def test_a_commit_whose_answer_is_lost_is_settled_by_its_record_or_left_to_the_next_run(
    server: PostgresServer, proxy: CuttingProxy, where: Literal["before", "after"], rows_there: int
) -> None:
    """F17: the rows are gone with the connection, so only a record that is there counts."""
    records = "select coalesce(sum(rows), 0)::int from lake._hr_commit"
    watching = Watching(verdict=lambda sealed: "commit" if getattr(sealed, "slice_seq", 0) == 0 else "stop")
    watching.on_ask = lambda: proxy.cut_once(lambda asked: b"commit\0" in asked, where)
    source = server.parameters("shop")

    found = carried(source, {**source, "schemas": "lake", "host": proxy.directory}, UNIT, FULL, watching)

    tags = [error.tag for error in found.errors]
    assert (tags, server.rows("shop", records)) == ([] if rows_there else ["SinkAmbiguous"], [(rows_there,)])
    assert carry(server, FULL, 2).errors == []
    assert server.rows("shop", "select * from lake.orders order by id") == STORED


# ---- what is loaded


@pytest.fixture
def writing(server: PostgresServer) -> PostgresWriting:
    return PostgresWriting(server, server.parameters("shop", schemas="lake"))


def loading(writing: PostgresWriting, sink: PostgresSink, target: Target) -> StagingSession:
    """A session whose blocks of ``NUMBERS`` go into the sink."""
    sink.high_water(target, 1)
    assert sink.can_load(target, NUMBERS, BLOCKS)
    sink.prepare(target, writing.schema(NUMBERS), BLOCKS)
    session = InMemoryStaging().allocate_session(context())
    session.hand_on(sink.load(target, slice_of(0), NUMBERS))
    return session


def slice_of(seq: int) -> Slice:
    return Slice(seq=seq, bounds=None, from_checkpoint=None, to_checkpoint={"next": seq + 1})


def write(session: StagingSession, data: bytes, rows: int) -> None:
    session.writer().write_native(NativeBlock(format="pgcopy", data=data, rows=rows))


def written(sink: PostgresSink, target: Target, session: StagingSession) -> Applied:
    seal, load = session.seal(), session.handed_on
    assert load is not None
    record = commit_record(
        unit=target.unit, generation=1, epoch=1, slice_=slice_of(0), seal=seal, prev_hash=first_hash(target.unit, 1)
    )
    return sink.write_loaded(target, slice_of(0), load, record)


@pytest.mark.parametrize("disposition", ["replace", "append"])
@pytest.mark.parametrize("held", [LARGE], indirect=True)
def test_a_copy_that_was_cut_between_two_rows_is_not_sealed_and_leaves_nothing(
    writing: PostgresWriting, disposition: Any, held: int
) -> None:
    """PostgreSQL takes it for a whole one."""
    target = writing.to(disposition)
    with closing(writing.sink()) as sink:
        session = loading(writing, sink, target)
        write(session, HEAD + numbers(1, 2), 3)
        with pytest.raises(Bug, match=r"3 rows were sent to .*, and 2 arrived"):
            session.seal()
        session.close()

        assert sink.high_water(target, 1) is None
    assert hidden_rows(writing) == []


@pytest.mark.parametrize("held", [SMALL], indirect=True)
def test_a_copy_that_was_cut_between_two_rows_is_not_committed_when_it_is_counted_then(
    writing: PostgresWriting, held: int
) -> None:
    target = writing.to("append")
    with closing(writing.sink()) as sink:
        session = loading(writing, sink, target)
        write(session, HEAD + numbers(1, 2), 3)
        with pytest.raises(Bug, match="3 rows were sealed and 2 arrived"):
            written(sink, target, session)
        session.close()

        assert sink.high_water(target, 1) is None
    assert writing.server.rows("shop", "table lake.orders") == []


def hidden_rows(writing: PostgresWriting) -> list[Any]:
    return [row for (name,) in hidden(writing.server) for row in writing.server.rows("shop", f"table lake.{name}")]


def test_rows_that_are_loaded_are_seen_by_nobody_before_their_commit(writing: PostgresWriting) -> None:
    """I8: neither before the slice is sealed nor before it is judged."""
    target = writing.to("replace")
    with closing(writing.sink()) as sink:
        session = loading(writing, sink, target)
        write(session, HEAD + numbers(1, 2), 0)
        assert hidden_rows(writing) == []
        write(session, END, 2)
        session.seal()
        assert hidden_rows(writing) == []

        applied = written(sink, target, session)
        again = loading_again(sink, target)
        write(again, HEAD + numbers(1, 2) + END, 2)
        repeated = written(sink, target, again)
        again.close()
        session.close()

        assert (applied.adopted, applied.rows, repeated.adopted, repeated.record) == (False, 2, True, applied.record)
    assert hidden_rows(writing) == [(1,), (2,)]


def loading_again(sink: PostgresSink, target: Target) -> StagingSession:
    session = InMemoryStaging().allocate_session(context())
    session.hand_on(sink.load(target, slice_of(0), NUMBERS))
    return session


def test_a_user_who_may_make_no_temporary_tables_merges_small_slices_too(server: PostgresServer) -> None:
    server.run("shop", "revoke temporary on database shop from public", "create schema lake")
    user = reader(server, "shop", "usage, create on schema lake")
    try:
        policy = {**FULL, "writeDisposition": "merge"}
        found = carried(server.parameters("shop"), {**user, "schemas": "lake"}, UNIT, policy)
    finally:
        server.run("shop", "grant temporary on database shop to public")

    assert (found.errors, hidden(server)) == ([], [])
    assert server.rows("shop", "select * from lake.orders order by id") == STORED


# ---- somebody in the way


def test_a_load_that_waits_for_a_lock_ends_when_the_sink_is_closed(writing: PostgresWriting) -> None:
    target = writing.to("replace")
    with ThreadPoolExecutor(2) as beside, closing(writing.sink()) as sink, writing.server.connect("shop") as somebody:
        loading(writing, sink, target).close()  # the table is there, and nobody holds it
        somebody.execute(b"begin")
        somebody.execute(b"lock table lake._headrace_g1_orders in access exclusive mode")
        session = loading_again(sink, target)
        waiting = beside.submit(write, session, HEAD + numbers(1), 0)
        once_it_waits(writing.server, "shop", lambda: beside.submit(sink.close).result(SECONDS))

        with pytest.raises(EndpointUnreachable):
            waiting.result(SECONDS)
        session.close()


@pytest.mark.parametrize("disposition", ["replace", "append", "merge"])
@pytest.mark.parametrize("held", [SMALL, LARGE], indirect=True)
def test_a_value_that_the_target_cannot_hold_is_refused_by_the_column_and_table_that_people_know(
    server: PostgresServer, disposition: str, held: int
) -> None:
    """Not by the hidden or the stage table, which is gone when somebody looks for it."""
    server.run("shop", "update orders set note = '\u2603' where id = 3")
    server.run("postgres", "drop database if exists latin with (force)",
               "create database latin encoding latin1 locale 'C' template template0")  # fmt: skip

    policy = {**FULL, "writeDisposition": disposition}
    (error,) = carried(server.parameters("shop"), server.parameters("latin"), UNIT, policy).errors

    assert (error.tag, error.details["column"]) == ("RowRejected", "note")
    assert error.message.startswith("Column note of public.orders cannot hold a value as text (22P05).")
