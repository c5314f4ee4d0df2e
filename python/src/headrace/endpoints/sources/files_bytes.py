"""The bytes of one file of a source, wherever it lies, as the formats need them."""

from __future__ import annotations

import io
from typing import Protocol


class SourceBytes(Protocol):
    """What is read is always of the file that was opened, or reading fails: never of another one of its name."""

    size: int
    """Bytes that count; who opened it may say fewer than there are."""

    @property
    def shown(self) -> str:
        """How people are told of it."""
        ...

    def read(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on. Raises ``SourceRewound`` when there are fewer."""
        ...

    def fingerprint(self, upto: int) -> str:
        """Names the first ``upto`` bytes. Raises ``SourceRewound`` when there are fewer."""
        ...

    def close(self) -> None: ...


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
