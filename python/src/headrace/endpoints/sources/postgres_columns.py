"""Which columns of a relation are read and how they are selected, and what cannot be read at all."""

from __future__ import annotations

from headrace.endpoints.sources.postgres_parquet import guarded_columns
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.systems.postgres_catalog import Relation
from headrace.endpoints.systems.postgres_duckdb import Rows
from headrace.endpoints.systems.postgres_session import quote_qualified
from headrace.endpoints.systems.postgres_types import Reading, reading
from headrace.errors import ConfigInvalid
from headrace.source_policy import invalid
from headrace.suggestions import did_you_mean

RESERVED = frozenset({"_headrace_op"})
"""Columns by which a source tells a sink what to do with a row. A table's own would be taken for that."""


def require_readable(relation: Relation) -> None:
    """Raises ``ConfigInvalid`` for what has nothing to read yet."""
    if not relation.is_populated:
        name = quote_qualified(relation.schema, relation.name)
        raise ConfigInvalid(
            f"{relation.unit_id} is a materialized view that was never filled. Fill it: "
            f"refresh materialized view {name}.",
            role="source",
        )


def chosen_readings(relation: Relation, policy: ReadPolicy) -> tuple[Reading, ...]:
    """In the order of the policy. Raises ``ConfigInvalid`` for a column that does not exist, or may not be carried."""
    names = [column.name for column in relation.columns]
    chosen = names if policy.columns is None else policy.columns
    for name in chosen:
        if name not in names:
            raise invalid("columns", f"{relation.unit_id} has no column {name}.{did_you_mean(name, names)}")
        if name in RESERVED:
            raise invalid(
                "columns",
                f"Column {name} of {relation.unit_id} has a name that says which rows were deleted, so its rows would "
                "be taken for deletions. Leave it out with the policy's columns, or read a view that renames it.",
            )
    if not chosen:
        raise ConfigInvalid(f"{relation.unit_id} has no columns to read.", role="source")
    found = {column.name: column for column in relation.columns}
    return tuple(reading(found[name]) for name in chosen)


def file_selection(relation: Relation, readings: tuple[Reading, ...]) -> Rows | None:
    """The same for a Parquet file that DuckDB writes; None when a column is not for it."""
    columns = guarded_columns(readings)
    if columns is None:
        return None
    statement = f"select {', '.join(columns)} from {quote_qualified(relation.schema, relation.name)} t"
    return Rows(statement, tuple(planned.name for planned in readings if planned.is_padded))


def selection(relation: Relation, readings: tuple[Reading, ...]) -> str:
    guards = [planned.guard for planned in readings if planned.guard is not None]
    columns = [*(planned.expression for planned in readings), *guards]
    return f"select {', '.join(columns)} from {quote_qualified(relation.schema, relation.name)} t"
