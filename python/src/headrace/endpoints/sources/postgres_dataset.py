"""A PostgreSQL relation as others see it: a unit, a schema, and records for the knowledge base."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from headrace.endpoint import Column, DatasetSchema, Reference
from headrace.endpoints.systems.postgres_catalog import KINDS, CatalogColumn, Relation
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_types import is_orderable, reading, schema_of
from headrace.protocol import GraphScope, Json, NormalizedEdge, NormalizedRecord, Provenance, UnitDescriptor

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


def dataset_records(relation: Relation, parameters: PostgresParameters) -> Iterator[NormalizedRecord]:
    """The dataset, then its columns. Every payload names the ``unitId``, so the records of one unit can be picked."""
    dataset = _logical_id(parameters, relation.schema, relation.name)
    schema = dataset_schema(relation)
    named = {column.name: f"{dataset}/{quote(column.name, safe='')}" for column in relation.columns}
    references = [
        NormalizedEdge(
            type="REFERENCES",
            source_logical_id=dataset,
            target_logical_id=_logical_id(parameters, foreign.target_schema, foreign.target_table),
            properties={"columns": list(foreign.columns), "targetColumns": list(foreign.target_columns)},
        )
        for foreign in relation.foreign_keys
    ]
    has = [
        NormalizedEdge(type="HAS_COLUMN", source_logical_id=dataset, target_logical_id=id_) for id_ in named.values()
    ]
    payload: dict[str, Json] = {
        "unitId": relation.unit_id,
        "database": parameters.database,
        "schema": relation.schema,
        "table": relation.name,
        "kind": KINDS[relation.kind],
        "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in schema.columns],
        "primaryKey": list(relation.primary_key),
        "references": [
            {"columns": list(r.columns), "targetUnit": r.target_unit, "targetColumns": list(r.target_columns)}
            for r in schema.references
        ],
        "estimatedRows": relation.estimated_rows,
    }
    yield _record("catalog.dataset", dataset, relation.unit_id, payload, [*has, *references])
    for position, (column, planned) in enumerate(zip(relation.columns, schema.columns, strict=True), 1):
        about: dict[str, Json] = {
            "unitId": relation.unit_id,
            "name": column.name,
            "type": planned.type,
            "nullable": column.nullable,
            "position": position,
            "isPrimaryKey": column.name in relation.primary_key,
        }
        yield _record("catalog.column", named[column.name], f"{relation.unit_id}.{column.name}", about, [])


def _record(
    entity_type: str, logical_id: str, name: str, payload: dict[str, Json], edges: list[NormalizedEdge]
) -> NormalizedRecord:
    return NormalizedRecord(
        entity_type=entity_type,
        logical_id=logical_id,
        display_name=name,
        scope=GraphScope(),
        provenance=Provenance(endpoint_id="", vendor="Postgres"),
        phase="normalized",
        payload=payload,
        edges=edges,
    )


def _logical_id(parameters: PostgresParameters, *names: str) -> str:
    """The same for the same table, and for no other: each part is percent-encoded."""
    parts = (f"{parameters.host}:{parameters.port}", parameters.database, *names)
    return "postgres/" + "/".join(quote(part, safe="") for part in parts)
