"""Which Arrow type carries a column of Python values without changing one of them.

Values of one column must share a type; nothing is coerced. Text beside numbers,
integers beside floats, or two time zones in one column are refused, because any
common type would alter some of them. Nested values whose shapes differ are
carried as JSON text (``is_json``) where JSON says them exactly.
"""

from __future__ import annotations

import datetime
import json
import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa

JSON_METADATA = {b"headrace": b"json"}
"""On the field of a text column whose values are JSON documents."""

_BINARY = (bytes, bytearray, memoryview)
_MAXIMUM_DIGITS = 76


class NoCommonType(ValueError):
    """The values cannot share a column. ``position`` is the first that does not fit."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


def field_of(name: str, values: Sequence[Any]) -> pa.Field:
    """The field that carries ``values`` exactly.

    Raises:
        NoCommonType: There is none.
    """
    try:
        return pa.field(name, _common(values, type_of))
    except NoCommonType as refusal:
        if any(isinstance(value, dict | list) for value in values):
            for position, value in enumerate(values):
                _require_json(position, value)
            return json_field(name)
        raise refusal


def json_field(name: str) -> pa.Field:
    return pa.field(name, pa.string(), metadata=JSON_METADATA)


def is_json(field: pa.Field) -> bool:
    return field.metadata is not None and field.metadata.get(b"headrace") == b"json"


def to_json(value: Any) -> str | None:
    """The text of a JSON column's value; an absent value stays absent."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def type_of(value: Any) -> pa.DataType:
    """The narrowest type of a single value."""
    kind = cast("type[Any]", type(value))
    known = _SCALARS.get(kind)
    if known is not None:
        return known(value)
    if isinstance(value, datetime.datetime):
        raise ValueError(f"{kind.__name__} is no plain datetime")
    if kind is dict:
        return _struct_type(value)
    if kind is list:
        return pa.list_(_common(value, type_of))
    raise ValueError(f"a value of type {kind.__name__} has no column type; convert it in the source")


def join(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds the values of both unchanged. Raises ``ValueError`` when there is none."""
    if one.equals(other) or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return _join_decimals(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(join(one.value_type, other.value_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _join_structs(one, other)
    raise ValueError(f"{one} and {other} have no common type that keeps both exactly")


def _common(values: Iterable[Any], of: Callable[[Any], pa.DataType]) -> pa.DataType:
    common, last_kind = pa.null(), cast("type[Any] | None", None)
    for position, value in enumerate(values):
        if value is None or (type(value) is last_kind and last_kind in _UNIFORM):
            continue
        try:
            common = join(common, of(value))
        except ValueError as error:
            raise NoCommonType(position, str(error)) from error
        last_kind = cast("type[Any]", type(value))
    return common


def _struct_type(value: dict[Any, Any]) -> pa.DataType:
    if not value:
        raise ValueError("an empty object has no fields")
    if not all(isinstance(key, str) for key in value):
        raise ValueError("a key of a nested object is not text")
    return pa.struct([pa.field(key, type_of(inner)) for key, inner in value.items()])


def _join_structs(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if {field.name for field in one} != {field.name for field in other}:
        raise ValueError("nested objects have different keys")
    return pa.struct([pa.field(field.name, join(field.type, other.field(field.name).type)) for field in one])


def _join_decimals(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    scale = max(one.scale, other.scale)
    whole = max(one.precision - one.scale, other.precision - other.scale)
    return _decimal_type(whole + scale, scale)


def _decimal_of(value: Decimal) -> pa.DataType:
    if not value.is_finite():
        raise ValueError(f"the decimal {value} is not finite")
    _, digits, exponent = value.as_tuple()
    scale = max(0, -cast(int, exponent))
    return _decimal_type(max(len(digits) + cast(int, exponent) + scale, scale, 1), scale)


def _decimal_type(precision: int, scale: int) -> pa.DataType:
    if precision > _MAXIMUM_DIGITS:
        raise ValueError(f"a decimal of {precision} digits is wider than {_MAXIMUM_DIGITS}")
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _integer_of(value: int) -> pa.DataType:
    if not -(2**63) <= value < 2**63:
        raise ValueError("an integer is wider than 64 bits; make it a decimal or text")
    return pa.int64()


def _moment_of(value: datetime.datetime) -> pa.DataType:
    zone = value.tzinfo
    if zone is None:
        return pa.timestamp("us")
    _require_instant(value)
    if isinstance(zone, ZoneInfo) and zone.key:
        return pa.timestamp("us", tz=zone.key)
    try:
        return pa.array([value]).type  # the library knows how others name their zones
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"the time zone {zone!r} has no name") from error


def _require_instant(value: datetime.datetime) -> None:
    """A zoned time is kept as an instant, so it must be one, and give the same time when it is read."""
    try:
        again = value.astimezone(datetime.UTC).astimezone(value.tzinfo)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} is outside the years 1 to 9999 in UTC") from None
    if again.replace(tzinfo=None, fold=0) != value.replace(tzinfo=None, fold=0):
        raise ValueError(f"there was no {value.replace(tzinfo=None).isoformat()} in {value.tzinfo}: clocks skipped it")


def _time_of(value: datetime.time) -> pa.DataType:
    if value.tzinfo is not None:
        raise ValueError("a time of day with a zone has no column type; use a timestamp")
    return pa.time64("us")


def _require_json(position: int, value: Any) -> None:
    kind = cast("type[Any]", type(value))
    if value is None or kind in (bool, int, str):
        return
    if kind is float and math.isfinite(value):
        return
    if kind is list:
        for inner in value:
            _require_json(position, inner)
    elif kind is dict and all(type(key) is str for key in value):
        for inner in value.values():
            _require_json(position, inner)
    else:
        raise NoCommonType(position, f"nested values differ in shape, and JSON cannot say a {kind.__name__} exactly")


_UNIFORM: frozenset[type | None] = frozenset({bool, float, str, bytes, datetime.date, uuid.UUID, datetime.timedelta})
"""Kinds whose every value has one and the same type; the others are looked at one by one."""

_SCALARS: dict[type, Callable[[Any], pa.DataType]] = {
    type(None): lambda _: pa.null(),
    bool: lambda _: pa.bool_(),
    int: _integer_of,
    float: lambda _: pa.float64(),
    str: lambda _: pa.string(),
    **dict.fromkeys(_BINARY, lambda _: pa.binary()),
    Decimal: _decimal_of,
    datetime.datetime: _moment_of,
    datetime.date: lambda _: pa.date32(),
    datetime.time: _time_of,
    datetime.timedelta: lambda _: pa.duration("us"),
    uuid.UUID: lambda _: pa.uuid(),
}
