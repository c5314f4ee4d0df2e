"""Which columns take a source's binary COPY as it comes, and of which types a table for it is made.

Binary values are not cast: a column takes those of its own type, of one that is
sent in the same bytes, and of its own type with narrower bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from headrace.endpoints.sinks.postgres_columns import OPERATION, StoredColumn, can_hold, parsed_type, stored_columns
from headrace.endpoints.sinks.postgres_table import Table, TableColumn, columns_of
from headrace.endpoints.systems.postgres_session import Connection
from headrace.endpoints.systems.postgres_types import PGCOPY

_TEXTS = frozenset({"text", "character varying", "character"})
_UNBOUNDED = frozenset(
    {
        "numeric", "bit varying", "time without time zone", "time with time zone", "timestamp without time zone",
        "timestamp with time zone",
    }
)  # fmt: skip
"""Types of which one without length or precision keeps every value as it was sent."""


def block_columns(
    connection: Connection, place: Table, table: Table, schema: pa.Schema, key: Sequence[str]
) -> tuple[StoredColumn, ...]:
    """The columns that blocks fill in ``place``, which takes after ``table`` as long as it is not there itself."""
    present = columns_of(connection, place) or columns_of(connection, table) or {}
    filled = {name for name in key if name in schema.names and not schema.field(name).nullable}
    columns = aligned(copied_columns(schema), present)
    return tuple(replace(column, is_filled=column.name in filled) for column in columns)


def can_fill(connection: Connection, place: Table, columns: Sequence[StoredColumn]) -> bool:
    """Whether each of the columns that is there takes what is sent."""
    present = columns_of(connection, place) or {}
    return all(takes(present[column.name], column) for column in columns if column.name in present)


def fills_as_sent(connection: Connection, place: Table, columns: Sequence[StoredColumn]) -> bool:
    """Whether rows of Arrow can go where they belong at once: nothing has to be cast, compared or checked there."""
    present = columns_of(connection, place) or {}
    return all(
        column.name != OPERATION and takes(present.get(column.name), _of_type(column, column.stage_type))
        for column in columns
    )


def copied_columns(schema: pa.Schema) -> tuple[StoredColumn, ...]:
    """The columns of blocks, each of the type that is sent. Raises ``SchemaChanged`` as ``stored_columns`` does."""
    columns = stored_columns(schema)
    return tuple(_sent(column, field) for column, field in zip(columns, schema, strict=True))


def aligned(columns: Sequence[StoredColumn], present: Mapping[str, TableColumn]) -> tuple[StoredColumn, ...]:
    """The columns with the types of those that are there already, where these take what is sent."""
    return tuple(
        _of_type(column, present[column.name].declared) if takes(present.get(column.name), column) else column
        for column in columns
    )


def as_before(columns: Sequence[StoredColumn], present: Mapping[str, TableColumn]) -> tuple[StoredColumn, ...]:
    """Columns of Arrow with the length or precision that blocks have given those of their names before."""
    return tuple(
        replace(column, target_type=present[column.name].declared)
        if column.name in present and _is_bounded(present[column.name].declared, column)
        else column
        for column in columns
    )


def takes(existing: TableColumn | None, column: StoredColumn) -> bool:
    """Whether the existing column keeps what is sent for ``column``, to the last bit of meaning."""
    if existing is None:
        return False
    if existing.declared == column.target_type:
        return True
    if existing.is_enum:
        return column.target_type == "text"
    have, sent = parsed_type(existing.declared), parsed_type(column.target_type)
    if have is None or sent is None or have["array"] or sent["array"] or have["a"] is not None:
        return False
    if have["base"] in ("text", "character varying"):
        return sent["base"] in _TEXTS
    return have["base"] in _UNBOUNDED and have["base"] == sent["base"]


def _is_bounded(declared: str, column: StoredColumn) -> bool:
    bounded = parsed_type(declared)
    is_before = (
        bounded is not None and bounded["a"] is not None and can_hold(declared, column.target_type, is_checked=True)
    )
    return is_before and declared.startswith(("character", "time"))


def _sent(column: StoredColumn, field: pa.Field) -> StoredColumn:
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    said = metadata.get(PGCOPY)
    return _of_type(column, column.target_type if said is None else said.decode())


def _of_type(column: StoredColumn, declared: str) -> StoredColumn:
    return replace(column, stage_type=declared, target_type=declared)
