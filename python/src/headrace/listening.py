"""The worker's socket: private, for one peer of the same user, once.

The directory must be this user's own and closed to others; the peer's user id is
asked of the kernel. A peer of another user is refused and the worker goes on
waiting. A worker that is left alone before anybody came ends: when its parent
dies, and when the process that started it was gone before it could look.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import struct
import sys
from pathlib import Path

log = logging.getLogger("headrace.worker")

_CREDENTIALS = struct.Struct("3i")
_XUCRED = struct.Struct("=II")
_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES = 0, 1, 76
"""Of macOS, in <sys/un.h> and <sys/ucred.h>; Python does not name them."""

_LOOK_SECONDS = 1.0


class NotPrivate(RuntimeError):
    """Others could reach the socket. The worker does not start."""


def accept_one(path: Path, starter: int | None = None) -> socket.socket | None:
    """Listen on ``path`` and return the first connection of this user; None when nobody is left who would come.

    ``starter`` is the process that started this one, as it says itself. It need
    not be the parent, for an interpreter may be a script that starts another.

    Raises:
        NotPrivate: The directory is open to others, is a link, or belongs to somebody else.
    """
    _require_private(path.parent)
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(1)
        listener.settimeout(_LOOK_SECONDS)
        log.info("listening")
        while os.getppid() == parent and (starter in (None, parent) or _lives(starter)):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if peer_uid(connection) == os.getuid():
                connection.settimeout(None)
                return connection
            log.error("a connection of another user was refused")
            connection.close()
    return None


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel knows it."""
    if sys.platform == "darwin":
        return xucred_uid(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES))
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return uid


def xucred_uid(credentials: bytes) -> int:
    """The user id in macOS's ``struct xucred``, which begins with its version, 0, and the id.

    Raises:
        NotPrivate: It has another version, so nobody knows what it says.
    """
    version, uid = _XUCRED.unpack_from(credentials)
    if version != 0:
        raise NotPrivate(f"The system tells who connects in a form of version {version}, which is not known here.")
    return int(uid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        return True
    return True


def _require_private(directory: Path) -> None:
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotPrivate(f"{directory} must be a directory of this user with mode 0700.")
