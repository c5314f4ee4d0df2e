"""What a table keeps of a unit: the record outlives snapshots, and what was taken back is seen."""

from __future__ import annotations

import datetime
import json
from contextlib import closing
from pathlib import Path

import pytest
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from pyiceberg.table import Table

from headrace.endpoint import HighWater, Target
from headrace.endpoints.sinks.iceberg_ledger import fence_branch, state_property
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SinkFenced


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def high_water(writing: IcebergWriting, target: Target, epoch: int = 1) -> HighWater | None:
    with closing(writing.sink()) as sink:
        return sink.high_water(target, epoch)


def slices(table: Table) -> list[int]:
    """Numbers of the slices that the table's history has, oldest first."""
    found = [snapshot.summary for snapshot in table.snapshots() if snapshot.summary is not None]
    return [json.loads(said)["sliceSeq"] for summary in found if (said := summary.get("headrace.record")) is not None]


def test_a_slice_is_one_snapshot_whose_summary_has_the_record(writing: IcebergWriting) -> None:
    target = writing.to("append")

    *_, last = writing.put(target, [note(1)], [note(2)])

    assert slices(writing.table()) == [0, 1]
    head = writing.table().current_snapshot()
    assert head is not None and head.summary is not None
    assert json.loads(head.summary["headrace.record"] or "")["sha256"] == last.record.sha256


def test_the_record_is_there_when_every_old_snapshot_has_expired(writing: IcebergWriting) -> None:
    target = writing.to("append")
    *_, last = writing.put(target, [note(1)], [note(2)])
    later = datetime.datetime.now() + datetime.timedelta(days=1)
    table = writing.table()
    table.append(table.scan().to_arrow().slice(0, 0))

    table.maintenance.expire_snapshots().older_than(later).commit()

    assert slices(writing.table()) == []
    found = high_water(writing, target)
    assert found is not None and found.record == last.record


def test_the_record_is_found_in_the_summaries_when_the_property_is_gone(writing: IcebergWriting) -> None:
    target = writing.to("append")
    *_, last = writing.put(target, [note(1)], [note(2)])

    with writing.table().transaction() as change:
        change.remove_properties(state_property(target.unit))

    found = high_water(writing, target)
    assert found is not None and found.record == last.record


def test_a_slice_before_the_last_is_adopted_as_well(writing: IcebergWriting) -> None:
    target = writing.to("append")
    first, _ = writing.put(target, [note(1)], [note(2)])

    (again,) = writing.put(target, [note(1)])

    assert again.adopted and again.record == first.record
    assert writing.notes() == [(1, "old"), (2, "old")]


def test_a_table_that_was_set_back_is_ahead_of_nothing(writing: IcebergWriting) -> None:
    target = writing.to("append")
    writing.put(target, [note(1)])
    table = writing.table()
    before = table.current_snapshot()
    writing.put(target, [note(2)], first=1)
    assert before is not None

    with writing.table().manage_snapshots() as change:
        change.rollback_to_snapshot(before.snapshot_id)

    with pytest.raises(CheckpointAheadOfSink) as refusal:
        high_water(writing, target)
    assert refusal.value.details["table"] == "public.orders"


def test_rows_that_people_delete_are_theirs(writing: IcebergWriting) -> None:
    target = writing.to("append")
    writing.put(target, [note(1), note(2)])

    writing.table().delete("id = 1")
    writing.put(target, [note(3)], first=1)

    assert writing.notes() == [(2, "old"), (3, "old")]


def test_the_fence_of_a_unit_is_one_snapshot_whatever_the_number_of_its_runs(writing: IcebergWriting) -> None:
    target = writing.to("append")
    writing.put(target, [note(1)])
    before = len(writing.table().snapshots())

    for epoch in (2, 3, 4):
        high_water(writing, target, epoch)

    table = writing.table()
    fence = table.snapshot_by_name(fence_branch(target.unit))
    assert fence is not None and fence.summary is not None and fence.summary["headrace.epoch"] == "4"
    assert len(table.snapshots()) == before


def test_an_owner_is_fenced_by_one_that_came_before_there_was_a_table(writing: IcebergWriting) -> None:
    target = writing.to("append")
    with closing(writing.sink()) as older:
        older.high_water(target, 1)
        high_water(writing, target, 2)

        with pytest.raises(SinkFenced):
            older.prepare(target, writing.schema(), {})

    assert writing.rows() == []


def test_a_new_generation_begins_without_a_record(writing: IcebergWriting) -> None:
    writing.put(writing.to("append"), [note(1)])

    assert high_water(writing, writing.to("append", generation=2), 2) is None


def test_a_table_of_another_unit_is_not_added_to(writing: IcebergWriting) -> None:
    writing.put(writing.to("append"), [note(1)])
    other = IcebergWriting(writing.parameters, "public/orders")
    other.parameters["namespace"] = "public"
    writing.parameters["namespace"] = "public"
    writing.put(writing.to("append"), [note(2)], first=1)
    other.unit_id = "other.orders"

    with pytest.raises(ConfigInvalid) as refusal:
        other.put(other.to("append"), [note(3)])

    assert refusal.value.details["owner"] == "dev/shop/public.orders/lake"
    assert writing.notes() == [(1, "old"), (2, "old")]
