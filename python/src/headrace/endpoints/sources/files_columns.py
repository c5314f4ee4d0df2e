"""From text to the type a person named in ``column_types``, exactly or not at all."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.endpoints.systems.files_column_types import INTEGERS, decimal_digits
from headrace.rowtypes import json_field

_INFINITE = ["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"]

_HEXADECIMAL = "^0[xX]"
_FAR_FROM_ITS_POINT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+$|^[+-]?[0-9]*\.[0-9]{30,}$"
"""Numbers for which Arrow looks up a power of ten that it may not have: it then reads memory that is none of it."""

_NEVER_FAR = 30
"""Characters of a number without an exponent: so few have not thirty digits behind the point."""

_UNBOUNDED = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Overflow, Inexact])

_REFUSED = (pa.ArrowInvalid, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""How a value is said to be none of the type; the last of JSON that is nested too deep."""

_PLAIN: dict[str, Any] = {
    "string": pa.string(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}


class NotExact(ValueError):
    """``position`` is the first value that the type cannot hold exactly."""

    def __init__(self, position: int, word: str) -> None:
        super().__init__(f"the value is no {word}")
        self.position = position
        self.word = word


def field_of(name: str, word: str) -> pa.Field:
    """The column of a word of ``column_types``."""
    return json_field(name) if word == "json" else pa.field(name, type_of(word))


def type_of(word: str) -> pa.DataType:
    if word in INTEGERS:
        return pa.type_for_alias(word)
    digits = decimal_digits(word)
    if digits is None:
        return _PLAIN[word]
    return pa.decimal128(*digits) if digits[0] <= 38 else pa.decimal256(*digits)


def from_text(texts: pa.Array, word: str) -> pa.Array:
    """The values of a column of text. Nulls stay nulls.

    Raises:
        NotExact: A value is none of the type, or would lose something as one.
    """
    if word == "string":
        return texts
    try:
        return _cast(texts, word)
    except _REFUSED:
        raise NotExact(_first_refused(texts, word), word) from None


def _cast(texts: pa.Array, word: str) -> pa.Array:
    if word == "json":
        for text in texts.drop_null().to_pylist():
            msgspec.json.decode(text)
        return texts
    digits = decimal_digits(word)
    if digits is not None:
        return _written_out(texts, *digits).cast(type_of(word))
    if word in INTEGERS and _has_any(texts, "xX") and pc.any(pc.match_substring_regex(texts, _HEXADECIMAL)).as_py():
        raise pa.ArrowInvalid("a number is hexadecimal")
    values = texts.cast(type_of(word))
    if word == "double":
        _refuse_overflow(texts, values)
    return values


def _written_out(texts: pa.Array, precision: int, scale: int) -> pa.Array:
    """Numbers with an exponent, or with very many digits after the point, as the plain digits that the column holds."""
    longest: int = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest <= _NEVER_FAR and not _has_any(texts, "eE"):
        return texts
    is_far = pc.fill_null(pc.match_substring_regex(texts, _FAR_FROM_ITS_POINT), False)
    if not pc.any(is_far).as_py():
        return texts
    plain = [_plain_digits(text, precision, scale) for text in texts.filter(is_far).to_pylist()]
    return pc.replace_with_mask(texts, is_far, pa.array(plain, type=texts.type))


def _has_any(texts: pa.Array, letters: str) -> bool:
    """False: no text has one of them. Thirty times as fast as a regular expression, for columns that never have."""
    data = texts.buffers()[2]
    content = b"" if data is None else data.to_pybytes()
    return any(letter.encode() in content for letter in letters)


def _plain_digits(text: str, precision: int, scale: int) -> str:
    try:
        number = _UNBOUNDED.create_decimal(text)
    except DecimalException:
        raise pa.ArrowInvalid("a number has an exponent that nobody writes out") from None
    if number.is_zero():
        return "0"
    shortest = number.normalize(_UNBOUNDED)
    if -int(shortest.as_tuple().exponent) > scale or shortest.adjusted() >= precision - scale:
        raise pa.ArrowInvalid("a number has digits where the decimal has none")
    return format(shortest, "f")


def _refuse_overflow(texts: pa.Array, values: pa.Array) -> None:
    """A number too large for a double would become infinite without a word."""
    infinite = texts.filter(pc.is_inf(values))
    said = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(infinite)), pa.array(_INFINITE))
    if len(infinite) > 0 and not pc.all(said).as_py():
        raise pa.ArrowInvalid("a number is too large for a double")


def _first_refused(texts: pa.Array, word: str) -> int:
    """By halves: everything before ``low`` is fine, and something before ``high`` is not."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _cast(texts.slice(low, middle - low), word)
            low = middle
        except _REFUSED:
            high = middle
    return low
