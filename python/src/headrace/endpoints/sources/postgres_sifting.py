"""Rows of PostgreSQL that Arrow cannot say: left out of their batch, with the reason and what the server gave."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pyarrow as pa

from headrace.endpoints.systems.postgres_types import Reading, exact_batch
from headrace.errors import RowRejected
from headrace.parting import parted
from headrace.previews import json_values
from headrace.refusals import RefusedRow, Sifted

LONGEST_KEY = 40
"""Characters of a key's value that a message shows."""

UUID_BYTES = 16


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


def first_refusal(
    batch: pa.RecordBatch, readings: tuple[Reading, ...], schema: pa.Schema, unit_id: str, key: Sequence[str]
) -> RowRejected:
    """Why the first row that Arrow cannot say ends the run, and which one it is, by its key where that is read."""
    (position, refusal), *_ = parted(batch, lambda part: exact_batch(part, readings, schema, unit_id), 0).refused
    found = _key_of(batch.slice(position, 1), [planned.name for planned in readings], key)
    if found is None:
        return refusal
    message = refusal.message.replace(f"A row of {unit_id} ", f"The row of {unit_id} with {found} ", 1)
    return RowRejected(message, role=refusal.role, details=refusal.details)


def _key_of(row: pa.RecordBatch, names: Sequence[str], key: Sequence[str]) -> str | None:
    """``id = 17``; None where there is no key, or not all of it was read. Of a long value its beginning."""
    if not key or not set(key) <= set(names):
        return None
    return ", ".join(f"{name} = {_shown(row.column(names.index(name)))}" for name in key)


def _shown(column: pa.Array) -> str:
    try:
        (value,) = json_values(column)
    except (ValueError, OverflowError, pa.ArrowException):  # it is what Arrow cannot say
        return "…"
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    text = str(UUID(bytes=plain[0].as_py())) if plain.type == pa.binary(UUID_BYTES) else str(value)
    return text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}…"


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
