"""The bytes of one file of a source, wherever it lies, as the formats need them."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable
from typing import Protocol

UNKNOWN_SIZE = sys.maxsize
"""Of compressed text, until its end has been read."""

_SAMPLE_BYTES = 64 * 1024


class SourceBytes(Protocol):
    """What is read is always of the file that was opened, or reading fails: never of another one of its name."""

    @property
    def size(self) -> int:
        """Bytes that count; who opened it may say fewer than there are."""
        ...

    @property
    def shown(self) -> str:
        """How people are told of it."""
        ...

    def read(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on. Raises ``SourceRewound`` when there are fewer, unless the size is unknown."""
        ...

    def likely_size(self) -> int:
        """The size, or a guess at it from the beginning."""
        ...

    def fingerprint(self, upto: int) -> str:
        """Names the first ``upto`` bytes. Raises ``SourceRewound`` when there are fewer."""
        ...

    def refuse_damaged(self) -> None:
        """Raises ``RowRejected`` when the file does not hold what was written to it, as far as that shows."""
        ...

    def close(self) -> None: ...


def digest_of(read: Callable[[int, int], bytes], upto: int) -> str:
    """Names the first ``upto`` bytes by their number, their beginning and their end."""
    whole = hashlib.sha256(f"{upto}\n".encode())
    head = min(upto, _SAMPLE_BYTES)
    tail = min(upto - head, _SAMPLE_BYTES)
    whole.update(read(0, head))
    whole.update(read(upto - tail, tail))
    return whole.hexdigest()[:32]


class FileRange(io.RawIOBase):
    """The bytes of a file from ``start`` to ``end``, for libraries that want a file."""

    def __init__(self, file: SourceBytes, start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._length = end - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        data = self._file.read(self._start + self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data
