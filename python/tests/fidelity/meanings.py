"""What a type means, in words that all systems share: two columns of one meaning hold the same values.

``decimal(20,4)``, ``timestamp(6)``, ``int64[]``; what only one system has keeps
the name that it has there, such as ``uuid`` or ``inet``. A length that a type
does not exceed is no meaning: text of at most ten characters is text.
"""

from __future__ import annotations

import re
from typing import Literal

import pyarrow as pa

How = Literal["exact", "widened", "as text", "if it fits"]

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_PLAIN = {
    "halffloat": "float16", "float": "float32", "double": "float64", "string": "text", "large_string": "text",
    "string_view": "text", "binary": "bytes", "large_binary": "bytes", "binary_view": "bytes", "date32[day]": "date",
    "date64[ms]": "date",
}  # fmt: skip
_POSTGRES = {
    "boolean": "bool", "smallint": "int16", "integer": "int32", "bigint": "int64", "real": "float32",
    "double precision": "float64", "character varying": "text", "character": "text", "bytea": "bytes",
}  # fmt: skip


def how(source: str, sink: str) -> How:
    """In which of the ways in which nothing is lost a column of one meaning lies in one of another."""
    if source == sink:
        return "exact"
    before, after = _digits(source), _digits(sink)
    if before is not None and after is not None and before > after:
        return "if it fits"
    return "as text" if sink.removesuffix("[]") == "text" and source != "null" else "widened"


def _digits(meaning: str) -> int | None:
    """Of a second; None for what is no time."""
    found = re.fullmatch(r"time(?:stamp)?(?:tz)?\((\d)\)", meaning)
    return None if found is None else int(found[1])


def of_arrow(kind: pa.DataType) -> str:
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name.removeprefix("arrow.")
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return of_arrow(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return f"{of_arrow(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or "list_view" in str(kind):
        return f"{of_arrow(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return f"map({of_arrow(kind.key_type)}, {of_arrow(kind.item_type)})"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return f"timestamp{'tz' if kind.tz else ''}({_DIGITS[kind.unit]})"
    if pa.types.is_time(kind):
        return f"time({_DIGITS[kind.unit]})"
    return _PLAIN.get(str(kind), str(kind))


def of_postgres(declared: str) -> str:
    """``declared`` as ``format_type`` spells it."""
    if declared.endswith("[]"):
        return f"{of_postgres(declared[:-2])}[]"
    if (bounds := re.fullmatch(r"numeric\((\d+),(-?\d+)\)", declared)) is not None:
        return f"decimal({bounds[1]},{bounds[2]})"
    if (moment := re.fullmatch(r"(time|timestamp)(?:\((\d)\))? with(out)? time zone", declared)) is not None:
        return f"{moment[1]}{'' if moment[3] else 'tz'}({moment[2] or 6})"
    bare = re.sub(r"\(\d+\)", "", declared)
    return _POSTGRES.get(bare, bare)
