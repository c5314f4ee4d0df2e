"""The words people use in ``column_types``, without the library that has the types.

Text stays text unless a person says what it is, so each word promises an exact
reading: a value that the type cannot hold is refused, never rounded or cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from headrace.errors import ConfigInvalid
from headrace.suggestions import did_you_mean

INTEGERS = ("int8", "int16", "int32", "int64")
WORDS = ("string", *INTEGERS, "double", "bool", "date", "timestamp", "timestamptz", "json", "decimal(p,s)")
"""``timestamp`` has no zone, ``timestamptz`` needs one; both count microseconds. ``json`` is text that holds JSON."""

EXAMPLE = '{"zip": "string", "price": "decimal(12,2)"}'

_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
_MAXIMUM_DIGITS = 76


def parse_column_types(text: str) -> Mapping[str, str]:
    """Column name to one of ``WORDS``. Raises ``ConfigInvalid`` naming the column to blame."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _invalid(f"column_types is not JSON ({error}). Write {EXAMPLE}.") from error
    if not isinstance(found, dict):
        raise _invalid(f"column_types is not a JSON object. Write {EXAMPLE}.")
    return {name: _word(name, kind) for name, kind in cast("dict[str, Any]", found).items()}


def decimal_digits(word: str) -> tuple[int, int] | None:
    """Precision and scale of ``decimal(p,s)``; None for another word."""
    found = _DECIMAL.fullmatch(word)
    return None if found is None else (int(found[1]), int(found[2]))


def _word(column: str, kind: Any) -> str:
    word = re.sub(r"\s+", "", kind).lower() if isinstance(kind, str) else ""
    if word in WORDS[:-1]:
        return word
    digits = decimal_digits(word)
    if digits is not None:
        precision, scale = digits
        if 1 <= precision <= _MAXIMUM_DIGITS and scale <= precision:
            return word
        raise _invalid(
            f"column_types says {column!r} is {word}. A decimal has 1 to {_MAXIMUM_DIGITS} digits, and no more of them "
            "after the point than it has."
        )
    hint = did_you_mean(word, WORDS, most=1)
    raise _invalid(f"column_types says {column!r} is {kind!r}. Choose one of {', '.join(WORDS)}.{hint}")


def _invalid(message: str) -> ConfigInvalid:
    return ConfigInvalid(message, details={"field": "column_types"})
