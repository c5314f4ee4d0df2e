"""Writing to a sink the way a run does: what ``SinkEndpointSuite`` and tests of your own use."""

from __future__ import annotations

import abc
import datetime
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from headrace.commit import commit_record, first_hash, record_hash
from headrace.endpoint import Applied, Column, DatasetSchema, Policy, SinkEndpoint, Target, WriteDisposition
from headrace.errors import ConfigInvalid
from headrace.protocol import CommitRecord
from headrace.staging import Row, Seal, Slice, StagingSession
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import context

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("amount", pa.decimal128(12, 2)),
        ("at", pa.timestamp("us", tz="UTC")),
        ("flag", pa.bool_()),
        ("raw", pa.binary()),
    ]
)


def row(number: int, name: str | None = "Größe 😀") -> dict[str, Any]:
    """A row with a value of every kind the suite stores; every third has none but its key."""
    if number % 3 == 0:
        return {"id": number, "name": name, "amount": None, "at": None, "flag": None, "raw": None}
    return {
        "id": number,
        "name": name,
        "amount": Decimal(number) + Decimal("0.25"),
        "at": datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=datetime.UTC),
        "flag": number % 2 == 0,
        "raw": bytes([number]),
    }


class SinkWriting(abc.ABC):
    """Give a fresh place each test. Every call of ``sink`` is another process's view of the same place."""

    dispositions: ClassVar[Sequence[WriteDisposition]] = ("replace", "append", "merge")
    """What the sink is to support; it must refuse the others when it is prepared."""
    delivery: ClassVar[str] = "A"
    policy: ClassVar[Policy] = {}

    @abc.abstractmethod
    def sink(self) -> SinkEndpoint:
        """A new sink over the same place within one test. The suite closes those it opens."""

    @abc.abstractmethod
    def stored(self, target: Target) -> Sequence[Row]:
        """What a stranger reads there now, by other means than the sink. Nothing there: an empty list."""

    @pytest.fixture
    def opened(self) -> Iterator[SinkEndpoint]:
        with closing(self.sink()) as sink:
            yield sink

    def target(
        self, disposition: WriteDisposition | None = None, generation: int = 1, unit_id: str = "public.orders"
    ) -> Target:
        return Target(
            unit=f"dev/shop/{unit_id}/lake",
            unit_id=unit_id,
            run_id="ingestion-shop-orders-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10",
            generation=generation,
            disposition=disposition or self.dispositions[0],
            primary_key=("id",),
        )

    def schema(self, arrow: pa.Schema = SCHEMA) -> DatasetSchema:
        columns = tuple(Column(name=field.name, type=str(field.type), nullable=field.name != "id") for field in arrow)
        return DatasetSchema(columns=columns, arrow=arrow, primary_key=("id",))

    def carry(
        self,
        sink: SinkEndpoint,
        target: Target,
        slices: Sequence[Sequence[Row]],
        epoch: int = 1,
        *,
        complete: bool = True,
    ) -> list[Applied]:
        """What a run does with these slices, from the fence to the end."""
        sink.high_water(target, epoch)
        sink.prepare(target, self.schema(), self.policy)
        applied: list[Applied] = []
        for seq, rows in enumerate(slices):
            prev = record_hash(applied[-1].record) if applied else None
            applied.append(self.write(sink, target, rows, seq=seq, epoch=epoch, prev_hash=prev))
        if complete:
            assert sink.complete(target, self.policy)
        return applied

    def write(
        self,
        sink: SinkEndpoint,
        target: Target,
        rows: Sequence[Row],
        *,
        seq: int,
        epoch: int = 1,
        prev_hash: str | None = None,
        schema: pa.Schema = SCHEMA,
    ) -> Applied:
        with closing(self.staged(rows, schema)) as session:
            slice_, commit = self.slice_and_record(target, session.seal(), seq=seq, epoch=epoch, prev_hash=prev_hash)
            return sink.write(target, slice_, session.reader(), commit)

    def staged(self, rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> StagingSession:
        session = InMemoryStaging().allocate_session(context())
        columns = [pa.array([each[field.name] for each in rows], type=field.type) for field in schema]
        session.writer().write_arrow(pa.record_batch(columns, schema=schema))
        return session

    def slice_and_record(
        self, target: Target, seal: Seal, *, seq: int, epoch: int = 1, prev_hash: str | None = None
    ) -> tuple[Slice, CommitRecord]:
        slice_ = Slice(
            seq=seq, bounds=None, from_checkpoint={"next": seq} if seq else None, to_checkpoint={"next": seq + 1}
        )
        record = commit_record(
            unit=target.unit,
            generation=target.generation,
            epoch=epoch,
            slice_=slice_,
            seal=seal,
            prev_hash=prev_hash or first_hash(target.unit, target.generation),
        )
        return slice_, record

    def supports(self, disposition: WriteDisposition, sink: SinkEndpoint) -> bool:
        """False after having seen that a sink without ``disposition`` refuses it."""
        if disposition in self.dispositions:
            return True
        target = self.target(disposition=disposition)
        sink.high_water(target, epoch=1)
        with pytest.raises(ConfigInvalid):
            sink.prepare(target, self.schema(), self.policy)
        return False

    def same(self, one: Sequence[Row], other: Sequence[Row]) -> bool:
        """The same rows, each as often, in any order."""
        return sorted(map(_text, one)) == sorted(map(_text, other))


def _text(found: Row) -> str:
    return repr(sorted((name, _plain(value)) for name, value in found.items() if value is not None))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
