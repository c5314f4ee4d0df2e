"""A batch parted into what can be done with it and the rows with which it cannot.

A conversion sees whole batches and fails for a row. Halves of a batch that
failed are tried again, so good rows are never looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import pyarrow as pa

from headrace.errors import RowRejected

Converted = TypeVar("Converted")


@dataclass(slots=True)
class Parted(Generic[Converted]):
    """``good`` in the order of the rows; ``refused`` by position in the batch."""

    good: list[Converted] = field(default_factory=list[Converted])
    refused: list[tuple[int, RowRejected]] = field(default_factory=list[tuple[int, RowRejected]])


def parted(batch: pa.RecordBatch, convert: Callable[[pa.RecordBatch], Converted], most: int) -> Parted[Converted]:
    """``convert`` applied to all rows it takes. Ends early, with more than ``most`` of them refused."""
    found: Parted[Converted] = Parted()
    waiting = [(0, batch.num_rows)]
    while waiting and len(found.refused) <= most:
        start, size = waiting.pop()
        try:
            found.good.append(convert(batch if size == batch.num_rows else batch.slice(start, size)))
        except RowRejected as refusal:
            if size <= 1:
                found.refused.append((start, refusal))
                continue
            half = size // 2
            waiting += [(start + half, size - half), (start, half)]
    return found


def without(batch: pa.RecordBatch, positions: list[int]) -> pa.RecordBatch:
    """The batch without the rows at ``positions``, which are in order."""
    if not positions:
        return batch
    starts, ends = [0, *(position + 1 for position in positions)], [*positions, batch.num_rows]
    parts = [batch.slice(start, end - start) for start, end in zip(starts, ends, strict=True) if end > start]
    return pa.concat_batches(parts) if parts else batch.slice(0, 0)
