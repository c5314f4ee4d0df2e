"""A slice on its way into a bucket: Parquet files under names of its own, then the record that makes them count.

Each file is written by one request and bounded, so what is held in memory is
one file. An attempt that does not get its slot deletes what it wrote, unless
nobody knows whether it got it: then a later sweep does, once the slot is taken.
"""

from __future__ import annotations

import io
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from headrace.endpoints.sinks.files_parquet import adoptable, refuse_unfit
from headrace.endpoints.systems.files_encoding import parquet_writer, row_groups
from headrace.endpoints.systems.files_record import SlotFile, encode_record
from headrace.endpoints.systems.s3_layout import commit_key, part_name, slot_key
from headrace.errors import (
    AuthenticationFailed,
    ConfigInvalid,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
    SinkAmbiguous,
    SinkFull,
    Throttled,
)
from headrace.objects.bucket import Bucket, Found, Taken
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader

log = logging.getLogger("headrace.endpoints.sinks.s3")

FILE_BYTES = 64 * 1024 * 1024
_TURNS, _PAUSE_SECONDS = 20, 0.05
MOST_ADOPTED_BYTES = 4 * FILE_BYTES
"""Of a staged file that one request carries; a larger one is written anew, in several."""


class ObjectAttempt:
    def __init__(
        self,
        bucket: Bucket,
        unit: str,
        generation: int,
        seq: int,
        record: Callable[[int, int], CommitRecord | None],
        refuse_if_left: Callable[[], None],
    ) -> None:
        self._bucket = bucket
        self._slot = slot_key(unit, generation, seq)
        self._key = commit_key(unit, generation, seq)
        self._record = record
        self._refuse_if_left = refuse_if_left
        self._name = uuid.uuid4().hex
        self._files: list[SlotFile] = []
        self._is_kept = False

    def write(self, reader: RecordReader, schema: pa.Schema, compression: str) -> int:
        staged = adoptable(reader, schema)
        if staged is not None and staged.path.stat().st_size <= MOST_ADOPTED_BYTES:
            self._put(_mapped(staged.path), staged.rows)
        else:
            for content, rows in _files(row_groups(reader.iter_arrow()), schema, compression):
                self._put(content, rows)
        self._refuse_if_left()
        return sum(file.rows for file in self._files)

    def write_columns(self, schema: pa.Schema, compression: str) -> None:
        self._refuse_if_left()
        for content, rows in _files(iter(()), schema, compression):
            self._put(content, rows)

    def take(self, record: CommitRecord) -> CommitRecord | None:
        content = encode_record(record, self._files)
        self._is_kept = True  # until it is known that the slot is not ours
        try:
            return self._asked(record, content)
        except (EndpointUnreachable, Throttled) as error:
            return self._settled(record, content, error)
        except (AuthenticationFailed, ConfigInvalid, PermissionDenied, SinkFull):
            self._is_kept = False
            raise

    def drop(self) -> None:
        """Delete what was written, unless it is a slot or may become one."""
        if self._is_kept:
            return
        try:
            self._bucket.delete(f"{self._slot}/{file.name}" for file in self._files)
        except DataPlaneError as error:
            # It must not hide why the attempt failed; a sweep deletes what lies in a slot that others took.
            log.warning("what an attempt wrote is left for later: %s", error.message)

    def _put(self, content: memoryview, rows: int) -> None:
        """The name is known before it is written: of a write that fails nobody knows whether it was done."""
        name = part_name(self._name, len(self._files))
        self._files.append(SlotFile(name=name, bytes=content.nbytes, rows=rows))
        self._bucket.put(f"{self._slot}/{name}", content)

    def _settled(self, record: CommitRecord, content: bytes, error: DataPlaneError) -> CommitRecord | None:
        """An answer was lost. The same bytes under the same key meet themselves, if they arrived."""
        try:
            return self._asked(record, content)
        except DataPlaneError:
            shown = self._bucket.address.shown(self._key)
            raise SinkAmbiguous(
                f"Whether the slice is at {shown} could not be found out. {error.message} "
                "The next run finds out whether the slice is there.",
                role="sink",
                details={"path": shown},
            ) from error

    def _asked(self, record: CommitRecord, content: bytes) -> CommitRecord | None:
        """Have the slot: the record of whoever has it instead, None when it is ours.

        A server may also refuse because others are at it just now, and they may come to nothing: then nobody has it.
        """
        for _ in range(_TURNS):
            try:
                self._bucket.create(self._key, content)
                return None
            except Taken:
                found = self._bucket.get(self._key)
            if found is not None and found[0] == content:
                return None
            winner = None if found is None else self._record(record.generation, record.slice_seq)
            if winner is not None:
                self._is_kept = False
                return winner
            time.sleep(_PAUSE_SECONDS)
        shown = self._bucket.address.shown(self._key)
        raise EndpointUnreachable(f"{shown} is refused, and nobody has it. Start again.", role="sink")


class RowsReader(io.RawIOBase):
    """An object of a slot as a file that can be read from anywhere in it."""

    AT_ONCE = 256 * 1024

    def __init__(self, bucket: Bucket, found: Found) -> None:
        self._bucket = bucket
        self._found = found
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # io names it WriteableBuffer, which is no type at run time
        count = min(len(buffer), self._found.size - self._at)
        if count <= 0:
            return 0
        data = self._bucket.read(self._found.key, self._at, count, self._found.etag)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _mapped(path: Path) -> memoryview:
    """The bytes of a file, which nobody changes, without a copy of them."""
    with pa.memory_map(str(path)) as file:
        return memoryview(file.read_buffer()).cast("B")


def _files(tables: Iterator[pa.Table], schema: pa.Schema, compression: str) -> Iterator[tuple[memoryview, int]]:
    """Whole Parquet files of about ``FILE_BYTES``, and their rows; one without rows when there are none."""
    refuse_unfit(schema)
    buffer, rows, count = pa.BufferOutputStream(), 0, 0
    writer = parquet_writer(buffer, schema, compression)
    for table in tables:
        writer.write_table(table.cast(schema), row_group_size=max(table.num_rows, 1))
        rows += table.num_rows
        if buffer.tell() >= FILE_BYTES:
            writer.close()
            yield memoryview(buffer.getvalue()).cast("B"), rows
            buffer, rows, count = pa.BufferOutputStream(), 0, count + 1
            writer = parquet_writer(buffer, schema, compression)
    writer.close()
    if rows > 0 or count == 0:
        yield memoryview(buffer.getvalue()).cast("B"), rows
