"""Slices of CSV that become Parquet where they are staged hold what the Arrow reader gives, or are left to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endpoints.sources.compressing import READ
from endpoints.sources.local_files_reading import FULL, source, text

from headrace.endpoints.sources import files_reading
from headrace.endpoints.sources.files_kept import KeptParts
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.endpoints.systems import files_encoding
from headrace.errors import EndpointUnreachable, RowRejected
from headrace.staging import NativeFile

PATIENCE = 30
"""Seconds after which a test that waits for an event fails."""

TYPES = {
    "tiny": "int8",
    "long": "int64",
    "real": "double",
    "yes": "bool",
    "day": "date",
    "at": "timestamp",
    "since": "timestamptz",
    "body": "json",
    "short": "decimal(9,2)",
    "price": "decimal(18,4)",
    "wide": "decimal(38,9)",
    "widest": "decimal(76,10)",
}
LINES = (
    ",".join(("note", *TYPES)),
    '"a ""b"",\nc",-128,9223372036854775807,-0.0,true,0001-01-01,1969-12-31 23:59:59.999999,2024-01-02T03:04:05+02:00,'
    '"{""a"": [1]}",-1234567.89,12345678901234.5678,-99999999999999999999999999999.999999999,1e-10',
    '"",,,,,,,,,,,,',
    ",127,0,inf,false,9999-12-31,2024-02-29 00:00:00,2024-01-02T03:04:05Z,null,0,-0.0001,1E3,1",
)


def into(path: Path, **policy: Any) -> dict[str, Any]:
    asked = {"path": str(path), "compression": "zstd", "footer": {"headrace.unit": "orders"}}
    return {**FULL, "nativeFormat": "parquet", "nativeFile": asked, **policy}


def read(opened: LocalFilesSource, unit_id: str, policy: dict[str, Any]) -> Iterator[Any]:
    with closing(opened):
        for slice_ in opened.plan(unit_id, None, policy).slices:
            yield from opened.read(unit_id, slice_, policy)


@pytest.fixture
def orders(tmp_path: Path) -> LocalFilesSource:
    text(tmp_path / "drop" / "orders.csv", "\n".join(LINES) + "\n")
    return source(tmp_path / "drop", TYPES)


def test_the_file_holds_the_columns_and_values_that_arrow_has(orders: LocalFilesSource, tmp_path: Path) -> None:
    (batch,) = read(orders, "orders.csv", dict(FULL))

    (file,) = read(orders, "orders.csv", into(tmp_path / "file"))

    found = pq.read_table(file.path)
    assert (file.rows, file.schema) == (3, batch.schema)
    assert found.schema.equals(batch.schema)
    assert found.combine_chunks().to_batches()[0].equals(batch)


def test_the_file_says_whose_slice_it_is_and_is_compressed_as_the_sink_asks(
    orders: LocalFilesSource, tmp_path: Path
) -> None:
    (file,) = read(orders, "orders.csv", into(tmp_path / "file"))

    said = pq.read_metadata(file.path)
    assert said.metadata[b"headrace.unit"] == b"orders"
    assert said.row_group(0).column(0).compression == "ZSTD"


def test_decimals_that_fit_into_an_integer_are_one(orders: LocalFilesSource, tmp_path: Path) -> None:
    (file,) = read(orders, "orders.csv", into(tmp_path / "file"))

    columns = pq.read_metadata(file.path).schema
    kinds = [columns.column(columns.names.index(name)).physical_type for name in ("short", "price", "wide")]
    assert kinds == ["INT32", "INT64", "FIXED_LEN_BYTE_ARRAY"]


def test_a_column_of_ever_new_values_soon_goes_on_without_a_dictionary(tmp_path: Path) -> None:
    text(tmp_path / "orders.csv", "id\n" + "".join(f"{n:020}\n" for n in range(40_000)))
    asked = into(tmp_path / "file")
    asked["nativeFile"]["compression"] = "none"

    (file,) = read(source(tmp_path), "orders.csv", asked)

    column = pq.read_metadata(file.path).row_group(0).column(0)
    dictionary = column.data_page_offset - column.dictionary_page_offset
    assert dictionary < 256 * 1024 < column.total_uncompressed_size


def test_rows_are_written_in_groups_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_encoding, "ROW_GROUP_BYTES", 1)
    text(tmp_path / "orders.csv", "id\n" + "".join(f"{n}{'x' * 100}\n" for n in range(30_000)))

    (file,) = read(source(tmp_path), "orders.csv", into(tmp_path / "file"))

    assert file.rows == 30_000
    assert pq.read_metadata(file.path).num_row_groups > 1


def test_a_value_that_does_not_fit_is_refused_by_line_and_column(tmp_path: Path) -> None:
    text(tmp_path / "orders.csv", "id,price\n1,2.50\n2,2.505\n")

    with pytest.raises(RowRejected, match=r"line 3: the value of column 'price'"):
        list(read(source(tmp_path, {"price": "decimal(8,2)"}), "orders.csv", into(tmp_path / "file")))


def test_where_no_file_can_be_written_the_rows_come_as_they_would_otherwise(
    orders: LocalFilesSource, tmp_path: Path
) -> None:
    (batch,) = read(orders, "orders.csv", dict(FULL))

    (instead,) = read(orders, "orders.csv", into(tmp_path / "gone" / "file"))

    assert instead.equals(batch)


@pytest.mark.parametrize("more", [{"quarantine": {}}, {"nativeFormat": "pgcopy"}])
def test_a_step_that_looks_at_rows_gets_rows(orders: LocalFilesSource, tmp_path: Path, more: dict[str, Any]) -> None:
    found = list(read(orders, "orders.csv", into(tmp_path / "file", **more)))

    assert [isinstance(item, NativeFile) for item in found] == [False]


def test_rows_that_say_what_became_of_them_come_as_rows(tmp_path: Path) -> None:
    text(tmp_path / "orders.csv", "id,_headrace_op\n1,0\n2,1\n")

    (batch,) = read(source(tmp_path, {"_headrace_op": "int8"}), "orders.csv", into(tmp_path / "file"))

    assert batch.to_pylist() == [{"id": "1", "_headrace_op": 0}, {"id": "2", "_headrace_op": 1}]


def test_a_source_that_is_closed_ends_a_file_in_progress(
    orders: LocalFilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed_meanwhile(batches: Iterator[pa.RecordBatch], asked: Any) -> None:
        orders.close()
        list(batches)

    monkeypatch.setattr("headrace.endpoints.sources.files_reading.parquet_file", closed_meanwhile)

    with pytest.raises(EndpointUnreachable, match="was closed while"):
        list(read(orders, "orders.csv", into(tmp_path / "file")))


@pytest.mark.parametrize(("unit_id", "at_once"), [("orders.csv", None), ("*.csv", None), ("events.jsonl", 1)])
def test_plain_csv_is_read_in_several_slices_at_once(tmp_path: Path, unit_id: str, at_once: int | None) -> None:
    text(tmp_path / "orders.csv")
    text(tmp_path / "events.jsonl", '{"a": 1}\n')

    assert source(tmp_path).plan(unit_id, None, FULL).parallel_reads == at_once


@pytest.mark.parametrize("ending", READ)
def test_what_is_decompressed_in_order_is_read_slice_by_slice(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"orders.csv{ending}").write_bytes(READ[ending](b"a\n1\n"))

    name = f"orders.csv{ending}"
    for base, unit_id in ((tmp_path, name), (tmp_path, f"*.csv{ending}"), (tmp_path / name, name)):
        assert source(base).plan(unit_id, None, FULL).parallel_reads == 1


@pytest.mark.parametrize(("many", "waits"), [(1, True), (2, False)])
def test_of_files_of_many_columns_one_slice_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, waits: bool
) -> None:
    monkeypatch.setattr(files_reading, "MANY_COLUMNS", many)
    text(tmp_path / "orders.csv", "a,b\n1,2\n3,4\n")
    policy = {**FULL, "targetSliceSize": 1}

    with closing(source(tmp_path)) as opened, ThreadPoolExecutor(1) as other:
        first, second = (
            opened.read("orders.csv", slice_, policy) for slice_ in opened.plan("orders.csv", None, policy).slices
        )
        next(first)
        assert opened._reading._turn.locked() is waits  # pyright: ignore[reportPrivateUsage]
        begun = other.submit(next, second)
        if waits:
            assert list(first) == []

        assert begun.result(PATIENCE).to_pylist() == [{"a": "3", "b": "4"}]


class _Part:
    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def test_parts_stay_open_for_later_slices_of_their_path_alone() -> None:
    kept, closing_, parts = KeptParts(), threading.Event(), (_Part(), _Part(), _Part())
    first, second, late = parts
    assert kept.take(("a",)) is None
    for part in (first, second):
        kept.keep(("a",), part, closing_)  # type: ignore[arg-type] # it only closes them

    again = kept.take(("a",))
    other = kept.take(("b",))
    kept.keep(("a",), late, closing_)  # type: ignore[arg-type] # it only closes them

    assert (again, other) == (second, None)
    assert [part.is_open for part in parts] == [False, True, False]


def test_a_part_that_comes_back_after_the_close_is_closed() -> None:
    kept, closing_, part = KeptParts(), threading.Event(), _Part()
    kept.take(("a",))
    closing_.set()
    kept.close()

    kept.keep(("a",), part, closing_)  # type: ignore[arg-type] # it only closes them

    assert not part.is_open
