"""The policy keys that decide how a PostgreSQL unit is read, parsed once.

A key that would change which rows are read and that this source cannot honour
is refused by name; keys of staging, sink and control plane are left to them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headrace import filters
from headrace.endpoint import DEFAULT_PARALLEL_SLICES, Deletes, Policy
from headrace.filters import Filter
from headrace.protocol import Json
from headrace.source_policy import (
    Lookback,
    batch_bytes_of,
    columns_of,
    count_of,
    invalid,
    limit_of,
    lookback_of,
    most_set_aside,
    names_of,
    native_file_of,
    refuse_unsupported,
)

DEFAULT_SLICE_ROWS = 100_000
DEFAULT_SLICE_BYTES = 128 * 1024 * 1024
"""Estimated; half of what a session in memory holds, since estimates are wrong."""

FILE_SLICE_BYTES = 64 * 1024 * 1024
"""Of a slice that becomes a file without passing through memory: its size need not follow from the rows' number."""

UNEVEN_SLICE_BYTES = 16 * 1024 * 1024
"""Of a table with long values, each of which is in memory more than once on its way."""

_UNDERSTOOD = ("deletes", "lookback")
BLOCK_SLICE_BYTES = 32 * 1024 * 1024
"""Of a slice that goes on as it comes. The last ones of a load leave connections idle: the smaller, the shorter."""

Nulls = Literal["once", "quarantine", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    cursor_field: str | None
    """Column of the cursor; None for a full read."""
    columns: tuple[str, ...] | None
    limit: int | None
    filter: Filter | None
    lookback: Lookback | None
    nulls: Nulls
    slice_rows: int | None
    slice_bytes: int | None
    batch_bytes: int
    readers: int
    """How many slices are read at once."""
    is_staged_in_memory: bool
    is_for_files: bool
    """Whether slices may become Parquet files right here."""
    is_for_blocks: bool
    """Whether slices travel in blocks of binary COPY."""
    native_file: Mapping[str, Json] | None
    """Where this slice goes as one Parquet file, and how it is written."""
    most_set_aside: int | None
    """Rows that the policy sets aside, at most; None: the first that cannot be carried is raised."""
    is_merged: bool
    """A row that is read again takes the place of itself."""
    is_appended: bool
    """A row that is read again is there twice."""
    primary_keys: tuple[str, ...]
    """What names a row in the sink; empty: the unit's own key."""
    deletes: Deletes
    deleted_field: str | None
    """The column that says which rows are gone; there with ``deletes`` soft, and only then."""

    @classmethod
    def parse(cls, raw: Policy) -> ReadPolicy:
        """Raises ``ConfigInvalid`` naming the key in ``details["field"]``."""
        refuse_unsupported(raw, "jdbc.postgres", understood=_UNDERSTOOD)
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
            filter=filters.parse(raw.get("filter")),
            lookback=lookback_of(raw, is_incremental=mode == "incremental"),
            nulls=_nulls(raw),
            slice_rows=count_of(raw, "targetSliceSize"),
            slice_bytes=count_of(raw, "sliceBytes"),
            batch_bytes=batch_bytes_of(raw),
            readers=count_of(raw, "maxParallelSlices") or DEFAULT_PARALLEL_SLICES,
            is_staged_in_memory=_is_in_memory(raw),
            is_for_files=raw.get("nativeFormat") == "parquet",
            is_for_blocks=raw.get("nativeFormat") == "pgcopy",
            native_file=native_file_of(raw),
            most_set_aside=most_set_aside(raw),
            is_merged=raw.get("writeDisposition") == "merge",
            is_appended=raw.get("writeDisposition") == "append",
            primary_keys=names_of(raw, "primaryKeys"),
            deletes=_deletes(raw),
            deleted_field=_deleted_field(raw),
        )

    @property
    def chosen(self) -> str:
        """What tells this filter from another; empty without one."""
        return "" if self.filter is None else hashlib.sha256(repr(self.filter).encode()).hexdigest()[:16]

    @property
    def said_of_deletes(self) -> str:
        """What the unit shows about rows that are gone."""
        if self.deletes == "soft":
            return f"soft: a row is gone when its {self.deleted_field} says so, once its cursor has moved"
        if self.deletes == "keyDiff":
            return "keyDiff: at the end of a run the keys of the sink are compared with those of the source"
        return "not captured"

    def slice_rows_of(self, budget: int, row_bytes: int, *, is_file: bool = False) -> int:
        """Rows of a slice of so many bytes: as many as asked for, fewer when they are wide."""
        fallback = sys.maxsize if is_file or self.is_for_blocks else DEFAULT_SLICE_ROWS
        return max(1, min(self.slice_rows or fallback, budget // row_bytes))

    def slice_budget(self, *, is_file: bool = False, is_uneven: bool = False) -> int:
        """Bytes of a slice: those asked for, else what suits the way it goes."""
        if self.slice_bytes is not None:
            return self.slice_bytes
        if is_uneven:
            return UNEVEN_SLICE_BYTES
        if is_file:
            return FILE_SLICE_BYTES
        return BLOCK_SLICE_BYTES if self.is_for_blocks else DEFAULT_SLICE_BYTES


def _text(raw: Policy, key: str) -> str | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or value == "":
        raise invalid(key, f"The policy's {key} is a name, not {value!r}.")
    return value


def _deletes(raw: Policy) -> Deletes:
    match raw.get("deletes"):
        case None | "ignore":
            return "ignore"
        case "soft":
            return "soft"
        case "keyDiff":
            return "keyDiff"
        case other:
            raise invalid("deletes", f"The policy's deletes is ignore, soft or keyDiff, not {other!r}.")


def _deleted_field(raw: Policy) -> str | None:
    name, is_soft = _text(raw, "deletedField"), _deletes(raw) == "soft"
    if is_soft and name is None:
        raise invalid(
            "deletedField", "deletes is soft, and no deletedField says which column tells a row that is gone. Name it."
        )
    if name is not None and not is_soft:
        raise invalid(
            "deletedField", f"deletedField {name} means something with deletes soft only. Say so, or remove it."
        )
    return name


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
