"""How a relation is read in binary COPY for another PostgreSQL: each column as it lies in the table.

A value is then the very bytes PostgreSQL sends and takes, so what Arrow cannot
say (NaN in a decimal, infinity, an array of two dimensions) passes too. A type
that the other database need not have, or that means something else there,
travels as Arrow would carry it: as text, and ``oid`` as a number.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import quote_identifier, quote_qualified
from headrace.endpoints.systems.postgres_types import PGCOPY, PLAIN, RESTORABLE, reading

_TEXTS = frozenset({"varchar", "bpchar"})
_TIMED = {"time": "time({}) without time zone", "timestamp": "timestamp({}) without time zone",
          "timestamptz": "timestamp({}) with time zone"}  # fmt: skip


def copied_selection(relation: Relation, names: Sequence[str]) -> str:
    """What follows ``copy (``; the columns in the order of ``names``."""
    columns = ", ".join(_expression(column) for column in _chosen(relation, names))
    return f"select {columns} from {quote_qualified(relation.schema, relation.name)} t"


def copied_schema(relation: Relation, names: Sequence[str]) -> pa.Schema:
    """The columns as Arrow would have them; with the type in PostgreSQL where that says more."""
    return pa.schema([_field(column) for column in _chosen(relation, names)])


def _chosen(relation: Relation, names: Sequence[str]) -> list[CatalogColumn]:
    by_name = {column.name: column for column in relation.columns}
    return [by_name[name] for name in names]


def _expression(column: CatalogColumn) -> str:
    name = f"t.{quote_identifier(column.name)}"
    if not column.is_array:
        return name if column.type_name in PLAIN or column.type_name in RESTORABLE else _as_text(column)
    if column.element == "bit":
        return f"{name}::varbit[]"  # an array names the type of its elements
    if column.element == "bpchar":
        return f"{name}::text::text[]"  # a cast of its elements would cut their blanks off
    as_it_is = (column.element in PLAIN and column.element not in _TEXTS) or column.element in RESTORABLE
    return name if as_it_is else f"{name}::text[]"


def _as_text(column: CatalogColumn) -> str:
    return f"t.{quote_identifier(column.name)}::{'int8' if column.type_name == 'oid' else 'text'}"


def _field(column: CatalogColumn) -> pa.Field:
    field, declared = reading(column).field, _declared(column)
    if declared is None:
        return field
    return field.with_metadata({**(field.metadata or {}), PGCOPY: declared.encode()})


def _declared(column: CatalogColumn) -> str | None:
    """The type of the column where Arrow's says less of it, with its length or precision."""
    if column.is_array:
        return None
    bounded = column.modifier >= 0
    if column.type_name == "varchar":
        return f"character varying({column.modifier - 4})" if bounded else "character varying"
    if column.type_name == "bpchar" and bounded:
        return f"character({column.modifier - 4})"
    if column.type_name in _TIMED and bounded:
        return _TIMED[column.type_name].format(column.modifier)
    return None
