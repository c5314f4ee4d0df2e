"""The contract of ``SinkEndpoint``, executable.

Subclass it and supply a sink and a way to read what a stranger would see there.
The suite writes slices the way a run does: fence, prepare, write, complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import pyarrow as pa
import pytest

from headrace.commit import record_hash
from headrace.endpoint import SinkEndpoint
from headrace.errors import DataPlaneError, SchemaChanged, SinkFenced
from headrace.staging import NativeBlock, RecordReader, Row
from headrace.testing.sink_writing import SCHEMA, SinkWriting, row


class SinkEndpointSuite(SinkWriting):
    """Give a fresh place each test. Every call of ``sink`` is another process's view of the same place."""

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

    def test_a_replacement_that_is_not_complete_hides_nothing_of_what_it_replaces(self, opened: SinkEndpoint) -> None:
        if not self.supports("replace", opened):
            return
        old = self.target("replace", generation=1)
        self.carry(opened, old, [[row(1)], [row(2)]])

        self.carry(opened, self.target("replace", generation=2), [[row(3)]], epoch=2, complete=False)

        assert self.same(self.stored(old), [row(1), row(2)])

    def test_a_generation_that_is_to_replace_others_says_that_it_is_not_seen_yet(self, opened: SinkEndpoint) -> None:
        if not self.supports("replace", opened):
            return
        target = self.target("replace", generation=2)
        self.carry(opened, self.target("replace", generation=1), [[row(1)]])
        self.carry(opened, target, [[row(2)]], epoch=2, complete=False)

        with closing(self.sink()) as later:
            unseen = later.high_water(target, epoch=2)
            later.prepare(target, self.schema(), self.policy)
            later.complete(target, self.policy)
            seen = later.high_water(target, epoch=2)

        assert unseen is not None and unseen.is_pending
        assert seen is not None and not seen.is_pending

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

    def native_file(self) -> None:
        return None


class StagingLost(DataPlaneError):
    """What the breaking reader raises; a sink passes it on unchanged."""

    def __init__(self) -> None:
        super().__init__("The staged rows are gone.", role="staging")
