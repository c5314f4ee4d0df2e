"""The policy keys that decide how a PostgreSQL unit is read, parsed once.

A key that would change which rows are read and that this source cannot honour
is refused by name; keys of staging, sink and control plane are left to them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from headrace.endpoint import Policy
from headrace.protocol import Json
from headrace.source_policy import batch_bytes_of, columns_of, count_of, invalid, limit_of, refuse_unsupported

DEFAULT_SLICE_ROWS = 100_000
DEFAULT_SLICE_BYTES = 128 * 1024 * 1024
"""Estimated; half of what a session in memory holds, since estimates are wrong."""

FILE_SLICE_BYTES = 64 * 1024 * 1024
"""Of a slice that becomes a file without passing through memory: its size need not follow from the rows' number."""

BLOCK_SLICE_BYTES = 32 * 1024 * 1024
"""Of a slice that goes on as it comes. The last ones of a load leave connections idle: the smaller, the shorter."""

Nulls = Literal["once", "quarantine", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    cursor_field: str | None
    """Column of the cursor; None for a full read."""
    columns: tuple[str, ...] | None
    limit: int | None
    nulls: Nulls
    slice_rows: int | None
    slice_bytes: int | None
    batch_bytes: int
    is_staged_in_memory: bool
    is_for_files: bool
    """Whether slices may become Parquet files right here."""
    is_for_blocks: bool
    """Whether slices travel in blocks of binary COPY."""
    native_file: Mapping[str, Json] | None
    """Where this slice goes as one Parquet file, and how it is written."""
    is_merged: bool
    """A row that is read again takes the place of itself."""

    @classmethod
    def parse(cls, raw: Policy) -> ReadPolicy:
        """Raises ``ConfigInvalid`` naming the key in ``details["field"]``."""
        refuse_unsupported(raw, "jdbc.postgres")
        cursor_field = _text(raw, "cursorField")
        mode = _text(raw, "mode") or ("full" if cursor_field is None else "incremental")
        if mode not in ("full", "incremental"):
            raise invalid("mode", f"mode is full or incremental, not {mode!r}.")
        if mode == "incremental" and cursor_field is None:
            raise invalid("cursorField", "mode is incremental, and no cursorField says which column grows. Name it.")
        return cls(
            cursor_field=cursor_field if mode == "incremental" else None,
            columns=columns_of(raw),
            limit=limit_of(raw, is_incremental=mode == "incremental"),
            nulls=_nulls(raw),
            slice_rows=count_of(raw, "targetSliceSize"),
            slice_bytes=count_of(raw, "sliceBytes"),
            batch_bytes=batch_bytes_of(raw),
            is_staged_in_memory=_is_in_memory(raw),
            is_for_files=raw.get("nativeFormat") == "parquet",
            is_for_blocks=raw.get("nativeFormat") == "pgcopy",
            native_file=_native_file(raw),
            is_merged=raw.get("writeDisposition") == "merge",
        )

    def slice_size(self, row_bytes: int, *, is_file: bool = False) -> int:
        """Rows of a slice of rows of that width: as many as asked for, fewer when they are wide."""
        if is_file or self.is_for_blocks:
            most = FILE_SLICE_BYTES if is_file else BLOCK_SLICE_BYTES
            rows, size = self.slice_rows or sys.maxsize, self.slice_bytes or most
        else:
            rows, size = self.slice_rows or DEFAULT_SLICE_ROWS, self.slice_bytes or DEFAULT_SLICE_BYTES
        return max(1, min(rows, size // row_bytes))


def _native_file(raw: Policy) -> Mapping[str, Json] | None:
    said = raw.get("nativeFile")
    return cast("dict[str, Json]", said) if isinstance(said, dict) else None


def _text(raw: Policy, key: str) -> str | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or value == "":
        raise invalid(key, f"The policy's {key} is a name, not {value!r}.")
    return value


def _is_in_memory(raw: Policy) -> bool:
    match raw.get("staging"):
        case {"provider": str(provider)}:
            return provider == "in_memory"
        case _:
            return True


def _nulls(raw: Policy) -> Nulls:
    match raw.get("nulls"):
        case None | "once":
            return "once"
        case "quarantine":
            return "quarantine"
        case "ignore":
            return "ignore"
        case other:
            raise invalid("nulls", f"The policy's nulls is once, quarantine or ignore, not {other!r}.")
