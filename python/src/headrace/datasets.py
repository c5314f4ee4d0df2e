"""A unit of rows as the knowledge base hears of it: one record of the dataset, then one of each column.

Every payload names the ``unitId``, so that the records of one unit can be picked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from headrace.endpoint import Column, Reference
from headrace.protocol import GraphScope, Json, NormalizedEdge, NormalizedRecord, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    logical_id: str
    """The same for the same dataset, whoever asks, and for no other."""
    unit_id: str
    vendor: str
    kind: str
    columns: Sequence[Column]
    estimated_rows: int | None
    primary_key: Sequence[str] = ()
    references: Sequence[tuple[Reference, str]] = ()
    """Each with the logical id of the dataset it leads to."""
    details: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What only its system says of it."""


def dataset_records(dataset: Dataset) -> Iterator[NormalizedRecord]:
    named = [f"{dataset.logical_id}/{quote(column.name, safe='')}" for column in dataset.columns]
    payload: dict[str, Json] = {
        "unitId": dataset.unit_id,
        **dataset.details,
        "kind": dataset.kind,
        "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in dataset.columns],
        "primaryKey": list(dataset.primary_key),
        "references": [{**_columns(r), "targetUnit": r.target_unit} for r, _ in dataset.references],
        "estimatedRows": dataset.estimated_rows,
    }
    edges = [_edge("HAS_COLUMN", dataset.logical_id, column) for column in named]
    edges += [_edge("REFERENCES", dataset.logical_id, target, _columns(r)) for r, target in dataset.references]
    yield _record(dataset, "catalog.dataset", dataset.logical_id, dataset.unit_id, payload, edges)
    for position, (column, logical_id) in enumerate(zip(dataset.columns, named, strict=True), 1):
        about: dict[str, Json] = {
            "unitId": dataset.unit_id,
            "name": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "position": position,
            "isPrimaryKey": column.name in dataset.primary_key,
        }
        yield _record(dataset, "catalog.column", logical_id, f"{dataset.unit_id}.{column.name}", about, [])


def _columns(reference: Reference) -> dict[str, Json]:
    return {"columns": list(reference.columns), "targetColumns": list(reference.target_columns)}


def _edge(kind: str, source: str, target: str, properties: Mapping[str, Json] | None = None) -> NormalizedEdge:
    return NormalizedEdge(
        type=kind, source_logical_id=source, target_logical_id=target, properties=dict(properties or {})
    )


def _record(
    dataset: Dataset,
    entity_type: str,
    logical_id: str,
    name: str,
    payload: dict[str, Json],
    edges: list[NormalizedEdge],
) -> NormalizedRecord:
    return NormalizedRecord(
        entity_type=entity_type,
        logical_id=logical_id,
        display_name=name,
        scope=GraphScope(),
        provenance=Provenance(endpoint_id="", vendor=dataset.vendor),
        phase="normalized",
        payload=payload,
        edges=edges,
    )
