"""Who stages into an object store, as others can tell whether it still lives.

Objects have no locks. A process of this same machine is known by its number and
when it started, wherever the kernel tells; of any other process only the age of
what it staged says something.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_STARTED = 19
"""Of the words of ``/proc/<pid>/stat`` behind the name, the one that says when the process started."""


class Owner(msgspec.Struct, frozen=True):
    """``host`` names one start of one machine and the process numbers that are seen there; empty: unknown."""

    host: str
    pid: int
    started: str


@cache
def this_process() -> Owner:
    return Owner(host=_host(), pid=os.getpid(), started=_start_of(os.getpid()) or "")


def is_gone(owner: Owner) -> bool | None:
    """True or False where we can know; None for a process of another machine."""
    if not owner.host or not owner.started or owner.host != this_process().host:
        return None
    return _start_of(owner.pid) != owner.started


def encoded(owner: Owner) -> bytes:
    return msgspec.json.encode(owner)


def decoded(content: bytes) -> Owner | None:
    """None for what no process of ours wrote."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(content, type=Owner)
    return None


def _host() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """None when there is no such process, or nothing tells."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return None
