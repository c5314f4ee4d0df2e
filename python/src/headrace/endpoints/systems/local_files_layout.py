"""How the sink lays a unit out below ``base_path``, for whoever writes there and whoever reads.

::

    <base>/<unit>/_unit.json                             whose directory this is
    <base>/<unit>/gen=<g>/slice=<seq>/part-0.parquet     the rows
    <base>/<unit>/gen=<g>/slice=<seq>/_commit.json       the commit record
    <base>/<unit>/_gen=<g>/slice=<seq>/…                 a replacement on its way, under a name that readers skip
    <base>/<unit>/_latest.sql                            how to read what was merged
    <base>/_tmp/<run>/<attempt>/                         what nobody reads yet
"""

from __future__ import annotations

from collections.abc import Iterable

UNIT_FILE = "_unit.json"
COMMIT_FILE = "_commit.json"
PART_FILE = "part-0.parquet"
LATEST_FILE = "_latest.sql"
GENERATION = "gen="
PENDING = "_gen="
SLOT = "slice="


def numbered(names: Iterable[str], prefix: str) -> list[tuple[int, str]]:
    """Number and name of everything called ``<prefix><number>``, in order of the number."""
    found: list[tuple[int, str]] = []
    for name in names:
        number = name.removeprefix(prefix)
        if number != name and number.isascii() and number.isdigit():
            found.append((int(number), name))
    return sorted(found)
