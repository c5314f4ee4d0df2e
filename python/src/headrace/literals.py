"""What a literal of a filter stands for beside a column: read once, the same for every source.

A column is of a kind, and a literal means a value of that kind or nothing: no
text becomes a number because it looks like one, but a decimal may be written as
text, which keeps its digits. Times are ISO 8601, and UTC where a zone is needed
and none is said.
"""

from __future__ import annotations

import datetime
import math
import uuid
from decimal import Decimal, InvalidOperation
from typing import Literal as Word
from typing import TypeAlias

from headrace.filters import Literal, refused

Kind: TypeAlias = Word[
    "boolean", "integer", "number", "text", "bytes", "date", "time", "timestamp", "instant", "uuid", "native", "none"
]
"""``instant`` is a timestamp with zone; ``native`` is known to its source alone, ``none`` is never compared."""

Value: TypeAlias = bool | int | Decimal | str | bytes | datetime.date | datetime.time | datetime.datetime | uuid.UUID

_EXPECTED = {
    "boolean": "true or false", "integer": "a whole number", "number": "a number", "text": "a text",
    "bytes": "a text of hexadecimal digits after \\x", "date": "a date such as '2024-12-31'",
    "time": "a time such as '23:59:59'", "timestamp": "a time without zone such as '2024-12-31T23:59:59'",
    "instant": "a time such as '2024-12-31T23:59:59Z'", "uuid": "a UUID", "native": "a text",
}  # fmt: skip


def value_of(literal: Literal, kind: Kind, column: str, shown: str) -> Value:
    """Raises ``ConfigInvalid``, naming the column, for a literal that is none of the kind."""
    if kind == "none":
        raise refused(f"column {column} is {shown}, which can be asked for by isNull only", column=column)
    try:
        found = _read(literal, kind)
    except (ValueError, InvalidOperation, OverflowError):
        found = None
    if found is None:
        raise refused(f"column {column} is {shown}, and {literal!r} is not {_EXPECTED[kind]}", column=column)
    return found


def _read(literal: Literal, kind: Kind) -> Value | None:
    if isinstance(literal, bool):
        return literal if kind == "boolean" else None
    if kind in ("integer", "number"):
        return _number(literal, is_whole=kind == "integer")
    return _from_text(literal, kind) if isinstance(literal, str) and "\0" not in literal else None


def _number(literal: int | float | str, *, is_whole: bool) -> int | Decimal | None:
    if isinstance(literal, float) and not math.isfinite(literal):
        return None
    number = Decimal(str(literal).strip())
    if not number.is_finite() or abs(number.adjusted()) > 1_000:
        return None
    if not is_whole:
        return number
    return int(number) if number == number.to_integral_value() else None


def _from_text(text: str, kind: Kind) -> Value | None:
    match kind:
        case "text" | "native":
            return text
        case "uuid":
            return uuid.UUID(text)
        case "bytes":
            return bytes.fromhex(text.removeprefix("\\x")) if text.startswith("\\x") else None
        case "date":
            return datetime.date.fromisoformat(text)
        case "time":
            time = datetime.time.fromisoformat(text)
            return time if time.tzinfo is None else None
        case "timestamp":
            moment = datetime.datetime.fromisoformat(text)
            return moment if moment.tzinfo is None else None
        case "instant":
            moment = datetime.datetime.fromisoformat(text)
            zone = moment.tzinfo or datetime.UTC
            return moment.replace(tzinfo=zone).astimezone(datetime.UTC)
        case _:
            return None
