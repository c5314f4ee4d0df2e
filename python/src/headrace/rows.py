"""Rows to Arrow and back, without changing a value.

Endpoints that have only rows meet Arrow here, once, at the staging writer.
What Arrow cannot carry exactly is refused with the column and the row; nothing
is guessed, cut or rounded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa

from headrace.errors import RowRejected, SchemaChanged
from headrace.rowtypes import NoCommonType, field_of, is_json, join, json_field, to_json
from headrace.staging import Row


def arrow_from_rows(rows: Sequence[Row], first_position: int, names: Sequence[str] | None = None) -> pa.RecordBatch:
    """Make one batch of ``rows``. ``names`` are the columns they must have; None: those of the first row.

    Raises:
        RowRejected: ``details`` names ``column`` and ``row``, which counts from ``first_position``.
    """
    expected = list(rows[0]) if names is None else list(names)
    _require_columns(rows, expected, first_position)
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for name in expected:
        field, array = _column(name, [row[name] for row in rows], first_position)
        fields.append(field)
        arrays.append(array)
    return pa.record_batch(arrays, schema=pa.schema(fields))


def rows_from_arrow(batch: pa.RecordBatch, first_position: int = 0) -> list[dict[str, Any]]:
    """Every row as a dictionary with the values that were written.

    Raises:
        RowRejected: A value has no exact Python form, such as a timestamp finer than microseconds.
    """
    columns = [
        _values(field, column, first_position) for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    names = batch.schema.names
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def joined_schema(one: pa.Schema, other: pa.Schema) -> pa.Schema:
    """The schema that holds the batches of both unchanged.

    Raises:
        SchemaChanged: There is none; ``details["column"]`` names the first difference.
    """
    if one.equals(other, check_metadata=True):
        return one
    if one.names != other.names:
        raise SchemaChanged(
            f"A batch has the columns {other.names} where the first of this slice had {one.names}.",
            role="staging",
            details={"column": next(iter(set(one.names) ^ set(other.names)), None)},
        )
    return pa.schema([_joined_field(a, b) for a, b in zip(one, other, strict=True)], metadata=one.metadata)


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows under the session's schema, which is at least as wide as the batch's."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    arrays = [
        _conformed_column(column, ours, field)
        for column, ours, field in zip(batch.columns, batch.schema, schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def _require_columns(rows: Sequence[Row], expected: list[str], first_position: int) -> None:
    if not expected:
        raise _refused("", first_position, "the row has no column")
    wanted = set(expected)
    for position, row in enumerate(rows, first_position):
        if set(row) != wanted:
            name = next(iter(sorted(wanted ^ row.keys(), key=str)))
            raise _refused(
                name, position, "the column is missing" if name in wanted else "the first row has no such column"
            )


def _column(name: str, values: list[Any], first_position: int) -> tuple[pa.Field, pa.Array]:
    try:
        field = field_of(name, values)
    except NoCommonType as refusal:
        raise _refused(name, first_position + refusal.position, str(refusal)) from refusal
    carried = [to_json(value) for value in values] if is_json(field) else values
    try:
        return field, pa.array(carried, type=field.type)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        for position, value in enumerate(carried, first_position):
            try:
                pa.array([value], type=field.type)
            except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
                raise _refused(
                    name, position, f"{field.type} cannot carry the value ({type(error).__name__})"
                ) from error
        raise


def _values(field: pa.Field, column: pa.Array, first_position: int) -> list[Any]:
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):
        for position in range(len(column)):
            try:
                column[position].as_py()
            except (ValueError, OverflowError) as error:
                why = f"a value of {field.type} has no exact Python form"
                raise _refused(field.name, first_position + position, why) from error
        raise
    if not is_json(field):
        return values
    return [None if text is None else json.loads(text, parse_float=_exact_number) for text in values]


def _exact_number(text: str) -> float | Decimal:
    """A float where its own digits give the number back; else a decimal, which keeps them all."""
    number, exact = float(text), Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def _joined_field(one: pa.Field, other: pa.Field) -> pa.Field:
    if is_json(one) == is_json(other):
        with suppress(ValueError):
            return pa.field(one.name, join(one.type, other.type), metadata=one.metadata)
    has_structure = any(is_json(field) or pa.types.is_nested(field.type) for field in (one, other))
    if has_structure and all(is_json(field) or _is_carried_by_json(field.type) for field in (one, other)):
        return json_field(one.name)
    raise SchemaChanged(
        f"Column {one.name!r} was {one.type} and is {other.type} in a later batch; no type keeps both exactly.",
        role="staging",
        details={"column": one.name},
    )


def _is_carried_by_json(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _is_carried_by_json(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_is_carried_by_json(field.type) for field in kind)
    is_plain = pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    return is_plain or pa.types.is_int64(kind)


def _conformed_column(column: pa.Array, ours: pa.Field, field: pa.Field) -> pa.Array:
    if is_json(field) and not is_json(ours):
        return pa.array([to_json(value) for value in column.to_pylist()], type=field.type)
    if ours.type.equals(field.type):
        return column
    if pa.types.is_nested(field.type):
        return pa.array(column.to_pylist(), type=field.type)
    return column.cast(field.type)


def _refused(column: str, row: int, why: str) -> RowRejected:
    return RowRejected(
        f"Row {row} cannot be staged: column {column!r}: {why}.",
        role="staging",
        details={"column": column, "row": row},
    )
