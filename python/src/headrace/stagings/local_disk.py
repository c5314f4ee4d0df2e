"""Staging in files of this machine: memory stays flat however large a slice is.

A session is a directory ``<root>/<tenant>/<run>/<slice>``. What a dead process
left there is swept by run and age; a session whose owner lives is locked and
never touched.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from headrace.errors import ConfigInvalid
from headrace.session_files import SessionDirectory, explained, remove_empty_parents
from headrace.sessions import StagedSession
from headrace.staging import IngestionContext

MAXIMUM_SESSION_BYTES = 10 * 1024**3

_UUID_AT_END = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_LONGEST_SEGMENT = 120
_PRIVATE = 0o700


class LocalDiskStaging:
    """Sessions below ``root``; unsaid, below ``HEADRACE_STAGING_DIR`` or this user's temporary directory."""

    id = "local_disk"

    def __init__(self, root: Path | None = None, max_bytes: int = MAXIMUM_SESSION_BYTES) -> None:
        configured = os.environ.get("HEADRACE_STAGING_DIR")
        fallback = Path(tempfile.gettempdir()) / f"headrace-staging-{os.getuid()}"
        self._root = root or (Path(configured) if configured else fallback)
        self._max_bytes = max_bytes

    def allocate_session(self, context: IngestionContext) -> StagedSession:
        with explained(self._root):
            _make_private(self._root)
            directory = _claim(self._root / _segment(context.tenant) / run_segment(context.run_id), context.slice_seq)
            store = SessionDirectory(directory, self._root, self._max_bytes)
        return StagedSession(str(directory.relative_to(self._root)), context, store)

    def sweep(self, older_than_seconds: float, keep: Iterable[str]) -> tuple[int, int]:
        kept = {run_segment(run_id) for run_id in keep}
        newest = time.time() - older_than_seconds
        sessions = size = 0
        for directory in sorted(self._root.glob("*/*/*/")):
            if directory.parent.name in kept or directory.is_symlink():
                continue
            swept = _sweep_one(directory, newest)
            if swept is not None:
                sessions, size = sessions + 1, size + swept
                remove_empty_parents(directory, self._root)
        return sessions, size


def run_segment(run_id: str) -> str:
    """A run's directory: the uuid its id ends with, since the rest may be longer than a file name."""
    found = _UUID_AT_END.search(run_id)
    return found.group().lower() if found else _segment(run_id)


def _segment(text: str) -> str:
    """One path segment that stands for ``text`` alone: no separators, no dots, short."""
    encoded = quote(text, safe="").replace(".", "%2E") or "%"
    if len(encoded) <= _LONGEST_SEGMENT:
        return encoded
    return f"{encoded[:40]}%-{sha256(text.encode()).hexdigest()}"


def _claim(run: Path, slice_seq: int) -> Path:
    """Make a directory nobody has; a second session of the same slice gets a name of its own."""
    attempt = 0
    while True:
        directory = run / (str(slice_seq) if attempt == 0 else f"{slice_seq}-{attempt}")
        try:
            run.parent.mkdir(mode=_PRIVATE, exist_ok=True)
            run.mkdir(mode=_PRIVATE, exist_ok=True)
            directory.mkdir(mode=_PRIVATE)
            return directory
        except FileExistsError:
            attempt += 1
        except FileNotFoundError:
            continue  # another session's close has just removed the empty parents


def _make_private(root: Path) -> None:
    root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigInvalid(
            f"The staging directory {root} is no directory of this user. Set HEADRACE_STAGING_DIR to one that is.",
            role="staging",
            details={"field": "HEADRACE_STAGING_DIR"},
        )
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        root.chmod(_PRIVATE)


def _sweep_one(directory: Path, newest: float) -> int | None:
    """Delete a session that is old and has no owner. Returns its bytes, or None when it was left."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        if os.fstat(descriptor).st_mtime > newest:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = sum(path.stat().st_size for path in directory.iterdir())
        shutil.rmtree(directory)
        return size
    except (BlockingIOError, FileNotFoundError):
        return None
    finally:
        os.close(descriptor)
