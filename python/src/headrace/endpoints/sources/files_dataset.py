"""A unit of files as others see it: a descriptor, and a dataset of the knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from headrace.datasets import Dataset
from headrace.endpoint import Column
from headrace.endpoints.sources.files_names import Named
from headrace.protocol import Json, UnitDescriptor


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps the files and where: ``kind`` begins the names of datasets."""

    kind: str
    base: str
    vendor: str


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


def dataset_of(
    keeper: Keeper, unit: Named, columns: Sequence[Column], estimated_rows: int | None, problem: str | None
) -> Dataset:
    """The unit as the knowledge base hears of it."""
    details: dict[str, Json] = {"basePath": keeper.base, "format": unit.format}
    return Dataset(
        logical_id=f"{keeper.kind}/{quote(keeper.base, safe='')}/{quote(unit.unit_id, safe='')}",
        unit_id=unit.unit_id,
        vendor=keeper.vendor,
        kind=unit.kind,
        columns=columns,
        estimated_rows=estimated_rows,
        details=details if problem is None else {**details, "problem": problem},
    )
