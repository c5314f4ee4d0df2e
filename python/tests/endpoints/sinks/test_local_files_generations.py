"""Slots and generations of the local-files sink: what is adopted, fenced, replaced, and when a reader sees it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import described, ids, land, leftovers, record_of, rows, sink, target, visible, write

from headrace.commit import record_hash
from headrace.endpoint import WriteDisposition
from headrace.errors import SchemaChanged, SinkFenced


def test_high_water_is_the_highest_record_of_the_generation_and_its_hash(tmp_path: Path) -> None:
    applied = land(tmp_path, target(), *(rows(n) for n in range(12)))

    high = sink(tmp_path).high_water(target(), 1)

    assert high is not None
    assert high.record == applied[-1].record
    assert high.hash == record_hash(applied[-1].record)


def test_the_same_slice_again_is_adopted_and_not_written(tmp_path: Path) -> None:
    (first,) = land(tmp_path, target(), rows(1, 2))
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    again = write(into, target(), 0, rows(1, 2), epoch=2)

    assert again.adopted
    assert again.record == first.record
    assert ids(tmp_path) == [1, 2]


def test_a_slot_taken_by_the_predecessor_with_fewer_rows_is_adopted_as_it_is(tmp_path: Path) -> None:
    (first,) = land(tmp_path, target(), rows(1))
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})

    again = write(into, target(), 0, rows(1, 2), epoch=2)

    assert (again.adopted, again.rows, again.record) == (True, 1, first.record)


def test_an_older_epoch_is_fenced_where_a_newer_one_has_written(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1), epoch=7)
    into = sink(tmp_path)

    with pytest.raises(SinkFenced):
        into.high_water(target(), 6)
    with pytest.raises(SinkFenced):
        write(into, target(), 0, rows(1), epoch=6)


def test_a_slot_of_another_history_is_not_adopted(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))

    with pytest.raises(SinkFenced, match="does not follow"):
        write(sink(tmp_path), target(), 0, rows(2), prev_hash="0" * 64)


def test_a_replacement_is_seen_when_it_is_whole_and_until_then_what_it_replaces(tmp_path: Path) -> None:
    land(tmp_path, target(1, disposition="replace"), rows(1), rows(2))
    into = sink(tmp_path)
    new = target(2, disposition="replace")

    assert into.high_water(new, 2) is None
    into.prepare(new, described(rows()), {})
    first = write(into, new, 0, rows(3), epoch=2)
    write(into, new, 1, rows(4), epoch=2, prev_hash=record_hash(first.record))
    assert ids(tmp_path) == [1, 2]

    into.complete(new, {})
    assert ids(tmp_path) == [3, 4]
    assert sorted(path.name for path in (tmp_path / "public.orders").iterdir()) == ["_unit.json", "gen=2"]
    assert leftovers(tmp_path) == []


def test_a_replacement_that_was_given_up_is_never_seen_and_its_writer_is_fenced(tmp_path: Path) -> None:
    land(tmp_path, target(1, disposition="replace"), rows(1))
    zombie, given_up = sink(tmp_path), target(2, disposition="replace")
    zombie.high_water(given_up, 2)
    zombie.prepare(given_up, described(rows()), {})
    write(zombie, given_up, 0, rows(2), epoch=2)

    land(tmp_path, target(3, disposition="replace"), rows(3), epoch=3)

    with pytest.raises(SinkFenced):
        write(zombie, given_up, 1, rows(2), epoch=2)
    with pytest.raises(SinkFenced):
        zombie.complete(given_up, {})
    assert ids(tmp_path) == [3]


def test_a_replacement_has_the_columns_it_has_whatever_it_replaces(tmp_path: Path) -> None:
    land(tmp_path, target(1, disposition="replace"), rows(1))

    land(tmp_path, target(2, disposition="replace"), pa.table({"id": pa.array(["a"])}), epoch=2)

    assert ids(tmp_path) == ["a"]


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_append_and_merge_keep_older_generations(tmp_path: Path, disposition: WriteDisposition) -> None:
    land(tmp_path, target(1, disposition=disposition), rows(1))

    land(tmp_path, target(2, disposition=disposition), rows(2), epoch=2)

    assert ids(tmp_path) == [1, 2]


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_writer_of_a_generation_that_was_left_is_fenced(tmp_path: Path, disposition: WriteDisposition) -> None:
    old, new = target(1, disposition=disposition), target(2, disposition=disposition)
    zombie = sink(tmp_path)
    zombie.high_water(old, 1)
    zombie.prepare(old, described(rows()), {})
    write(zombie, old, 0, rows(1))
    land(tmp_path, new, rows(9), epoch=2)
    seen = ids(tmp_path)

    with pytest.raises(SinkFenced):
        write(zombie, old, 1, rows(2))
    with pytest.raises(SinkFenced):
        zombie.prepare(old, described(rows()), {})

    assert ids(tmp_path) == seen


def test_closing_an_older_generation_twice_takes_one_slot(tmp_path: Path) -> None:
    land(tmp_path, target(1), rows(1))

    for epoch in (2, 3, 4):
        sink(tmp_path).high_water(target(2), epoch)

    assert len(list((tmp_path / "public.orders" / "gen=1").iterdir())) == 2


def test_every_reader_agrees_on_the_record_of_each_slot(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1, 2), rows(3))

    for path in visible(tmp_path):
        assert record_of(path.parent)["rows"] == pq.read_metadata(path).num_rows
        assert re.fullmatch("[0-9a-f]{64}", record_of(path.parent)["sha256"])
    assert hashlib.sha256(b"closed").hexdigest() not in {record_of(path.parent)["sha256"] for path in visible(tmp_path)}


def test_a_generation_that_replaces_older_ones_has_columns_of_its_own_from_then_on(tmp_path: Path) -> None:
    land(tmp_path, target(1), rows(1))
    changed = pa.table({"id": pa.array([2], pa.int64()), "name": pa.array([b"\xff"], pa.binary())})
    with pytest.raises(SchemaChanged, match="Reset the unit"):
        land(tmp_path, target(1), changed)

    land(tmp_path, target(2, disposition="replace"), changed, epoch=2)
    land(tmp_path, target(2), changed, epoch=3)

    assert ids(tmp_path) == [2, 2]
    assert {pq.read_schema(path).field("name").type for path in visible(tmp_path)} == {pa.binary()}
