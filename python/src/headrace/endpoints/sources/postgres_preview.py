"""A few rows as JSON. What JSON cannot say exactly is text: decimals, bytes, times, wide integers, NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from headrace.endpoints.systems.postgres_types import Reading
from headrace.protocol import Json, Preview, PreviewColumn

_SAFE_INTEGER = 2**53


def preview_rows(readings: tuple[Reading, ...], batches: Iterable[Any]) -> Preview:
    rows: list[dict[str, Json]] = []
    for batch in batches:
        columns = [json_values(column) for column in batch.columns]
        rows.extend(
            {planned.name: value for planned, value in zip(readings, values, strict=True)}
            for values in zip(*columns, strict=True)
        )
    return Preview(columns=[PreviewColumn(name=p.name, type=p.shown) for p in readings], rows=rows)


def json_values(array: Any) -> list[Json]:
    kind = array.type
    if pa.types.is_list(kind):
        return [None if not item.is_valid else json_values(item.values) for item in array]
    if pa.types.is_binary(kind):
        return [None if value is None else "\\x" + value.hex() for value in array.to_pylist()]
    if pa.types.is_integer(kind):
        return [value if value is None or abs(value) < _SAFE_INTEGER else str(value) for value in array.to_pylist()]
    if pa.types.is_floating(kind):
        return [value if value is None or math.isfinite(value) else str(value) for value in array.to_pylist()]
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return array.to_pylist()
    return array.cast(pa.string()).to_pylist()
