"""Units without a row in the local-files sink: a reader finds their columns, once, and later rows follow."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import described, ids, land, record_of, rows, sink, target, visible, write

from headrace.commit import first_hash, record_hash
from headrace.endpoint import WriteDisposition
from headrace.errors import SinkFenced
from headrace.protocol import CommitRecord


def slots(base: Path, generation: int = 1) -> list[str]:
    return sorted(os.listdir(base / "public.orders" / f"gen={generation}"))


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_first_run_without_rows_leaves_a_slice_without_rows_that_has_the_columns(
    tmp_path: Path, disposition: WriteDisposition
) -> None:
    land(tmp_path, target(disposition=disposition), epoch=3)

    (part,) = visible(tmp_path)
    assert pq.read_table(part).equals(rows())
    found = record_of(part.parent)
    assert (found["slice_seq"], found["rows"], found["from_ckpt"], found["to_ckpt"]) == (0, 0, None, None)
    assert (found["epoch"], found["prev_hash"]) == (3, first_hash(target().unit, 1))


def test_runs_that_go_on_without_rows_leave_nothing_more(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        land(tmp_path, target(), epoch=epoch)

    assert slots(tmp_path) == ["slice=000000"]


def test_the_first_rows_follow_the_columns(tmp_path: Path) -> None:
    land(tmp_path, target())

    (applied,) = land(tmp_path, target(), rows(1, 2), epoch=2)

    first = CommitRecord(**record_of(visible(tmp_path)[0].parent))
    assert (applied.record.slice_seq, applied.record.prev_hash) == (1, record_hash(first))
    assert ids(tmp_path) == [1, 2]
    assert pa.concat_tables(map(pq.read_table, visible(tmp_path))).schema.equals(rows().schema)


def test_a_run_with_rows_leaves_no_slice_without(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))
    land(tmp_path, target(), epoch=2)

    assert slots(tmp_path) == ["slice=000000"]


@pytest.mark.parametrize(("disposition", "left"), [("append", []), ("replace", ["slice=000000"])])
def test_another_generation_without_rows_leaves_columns_only_where_no_file_has_any(
    tmp_path: Path, disposition: WriteDisposition, left: list[str]
) -> None:
    land(tmp_path, target(disposition=disposition), rows(1))

    land(tmp_path, target(2, disposition=disposition), epoch=2)

    assert slots(tmp_path, 2) == left
    assert ids(tmp_path) == ([1] if disposition == "append" else [])


def test_slices_of_which_nothing_was_staged_are_followed_by_the_columns(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.high_water(target(), 1)
    into.prepare(target(), described(rows()), {})
    applied = write(into, target(), 0, None)

    into.complete(target(), {})

    (part,) = visible(tmp_path)
    found = record_of(part.parent)
    assert (found["slice_seq"], found["from_ckpt"], found["to_ckpt"]) == (1, 1, 1)
    assert found["prev_hash"] == record_hash(applied.record)


def test_a_unit_of_which_no_column_is_known_leaves_no_slice(tmp_path: Path) -> None:
    into = sink(tmp_path)
    into.high_water(target(), 1)
    into.prepare(target(), described(pa.table({})), {})

    into.complete(target(), {})

    assert slots(tmp_path) == []


def test_an_owner_of_a_replacement_that_was_given_up_leaves_nothing(tmp_path: Path) -> None:
    zombie, old = sink(tmp_path), target(1, disposition="replace")
    zombie.high_water(old, 1)
    zombie.prepare(old, described(rows()), {})
    land(tmp_path, target(2, disposition="replace"), rows(9), epoch=2)

    with pytest.raises(SinkFenced):
        zombie.complete(old, {})

    assert ids(tmp_path) == [9]


def test_a_directory_that_was_emptied_before_the_first_row_is_no_gap(tmp_path: Path) -> None:
    """The control plane counts the slice that was there, so the next one is the second."""
    into = sink(tmp_path)
    into.prepare(target(), described(rows()), {})
    write(into, target(), 1, rows(1))

    high = sink(tmp_path).high_water(target(), 2)

    assert high is not None and high.record.slice_seq == 1
