"""Which keys a sink has that its source has not: compared by hash, in memory that does not grow with their number.

Both sides are cut into parts by the first bits of a key's hash, in files that
have no name and so leave nothing behind. One part at a time is held in memory.
What is found are candidates: a key that is only written differently is one too,
so the source has the last word (``KeyedSource.tombstones``).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import IO, Any, TypeAlias

import pyarrow as pa

from headrace.errors import StagingFull

Key: TypeAlias = tuple[str, ...]

PARTS, DIGEST_BYTES, BUFFER_BYTES = 1024, 16, 16 * 1024
LENGTH_BYTES = 4


def absent_keys(of_source: Iterator[pa.RecordBatch], of_sink: Iterator[pa.RecordBatch]) -> Generator[Key]:
    """The keys of the sink whose hash the source has not, as text. Nothing of either is read before the first is asked.

    Raises:
        StagingFull: No room is left for the hashes where temporary files go.
    """
    with ExitStack() as opened:
        known, held = (_Parts(opened.enter_context(tempfile.TemporaryFile())) for _ in range(2))
        try:
            for batch in of_sink:
                for key in key_texts(batch):
                    written = json.dumps(key, ensure_ascii=False).encode()
                    held.add(_digest(written), len(written).to_bytes(LENGTH_BYTES) + written)
            if held.is_empty:
                return
            for batch in of_source:
                for key in key_texts(batch):
                    known.add(_digest(json.dumps(key, ensure_ascii=False).encode()), b"")
        except OSError as error:
            raise StagingFull(
                f"The keys cannot be compared, for their hashes cannot be kept in {tempfile.gettempdir()}: "
                f"{error.strerror}. Make room there, or point TMPDIR elsewhere."
            ) from error
        for part in range(PARTS):
            there = {digest for digest, _ in _records(known.read(part), has_key=False)}
            for digest, written in _records(held.read(part), has_key=True):
                if digest not in there:
                    yield tuple(json.loads(written))


def key_texts(batch: pa.RecordBatch) -> Iterator[Key]:
    return zip(*(_as_text(column) for column in batch.columns), strict=True)


def _as_text(column: Any) -> list[str]:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    if pa.types.is_binary(plain.type) or pa.types.is_large_binary(plain.type):
        return [f"\\x{value.hex()}" for value in plain.to_pylist()]
    return plain.cast(pa.string()).to_pylist()


def _digest(written: bytes) -> bytes:
    return hashlib.blake2b(written, digest_size=DIGEST_BYTES).digest()


def _records(content: bytes, *, has_key: bool) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        digest, at = content[at : at + DIGEST_BYTES], at + DIGEST_BYTES
        size = 0
        if has_key:
            size, at = int.from_bytes(content[at : at + LENGTH_BYTES]), at + LENGTH_BYTES
        yield digest, content[at : at + size]
        at += size


class _Parts:
    """Records in parts, in one file: when a part fills its buffer, that is written behind the rest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._buffers = [bytearray() for _ in range(PARTS)]
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]
        self._end = 0
        self.is_empty = True

    def add(self, digest: bytes, more: bytes) -> None:
        self.is_empty = False
        part = int.from_bytes(digest[:2]) % PARTS
        buffer = self._buffers[part]
        buffer += digest + more
        if len(buffer) >= BUFFER_BYTES:
            self._file.write(buffer)
            self._pieces[part].append((self._end, len(buffer)))
            self._end += len(buffer)
            self._buffers[part] = bytearray()

    def read(self, part: int) -> bytes:
        self._file.flush()
        pieces: list[bytes] = []
        for begin, size in self._pieces[part]:
            self._file.seek(begin)
            pieces.append(self._file.read(size))
        return b"".join(pieces) + bytes(self._buffers[part])
