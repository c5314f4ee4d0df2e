"""The policy keys that every source of rows reads alike, and how it refuses one that it cannot honour."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from headrace.endpoint import Policy
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.staging import DEFAULT_BATCH_BYTES

_NOT_YET = ("lookback", "parameters")


def invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="source", details={"field": field})


def refuse_unsupported(raw: Policy, template_id: str, *, understood: Collection[str] = ()) -> None:
    """Raises ``ConfigInvalid`` for a key that would change which rows are read, and that this source does not read."""
    unread = [key for key in _NOT_YET if key not in understood]
    refused = [key for key in unread if raw.get(key) not in (None, {}, [])]
    if "deletes" not in understood and raw.get("deletes") not in (None, "ignore"):
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


def names_of(raw: Policy, key: str) -> tuple[str, ...]:
    """One name or several; none where nothing is said."""
    value: Json = raw.get(key)
    said = cast("list[Json]", value) if isinstance(value, list) else [] if value is None else [value]
    names = tuple(name for name in said if isinstance(name, str) and name)
    if len(names) < len(said):
        raise invalid(key, f"The policy's {key} is a column or a list of columns, not {value!r}.")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookback:
    """How far behind its cursor a read begins: a length of time, or a number in the units of the cursor."""

    said: str
    seconds: Decimal | None
    number: Decimal
    """Means something where ``seconds`` is None; of a cursor that is a time these are seconds, of a date days."""


_UNITS: Mapping[str, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]+?)s?(?=[\s\d]|$)", re.ASCII)
_NUMBER = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)


def lookback_of(raw: Policy, *, is_incremental: bool) -> Lookback | None:
    value: Json = raw.get("lookback")
    if value is None:
        return None
    if not is_incremental:
        raise invalid("lookback", "lookback goes with mode incremental: a full read has nothing behind it. Remove it.")
    said = "" if isinstance(value, bool) else str(value).strip()
    if _NUMBER.fullmatch(said):
        return Lookback(said=said, seconds=None, number=Decimal(said))
    parts = list(_PART.finditer(said.lower()))
    if not parts or "".join(part[0] for part in parts) != said.lower() or any(part[2] not in _UNITS for part in parts):
        raise invalid(
            "lookback",
            f"The policy's lookback is a length of time such as '10 minutes' or '1 day 12 hours' "
            f"({', '.join(_UNITS)}), or a number in the units of the cursor, not {value!r}.",
        )
    seconds = sum((Decimal(part[1]) * _UNITS[part[2]] for part in parts), Decimal(0))
    return Lookback(said=said, seconds=seconds, number=Decimal(0))


def limit_of(raw: Policy, *, is_incremental: bool) -> int | None:
    limit = count_of(raw, "limit")
    if is_incremental and limit is not None:
        raise invalid("limit", "limit goes with mode full only: an incremental read that stops early loses rows.")
    return limit


def batch_bytes_of(raw: Policy) -> int:
    """At most what a batch has anyway, so that a run can be ended between two."""
    return min(count_of(raw, "batchBytes") or DEFAULT_BATCH_BYTES, DEFAULT_BATCH_BYTES)


def most_set_aside(raw: Policy) -> int | None:
    """How many rows the policy sets aside, at most; None where it sets none aside."""
    match raw.get("quarantine"):
        case {"maxRows": int(most)}:
            return most or None
        case {}:
            return 1000
        case _:
            return None


def native_file_of(raw: Policy) -> Mapping[str, Json] | None:
    """Where a slice is to be one file, and how; None where it is not."""
    said = raw.get("nativeFile")
    return cast("dict[str, Json]", said) if isinstance(said, dict) else None


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
