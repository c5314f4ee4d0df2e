"""The contract of ``SinkEndpoint``, executable.

Subclass it and supply a sink and a way to read what a stranger would see there.
The suite writes slices the way a run does: fence, prepare, write, complete.
"""

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
from headrace.errors import ConfigInvalid, DataPlaneError, SchemaChanged, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import NativeBlock, RecordReader, Row, Seal, Slice, StagingSession
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


class SinkEndpointSuite(abc.ABC):
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

    def test_a_place_nobody_wrote_has_no_high_water(self, opened: SinkEndpoint) -> None:
        assert opened.high_water(self.target(), epoch=1) is None

    def test_rows_and_record_are_there_after_a_write(self, opened: SinkEndpoint) -> None:
        target = self.target()

        applied = self.carry(opened, target, [[row(1), row(2), row(3)]])

        assert self.same(self.stored(target), [row(1), row(2), row(3)])
        assert (applied[0].rows, applied[0].adopted) == (3, False)
        assert applied[0].location

    def test_the_high_water_is_the_last_record_and_its_hash(self, opened: SinkEndpoint) -> None:
        target = self.target()
        *_, last = self.carry(opened, target, [[row(1)], [row(2)]])

        with closing(self.sink()) as later:
            high_water = later.high_water(target, epoch=1)

        assert high_water is not None
        assert (high_water.record, high_water.hash) == (last.record, record_hash(last.record))
        assert high_water.record.slice_seq == 1

    def test_slices_add_to_each_other(self, opened: SinkEndpoint) -> None:
        target = self.target()

        self.carry(opened, target, [[row(1)], [row(2), row(3)], [row(4)]])

        assert self.same(self.stored(target), [row(n) for n in (1, 2, 3, 4)])

    def test_the_same_slice_again_is_adopted_and_changes_nothing(self, opened: SinkEndpoint) -> None:
        target = self.target()
        (first,) = self.carry(opened, target, [[row(1), row(2)]], complete=False)

        with closing(self.sink()) as later:
            (again,) = self.carry(later, target, [[row(1), row(2)]])

        assert again.adopted
        assert again.record == first.record
        assert self.same(self.stored(target), [row(1), row(2)])

    def test_a_slice_without_rows_is_recorded_like_any_other(self, opened: SinkEndpoint) -> None:
        target = self.target()

        self.carry(opened, target, [[row(1)], []])

        with closing(self.sink()) as later:
            high_water = later.high_water(target, epoch=1)
        assert high_water is not None and (high_water.record.slice_seq, high_water.record.rows) == (1, 0)
        assert self.same(self.stored(target), [row(1)])

    def test_a_write_that_breaks_off_leaves_nothing_to_see(self, opened: SinkEndpoint) -> None:
        target = self.target()
        opened.high_water(target, epoch=1)
        opened.prepare(target, self.schema(), self.policy)
        session = self.staged([row(1), row(2)])
        slice_, commit = self.slice_and_record(target, session.seal(), seq=0)

        with closing(session), pytest.raises(DataPlaneError):
            opened.write(target, slice_, _ReaderThatBreaks(session.reader()), commit)

        with closing(self.sink()) as later:
            assert later.high_water(target, epoch=1) is None
            assert list(self.stored(target)) == []
            self.carry(later, target, [[row(1), row(2)]])
        assert self.same(self.stored(target), [row(1), row(2)])

    def test_a_new_generation_replaces_the_rows_of_the_old(self, opened: SinkEndpoint) -> None:
        if not self.supports("replace", opened):
            return
        self.carry(opened, self.target(disposition="replace"), [[row(1), row(2)]])

        newer = self.target(disposition="replace", generation=2)
        with closing(self.sink()) as later:
            assert later.high_water(newer, epoch=2) is None
            self.carry(later, newer, [[row(2, "new")], [row(3)]], epoch=2)

        assert self.same(self.stored(newer), [row(2, "new"), row(3)])

    def test_appending_keeps_what_older_generations_wrote(self, opened: SinkEndpoint) -> None:
        if not self.supports("append", opened):
            return
        self.carry(opened, self.target(disposition="append"), [[row(1)]])

        newer = self.target(disposition="append", generation=2)
        with closing(self.sink()) as later:
            self.carry(later, newer, [[row(1), row(2)]], epoch=2)

        assert self.same(self.stored(newer), [row(1), row(1), row(2)])

    def test_merging_keeps_the_latest_row_of_each_key(self, opened: SinkEndpoint) -> None:
        if not self.supports("merge", opened):
            return
        target = self.target(disposition="merge")

        self.carry(opened, target, [[row(1), row(2)], [row(2, "newer"), row(3)]])

        assert self.same(self.stored(target), [row(1), row(2, "newer"), row(3)])

    def test_an_owner_that_was_followed_by_another_can_write_no_more(self, opened: SinkEndpoint) -> None:
        if self.delivery != "A":
            return
        target = self.target()
        opened.high_water(target, epoch=1)
        opened.prepare(target, self.schema(), self.policy)

        with closing(self.sink()) as successor:
            successor.high_water(target, epoch=2)
        with pytest.raises(SinkFenced):
            self.write(opened, target, [row(1)], seq=0)

        assert list(self.stored(target)) == []

    def test_an_older_owner_cannot_take_the_fence_back(self, opened: SinkEndpoint) -> None:
        if self.delivery != "A":
            return
        opened.high_water(self.target(), epoch=2)

        with closing(self.sink()) as older, pytest.raises(SinkFenced):
            older.high_water(self.target(), epoch=1)

    def test_two_owners_of_one_slot_write_one_slice(self, opened: SinkEndpoint) -> None:
        target = self.target()
        opened.high_water(target, epoch=1)
        opened.prepare(target, self.schema(), self.policy)

        with closing(self.sink()) as twin:
            twin.high_water(target, epoch=1)
            twin.prepare(target, self.schema(), self.policy)
            first = self.write(opened, target, [row(1), row(2)], seq=0)
            second = self.write(twin, target, [row(1), row(2)], seq=0)
            twin.complete(target, self.policy)

        assert (first.adopted, second.adopted) == (False, True)
        assert self.same(self.stored(target), [row(1), row(2)])

    def test_completing_twice_is_completing_once(self, opened: SinkEndpoint) -> None:
        target = self.target()
        self.carry(opened, target, [[row(1)]])

        assert opened.complete(target, self.policy) == opened.complete(target, self.policy)
        assert self.same(self.stored(target), [row(1)])

    def test_an_empty_replacement_leaves_an_empty_target(self, opened: SinkEndpoint) -> None:
        if not self.supports("replace", opened):
            return
        self.carry(opened, self.target(disposition="replace"), [[row(1)]])

        newer = self.target(disposition="replace", generation=2)
        with closing(self.sink()) as later:
            self.carry(later, newer, [], epoch=2)

        assert list(self.stored(newer)) == []

    def test_a_column_that_is_new_is_added_and_old_rows_have_none_there(self, opened: SinkEndpoint) -> None:
        target = self.target()
        wider = SCHEMA.append(pa.field("extra", pa.int64()))
        self.carry(opened, target, [[row(1)]], complete=False)

        opened.prepare(target, self.schema(wider), self.policy)
        self.write(opened, target, [{**row(2), "extra": 7}], seq=1, schema=wider)
        opened.complete(target, self.policy)

        extras = {found["id"]: found.get("extra") for found in self.stored(target)}
        assert extras == {1: None, 2: 7}

    def test_a_column_that_changes_its_kind_is_refused(self, opened: SinkEndpoint) -> None:
        target = self.target()
        self.carry(opened, target, [[row(1)]], complete=False)
        other = SCHEMA.set(SCHEMA.get_field_index("amount"), pa.field("amount", pa.bool_()))

        with pytest.raises(SchemaChanged) as refusal:
            opened.prepare(target, self.schema(other), self.policy)

        assert refusal.value.details["column"] == "amount"

    def test_two_units_share_nothing(self, opened: SinkEndpoint) -> None:
        one, other = self.target(unit_id="one"), self.target(unit_id="other")
        self.carry(opened, one, [[row(1)]])
        with closing(self.sink()) as later:
            assert later.high_water(other, epoch=1) is None
            self.carry(later, other, [[row(2)]])

        assert self.same(self.stored(one), [row(1)])
        assert self.same(self.stored(other), [row(2)])

    def test_it_claims_the_dispositions_and_the_class_it_keeps(self, opened: SinkEndpoint) -> None:
        capabilities = opened.capabilities()

        assert set(capabilities.dispositions) == set(self.dispositions)
        assert capabilities.delivery == self.delivery

    def test_closing_twice_is_closing_once(self, opened: SinkEndpoint) -> None:
        opened.high_water(self.target(), epoch=1)

        opened.close()
        opened.close()

    # ---- for the tests above and for yours

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


class _ReaderThatBreaks:
    """Delivers the first row, then fails the way a lost staging would."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader = reader

    @property
    def schema(self) -> pa.Schema | None:
        return self._reader.schema

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        yield next(iter(self._reader.iter_batches(1)))
        raise StagingLost

    def iter_arrow(self, max_bytes: int = 1) -> Iterator[pa.RecordBatch]:
        yield next(iter(self._reader.iter_arrow())).slice(0, 1)
        raise StagingLost

    def iter_native(self) -> Iterator[NativeBlock]:
        yield from ()
        raise StagingLost


class StagingLost(DataPlaneError):
    """What the breaking reader raises; a sink passes it on unchanged."""

    def __init__(self) -> None:
        super().__init__("The staged rows are gone.", role="staging")


def _text(found: Row) -> str:
    return repr(sorted((name, _plain(value)) for name, value in found.items() if value is not None))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
