"""What JSON values are, as columns: which kind holds all of them exactly, and the arrays of that kind.

A number without fraction or exponent is an integer of 64 bits; any other is a
double if the double's own digits give the number back. A value that no kind
holds beside the others is a ``Misfit``, never a change of the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec
import pyarrow as pa

KINDS: dict[str, tuple[frozenset[type], pa.DataType]] = {
    "null": (frozenset(), pa.null()),
    "string": (frozenset({str}), pa.string()),
    "bool": (frozenset({bool}), pa.bool_()),
    "int64": (frozenset({int}), pa.int64()),
    "double": (frozenset({int, float}), pa.float64()),
    "json": (frozenset({dict, list}), pa.string()),
}
"""What is learned of a column, with the Python types of its values."""

_DRAWN = bytes.maketrans(b"0123456789.eE", b"00000000000ee")
_LONG_NUMBER = b"0" * 16
_EXPONENT = b"0e"
_WORDS: dict[type, str] = {
    str: "text", bool: "true or false", int: "an integer", float: "a fraction", Decimal: "a long number",
    dict: "an object", list: "a list",
}  # fmt: skip
_SAID = {
    "null": "nothing", "string": "text", "bool": "true or false", "int64": "an integer", "double": "a number",
    "json": "an object or a list",
}  # fmt: skip
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Misfit(ValueError):
    """``position`` is the first value that cannot stand beside the others; ``advice``, a word for ``column_types``."""

    def __init__(self, position: int, why: str, advice: str) -> None:
        super().__init__(why)
        self.position = position
        self.advice = advice


def decode(data: bytes) -> Any:
    """One document. Numbers that no double holds are ``Decimal``."""
    return _decoder(data).decode(data)


def decode_lines(data: bytes) -> list[Any]:
    """One document a line. A line of blanks is as wrong here as any other that holds none."""
    decode_one = _decoder(data).decode
    return [decode_one(line) for line in data.split(b"\n") if line]


def _decoder(data: bytes) -> msgspec.json.Decoder[Any]:
    """The quick one, if no number can have more than 15 digits or an exponent: a double holds those."""
    drawn = data.translate(_DRAWN)
    return _EXACT if _LONG_NUMBER in drawn or _EXPONENT in drawn else _FAST


def kind_of(values: Sequence[Any], before: str, delivered: str) -> str:
    """The kind that holds ``values`` and what is of kind ``before``; other than ``delivered`` it must not become.

    Raises:
        Misfit: There is none.
    """
    found = set(map(type, values)) - {type(None)}
    if not found:
        return before
    kind = next((kind for kind, (types, _) in KINDS.items() if found <= types), None)
    if kind is None:
        raise _mixed(values)
    if kind == "double" and delivered == "int64":
        raise _other(_first(values, lambda value: type(value) is float), values, _SAID[delivered])
    if before in ("null", kind) or {before, kind} == {"int64", "double"}:
        return "double" if "double" in (before, kind) else kind
    raise _other(_first(values, lambda value: value is not None), values, _SAID[before])


def array_of(values: Sequence[Any], kind: str) -> pa.Array:
    """The values of a column. Raises ``Misfit`` when one is not of the kind."""
    types, arrow = KINDS[kind]
    if not set(map(type, values)) - {type(None)} <= types:
        raise _other(_first(values, lambda value: value is not None and type(value) not in types), values, _SAID[kind])
    carried = values if kind != "json" else [None if value is None else json_of(value) for value in values]
    try:
        return pa.array(carried, type=arrow)
    except (pa.ArrowInvalid, OverflowError):
        position = _first(values, lambda value: value is not None and not _is_carried(value, arrow))
        why = "an integer is wider than 64 bits" if kind == "int64" else "an integer is wider than a double holds"
        raise Misfit(position, why, "decimal(38,0)" if kind == "int64" else "string") from None


def text_of(value: Any) -> str:
    """Text as it is, anything else as JSON, with the digits it came with."""
    return value if isinstance(value, str) else json_of(value)


def json_of(value: Any) -> str:
    return _ENCODER.encode(value).decode()


def _mixed(values: Sequence[Any]) -> Misfit:
    """Why no kind holds all of ``values``."""
    if Decimal in set(map(type, values)):
        position = _first(values, lambda value: type(value) is Decimal)
        return Misfit(position, "a number has more digits than a double holds", "string")
    kinds = [cast("type[Any]", type(value)) for value in values]
    first = next(kind for kind in kinds if kind is not type(None))
    return _other(_first(kinds, lambda kind: kind not in (first, type(None))), values, _WORDS[first])


def _other(position: int, values: Sequence[Any], expected: str) -> Misfit:
    found = cast("type[Any]", type(values[position]))
    is_nested = found in (dict, list) or expected in (_WORDS[dict], _WORDS[list], _SAID["json"])
    advice = "json" if is_nested else "double" if found is float else "string"
    return Misfit(position, f"there is {_WORDS[found]} where there was {expected}", advice)


def _first(values: Sequence[Any], is_it: Callable[[Any], bool]) -> int:
    return next(position for position, value in enumerate(values) if is_it(value))


def _is_carried(value: Any, arrow: pa.DataType) -> bool:
    try:
        pa.array([value], type=arrow)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


def _exact_number(text: str) -> float | Decimal:
    """A double when its shortest digits are the number; else the number itself."""
    try:
        near, number = float(text), Decimal(text)
    except InvalidOperation:
        raise msgspec.DecodeError("a number has an exponent of more than 18 digits") from None
    return near if math.isfinite(near) and Decimal(repr(near)) == number else number


_FAST = msgspec.json.Decoder()
_EXACT = msgspec.json.Decoder(float_hook=_exact_number)
