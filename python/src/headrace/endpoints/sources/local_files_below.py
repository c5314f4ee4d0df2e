"""The one way to a file: below ``base_path``, step by step, and never through a link.

Each name is opened relative to the folder opened before it, so neither ``..``
nor a link that somebody puts there meanwhile leads out. Reading is by position:
a file that is replaced by another of its name is still the one that was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headrace.endpoints.sources.files_bytes import digest_of
from headrace.endpoints.systems.local_files_failures import failure
from headrace.errors import SourceRewound, UnitNotFound

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_IS_A_LINK = frozenset({errno.ELOOP, errno.EMLINK})
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


class SourceFile:
    """An open file of a unit. ``about`` and ``size`` are those of the moment it was opened."""

    def __init__(self, descriptor: int, shown: str) -> None:
        self._descriptor = descriptor
        self.shown = shown
        self.about = os.fstat(descriptor)
        self.size = self.about.st_size

    def read(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on. Raises ``SourceRewound`` when the file has become shorter than that."""
        parts: list[bytes] = []
        while count > 0:
            with refused_as_failure(self.shown):
                part = os.pread(self._descriptor, count, at)
            if not part:
                raise SourceRewound(
                    f"{self.shown} became shorter while it was read: it ends at byte {at} now. "
                    "If that was meant, reset the unit to begin again.",
                    role="source",
                    details={"path": self.shown},
                )
            parts.append(part)
            at, count = at + len(part), count - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fingerprint(self, upto: int) -> str:
        """Names the first ``upto`` bytes by their number, their beginning and their end.

        Raises:
            SourceRewound: The file has fewer.
        """
        if self.size < upto:
            raise SourceRewound(
                f"{self.shown} was read up to byte {upto}, and it ends at byte {self.size} now. "
                "If it was cut or begun anew on purpose, reset the unit.",
                role="source",
                details={"path": self.shown},
            )
        return digest_of(self.read, upto)

    def likely_size(self) -> int:
        return self.size

    def refuse_damaged(self) -> None:
        """Nothing in a plain file says what was written to it."""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_folder(base: Path, names: Sequence[str]) -> int:
    """A descriptor of the folder ``names`` below ``base``. Raises as ``open_file`` does."""
    return _open(base, names, os.O_DIRECTORY)


def open_file(base: Path, names: Sequence[str]) -> SourceFile:
    """Open the file ``names`` below ``base``; without names ``base`` is the file.

    Raises:
        UnitNotFound: It is not there, or is no file, or a link is in the way.
        PermissionDenied: We may not read it.
    """
    shown = os.path.join(base, *names)
    descriptor = _open(base, names, 0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnitNotFound(f"{shown} is no file.", role="source", details={"path": shown})
    return SourceFile(descriptor, shown)


def _open(base: Path, names: Sequence[str], kind: int) -> int:
    shown = str(base)
    with refused_as_failure(shown):
        descriptor = os.open(base, _FLAGS & ~os.O_NOFOLLOW | (os.O_DIRECTORY if names else kind))
    for position, name in enumerate(names, 1):
        shown = os.path.join(shown, name)
        try:
            opened = _step(descriptor, name, kind if position == len(names) else os.O_DIRECTORY, shown)
        finally:
            os.close(descriptor)
        descriptor = opened
    return descriptor


def _step(folder: int, name: str, kind: int, shown: str) -> int:
    """What is not there and what is a link is no unit; anything else is a failure of the system."""
    try:
        return os.open(name, _FLAGS | kind, dir_fd=folder)
    except OSError as error:
        if error.errno in _IS_A_LINK or os.path.islink(shown):
            why = f"{shown} is a link, and links are not followed. Put what it points to there."
        elif error.errno in _NOT_THERE:
            why = f"There is no {shown}."
        elif error.errno == errno.ENXIO:  # a socket, or a device without its driver
            why = f"{shown} is no file."
        else:
            raise failure(error, "read", Path(shown), "source") from error
        raise UnitNotFound(why, role="source", details={"path": shown}) from error


@contextmanager
def refused_as_failure(shown: str) -> Generator[None]:
    """What the operating system refuses leaves as a failure of the source."""
    try:
        yield
    except OSError as error:
        raise failure(error, "read", Path(shown), "source") from error
