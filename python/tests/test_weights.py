"""What rows weigh: bytes of their values, whatever their types are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headrace.weights import heavy_rows, row_weights, value_weight

CASES: list[tuple[pa.DataType, list[Any], list[int]]] = [
    (pa.int32(), [1, None], [4, 4]),
    (pa.bool_(), [True, None], [1, 1]),
    (pa.null(), [None, None], [0, 0]),
    (pa.string(), ["", "größe"], [0, 7]),
    (pa.large_string(), ["abc", None], [3, 0]),
    (pa.string_view(), ["abc", None], [3, 0]),
    (pa.binary(), [b"\0" * 9, None], [9, 0]),
    (pa.binary_view(), [b"\0" * 9, None], [9, 0]),
    (pa.decimal128(10, 2), [None, None], [16, 16]),
    (pa.dictionary(pa.int8(), pa.string()), ["four", "four"], [4, 4]),
    (pa.list_(pa.int64()), [[1, 2], []], [16, 0]),
    (pa.list_(pa.string()), [["a", "bb"], None], [3, 0]),
    (pa.list_(pa.list_(pa.string())), [[["a"], ["bbb", "c"]], [[]]], [5, 0]),
    (pa.list_(pa.int16(), 2), [[1, 2], [3, 4]], [4, 4]),
    (pa.struct([("a", pa.string()), ("b", pa.int64())]), [{"a": "xy", "b": 1}, {"a": None, "b": 2}], [10, 8]),
    (pa.map_(pa.string(), pa.string()), [[("k", "value")], []], [6, 0]),
    (pa.uuid(), [None, None], [16, 16]),
]


@pytest.mark.parametrize(("kind", "values", "expected"), CASES, ids=lambda case: str(case)[:30])
def test_a_row_weighs_what_its_values_do(kind: pa.DataType, values: list[Any], expected: list[int]) -> None:
    batch = pa.record_batch([pa.array(values, kind)], names=["c"])

    assert row_weights(batch).to_pylist() == expected
    assert row_weights(pa.record_batch([batch.column(0), batch.column(0)], names=["a", "b"])).to_pylist() == [
        2 * weight for weight in expected
    ]


def test_a_row_at_the_bound_is_not_heavy_and_one_byte_more_is() -> None:
    batch = pa.record_batch([pa.array(["x" * 99, "x" * 100, "x" * 101])], names=["text"])

    assert heavy_rows(batch, 100) == [2]
    assert heavy_rows(batch.slice(1), 100) == [1]


@pytest.mark.parametrize(
    ("value", "weight"),
    [("größe", 7), (b"abc", 3), (memoryview(b"abcd"), 4), ({"a": "xy", "b": [1, "z"]}, 11), (None, 8), (1.5, 8)],
)
def test_a_value_of_python_weighs_about_the_same(value: Any, weight: int) -> None:
    assert value_weight(value) == weight
