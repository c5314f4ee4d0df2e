"""Columns of a table: they are added and widened before the rows that need them, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from iceberg_writing import NOTES, IcebergWriting, note, sqlite_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def values(kind: pa.DataType) -> pa.Schema:
    return pa.schema([("id", pa.int64()), ("v", kind)])


WIDENING = [
    (pa.int8(), 7, pa.int32(), 2**31 - 1),
    (pa.int32(), 7, pa.int64(), 2**40),
    (pa.int64(), 2**40, pa.int16(), 7),
    (pa.float32(), 0.5, pa.float64(), 0.1),
    (pa.float64(), 0.1, pa.float16(), 0.5),
    (pa.decimal128(5, 2), None, pa.decimal128(20, 2), None),
    (pa.decimal128(20, 2), None, pa.decimal128(5, 2), None),
]


@pytest.mark.parametrize(("first", "one", "second", "other"), WIDENING, ids=lambda value: str(value))
def test_a_column_holds_a_wider_and_a_narrower_type(
    writing: IcebergWriting, first: pa.DataType, one: Any, second: pa.DataType, other: Any
) -> None:
    target = writing.to("append")
    writing.put(target, [{"id": 1, "v": one}], schema=values(first))

    writing.put(target, [{"id": 2, "v": other}], schema=values(second), first=1)

    assert writing.rows() == [{"id": 1, "v": one}, {"id": 2, "v": other}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.int64(), pa.string()),
        (pa.int64(), pa.float64()),
        (pa.string(), pa.int64()),
        (pa.decimal128(5, 2), pa.decimal128(5, 3)),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.date32(), pa.timestamp("us")),
        (pa.list_(pa.int32()), pa.list_(pa.string())),
        (pa.binary(2), pa.binary(3)),
    ],
    ids=str,
)
def test_a_column_of_another_kind_is_refused_and_the_table_stays(
    writing: IcebergWriting, first: pa.DataType, second: pa.DataType
) -> None:
    target = writing.to("append")
    writing.put(target, [{"id": 1, "v": None}], schema=values(first))
    before = writing.table().metadata_location

    with pytest.raises(SchemaChanged) as refusal:
        writing.put(target, [{"id": 2, "v": None}], schema=values(second), first=1)

    assert refusal.value.details["column"] == "v"
    assert writing.table().metadata_location == before


def test_a_column_that_the_source_lost_is_null_from_then_on(writing: IcebergWriting) -> None:
    target = writing.to("append")
    writing.put(target, [note(1, more=7)], schema=NOTES.append(pa.field("more", pa.int64())))

    writing.put(target, [note(2)], first=1)

    assert writing.rows() == [note(1, more=7), note(2, more=None)]


@pytest.mark.parametrize("schema", [NOTES.append(pa.field("more", pa.int64())), pa.schema([("id", pa.float64())])])
def test_a_frozen_contract_refuses_every_change(writing: IcebergWriting, schema: pa.Schema) -> None:
    target = writing.to("append")
    writing.put(target, [note(1)])

    with pytest.raises(SchemaChanged):
        writing.put(target, [], first=1, schema=schema, policy={"schemaContract": "freeze"})

    assert writing.rows() == [note(1)]


def test_columns_that_come_twice_are_refused_by_name(writing: IcebergWriting) -> None:
    with (
        pytest.raises(SchemaChanged) as refusal,
        writing.owner(writing.to("append"), schema=pa.schema([("id", pa.int64()), ("id", pa.string())])),
    ):
        pass

    assert refusal.value.details["column"] == "id"


def peoples_table(writing: IcebergWriting, spec: PartitionSpec | None = None) -> None:
    """A table that people made: its id must have a value."""
    catalog = writing.catalog()
    catalog.create_namespace("public")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "note", StringType()))
    catalog.create_table("public.orders", schema, partition_spec=spec or PartitionSpec())


def test_a_required_column_takes_values_and_refuses_a_row_without_one(writing: IcebergWriting) -> None:
    peoples_table(writing)
    target = writing.to("append")
    writing.put(target, [note(1)])

    with pytest.raises(RowRejected) as refusal:
        writing.put(target, [note(2), note(None)], first=1)

    assert refusal.value.details["column"] == "id"
    assert writing.rows() == [note(1)]


def test_a_required_column_that_the_rows_lack_is_refused(writing: IcebergWriting) -> None:
    peoples_table(writing)

    with pytest.raises(SchemaChanged) as refusal:
        writing.put(writing.to("append"), [], schema=pa.schema([("note", pa.string())]))

    assert refusal.value.details["column"] == "id"


def test_a_partitioned_table_is_refused_before_a_row_is_read(writing: IcebergWriting) -> None:
    peoples_table(writing, PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "id")))

    with pytest.raises(ConfigInvalid) as refusal:
        writing.put(writing.to("append"), [note(1)])

    assert refusal.value.details["table"] == "public.orders"


def test_names_that_catalogs_do_not_have_are_made_of_what_they_do(tmp_path: Path) -> None:
    writing = IcebergWriting(sqlite_catalog(tmp_path), unit_id="in/größe.my table.csv")

    writing.put(writing.to("append"), [note(1)])

    assert writing.table().name() == ("in_gr__e", "my_table_csv")
    assert writing.rows() == [note(1)]
