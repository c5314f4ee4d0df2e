"""Rows to Arrow and back: every value as it was, or a refusal that names column and row."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import JSON_VALUES, NESTED, SCALARS, ZONED, is_same

from headrace.errors import RowRejected, SchemaChanged
from headrace.rows import arrow_from_rows, conformed, joined_schema, rows_from_arrow
from headrace.rowtypes import json_field


def carried(*batches: list[Any]) -> list[Any]:
    """A column written in several batches, under the schema that holds them all, and read."""
    written: list[pa.RecordBatch] = []
    position = 0
    for values in batches:
        written.append(arrow_from_rows([{"value": value} for value in values], position))
        position += len(values)
    schema = written[0].schema
    for batch in written[1:]:
        schema = joined_schema(schema, batch.schema)
    return [row["value"] for batch in written for row in rows_from_arrow(conformed(batch, schema))]


def assert_same(found: list[Any], values: list[Any]) -> None:
    assert len(found) == len(values)
    assert [(one, other) for one, other in zip(found, values, strict=True) if not is_same(one, other)] == []


@pytest.mark.parametrize("kind", SCALARS)
@given(data=st.data())
def test_values_of_one_kind_and_their_absence_come_back_exactly(kind: str, data: st.DataObject) -> None:
    column = st.lists(SCALARS[kind] | st.none(), min_size=1, max_size=6)
    first, second = data.draw(column), data.draw(column)

    assert_same(carried(first, second), [*first, *second])


@given(moments=ZONED)
def test_moments_keep_their_instant_and_their_zone(moments: list[datetime.datetime]) -> None:
    found = carried([*moments, None])

    assert found[-1] is None
    assert [moment.astimezone(datetime.UTC) for moment in found[:-1]] == [m.astimezone(datetime.UTC) for m in moments]
    assert [moment.utcoffset() for moment in found[:-1]] == [moment.utcoffset() for moment in moments]
    assert [moment.replace(tzinfo=None) for moment in found[:-1]] == [m.replace(tzinfo=None) for m in moments]


@given(st.lists(JSON_VALUES, min_size=1, max_size=4), st.lists(JSON_VALUES, max_size=3))
def test_nested_values_of_any_shape_come_back_exactly_or_are_refused(first: list[Any], second: list[Any]) -> None:
    try:
        found = carried(first, *([second] if second else []))
    except RowRejected as refusal:
        assert refusal.details["column"] == "value"
        return
    except SchemaChanged as refusal:
        assert refusal.details == {"column": "value"}
        return

    assert_same(found, [*first, *second])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("-0.0", -0.0),
        ("1e22", 1e22),
        ("5e-324", 5e-324),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", Decimal("9007199254740993.0")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("1e400", Decimal("1e400")),
        ("1e-400", Decimal("1e-400")),
    ],
)
def test_a_number_of_a_document_has_every_digit_it_was_written_with(text: str, value: object) -> None:
    """Documents come from sources as text too, with numbers that no float holds."""
    documents = pa.array([f'{{"n":[{text}]}}'])
    batch = pa.record_batch([documents], schema=pa.schema([json_field("v")]))

    (row,) = rows_from_arrow(batch)

    assert repr(row["v"]) == repr({"n": [value]})


@pytest.mark.parametrize("shape", NESTED)
@given(data=st.data())
def test_nested_values_of_one_shape_come_back_exactly(shape: str, data: st.DataObject) -> None:
    column = st.lists(NESTED[shape] | st.none(), min_size=1, max_size=4)
    first, second = data.draw(column), data.draw(column)

    assert_same(carried(first, second), [*first, *second])


@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON_VALUES, min_size=1, max_size=3), min_size=2, max_size=4))
def test_objects_whose_keys_differ_come_back_exactly(objects: list[dict[str, Any]]) -> None:
    assert_same(carried(objects), objects)


@pytest.mark.parametrize(
    ("row", "column"),
    [({"a": 1}, "b"), ({"a": 1, "b": 2, "c": 3}, "c"), ({"a": 1, "c": 2}, "b"), ({}, "a")],
    ids=["one is missing", "one is new", "one has another name", "none"],
)
def test_a_row_with_other_columns_is_refused_by_column_and_row(row: dict[str, int], column: str) -> None:
    with pytest.raises(RowRejected) as refusal:
        arrow_from_rows([{"a": 1, "b": 2}, row], 10)

    assert refusal.value.details == {"column": column, "row": 11}


@pytest.mark.parametrize("value", ["text", "\ud800", 2**63], ids=["another kind", "no type", "no value"])
def test_a_value_that_cannot_be_carried_is_refused_by_column_and_row(value: Any) -> None:
    with pytest.raises(RowRejected) as refusal:
        arrow_from_rows([{"a": 1 if value == "text" else None}, {"a": value}], 10)

    assert refusal.value.details == {"column": "a", "row": 11}


def test_a_row_without_any_column_is_refused() -> None:
    with pytest.raises(RowRejected, match="no column"):
        arrow_from_rows([{}], 3)


def test_columns_stand_in_the_order_of_the_first_row() -> None:
    batch = arrow_from_rows([{"b": 1, "a": 2}, {"a": 4, "b": 3}], 0)

    assert batch.schema.names == ["b", "a"]
    assert rows_from_arrow(batch) == [{"b": 1, "a": 2}, {"b": 3, "a": 4}]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([0, 1], pa.timestamp("ns")),
        pa.array([0, 1], pa.time64("ns")),
        pa.array([0, 1], pa.duration("ns")),
        pa.array([0, 10**12], pa.timestamp("s")),
        pa.array([0, 10**7], pa.int32()).cast(pa.date32()),
    ],
    ids=lambda array: str(array.type),
)
def test_a_value_that_python_cannot_say_exactly_is_refused_when_it_is_read(array: pa.Array) -> None:
    with pytest.raises(RowRejected) as refusal:
        rows_from_arrow(pa.record_batch([array], names=["at"]), 5)

    assert refusal.value.details == {"column": "at", "row": 6}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.int64(), pa.string()),
        (pa.int64(), pa.float64()),
        (pa.timestamp("us"), pa.timestamp("us", tz="UTC")),
        (pa.timestamp("us", tz="UTC"), pa.timestamp("us", tz="Europe/Berlin")),
        (pa.struct([("a", pa.date32())]), pa.struct([("b", pa.int64())])),
    ],
    ids=str,
)
def test_a_later_batch_of_another_kind_is_refused_by_column(one: pa.DataType, other: pa.DataType) -> None:
    with pytest.raises(SchemaChanged) as refusal:
        joined_schema(
            pa.schema([("ok", pa.int64()), ("value", one)]), pa.schema([("ok", pa.int64()), ("value", other)])
        )

    assert refusal.value.details == {"column": "value"}


@pytest.mark.parametrize(
    "batches",
    [[["text"], [{}]], [[{}], ["text"]], [[1], [{"a": 1}, {}]], [[True, None], [[]]], [[{"a": 1}], [{"b": [2]}]]],
    ids=repr,
)
def test_a_later_batch_that_only_json_can_join_makes_json_of_both(batches: list[list[Any]]) -> None:
    assert carried(*batches) == [value for batch in batches for value in batch]


@pytest.mark.parametrize(
    "batches",
    [[[{"a": datetime.date(2024, 1, 1)}], [{}]], [[0.5], [{}]], [[[b"x"]], [{}]], [[{"a": 0.5}], [{"b": 1}]]],
    ids=repr,
)
def test_a_later_batch_that_json_would_alter_is_refused(batches: list[list[Any]]) -> None:
    with pytest.raises(SchemaChanged):
        carried(*batches)


def test_a_later_batch_with_other_columns_is_refused_by_the_first_that_differs() -> None:
    with pytest.raises(SchemaChanged) as refusal:
        joined_schema(pa.schema([("a", pa.int64())]), pa.schema([("b", pa.int64()), ("a", pa.int64())]))

    assert refusal.value.details == {"column": "b"}


def test_a_schema_keeps_the_metadata_of_the_first_batch() -> None:
    one = pa.schema([("a", pa.null())], metadata={"from": "the source"})

    assert joined_schema(one, pa.schema([("a", pa.int64())])).metadata == {b"from": b"the source"}
