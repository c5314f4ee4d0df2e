"""The rules of a staging session, once for every provider.

A provider supplies a ``Store``: somewhere to append to, read from and delete.
Everything else is the same for all and lives here: one writer, rows made Arrow,
one schema, the seal, readers that start at the first record, and a close after
which nothing answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import Bug
from headrace.rows import arrow_from_rows, conformed, joined_schema, rows_from_arrow
from headrace.seals import RowsHash
from headrace.staging import (
    DEFAULT_BATCH_BYTES,
    BlockLoad,
    IngestionContext,
    NativeBlock,
    NativeFile,
    Row,
    Seal,
    SessionClosed,
)

ROWS_AT_ONCE = 4096
"""Rows turned into Arrow together. A refused row leaves the groups before its own."""


class Store(Protocol):
    """Where a session's records lie. Appends come first, then ``finish`` once, then reads; ``delete`` at any time."""

    def append(self, batch: pa.RecordBatch) -> None: ...

    def append_native(self, block: NativeBlock) -> None: ...

    def native_path(self) -> Path | None:
        """Where a source may write one native file; None when nothing but the store itself can write here."""
        ...

    def keep_native_file(self) -> Path:
        """The file at ``native_path`` is whole. Returns where it is from now on."""
        ...

    def finish(self, seal: Seal) -> None:
        """Everything is appended: make it durable as far as the provider promises."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """What was appended, in order, each batch with the schema it came with."""
        ...

    def blocks(self) -> Iterator[NativeBlock]: ...

    def delete(self) -> None: ...


class StagedSession:
    """A ``StagingSession`` over a store. Also its writer: there is one, and it has nothing of its own."""

    def __init__(self, session_id: str, context: IngestionContext, store: Store) -> None:
        self.id = session_id
        self.context = context
        self._store = store
        self._schema: pa.Schema | None = None
        self._format: str | None = None
        self._file: NativeFile | None = None
        self._load: BlockLoad | None = None
        self._hash: RowsHash | None = None
        self._native_hash = hashlib.sha256()
        self._rows = 0
        self._bytes = 0
        self._seal: Seal | None = None
        self._closed = False

    def writer(self) -> StagedSession:
        self._require_open()
        return self

    def native_path(self) -> Path | None:
        self._require_writable()
        return self._store.native_path()

    def hand_on(self, load: BlockLoad) -> None:
        self._require_writable()
        if self._load is not None or self._format is not None or self._schema is not None:
            raise Bug("A session that holds something was to hand it on.", role="staging")
        self._load = load

    @property
    def handed_on(self) -> BlockLoad | None:
        return self._load if self._load is not None and self._format == self._load.format else None

    def write_batch(self, batch: Iterable[Row]) -> None:
        self._require_writable()
        rows = iter(batch)
        while group := list(islice(rows, ROWS_AT_ONCE)):
            names = None if self._schema is None else self._schema.names
            self._append(arrow_from_rows(group, self._rows, names))

    def write_arrow(self, batch: pa.RecordBatch) -> None:
        self._require_writable()
        self._append(batch)

    def write_native(self, block: NativeBlock) -> None:
        self._require_writable()
        self._require_native(block.format, is_addition=self._file is None)
        if self._load is not None and self._load.format == block.format:
            self._load.write(block.data)
        else:
            self._store.append_native(block)
        self._format = block.format
        self._native_hash.update(block.data)
        self._rows += block.rows
        self._bytes += len(block.data)

    def write_native_file(self, file: NativeFile) -> None:
        self._require_writable()
        self._require_native(file.format, is_addition=False)
        path = self._store.keep_native_file()
        with path.open("rb") as content:
            self._native_hash.update(hashlib.file_digest(content, "sha256").digest())
        self._format, self._file = file.format, replace(file, path=path)
        self._rows, self._bytes = file.rows, path.stat().st_size

    def seal(self) -> Seal:
        self._require_open()
        if self._seal is None:
            if self.handed_on is not None:
                self.handed_on.finish(self._rows)
            seal = Seal(rows=self._rows, bytes=self._bytes, sha256=self._digest())
            self._store.finish(seal)
            self._seal = seal
        return self._seal

    def reader(self) -> StagedReader:
        self.seal()
        return StagedReader(self, self._store, self._schema, self._file)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                if self._load is not None:
                    self._load.abandon()
            finally:
                self._store.delete()

    def require_open(self) -> None:
        """Raises ``SessionClosed`` after ``close``; readers ask before each batch."""
        self._require_open()

    def _append(self, batch: pa.RecordBatch) -> None:
        if self._format is not None:
            raise Bug(f"A session that holds {self._format} was given rows.", role="staging")
        schema = batch.schema if self._schema is None else joined_schema(self._schema, batch.schema)
        is_wider = self._schema is not None and not schema.equals(self._schema, check_metadata=True)
        columns = RowsHash(schema) if self._schema is None else self._hash
        self._store.append(batch)
        self._schema = schema
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        # Rows hashed under a narrower schema are hashed again from the store when the session is sealed.
        self._hash = None if is_wider else columns
        if self._hash is not None:
            self._hash.update(conformed(batch, schema))

    def _require_native(self, format_: str, *, is_addition: bool) -> None:
        is_first = self._schema is None and self._format is None
        if not is_first and not (is_addition and self._format == format_):
            held = "rows" if self._format is None else self._format
            raise Bug(f"A session that holds {held} was given {format_}.", role="staging")

    def _digest(self) -> str:
        if self._format is not None:
            head = f"headrace native 1\n{self._format} {self._rows}\n".encode()
            return hashlib.sha256(head + self._native_hash.digest()).hexdigest()
        if self._schema is None:
            return RowsHash(pa.schema([])).hexdigest()
        if self._hash is None:
            self._hash = RowsHash(self._schema)
            for batch in self._store.batches():
                self._hash.update(conformed(batch, self._schema))
        return self._hash.hexdigest()

    def _require_open(self) -> None:
        if self._closed:
            raise SessionClosed(f"Staging session {self.id} is closed; its rows are gone.")

    def _require_writable(self) -> None:
        self._require_open()
        if self._seal is not None:
            raise SessionClosed(f"Staging session {self.id} is sealed; nothing can be added.")


class StagedReader:
    """Reads a sealed session from its first record."""

    def __init__(self, session: StagedSession, store: Store, schema: pa.Schema | None, file: NativeFile | None) -> None:
        self._session = session
        self._store = store
        self._schema = schema if file is None else file.schema
        self._file = file

    @property
    def schema(self) -> pa.Schema | None:
        self._session.require_open()
        return self._schema

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        self._session.require_open()
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; at least 1 is needed")
        return self._chunks(chunk_size)

    def iter_arrow(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        self._session.require_open()
        return self._regrouped(max_bytes)

    def iter_native(self) -> Iterator[NativeBlock]:
        self._session.require_open()
        if self._session.handed_on is not None:
            raise Bug("The blocks of this session were handed on as they came.", role="staging")
        return self._blocks()

    def native_file(self) -> NativeFile | None:
        self._session.require_open()
        return self._file

    def _blocks(self) -> Iterator[NativeBlock]:
        for block in self._store.blocks():
            self._session.require_open()
            yield block

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._store.batches() if self._file is None else _rows_of(self._file):
            self._session.require_open()
            if batch.num_rows and self._schema is not None:
                yield conformed(batch, self._schema)

    def _regrouped(self, max_bytes: int) -> Iterator[pa.RecordBatch]:
        """Small batches are joined and large ones cut, so that a sink sees one size."""
        waiting: list[pa.RecordBatch] = []
        size = 0
        for batch in self._batches():
            if waiting and size + batch.nbytes > max_bytes:
                yield _one(waiting)
                waiting, size = [], 0
            *full, rest = _cut(batch, max_bytes)
            yield from full
            waiting.append(rest)
            size += rest.nbytes
        if waiting:
            yield _one(waiting)

    def _chunks(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        rows: list[Row] = []
        done = 0
        for batch in self._batches():
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                rows.extend(rows_from_arrow(batch.slice(start, ROWS_AT_ONCE), done + len(rows)))
                while len(rows) >= chunk_size:
                    yield rows[:chunk_size]
                    rows = rows[chunk_size:]
                    done += chunk_size
        if rows:
            yield rows


def _rows_of(file: NativeFile) -> Iterator[pa.RecordBatch]:
    if file.format != "parquet":
        raise Bug(f"A file of {file.format} was staged for a sink that takes rows.", role="staging")
    with pq.ParquetFile(file.path) as opened:
        yield from opened.iter_batches(ROWS_AT_ONCE)


def _cut(batch: pa.RecordBatch, max_bytes: int) -> list[pa.RecordBatch]:
    parts = -(-batch.nbytes // max(1, max_bytes))
    if parts <= 1:
        return [batch]
    size = max(1, batch.num_rows // parts)
    return [batch.slice(start, size) for start in range(0, batch.num_rows, size)]


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
