"""One table from what the operating system says to what a person should know and do."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import ConfigInvalid, DataPlaneError, EndpointUnreachable, PermissionDenied, SinkFull
from headrace.protocol import Role

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_NO_SUCH_PLACE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR})


@contextmanager
def reported(doing: str, path: Path, role: Role | None = None) -> Generator[None]:
    """Run a block that works on ``path``; what the operating system refuses leaves as a ``DataPlaneError``.

    ``doing`` completes the sentence "Cannot … /the/path", such as ``"write in"``.
    """
    try:
        yield
    except OSError as error:
        raise failure(error, doing, path, role) from error


def failure(error: OSError, doing: str, path: Path, role: Role | None = None) -> DataPlaneError:
    """Say what happened at ``path``, why, and what to do about it."""
    reason = os.strerror(error.errno) if error.errno else "the system gave no reason"
    what = f"Cannot {doing} {path}: {reason}."
    details = {"field": "base_path", "path": str(path)}
    if error.errno in _FULL:
        advice = (
            "Free space there, or choose a base_path on a larger disk, and start again; nothing half-written stays."
        )
        return SinkFull(f"{what} {advice}", role=role, details=details)
    if error.errno in _DENIED:
        advice = f"Give user id {os.geteuid()} the right to {doing} it, or choose another base_path."
        return PermissionDenied(f"{what} {advice}", role=role, details=details)
    if error.errno == errno.EROFS:
        advice = "Mount it so that it can be written, or choose another base_path."
        return PermissionDenied(f"{what} {advice}", role=role, details=details)
    if error.errno == errno.ENOTDIR and role == "sink":
        advice = "A sink is a folder, and a file is in its place or on the way to it. Choose another base_path."
        return ConfigInvalid(f"{what} {advice}", role=role, details=details)
    if error.errno in _NO_SUCH_PLACE:
        return ConfigInvalid(f"{what} Correct base_path, or what is there.", role=role, details=details)
    return EndpointUnreachable(
        f"{what} Look at the disk and its file system, then start again.", role=role, details=details
    )
