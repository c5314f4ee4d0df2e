"""What fits a column that is there: a value that it can say exactly, and no other."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headrace.fitting import Fit


def fit(kind: pa.DataType, *values: Any, into: pa.DataType) -> tuple[list[Any], list[int]]:
    batch = pa.record_batch([pa.array(values, kind)], names=["c"])
    fitting = Fit(pa.schema([("c", into)]))
    return fitting.fitted(batch).column(0).to_pylist(), sorted(fitting.misfits(batch).rows)


NARROWING: list[tuple[pa.DataType, list[Any], pa.DataType, list[Any]]] = [
    (pa.int64(), [1, 2**31, None, -(2**31)], pa.int32(), [1, None, None, -(2**31)]),
    (pa.int32(), [32767, 32768], pa.int16(), [32767, None]),
    (pa.int64(), [5, 10**9], pa.decimal128(5, 0), [Decimal(5), None]),
    (pa.decimal128(12, 2), [Decimal("1.25"), Decimal("123456.00")], pa.decimal128(5, 2), [Decimal("1.25"), None]),
    (pa.decimal128(5, 3), [Decimal("1.250"), Decimal("1.255")], pa.decimal128(5, 2), [Decimal("1.25"), None]),
    (pa.decimal128(5, 2), [Decimal("7.00"), Decimal("7.50")], pa.int32(), [7, None]),
    (pa.float64(), [0.5, 0.1, None], pa.float32(), [0.5, None, None]),
    (pa.timestamp("ns"), [1000, 1001], pa.timestamp("us"), [datetime.datetime(1970, 1, 1, 0, 0, 0, 1), None]),
    (
        pa.timestamp("us"), [0, 86_400_000_001], pa.date32(), [datetime.date(1970, 1, 1), None],
    ),
    (pa.string(), ["12", None], pa.int32(), [None, None]),
    (pa.int32(), [12, None], pa.string(), [None, None]),
    (pa.bool_(), [True], pa.int32(), [None]),
    (pa.string(), ["a"], pa.large_string(), ["a"]),
    (pa.float64(), [1.0], pa.int32(), [None]),
    (pa.timestamp("us", "UTC"), [0], pa.timestamp("us"), [None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "into", "expected"), NARROWING, ids=lambda case: str(case)[:40])
def test_a_value_fits_when_the_column_says_exactly_it(
    kind: pa.DataType, values: list[Any], into: pa.DataType, expected: list[Any]
) -> None:
    fitted, misfits = fit(kind, *values, into=into)

    assert fitted == expected
    assert misfits == [
        at for at, (was, now) in enumerate(zip(values, expected, strict=True)) if was is not None and now is None
    ]


def test_a_column_that_is_not_there_fits_where_it_holds_nothing() -> None:
    batch = pa.record_batch([pa.array([1, 2, 3]), pa.array([None, "new", None])], names=["id", "added"])
    fitting = Fit(pa.schema([("id", pa.int64())]))

    found = fitting.misfits(batch)

    assert (found.rows, dict(found.values)) == ({1: "added"}, {"added": 1})
    assert fitting.fitted(batch).to_pydict() == {"id": [1, 2, 3]}


def test_of_a_row_with_several_misfits_the_first_column_is_blamed_and_each_value_counted() -> None:
    batch = pa.record_batch([pa.array([2**40]), pa.array(["x"])], names=["a", "b"])

    found = Fit(pa.schema([("a", pa.int32()), ("b", pa.int32())])).misfits(batch)

    assert (found.rows, dict(found.values)) == ({0: "a"}, {"a": 1, "b": 1})
