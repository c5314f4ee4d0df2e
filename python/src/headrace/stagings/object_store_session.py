"""The objects of one staging session: parts of bounded size, each whole by itself, and a manifest that comes last.

A part is an Arrow stream or a run of native blocks, written by one request. So
nothing is ever half-uploaded, what is held in memory is one part, and what lies
in the bucket is what a listing shows. Each part is read back by its hash.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from headrace.errors import Bug, EndpointUnreachable, StagingFull
from headrace.objects.bucket import Bucket
from headrace.staging import NativeBlock, Seal
from headrace.stagings.object_store_owner import encoded, this_process

PART_BYTES = 8 * 1024 * 1024
OWNER = "owner.json"
MANIFEST = "manifest.json"

_BLOCK = struct.Struct(">QQ")
_RENEWAL_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    size: int
    sha256: str


class SessionObjects:
    """The store of a session below ``folder``, which is this session's alone."""

    def __init__(self, bucket: Bucket, folder: str, max_bytes: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes = 0
        self._format = ""
        self._parts: list[_Part] = []
        self._schema: pa.Schema | None = None
        self._buffer = pa.BufferOutputStream()
        self._writer: pa.RecordBatchWriter | None = None
        self._claimed = float("-inf")
        self._claim()

    def append(self, batch: pa.RecordBatch) -> None:
        self._take(batch.nbytes)
        self._writer_of(batch.schema).write_batch(batch)
        self._end_full_part()

    def append_native(self, block: NativeBlock) -> None:
        self._take(len(block.data))
        self._format = block.format
        self._buffer.write(_BLOCK.pack(len(block.data), block.rows))
        self._buffer.write(block.data)
        self._end_full_part()

    def native_path(self) -> None:
        """A bucket has no path that a source could write at, and a worker may have no disk."""

    def keep_native_file(self) -> Path:
        raise Bug("A file was staged in an object store, which has no place for one.", role="staging")

    def finish(self, seal: Seal) -> None:
        self._end_part()
        manifest = {
            "rows": seal.rows,
            "bytes": seal.bytes,
            "sha256": seal.sha256,
            "format": self._format,
            "parts": [{"name": part.name, "size": part.size, "sha256": part.sha256} for part in self._parts],
        }
        self._bucket.put(f"{self._folder}/{MANIFEST}", msgspec.json.encode(manifest))

    def batches(self) -> Iterator[pa.RecordBatch]:
        self._end_part()
        for part in self._parts if not self._format else ():
            with pa.ipc.open_stream(self._read(part)) as stream:
                yield from stream

    def blocks(self) -> Iterator[NativeBlock]:
        for part in self._parts if self._format else ():
            content, at = self._read(part), 0
            while at < len(content):
                size, rows = _BLOCK.unpack_from(content, at)
                at += _BLOCK.size
                yield NativeBlock(format=self._format, data=content[at : at + size], rows=rows)
                at += size

    def delete(self) -> None:
        """The owner goes last: what is left of a deletion that broke off is still known to be ours."""
        owner = f"{self._folder}/{OWNER}"
        self._bucket.delete(found.key for found in self._bucket.list(self._folder) if found.key != owner)
        self._bucket.delete([owner])

    def _writer_of(self, schema: pa.Schema) -> pa.RecordBatchWriter:
        if self._writer is not None and schema.equals(self._schema, check_metadata=True):
            return self._writer
        self._end_part()
        writer = pa.ipc.new_stream(self._buffer, schema)
        self._writer, self._schema = writer, schema
        return writer

    def _end_full_part(self) -> None:
        if self._buffer.tell() >= PART_BYTES:
            self._end_part()

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        if self._buffer.tell() == 0:
            return
        content = memoryview(self._buffer.getvalue()).cast("B")
        self._buffer = pa.BufferOutputStream()
        name = f"part-{len(self._parts):06d}"
        self._claim()
        self._bucket.put(f"{self._folder}/{name}", content)
        self._parts.append(_Part(name, content.nbytes, hashlib.sha256(content).hexdigest()))

    def _read(self, part: _Part) -> bytes:
        self._claim()
        found = self._bucket.get(f"{self._folder}/{part.name}")
        if found is None or hashlib.sha256(found[0]).hexdigest() != part.sha256:
            what = "is gone" if found is None else "is not what was staged"
            raise EndpointUnreachable(
                f"{self._bucket.address.shown(self._folder)}/{part.name} {what}. See that nobody else writes or "
                "deletes there, then start again: the slice is read anew.",
                role="staging",
                details={"part": part.name},
            )
        return found[0]

    def _claim(self) -> None:
        """Say who has this session, and say it again while it is in use: its age is what others can see of us."""
        now = time.monotonic()
        if now - self._claimed >= _RENEWAL_SECONDS:
            self._bucket.put(f"{self._folder}/{OWNER}", encoded(this_process()))
            self._claimed = now

    def _take(self, size: int) -> None:
        if self._bytes + size > self._max_bytes:
            raise StagingFull(
                f"A slice is larger than the {self._max_bytes / 1024**3:.1f} GiB that staging in an object store may "
                "hold. Make slices smaller (targetSliceSize, sliceBytes).",
                role="staging",
                details={"maxBytes": self._max_bytes},
            )
        self._bytes += size
