"""Rows of PostgreSQL that Arrow cannot say: left out of their batch, with the reason and what the server gave."""

from __future__ import annotations

import pyarrow as pa

from headrace.endpoints.systems.postgres_types import Reading, exact_batch
from headrace.errors import RowRejected
from headrace.parting import parted
from headrace.refusals import RefusedRow, Sifted


def sifted_batch(
    batch: pa.RecordBatch, readings: tuple[Reading, ...], schema: pa.Schema, unit_id: str, most: int
) -> Sifted:
    """The rows that Arrow can say. A row that it cannot is kept as the driver gave it: numbers as text, for one."""
    found = parted(batch, lambda part: exact_batch(part, readings, schema, unit_id), most)
    said = batch.select(range(len(readings))).rename_columns([planned.name for planned in readings])
    return Sifted(
        batch=pa.concat_batches(found.good) if found.good else schema.empty_table().to_batches()[0],
        refused=[_refused(said, position, refusal) for position, refusal in found.refused],
    )


def _refused(said: pa.RecordBatch, position: int, refusal: RowRejected) -> RefusedRow:
    column = refusal.details.get("column")
    return RefusedRow(
        position=position,
        code="UNCARRIABLE",
        reason=refusal.message,
        column=column if isinstance(column, str) else None,
        row=said.slice(position, 1),
        is_whole=False,
    )
