"""Compressed text as the bytes of a source, in which places are counted as they are in the plain text.

It can be read in order alone, so a place is reached by decompressing all before
it. Readers go forward, and look back no further than a record; planning JSON lines
follows itself a slice behind. Two passages through the file serve both.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from headrace.endpoints.sources.files_bytes import UNKNOWN_SIZE, FileRange, SourceBytes
from headrace.endpoints.sources.files_compressed import Compression, compression_of
from headrace.errors import ConfigInvalid, RowRejected

_PIECE_BYTES = 1024 * 1024
_SAMPLE_BYTES = 4 * _PIECE_BYTES
_MOST_PASSAGES = 2
_SKIPPED = b"\x2a\x4d\x18"
"""A zstd file may begin with a frame to be skipped, whose magic has a first byte of 16 kinds."""


def decompressed(file: SourceBytes, row_bytes: int) -> SourceBytes:
    """The text of a file: of one whose name says so, what it decompresses to.

    Raises:
        ConfigInvalid: It is not compressed as its name says.
    """
    compression = compression_of(file.shown)
    return file if compression is None else Decompressed(file, compression, row_bytes)


class Decompressed:
    def __init__(self, file: SourceBytes, compression: Compression, row_bytes: int) -> None:
        self._file = file
        self._compression = compression
        self._look_back = row_bytes + 2 * _PIECE_BYTES
        self._passages: list[_Passage] = []
        self._end: int | None = None
        self.shown = file.shown
        self._refuse_other()

    @property
    def size(self) -> int:
        return UNKNOWN_SIZE if self._end is None else self._end

    def likely_size(self) -> int:
        """By how much the beginning of the file decompresses to."""
        sample = len(self.read(0, _SAMPLE_BYTES))
        if self._end is not None:
            return self._end
        return round(sample * self._file.size / max(1, self._passage(0).taken))

    def read(self, at: int, count: int) -> bytes:
        with self._told():
            passage = self._passage(at)
            data = passage.read(at, count)
        if len(data) < count:
            self._end = passage.reached
        return data

    def fingerprint(self, upto: int) -> str:
        """A compressed file is written once, so any place in it is known by all of it."""
        return self._file.fingerprint(self._file.size)

    def refuse_damaged(self) -> None:
        """Decompress to the end, where the checksum is; or to a record that is too long, behind which nobody reads."""
        passage, unbroken = _Passage(self._file, self._compression.name, 0), 0
        with self._told():
            for piece in passage.pieces():
                last = piece.rfind(b"\n") + 1
                unbroken = len(piece) - last if last > 0 else unbroken + len(piece)
                if unbroken > self._look_back:
                    return

    def close(self) -> None:
        self._passages.clear()
        self._file.close()

    def _passage(self, at: int) -> _Passage:
        """The passage nearest before ``at``, or a new one, for which the hindmost makes room."""
        before = [passage for passage in self._passages if passage.start <= at]
        if before:
            return max(before, key=lambda passage: passage.reached)
        self._passages.sort(key=lambda passage: passage.reached, reverse=True)
        del self._passages[_MOST_PASSAGES - 1 :]
        self._passages.append(_Passage(self._file, self._compression.name, self._look_back))
        return self._passages[-1]

    def _refuse_other(self) -> None:
        head, found = self._file.read(0, min(4, self._file.size)), self._compression
        if head.startswith(found.magic) or (found.name == "zstd" and head[1:] == _SKIPPED and head[0] >> 4 == 5):
            return
        raise ConfigInvalid(
            f"{self.shown} is not compressed with {found.name}, as its name says. If it is still being written, start "
            f"again when it is whole; otherwise let its name not end in {found.ending}, or write it anew.",
            role="source",
            details={"path": self.shown, "compression": found.name},
        )

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(str(error).partition("\n")[0].rstrip(".")) from error

    def _damaged(self, reason: str) -> RowRejected:
        name = self._compression.name
        advice = "If it is still being written, start again when it is whole; otherwise write it anew."
        if "too much memory" in reason:
            advice = (
                "Compress it anew without --long and --ultra, whose windows are larger than what is kept in memory."
            )
        return RowRejected(
            f"{self.shown} cannot be decompressed with {name} to its end ({reason}). {advice}",
            role="source",
            details={"path": self.shown, "compression": name},
        )


class _Passage:
    """One way through the file. The text from ``start`` to ``reached`` is at hand."""

    def __init__(self, file: SourceBytes, codec: str, look_back: int) -> None:
        self._source = FileRange(file, 0, file.size)
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(self._source, mode="r"), codec)
        self._look_back = look_back
        self._window = bytearray()
        self.start = 0

    @property
    def reached(self) -> int:
        return self.start + len(self._window)

    @property
    def taken(self) -> int:
        """Bytes of the file, up to here."""
        return self._source.tell()

    def read(self, at: int, count: int) -> bytes:
        """Fewer than ``count`` bytes where the text ends."""
        while self.reached < at + count:
            piece = self._piece(at + count - self.reached)
            if not piece:
                break
            self._window += piece
            self._forget(at)
        return bytes(self._window[at - self.start : at - self.start + count])

    def pieces(self) -> Iterator[bytes]:
        while piece := self._piece(_PIECE_BYTES):
            yield piece

    def _piece(self, most: int) -> bytes:
        return self._stream.read(min(_PIECE_BYTES, most))

    def _forget(self, at: int) -> None:
        """What lies before ``at`` and further back than anybody looks."""
        surplus = min(len(self._window) - self._look_back, at - self.start)
        if surplus > 0:
            del self._window[:surplus]
            self.start += surplus
