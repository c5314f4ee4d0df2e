"""The policy keys that decide how files are read, parsed once.

A key that would change which rows are read and that files cannot honour is
refused by name; keys of staging, sink and control plane are left to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.endpoint import Policy
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.staging import DEFAULT_BATCH_BYTES

DEFAULT_SLICE_ROWS = 100_000
DEFAULT_SLICE_BYTES = 64 * 1024 * 1024
"""Of the file; in memory text takes up to four times as much."""
DEFAULT_ROW_BYTES = 16 * 1024 * 1024

_NOT_YET = ("filter", "lookback", "parameters", "quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    is_incremental: bool
    columns: tuple[str, ...] | None
    limit: int | None
    slice_rows: int
    slice_bytes: int
    batch_bytes: int
    row_bytes: int

    @classmethod
    def parse(cls, raw: Policy) -> ReadPolicy:
        """Raises ``ConfigInvalid`` naming the key in ``details["field"]``."""
        _refuse_unsupported(raw)
        mode: Json = raw.get("mode") or "full"
        if mode not in ("full", "incremental"):
            raise invalid("mode", f"mode is full or incremental, not {mode!r}.")
        limit = _count(raw, "limit")
        if mode == "incremental" and limit is not None:
            raise invalid("limit", "limit goes with mode full only: an incremental read that stops early loses rows.")
        return cls(
            is_incremental=mode == "incremental",
            columns=_columns(raw),
            limit=limit,
            slice_rows=_count(raw, "targetSliceSize") or DEFAULT_SLICE_ROWS,
            slice_bytes=_count(raw, "sliceBytes") or DEFAULT_SLICE_BYTES,
            batch_bytes=min(_count(raw, "batchBytes") or DEFAULT_BATCH_BYTES, DEFAULT_BATCH_BYTES),
            row_bytes=_row_bytes(raw),
        )


def invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="source", details={"field": field})


def _refuse_unsupported(raw: Policy) -> None:
    if raw.get("cursorField") is not None:
        raise invalid(
            "cursorField",
            "file.local knows what is new by where it stands in the files, and needs no cursorField. Remove it, and "
            "set mode to incremental.",
        )
    refused = [key for key in _NOT_YET if raw.get(key) not in (None, {}, [])]
    if raw.get("deletes") not in (None, "ignore"):
        refused.append("deletes")
    if refused:
        raise invalid(
            refused[0],
            f"The policy's {refused[0]} is not supported yet by file.local, and leaving it out of account "
            "would read other rows than asked for. Remove it.",
        )


def _count(raw: Policy, key: str) -> int | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(key, f"The policy's {key} is a whole number from 1, not {value!r}.")
    return value


def _row_bytes(raw: Policy) -> int:
    match raw.get("limits"):
        case {"rowBytes": int(size)} if size > 0 and not isinstance(size, bool):
            return size
        case _:
            return DEFAULT_ROW_BYTES


def _columns(raw: Policy) -> tuple[str, ...] | None:
    value: Json = raw.get("columns")
    if value is None:
        return None
    match value:
        case [_, *_] if all(isinstance(name, str) for name in value) and len(set(value)) == len(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            return tuple(str(name) for name in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            raise invalid("columns", "The policy's columns is a list of column names, each once.")
