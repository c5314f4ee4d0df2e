"""Which columns of a relation are read and how they are selected, and what cannot be read at all."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.endpoints.sources.postgres_deletes import OPERATION, gone, with_tombstones
from headrace.endpoints.sources.postgres_filter import filter_sql
from headrace.endpoints.sources.postgres_parquet import guarded_columns
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.systems.postgres_catalog import Relation
from headrace.endpoints.systems.postgres_duckdb import Rows
from headrace.endpoints.systems.postgres_session import quote_qualified
from headrace.endpoints.systems.postgres_types import Reading, reading
from headrace.errors import ConfigInvalid
from headrace.source_policy import invalid
from headrace.suggestions import did_you_mean

RESERVED = frozenset({OPERATION})
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


def carried_readings(relation: Relation, policy: ReadPolicy) -> tuple[Reading, ...]:
    """The same as the rows travel: with the column that says which of them are gone, where they are told so."""
    readings, is_gone = chosen_readings(relation, policy), gone(relation, policy)
    if is_gone is None or not policy.is_merged:
        return readings
    return with_tombstones(readings, is_gone, {*relation.unique_key, *policy.primary_keys})


def kept(relation: Relation, policy: ReadPolicy) -> str:
    """SQL that is true for the rows to be read; empty where all are."""
    is_gone = gone(relation, policy)
    wanted = "" if policy.filter is None else filter_sql(policy.filter, relation)
    if is_gone is None:
        return wanted
    if policy.is_merged:  # one that is gone may have been wanted when it was read before
        return f"({wanted} or {is_gone})" if wanted else ""
    return " and ".join(filter(None, (f"not {is_gone}", wanted)))


def tombstone_readings(relation: Relation, key: Sequence[str]) -> tuple[Reading, ...]:
    """The columns of a row that is gone, and the one that says so."""
    found = {column.name: column for column in relation.columns}
    named = [name for name in key if name not in found]
    if named:
        near = did_you_mean(named[0], list(found))
        raise invalid("primaryKeys", f"{relation.unit_id} has no column {named[0]} to compare rows by.{near}")
    return with_tombstones(tuple(reading(found[name]) for name in key), "true", key)


def file_selection(relation: Relation, readings: tuple[Reading, ...]) -> Rows | None:
    """The same for a Parquet file that DuckDB writes; None when a column is not for it."""
    columns = guarded_columns(readings)
    if columns is None:
        return None
    statement = f"select {', '.join(columns)} from {quote_qualified(relation.schema, relation.name)} t"
    return Rows(statement, tuple(planned.name for planned in readings if planned.is_padded))


def selection(relation: Relation, readings: tuple[Reading, ...]) -> str:
    return f"select {selection_of(readings)} from {quote_qualified(relation.schema, relation.name)} t"


def selection_of(readings: tuple[Reading, ...]) -> str:
    """What follows ``select``: the columns, and then what guards them."""
    guards = [planned.guard for planned in readings if planned.guard is not None]
    return ", ".join([*(planned.expression for planned in readings), *guards])
