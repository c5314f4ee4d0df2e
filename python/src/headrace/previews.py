"""A few rows of Arrow as a preview shows them.

What JSON cannot say exactly is text: decimals, bytes, times, wide integers, NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from headrace.protocol import Json, Preview, PreviewColumn

_WIDE_INTEGER = 2**53
"""From here on JSON numbers, which are floats to others, leave integers out."""


def preview_of(columns: Mapping[str, str], batches: Iterable[pa.RecordBatch]) -> Preview:
    """``columns``, name to type, first; a row has every one of them, and what else the batches hold."""
    types = dict(columns)
    rows: list[dict[str, Json]] = []
    for batch in batches:
        for field in batch.schema:
            types.setdefault(field.name, str(field.type))
        values = [json_values(column) for column in batch.columns]
        rows.extend(dict(zip(batch.schema.names, row, strict=True)) for row in zip(*values, strict=True))
    return Preview(
        columns=[PreviewColumn(name=name, type=kind) for name, kind in types.items()],
        rows=[{name: row.get(name) for name in types} for row in rows],
    )


def json_values(array: pa.Array) -> list[Json]:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return json_values(array.storage)
    if pa.types.is_dictionary(kind):
        return json_values(array.dictionary_decode())
    if pa.types.is_struct(kind):
        children = [json_values(child) for child in array.flatten()]
        rows = zip(*children, strict=True) if children else [() for _ in array]
        names = [field.name for field in kind]
        return [
            dict(zip(names, row, strict=True)) if item.is_valid else None for item, row in zip(array, rows, strict=True)
        ]
    if pa.types.is_nested(kind):
        return [json_values(item.values) if item.is_valid else None for item in array]
    return [_said(value) for value in _values(array)]


def _values(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return array.to_pylist()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return array.to_pylist()
    try:
        return array.cast(pa.string()).to_pylist()
    except pa.ArrowNotImplementedError:
        return [str(item) if item.is_valid else None for item in array]


def _said(value: Any) -> Json:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= _WIDE_INTEGER:
        return str(value)
    return value
