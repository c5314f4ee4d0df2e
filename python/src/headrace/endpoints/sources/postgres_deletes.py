"""Rows that a column of their own says are gone: the policy's ``deletes: soft``.

Where rows are merged they travel as tombstones, with their key and nothing
else; where everything is replaced they are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pyarrow as pa

from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import quote_identifier
from headrace.endpoints.systems.postgres_types import Reading
from headrace.source_policy import invalid
from headrace.suggestions import did_you_mean

OPERATION = "_headrace_op"
"""Reserved column: 0 is a row, 1 a row that was deleted."""

_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_NUMBERS = frozenset({"int2", "int4", "int8"})


def gone(relation: Relation, policy: ReadPolicy) -> str | None:
    """SQL that is true for a row that was deleted, and never NULL; None where nobody asks.

    Raises:
        ConfigInvalid: There is no such column, or it is none that could say so.
    """
    if policy.deletes != "soft":
        return None
    name = policy.deleted_field or ""
    column = relation.column(name)
    if column is None:
        near = did_you_mean(name, [column.name for column in relation.columns])
        raise invalid("deletedField", f"{relation.unit_id} has no column {name} to say which rows are gone.{near}")
    return _says_so(column, relation.unit_id)


def with_tombstones(readings: tuple[Reading, ...], is_gone: str, key: Collection[str]) -> tuple[Reading, ...]:
    """The same columns, of which a deleted row shows its key alone, and the one that says that it was."""
    marked = tuple(planned if planned.name in key else _unless(planned, is_gone) for planned in readings)
    field = pa.field(OPERATION, pa.int16(), nullable=False)
    expression = f"(case when {is_gone} then 1 else 0 end)::int2"
    return (
        *marked,
        Reading(name=OPERATION, expression=expression, guard=None, field=field, shown="smallint", is_computed=True),
    )


def _unless(planned: Reading, is_gone: str) -> Reading:
    return replace(
        planned,
        expression=f"case when not {is_gone} then {planned.expression} end",
        guard=None if planned.guard is None else f"(not {is_gone} and {planned.guard})",
        field=planned.field.with_nullable(True),
        is_computed=True,
    )


def _says_so(column: CatalogColumn, unit_id: str) -> str:
    place = f"t.{quote_identifier(column.name)}"
    if column.type_name == "bool":
        return f"({place} is true)"
    if column.type_name in _TIMES:
        return f"({place} is not null)"
    if column.type_name in _NUMBERS:
        return f"({place} is not null and {place} <> 0)"
    raise invalid(
        "deletedField",
        f"Column {column.name} of {unit_id} is {column.shown}, which does not say whether a row is gone. Choose a "
        "boolean, an integer (0 is a row that is there) or a time, or read a view that has one.",
    )
