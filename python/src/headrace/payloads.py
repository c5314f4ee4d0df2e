"""Rows that are set aside, as they are kept: for people to read, and to be tried again.

A payload is JSON: ``{"row": …, "columns": …, "arrow": …}`` for a row that has
columns: its values as a preview shows them, a name that rows of the same columns
share and, in base64, the very row as an Arrow stream; ``{"text": …}`` for one that
never was a row. One that is too long is not kept; its hash tells whether another
is the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import cast

import pyarrow as pa

from headrace.errors import Bug
from headrace.events import RejectedRow
from headrace.previews import json_values
from headrace.protocol import Json
from headrace.refusals import RefusedRow
from headrace.seals import RowsHash

LONGEST_PAYLOAD = 256 * 1024
"""Characters; four fit a message."""


def rejected_row(refused: RefusedRow, position: int) -> RejectedRow:
    """As it is told and kept. ``position`` is that in the slice."""
    digest, payload = _kept(refused)
    return RejectedRow(
        position=position,
        code=refused.code,
        reason=refused.reason,
        column=refused.column,
        sha256=digest,
        payload=payload if payload is not None and len(payload) <= LONGEST_PAYLOAD else None,
    )


def row_of(payload: str) -> pa.RecordBatch | None:
    """The row to try again, as it was read; None where there never was one."""
    said = json.loads(payload)
    arrow = cast("Mapping[str, Json]", said).get("arrow") if isinstance(said, dict) else None
    if not isinstance(arrow, str):
        return None
    with pa.ipc.open_stream(base64.b64decode(arrow)) as stream:
        batches = list(stream)
    if sum(batch.num_rows for batch in batches) != 1:
        raise Bug("A row that was set aside is kept as something else than one row.")
    return batches[0]


def _kept(refused: RefusedRow) -> tuple[str, str | None]:
    """The hash of the row, and its payload."""
    if refused.row is None:
        text = refused.text or ""
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest(), _json({"text": text})
    row = refused.row
    hashed = RowsHash(row.schema)
    hashed.update(row)
    if row.nbytes > LONGEST_PAYLOAD:
        return hashed.hexdigest(), None
    shown = {name: _shown(column) for name, column in zip(row.schema.names, row.columns, strict=True)}
    if not refused.is_whole:
        return hashed.hexdigest(), _json({"row": shown})
    columns = hashlib.sha256(row.schema.serialize()).hexdigest()[:16]
    return hashed.hexdigest(), _json(
        {"row": shown, "columns": columns, "arrow": base64.b64encode(_stream(row)).decode()}
    )


def _shown(column: pa.Array) -> Json:
    """The one value, also where it is the reason why its row stays behind: text that is none, or no moment."""
    try:
        return json_values(column)[0]
    except (ValueError, OverflowError, pa.ArrowException):
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        return json_values(column.cast(pa.large_binary()))[0] if is_text else f"no {column.type}"


def _stream(row: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as stream:
        stream.write_batch(row)
    return sink.getvalue().to_pybytes()


def _json(value: Json) -> str:
    """Text that no encoder refuses: a lone surrogate is written as its escape."""
    return json.dumps(value, separators=(",", ":"))
