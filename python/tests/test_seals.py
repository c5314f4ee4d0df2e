"""The hash of rows: equal for equal rows however they lie in memory, different for any other rows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from values import INT64, NESTED, SCALARS

from headrace.errors import RowRejected
from headrace.seals import RowsHash


def sha256(*batches: pa.RecordBatch) -> str:
    hashed = RowsHash(batches[0].schema)
    for batch in batches:
        hashed.update(batch)
    return hashed.hexdigest()


def of(array: pa.Array) -> str:
    return sha256(pa.record_batch([array], names=["v"]))


KINDS = {**SCALARS, **NESTED}
few = settings(max_examples=40)


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_the_hash_does_not_depend_on_how_rows_are_batched_or_where_they_lie(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(KINDS[kind] | st.none(), min_size=1, max_size=8))
    whole = pa.array(values)
    batch = pa.record_batch([whole], names=["v"])
    cut = data.draw(st.integers(0, len(values)))
    shifted = pa.concat_arrays([whole.slice(cut), whole]).slice(len(values) - cut)

    assert sha256(batch.slice(0, cut), batch.slice(cut)) == of(shifted) == of(whole)


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_other_rows_have_another_hash(kind: str, data: st.DataObject) -> None:
    column = st.lists(KINDS[kind] | st.none(), max_size=4)
    one, other = data.draw(column), data.draw(column)
    both = pa.array([*one, *other])

    assert (of(both[: len(one)]) == of(both[len(one) :])) is (_exactly(one) == _exactly(other))


def _exactly(value: Any) -> Any:
    """Floats to the bit, and everything else as it is."""
    return (
        struct.pack("<d", value)
        if isinstance(value, float)
        else [*map(_exactly, value)]
        if isinstance(value, list)
        else value
    )


@given(st.lists(st.tuples(INT64 | st.none(), st.text() | st.none()), min_size=2, max_size=5), st.data())
def test_the_order_of_rows_and_of_columns_counts(rows: list[tuple[Any, Any]], data: st.DataObject) -> None:
    other = data.draw(st.permutations(rows))
    one, two = (
        pa.record_batch([_int64([n for n, _ in order]), pa.array([t for _, t in order], pa.string())], names=["n", "t"])
        for order in (rows, other)
    )

    assert (sha256(one) == sha256(two)) is (rows == other)
    assert sha256(one) != sha256(one.select(["t", "n"]))


_LONG = "longer than what a view keeps within itself"

SAME: Mapping[str, Callable[[], tuple[pa.Array, pa.Array]]] = {
    "dictionaries in another order": lambda: (
        _dictionary([0, 1, 0], ["a", "b"]), _dictionary([1, 0, 1], ["b", "a"]),
    ),
    "an absent value in the dictionary": lambda: (
        _dictionary([0, None, 0], ["a"]), _dictionary([1, 0, 1], [None, "a"]),
    ),
    "values below an absent list": lambda: (
        pa.array([[1], None, [2]]),
        pa.ListArray.from_arrays(_int32([0, 1, 3, 4]), pa.array([1, 8, 9, 2]), mask=pa.array([False, True, False])),
    ),
    "values below an absent object": lambda: (
        pa.array([{"a": 1}, None]),
        pa.StructArray.from_arrays([pa.array([1, 99])], names=["a"], mask=pa.array([False, True])),
    ),
    "maps": lambda: (_map([[("a", 1)], []]), _map([[("z", 0)], [("a", 1)], []]).slice(1)),
    "lists of one size": lambda: (_pairs([[1, 2], None]), _pairs([[9, 9], [1, 2], None]).slice(1)),
    **{
        f"where a view of {kind} looks": lambda kind=kind: (
            pa.array([_LONG, None, "", "short"], kind), pa.array(["x" * 99, _LONG, None, "", "short"], kind).slice(1),
        )
        for kind in (pa.string_view(), pa.binary_view())
    },
}  # fmt: skip


VIEWS: Mapping[str, tuple[pa.DataType, list[Any], list[Any]]] = {
    "list": (pa.list_(pa.string_view()), [["a", None], None], [["a"], None]),
    "large list": (pa.large_list(pa.binary_view()), [[b"a"], None], [None, [b"a"]]),
    "list of one size": (pa.list_(pa.string_view(), 1), [["a"], None], [["b"], None]),
    "object": (pa.struct([("a", pa.string_view())]), [{"a": "a"}, None], [{"a": None}, None]),
    "map": (pa.map_(pa.string_view(), pa.string_view()), [[("a", "b")], None], [[("a", "c")], None]),
}


@pytest.mark.parametrize("within", VIEWS)
def test_views_within_other_values_count(within: str) -> None:
    kind, values, others = VIEWS[within]
    one, again, other = (
        pa.array(values, kind),
        pa.array([*others, *values], kind)[len(others) :],
        pa.array(others, kind),
    )

    assert of(one) == of(again)
    assert of(one) != of(other)


def test_views_that_a_dictionary_holds_count() -> None:
    one, other = (
        pa.DictionaryArray.from_arrays(_int32([0, None]), pa.array([value], pa.string_view())) for value in "ab"
    )

    assert of(one) != of(other)


@pytest.mark.parametrize("what", SAME)
def test_what_nobody_can_read_does_not_count(what: str) -> None:
    one, other = SAME[what]()
    assert one.to_pylist() == other.to_pylist()

    assert of(one) == of(other)


OTHER: Mapping[str, tuple[pa.Array, pa.Array]] = {
    "an absent text and an empty one": (pa.array([None, "a"]), pa.array(["", "a"])),
    "texts cut elsewhere": (pa.array(["ab", "c"]), pa.array(["a", "bc"])),
    "lists cut elsewhere": (pa.array([[1, 2], [3]]), pa.array([[1], [2, 3]])),
    "an absent list and an empty one": (pa.array([None, [1]]), pa.array([[], [1]])),
    "an absent object and one of absent values": (pa.array([None, {"a": 1}]), pa.array([{"a": None}, {"a": 1}])),
    "where the absent one is": (pa.array([None, 1, 1]), pa.array([1, None, 1])),
    "one absent value more": (pa.array([1, None]), pa.array([1, None, None])),
    "types": (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
    "zones": (pa.array([0], pa.timestamp("us", tz="UTC")), pa.array([0], pa.timestamp("us", tz="Europe/Berlin"))),
    "signs of nothing": (pa.array([0.0]), pa.array([-0.0])),
    "views of text": (pa.array(["ab", "c"], pa.string_view()), pa.array(["a", "bc"], pa.string_view())),
    "views of bytes": (pa.array([b"ab", None], pa.binary_view()), pa.array([b"ab", b""], pa.binary_view())),
    "text and a view of it": (pa.array(["a"]), pa.array(["a"], pa.string_view())),
    "no rows and one": (pa.array([], pa.null()), pa.array([None])),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_is_not_the_same_counts(what: str) -> None:
    one, other = OTHER[what]

    assert of(one) != of(other)


def test_the_names_of_columns_count() -> None:
    column = pa.array([1])

    assert sha256(pa.record_batch([column], names=["a"])) != sha256(pa.record_batch([column], names=["b"]))


def test_the_hash_of_rows_is_what_it_always_was() -> None:
    """Sinks keep it: a slice is adopted only under the same hash."""
    batch = pa.record_batch([pa.array([1, None, 3]), pa.array(["a", "", None])], names=["n", "t"])

    assert sha256(batch) == "7fe6cef8ada90dae2453029c72026c3beebe5861723f17cf7bf6c66c13cd4224"


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1]], pa.list_view(pa.int64())),
        pa.RunEndEncodedArray.from_arrays([2], [1]),
        pa.array([[[1]]], pa.list_(pa.list_view(pa.int64()))),
    ],
    ids=lambda array: str(array.type),
)
def test_a_type_whose_layout_is_not_known_is_refused_by_column(array: pa.Array) -> None:
    with pytest.raises(RowRejected) as refusal:
        of(array)

    assert refusal.value.details["column"] == "v"


def _int64(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int64())


def _int32(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int32())


def _dictionary(indices: list[int | None], values: list[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(_int32(indices), pa.array(values, pa.string()))


def _map(values: list[list[tuple[str, int]]]) -> pa.Array:
    return pa.array(values, pa.map_(pa.string(), pa.int64()))


def _pairs(values: list[list[int] | None]) -> pa.Array:
    return pa.array(values, pa.list_(pa.int64(), 2))
