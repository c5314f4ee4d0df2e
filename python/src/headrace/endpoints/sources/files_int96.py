"""Timestamps of Parquet as Spark, Hive and Impala wrote them for years: INT96, a day and the nanoseconds in it.

pyarrow takes them for nanoseconds since 1970, and the years before 1677 and
after 2262 overflow to others without a word. So they are read as microseconds,
and a second time as nanoseconds, whose last bits tell whether there were any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import RowRejected

UNIT = "us"
"""What a file is to be opened with, so that its INT96 have a range that suffices."""


def int96_columns(file: Any) -> tuple[str, ...]:
    """Columns of a ``ParquetFile`` that hold such timestamps, alone or within others."""
    leaves = (file.schema.column(index) for index in range(len(file.schema)))
    names = {leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"}
    return tuple(name for name in file.schema_arrow.names if name in names)


def refuse_nanoseconds(batch: pa.RecordBatch, fine: pa.RecordBatch, shown: str) -> None:
    """``fine`` has the same rows, its INT96 as nanoseconds that may have overflowed. Raises ``RowRejected``."""
    for name in fine.schema.names:
        for coarse, exact in zip(_moments(batch.column(name)), _moments(fine.column(name)), strict=True):
            left = pc.subtract(exact.view(pa.int64()), pc.multiply(coarse.view(pa.int64()), 1000))
            if pc.any(pc.not_equal(left, 0)).as_py():
                raise RowRejected(
                    f"{shown} has nanoseconds in column {name}, which is INT96 and read as microseconds. Write the "
                    "file with the type TIMESTAMP(NANOS), or leave the column out with the policy's columns.",
                    role="source",
                    details={"path": shown, "column": name},
                )


def _moments(array: Any) -> Iterator[Any]:
    """The arrays of timestamps in an array, however deep."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        yield array
    elif pa.types.is_struct(kind):
        parts: Sequence[Any] = array.flatten()
        for part in parts:
            yield from _moments(part)
    elif pa.types.is_map(kind):
        yield from _moments(array.keys)
        yield from _moments(array.items)
    elif pa.types.is_list(kind):
        yield from _moments(array.flatten())
