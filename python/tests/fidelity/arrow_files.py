"""Parquet and Arrow files in the matrix: every type of Arrow, and of Parquet as other programs write it."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
from fidelity.contract import KEY
from fidelity.meanings import of_arrow
from fidelity.parquet_files import types_of
from fidelity.telling import Told, by_arrow

from headrace.endpoints.sources.local_files import LocalFilesSource

_REALS = [float("nan"), float("inf"), float("-inf"), -0.0, 0.5, None]
_BEFORE = [-62135596800, -1, None, 0, 253402300799]
"""Seconds: the years 1 and 9999, and the last one before 1970."""
_BYTES = [b"", bytes(range(256)), None]
_TEXTS = ["", None, "Größe 😀 e\u0301 ﷺ", "x" * 300_000]
_UTC, _BERLIN = "UTC", "Europe/Berlin"


def _moments(unit: str, zone: str | None = None) -> pa.Array:
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    within = (second for second in _BEFORE if unit != "ns" or second is None or abs(second) < 2**33)
    return pa.array(
        [second if second is None else second * ticks + ticks // 2 for second in within], pa.timestamp(unit, zone)
    )


def _bounds(kind: pa.DataType) -> pa.Array:
    least = 0 if "uint" in str(kind) else -(2 ** (kind.bit_width - 1))
    return pa.array([least, None, least + 2**kind.bit_width - 1], kind)


def _decimals(kind: pa.DataType) -> pa.Array:
    return pa.array([*(Decimal((sign, (9,) * kind.precision, -kind.scale)) for sign in (0, 1)), None], kind)


SCALARS: Sequence[pa.Array] = (
    pa.array([True, None, False]),
    *(_bounds(pa.type_for_alias(f"{sign}int{bits}")) for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(pa.array(_REALS, kind) for kind in (pa.float16(), pa.float32(), pa.float64())),
    *(_decimals(kind) for kind in (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(20, 4))),
    *(_decimals(kind) for kind in (pa.decimal128(38, 9), pa.decimal256(76, 10), pa.decimal128(5, -2))),
    *(pa.array(_TEXTS, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *(pa.array(_BYTES, kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    pa.array([b"ab", None, b"\0\xff"], pa.binary(2)),
    pa.array(["a", None, "b", "a"]).dictionary_encode(),
    pa.array([-719162, -1, None, 2932896], pa.date32()),
    pa.array([-86_400_000, None], pa.date64()),
    *(pa.array([0, None, 86399], kind) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"))),
    pa.array([0, None, 86399999999000], pa.time64("ns")),
    *(_moments(unit) for unit in ("s", "ms", "us", "ns")),
    *(_moments(unit, _UTC) for unit in ("s", "ms", "us", "ns")),
    _moments("us", _BERLIN),
    pa.array([-1, None, 2**62], pa.duration("us")),
    pa.array([(1, -2, 3), None], pa.month_day_nano_interval()),
    pa.array([uuid.UUID(int=1).bytes, None], pa.uuid()),
    pa.array(['{"a": 12345678901234567890.10}', None], pa.json_()),
    pa.array([None], pa.null()),
)
NESTED: Sequence[pa.Array] = (
    pa.array([[], None, [1, None]], pa.list_(pa.int64())),
    pa.array([["a", ""], None, [None]], pa.large_list(pa.string())),
    pa.array([[1.5, None], None], pa.list_(pa.float32(), 2)),
    pa.array([[1, None], None], pa.list_view(pa.int32())),
    pa.array([[Decimal("1.10")], [None]], pa.list_(pa.decimal128(20, 4))),
    pa.array([[[1], [], None], None], pa.list_(pa.list_(pa.int64()))),
    pa.array([{"a": 1, "b": None}, None, {"a": None, "b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
    pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
    pa.array([[{"a": datetime.date(1969, 12, 31)}], None], pa.list_(pa.struct([("a", pa.date32())]))),
    pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None]),
)
CORPUS: Sequence[pa.Array] = (*SCALARS, *NESTED)
FINE: Mapping[str, pa.Array] = {
    "timestamp = 1 ns": pa.array([1], pa.timestamp("ns")),
    "time = 1 ns": pa.array([1], pa.time64("ns")),
}
"""Values that some system has no place for, though it has one for others of their type."""


class _FileOrigin:
    """One file. Small slices, so that there are several."""

    ending: ClassVar[str]
    policy: Mapping[str, Any] = {"targetSliceSize": 3}

    def __init__(self, base: Path) -> None:
        self.unit_id = f"everything.{self.ending}"
        self.base = base
        base.mkdir()
        self.path = base / self.unit_id
        self.table = self._write()

    def _write(self) -> pa.Table:
        """Writes the file. Returns what it holds, its columns called by their types."""
        raise NotImplementedError

    def columns(self) -> Mapping[str, str]:
        return {field.name: of_arrow(field.type) for field in self.table.schema if field.name != KEY}

    def told(self, columns: Sequence[str]) -> Mapping[str, Told]:
        return {name: by_arrow(self.table[name]) for name in columns}

    def open(self, columns: Sequence[str]) -> LocalFilesSource:
        return LocalFilesSource({"base_path": str(self.base), **self.written(columns)})

    def written(self, columns: Sequence[str]) -> Mapping[str, str]:
        """Parameters of who reads the file."""
        return {}


class ArrowOrigin(_FileOrigin):
    ending = "arrow"

    def _write(self) -> pa.Table:
        table = _table({**{str(array.type): array for array in CORPUS}, **FINE})
        with ipc.new_file(str(self.path), table.schema) as writer:
            writer.write_table(table)
        return table


class ParquetOrigin(_FileOrigin):
    """Without the schema of Arrow that pyarrow would add, so as other programs write it."""

    ending = "parquet"

    def _write(self) -> pa.Table:
        held = {name: array for array in CORPUS if (name := self._type(array)) is not None}
        pq.write_table(_table({**held, **FINE}), self.path, store_schema=False, row_group_size=2)
        return pq.read_table(self.path)

    def _type(self, array: pa.Array) -> str | None:
        """What Parquet calls it; None when it has no such type."""
        try:
            pq.write_table(pa.table({"v": array}), self.path, store_schema=False)
        except (pa.ArrowException, NotImplementedError, OSError):
            return None
        return types_of(self.path)["v"]


def _table(columns: Mapping[str, pa.Array]) -> pa.Table:
    """Of one length, NULL where a column has no more values, with ``id`` before them."""
    rows = max(map(len, columns.values())) + 1
    full = {
        name: pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)])
        if not pa.types.is_run_end_encoded(array.type)
        else pa.RunEndEncodedArray.from_arrays([2, rows], ["a", None])
        for name, array in columns.items()
    }
    return pa.table({KEY: pa.array(range(rows), pa.int32()), **full})
