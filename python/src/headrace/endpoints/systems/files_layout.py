"""How the sink lays a unit out below ``base_path``, for whoever writes there and whoever reads.

::

    <base>/<unit>/_unit.json                             whose directory this is
    <base>/<unit>/gen=<g>/slice=<seq>/part-0.parquet     the rows
    <base>/<unit>/gen=<g>/slice=<seq>/<column>=<value>/  such parts instead, where they are partitioned
    <base>/<unit>/gen=<g>/slice=<seq>/_commit.json       the commit record; of partitions it names the files
    <base>/<unit>/_gen=<g>/slice=<seq>/…                 a replacement on its way, under a name that readers skip
    <base>/<unit>/_latest.sql                            how to read what was merged
    <base>/_tmp/<run>/<attempt>/                         what nobody reads yet
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import quote

UNIT_FILE = "_unit.json"
COMMIT_FILE = "_commit.json"
PART_FILE = "part-0.parquet"
LATEST_FILE = "_latest.sql"
GENERATION = "gen="
PENDING = "_gen="
SLOT = "slice="

_LONGEST_SEGMENT = 240


def numbered(names: Iterable[str], prefix: str) -> list[tuple[int, str]]:
    """Number and name of everything called ``<prefix><number>``, in order of the number."""
    found: list[tuple[int, str]] = []
    for name in names:
        number = name.removeprefix(prefix)
        if number != name and number.isascii() and number.isdigit():
            found.append((int(number), name))
    return sorted(found)


def path_segment(text: str) -> str:
    """One file name for any text: different texts get different names, and none leaves its directory.

    Letters, digits, ``-``, ``.`` and ``_`` stay as they are, but a leading ``.``
    or ``_`` does not, because such names are hidden or ours. What is too long
    for a file name ends in ``~`` and its SHA-256 instead. Names that differ in
    case only are different here and the same on some file systems.
    """
    if not text:
        raise ValueError("a path segment needs at least one character")
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe="").replace("~", "%7E")
    if encoded[0] in "._":
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) <= _LONGEST_SEGMENT:
        return encoded
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{encoded[: _LONGEST_SEGMENT - len(digest) - 1]}~{digest}"
