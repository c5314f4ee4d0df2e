"""Replacing: nobody sees a generation, its columns included, before it is whole, and older snapshots stay readable."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from iceberg_writing import NOTES, IcebergWriting, note, sqlite_catalog
from pyiceberg.table.refs import MAIN_BRANCH

from headrace.errors import ConfigInvalid

TEXTUAL = pa.schema([("id", pa.string()), ("added", pa.date32())])


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def test_a_generation_appears_with_its_columns_at_once_and_not_before(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace"), [note(1), note(2)])
    newer = writing.to("replace", generation=2)
    rows = [{"id": "a", "added": None}]

    with writing.owner(newer, epoch=2, schema=TEXTUAL) as sink:
        writing.write(sink, newer, rows, seq=0, epoch=2, schema=TEXTUAL)
        writing.write(sink, newer, [{"id": "b", "added": None}], seq=1, epoch=2, schema=TEXTUAL)
        before = writing.rows()
        sink.complete(newer, {})

    assert before == [note(1), note(2)]
    assert writing.rows() == [{"id": "a", "added": None}, {"id": "b", "added": None}]


def test_an_older_snapshot_is_read_as_it_was_though_a_column_has_another_type_now(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace"), [note(1), note(2)])
    before = writing.table().current_snapshot()
    assert before is not None

    writing.put(writing.to("replace", generation=2), [{"id": "a", "added": None}], epoch=2, schema=TEXTUAL)

    then = writing.table().scan(snapshot_id=before.snapshot_id).to_arrow()
    assert then.sort_by("id").to_pylist() == [note(1), note(2)]


def test_the_branches_of_a_replacement_are_gone_when_it_is_seen(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace", generation=1), [note(1)], complete=False)
    writing.put(writing.to("replace", generation=2), [note(2)], epoch=2, complete=False)
    given_up = set(writing.table().refs())

    writing.put(writing.to("replace", generation=2), epoch=2)

    fence, *others = sorted(set(writing.table().refs()) - {MAIN_BRANCH})
    assert (others, given_up) == ([], {MAIN_BRANCH, fence, f"{fence}-g2"})
    assert writing.notes() == [(2, "old")]


def test_a_replacement_that_broke_off_goes_on_where_it_was(writing: IcebergWriting) -> None:
    target = writing.to("replace", generation=2)
    writing.put(writing.to("replace"), [note(9)])
    writing.put(target, [note(1)], epoch=2, complete=False)

    writing.put(target, [note(2)], epoch=3, first=1)

    assert writing.notes() == [(1, "old"), (2, "old")]


def test_rows_are_added_to_a_generation_that_has_become_visible(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace", generation=2), [note(1)])

    writing.put(writing.to("append", generation=2), [note(2)], epoch=2, first=1)

    assert writing.notes() == [(1, "old"), (2, "old")]


def test_a_column_that_comes_in_the_middle_of_a_replacement_is_not_seen_before_its_end(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace"), [note(9)])
    target, wider = writing.to("replace", generation=2), NOTES.append(pa.field("more", pa.int32()))
    writing.put(target, [note(1)], epoch=2, complete=False)

    writing.put(target, [note(2, more=7)], epoch=2, first=1, schema=wider, complete=False)
    before = writing.rows()
    writing.put(target, epoch=2, schema=wider)

    assert before == [note(9)]
    assert writing.rows() == [note(1, more=None), note(2, more=7)]


def test_a_table_that_people_made_is_not_replaced(writing: IcebergWriting) -> None:
    catalog = writing.catalog()
    catalog.create_namespace("public")
    catalog.create_table("public.orders", NOTES).append(pa.lib.Table.from_pylist([note(1)], NOTES))

    with pytest.raises(ConfigInvalid) as refusal:
        writing.put(writing.to("replace"), [note(2)])

    assert refusal.value.details["owner"] is None
    assert writing.notes() == [(1, "old")]


def test_an_empty_generation_takes_the_place_of_rows_and_has_its_columns(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace"), [note(1)])

    writing.put(writing.to("replace", generation=2), epoch=2, schema=TEXTUAL)

    assert writing.rows() == []
    assert writing.table().schema().column_names == ["id", "added"]
