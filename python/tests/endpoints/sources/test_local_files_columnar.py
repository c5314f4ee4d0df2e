"""Parquet and Arrow files: every value as it is, in slices of the size asked for, whatever the size of their groups."""

from __future__ import annotations

import datetime
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import carried, rows_of, source

from headrace.errors import ConfigInvalid, DataPlaneError, RowRejected

VALUES: dict[str, Any] = {
    "i": pa.array([-(2**63), None, 2**63 - 1]),
    "u": pa.array([0, None, 2**64 - 1], pa.uint64()),
    "d": pa.array([Decimal("1.10"), None, Decimal("-9.99")], pa.decimal128(38, 2)),
    "t": pa.array([0, None, -1], pa.timestamp("us", "Europe/Berlin")),
    "n": pa.array([1, None, 2**60], pa.timestamp("ns")),
    "s": pa.array(["", None, "é\0😀"]),
    "b": pa.array([b"", None, b"\xff"]),
    "l": pa.array([[], None, [1, None]], pa.list_(pa.int32())),
    "r": pa.array([{"x": None}, None, {"x": 1}]),
}


def write(path: Path, table: pa.Table, group: int) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=group)
        return
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=group)


@pytest.fixture(params=["n.parquet", "n.arrow"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def batches(base: Path, name: str, **policy: Any) -> list[pa.RecordBatch]:
    opened, asked = source(base), {"mode": "full", **policy}
    return [batch for each in opened.plan(name, None, asked).slices for batch in opened.read(name, each, asked)]


def test_every_value_comes_with_its_type(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table(VALUES), 2)

    found = batches(tmp_path, name)

    assert pa.lib.Table.from_batches(found).equals(pa.table(VALUES))
    assert source(tmp_path).describe(name).arrow.equals(pa.table(VALUES).schema)


def test_dictionaries_and_views_become_the_plain_values_they_stand_for(tmp_path: Path, name: str) -> None:
    plain = pa.table(
        {
            "d": ["x", "y", None, "x"],
            "v": ["long enough to be out of line", "", None, "z"],
            "b": [b"1", b"", None, b"2"],
        }
    )
    kinds = {"d": pa.dictionary(pa.int8(), pa.string()), "v": pa.string_view(), "b": pa.binary_view()}
    write(
        tmp_path / name,
        pa.table({key: plain[key].cast(kind) for key, kind in kinds.items()}),
        3,
    )

    found = batches(tmp_path, name)

    assert pa.lib.Table.from_batches(found).equals(plain)
    assert source(tmp_path).describe(name).arrow.equals(plain.schema)


FAR = [datetime.datetime(1, 1, 1), None, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)]
"""Years that nanoseconds of 64 bits do not reach."""


def int96(base: Path, **columns: pa.Array) -> None:
    pq.write_table(pa.table(columns), base / "n.parquet", use_deprecated_int96_timestamps=True, row_group_size=2)


def test_an_int96_of_any_year_is_a_timestamp_of_microseconds(tmp_path: Path) -> None:
    moments = pa.array(FAR, pa.timestamp("us"))
    int96(tmp_path, v=moments, n=pa.array([1, 2, 3]), deep=pa.array([[{"at": each}] for each in FAR]))

    (whole,) = pa.lib.Table.from_batches(batches(tmp_path, "n.parquet", columns=["v"])).columns
    deep = rows_of(tmp_path, "n.parquet")

    assert whole.combine_chunks().equals(moments)
    assert [row["deep"][0]["at"] for row in deep] == FAR


def test_an_int96_with_nanoseconds_is_refused_by_column_unless_it_is_left_out(tmp_path: Path) -> None:
    fine = pa.array([0, None, 1_000_000_001], pa.timestamp("ns"))
    int96(tmp_path, id=pa.array([1, 2, 3]), at=fine)

    with pytest.raises(RowRejected, match=r"n\.parquet has nanoseconds in column at, .*TIMESTAMP\(NANOS\)") as refusal:
        batches(tmp_path, "n.parquet")

    assert refusal.value.details["column"] == "at"
    assert [batch.num_rows for batch in batches(tmp_path, "n.parquet", columns=["id"])] == [3]


def test_runs_of_equal_values_become_the_values(tmp_path: Path) -> None:
    runs = pa.RunEndEncodedArray.from_arrays([2, 3, 5], ["x", None, ""])
    write(tmp_path / "n.arrow", pa.table({"v": runs}), 100)

    assert rows_of(tmp_path, "n.arrow") == [{"v": value} for value in ("x", "x", None, "", "")]


@pytest.mark.parametrize("group", [1, 3, 7, 100])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_slices_have_the_size_asked_for_whatever_the_groups(tmp_path: Path, name: str, group: int, size: int) -> None:
    write(tmp_path / name, pa.table({"n": range(20)}), group)
    opened, policy = source(tmp_path), {"mode": "full", "targetSliceSize": size}

    found = [
        [n for batch in opened.read(name, each, policy) for n in batch["n"].to_pylist()]
        for each in opened.plan(name, None, policy).slices
    ]

    assert found == [list(range(start, min(start + size, 20))) for start in range(0, 20, size)]


def test_slices_may_be_read_in_any_order_and_again(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"n": range(20)}), 7)
    opened, policy = source(tmp_path), {"mode": "full", "targetSliceSize": 6}
    slices = list(opened.plan(name, None, policy).slices)

    found = [
        [n for batch in opened.read(name, slices[number], policy) for n in batch["n"].to_pylist()]
        for number in (2, 1, 1, 3, 0)
    ]

    assert found == [[*range(12, 18)], [*range(6, 12)], [*range(6, 12)], [18, 19], [*range(6)]]


def test_a_slice_that_was_left_in_the_middle_is_read_whole_the_next_time(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"n": range(6)}), 6)
    opened, policy = source(tmp_path), {"mode": "full", "batchBytes": 8}
    (each,) = opened.plan(name, None, policy).slices
    left = opened.read(name, each, policy)
    next(left)
    del left

    assert [n for batch in opened.read(name, each, policy) for n in batch["n"].to_pylist()] == [*range(6)]


def test_wide_rows_make_small_slices_and_small_batches(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"s": ["x" * 100_000] * 40}), 100)

    opened, policy = source(tmp_path), {"mode": "full", "sliceBytes": 1_000_000, "batchBytes": 200_000}
    slices = list(opened.plan(name, None, policy).slices)
    found = [batch for each in slices for batch in opened.read(name, each, policy)]

    assert (len(slices), sum(batch.num_rows for batch in found)) == (5, 40)
    assert max(batch.nbytes for batch in found) <= 300_000


def test_only_the_chosen_columns_are_read_in_their_order(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"a": [1], "a.b": [2], "c": [3]}), 1)

    (found,) = batches(tmp_path, name, columns=["c", "a"])
    assert list(found.to_pylist()[0].items()) == [("c", 3), ("a", 1)]
    with pytest.raises(ConfigInvalid, match=r"no column aa. Did you mean a"):
        batches(tmp_path, name, columns=["aa"])


def test_a_file_without_rows_is_columns_and_no_slice(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"a": pa.array([], pa.int64())}), 1)

    assert source(tmp_path).describe(name).arrow.names == ["a"]
    assert batches(tmp_path, name) == []


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", b"ARROW1\0\0" + b"x" * 50 + b"ARROW1"]
)
def test_what_is_no_such_file_is_refused_with_what_to_do(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    for ask in (lambda: source(tmp_path).describe(name), lambda: batches(tmp_path, name)):
        with pytest.raises(ConfigInvalid, match=r"cannot be read as an? (Parquet|Arrow) file") as refusal:
            ask()
        assert (refusal.value.details["field"], refusal.value.details["path"]) == ("format", str(tmp_path / name))


def test_columns_that_nobody_could_tell_apart_are_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table([[1], [2]], names=["a", "a"]), 1)

    with pytest.raises(ConfigInvalid, match=r"two columns called 'a'. Rename one"):
        source(tmp_path).describe(name)


def test_rows_that_are_damaged_are_refused_by_number(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"s": [f"{n}" * 50 for n in range(2000)]}),
        tmp_path / "n.parquet",
        compression="gzip",
        use_dictionary=False,
    )
    content = bytearray((tmp_path / "n.parquet").read_bytes())
    content[200:2000] = bytes(1800)
    (tmp_path / "n.parquet").write_bytes(bytes(content))

    with pytest.raises(DataPlaneError) as refusal:
        batches(tmp_path, "n.parquet")
    assert isinstance(refusal.value, RowRejected), refusal.value
    assert "cannot be read from row 1 on (" in refusal.value.message


def test_a_preview_says_in_json_what_json_can_say(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table(VALUES), 1)

    shown = source(tmp_path).preview(name, 3)

    assert [column.name for column in shown.columns] == list(VALUES)
    assert shown.rows[1] == dict.fromkeys(VALUES)
    assert shown.rows[2] == {
        "i": str(2**63 - 1), "u": str(2**64 - 1), "d": "-9.99", "t": "1970-01-01 00:59:59.999999+0100",
        "n": "2006-07-14 23:58:24.606846976", "s": "é\0😀", "b": "\\xff", "l": [1, None], "r": {"x": 1},
    }  # fmt: skip
    assert source(tmp_path).preview(name, 0).rows == []


def test_a_preview_of_many_files_shows_the_columns_of_all_that_it_shows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": [2]}), tmp_path / "2.parquet")

    shown = source(tmp_path).preview("*.parquet", 5)

    assert [column.name for column in shown.columns] == ["b", "a"]
    assert shown.rows == [{"b": None, "a": 1}, {"b": 2, "a": None}]


def test_a_preview_opens_no_file_that_it_does_not_show(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "1.parquet")
    (tmp_path / "2.parquet").write_text("no Parquet")
    pq.write_table(pa.table({"a": [3]}), tmp_path / "3.parquet")

    assert source(tmp_path).preview("*.parquet", 2).rows == [{"a": 1}, {"a": 2}]


def test_no_file_stays_open_however_reading_ends(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, pa.table({"n": range(6)}), 3)
    opened, policy = source(tmp_path), {"mode": "full", "targetSliceSize": 2, "batchBytes": 8}
    before = len(os.listdir("/dev/fd"))
    first, second, third = opened.plan(name, None, policy).slices

    left = opened.read(name, first, policy)
    next(left)
    for _ in zip(opened.read(name, second, policy), opened.read(name, third, policy), strict=True):
        pass
    list(opened.read(name, third, policy))
    del left
    opened.close()

    assert len(os.listdir("/dev/fd")) == before


def test_rows_of_a_parquet_file_with_a_null_column_and_extra_metadata_are_whole(tmp_path: Path) -> None:
    table = pa.table({"n": pa.nulls(2), "a": [1, 2]}).replace_schema_metadata({"pandas": "{}"})
    pq.write_table(table, tmp_path / "x.parquet")

    assert rows_of(tmp_path, "x.parquet") == [{"n": None, "a": 1}, {"n": None, "a": 2}]
    assert carried(source(tmp_path), "x.parquet")[1] is None
