"""Rows of Arrow that wait in PostgreSQL for their turn: they land once and in order, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import Watching, unit_run
from cutting_proxy import CuttingProxy
from peer import SECONDS
from postgres_reading import READER, ArrowSource, carried, reader
from postgres_server import PostgresServer, postgres_server

from headrace import loading_rows
from headrace.endpoints.sinks import postgres_connection, postgres_loading
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sinks.postgres_load import CopyLoad
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.events import Finished, Sealed
from headrace.protocol import Verdict
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging

UNIT = "public.orders"
STORED = [(n, f"row {n}") for n in range(1, 9)]
DISPOSITIONS: dict[str, dict[str, Any]] = {
    "replace": {"mode": "full"},
    "append": {"mode": "incremental", "cursorField": "id", "writeDisposition": "append"},
    "merge": {"mode": "incremental", "cursorField": "id"},
}


class Filled:
    """Where each load was filled, in the order in which they were."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._more = threading.Condition()

    def add(self, place: str) -> None:
        with self._more:
            self.places.append(place)
            self._more.notify_all()

    def wait_for(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.places) >= count, SECONDS)


@pytest.fixture(autouse=True)
def filled(monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Slices of two rows are worth a load here."""
    filled, fill = Filled(), CopyLoad.fill

    def noting(load: CopyLoad, *given: Any) -> None:
        fill(load, *given)
        filled.add(type(load.into).__name__)

    monkeypatch.setattr(CopyLoad, "fill", noting)
    monkeypatch.setattr(loading_rows, "WORTH_BYTES", 1)
    monkeypatch.setattr(postgres_connection, "PAUSE_SECONDS", 0)
    return filled


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, note text)",
        "insert into orders select n, 'row ' || n from generate_series(1, 8) n",
    )
    return server


def carry(
    server: PostgresServer, disposition: str = "replace", observer: Watching | None = None, **more: Any
) -> Finished:
    policy = {**DISPOSITIONS[disposition], "targetSliceSize": 2}
    to = server.parameters("shop", schemas="lake", **more)
    return carried(server.parameters("shop"), to, UNIT, policy, observer, reads=ArrowSource)


def stored(server: PostgresServer) -> list[tuple[Any, ...]]:
    return server.rows("shop", "select id, note from lake.orders order by id, note")


def left(server: PostgresServer) -> list[str]:
    """Stage tables, and transactions that nobody ends."""
    tables = server.rows("shop", "select relname::text from pg_class where relname ~ '^_hr_stage' and relkind = 'r'")
    open_ = server.rows("shop", "select query from pg_stat_activity where state like 'idle in transaction%'")
    return [name for (name,) in [*tables, *open_]]


@pytest.mark.parametrize(
    ("disposition", "place"), [("replace", "HiddenTable"), ("append", "StageTable"), ("merge", "StageTable")]
)
def test_every_slice_waits_in_a_place_of_its_own_and_lands_once(
    server: PostgresServer, filled: Filled, disposition: str, place: str
) -> None:
    found = carry(server, disposition)

    assert (found.errors, found.stats["applied_rows"]) == ([], 8)
    assert (stored(server), left(server)) == (STORED, [])
    assert filled.places == [place] * found.stats["slices"]
    assert len(filled.places) >= 4


def test_of_rows_with_one_key_in_several_slices_the_last_one_counts(server: PostgresServer) -> None:
    server.run("shop", "alter table orders drop constraint orders_pkey", "update orders set id = id % 2")
    server.run("shop", "alter table orders add at int", "update orders set at = substr(note, 5)::int")
    server.run("shop", "alter table orders add primary key (at)")

    policy = {"mode": "incremental", "cursorField": "at", "primaryKeys": ["id"], "targetSliceSize": 2}
    to = server.parameters("shop", schemas="lake")
    found = carried(server.parameters("shop"), to, UNIT, policy, reads=ArrowSource)

    assert (found.errors, stored(server)) == ([], [(0, "row 8"), (1, "row 7")])


def test_what_a_column_does_not_take_as_it_is_sent_waits_in_a_stage_and_is_cast(
    server: PostgresServer, filled: Filled
) -> None:
    server.run("shop", "alter table orders add which uuid default '00000000-0000-0000-0000-00000000000a'")

    found = carry(server)

    assert (found.errors, set(filled.places)) == ([], {"StageTable"})
    assert server.rows("shop", "select pg_typeof(which)::text, count(*)::int from lake.orders group by 1") == [
        ("uuid", 8)
    ]


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_nothing_is_left_of_what_waited_behind_a_slice_that_is_refused(
    server: PostgresServer, disposition: str
) -> None:
    def verdict(event: Any) -> Verdict:
        return "stop" if isinstance(event, Sealed) and event.slice_seq == 2 else "commit"

    carry(server, disposition, Watching(verdict=verdict))

    assert left(server) == []
    assert carry(server, disposition).errors == []
    assert (stored(server), left(server)) == (STORED, [])


def test_a_value_that_a_later_slice_has_and_no_column_can_hold_ends_the_run_there_and_names_the_column(
    server: PostgresServer,
) -> None:
    server.run("shop", "create schema lake", "create table lake.orders (id int primary key, note varchar(7))")
    server.run("shop", "update orders set note = 'too long for it' where id = 5")

    found = carry(server, "merge")

    assert [(error.tag, error.details) for error in found.errors] == [("RowRejected", {"column": "note"})]
    assert (stored(server), left(server)) == (STORED[:4], [])


@pytest.mark.parametrize("disposition", DISPOSITIONS)
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("said", [b"_hr_commit", b"_hr_fence", b"commit\0"])
def test_rows_whose_connection_breaks_while_they_wait_are_stored_from_staging(
    server: PostgresServer, disposition: str, where: Literal["before", "after"], said: bytes
) -> None:
    """F17: before or after the record, the fence and the commit of the third slice."""
    with closing(CuttingProxy(server.sockets, server.port)) as proxy:
        records = [0]

        def third(asked: bytes) -> bool:
            records[0] += b"_hr_commit" in asked and b"insert" in asked
            return records[0] >= 3 and said in asked

        proxy.cut_once(third, where)
        found = carry(server, disposition, host=proxy.directory)

        assert (found.errors, found.stats["applied_rows"], proxy.cuts) == ([], 8, 1)
    assert (stored(server), left(server)) == (STORED, [])


def test_a_user_who_may_connect_only_once_has_the_rows_stored_from_staging(
    server: PostgresServer, filled: Filled
) -> None:
    server.run("shop", "create schema lake")
    parameters = reader(server, "shop", "usage, create on schema lake")
    server.run("postgres", f"alter role {READER} connection limit 1")
    try:
        policy = {"mode": "full", "targetSliceSize": 2}
        to = {**parameters, "schemas": "lake"}
        found = carried(server.parameters("shop"), to, UNIT, policy, reads=ArrowSource)
    finally:
        server.run("postgres", f"alter role {READER} connection limit -1")

    assert (found.errors, filled.places) == ([], [])
    assert stored(server) == STORED


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_rows_that_were_lost_with_a_crash_of_the_server_while_they_waited_are_stored_from_staging(
    server: PostgresServer, filled: Filled, disposition: str
) -> None:
    """After a crash an unlogged table is there, and empty."""

    def verdict(event: Any) -> Verdict:
        if isinstance(event, Sealed) and event.slice_seq == 2:
            filled.wait_for(3)
            stages = server.rows(
                "shop", "select oid::regclass::text from pg_class where relname ~ '^_hr_stage' and relkind = 'r'"
            )
            server.run("shop", *(f"truncate {name}" for (name,) in stages))
        return "commit"

    found = carry(server, disposition, Watching(verdict=verdict))

    assert (found.errors, stored(server), left(server)) == ([], STORED, [])


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Path]:
    """Files of one unit, in the order of their names: the third one has a column more."""
    for number in range(5):
        more = {"note": pa.array(["new"])} if number == 2 else {}
        pq.write_table(pa.table({"id": pa.array([number]), **more}), tmp_path / f"{number}.parquet")
    yield tmp_path


@pytest.mark.parametrize("disposition", ["replace", "append"])
def test_a_column_that_is_new_in_a_slice_is_added_while_the_next_one_waits(
    server: PostgresServer, filled: Filled, lake: Path, disposition: str
) -> None:
    """Before the third slice, which is none of them, the fourth one has been filled: its lock is in the way."""

    def verdict(event: Any) -> Verdict:
        if isinstance(event, Sealed) and event.slice_seq == 2:
            filled.wait_for(3)
        return "commit"

    policy = {"mode": "full", "writeDisposition": disposition, "targetSliceSize": 1}
    run = replace(unit_run("*.parquet", sink_id="lake"), policy=policy)
    to = server.parameters("shop", schemas="lake")
    with closing(LocalFilesSource({"base_path": str(lake)})) as source, closing(PostgresSink(to)) as sink:
        found = run_unit(run, source, sink, InMemoryStaging(), Watching(verdict=verdict))

    (table,) = server.rows(
        "shop", "select oid::regclass::text from pg_class where relname ~ 'parquet' and relkind = 'r'"
    )
    assert found.errors == []
    assert server.rows("shop", f"select id, note from {table[0]} order by id") == [
        (number, "new" if number == 2 else None) for number in range(5)
    ]
    assert left(server) == []


@pytest.fixture
def uneven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files of one unit, a slice each, of which the third one is not worth a load."""
    for number in range(5):
        note = "x" if number == 2 else "x" * 2000
        pq.write_table(pa.table({"id": pa.array([number]), "note": pa.array([note])}), tmp_path / f"{number}.parquet")
    monkeypatch.setattr(loading_rows, "WORTH_BYTES", 1000)
    monkeypatch.setattr(loading_rows, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(postgres_loading, "LOCK_WAIT_MS", 10)
    yield tmp_path


@pytest.mark.parametrize("worth", [1000, 1], ids=["stored from staging", "loaded late"])
def test_somebody_who_waits_for_a_later_load_does_not_keep_the_slice_before_it_for_ever(
    server: PostgresServer, filled: Filled, uneven: Path, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    """To index a table anew waits for all who write to it, and who comes then waits for that."""
    indexing = threading.Thread(target=lambda: server.run("shop", f"reindex table {hidden(server)}"))

    def verdict(event: Any) -> Verdict:
        if isinstance(event, Sealed) and event.slice_seq == 2:
            filled.wait_for(3)
            indexing.start()
            while not server.rows(
                "shop", "select from pg_stat_activity where query ~ '^reindex' and wait_event_type = 'Lock'"
            ):
                pass
            monkeypatch.setattr(loading_rows, "WORTH_BYTES", worth)
        return "commit"

    policy = {"mode": "full", "targetSliceSize": 1}
    run = replace(unit_run("*.parquet", sink_id="lake"), policy=policy)
    to = server.parameters("shop", schemas="lake")
    with (
        ThreadPoolExecutor() as threads,
        closing(LocalFilesSource({"base_path": str(uneven)})) as source,
        closing(PostgresSink(to)) as sink,
    ):
        carrying = threads.submit(run_unit, run, source, sink, InMemoryStaging(), Watching(verdict=verdict))
        found = carrying.result(SECONDS)
    indexing.join()

    assert (found.errors, found.stats["applied_rows"], left(server)) == ([], 5, [])


def hidden(server: PostgresServer) -> str:
    ((name,),) = server.rows(
        "shop", "select oid::regclass::text from pg_class where relname ~ '^_headrace_g' and relkind = 'r'"
    )
    return name
