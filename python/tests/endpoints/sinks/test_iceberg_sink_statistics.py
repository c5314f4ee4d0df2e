"""What the table says of a file's columns lets a reader skip the file, so it has to be true of every row."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iceberg_writing import NOTES, IcebergWriting, sqlite_catalog
from pyiceberg.conversions import from_bytes

from headrace.endpoints.sinks.iceberg_columns import new_schema
from headrace.endpoints.sinks.iceberg_statistics import statistics_of
from headrace.sifting import SiftedReader
from headrace.staging import RecordReader
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import context

FAR = pa.array([-(2**31), 2**31 - 1], pa.date32())
"""Days that Python's calendar does not know; PostgreSQL has such."""
MOMENTS = pa.array([-(2**63) + 1, 2**63 - 1], pa.timestamp("us"))


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


def said(*groups: pa.Array) -> dict[str, Any]:
    """Of a file with one column, which has a row group for each of ``groups``."""
    schema = pa.schema([("v", groups[0].type)])
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema) as writer:
        for group in groups:
            writer.write_table(pa.table([group], schema=schema))
    return statistics_of(pq.ParquetFile(file).metadata, new_schema(schema), {})


def bounds(kind: pa.DataType, statistics: dict[str, Any]) -> tuple[Any, Any] | None:
    """As a reader understands them."""
    column = new_schema(pa.schema([("v", kind)])).find_type("v")
    if 1 not in statistics["lower_bounds"]:
        return None
    low, high = (statistics[f"{end}_bounds"].get(1) for end in ("lower", "upper"))
    return from_bytes(column, low), None if high is None else from_bytes(column, high)


@pytest.mark.parametrize("values", [FAR, MOMENTS, MOMENTS.cast(pa.timestamp("us", "UTC"))], ids=lambda v: str(v.type))
def test_days_and_moments_outside_of_the_calendar_are_bounds_like_any_other(values: pa.Array) -> None:
    first, last = values.cast(pa.int32() if values.type == pa.date32() else pa.int64()).to_pylist()

    assert bounds(values.type, said(values[:1], values[1:])) == (first, last)
    assert bounds(values.type, said(values[1:], pa.nulls(2, values.type), values[:1])) == (first, last)


@pytest.mark.parametrize("order", [1, -1])
def test_a_column_of_which_some_row_group_has_no_bounds_has_none(order: int) -> None:
    groups = [pa.array(["z" * 5000, "zz"]), pa.array(["a", "b"])][::order]

    assert bounds(pa.string(), said(*groups)) is None
    assert bounds(pa.string(), said(pa.array(["a", "b"]), pa.array([None], pa.string()))) == ("a", "b")


def test_a_reader_who_looks_for_a_text_finds_it_in_a_file_where_other_rows_have_long_ones(
    writing: IcebergWriting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.endpoints.systems.files_encoding.ROW_GROUP_BYTES", 1)
    target, session = writing.to("append"), InMemoryStaging().allocate_session(context())
    with closing(session), writing.owner(target) as sink:
        session.writer().write_arrow(pa.record_batch([[0, 1], ["z" * 5000, "a"]], schema=NOTES))
        slice_, record = writing.slice_and_record(target, session.seal(), seq=0)
        sink.write(target, slice_, _RowByRow(session.reader()), record)

    assert writing.table().scan(row_filter="note >= 'y'").to_arrow()["id"].to_pylist() == [0]


class _RowByRow(SiftedReader):
    """So each row has a row group of its own."""

    def __init__(self, reader: RecordReader) -> None:
        super().__init__(reader, None, ())
        self._rows = reader

    def iter_arrow(self, max_bytes: int = 1) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.iter_arrow():
            yield from (batch.slice(row, 1) for row in range(batch.num_rows))


@pytest.mark.parametrize("last", ["\ud7ff", "\U0010ffff", "a"])
def test_a_text_that_is_cut_after_any_character_has_bounds_that_it_lies_between(last: str) -> None:
    text = "x" * 15 + last + "more"

    found = bounds(pa.string(), said(pa.array([text])))

    assert found is None or (found[0] <= text and (found[1] is None or text <= found[1]))


TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from("a\ud7ff\U0010ffff"), min_size=14)
COLUMNS: Sequence[tuple[pa.DataType, st.SearchStrategy[Any]]] = (
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes()),
    (pa.time64("us"), st.times()),
    (pa.decimal128(38, 9), st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-9"))),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), TEXT),
    (pa.binary(), st.binary() | st.just(b"\xff" * 20)),
)


@pytest.mark.parametrize(
    ("kind", "values"), COLUMNS, ids=lambda each: str(each) if isinstance(each, pa.DataType) else ""
)
@given(data=st.data())
def test_every_value_lies_between_the_bounds_of_its_column(kind: pa.DataType, values: Any, data: Any) -> None:
    groups = data.draw(st.lists(st.lists(st.none() | values, min_size=1, max_size=4), min_size=1, max_size=3))

    found = bounds(kind, said(*(pa.array(group, kind) for group in groups)))

    there = [_as_read(value) for group in groups for value in group if value is not None]
    assert found is None or all(found[0] <= value for value in there)
    assert found is None or found[1] is None or all(value <= found[1] for value in there)


def _as_read(value: Any) -> Any:
    """As PyIceberg gives bounds: days, and microseconds."""
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
    return value
