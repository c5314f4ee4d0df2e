"""What tests leave behind that are ended from outside: nothing at SIGTERM; after a kill, what the next ones sweep.

A folder has the id of the process that made it in its name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path
from types import FrameType

import pytest

_MADE_BY = re.compile(r"hr-(?:pg|s3|cut)-(\d+)-")


def temporary_folder(kind: str) -> Path:
    """An empty one, called ``hr-<kind>-…``. Its maker removes it; folders of makers that are gone go now."""
    sweep(Path(tempfile.gettempdir()))
    return Path(tempfile.mkdtemp(prefix=f"hr-{kind}-{os.getpid()}-"))


def sweep(parent: Path) -> None:
    """Remove folders whose maker is gone. One whose server is still on its way out is left to those that come next."""
    for path in parent.iterdir():
        made_by = _MADE_BY.match(path.name)
        if made_by is None or _is_alive(int(made_by[1])) or _has_server(path):
            continue
        # Others that start now sweep too, and what another user left is not ours to remove.
        shutil.rmtree(path, ignore_errors=True)


def end_in_order() -> None:
    """From now on SIGTERM ends the tests as their last one would have: what they started is stopped and removed."""

    def end(_number: int, _frame: FrameType | None) -> None:
        pytest.exit("ended by SIGTERM", returncode=128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def _has_server(path: Path) -> bool:
    try:
        pid = (path / "data" / "postmaster.pid").read_text().split("\n")[0]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return pid.isdecimal() and _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
