"""How many rows of a file of columns are decoded at once: few where they are wide.

A page of some KiB may stand for thousands of documents of a MiB each, so the
rows to decode are counted by what they take in memory.
"""

from __future__ import annotations

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 8192


def rows_at_once(row_bytes: int) -> int:
    """A power of two, so that groups of rows that are nearly as wide as their neighbours are read as these are."""
    rows = max(1, min(MOST_ROWS, MOST_BYTES // max(1, row_bytes)))
    return 1 << (rows.bit_length() - 1)
