"""An object as the bytes of a source: read piece by piece, always of the version that was listed.

Formats read small pieces one after the other, so a request fetches more than is
asked for; what it fetched beyond is kept until the reading goes on elsewhere.
"""

from __future__ import annotations

import hashlib

from headrace.errors import SourceRewound
from headrace.objects.bucket import Bucket, Found

AHEAD_BYTES = 8 * 1024 * 1024
_ELSEWHERE_BYTES = 256 * 1024
"""Fetched at least where reading has just begun or has jumped to, as to the footer of a Parquet file."""


class SourceObject:
    def __init__(self, bucket: Bucket, found: Found) -> None:
        self._bucket = bucket
        self._found = found
        self.shown = bucket.address.shown(found.key)
        self.size = found.size
        self._window = b""
        self._start = 0

    def read(self, at: int, count: int) -> bytes:
        if at + count > self._found.size:
            raise SourceRewound(
                f"{self.shown} has {self._found.size} bytes, and byte {at + count} was asked for. "
                "If it was written anew on purpose, reset the unit.",
                role="source",
                details={"path": self.shown},
            )
        end = self._start + len(self._window)
        if not (self._start <= at and at + count <= end):
            kept = self._window[at - self._start :] if self._start <= at < end else b""
            begin = at + len(kept)
            least = AHEAD_BYTES if at in (0, end) or kept else _ELSEWHERE_BYTES
            length = min(max(count - len(kept), least), self._found.size - begin)
            fetched = self._bucket.read(self._found.key, begin, length, self._found.etag) if length > 0 else b""
            self._window, self._start = kept + fetched, at
        return self._window[at - self._start : at - self._start + count]

    def fingerprint(self, upto: int) -> str:
        """An object is never changed, only replaced, and each has another etag."""
        if self._found.size < upto:
            raise SourceRewound(
                f"{self.shown} was read up to byte {upto}, and it has {self._found.size} bytes now. "
                "If it was written anew on purpose, reset the unit.",
                role="source",
                details={"path": self.shown},
            )
        return hashlib.sha256(f"{self._found.size} {self._found.etag}".encode()).hexdigest()[:32]

    def likely_size(self) -> int:
        return self.size

    def refuse_damaged(self) -> None:
        """Nothing in a plain object says what was written to it."""

    def close(self) -> None:
        self._window = b""
