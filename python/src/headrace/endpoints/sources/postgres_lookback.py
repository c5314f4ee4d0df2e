"""How far behind the cursor an incremental read begins: the policy's ``lookback``, in the units of the cursor.

Rows that came late, behind what was read, are found there; the others are read
again and take the place of themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from headrace.endpoints.sources.postgres_ranges import Order
from headrace.endpoints.systems.postgres_catalog import CatalogColumn
from headrace.source_policy import Lookback, invalid

_SECONDS_A_DAY = 86_400
_LEAST: Mapping[str, int] = {"int2": -(2**15), "int4": -(2**31), "int8": -(2**63)}
_FIRST_DAY = "4713-01-02 BC"
_MOST_DAYS, _MOST_SECONDS = 2**31 - 1, Decimal(9_000_000_000_000)
"""What the server takes for a number of days, and for an interval."""


def refuse_unfit(cursor: CatalogColumn, lookback: Lookback) -> None:
    """Raises ``ConfigInvalid`` where so much cannot be taken from a cursor of that type."""
    is_time = cursor.type_name in ("timestamp", "timestamptz", "date")
    if is_time or (cursor.type_name in (*_LEAST, "numeric") and lookback.seconds is None):
        return
    remedy = "Give a number" if cursor.type_name in (*_LEAST, "numeric") else "Remove it, or choose another cursor"
    raise invalid(
        "lookback",
        f"lookback is {lookback.said}, and the cursor {cursor.name} is {cursor.shown}, from which that cannot be "
        f"taken. {remedy}.",
    )


def begin_of(order: Order, at: str, lookback: Lookback) -> str:
    """SQL of the cursor so far behind ``at``, as text; where the type ends before that, of its least value."""
    literal, kind = order.cursor_literal(at), "" if order.cursor is None else order.cursor.type_name
    if kind == "date":
        days = math.ceil(lookback.seconds / _SECONDS_A_DAY if lookback.seconds is not None else lookback.number)
        return _since_ever(literal, kind, Decimal(days) * _SECONDS_A_DAY, f"{literal} - {min(days, _MOST_DAYS)}")
    if kind in ("timestamp", "timestamptz"):
        seconds = lookback.number if lookback.seconds is None else lookback.seconds
        begin = f"{literal} - interval '{min(seconds, _MOST_SECONDS):f} s'"
        return _since_ever(literal, kind, seconds, begin)
    if kind in _LEAST:
        return f"greatest({literal}::numeric - {math.ceil(lookback.number)}, {_LEAST[kind]})::text"
    return f"({literal} - {lookback.number:f})::text"


def _since_ever(literal: str, kind: str, seconds: Decimal, begin: str) -> str:
    """``begin``, which fails where it lies before the first day that the server knows."""
    first = f"extract(epoch from '{_FIRST_DAY}'::{kind})"
    is_before = f"extract(epoch from {literal}) - {seconds:f} < {first}"
    return f"(case when {is_before} then '-infinity' else {begin} end)::text"
