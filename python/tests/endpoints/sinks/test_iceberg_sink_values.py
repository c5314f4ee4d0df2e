"""Values in Iceberg: exact, or in a wider type, or refused by column; DuckDB reads back what PyIceberg does."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from iceberg_reading import duckdb_table
from iceberg_writing import IcebergWriting, sqlite_catalog

from headrace.errors import RowRejected, SchemaChanged


@dataclass(frozen=True)
class Case:
    arrow: pa.DataType
    values: Sequence[Any]
    iceberg: str


_LONG = "😀x" * 50_000
_UTC = datetime.UTC
_FIRST, _BEFORE = datetime.datetime(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)
_LEAP = datetime.datetime(2024, 2, 29, 23, 59, 59, 1)

CASES = (
    Case(pa.bool_(), [True, False], "boolean"),
    Case(pa.int8(), [-128, 127], "int"),
    Case(pa.uint8(), [0, 255], "int"),
    Case(pa.int16(), [-(2**15), 2**15 - 1], "int"),
    Case(pa.uint16(), [0, 2**16 - 1], "int"),
    Case(pa.int32(), [-(2**31), 2**31 - 1], "int"),
    Case(pa.uint32(), [0, 2**32 - 1], "long"),
    Case(pa.int64(), [-(2**63), 2**53 + 1, 2**63 - 1], "long"),
    Case(pa.uint64(), [0, 2**64 - 1], "decimal(20, 0)"),
    Case(pa.float32(), [0.5, float("inf"), float("-inf"), float("nan"), -0.0, 2.0**-149], "float"),
    Case(pa.float64(), [0.1, float("inf"), float("-inf"), float("nan"), -0.0, 5e-324], "double"),
    Case(pa.string(), ["", " ", "e\u0301", "ﷺ שלום", "\ufeff", "a\0b", _LONG], "string"),
    Case(pa.large_string(), ["", "😀"], "string"),
    Case(pa.binary(), [b"", b"\0", bytes(range(256))], "binary"),
    Case(pa.binary(3), [b"abc", b"\0\0\0"], "fixed[3]"),
    Case(pa.decimal128(1, 0), [Decimal(-9), Decimal(9)], "decimal(1, 0)"),
    Case(pa.decimal128(9, 2), [Decimal("-9999999.99"), Decimal("0.01")], "decimal(9, 2)"),
    Case(pa.decimal128(38, 9), [Decimal("9" * 29 + "." + "9" * 9), Decimal("-0.000000001")], "decimal(38, 9)"),
    Case(pa.decimal256(38, 9), [Decimal("0.000000001")], "decimal(38, 9)"),
    Case(pa.decimal128(5, -2), [Decimal("1230000"), Decimal("-9999900")], "decimal(7, 0)"),
    Case(pa.date32(), [_FIRST.date(), _BEFORE.date(), _LEAP.date(), datetime.date(9999, 12, 31)], "date"),
    Case(pa.date64(), [_BEFORE.date(), _LEAP.date()], "date"),
    Case(pa.time32("ms"), [datetime.time(0), datetime.time(23, 59, 59, 999000)], "time"),
    Case(pa.time64("us"), [datetime.time(0), datetime.time(23, 59, 59, 999999)], "time"),
    Case(pa.timestamp("s"), [_LEAP.replace(microsecond=0)], "timestamp"),
    Case(pa.timestamp("us"), [_FIRST, _BEFORE, _LEAP], "timestamp"),
    Case(pa.timestamp("ns"), [_BEFORE, _LEAP], "timestamp"),
    Case(pa.timestamp("us", "UTC"), [each.replace(tzinfo=_UTC) for each in (_FIRST, _BEFORE, _LEAP)], "timestamptz"),
    Case(pa.timestamp("us", "Asia/Kathmandu"), [_LEAP.replace(tzinfo=_UTC)], "timestamptz"),
    Case(pa.uuid(), [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)], "uuid"),
    Case(pa.dictionary(pa.int32(), pa.string()), ["a", "b", "a"], "string"),
    Case(pa.null(), [None], "string"),
    Case(pa.list_(pa.int64()), [[], [1, None, 2**63 - 1]], "list<long>"),
    Case(pa.large_list(pa.string()), [["", None, "😀"]], "list<string>"),
    Case(pa.list_(pa.list_(pa.decimal128(5, 2))), [[[Decimal("1.25")], [], None]], "list<list<decimal(5, 2)>>"),
    Case(
        pa.struct([("a", pa.int16()), ("b", pa.string())]), [{"a": 1, "b": None}],
        "struct<3: a: optional int, 4: b: optional string>",
    ),
    Case(pa.map_(pa.string(), pa.int32()), [[("a", 1), ("b", None)], []], "map<string, int>"),
)  # fmt: skip


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def stored(writing: IcebergWriting, kind: pa.DataType, values: Sequence[Any]) -> None:
    """The values and a NULL, in their order."""
    schema = pa.schema([("n", pa.int32()), ("v", kind)])
    rows = [{"n": number, "v": value} for number, value in enumerate([*_given(kind, values), None])]
    writing.put(writing.to("append"), rows, schema=schema)


def _given(kind: pa.DataType, values: Sequence[Any]) -> Sequence[Any]:
    return [value.bytes for value in values] if kind == pa.uuid() else values


def _plain(value: Any) -> Any:
    """Apart from how a reader spells it: zones are offsets, and NaN is equal to itself."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(_UTC)
    return repr(value) if isinstance(value, float) else str(value) if isinstance(value, uuid.UUID) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.arrow))
def test_a_value_is_read_back_as_it_came(writing: IcebergWriting, case: Case) -> None:
    stored(writing, case.arrow, case.values)

    ours = writing.table().scan().to_arrow().sort_by("n")["v"].to_pylist()
    theirs = duckdb_table(writing.table().metadata_location).sort_by("n")["v"].to_pylist()
    wanted = [_plain(value) for value in (*case.values, None)]
    assert [_plain(value) for value in ours] == wanted
    assert [_plain(value) for value in theirs] == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.arrow))
def test_a_column_is_made_of_the_type_that_the_page_says(writing: IcebergWriting, case: Case) -> None:
    stored(writing, case.arrow, [])

    assert str(writing.table().schema().find_type("v")) == case.iceberg


REFUSED = (
    pa.decimal256(39, 0),
    pa.decimal256(76, 10),
    pa.duration("us"),
    pa.month_day_nano_interval(),
    pa.list_(pa.duration("s")),
)


@pytest.mark.parametrize("kind", REFUSED, ids=str)
def test_a_type_without_an_exact_place_is_refused_by_column(writing: IcebergWriting, kind: pa.DataType) -> None:
    with (
        pytest.raises(SchemaChanged) as refusal,
        writing.owner(writing.to("append"), schema=pa.schema([("n", pa.int32()), ("v", kind)])),
    ):
        pass

    assert refusal.value.details["column"] == "v"
    assert writing.rows() == []


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 0], pa.timestamp("ns")),
        pa.array([1001], pa.timestamp("ns", "UTC")),
        pa.array([1], pa.time64("ns")),
        pa.array([2**62], pa.timestamp("s")),
    ],
    ids=lambda values: str(values.type),
)
def test_a_value_that_would_lose_something_is_refused_by_column(writing: IcebergWriting, values: Any) -> None:
    schema = pa.schema([("v", values.type)])
    target = writing.to("append")
    with writing.owner(target, schema=schema) as sink, pytest.raises(RowRejected) as refusal:
        writing.write(sink, target, [{"v": value} for value in values], seq=0, schema=schema)

    assert refusal.value.details["column"] == "v"
    assert writing.rows() == []
    assert writing.unnamed_files() == []
