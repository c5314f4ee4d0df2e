"""How each column of PostgreSQL travels as Arrow without losing anything.

A column is planned from the catalogue: the expression that selects it, its
Arrow type, and how the driver's column becomes exactly that. What Arrow cannot
say travels as PostgreSQL's own text, and the type shown says so. The native
type goes along in the field's metadata, so that a sink can restore it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.endpoints.systems.postgres_catalog import CatalogColumn
from headrace.endpoints.systems.postgres_session import quote_identifier
from headrace.errors import RowRejected

NATIVE = b"headrace.postgres"
"""Metadata key of a field that travels as text: the type it has in PostgreSQL."""

PGCOPY = b"headrace.pgcopy"
"""Metadata key of a field that travels in binary COPY: its type, where Arrow's says less."""

_UTC = pa.timestamp("us", "UTC")
PLAIN: Mapping[str, pa.DataType] = {
    "bool": pa.bool_(), "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(),
    "float8": pa.float64(), "text": pa.string(), "varchar": pa.string(), "bpchar": pa.string(), "bytea": pa.binary(),
    "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"), "timestamptz": _UTC,
}  # fmt: skip

RESTORABLE = frozenset(
    {
        "numeric", "uuid", "json", "jsonb", "interval", "timetz", "inet", "cidr", "macaddr", "macaddr8", "bit",
        "varbit", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery",
        "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange",
        "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange", "pg_lsn",
    }
)  # fmt: skip
"""Types whose text, read back by PostgreSQL, is the same value again."""

_ORDERED = frozenset({"int2", "int4", "int8", "numeric", "date", "timestamp", "timestamptz", "text", "varchar", "uuid"})
"""Types a cursor may have: totally ordered, and equal only to themselves."""

_LAST_MICROSECOND = 86_400_000_000
_FIRST_DAY, _FIRST_MICROSECOND = -2_440_588, -210_866_803_200_000_000
"""The year 4714 before Christ. The driver shows infinity and what passes its range as something before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One column on its way from a query to Arrow."""

    name: str
    expression: str
    guard: str | None
    """Is true for a row whose array Arrow cannot say: many dimensions, or a first index other than 1."""
    field: pa.Field
    shown: str
    is_computed: bool = False
    """Its expression is more than the column."""
    is_padded: bool = False
    """Blanks at the end of its text belong to it: ``char(n)``."""


def reading(column: CatalogColumn) -> Reading:
    name = quote_identifier(column.name)
    if column.is_array:
        return _array(column, name)
    exact = PLAIN.get(column.type_name)
    if exact is not None:
        return _reading(column, name, exact)
    if column.type_name == "numeric" and (decimal := _decimal(column.modifier)) is not None:
        return _reading(column, f"{name}::text", decimal)
    if column.type_name == "oid":
        return _reading(column, f"{name}::int8", pa.int64(), shown="oid (as bigint)")
    native = column.type_name if column.type_name in RESTORABLE else None
    return _reading(column, f"{name}::text", pa.string(), native=native, shown=f"{column.shown} (as text)")


def is_orderable(column: CatalogColumn) -> bool:
    """Whether a cursor may stand on the column."""
    return column.type_name in _ORDERED


def _array(column: CatalogColumn, name: str) -> Reading:
    guard = f"(array_ndims({name}) > 1 or array_lower({name}, 1) <> 1)"
    said = f"case when {guard} then null else {name} end"  # the driver would break off at some, and name no column
    exact = PLAIN.get(column.element)
    if exact is not None:
        return _reading(column, said, pa.list_(exact), guard=guard)
    native = f"{column.element}[]" if column.element in RESTORABLE else None
    text = pa.list_(pa.string())
    return _reading(column, f"({said})::text[]", text, guard=guard, native=native, shown=f"{column.shown} (as text)")


def _reading(
    column: CatalogColumn,
    expression: str,
    kind: pa.DataType,
    *,
    guard: str | None = None,
    native: str | None = None,
    shown: str | None = None,
) -> Reading:
    metadata = None if native is None else {NATIVE: native.encode()}
    field = pa.field(column.name, kind, nullable=column.nullable, metadata=metadata)
    return Reading(
        name=column.name, expression=expression, guard=guard, field=field, shown=shown or column.shown,
        is_padded=column.type_name == "bpchar" and not column.is_array,
    )  # fmt: skip


def _decimal(modifier: int) -> pa.DataType | None:
    """Arrow's decimal for a ``numeric(p, s)``; None when it has no bounds or more than 76 digits."""
    if modifier < 4:
        return None
    precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    digits, places = max(precision, scale, precision - scale), max(scale, 0)
    if digits > 76:
        return None
    return pa.decimal128(digits, places) if digits <= 38 else pa.decimal256(digits, places)


def schema_of(readings: tuple[Reading, ...]) -> pa.Schema:
    return pa.schema([reading.field for reading in readings])


def exact_batch(
    batch: pa.RecordBatch, readings: tuple[Reading, ...], schema: pa.Schema, unit_id: str
) -> pa.RecordBatch:
    """The driver's batch with exactly the planned types.

    Raises:
        RowRejected: A value has no place in Arrow; the message names column and reason, not the value.
    """
    guards = iter(batch.columns[len(readings) :])
    arrays = [_exact(column, reading, unit_id) for column, reading in zip(batch.columns, readings, strict=False)]
    for planned in readings:
        if planned.guard is not None and pc.any(next(guards)).as_py():
            raise _rejected(unit_id, planned, "an array of many dimensions, or one that does not begin at 1")
    return pa.record_batch(arrays, schema=schema)


def _exact(column: Any, planned: Reading, unit_id: str) -> Any:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    if plain.type != planned.field.type:
        try:
            plain = plain.cast(planned.field.type)
        except pa.ArrowInvalid:
            raise _rejected(unit_id, planned, "NaN, which a decimal cannot say") from None
    _within_range(plain, planned, unit_id)
    return plain


def _within_range(array: Any, planned: Reading, unit_id: str) -> None:
    kind = array.type
    if pa.types.is_list(kind):
        _within_range(array.flatten(), planned, unit_id)
    elif pa.types.is_date32(kind) and _least(array, pa.int32()) < _FIRST_DAY:
        raise _rejected(unit_id, planned, "infinity, which a date of Arrow cannot say")
    elif pa.types.is_timestamp(kind) and _least(array, pa.int64()) < _FIRST_MICROSECOND:
        raise _rejected(unit_id, planned, "infinity or a year after 294246, which a timestamp of Arrow cannot say")
    elif pa.types.is_time(kind) and -_least(pc.negate(array.view(pa.int64())), pa.int64()) >= _LAST_MICROSECOND:
        raise _rejected(unit_id, planned, "24:00:00, which a time of Arrow cannot say")


def _least(array: Any, kind: pa.DataType) -> int:
    least = pc.min(array.view(kind)).as_py()
    return 0 if least is None else int(least)


def _rejected(unit_id: str, planned: Reading, what: str) -> RowRejected:
    return RowRejected(
        f"A row of {unit_id} has {what} in column {planned.name} ({planned.shown}). "
        "Correct the row, or leave the column out with the policy's columns.",
        role="source",
        details={"column": planned.name},
    )
