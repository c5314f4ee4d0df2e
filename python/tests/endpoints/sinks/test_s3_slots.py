"""What is special to slots in a bucket: who sees which generation, who loses a race, and what is deleted when."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import UNIT, described, rows, target, write
from s3_lake import REPLACING, Lake

from headrace.endpoint import Target
from headrace.errors import (
    SinkFenced,
)

pytestmark = pytest.mark.s3_server


@pytest.fixture
def lake() -> Lake:
    return Lake()


def newer(disposition: Any = "replace") -> Target:
    return target(generation=2, disposition=disposition)


def test_a_slice_lies_as_it_is_drawn_and_its_record_names_its_files(lake: Lake) -> None:
    lake.land(target(), rows(1, 2))

    (part,) = lake.parts()
    record = json.loads(lake.server.read(f"{lake.unit}/gen=1/slice=000000/_commit.json"))
    assert set(lake.listed()) == {
        "_unit.json", "_current.json", "_read.sql", "gen=1/slice=000000/_commit.json", part,
    }  # fmt: skip
    assert [f"gen=1/slice=000000/{file['name']}" for file in record["files"]] == [part]
    assert (record["unit"], record["rows"], record["files"][0]["rows"]) == (UNIT, 2, 2)


def test_readers_see_the_old_rows_whole_until_a_replacement_is_complete_and_then_the_new_ones(lake: Lake) -> None:
    lake.land(REPLACING, rows(1), rows(2))

    with closing(lake.sink()) as sink:
        sink.high_water(newer(), 2)
        sink.prepare(newer(), described(rows()), {})
        write(sink, newer(), 0, rows(3), epoch=2)
        before = lake.ids()
        sink.complete(newer(), {})

    assert (before, lake.ids()) == ([1, 2], [3])


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_unit_without_rows_leaves_its_columns_once(lake: Lake, disposition: Any) -> None:
    for epoch in (1, 2):
        lake.land(target(disposition=disposition), epoch=epoch)

    (part,) = lake.parts()
    content = pa.BufferReader(lake.server.read(f"{lake.unit}/{part}"))
    assert pq.read_table(content).equals(rows())
    assert lake.ids() == []


def test_what_was_replaced_is_deleted_by_the_run_after(lake: Lake) -> None:
    lake.land(REPLACING, rows(1))
    lake.land(newer(), rows(2), epoch=2)
    still_there = [key for key in lake.parts() if key.startswith("gen=1/")]

    lake.land(target(generation=3, disposition="replace"), rows(3), epoch=3)

    assert len(still_there) == 1
    assert [key for key in lake.listed() if key.startswith("gen=1/")] == []
    assert lake.ids() == [3]


def test_a_replacement_that_was_given_up_is_never_seen_and_is_deleted(lake: Lake) -> None:
    lake.land(REPLACING, rows(1))
    lake.land(newer(), rows(2), epoch=2, complete=False)

    lake.land(target(generation=3, disposition="replace"), rows(3), epoch=3)
    lake.land(target(generation=4, disposition="replace"), rows(4), epoch=4)

    assert lake.ids() == [4]
    assert {key.split("/")[0] for key in lake.parts()} == {"gen=3", "gen=4"}


def test_a_late_owner_of_a_replacement_that_was_given_up_can_neither_write_nor_show_it(lake: Lake) -> None:
    with closing(lake.sink()) as late:
        late.high_water(REPLACING, 1)
        late.prepare(REPLACING, described(rows()), {})
        lake.land(newer(), rows(2), epoch=2)

        with pytest.raises(SinkFenced):
            write(late, REPLACING, 0, rows(1))
        with pytest.raises(SinkFenced):
            late.complete(REPLACING, {})

    assert lake.ids() == [2]
    assert len(lake.parts()) == 1


def test_a_late_writer_of_an_older_generation_finds_its_slot_closed(lake: Lake) -> None:
    with closing(lake.sink()) as late:
        late.high_water(target(), 1)
        late.prepare(target(), described(rows()), {})
        write(late, target(), 0, rows(1))
        lake.land(newer("append"), rows(2), epoch=2)

        with pytest.raises(SinkFenced):
            write(late, target(), 1, rows(1))

    assert lake.ids() == [1, 2]


def test_an_owner_whose_slot_a_newer_one_took_is_fenced_and_leaves_nothing(lake: Lake) -> None:
    with closing(lake.sink()) as late:
        late.high_water(target(), 1)
        late.prepare(target(), described(rows()), {})
        lake.land(target(), rows(2), epoch=2)

        with pytest.raises(SinkFenced):
            write(late, target(), 0, rows(1))

    assert lake.ids() == [2]
    assert len(lake.parts()) == 1
