"""A PostgreSQL relation as others see it: a unit, a schema, and records for the knowledge base."""

from __future__ import annotations

from urllib.parse import quote

from headrace.datasets import Dataset
from headrace.endpoint import Column, DatasetSchema, Reference
from headrace.endpoints.systems.postgres_catalog import KINDS, CatalogColumn, Relation
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_types import is_orderable, reading, schema_of
from headrace.protocol import UnitDescriptor

_CHANGE_WORDS = ("updated", "modified", "changed", "last_", "created", "inserted")
_TIMES = ("timestamptz", "timestamp")
_INTEGERS = ("int2", "int4", "int8")


def unit_descriptor(relation: Relation) -> UnitDescriptor:
    candidates = cursor_candidates(relation)
    return UnitDescriptor(
        unit_id=relation.unit_id,
        kind=KINDS[relation.kind],
        display_name=relation.unit_id,
        modes=["full", "incremental"] if candidates else ["full"],
        primary_key=list(relation.primary_key),
        cursor_candidates=list(candidates),
        estimated_rows=relation.estimated_rows,
    )


def dataset_schema(relation: Relation) -> DatasetSchema:
    readings = tuple(reading(column) for column in relation.columns)
    columns = zip(relation.columns, readings, strict=True)
    return DatasetSchema(
        columns=tuple(Column(name=c.name, type=planned.shown, nullable=c.nullable) for c, planned in columns),
        arrow=schema_of(readings),
        primary_key=relation.primary_key,
        cursor_candidates=cursor_candidates(relation),
        references=tuple(
            Reference(
                columns=foreign.columns,
                target_unit=f"{foreign.target_schema}.{foreign.target_table}",
                target_columns=foreign.target_columns,
            )
            for foreign in relation.foreign_keys
        ),
        estimated_rows=relation.estimated_rows,
    )


def cursor_candidates(relation: Relation) -> tuple[str, ...]:
    """Columns that may tell what is new, the likeliest first: times of change, other times, a growing key."""
    if not relation.unique_key:
        return ()
    times = [column for column in relation.columns if column.type_name in _TIMES and is_orderable(column)]
    keys = [column for column in relation.columns if relation.unique_key == (column.name,)]
    growing = [column for column in keys if column.type_name in _INTEGERS]
    return tuple(column.name for column in (*sorted(times, key=_likelihood), *growing))


def _likelihood(column: CatalogColumn) -> int:
    name = column.name.lower()
    ranks = [rank for rank, word in enumerate(_CHANGE_WORDS) if word in name]
    return min(ranks, default=len(_CHANGE_WORDS))


def dataset_of(relation: Relation, parameters: PostgresParameters) -> Dataset:
    """The relation as the knowledge base hears of it."""
    schema = dataset_schema(relation)
    targets = (_logical_id(parameters, each.target_schema, each.target_table) for each in relation.foreign_keys)
    return Dataset(
        logical_id=_logical_id(parameters, relation.schema, relation.name),
        unit_id=relation.unit_id,
        vendor="Postgres",
        kind=KINDS[relation.kind],
        columns=schema.columns,
        estimated_rows=relation.estimated_rows,
        primary_key=relation.primary_key,
        references=tuple(zip(schema.references, targets, strict=True)),
        details={"database": parameters.database, "schema": relation.schema, "table": relation.name},
    )


def _logical_id(parameters: PostgresParameters, *names: str) -> str:
    """The same for the same table, and for no other: each part is percent-encoded."""
    parts = (f"{parameters.host}:{parameters.port}", parameters.database, *names)
    return "postgres/" + "/".join(quote(part, safe="") for part in parts)
