"""How each Arrow column is kept in PostgreSQL, and whether a column that is already there can hold it.

Nothing is rounded, cut or guessed: what a column cannot hold exactly is refused
by name before a row is written. Rows wait in a stage table of plain types; text
that stands for a native type becomes it on the way into the target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.endpoints.systems.postgres_types import RESTORABLE
from headrace.errors import RowRejected, SchemaChanged

OPERATION = "_headrace_op"
"""Reserved column: 0 stores the row, 1 deletes what has its key."""

NATIVE = b"headrace.postgres"

_PLAIN: Mapping[str, tuple[pa.DataType, str]] = {
    "null": (pa.string(), "text"),
    "bool": (pa.bool_(), "boolean"),
    "int8": (pa.int16(), "smallint"),
    "uint8": (pa.int16(), "smallint"),
    "int16": (pa.int16(), "smallint"),
    "uint16": (pa.int32(), "integer"),
    "int32": (pa.int32(), "integer"),
    "uint32": (pa.int64(), "bigint"),
    "int64": (pa.int64(), "bigint"),
    "uint64": (pa.decimal128(20, 0), "numeric(20,0)"),
    "halffloat": (pa.float32(), "real"),
    "float": (pa.float32(), "real"),
    "double": (pa.float64(), "double precision"),
    "string": (pa.string(), "text"),
    "large_string": (pa.string(), "text"),
    "string_view": (pa.string(), "text"),
    "binary": (pa.binary(), "bytea"),
    "large_binary": (pa.binary(), "bytea"),
    "binary_view": (pa.binary(), "bytea"),
    "date32[day]": (pa.date32(), "date"),
    "date64[ms]": (pa.date32(), "date"),
}

_SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_SPELLED = {"timetz": "time with time zone", "bit": "bit varying", "varbit": "bit varying"}
"""Bits become as many as they are: without a length ``bit`` means one, and a cast cuts the others off."""

_NARROWER = {
    "bigint": {"smallint", "integer"}, "integer": {"smallint"}, "double precision": {"real"},
    "timestamp without time zone": {"date"},
}  # fmt: skip
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_TYPE = re.compile(
    r"^(?P<base>[^(\[]+?)(?:\((?P<a>\d+)(?:,(?P<b>-?\d+))?\))?(?P<rest> with(?:out)? time zone)?(?P<array>\[\])?$"
)


_DAYS, _MICROSECONDS = (-2_440_588, 2_145_042_905), (-210_866_803_200_000_000, 2**63 - 1)
"""Counted from 1970: from 24 November 4714 BC to the end of 5874897. Timestamps end later than Arrow's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    name: str
    arrow: pa.DataType
    """What the staged column is made before it is loaded."""
    stage_type: str
    target_type: str
    """The type of a column made for it."""
    is_filled: bool = False
    """Whether a column made for it takes no NULL, so that a key over it need not look for one."""


def stored_columns(schema: pa.Schema) -> tuple[StoredColumn, ...]:
    """Raises ``SchemaChanged`` with ``details["column"]`` for what PostgreSQL cannot hold exactly."""
    names: Sequence[str] = schema.names
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise refused(min(twice), "comes twice; rename or leave out one of the two")
    kept = [name for name in names if name in _SYSTEM]
    if kept:
        raise refused(kept[0], "has a name that PostgreSQL keeps for itself; rename it, or leave it out")
    operation = schema.field(OPERATION).type if OPERATION in names else pa.int8()
    if not pa.types.is_integer(operation):
        raise refused(OPERATION, f"is {operation}, and has to be an integer: 0 a row, 1 a row that was deleted")
    return tuple(_stored(field) for field in schema)


def _stored(field: Any) -> StoredColumn:
    if isinstance(field.type, pa.UuidType):
        return StoredColumn(name=field.name, arrow=pa.binary(), stage_type="bytea", target_type="uuid")
    kind = _plain(field.type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        element = _scalar(_plain(kind.value_type))
        if element is not None:
            return _restored(_listed(field.name, *element), _native(field))
    elif (scalar := _scalar(kind)) is not None:
        return _restored(_single(field.name, *scalar), _native(field))
    raise refused(
        field.name, f"is {field.type}, which jdbc.postgres cannot store yet; leave it out with the policy's columns"
    )


def _single(name: str, arrow: pa.DataType, type_: str) -> StoredColumn:
    """Decimals that binary COPY is not written for wait as text, which becomes them by a cast."""
    is_wide = pa.types.is_decimal256(arrow)
    sent, stage = (pa.string(), "text") if is_wide else (arrow, type_)
    return StoredColumn(name=name, arrow=sent, stage_type=stage, target_type=type_)


def _listed(name: str, arrow: pa.DataType, type_: str) -> StoredColumn:
    """Moments in lists wait without their time zone, which is that of the session: UTC."""
    one = _single(name, arrow, type_)
    sent, stage = one.arrow, one.stage_type
    if pa.types.is_timestamp(sent):
        sent, stage = pa.timestamp("us"), "timestamp without time zone"
    return replace(one, arrow=pa.list_(sent), stage_type=f"{stage}[]", target_type=f"{type_}[]")


def _restored(column: StoredColumn, native: str | None) -> StoredColumn:
    """Text that stands for a type of PostgreSQL's own is kept as that."""
    is_text = column.target_type in ("text", "text[]")
    is_restored = native is not None and is_text and native.endswith("[]") == column.target_type.endswith("[]")
    return replace(column, target_type=native) if is_restored else column


def _scalar(kind: pa.DataType) -> tuple[pa.DataType, str] | None:
    plain = _PLAIN.get(str(kind))
    if plain is not None:
        return plain
    if pa.types.is_decimal(kind):
        digits, places = max(kind.precision, kind.precision - kind.scale), max(kind.scale, 0)
        arrow = pa.decimal128(digits, places) if digits <= 38 else pa.decimal256(digits, places)
        return arrow, f"numeric({digits},{places})"
    if pa.types.is_timestamp(kind):
        zoned = kind.tz is not None
        return pa.timestamp("us", "UTC" if zoned else None), f"timestamp {'with' if zoned else 'without'} time zone"
    if pa.types.is_time(kind):
        return pa.time64("us"), "time without time zone"
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary(), "bytea"
    return None


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _native(field: Any) -> str | None:
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    said = metadata.get(NATIVE, b"").decode("ascii", "replace")
    base = said.removesuffix("[]")
    return _SPELLED.get(base, base) + said[len(base) :] if base in RESTORABLE else None


def normalised(batch: pa.RecordBatch, columns: Sequence[StoredColumn]) -> pa.RecordBatch:
    """The batch in the types the stage table has, its columns named by position.

    Raises:
        RowRejected: A value would lose something, such as nanoseconds.
    """
    arrays = [_cast(array, column) for array, column in zip(batch.columns, columns, strict=True)]
    return pa.record_batch(arrays, schema=sent_schema(columns))


def sent_schema(columns: Sequence[StoredColumn]) -> pa.Schema:
    """That of the batches that ``normalised`` makes."""
    return pa.schema([(f"c{index}", column.arrow) for index, column in enumerate(columns)])


def _cast(array: Any, column: StoredColumn) -> Any:
    plain = array.storage if isinstance(array, pa.ExtensionArray) else array
    try:
        cast = plain if plain.type == column.arrow else plain.cast(column.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise rejected(
            column.name, f"has a value of type {array.type} that {column.stage_type} cannot hold exactly"
        ) from None
    _require_within(cast, column)
    return cast


def _require_within(array: Any, column: StoredColumn) -> None:
    """Days and moments that PostgreSQL does not have. The driver would make some of them infinity."""
    kind = array.type
    if pa.types.is_list(kind):
        _require_within(array.flatten(), column)
    elif pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        first, last = _DAYS if pa.types.is_date32(kind) else _MICROSECONDS
        found = pc.min_max(array.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())).as_py()
        if found["min"] is not None and not first <= found["min"] <= found["max"] <= last:
            raise rejected(column.name, f"has a {kind} before 4714 BC or after what {column.stage_type} ends with")


def can_hold(declared: str, wanted: str, *, is_enum: bool = False, is_checked: bool = False) -> bool:
    """Whether every value of type ``wanted`` is kept exactly by a column declared as ``declared``.

    ``is_checked``: every value is looked at before it is stored (``Stage.check``), and one is refused that is
    of another length or precision. So a column of a source's own type takes the source's own values.
    """
    if declared == wanted:
        return True
    if is_enum:
        return wanted == "text"
    have, need = parsed_type(declared), parsed_type(wanted)
    if have is None or need is None or have["array"] != need["array"]:
        return have is not None and declared == wanted
    base, other = have["base"], need["base"]
    if base == "character varying" and have["array"] and have["a"] is not None:
        return False
    if base in ("text", "character varying", "citext"):
        return other in RESTORABLE or other in ("text", *_SPELLED.values()) or other == base
    if base == "numeric":
        return _numeric_holds(have, need)
    if base in RESTORABLE or base in _SPELLED.values():
        return other in (base, "text") and have["a"] is None
    if base == "character":
        return is_checked and other == "text"
    if base.startswith(("timestamp", "time")) and have["a"] not in (None, "6"):
        return is_checked and base == other
    return base == other or other in _NARROWER.get(base, set())


def _numeric_holds(have: Mapping[str, Any], need: Mapping[str, Any]) -> bool:
    other = need["base"]
    if have["a"] is None:
        return other in ("numeric", "text", *_DIGITS)
    before, places = int(have["a"]) - int(have["b"] or 0), int(have["b"] or 0)
    if other in _DIGITS:
        return before >= _DIGITS[other] and places >= 0
    if other != "numeric" or need["a"] is None:
        return False
    return places >= int(need["b"] or 0) and before >= int(need["a"]) - int(need["b"] or 0)


def parsed_type(text: str) -> dict[str, Any] | None:
    match = _TYPE.match(text)
    if match is None:
        return None
    parts = match.groupdict()
    return {**parts, "base": parts["base"] + (parts["rest"] or "")}


def numeric_of(declared: str) -> pa.DataType | None:
    """Arrow's decimal of a ``numeric(p,s)``; None of anything else."""
    parts = parsed_type(declared)
    if parts is None or parts["base"] != "numeric" or parts["a"] is None or parts["array"]:
        return None
    digits, places = int(parts["a"]), int(parts["b"] or 0)
    if not 0 <= places <= digits <= 76:
        return None
    return pa.decimal128(digits, places) if digits <= 38 else pa.decimal256(digits, places)


def rejected(column: str, why: str) -> RowRejected:
    return RowRejected(
        f"Column {column} {why}. Correct the rows, or have the source give them otherwise, such as rounded or as text.",
        role="sink",
        details={"column": column},
    )


def refused(column: str, why: str) -> SchemaChanged:
    return SchemaChanged(f"Column {column} {why}.", role="sink", details={"column": column})
