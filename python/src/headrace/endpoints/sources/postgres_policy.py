"""The policy keys that decide how a PostgreSQL unit is read, parsed once.

A key that would change which rows are read and that this source cannot honour
is refused by name; keys of staging, sink and control plane are left to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headrace.endpoint import Policy
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.staging import DEFAULT_BATCH_BYTES

DEFAULT_SLICE_ROWS = 100_000
DEFAULT_SLICE_BYTES = 128 * 1024 * 1024
"""Estimated; half of what a session in memory holds, since estimates are wrong."""

Nulls = Literal["once", "quarantine", "ignore"]

_NOT_YET = ("filter", "lookback", "parameters", "quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    cursor_field: str | None
    """Column of the cursor; None for a full read."""
    columns: tuple[str, ...] | None
    limit: int | None
    nulls: Nulls
    slice_rows: int
    slice_bytes: int
    batch_bytes: int
    is_staged_in_memory: bool
    is_merged: bool
    """A row that is read again takes the place of itself."""

    @classmethod
    def parse(cls, raw: Policy) -> ReadPolicy:
        """Raises ``ConfigInvalid`` naming the key in ``details["field"]``."""
        _refuse_unsupported(raw)
        cursor_field = _text(raw, "cursorField")
        mode = _text(raw, "mode") or ("full" if cursor_field is None else "incremental")
        if mode not in ("full", "incremental"):
            raise invalid("mode", f"mode is full or incremental, not {mode!r}.")
        if mode == "incremental" and cursor_field is None:
            raise invalid("cursorField", "mode is incremental, and no cursorField says which column grows. Name it.")
        limit = _count(raw, "limit")
        if mode == "incremental" and limit is not None:
            raise invalid("limit", "limit goes with mode full only: an incremental read that stops early loses rows.")
        return cls(
            cursor_field=cursor_field if mode == "incremental" else None,
            columns=_columns(raw),
            limit=limit,
            nulls=_nulls(raw),
            slice_rows=_count(raw, "targetSliceSize") or DEFAULT_SLICE_ROWS,
            slice_bytes=_count(raw, "sliceBytes") or DEFAULT_SLICE_BYTES,
            batch_bytes=min(_count(raw, "batchBytes") or DEFAULT_BATCH_BYTES, DEFAULT_BATCH_BYTES),
            is_staged_in_memory=_is_in_memory(raw),
            is_merged=raw.get("writeDisposition") == "merge",
        )


def invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="source", details={"field": field})


def _refuse_unsupported(raw: Policy) -> None:
    refused = [key for key in _NOT_YET if raw.get(key) not in (None, {}, [])]
    if raw.get("deletes") not in (None, "ignore"):
        refused.append("deletes")
    if refused:
        raise invalid(
            refused[0],
            f"The policy's {refused[0]} is not supported yet by jdbc.postgres, and leaving it out of account "
            "would read other rows than asked for. Remove it.",
        )


def _text(raw: Policy, key: str) -> str | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or value == "":
        raise invalid(key, f"The policy's {key} is a name, not {value!r}.")
    return value


def _count(raw: Policy, key: str) -> int | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(key, f"The policy's {key} is a whole number from 1, not {value!r}.")
    return value


def _columns(raw: Policy) -> tuple[str, ...] | None:
    value: Json = raw.get("columns")
    if value is None:
        return None
    match value:
        case [_, *_] if all(isinstance(name, str) for name in value) and len(set(value)) == len(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            return tuple(str(name) for name in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            raise invalid("columns", "The policy's columns is a list of column names, each once.")


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
