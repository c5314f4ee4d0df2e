"""How a session's place is named by its tenant and run, below whatever root."""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import quote

_UUID_AT_END = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_LONGEST_SEGMENT = 120


def run_segment(run_id: str) -> str:
    """A run's directory: the uuid its id ends with, since the rest may be longer than a file name."""
    found = _UUID_AT_END.search(run_id)
    return found.group().lower() if found else segment(run_id)


def segment(text: str) -> str:
    """One path segment that stands for ``text`` alone: no separators, no dots, short."""
    encoded = quote(text, safe="").replace(".", "%2E") or "%"
    if len(encoded) <= _LONGEST_SEGMENT:
        return encoded
    return f"{encoded[:40]}%-{sha256(text.encode()).hexdigest()}"
