"""The policy's filter: what is one, and what is refused with its place and the remedy; rows filtered after reading."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import Runs, SourceThat, Watching, ids, unit_run
from hypothesis import given
from hypothesis import strategies as st

from headrace import filters
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.errors import ConfigInvalid
from headrace.filtering import BatchFilter
from headrace.filters import And, Compare, In, IsNull, Not, Or
from headrace.protocol import Json
from headrace.run import run_unit
from headrace.staging import Slice
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.row_sink import RowsSink, place


def test_a_tree_of_objects_with_one_key_is_a_filter() -> None:
    raw: Json = {"and": [{"eq": ["a", 1]}, {"or": [{"not": {"isNull": "b"}}, {"in": ["c", ["x", True]]}]}]}

    chosen = filters.parse(raw)

    assert chosen == And((Compare("eq", "a", 1), Or((Not(IsNull("b")), In("c", ("x", True))))))
    assert chosen is not None and filters.columns(chosen) == ("a", "b", "c")
    assert filters.parse(None) is None


DEEP: Json = {"isNull": "a"}
for _ in range(40):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("status = 'open'", "at filter an object with one key is expected"),
        ({}, "at filter an object with one key is expected"),
        ({"eq": ["a", 1], "ne": ["b", 2]}, "at filter an object with one key is expected"),
        ({"equals": ["a", 1]}, "filter.equals is none of eq, ne"),
        ({"isnull": "a"}, r"Did you mean isNull\?$"),
        ({"and": []}, "filter.and takes a list of filters"),
        ({"or": [{"eq": ["a", 1]}, {"eq": ["a"]}]}, r"filter\.or\[1\]\.eq takes a column and a literal"),
        ({"eq": [1, "a"]}, "at filter.eq the name of a column is expected, not 1"),
        ({"eq": ["a", None]}, "not None; a NULL is asked for by isNull"),
        ({"eq": ["a", ["b"]]}, "a text, a number, true or false is expected"),
        ({"in": ["a", []]}, "filter.in takes a column and a list of literals"),
        ({"in": ["a", list(range(10_001))]}, "filter.in has more than 10000 values"),
        ({"or": [{"isNull": "a"}] * 1000}, "it has more than 1000 parts"),
        (DEEP, "deeper than 32 levels"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(raw: Json, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said) as refusal:
        filters.parse(raw)

    assert refusal.value.details == {"field": "policy.filter"}


# ---- over Arrow

NUMBERS = pa.record_batch({"n": pa.array([1, 2, None, 3], pa.int16()), "t": ["a", None, "c", "A"]})


def kept(raw: Json, batch: pa.RecordBatch = NUMBERS, name: str = "n") -> list[Any]:
    chosen = filters.parse(raw)
    assert chosen is not None
    return BatchFilter(chosen, "shop.orders").kept(batch).column(name).to_pylist()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"ge": ["n", 2]}, [2, 3]),
        ({"ne": ["n", 2]}, [1, 3]),
        ({"not": {"eq": ["n", 2]}}, [1, 3]),
        ({"in": ["n", [1, 3, 4]]}, [1, 3]),
        ({"not": {"in": ["n", [1]]}}, [2, 3]),
        ({"isNull": "n"}, [None]),
        ({"not": {"isNull": "t"}}, [1, None, 3]),
        ({"or": [{"eq": ["n", 1]}, {"isNull": "t"}]}, [1, 2]),
        ({"or": [{"eq": ["n", 9]}, {"eq": ["t", "c"]}]}, [None]),
        ({"and": [{"not": {"and": [{"eq": ["n", 9]}, {"eq": ["t", "c"]}]}}]}, [1, 2, 3]),
        ({"lt": ["n", 2**80]}, [1, 2, 3]),
        ({"lt": ["n", 2.0]}, [1]),
        ({"ge": ["t", "B"]}, [1, None]),
    ],
)
def test_what_is_said_of_a_null_is_unknown_and_an_unknown_row_is_left_out(raw: Json, found: list[Any]) -> None:
    assert kept(raw) == found


INSTANT = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "kind", "literal"),
    [
        ([Decimal("1.20"), Decimal("1.21")], pa.decimal128(5, 2), "1.200"),
        ([Decimal("1.20"), Decimal("1.21")], pa.decimal128(38, 2), 1.2),
        ([0.1, 0.2], pa.float32(), 0.1),
        ([2**63, 5], pa.uint64(), 2**63),
        (["x", "y"], pa.dictionary(pa.int8(), pa.string()), "x"),
        (["x", "y"], pa.large_string(), "x"),
        ([b"\x00\xff", b""], pa.binary(), "\\x00ff"),
        ([datetime.date(2024, 1, 1), datetime.date(1970, 1, 1)], pa.date32(), "2024-01-01"),
        ([datetime.time(1, 2, 3), datetime.time(0)], pa.time32("s"), "01:02:03"),
        ([INSTANT, INSTANT.replace(hour=1)], pa.timestamp("ns", "Europe/Berlin"), "2024-01-01T13:00:00+01:00"),
        ([INSTANT, INSTANT.replace(hour=1)], pa.timestamp("s", "UTC"), "2024-01-01 12:00"),
        ([INSTANT.replace(tzinfo=None), None], pa.timestamp("us"), "2024-01-01T12:00:00"),
        ([uuid.UUID(int=7).bytes, uuid.UUID(int=8).bytes], pa.uuid(), str(uuid.UUID(int=7))),
        ([True, False], pa.bool_(), True),
    ],
)
def test_a_literal_is_of_the_type_of_its_column(values: list[Any], kind: Any, literal: Json) -> None:
    array = pa.array(values, kind.storage_type) if isinstance(kind, pa.UuidType) else pa.array(values, kind)
    column = pa.ExtensionArray.from_storage(kind, array) if isinstance(kind, pa.UuidType) else array
    batch = pa.record_batch({"n": [1, 2], "c": column})

    assert (kept({"eq": ["c", literal]}, batch), kept({"in": ["c", [literal]]}, batch)) == ([1], [1])


@pytest.mark.parametrize(
    ("kind", "literal", "expected"),
    [
        (pa.int32(), "abc", "a whole number"),
        (pa.int32(), 1.5, "a whole number"),
        (pa.int32(), True, "a whole number"),
        (pa.float64(), "NaN", "a number"),
        (pa.string(), 5, "a text"),
        (pa.string(), "a\0b", "a text"),
        (pa.bool_(), "true", "true or false"),
        (pa.timestamp("us"), "2024-01-01T00:00:00Z", "a time without zone"),
        (pa.timestamp("us", "UTC"), "now", "a time such as"),
        (pa.date32(), "yesterday", "a date such as"),
        (pa.binary(), "00ff", "hexadecimal digits"),
        (pa.list_(pa.int32()), 1, "asked for by isNull only"),
    ],
)
def test_a_literal_of_another_kind_is_refused_and_names_the_column(kind: Any, literal: Json, expected: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"column c is .*{expected}") as refusal:
        kept({"eq": ["c", literal]}, pa.record_batch({"n": [], "c": pa.array([], kind)}))

    assert refusal.value.details == {"field": "policy.filter", "column": "c"}


@given(values=st.lists(st.none() | st.integers(-3, 3), max_size=6), bound=st.integers(-3, 3))
def test_a_filter_and_its_opposite_split_the_rows_that_have_a_value(values: list[int | None], bound: int) -> None:
    batch = pa.record_batch({"n": pa.array(values, pa.int64())})
    is_below: Json = {"lt": ["n", bound]}

    below, others = kept(is_below, batch), kept({"not": is_below}, batch)

    assert below == [value for value in values if value is not None and value < bound]
    assert sorted(below + others) == sorted(value for value in values if value is not None)


# ---- in a run

FIVE = [{"id": n, "name": f"row {n}"} for n in range(1, 6)]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "staging")


def as_arrow(_: Slice) -> Iterator[Any]:
    for rows in (FIVE[:3], FIVE[3:]):
        yield pa.record_batch({"id": [row["id"] for row in rows], "name": [row["name"] for row in rows]})


@pytest.mark.parametrize("read", [as_arrow, lambda _: iter(FIVE)])
def test_rows_left_out_after_reading_are_counted(runs: Runs, read: Any) -> None:
    """I9: read = written + quarantined + filtered."""
    policy = {"mode": "incremental", "filter": {"in": ["id", [2, 5, 6]]}}

    stats = runs.carry(source=SourceThat(read, 2), policy=policy).stats

    assert ids(runs.stored.rows) == [2, 5]
    assert (stats["exported_rows"], stats["applied_rows"], stats["filtered_rows"]) == (5, 2, 3)


def test_a_slice_of_which_every_row_is_left_out_is_committed_and_moves_the_checkpoint(runs: Runs) -> None:
    finished = runs.carry(policy={"mode": "incremental", "filter": {"eq": ["id", 99]}})

    assert (finished.errors, finished.new_checkpoint, ids(runs.stored.rows)) == ([], {"next": 5}, [])
    assert (finished.stats["slices"], finished.stats["filtered_rows"]) == (3, 5)


def test_files_are_filtered_as_they_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array(range(10_000), pa.int64())}), tmp_path / "orders.parquet")
    policy: Json = {"filter": {"or": [{"lt": ["id", 3]}, {"in": ["id", [9_999, 10_000]]}]}}
    run = unit_run("orders.parquet", sink_id="lake", policy=policy)
    sink = RowsSink({"store": str(tmp_path)})
    with closing(LocalFilesSource({"base_path": str(tmp_path)})) as source:
        stats = run_unit(run, source, sink, InMemoryStaging(), Watching()).stats

    assert ids(place("dev/shop/orders.parquet/lake", str(tmp_path)).rows) == [0, 1, 2, 9_999]
    assert (stats["exported_rows"], stats["applied_rows"], stats["filtered_rows"]) == (10_000, 4, 9_996)


@pytest.mark.parametrize(
    ("raw", "more", "said"),
    [
        ({"eq": ["nam", "x"]}, {}, r"rows has no column nam to filter by. Did you mean name\?"),
        ({"eq": ["id", "x"]}, {}, "column id is int64, and 'x' is not a whole number"),
        ({"eq": ["name", "x"]}, {"columns": ["id"]}, "column name is left out by the policy's columns; add it there"),
        ({"eq": ["id", 1]}, {"limit": 2, "mode": "full"}, "with limit this source would count rows that are left out"),
    ],
)
def test_a_filter_that_does_not_fit_the_rows_is_refused_before_one_is_read(
    runs: Runs, raw: Json, more: Any, said: str
) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        runs.carry(policy={"mode": "incremental", "filter": raw, **more})

    assert runs.leftovers == []
