"""Parts of a unit that stay open from one slice to the next, for as many slices as are read at once."""

from __future__ import annotations

import threading

from headrace.endpoints.sources.files_parts import OpenPart


class KeptParts:
    """Parts of one path, none of which anybody reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: tuple[str, ...] = ()
        self._parts: list[OpenPart] = []

    def take(self, path: tuple[str, ...]) -> OpenPart | None:
        """One of ``path``, which is the taker's from now on; those of another path are closed, since slices come in
        order."""
        with self._lock:
            parts = self._parts
            if path == self._path:
                return parts.pop() if parts else None
            self._path, self._parts = path, []
        _close(parts)
        return None

    def keep(self, path: tuple[str, ...], part: OpenPart, closing: threading.Event) -> None:
        """Leave a part open, unless its path was left behind or ``closing`` is set: then nobody comes for it."""
        with self._lock:
            is_kept = path == self._path and not closing.is_set()
            if is_kept:
                self._parts.append(part)
        if not is_kept:
            part.close()

    def close(self) -> None:
        with self._lock:
            parts, self._parts = self._parts, []
        _close(parts)


def _close(parts: list[OpenPart]) -> None:
    for part in parts:
        part.close()
