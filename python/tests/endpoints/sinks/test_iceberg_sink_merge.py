"""Merging by key: a newer version takes a row's place, a tombstone takes it away, and nothing else is touched."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from iceberg_writing import NOTES, TOMBSTONES, IcebergWriting, note, sqlite_catalog

from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged
from headrace.staging import Row


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def marked(number: int, operation: Any, text: str | None = None) -> Row:
    return note(number, text, _headrace_op=operation)


def data_files(writing: IcebergWriting) -> set[str]:
    return set(writing.table().inspect.files()["file_path"].to_pylist())


def test_of_several_rows_with_one_key_the_last_counts(writing: IcebergWriting) -> None:
    writing.put(writing.to("merge"), [note(1, "a"), note(2, "b"), note(1, "c"), note(1, "d")])

    assert writing.notes() == [(1, "d"), (2, "b")]


def test_a_tombstone_deletes_what_has_its_key_and_only_that(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2), note(3)])

    writing.put(target, [marked(2, 1), marked(3, 0, "new"), marked(4, 1)], schema=TOMBSTONES, first=1)

    assert writing.rows() == [note(1), note(3, "new")]


def test_a_row_that_comes_after_its_tombstone_is_there_and_one_before_it_is_not(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2)])
    rows = [marked(1, 1), marked(1, 0, "again"), marked(2, 0, "for a moment"), marked(2, 1)]

    writing.put(target, rows, schema=TOMBSTONES, first=1)

    assert writing.notes() == [(1, "again")]


def test_a_slice_of_tombstones_alone_may_empty_the_table(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2)])

    writing.put(target, [marked(1, 1), marked(2, 1)], schema=TOMBSTONES, first=1)
    writing.put(target, [note(3)], first=2)

    assert writing.notes() == [(3, "old")]


@pytest.mark.parametrize("operation", [2, None])
def test_an_operation_that_is_neither_is_refused(writing: IcebergWriting, operation: Any) -> None:
    with pytest.raises(RowRejected) as refusal:
        writing.put(writing.to("merge"), [marked(1, operation)], schema=TOMBSTONES)

    assert refusal.value.details["column"] == "_headrace_op"
    assert writing.rows() == []


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_tombstones_are_refused_where_nothing_is_merged(writing: IcebergWriting, disposition: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        writing.put(writing.to(disposition), [marked(1, 0, "row"), marked(2, 1)], schema=TOMBSTONES)

    assert refusal.value.details["field"] == "writeDisposition"
    assert writing.rows() == []


def test_a_file_without_a_key_of_the_slice_stays_as_it_is(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2)], [note(3), note(4)])
    before = data_files(writing)

    writing.put(target, [note(3, "new")], first=2)

    assert len(before & data_files(writing)) == 1
    assert writing.notes() == [(1, "old"), (2, "old"), (3, "new"), (4, "old")]
    assert writing.unnamed_files() == []


def test_a_file_that_might_hold_a_key_and_does_not_stays_as_it_is(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(5)])
    before = data_files(writing)

    writing.put(target, [note(3)], first=1)

    assert before <= data_files(writing)
    assert writing.notes() == [(1, "old"), (3, "old"), (5, "old")]


def test_a_merge_is_one_snapshot(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2)])
    before = len(writing.table().snapshots())

    writing.put(target, [note(2, "new"), note(3)], first=1)

    assert len(writing.table().snapshots()) == before + 1


def test_a_column_that_the_slice_does_not_have_keeps_its_value(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    wide = NOTES.append(pa.field("kept", pa.list_(pa.string())))
    writing.put(target, [note(1, kept=["a"]), note(2, kept=None), note(3, kept=["c"])], schema=wide)

    writing.put(target, [note(3, "new"), note(4, "new"), note(1, "new")], first=1)

    assert writing.rows() == [
        note(1, "new", kept=["a"]), note(2, kept=None), note(3, "new", kept=["c"]), note(4, "new", kept=None),
    ]  # fmt: skip


def test_rows_that_others_deleted_do_not_come_back_with_the_file_they_were_in(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2), note(3)])
    writing.table().delete("id = 2")

    writing.put(target, [note(3, "new")], first=1)

    assert writing.notes() == [(1, "old"), (3, "new")]


def test_rows_whose_key_others_renamed_are_not_merged_a_second_time(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.put(target, [note(1), note(2)])
    with writing.table().update_schema() as change:
        change.rename_column("id", "number")

    with pytest.raises(SchemaChanged) as refusal:
        writing.put(target, [note(1, "new")], epoch=2, first=1)

    assert refusal.value.details["column"] == "id"
    assert writing.rows() == [{"number": 1, "note": "old"}, {"number": 2, "note": "old"}]


def test_a_table_of_others_without_rows_gets_the_column_of_the_key(writing: IcebergWriting) -> None:
    target = writing.to("merge")
    writing.catalog().create_namespace("public")
    writing.catalog().create_table(("public", "orders"), pa.schema([("note", pa.string())]))

    writing.put(target, [note(1)], [note(1, "new")])

    assert [(row["id"], row["note"]) for row in writing.rows()] == [(1, "new")]


def test_a_null_key_is_refused(writing: IcebergWriting) -> None:
    with pytest.raises(RowRejected) as refusal:
        writing.put(writing.to("merge"), [note(1), note(None)])

    assert refusal.value.details["column"] == "id"
    assert writing.rows() == []


KEYS: Sequence[tuple[pa.DataType, Any, Any]] = (
    (pa.string(), "é", "e\u0301"),
    (pa.large_string(), "a", "A"),
    (pa.int8(), -1, 1),
    (pa.uint64(), 2**64 - 1, 0),
    (pa.decimal128(38, 9), Decimal("0.000000001"), Decimal("0.000000002")),
    (pa.binary(), b"\0", b""),
    (pa.binary(2), b"ab", b"ba"),
    (pa.timestamp("us", "UTC"), 0, -1),
    (pa.timestamp("us"), 1, 2),
    (pa.date32(), 0, -1),
    (pa.time64("us"), 0, 1),
    (pa.bool_(), True, False),
    (pa.uuid(), uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes),
)


@pytest.mark.parametrize(("kind", "one", "other"), KEYS, ids=lambda value: str(value))
def test_rows_are_found_by_keys_of_this_type(writing: IcebergWriting, kind: pa.DataType, one: Any, other: Any) -> None:
    target = writing.to("merge", key=("part", "id"))
    schema = NOTES.insert(0, pa.field("part", kind))
    writing.put(target, [note(1, part=one), note(1, part=other), note(2, part=one)], schema=schema)

    writing.put(target, [note(1, "new", part=one)], first=1, schema=schema)

    assert sorted(row["note"] for row in writing.rows()) == ["new", "old", "old"]
    scanned = writing.table().scan().to_arrow().to_pylist()
    assert [row["id"] for row in scanned if row["note"] == "new"] == [1]


def test_a_nested_key_is_refused(writing: IcebergWriting) -> None:
    target = writing.to("merge", key=("part",))
    schema = NOTES.append(pa.field("part", pa.list_(pa.int64())))

    with pytest.raises(SchemaChanged) as refusal:
        writing.put(target, [note(1, part=[1])], schema=schema)

    assert refusal.value.details["column"] == "part"


@pytest.mark.parametrize(("key", "field"), [((), "primaryKeys"), (("nowhere",), "primaryKeys")])
def test_merging_without_a_key_of_the_unit_is_refused(
    writing: IcebergWriting, key: tuple[str, ...], field: str
) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        writing.put(writing.to("merge", key=key), [note(1)])

    assert refusal.value.details["field"] == field


def test_a_key_may_be_a_day_that_pythons_calendar_does_not_know(writing: IcebergWriting) -> None:
    schema = pa.schema([("id", pa.date32()), ("note", pa.string())])
    target, days = writing.to("merge"), [-2440588, 0, 2145031948]
    writing.put(target, [{"id": day, "note": "old"} for day in days], schema=schema)

    writing.put(target, [{"id": day, "note": "new"} for day in days[1:]], schema=schema, first=1)

    found = writing.table().scan().to_arrow()
    assert sorted(zip(found["id"].cast(pa.int32()).to_pylist(), found["note"].to_pylist(), strict=True)) == [
        (days[0], "old"), (days[1], "new"), (days[2], "new"),
    ]  # fmt: skip
