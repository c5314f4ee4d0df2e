"""How rows would have to look to fit a table as it is, for a policy that discards what does not."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headrace.endpoints.sinks.postgres_columns import OPERATION, can_hold, numeric_of, stored_columns
from headrace.endpoints.sinks.postgres_table import Table, TableColumn, columns_of
from headrace.endpoints.systems.postgres_session import Connection
from headrace.errors import SchemaChanged

_ARROW: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "time without time zone": pa.time64("us"),
    "text": pa.string(),
    "bytea": pa.binary(),
}


def schema_of_table(connection: Connection, table: Table, schema: pa.Schema) -> pa.Schema | None:
    """The columns of ``schema`` that the table has, each as it comes where the table holds it, else as it is there."""
    present = columns_of(connection, table)
    if present is None:
        return None
    fields = [
        field if field.name == OPERATION else _fitting(field, present[field.name])
        for field in schema
        if field.name == OPERATION or field.name in present
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _fitting(field: pa.Field, there: TableColumn) -> pa.Field:
    try:
        (column,) = stored_columns(pa.schema([field]))
    except SchemaChanged:
        return field.with_type(pa.null())
    if can_hold(there.declared, column.target_type, is_enum=there.is_enum, is_checked=True):
        return field
    kind = _ARROW.get(there.declared) or numeric_of(there.declared) or pa.null()
    return pa.field(field.name, kind)
