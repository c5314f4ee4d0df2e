"""The policy keys that every source of rows reads alike, and how it refuses one that it cannot honour."""

from __future__ import annotations

from headrace.endpoint import Policy
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.staging import DEFAULT_BATCH_BYTES

_NOT_YET = ("filter", "lookback", "parameters", "quarantine")


def invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="source", details={"field": field})


def refuse_unsupported(raw: Policy, template_id: str) -> None:
    """Raises ``ConfigInvalid`` for a key that would change which rows are read, and that nobody reads yet."""
    refused = [key for key in _NOT_YET if raw.get(key) not in (None, {}, [])]
    if raw.get("deletes") not in (None, "ignore"):
        refused.append("deletes")
    if refused:
        raise invalid(
            refused[0],
            f"The policy's {refused[0]} is not supported yet by {template_id}, and leaving it out of account "
            "would read other rows than asked for. Remove it.",
        )


def count_of(raw: Policy, key: str) -> int | None:
    value: Json = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(key, f"The policy's {key} is a whole number from 1, not {value!r}.")
    return value


def limit_of(raw: Policy, *, is_incremental: bool) -> int | None:
    limit = count_of(raw, "limit")
    if is_incremental and limit is not None:
        raise invalid("limit", "limit goes with mode full only: an incremental read that stops early loses rows.")
    return limit


def batch_bytes_of(raw: Policy) -> int:
    """At most what a batch has anyway, so that a run can be ended between two."""
    return min(count_of(raw, "batchBytes") or DEFAULT_BATCH_BYTES, DEFAULT_BATCH_BYTES)


def columns_of(raw: Policy) -> tuple[str, ...] | None:
    """None: all of them."""
    value: Json = raw.get("columns")
    if value is None:
        return None
    match value:
        case [_, *_] if all(isinstance(name, str) for name in value) and len(set(value)) == len(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            return tuple(str(name) for name in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            raise invalid("columns", "The policy's columns is a list of column names, each once.")
