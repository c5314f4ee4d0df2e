"""Where a slice is prepared before anybody may read it, and how what dead attempts left there is removed.

Each attempt has a directory of its own, on the file system of the target, so
that becoming visible is one rename. An attempt whose disk failed is never
trusted again: the next one has another name.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from headrace.endpoints.systems.files_layout import path_segment
from headrace.endpoints.systems.local_files_failures import reported

LEFTOVER_SECONDS = 24 * 60 * 60
_RACES = 20


@contextmanager
def open_attempt(base: Path, run_id: str) -> Generator[Path]:
    """Make an empty directory of this attempt's own; afterwards it is gone, with whatever is still in it."""
    with reported("write in", base, "sink"):
        attempt = _fresh(base / "_tmp" / path_segment(run_id))
    try:
        yield attempt
    finally:
        # What cannot be removed now, a later sweep removes; it must not hide why the attempt failed.
        shutil.rmtree(attempt, ignore_errors=True)
        _remove_while_empty(attempt.parent)


def sweep_leftovers(base: Path, older_than_seconds: float = LEFTOVER_SECONDS) -> None:
    """Delete attempts that nothing has touched for so long, and the directories they leave empty."""
    oldest = time.time() - older_than_seconds
    for run in _directories(base / "_tmp"):
        for attempt in _directories(run):
            if _last_touched(attempt) < oldest:
                shutil.rmtree(attempt, ignore_errors=True)
        _remove_while_empty(run)


def _fresh(run: Path) -> Path:
    """Another process may remove the empty directories above, just when they are to be used."""
    for _ in range(_RACES):
        with suppress(FileNotFoundError):
            attempt = run / uuid.uuid4().hex
            os.makedirs(attempt)
            return attempt
    raise FileNotFoundError(2, "its directory vanishes as often as it is made", str(run))


def _remove_while_empty(run: Path) -> None:
    with suppress(OSError):  # not empty, or gone already: both are what others do here at the same time
        run.rmdir()
        run.parent.rmdir()


def _directories(path: Path) -> list[Path]:
    with reported("read", path.parent, "sink"), suppress(FileNotFoundError):
        return [Path(entry.path) for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    return []


def _last_touched(path: Path) -> float:
    """Seconds since the epoch of the newest change in the tree; what vanishes meanwhile counts as old."""
    newest = 0.0
    for directory, _, files in os.walk(path):
        for name in (directory, *(os.path.join(directory, file) for file in files)):
            with suppress(FileNotFoundError):
                newest = max(newest, os.stat(name, follow_symlinks=False).st_mtime)
    return newest
