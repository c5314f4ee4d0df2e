"""The policy keys that decide how files are read, parsed once.

A key that would change which rows are read and that files cannot honour is
refused by name; keys of staging, sink and control plane are left to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.endpoint import Policy
from headrace.protocol import Json
from headrace.source_policy import (
    batch_bytes_of,
    columns_of,
    count_of,
    invalid,
    limit_of,
    most_set_aside,
    native_file_of,
    refuse_unsupported,
)

DEFAULT_SLICE_ROWS = 100_000
DEFAULT_SLICE_BYTES = 64 * 1024 * 1024
"""Of the file; in memory text takes up to four times as much."""
DEFAULT_ROW_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    is_incremental: bool
    columns: tuple[str, ...] | None
    limit: int | None
    slice_rows: int
    slice_bytes: int
    batch_bytes: int
    row_bytes: int
    most_set_aside: int | None
    """Records that the policy sets aside, at most; None: the first that is no row is raised."""
    is_merged: bool
    """Rows that are read again replace themselves in the sink."""
    native_file: Mapping[str, Json] | None

    @classmethod
    def parse(cls, raw: Policy) -> ReadPolicy:
        """Raises ``ConfigInvalid`` naming the key in ``details["field"]``."""
        _refuse_unsupported(raw)
        mode: Json = raw.get("mode") or "full"
        if mode not in ("full", "incremental"):
            raise invalid("mode", f"mode is full or incremental, not {mode!r}.")
        return cls(
            is_incremental=mode == "incremental",
            columns=columns_of(raw),
            limit=limit_of(raw, is_incremental=mode == "incremental"),
            slice_rows=count_of(raw, "targetSliceSize") or DEFAULT_SLICE_ROWS,
            slice_bytes=count_of(raw, "sliceBytes") or DEFAULT_SLICE_BYTES,
            batch_bytes=batch_bytes_of(raw),
            row_bytes=_row_bytes(raw),
            most_set_aside=most_set_aside(raw),
            is_merged=raw.get("writeDisposition", "merge" if raw.get("primaryKeys") else None) == "merge",
            native_file=native_file_of(raw) if raw.get("nativeFormat") == "parquet" else None,
        )


def _refuse_unsupported(raw: Policy) -> None:
    if raw.get("cursorField") is not None:
        raise invalid(
            "cursorField",
            "What is new in files is known by where it stands in them, without a cursorField. Remove it, and set mode "
            "to incremental.",
        )
    refuse_unsupported(raw, "files")


def _row_bytes(raw: Policy) -> int:
    match raw.get("limits"):
        case {"rowBytes": int(size)} if size > 0 and not isinstance(size, bool):
            return size
        case _:
            return DEFAULT_ROW_BYTES
