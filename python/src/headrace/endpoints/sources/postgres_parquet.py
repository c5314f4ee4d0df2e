"""Which columns of PostgreSQL DuckDB may write to Parquet by itself, and how they are selected for it.

Those whose Parquet form is the one the Arrow reader gives. DuckDB turns values
that have no such form into others without a word (NaN in a decimal becomes 0),
so each is selected by an expression that makes the server fail for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.endpoints.systems.postgres_session import quote_identifier
from headrace.endpoints.systems.postgres_types import Reading

_PLAIN = frozenset(
    {pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary()}
)
_LAST_TIMESTAMP = "294247-01-01"
"""PostgreSQL counts microseconds from 2000 and Arrow from 1970, so it knows later years."""


def guarded_columns(readings: Sequence[Reading]) -> list[str] | None:
    """The list to select, with the names of the columns; None when one of them is not for DuckDB."""
    if any(planned.is_computed for planned in readings):
        return None
    columns: list[str] = []
    for planned in readings:
        expression = _expression(planned)
        if expression is None:
            return None
        columns.append(f"{expression} as {quote_identifier(planned.name)}")
    return columns


def _expression(planned: Reading) -> str | None:
    kind, name = planned.field.type, quote_identifier(planned.name)
    if planned.is_padded:
        return f"bpcharsend({name})"  # as bytes of text: DuckDB would cut the blanks of a char(n) off
    if planned.guard is None and kind in _PLAIN:
        return planned.expression
    if pa.types.is_decimal128(kind):
        return _only_if(f"scale({name}) is not null", name, f"numeric({kind.precision},{kind.scale})")
    if pa.types.is_date32(kind):
        return _only_if(f"isfinite({name})", name, "date")
    if pa.types.is_time(kind):
        return _only_if(f"{name} < time '24:00'", name, "time")
    if pa.types.is_timestamp(kind):
        zone = "timestamptz" if kind.tz else "timestamp"
        is_between = f"{name} > '-infinity'::{zone} and {name} < '{_LAST_TIMESTAMP}'::{zone}"
        return _only_if(is_between, name, zone)
    return None


def _only_if(condition: str, name: str, kind: str) -> str:
    """The column where ``condition`` is true, NULL where it is NULL; for any other value the cast fails."""
    return f"case when {condition} then {name}::{kind} else ({name}::text || ' is not for Parquet')::{kind} end"
