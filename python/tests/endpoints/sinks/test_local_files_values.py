"""Values, types and columns in the local-files sink: what comes back exactly, what is widened, what is refused."""

from __future__ import annotations

import datetime
import os
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import described, ids, land, rows, sink, target, visible

from headrace.errors import SchemaChanged
from headrace.testing.staging_values import VALUES


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_values_come_back_exactly(tmp_path: Path, values: list[object]) -> None:
    from headrace.rows import arrow_from_rows

    batch = arrow_from_rows([{"value": value} for value in values], 0)
    table = pa.table(batch.columns, schema=batch.schema)

    land(tmp_path, target(), table)

    found = pq.read_table(visible(tmp_path)[0])
    assert found.schema.field("value").type == table.schema.field("value").type
    assert found["value"].to_pylist() == table["value"].to_pylist()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([float("nan"), -0.0, 5e-324], pa.float64()),
        pa.array([0, 2**64 - 1], pa.uint64()),
        pa.array([Decimal("-99999999999999999999999999999.999999999")], pa.decimal128(38, 9)),
        pa.array([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)], pa.timestamp("us")),
        pa.array([1], pa.timestamp("ns", "UTC")),
        pa.array(["a", None, "a"]).dictionary_encode(),
        pa.array([b"0123456789abcdef"], pa.binary(16)),
        pa.array(["x" * 5_000_000], pa.large_string()),
        pa.array(["x" * 99, None, "y"], pa.string_view()),
        pa.array([b"x" * 99, None, b"y"], pa.binary_view()),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([None, None], pa.null()),
        pa.array([uuid.UUID(int=7).bytes], pa.uuid()),
    ],
    ids=lambda column: str(column.type),
)
def test_types_come_back_exactly(tmp_path: Path, column: pa.Array) -> None:
    land(tmp_path, target(), pa.table({"value": column}))

    found = pq.read_table(visible(tmp_path)[0])["value"]
    assert found.type == column.type
    assert str(found.combine_chunks()) == str(column)


def test_timestamps_in_seconds_are_widened_to_milliseconds(tmp_path: Path) -> None:
    land(tmp_path, target(), pa.table({"value": pa.array([-1], pa.timestamp("s"))}))

    found = pq.read_table(visible(tmp_path)[0])["value"]
    assert found.type == pa.timestamp("ms")
    assert found.to_pylist() == [datetime.datetime(1969, 12, 31, 23, 59, 59)]


def test_what_parquet_cannot_carry_is_refused_by_name(tmp_path: Path) -> None:
    table = pa.table({"id": [1], "span": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})

    with pytest.raises(SchemaChanged, match="'span'"):
        land(tmp_path, target(), table)
    with pytest.raises(SchemaChanged, match="'price' of type decimal128"):
        land(tmp_path, target(), pa.table({"price": pa.array([Decimal("12300")], pa.decimal128(5, -2))}))
    with pytest.raises(SchemaChanged, match="'twice'"):
        land(tmp_path, target(), pa.table([[1], [2]], names=["twice", "twice"]))

    assert os.listdir(tmp_path) == []


def test_columns_keep_hostile_names(tmp_path: Path) -> None:
    names = ["a.b", 'quo"te', "sp ace", "gen", "slice", "😀", "e\u0301", "é", "", "../x", "a\nb", "SELECT"]
    table = pa.table([pa.array([n]) for n in range(len(names))], names=names)

    land(tmp_path, target(), table)

    assert pq.ParquetFile(visible(tmp_path)[0]).read().to_pylist() == table.to_pylist()


def test_a_new_column_is_added_and_a_column_that_changed_its_kind_is_refused(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))

    land(tmp_path, target(), rows(2).append_column("extra", [["x"]]))
    with pytest.raises(SchemaChanged, match="'name' was string and is now int64"):
        land(tmp_path, target(), pa.table({"id": [3], "name": [3]}))

    assert ids(tmp_path) == [1, 2]


def test_a_frozen_schema_takes_no_new_column(tmp_path: Path) -> None:
    land(tmp_path, target(), rows(1))
    wider = described(rows(2).append_column("extra", [["x"]]))

    with pytest.raises(SchemaChanged, match="'extra' is new"):
        sink(tmp_path).prepare(target(), wider, {"schemaContract": "freeze"})


def test_a_column_that_became_narrower_keeps_its_earlier_type(tmp_path: Path) -> None:
    land(tmp_path, target(), pa.table({"id": pa.array([2**40], pa.int64())}))

    land(tmp_path, target(), pa.table({"id": pa.array([7], pa.int32())}), pa.table({"id": pa.array([None], pa.null())}))

    assert {str(pq.read_schema(path).field("id").type) for path in visible(tmp_path)} == {"int64"}
    assert ids(tmp_path) == [2**40, 7, None]


def test_rows_travel_in_row_groups_of_bounded_size(tmp_path: Path) -> None:
    wide = pa.table({"id": range(60), "text": ["x" * 1_000_000 + str(n) for n in range(60)]})
    table = pa.concat_tables(wide.slice(n, 1) for n in range(60))

    land(tmp_path, target(), table)

    assert pq.ParquetFile(visible(tmp_path)[0]).metadata.num_row_groups == 2
    assert ids(tmp_path) == list(range(60))
