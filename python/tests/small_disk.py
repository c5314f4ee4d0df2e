"""A file system of a few kibibytes, for the program of a test alone."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

_IN_NAMESPACE = ("unshare", "--map-root-user", "--mount")


@functools.cache
def may_mount() -> bool:
    """Not everywhere may one mount what only a child sees."""
    return shutil.which("unshare") is not None and not subprocess.run([*_IN_NAMESPACE, "true"], check=False).returncode


def small_disk(path: Path, kibibytes: int) -> tuple[str, ...]:
    """A command that mounts so small a file system at ``path``; only the program that follows sees it."""
    mounting = f'mount -t tmpfs -o size={kibibytes}k,mode=755 none "$0" && exec "$@"'
    return (*_IN_NAMESPACE, "sh", "-c", mounting, str(path))
