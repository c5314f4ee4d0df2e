"""Filtering what was read: a mask over Arrow, for sources that cannot leave rows out by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import RowRejected
from headrace.filters import And, Compare, Filter, In, IsNull, Literal, Not, Or, columns, refused, require_columns
from headrace.literals import Kind, value_of
from headrace.rows import arrow_from_rows
from headrace.staging import Row

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": pc.equal, "ne": pc.not_equal, "lt": pc.less, "le": pc.less_equal, "gt": pc.greater, "ge": pc.greater_equal,
}  # fmt: skip


@dataclass(slots=True)
class BatchFilter:
    """One filter over many batches; literals are read once for each type that a column has."""

    chosen: Filter
    unit_id: str
    read: dict[tuple[Any, ...], Any] = field(default_factory=dict[tuple[Any, ...], Any])
    """Literals by column and type."""

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that are wanted. Raises ``ConfigInvalid`` where column or literal are not what they have to be."""
        require_columns(self.chosen, batch.schema.names, self.unit_id)
        return batch.filter(self._mask(self.chosen, batch), null_selection_behavior="drop")

    def unwanted(self, batch: pa.RecordBatch) -> list[int]:
        """Where the other rows are."""
        require_columns(self.chosen, batch.schema.names, self.unit_id)
        return pc.indices_nonzero(pc.invert(pc.fill_null(self._mask(self.chosen, batch), False))).to_pylist()

    def wanted(self, rows: Sequence[Row]) -> list[bool]:
        """Which rows are wanted. One that could not be carried anyway is, so that others may say so."""
        try:
            return [is_wanted is True for is_wanted in self._mask_of(rows)]
        except RowRejected:
            return [self._is_wanted(row) for row in rows]

    def require(self, schema: pa.Schema, read: Sequence[str] | None, limit: int | None) -> None:
        """Raises ``ConfigInvalid`` for what does not fit such columns, of which ``read`` are read, before a row is.

        A unit without columns is one that nobody has looked into yet.
        """
        if limit is not None:
            raise refused("with limit this source would count rows that are left out. Remove one of the two")
        if not schema.names:
            return
        require_columns(self.chosen, schema.names, self.unit_id)
        for name in columns(self.chosen):
            if read is not None and name not in read:
                raise refused(f"column {name} is left out by the policy's columns; add it there", column=name)
        empty = pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)
        self._mask(self.chosen, empty)

    def _is_wanted(self, row: Row) -> bool:
        try:
            return self._mask_of([row])[0] is True
        except RowRejected:
            return True

    def _mask_of(self, rows: Sequence[Row]) -> list[bool | None]:
        for row in rows:
            require_columns(self.chosen, list(row), self.unit_id)
        named = columns(self.chosen)
        batch = arrow_from_rows([{name: row[name] for name in named} for row in rows], 0, list(named))
        return self._mask(self.chosen, batch).to_pylist()

    def _mask(self, part: Filter, batch: pa.RecordBatch) -> Any:
        match part:
            case And(inner):
                return reduce(pc.and_kleene, (self._mask(each, batch) for each in inner))
            case Or(inner):
                return reduce(pc.or_kleene, (self._mask(each, batch) for each in inner))
            case Not(inner):
                return pc.invert(self._mask(inner, batch))
            case IsNull(column):
                return pc.is_null(batch.column(column))
            case Compare(operator, column, value):
                array, literals = self._comparable(batch, column, (value,))
                return _COMPARE[operator](array, literals[0])
            case In(column, values):
                array, literals = self._comparable(batch, column, values)
                return pc.if_else(pc.is_null(array), None, pc.is_in(array, value_set=literals))

    def _comparable(self, batch: pa.RecordBatch, column: str, literals: tuple[Literal, ...]) -> tuple[Any, Any]:
        """Column and literals in one type, in which nothing of either is lost."""
        array = _plain(batch.column(column))
        place = (column, literals, array.type)
        if place not in self.read:
            kind = _kind(array.type)
            values = [value_of(literal, kind, column, str(array.type)) for literal in literals]
            self.read[place] = _typed(values, array.type, column)
        found = self.read[place]
        return array.cast(found.type), found


def _plain(array: Any) -> Any:
    stored = array.storage if isinstance(array, pa.ExtensionArray) else array
    return stored.dictionary_decode() if isinstance(stored, pa.DictionaryArray) else stored


def _typed(values: Sequence[Any], kind: pa.DataType, column: str) -> Any:
    common = _common_type(values, kind)
    if pa.types.is_floating(common):
        return pa.array([float(value) for value in values], common)
    if pa.types.is_fixed_size_binary(common):
        return pa.array([value.bytes for value in values], common)
    carried = [Decimal(value) for value in values] if pa.types.is_decimal(common) else values
    try:
        return pa.array(carried, common)
    except pa.ArrowInvalid:
        raise refused(f"column {column} is {kind}, and a literal has more digits than can be compared") from None


def _common_type(values: Sequence[Any], kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        exponents = (value.as_tuple().exponent for value in values)
        return pa.decimal256(76, max(kind.scale, *(-exponent for exponent in exponents)))
    if pa.types.is_integer(kind):
        is_small = kind != pa.uint64() and all(-(2**63) <= value < 2**63 for value in values)
        return pa.int64() if is_small else pa.decimal256(76, 0)
    if pa.types.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        return pa.timestamp(unit, None if kind.tz is None else "UTC")
    if pa.types.is_time(kind):
        return pa.time64("ns" if kind == pa.time64("ns") else "us")
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.string() if pa.types.is_string_view(kind) else kind


def _kind(kind: pa.DataType) -> Kind:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_time(kind):
        return "time"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "instant"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes"
    return "uuid" if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16 else "none"
