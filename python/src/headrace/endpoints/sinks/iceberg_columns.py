"""How each Arrow column is kept in an Iceberg table, and how a table's columns may change.

Nothing is rounded, cut or guessed: what Iceberg has no exact place for is
refused by name before a row is written. Columns are told apart by their ids, so
a replacement may give a name to another type without touching older snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from headrace.errors import RowRejected, SchemaChanged

OPERATION = "_headrace_op"
"""Reserved column: 0 stores the row, 1 deletes what has its key."""

_PLAIN: Mapping[str, IcebergType] = {
    "null": StringType(),
    "bool": BooleanType(),
    **dict.fromkeys(("int8", "uint8", "int16", "uint16", "int32"), IntegerType()),
    **dict.fromkeys(("uint32", "int64"), LongType()),
    "uint64": DecimalType(20, 0),
    **dict.fromkeys(("halffloat", "float"), FloatType()),
    "double": DoubleType(),
    **dict.fromkeys(("string", "large_string", "string_view"), StringType()),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), BinaryType()),
    **dict.fromkeys(("date32[day]", "date64[ms]"), DateType()),
}
_WIDER: Mapping[type[IcebergType], type[IcebergType]] = {IntegerType: LongType, FloatType: DoubleType}
_MOST_DIGITS = 38


def wanted_fields(arrow: pa.Schema, ids: count[int]) -> tuple[NestedField, ...]:
    """The columns a table needs for rows of ``arrow``; all optional, for a later slice may lack one.

    Raises:
        SchemaChanged: Iceberg cannot hold one exactly; ``details["column"]`` names it.
    """
    names: Sequence[str] = arrow.names
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise refused(twice[0], "comes twice; rename or leave out one of the two")
    operation = arrow.field(OPERATION).type if OPERATION in names else pa.int8()
    if not pa.types.is_integer(operation):
        raise refused(OPERATION, f"is {operation}, and has to be an integer: 0 a row, 1 a row that was deleted")
    kept = [field for field in arrow if field.name != OPERATION]
    return tuple(
        NestedField(next(ids), field.name, _type(field.name, field.type, ids), required=False) for field in kept
    )


def _type(column: str, kind: pa.DataType, ids: count[int]) -> IcebergType:
    if isinstance(kind, pa.UuidType):
        return UUIDType()
    if isinstance(kind, pa.BaseExtensionType):
        return _type(column, kind.storage_type, ids)
    if pa.types.is_dictionary(kind):
        return _type(column, kind.value_type, ids)
    plain = _PLAIN.get(str(kind)) or _scalar(kind) or _nested(column, kind, ids)
    if plain is None:
        raise refused(
            column,
            f"is {kind}, which Iceberg has no exact place for; leave it out with the policy's columns, or have the "
            "source give it as text",
        )
    return plain


def _scalar(kind: pa.DataType) -> IcebergType | None:
    if pa.types.is_decimal(kind):
        digits, places = max(kind.precision, kind.precision - kind.scale), max(kind.scale, 0)
        return DecimalType(digits, places) if digits <= _MOST_DIGITS else None
    if pa.types.is_timestamp(kind):
        return TimestampType() if kind.tz is None else TimestamptzType()
    if pa.types.is_time(kind):
        return TimeType()
    return FixedType(kind.byte_width) if pa.types.is_fixed_size_binary(kind) else None


def _nested(column: str, kind: Any, ids: count[int]) -> IcebergType | None:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return ListType(next(ids), _type(column, kind.value_type, ids), element_required=False)
    if pa.types.is_struct(kind):
        return StructType(
            *(NestedField(next(ids), inner.name, _type(column, inner.type, ids), required=False) for inner in kind)
        )
    if pa.types.is_map(kind):
        key = _type(column, kind.key_type, ids)
        return MapType(next(ids), key, next(ids), _type(column, kind.item_type, ids), value_required=False)
    return None


def new_schema(arrow: pa.Schema) -> Schema:
    """Of a table that is to be made."""
    return Schema(*wanted_fields(arrow, count(1)))


def evolved(table: str, present: Schema, arrow: pa.Schema, last_id: int, *, is_frozen: bool) -> Schema:
    """``present`` with what rows of ``arrow`` need beside it; the same object when it can hold them as it is.

    Columns are added and widened, never taken away.

    Raises:
        SchemaChanged: A column cannot hold what is to come, or ``is_frozen`` and one would have to change.
    """
    fields = {field.name: field for field in present.fields}
    changed = False
    for wanted in wanted_fields(arrow, count(last_id + 1)):
        before = fields.get(wanted.name)
        if before is not None and takes(before.field_type, arrow.field(wanted.name)):
            continue
        if is_frozen:
            how = "is new to" if before is None else f"would become {wanted.field_type} in"
            raise refused(wanted.name, f"{how} {table}, and the policy's schemaContract is freeze")
        if before is not None and not _widens(before.field_type, wanted.field_type):
            raise refused(
                wanted.name,
                f"of {table} is {before.field_type} and would have to hold {wanted.field_type}. Reset the unit to "
                "write it anew, with onNewGeneration replace, choose another target, or have the source keep the type",
            )
        fields[wanted.name] = wanted if before is None else before.model_copy(update={"field_type": wanted.field_type})
        changed = True
    _require_filled(table, present, arrow)
    return _numbered(fields.values(), present) if changed else present


def replaced(present: Schema, arrow: pa.Schema, last_id: int) -> Schema:
    """Just the columns of ``arrow``. One keeps its id as long as older files may be read with its new type."""
    before = {field.name: field for field in present.fields}
    fields: list[NestedField] = []
    for wanted in wanted_fields(arrow, count(last_id + 1)):
        old = before.get(wanted.name)
        if old is not None and not old.required and _same(old.field_type, wanted.field_type):
            fields.append(old)
        elif old is not None and not old.required and _widens(old.field_type, wanted.field_type):
            fields.append(old.model_copy(update={"field_type": wanted.field_type}))
        else:
            fields.append(wanted)
    return present if tuple(fields) == present.fields else _numbered(fields, present)


def _numbered(fields: Any, present: Schema) -> Schema:
    kept = {field.field_id for field in fields}
    keys = [each for each in present.identifier_field_ids if each in kept]
    return Schema(*fields, schema_id=present.schema_id, identifier_field_ids=keys)


def _require_filled(table: str, present: Schema, arrow: pa.Schema) -> None:
    missing = [field.name for field in present.fields if field.required and field.name not in arrow.names]
    if missing:
        raise refused(missing[0], f"of {table} is required, and the rows do not have it. Make it optional there")


def takes(have: IcebergType, field: pa.Field) -> bool:
    """Whether a column of the table has room for every value of ``field``, as it has for one of nothing but NULL."""
    try:
        need = _type(field.name, field.type, count(1))
    except SchemaChanged:
        return False
    return pa.types.is_null(field.type) or _same(have, need) or _widens(need, have)


def _same(one: IcebergType, other: IcebergType) -> bool:
    """Apart from the ids within."""
    return _shape(one) == _shape(other)


def _shape(kind: IcebergType) -> Any:
    if isinstance(kind, ListType):
        return ("list", _shape(kind.element_type))
    if isinstance(kind, MapType):
        return ("map", _shape(kind.key_type), _shape(kind.value_type))
    if isinstance(kind, StructType):
        return ("struct", tuple((field.name, _shape(field.field_type)) for field in kind.fields))
    return str(kind)


def _widens(narrow: IcebergType, wide: IcebergType) -> bool:
    """Whether Iceberg reads a file of ``narrow`` as ``wide``."""
    if isinstance(narrow, DecimalType) and isinstance(wide, DecimalType):
        return narrow.scale == wide.scale and narrow.precision <= wide.precision
    return _WIDER.get(type(narrow)) is type(wide)


def conformed(batch: pa.RecordBatch, fields: pa.Schema) -> pa.RecordBatch:
    """The batch in the types of the table, without columns the table does not have, such as the operation.

    Raises:
        RowRejected: A value would lose something, such as nanoseconds, or is missing where one is required.
    """
    wanted = [field for field in fields if field.name in batch.schema.names]
    arrays = [_cast(field, batch.column(field.name)) for field in wanted]
    return pa.record_batch(arrays, schema=pa.schema(wanted))


def _cast(field: pa.Field, array: Any) -> Any:
    while isinstance(array, pa.ExtensionArray) and array.type != field.type:
        array = array.storage
    if array.null_count and not field.nullable:
        raise rejected(field.name, "is NULL in a row, and the table requires a value")
    if array.type == field.type:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), field.type)
    try:
        return array.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise rejected(field.name, f"has a value of type {array.type} that {field.type} cannot hold exactly") from None


def refused(column: str, why: str) -> SchemaChanged:
    return SchemaChanged(f"Column {column!r} {why}.", role="sink", details={"column": column})


def rejected(column: str, why: str) -> RowRejected:
    return RowRejected(
        f"Column {column!r} {why}. Correct the row, or leave the column out with the policy's columns.",
        role="sink",
        details={"column": column},
    )
