"""The policy's ``filter`` as SQL: quoted names, and literals of the columns' own types.

A literal is read by ``headrace.literals`` and written by us, so no text of a
policy is ever part of a statement. Literals of types that PostgreSQL alone
knows are shown to it before anything is read.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

import psycopg

from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import Connection, query, quote_identifier, quote_literal
from headrace.filters import (
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Literal,
    Not,
    Or,
    columns,
    parts,
    refused,
    require_columns,
)
from headrace.literals import Kind, Value, value_of

_KINDS: Mapping[str, Kind] = {
    "bool": "boolean", "int2": "integer", "int4": "integer", "int8": "integer", "numeric": "number",
    "float4": "number", "float8": "number", "text": "text", "varchar": "text", "bpchar": "text", "bytea": "bytes",
    "date": "date", "time": "time", "timestamp": "timestamp", "timestamptz": "instant", "uuid": "uuid",
}  # fmt: skip
_NATIVE = frozenset({"inet", "cidr", "macaddr", "macaddr8", "interval", "timetz", "bit", "varbit", "pg_lsn"})
_ORDERING = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_EQUALITY = {"eq": "=", "ne": "<>"}


def filter_sql(chosen: Filter, relation: Relation) -> str:
    """True, false or unknown, as the filter is. Raises ``ConfigInvalid`` for what does not fit the relation."""
    require_columns(chosen, [column.name for column in relation.columns], relation.unit_id)
    return _sql(chosen, {column.name: column for column in relation.columns})


def refuse_foreign_literals(chosen: Filter, relation: Relation, snapshot: Snapshot) -> None:
    """Ask the server for what only it knows. To be asked before the snapshot is frozen, which a failure would end.

    Raises:
        ConfigInvalid: A column is not there, or a literal is none of its type.
    """
    require_columns(chosen, [column.name for column in relation.columns], relation.unit_id)
    for name in columns(chosen):
        column = _column(relation, name)
        if _kind(column) == "native":
            for literal in _literals(chosen, name):
                ask = partial(_require_known, column=column, literal=literal)
                snapshot.with_lead(ask, where=relation.unit_id)


def _sql(part: Filter, known: Mapping[str, CatalogColumn]) -> str:
    match part:
        case And(inner):
            return f"({' and '.join(_sql(each, known) for each in inner)})"
        case Or(inner):
            return f"({' or '.join(_sql(each, known) for each in inner)})"
        case Not(inner):
            return f"(not {_sql(inner, known)})"
        case IsNull(column):
            return f"({_name(column)} is null)"
        case In(column, values):
            listed = ", ".join(_literal(value, known[column]) for value in values)
            return f"({_name(column)} in ({listed}))"
        case Compare(operator, column, value):
            literal, is_text = _literal(value, known[column]), _kind(known[column]) == "text"
            if operator in _EQUALITY:
                return f"({_name(column)} {_EQUALITY[operator]} {literal})"
            collation = ' collate "C"' if is_text else ""
            return f"({_name(column)}{collation} {_ORDERING[operator]} {literal})"


def _name(column: str) -> str:
    return f"t.{quote_identifier(column)}"


def _literal(literal: Literal, column: CatalogColumn) -> str:
    value = value_of(literal, _kind(column), column.name, column.shown)
    return f"{quote_literal(_text(value))}::{_type(column, value)}"


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return f"\\x{value.hex()}"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case int() | uuid.UUID() | str():
            return str(value)


def _type(column: CatalogColumn, value: Value) -> str:
    """Without length or places, by which a literal would be cut or rounded."""
    if _kind(column) == "native":
        return f"pg_catalog.{column.type_name}" if column.type_name else column.shown
    if isinstance(value, int) and not isinstance(value, bool):
        return "int8" if -(2**63) <= value < 2**63 else "numeric"
    return "float8" if column.type_name == "float4" and abs(Decimal(str(value))) > 10**38 else column.type_name


def _kind(column: CatalogColumn) -> Kind:
    if column.is_array:
        return "none"
    is_native = column.type_name in _NATIVE or (column.type_name == "" and column.is_enum)
    return "native" if is_native else _KINDS.get(column.type_name, "none")


def _literals(chosen: Filter, name: str) -> list[Literal]:
    compared = [part.value for part in parts(chosen) if isinstance(part, Compare) and part.column == name]
    among = [value for part in parts(chosen) if isinstance(part, In) and part.column == name for value in part.values]
    return [*compared, *among]


def _require_known(lead: Connection, column: CatalogColumn, literal: Literal) -> None:
    value = _text(value_of(literal, "native", column.name, column.shown))
    kind = f"pg_catalog.{column.type_name}" if column.type_name else column.shown
    try:
        query(lead, f"select $1::text::{kind} is null", [value])
    except psycopg.DataError:
        raise refused(f"column {column.name} is {column.shown}, and {literal!r} is none", column=column.name) from None


def _column(relation: Relation, name: str) -> CatalogColumn:
    return next(column for column in relation.columns if column.name == name)
