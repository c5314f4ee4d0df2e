"""The one step that makes a slot: a directory takes its final name, once, or the name is taken already.

Linux can be told not to replace (``renameat2``). Elsewhere, and on file systems
that do not know the flag, ``rename`` itself refuses to replace a directory that
is not empty, and a slot never is: it holds its commit record.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_FLAG_UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})


def take_slot(prepared: Path, slot: Path) -> None:
    """Give the directory ``prepared``, which is not empty, the name ``slot``, atomically.

    Raises:
        FileExistsError: The name is taken; ``prepared`` is where it was.
        FileNotFoundError: The directory that should hold the slot is gone.
    """
    rename = _renameat2()
    if rename is not None:
        if rename(_AT_FDCWD, os.fsencode(prepared), _AT_FDCWD, os.fsencode(slot), _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _FLAG_UNKNOWN:
            raise OSError(number, os.strerror(number), str(slot))
    try:
        os.rename(prepared, slot)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(slot)) from error
        raise


@cache
def _renameat2() -> Any:
    """The C library's ``renameat2``; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        rename.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return rename


def can_take_slots_once(directory: Path) -> bool:
    """Try it: of two directories that want one name, the second must be refused. Leaves nothing behind."""
    probe = directory / f"_probe-{uuid.uuid4().hex}"
    try:
        for name in ("first", "second"):
            (probe / name).mkdir(parents=True)
            write_durably(probe / name / "_commit.json", b"{}")
        take_slot(probe / "first", probe / "slot")
        try:
            take_slot(probe / "second", probe / "slot")
        except FileExistsError:
            return True
        return False
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def write_durably(path: Path, content: bytes) -> None:
    """Create the file ``path``, which must not exist, and return when the disk has it."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        flush(file.fileno())


def flush_path(path: Path) -> None:
    """Return when the disk has the file's content, or the directory's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """``fsync`` that means it: macOS needs a stronger call, which some of its file systems do not know."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
            return
        except OSError as error:
            if error.errno not in _FLAG_UNKNOWN:
                raise
    os.fsync(descriptor)
