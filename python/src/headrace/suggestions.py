"""What somebody may have meant by a name that nobody knows, for the end of a message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 256
"""Nobody mistypes a longer name, and comparing long ones takes long."""

_ALIKE = 0.6


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Known names like ``name``, the likest first; those that differ in case only come before all others."""
    if len(name) > LONGEST:
        return []
    names = [other for other in known if len(other) <= LONGEST]
    same = [other for other in names if other.lower() == name.lower()]
    alike = difflib.get_close_matches(name, names, most, _ALIKE)
    return [*same, *(other for other in alike if other not in same)][:most]


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """`` Did you mean a, b?`` or nothing."""
    near = nearest(name, known, most)
    return f" Did you mean {', '.join(near)}?" if near else ""
