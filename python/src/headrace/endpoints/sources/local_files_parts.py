"""A file of a unit in a folder, as the plan's listing saw it."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of a unit, as the plan's listing saw it."""

    name: str
    """What tells it from the unit's other parts; empty when there is but one."""
    path: tuple[str, ...]
    size: int
    changed: int
    """When the file system last saw it change, in nanoseconds; nobody but the system sets it."""
    written: int
    """When somebody last wrote to it, which a new name does not change; people may set it."""
    inode: int
    rows: int | None = None
    """As its commit record says."""

    @classmethod
    def of(cls, name: str, path: tuple[str, ...], about: os.stat_result, rows: int | None = None) -> Part:
        return cls(
            name=name,
            path=path,
            size=about.st_size,
            changed=about.st_ctime_ns,
            written=about.st_mtime_ns,
            inode=about.st_ino,
            rows=rows,
        )
