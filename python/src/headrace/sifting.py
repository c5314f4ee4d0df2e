"""A sealed session seen without some of its rows, or in the columns that are there.

Nothing is staged again: rows are left out as they are read, and the seal is of
what remains.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.errors import Bug
from headrace.fitting import Fit
from headrace.parting import without
from headrace.rows import rows_from_arrow
from headrace.seals import RowsHash
from headrace.staging import (
    DEFAULT_BATCH_BYTES,
    BlockLoad,
    IngestionContext,
    NativeBlock,
    NativeFile,
    RecordReader,
    RecordWriter,
    Row,
    Seal,
    StagingSession,
)

_ROWS_AT_ONCE = 4096


class SiftedSession:
    """``refused`` are positions of the session's rows, in order."""

    def __init__(self, session: StagingSession, fit: Fit | None, refused: Sequence[int]) -> None:
        self._session = session
        self._fit = fit
        self._refused = list(refused)
        self._seal: Seal | None = None

    @property
    def id(self) -> str:
        return self._session.id

    @property
    def context(self) -> IngestionContext:
        return self._session.context

    def native_path(self) -> Path | None:
        return None

    def hand_on(self, load: BlockLoad) -> None:
        raise Bug("A session was to hand on what it holds after its rows were judged.", role="staging")

    @property
    def handed_on(self) -> BlockLoad | None:
        return None

    def writer(self) -> RecordWriter:
        raise Bug("A session was to be written to after its rows were judged.", role="staging")

    def reader(self) -> SiftedReader:
        return SiftedReader(self._session.reader(), self._fit, self._refused)

    def seal(self) -> Seal:
        if self._seal is None:
            reader = self.reader()
            schema = reader.schema
            hashed, rows, size = RowsHash(pa.schema([]) if schema is None else schema), 0, 0
            for batch in reader.iter_arrow():
                hashed.update(batch)
                rows += batch.num_rows
                size += batch.nbytes
            self._seal = Seal(rows=rows, bytes=size, sha256=hashed.hexdigest())
        return self._seal

    def close(self) -> None:
        self._session.close()


def position_before(position: int, gone: Sequence[int]) -> int:
    """Where the row at ``position`` was before the rows at ``gone``, which are in order, were left out."""
    low, high = 0, len(gone)
    while low < high:
        middle = (low + high) // 2
        if gone[middle] - middle <= position:
            low = middle + 1
        else:
            high = middle
    return position + low


class SiftedReader:
    def __init__(self, reader: RecordReader, fit: Fit | None, refused: Sequence[int]) -> None:
        self._reader = reader
        self._fit = fit
        self._refused = refused

    @property
    def schema(self) -> pa.Schema | None:
        schema = self._reader.schema
        return schema if schema is None or self._fit is None else self._fit.there

    def iter_arrow(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        first = 0
        for read in self._reader.iter_arrow(max_bytes):
            batch = read if self._fit is None else self._fit.fitted(read)
            last = first + batch.num_rows
            here = self._refused[bisect_left(self._refused, first) : bisect_left(self._refused, last)]
            remaining = without(batch, [position - first for position in here])
            first = last
            if remaining.num_rows:
                yield remaining

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; at least 1 is needed")
        return self._chunks(chunk_size)

    def iter_native(self) -> Iterator[NativeBlock]:
        return iter(())

    def native_file(self) -> NativeFile | None:
        return None

    def _chunks(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        rows: list[Row] = []
        for batch in self.iter_arrow():
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                rows.extend(rows_from_arrow(batch.slice(start, _ROWS_AT_ONCE), start))
                while len(rows) >= chunk_size:
                    yield rows[:chunk_size]
                    rows = rows[chunk_size:]
        if rows:
            yield rows
