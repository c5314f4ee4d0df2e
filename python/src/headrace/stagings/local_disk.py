"""Staging in files of this machine: memory stays flat however large a slice is.

A session is a directory ``<root>/<tenant>/<run>/<slice>``. It goes when the
session is closed, with every directory above it that has become empty, up to the
root. What a dead process left is swept by run and age; a session whose owner
lives is locked and never touched, nor is anything that staging did not make.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from headrace.errors import ConfigInvalid
from headrace.session_files import SETTING, SessionDirectory, explained, lock, remove_session, removed_if_empty
from headrace.sessions import StagedSession
from headrace.staging import IngestionContext
from headrace.stagings.segments import run_segment, segment

log = logging.getLogger("headrace.stagings.local_disk")

MAXIMUM_SESSION_BYTES = 10 * 1024**3

_SESSION = re.compile(r"\d+(-\d+)?")
_FILE = re.compile(r"(rows-\d+|blocks|file|manifest)(\.part)?|blocks\.format|manifest\.json")
_PRIVATE = 0o700


class LocalDiskStaging:
    """Sessions below ``root``; unsaid, below ``HEADRACE_STAGING_DIR`` or this user's temporary directory."""

    id = "local_disk"
    takes_native_files = True

    def __init__(self, root: Path | None = None, max_bytes: int = MAXIMUM_SESSION_BYTES) -> None:
        configured = os.environ.get("HEADRACE_STAGING_DIR")
        fallback = Path(tempfile.gettempdir()) / f"headrace-staging-{os.getuid()}"
        self._root = root or (Path(configured) if configured else fallback)
        self._max_bytes = max_bytes

    def allocate_session(self, context: IngestionContext) -> StagedSession:
        with explained(self._root):
            directory, held = self._claim(segment(context.tenant), run_segment(context.run_id), context.slice_seq)
        store = SessionDirectory(directory, self._root, held, self._max_bytes)
        return StagedSession(str(directory.relative_to(self._root)), context, store)

    def sweep(self, older_than_seconds: float, keep: Iterable[str]) -> tuple[int, int]:
        kept = {run_segment(run_id) for run_id in keep}
        newest = time.time() - older_than_seconds
        with explained(self._root):
            tenants = _directories(self._root)
            runs = [run for tenant in tenants for run in _directories(tenant)]
            sessions = [session for run in runs if run.name not in kept for session in _directories(run)]
            sizes = [size for session in sessions if (size := self._swept(session, newest)) is not None]
            for directory in (*runs, *tenants):
                _remove_if_left_empty(directory)
        return len(sizes), sum(sizes)

    def _claim(self, tenant: str, run: str, slice_seq: int) -> tuple[Path, int]:
        """Make a directory nobody has and lock it; a second session of the same slice gets a name of its own.

        Until it is locked a sweep may take it for a dead one's, and until it is
        there, a close or a sweep may remove what is empty above it. Then it is made again.
        """
        attempt = 0
        while True:
            directory = self._root / tenant / run / (str(slice_seq) if attempt == 0 else f"{slice_seq}-{attempt}")
            with suppress(FileNotFoundError):
                _make_private(self._root)
                for parent in (directory.parent.parent, directory.parent):
                    with suppress(FileExistsError):
                        parent.mkdir(mode=_PRIVATE)
                try:
                    directory.mkdir(mode=_PRIVATE)
                except FileExistsError:
                    attempt += 1
                    continue
                return directory, lock(directory, wait=True)

    def _swept(self, directory: Path, newest: float) -> int | None:
        """Delete a session that is old and has no owner. Returns its bytes, or None when it was left."""
        if not _SESSION.fullmatch(directory.name):
            return None
        try:
            held = lock(directory, wait=False)
        except (BlockingIOError, FileNotFoundError, PermissionError):
            return None
        try:
            found = [(path.name, path.lstat()) for path in directory.iterdir()]
            if os.fstat(held).st_mtime > newest or not all(_is_ours(name, about) for name, about in found):
                return None
            remove_session(directory, self._root)
            return sum(about.st_size for _, about in found)
        except OSError as error:
            log.warning("what a dead process staged cannot be deleted: %s", error)
            return None
        finally:
            os.close(held)


def _make_private(root: Path) -> None:
    root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigInvalid(
            f"The staging directory {root} is no directory of this user. Set {SETTING} to one that is.",
            role="staging",
            details={"field": "HEADRACE_STAGING_DIR"},
        )
    if not _is_private(found):
        root.chmod(_PRIVATE)


def _directories(directory: Path) -> list[Path]:
    """Those in it, links left out; nothing when it is gone."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


def _remove_if_left_empty(directory: Path) -> None:
    """What a process left that died between making its directories, or between removing them."""
    with suppress(FileNotFoundError):
        if _is_private(directory.lstat()):
            removed_if_empty(directory)


def _is_private(found: os.stat_result) -> bool:
    is_directory = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == _PRIVATE
    return is_directory and found.st_uid == os.getuid()


def _is_ours(name: str, found: os.stat_result) -> bool:
    """Whether staging wrote this file: a person may have put other things where it stages."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and _FILE.fullmatch(name) is not None
