"""How Parquet files are encoded here, whoever writes them: a source into staging, or a sink in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Of Arrow memory: what is held while a row group fills."""

_DICTIONARY_BYTES = 128 * 1024
"""Of a column's different values in a row group. One that has more is soon written plainly: looking up every value of
a column of keys or remarks costs more than to write it, and makes the file larger."""


def row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Every row, in tables of which each becomes a row group."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.lib.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.lib.Table.from_batches(held)


def parquet_writer(sink: Any, schema: pa.Schema, compression: str) -> pq.ParquetWriter:
    """Decimals of up to 18 digits are integers, as engines other than Arrow's write them: shorter, and sooner done."""
    return pq.ParquetWriter(
        sink,
        schema,
        compression=compression,
        write_page_index=True,
        store_decimal_as_integer=True,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
    )
