"""Rows made to fit the schema that is there, where the policy's ``schemaContract`` discards what does not.

A value fits when the column there holds exactly it. Nothing is coerced: numbers
and times may become narrower ones that say the same, text never a number.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Misfits:
    """What does not fit: the positions of rows, and of each column how many values."""

    rows: dict[int, str]
    """By position, the first column to blame."""
    values: Counter[str]


@dataclass(frozen=True, slots=True)
class Fit:
    """From the columns that come to those that are there. ``there`` names no column that does not come."""

    there: pa.Schema

    def fitted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Every row as it fits, with NULL where a value does not."""
        arrays = [_narrowed(batch.column(field.name), field.type) for field in self.there]
        return pa.record_batch(arrays, schema=self.there)

    def misfits(self, batch: pa.RecordBatch) -> Misfits:
        found = Misfits({}, Counter())
        names = set(self.there.names)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            fits = _narrowed(column, self.there.field(name).type) if name in names else pa.nulls(len(column))
            positions = pc.indices_nonzero(pc.and_(fits.is_null(), column.is_valid())).to_pylist()
            if positions:
                found.values[name] += len(positions)
                for position in positions:
                    found.rows.setdefault(position, name)
        return found


def _narrowed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The values as ``kind``, NULL where one would change."""
    if column.type.equals(kind):
        return column
    if pa.types.is_null(kind) or not _says_the_same(column.type, kind):
        return pa.nulls(len(column), kind)
    return _cast(column, kind)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Halves of what cannot be cast are tried again, so good values are never looked at one by one."""
    done: list[pa.Array] = []
    waiting = [column]
    while waiting:
        part = waiting.pop()
        with contextlib.suppress(pa.ArrowException):
            cast = _widened(part, kind).cast(kind)
            if not _may_lose(part.type, kind) or _are_same(cast.cast(part.type), part):
                done.append(cast)
                continue
        if len(part) == 1:
            done.append(pa.nulls(1, kind))
        else:
            half = len(part) // 2
            waiting += [part.slice(half), part.slice(0, half)]
    return pa.concat_arrays(done) if len(done) != 1 else done[0]


def _widened(part: pa.Array, kind: pa.DataType) -> pa.Array:
    """Integers become decimals only of as many digits as their type may have."""
    if pa.types.is_integer(part.type) and pa.types.is_decimal(kind):
        return part.cast(pa.decimal256(76, kind.scale))
    return part


def _are_same(one: pa.Array, other: pa.Array) -> bool:
    same = pc.equal(one, other)
    if pa.types.is_floating(one.type):
        same = pc.or_(same, pc.and_(pc.is_nan(one), pc.is_nan(other)))
    return pc.all(same).as_py() is not False


def _may_lose(one: pa.DataType, other: pa.DataType) -> bool:
    """Casts of the library that do not fail where they change a value."""
    is_narrower = pa.types.is_floating(other) and other.bit_width < one.bit_width
    return is_narrower or (pa.types.is_timestamp(one) and pa.types.is_date(other))


def _says_the_same(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether a value of ``one`` can be a value of ``other`` and mean the same."""
    return pa.types.is_null(one) or any(is_kind(one) and is_kind(other) for is_kind in _KINDS)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return plain or pa.types.is_fixed_size_binary(kind)


def _is_exact_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _is_zoned(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None


def _is_day(kind: pa.DataType) -> bool:
    return pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)


_KINDS: tuple[Callable[[pa.DataType], bool], ...] = (
    _is_text, _is_bytes, _is_exact_number, pa.types.is_floating, _is_zoned, _is_day, pa.types.is_time,
)  # fmt: skip
"""Within each, a value of one type is the same value of another, or none."""
