"""Reading a table of a real PostgreSQL, and carrying it, as a run does: what the tests of source and sink share."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from carrying import Watching, unit_run
from postgres_server import PASSWORD, PostgresServer

from headrace.endpoint import Policy, SourceCapabilities
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import DataPlaneError
from headrace.events import Finished
from headrace.protocol import Json
from headrace.run import run_unit
from headrace.staging import Slice
from headrace.stagings.in_memory import InMemoryStaging

BY_TIME: Mapping[str, Json] = {"mode": "incremental", "cursorField": "at"}
READER, READER_PASSWORD = "reader", "r3ader"
"""A user without any privilege but those a test grants."""


@dataclass
class Taken:
    """What one run read: the rows of each slice, where it stands now, and what its plan said."""

    checkpoint: Json
    strategy: str
    delivery: Mapping[str, Json]
    slices: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for rows in self.slices for row in rows]

    @property
    def ids(self) -> list[Any]:
        return [row["id"] for row in self.rows]


def taken(
    parameters: Mapping[str, str],
    unit_id: str,
    checkpoint: Json = None,
    *,
    stop_after: int | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    **policy: Json,
) -> Taken:
    """Read what is new. ``meanwhile`` is called before each slice is read; after ``stop_after`` slices the run dies."""
    with closing(PostgresSource(parameters)) as source:
        plan = source.plan(unit_id, checkpoint, policy)
        found = Taken(checkpoint, plan.strategy, plan.delivery)
        for slice_ in plan.slices:
            if len(found.slices) == stop_after:
                break
            meanwhile()
            found.slices.append([row for batch in source.read(unit_id, slice_, policy) for row in batch.to_pylist()])
            found.checkpoint = json.loads(json.dumps(slice_.to_checkpoint))
    return found


class ArrowSource(PostgresSource):
    """Reads as one does that has no blocks to offer."""

    def capabilities(self) -> SourceCapabilities:
        return replace(super().capabilities(), native_formats=())


class NotingSource(PostgresSource):
    """Writes down what it yields: the shape of each thing, and of blocks the bytes."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        self.yielded: list[Any] = []

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        for item in super().read(unit_id, slice_, policy):
            self.yielded.append(item)
            yield item

    @property
    def shapes(self) -> set[str]:
        return {type(item).__name__ for item in self.yielded}


def carried(
    source: Mapping[str, str],
    sink: Mapping[str, str],
    unit_id: str,
    policy: Mapping[str, Json],
    observer: Watching | None = None,
    reads: Callable[[Mapping[str, str]], PostgresSource] = PostgresSource,
    **changes: Any,
) -> Finished:
    """One whole run from table to table."""
    run = unit_run(unit_id, sink_id="lake", policy=policy, **changes)
    with closing(reads(source)) as from_, closing(PostgresSink(sink)) as to:
        return run_unit(run, from_, to, InMemoryStaging(), observer or Watching())


def reader(server: PostgresServer, database: str, *grants: str) -> dict[str, str]:
    """Parameters of a user who may do what ``grants`` say and nothing else."""
    if not server.rows("postgres", f"select from pg_roles where rolname = '{READER}'"):
        server.run("postgres", f"create role {READER} login password '{READER_PASSWORD}'")
    server.run(database, *(f"grant {grant} to {READER}" for grant in grants))
    return server.parameters(database, username=READER, password=READER_PASSWORD)


def once_it_waits(server: PostgresServer, database: str, then: Callable[[], object]) -> None:
    """Call ``then`` as soon as some session of the database waits for a lock."""
    with closing(server.connect(database)) as watch:
        while not watch.execute("select from pg_locks where not granted").fetchall():
            pass
    then()


@contextmanager
def open_transaction(server: PostgresServer, database: str, *statements: str) -> Iterator[Any]:
    """A transaction that has run ``statements`` and ends, rolled back unless the test commits it, with the block."""
    with closing(server.connect(database)) as connection:
        for statement in ("begin", *statements):
            connection.execute(statement.encode())
        yield connection


@contextmanager
def refused(kind: type[DataPlaneError], said: str, **details: str) -> Iterator[None]:
    """The block raises that, with these details among others, and neither password is in anything one may print."""
    with pytest.raises(kind, match=said) as refusal:
        yield
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value.details)
    assert {name: refusal.value.details.get(name) for name in details} == details
    assert PASSWORD not in shown and READER_PASSWORD not in shown
