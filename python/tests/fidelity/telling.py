"""Values as text by which they can be compared wherever they lie, each told by the system that has it.

Two values are the same when their texts are: days and nanoseconds since 1970
for dates and times, the bits of floats, the digits of numbers, bytes as hex,
text as it is. ``by_arrow`` tells a column of Arrow, ``by_postgres`` is the SQL
that has PostgreSQL tell one of its own.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

Told = Sequence[Any]
"""A text or None for each row; of a list a list of them, of a struct a dictionary."""

_TICKS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def by_arrow(column: Any) -> Told:
    if isinstance(column, pa.ChunkedArray):
        return [told for chunk in column.chunks for told in by_arrow(chunk)]
    return [None if not value.is_valid else _scalar(value) for value in column]


def _scalar(value: Any) -> Any:
    """What a valid scalar of Arrow says."""
    kind = value.type
    if isinstance(kind, pa.BaseExtensionType):
        return str(uuid.UUID(bytes=value.value.as_py())) if kind == pa.uuid() else _scalar(value.value)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return by_arrow(pa.array([value.as_py()], kind.value_type))[0]
    if pa.types.is_map(kind):
        return by_arrow(value.values)
    if pa.types.is_nested(kind):
        return _nested(value)
    return _plain(value, kind)


def _nested(value: Any) -> Any:
    if pa.types.is_union(value.type):
        return [str(value.type_code), None if not value.value.is_valid else _scalar(value.value)]
    if pa.types.is_struct(value.type):
        return {name: None if not part.is_valid else _scalar(part) for name, part in value.items()}
    return by_arrow(value.values)


def _plain(value: Any, kind: pa.DataType) -> str:
    if pa.types.is_temporal(kind):
        return _time(value, kind)
    plain = value.as_py()
    if pa.types.is_floating(kind):
        return "nan" if plain != plain else struct.pack(">d", plain).hex()
    if isinstance(plain, Decimal):
        return format(plain, "f")
    if isinstance(plain, bytes):
        return plain.hex()
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _time(value: Any, kind: pa.DataType) -> str:
    if pa.types.is_date(kind):
        return str(value.value if pa.types.is_date32(kind) else value.value // 86_400_000)
    if pa.types.is_interval(kind):
        return " ".join(map(str, value.as_py()))
    return str(value.value * _TICKS[kind.unit])


def by_postgres(column: str, declared: str) -> str:
    """The SQL expression; ``declared`` is the column's type as ``format_type`` spells it, a domain's its base."""
    if not declared.endswith("[]"):
        return _sql(column, declared)
    told = f"array(select {_sql('e', declared[:-2])} from unnest({column}) e)"
    is_plain = f"coalesce(array_ndims({column}) = 1 and array_lower({column}, 1) = 1, true)"
    return f"case when {column} is not null then case when {is_plain} then {told} else array[{column}::text] end end"


def _sql(value: str, declared: str) -> str:
    tell: Callable[[str], str] | None = _SQL.get(declared.partition("(")[0].partition(" with")[0])
    return tell(value) if tell is not None and declared != "time with time zone" else f"{value}::text"


def _nanoseconds(value: str) -> str:
    return f"trunc(extract(epoch from {value}) * 1000000000)::text"


def _if_finite(value: str, told: str) -> str:
    """Infinity is told by its name."""
    return f"case when isfinite({value}) then {told} else {value}::text end"


_SQL: dict[str, Callable[[str], str]] = {
    "real": lambda v: f"case when {v} = 'NaN' then 'nan' else encode(float8send({v}), 'hex') end",
    "double precision": lambda v: f"case when {v} = 'NaN' then 'nan' else encode(float8send({v}), 'hex') end",
    "bytea": lambda v: f"encode({v}, 'hex')",
    "character": lambda v: f"textin(bpcharout({v}))",  # a cast would cut the blanks off that belong to it
    "date": lambda v: _if_finite(v, f"({v} - date '1970-01-01')::text"),
    "time": _nanoseconds,
    "timestamp": lambda v: _if_finite(v, _nanoseconds(v)),
}
