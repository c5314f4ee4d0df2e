"""Rows that a conversion fails for are found without a look at the others one by one."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RowRejected
from headrace.parting import parted, without
from headrace.sifting import position_before


def numbers(count: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(range(count), pa.int64())], names=["n"])


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=20))
def test_the_bad_rows_are_found_and_the_good_ones_keep_their_order(count: int, bad: set[int]) -> None:
    def convert(batch: pa.RecordBatch) -> list[int]:
        values = batch.column(0).to_pylist()
        if bad & set(values):
            raise RowRejected("bad")
        return values

    found = parted(numbers(count), convert, most=1000)

    expected = sorted(n for n in bad if n < count)
    assert [position for position, _ in found.refused] == expected
    assert [n for part in found.good for n in part] == [n for n in range(count) if n not in bad]


def test_a_few_bad_rows_of_many_take_few_attempts() -> None:
    attempts: list[int] = []

    def convert(batch: pa.RecordBatch) -> None:
        attempts.append(batch.num_rows)
        if {7, 90_000} & set(batch.column(0).to_pylist()):
            raise RowRejected("bad")

    parted(numbers(100_000), convert, most=10)

    assert len(attempts) <= 2 * 2 * math.ceil(math.log2(100_000)) + 1


def test_the_search_ends_once_there_are_more_than_are_wanted() -> None:
    def convert(batch: pa.RecordBatch) -> None:
        raise RowRejected("bad")

    assert len(parted(numbers(10_000), convert, most=3).refused) == 4


@pytest.mark.parametrize(
    ("gone", "left"),
    [([], [0, 1, 2, 3]), ([0], [1, 2, 3]), ([3], [0, 1, 2]), ([1, 2], [0, 3]), ([0, 1, 2, 3], [])],
)
def test_rows_are_left_out_by_position(gone: list[int], left: list[int]) -> None:
    assert without(numbers(4), gone).column(0).to_pylist() == left


@given(st.sets(st.integers(0, 40), max_size=20))
def test_a_row_is_where_it_was_before_others_were_left_out(gone: set[int]) -> None:
    left = [n for n in range(60) if n not in gone]

    assert [position_before(at, sorted(gone)) for at in range(len(left))] == left
