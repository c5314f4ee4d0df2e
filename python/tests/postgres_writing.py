"""Writing slices into a real PostgreSQL as a run does, and reading there as a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
from postgres_server import PostgresServer

from headrace.endpoint import Policy, Target
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.protocol import CommitRecord
from headrace.staging import Row, Slice, StagingSession
from headrace.testing.sink_writing import SinkWriting

NOTES = pa.schema([("id", pa.int64()), ("note", pa.string())])
TOMBSTONES = NOTES.append(pa.field("_headrace_op", pa.int8()))


def note(number: int | None, text: str | None = "old", **more: Any) -> dict[str, Any]:
    return {"id": number, "note": text, **more}


class PostgresWriting(SinkWriting):
    """What a test writes with. ``table`` is the unit's; rows have an id and a note unless the test says otherwise."""

    def __init__(self, server: PostgresServer, parameters: Mapping[str, str], table: str = "orders") -> None:
        self.server, self.parameters, self.table = server, dict(parameters), table

    def sink(self) -> PostgresSink:
        return PostgresSink(self.parameters)

    def stored(self, target: Target) -> Sequence[Row]:
        return [dict(zip(("id", "note"), row, strict=True)) for row in self.rows()]

    def to(self, disposition: Any, generation: int = 1, key: tuple[str, ...] = ("id",), unit: str = "") -> Target:
        unit_id = unit or f"public.{self.table}"
        return Target(
            unit=f"dev/shop/{unit_id}/lake",
            unit_id=unit_id,
            run_id="ingestion-shop-orders-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10",
            generation=generation,
            disposition=disposition,
            primary_key=key,
        )

    @contextmanager
    def owner(
        self, target: Target, epoch: int = 1, schema: pa.Schema = NOTES, policy: Policy | None = None
    ) -> Iterator[PostgresSink]:
        """A sink that has the fence and is prepared."""
        with closing(self.sink()) as sink:
            sink.high_water(target, epoch)
            sink.prepare(target, self.schema(self.without_operation(schema)), policy or {})
            yield sink

    def put(
        self,
        target: Target,
        *slices: Sequence[Row],
        epoch: int = 1,
        schema: pa.Schema = NOTES,
        policy: Policy | None = None,
        complete: bool = True,
    ) -> None:
        """A whole run of these slices."""
        with self.owner(target, epoch, schema, policy) as sink:
            for seq, rows in enumerate(slices):
                self.write(sink, target, rows, seq=seq, epoch=epoch, schema=schema)
            if complete:
                sink.complete(target, policy or {})

    def sealed(
        self, target: Target, rows: Sequence[Row], *, seq: int = 0, epoch: int = 1, schema: pa.Schema = NOTES
    ) -> tuple[StagingSession, Slice, CommitRecord]:
        session = self.staged(rows, schema)
        slice_, commit = self.slice_and_record(target, session.seal(), seq=seq, epoch=epoch)
        return session, slice_, commit

    def rows(self, what: str = "id, note", table: str = "") -> list[tuple[Any, ...]]:
        """What a stranger sees; nothing where there is no table."""
        name = table or f'public."{self.table}"'
        with self.server.connect("shop") as connection:
            if connection.execute(b"select to_regclass(%s)", [name]).fetchall() == [(None,)]:
                return []
        return self.server.rows("shop", f"select {what} from {name} order by 1, 2")

    def leftovers(self) -> list[str]:
        """Tables of ours that nobody but us should ever see."""
        found = self.server.rows("shop", "select relname::text from pg_class where relname ~ '^_(hr_stage|headrace_g)' "
                                         "and relkind = 'r' order by 1")  # fmt: skip
        return [name for (name,) in found]

    def without_operation(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema([field for field in schema if field.name != "_headrace_op"])
