"""Rows that an Iceberg table cannot hold: set aside by place and reason, counted, and never in the way of others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from carrying import SourceThat, Watching, unit_run
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from headrace.events import Finished, Rejected, RejectedRow, Sealed
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

ALL = {"maxRows": 1000, "maxRatio": 1}
FINE = pa.schema([("id", pa.int64()), ("at", pa.timestamp("ns"))])


class Carrying:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.lake = IcebergWriting({**sqlite_catalog(root), "namespace": "lake"}, "rows")
        self.watching = Watching()

    def run(self, batches: Sequence[pa.RecordBatch], policy: dict[str, Any], **changes: Any) -> Finished:
        self.watching = Watching()
        run = unit_run(sink_id="lake", policy={"writeDisposition": "append", **policy}, **changes)
        source = _Anew(lambda _: iter(batches), 1)
        with closing(source), closing(self.lake.sink()) as sink:
            return run_unit(run, source, sink, LocalDiskStaging(self.root / "staging"), self.watching)

    @property
    def rejected(self) -> list[tuple[int, str, str | None]]:
        return [(row.position, row.code, row.column) for row in self.rows]

    @property
    def rows(self) -> list[RejectedRow]:
        return [row for event in self.watching.of(Rejected) for row in event.rows]

    @property
    def counted(self) -> list[tuple[int, int, int]]:
        return [(sealed.read, sealed.rows, sealed.rejected) for sealed in self.watching.of(Sealed)]

    def stored(self, column: str = "id") -> list[Any]:
        return sorted((row[column] for row in self.lake.rows()), key=lambda value: (value is None, value))


class _Anew(SourceThat):
    """One slice, wherever the last one ended."""

    def plan(self, unit_id: str, checkpoint: Any, policy: Any, next_seq: int = 0) -> Any:
        return super().plan(unit_id, None, policy, next_seq)


@pytest.fixture
def carrying(tmp_path: Path) -> Carrying:
    return Carrying(tmp_path)


def fine(*nanoseconds: int | None) -> pa.RecordBatch:
    return pa.record_batch([pa.array(range(len(nanoseconds)), pa.int64()), list(nanoseconds)], schema=FINE)


def table_with_a_required_note(carrying: Carrying) -> None:
    catalog = carrying.lake.catalog()
    catalog.create_namespace("lake")
    fields = NestedField(1, "id", LongType(), required=False), NestedField(2, "note", StringType(), required=True)
    catalog.create_table(("lake", "rows"), Schema(*fields))


def test_values_finer_than_the_table_keeps_stay_behind_and_all_others_land(carrying: Carrying) -> None:
    values = [number * 1000 + (number in (0, 7, 500, 999)) for number in range(1000)]

    finished = carrying.run([fine(*values[:300]), fine(*values[300:])], {"quarantine": ALL})

    assert finished.errors == []
    assert carrying.rejected == [(at, "UNSTORABLE", "at") for at in (0, 7, 500, 999)]
    assert all("cannot hold exactly" in row.reason for row in carrying.rows)
    assert carrying.counted == [(1000, 996, 4)]
    assert len(carrying.stored()) == 996
    assert carrying.lake.unnamed_files() == []


def test_without_a_quarantine_the_first_such_value_ends_the_run_and_nothing_lands(carrying: Carrying) -> None:
    finished = carrying.run([fine(1000, 1, 2000)], {})

    assert [error.tag for error in finished.errors] == ["RowRejected"]
    assert carrying.stored() == []


def test_more_rows_than_the_policy_sets_aside_end_the_run_and_nothing_lands(carrying: Carrying) -> None:
    finished = carrying.run([fine(1000, 1, 2, 3)], {"quarantine": {"maxRows": 2, "maxRatio": 1}})

    assert [error.tag for error in finished.errors] == ["QuarantineExceeded"]
    assert carrying.stored() == []


def test_a_row_without_a_value_that_the_table_requires_stays_behind(carrying: Carrying) -> None:
    table_with_a_required_note(carrying)
    batch = pa.record_batch([[1, 2, 3], ["a", None, "c"]], names=["id", "note"])

    finished = carrying.run([batch], {"quarantine": ALL, "mode": "incremental"})

    assert finished.errors == []
    assert carrying.rejected == [(1, "CONSTRAINT", "note")]
    assert carrying.stored() == [1, 3]


MERGED = {"writeDisposition": "merge", "primaryKeys": ["id"], "quarantine": ALL}
CHANGES = pa.schema([("id", pa.int64()), ("at", pa.timestamp("ns")), ("_headrace_op", pa.int8())])


def test_of_rows_that_are_merged_those_without_a_key_or_an_operation_stay_behind(carrying: Carrying) -> None:
    columns = [[1, None, 3, None, 5, 6, 7], [1, 2000, 3, None, 5000, 6000, None], [0, 0, 0, 1, 0, 2, None]]

    finished = carrying.run([pa.record_batch(columns, schema=CHANGES)], MERGED)

    assert finished.errors == []
    assert carrying.rejected == [
        (0, "UNSTORABLE", "at"), (1, "CONSTRAINT", "id"), (2, "UNSTORABLE", "at"), (3, "CONSTRAINT", "id"),
        (5, "UNSTORABLE", "_headrace_op"), (6, "UNSTORABLE", "_headrace_op"),
    ]  # fmt: skip
    assert carrying.counted == [(7, 1, 6)]
    assert carrying.stored() == [5]


def test_a_deletion_needs_no_value_but_its_key(carrying: Carrying) -> None:
    table_with_a_required_note(carrying)
    schema = pa.schema([("id", pa.int64()), ("note", pa.string()), ("_headrace_op", pa.int8())])

    finished = carrying.run([pa.record_batch([[1, 2, 1], ["a", "b", None], [0, 0, 1]], schema=schema)], MERGED)

    assert (finished.errors, carrying.rejected) == ([], [])
    assert carrying.stored() == [2]


def test_a_deletion_whose_key_no_row_can_have_stays_behind(carrying: Carrying) -> None:
    schema = pa.schema([("at", pa.timestamp("ns")), ("_headrace_op", pa.int8())])

    carrying.run([pa.record_batch([[1000, 1], [0, 1]], schema=schema)], {**MERGED, "primaryKeys": ["at"]})

    assert carrying.rejected == [(1, "UNSTORABLE", "at")]


# ---- a schema that is to stay as it is


@pytest.mark.parametrize(
    ("contract", "stored", "rejected"),
    [("discard_row", [1, 2, 4], [(0, "SCHEMA", "id")]), ("discard_value", [1, 2, 4, None], [])],
)
@pytest.mark.parametrize(
    "values", [pa.array([2**40, 4]), pa.array([2**40, 4], pa.decimal256(60, 0))], ids=lambda values: str(values.type)
)
def test_a_value_wider_than_the_column_there_is_discarded_as_the_contract_says(
    carrying: Carrying, contract: str, stored: list[Any], rejected: list[Any], values: pa.Array
) -> None:
    carrying.run([pa.record_batch([pa.array([1, 2], pa.int32())], names=["id"])], {"mode": "incremental"})
    policy = {"mode": "incremental", "schemaContract": contract, "quarantine": ALL}

    finished = carrying.run([pa.record_batch([values], names=["id"])], policy, epoch=2, next_seq=1)

    assert finished.errors == []
    assert (carrying.stored(), carrying.rejected) == (stored, rejected)
    assert str(carrying.lake.table().schema().find_type("id")) == "int"


@pytest.mark.parametrize(("contract", "stored"), [("discard_row", [1, 3]), ("discard_value", [1, 2, 3])])
def test_a_column_that_is_new_is_not_added(carrying: Carrying, contract: str, stored: list[Any]) -> None:
    carrying.run([pa.record_batch([[1]], names=["id"])], {"mode": "incremental"})
    wider = pa.record_batch([[2, 3], ["new", None]], names=["id", "more"])
    policy = {"mode": "incremental", "schemaContract": contract, "quarantine": ALL}

    finished = carrying.run([wider], policy, epoch=2, next_seq=1)

    assert finished.errors == []
    assert carrying.stored() == stored
    assert [field.name for field in carrying.lake.table().schema().fields] == ["id"]


def test_a_value_of_another_kind_than_a_nested_column_is_discarded(carrying: Carrying) -> None:
    lists = pa.record_batch([[1], [[1, 2]]], names=["id", "many"])
    carrying.run([lists], {"mode": "incremental"})
    policy = {"mode": "incremental", "schemaContract": "discard_value"}

    finished = carrying.run([pa.record_batch([[2], ["text"]], names=["id", "many"])], policy, epoch=2, next_seq=1)

    assert finished.errors == []
    assert [(row["id"], row["many"]) for row in carrying.lake.rows()] == [(1, [1, 2]), (2, None)]


def test_a_replacement_is_held_to_no_column_of_what_it_replaces(carrying: Carrying) -> None:
    replaced = {"mode": "full", "writeDisposition": "replace", "schemaContract": "discard_row"}
    carrying.run([pa.record_batch([[1]], names=["id"])], replaced)

    finished = carrying.run([pa.record_batch([["a"]], names=["id"])], replaced, epoch=2, generation=2)

    assert (finished.errors, carrying.rejected) == ([], [])
    assert carrying.stored() == ["a"]


def test_a_replacement_that_goes_on_is_held_to_the_columns_that_it_began_with(carrying: Carrying) -> None:
    lake, target = carrying.lake, carrying.lake.to("replace", 2)
    lake.put(lake.to("replace", 1), [note(1)])
    wider = pa.schema([("id", pa.int32()), ("more", pa.string())])
    lake.put(target, [{"id": 1, "more": "x"}], epoch=2, schema=wider, complete=False)

    with closing(lake.sink()) as sink:
        sink.high_water(target, epoch=3)
        there = sink.schema_there(target, pa.schema([("id", pa.int64()), ("more", pa.string()), ("note", pa.string())]))

    assert there == wider


def test_a_column_of_nothing_but_null_fits_whatever_is_there(carrying: Carrying) -> None:
    columns = {"id": pa.array([1]), "at": pa.array([0], pa.timestamp("us")), "many": pa.array([[1]])}
    carrying.run([pa.record_batch(columns)], {"mode": "incremental"})
    empty = pa.record_batch({"id": pa.array([2]), "at": pa.nulls(1), "many": pa.nulls(1)})

    finished = carrying.run([empty], {"mode": "incremental", "schemaContract": "freeze"}, epoch=2, next_seq=1)

    assert finished.errors == []
    assert [(row["at"] is None, row["many"]) for row in carrying.lake.rows()] == [(False, [1]), (True, None)]
