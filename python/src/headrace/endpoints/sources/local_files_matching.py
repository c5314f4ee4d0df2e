"""The files that a pattern such as ``events/*.jsonl`` means, in the order of their names, while others write there.

A writer finishes a file before it begins the next, whose name sorts after. So
names are listed first, and files looked at afterwards: all but the last of them
have their final size then. A listing that files come to while it is made may
miss some of them, which is why it is made twice.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from headrace.endpoints.sources.local_files_below import open_folder, refused_as_failure
from headrace.endpoints.sources.local_files_parts import Part
from headrace.errors import ConfigInvalid


def matching_parts(base: Path, folder: Sequence[str], pattern: str) -> tuple[Part, ...]:
    """Raises ``UnitNotFound`` when there is no such folder, ``ConfigInvalid`` for a name that nobody can say."""
    matches = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    shown = os.path.join(base, *folder)
    descriptor = open_folder(base, folder)
    try:
        with refused_as_failure(shown):
            names = without_gaps(_names(descriptor, matches), _names(descriptor, matches))
            found = [_part(descriptor, shown, folder, name) for name in names]
    finally:
        os.close(descriptor)
    return tuple(part for part in found if part is not None)


def without_gaps(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Names, sorted, among which none is missing that came before one of them and sorts before it.

    What was there when the first listing ended is in the second. Of what came
    later, some may be: it is left for another time, unless its name sorts too early.
    """
    last = max(first, default="")
    return sorted(name for name in second if name <= last)


def _names(descriptor: int, matches: re.Pattern[str]) -> list[str]:
    return [name for name in os.listdir(descriptor) if name[0] not in "._" and matches.fullmatch(name)]


def _part(descriptor: int, shown: str, folder: Sequence[str], name: str) -> Part | None:
    """None for what is no file of ours, or has just been taken away."""
    try:
        about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigInvalid(
            f"{shown} holds a file whose name is not UTF-8: {os.fsencode(name)!r}. Rename it.",
            role="source",
            details={"path": shown},
        ) from None
    return Part.of(name, (*folder, name), about)
