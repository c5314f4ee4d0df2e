"""A unit of files as others see it: a descriptor, a schema, and records for the knowledge base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from headrace.endpoint import Column
from headrace.endpoints.sources.local_files_units import Named
from headrace.protocol import GraphScope, Json, NormalizedEdge, NormalizedRecord, Provenance, UnitDescriptor


def unit_descriptor(unit: Named, estimated_rows: int | None) -> UnitDescriptor:
    return UnitDescriptor(
        unit_id=unit.unit_id,
        kind=unit.kind,
        display_name=unit.unit_id,
        modes=["full", "incremental"] if unit.can_grow else ["full"],
        primary_key=[],
        cursor_candidates=[],
        estimated_rows=estimated_rows,
    )


def dataset_records(
    base: Path, unit: Named, columns: Sequence[Column], estimated_rows: int | None, problem: str | None
) -> Iterator[NormalizedRecord]:
    """The dataset, then its columns. Every payload names the ``unitId``, so the records of one unit can be picked."""
    dataset = f"file/{quote(str(base), safe='')}/{quote(unit.unit_id, safe='')}"
    named = {column.name: f"{dataset}/{quote(column.name, safe='')}" for column in columns}
    payload: dict[str, Json] = {
        "unitId": unit.unit_id,
        "basePath": str(base),
        "kind": unit.kind,
        "format": unit.format,
        "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in columns],
        "primaryKey": [],
        "references": [],
        "estimatedRows": estimated_rows,
    }
    if problem is not None:
        payload["problem"] = problem
    edges = [
        NormalizedEdge(type="HAS_COLUMN", source_logical_id=dataset, target_logical_id=id_) for id_ in named.values()
    ]
    yield _record("catalog.dataset", dataset, unit.unit_id, payload, edges)
    for position, column in enumerate(columns, 1):
        about: dict[str, Json] = {
            "unitId": unit.unit_id,
            "name": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "position": position,
            "isPrimaryKey": False,
        }
        yield _record("catalog.column", named[column.name], f"{unit.unit_id}.{column.name}", about, [])


def _record(
    entity_type: str, logical_id: str, name: str, payload: dict[str, Json], edges: list[NormalizedEdge]
) -> NormalizedRecord:
    return NormalizedRecord(
        entity_type=entity_type,
        logical_id=logical_id,
        display_name=name,
        scope=GraphScope(),
        provenance=Provenance(endpoint_id="", vendor="Local"),
        phase="normalized",
        payload=payload,
        edges=edges,
    )
