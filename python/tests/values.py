"""Values of every kind that rows may hold, and what it means that one came back as it was."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

_zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
_offsets = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
_inner_years = {
    "min_value": datetime.datetime(2, 1, 1),
    "max_value": datetime.datetime(9998, 12, 31),
}  # so that the instant is one in every zone


def _zoned(zone: datetime.tzinfo) -> st.SearchStrategy[datetime.datetime]:
    return st.datetimes(**_inner_years, timezones=st.just(zone), allow_imaginary=False)


SCALARS: Mapping[str, st.SearchStrategy[Any]] = {
    "booleans": st.booleans(),
    "integers": INT64 | st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1]),
    "floats": st.floats(),
    "texts": TEXTS,
    "bytes": st.binary(),
    "decimals": st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**18), max_value=10**18),
    "dates": st.dates(),
    "times": st.times(),
    "moments without a zone": st.datetimes(),
    "durations": st.timedeltas(
        min_value=datetime.timedelta(days=-100_000_000), max_value=datetime.timedelta(days=100_000_000)
    ),
    "uuids": st.uuids(),
}
"""Values of one kind share a column whatever they are."""

ZONED: st.SearchStrategy[list[datetime.datetime]] = (_zones.map(ZoneInfo) | _offsets).flatmap(
    lambda zone: st.lists(_zoned(zone), min_size=1, max_size=6)
)
"""Moments of one zone: a column has one."""

_json_scalars = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    _json_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)

NESTED: Mapping[str, st.SearchStrategy[Any]] = {
    "lists of numbers": st.lists(INT64 | st.none()),
    "lists of lists": st.lists(st.lists(st.binary())),
    "objects": st.fixed_dictionaries({"a": INT64 | st.none(), "b": st.fixed_dictionaries({"c": st.dates()})}),
    "lists of objects": st.lists(st.fixed_dictionaries({"x": SCALARS["decimals"]})),
}
"""Values of one shape share a column without becoming JSON."""


def is_same(found: Any, value: Any) -> bool:
    """The same value of the same type, to the bit; bytes may come back as another kind of bytes."""
    if isinstance(value, bytearray | memoryview):
        return type(found) is bytes and found == bytes(value)
    if isinstance(value, dict):
        return type(found) is dict and found.keys() == value.keys() and all(is_same(found[k], value[k]) for k in value)
    if isinstance(value, list):
        return type(found) is list and len(found) == len(value) and all(map(is_same, found, value))
    if type(found) is not type(value):
        return False
    if isinstance(value, float):
        return struct.pack("<d", found) == struct.pack("<d", value) or (found != found and value != value)
    if isinstance(value, datetime.datetime):
        return found == value and found.utcoffset() == value.utcoffset() and found.fold in (0, value.fold)
    return bool(found == value) and not (isinstance(value, Decimal) and found.compare(value) != 0)
