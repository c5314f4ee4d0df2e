"""Data files: a staged Parquet file is adopted page by page, any other slice is streamed, and both have column ids."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iceberg_reading import duckdb_table
from iceberg_writing import NOTES, IcebergWriting, note, sqlite_catalog

from headrace.commit import commit_record, first_hash
from headrace.endpoint import Applied
from headrace.endpoints.sinks.iceberg_footer import NoFooter, footer_with_ids
from headrace.endpoints.systems import files_encoding
from headrace.staging import IngestionContext, NativeFile, Slice, StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

WIDE = pa.table(
    {
        "id": pa.array([1, 2, None], pa.int64()),
        "größe": pa.array(["x", None, "😀"]),
        "amount": pa.array([1, None, 3], pa.decimal128(12, 2)),
        "at": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
        "local": pa.array([0, -1, None], pa.timestamp("us")),
        "day": pa.array([0, -1, None], pa.date32()),
        "flag": pa.array([True, None, False]),
        "ratio": pa.array([0.5, float("nan"), None], pa.float64()),
        "raw": pa.array([b"", b"\0", None]),
    }
)


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


@pytest.fixture(params=["in_memory", "local_disk"])
def staging(request: Any, tmp_path: Path) -> StagingProvider:
    return InMemoryStaging() if request.param == "in_memory" else LocalDiskStaging(tmp_path / "staging")


def land_file(
    writing: IcebergWriting, staging: StagingProvider, content: bytes, disposition: str = "append"
) -> Applied:
    """One slice, staged as the Parquet file that ``content`` is."""
    target = writing.to(disposition)
    table = pq.read_table(io.BytesIO(content))
    slice_ = Slice(seq=0, bounds=None, from_checkpoint=None, to_checkpoint=1)
    context = IngestionContext(
        tenant="dev", endpoint_id="shop", unit_id=target.unit_id, sink_id="lake", run_id=target.run_id, epoch=1,
        generation=1, slice_seq=0, slice=slice_, prev_hash="",
    )  # fmt: skip
    with closing(staging.allocate_session(context)) as session, writing.owner(target, schema=table.schema) as sink:
        path = session.native_path()
        assert path is not None
        path.write_bytes(content)
        session.writer().write_native_file(
            NativeFile(format="parquet", path=path, rows=table.num_rows, schema=table.schema)
        )
        first = first_hash(target.unit, 1)
        record = commit_record(
            unit=target.unit, generation=1, epoch=1, slice_=slice_, seal=session.seal(), prev_hash=first
        )
        return sink.write(target, slice_, session.reader(), record)


def in_parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def by_duckdb(table: pa.Table, tmp_path: Path) -> bytes:
    """As a source has DuckDB write its slices."""
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(f"copy rows to '{tmp_path / 'written'}' (format parquet, compression zstd)")
    return (tmp_path / "written").read_bytes()


def the_file(writing: IcebergWriting) -> Path:
    (path,) = writing.table().inspect.files()["file_path"].to_pylist()
    return Path(path.removeprefix("file://"))


@pytest.mark.parametrize("writer", ["pyarrow", "duckdb"])
def test_a_staged_file_is_adopted_with_its_pages_as_they_are(
    writing: IcebergWriting, staging: StagingProvider, writer: str, tmp_path: Path
) -> None:
    content = in_parquet(WIDE) if writer == "pyarrow" else by_duckdb(WIDE, tmp_path)

    applied = land_file(writing, staging, content)

    adopted = the_file(writing).read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    assert adopted[: len(content) - footer] == content[:-footer]
    assert (applied.rows, applied.bytes) == (3, len(adopted))
    ours, theirs = writing.table().scan().to_arrow(), duckdb_table(writing.table().metadata_location)
    assert repr(ours.to_pylist()) == repr(WIDE.cast(ours.schema).to_pylist())
    assert repr(theirs.to_pylist()) == repr(WIDE.cast(theirs.schema).to_pylist())


def test_every_column_of_a_file_has_the_id_of_the_tables(writing: IcebergWriting, staging: StagingProvider) -> None:
    land_file(writing, staging, in_parquet(WIDE))

    ids = {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in pq.read_schema(the_file(writing))}
    assert ids == {field.name: field.field_id for field in writing.table().schema().fields}
    assert len(set(ids.values())) == len(WIDE.column_names)


def test_the_bounds_of_an_adopted_file_are_those_of_its_rows(writing: IcebergWriting, staging: StagingProvider) -> None:
    land_file(writing, staging, in_parquet(WIDE))

    (metrics,) = writing.table().inspect.files()["readable_metrics"].to_pylist()
    assert (metrics["id"]["lower_bound"], metrics["id"]["upper_bound"], metrics["id"]["null_value_count"]) == (1, 2, 1)
    assert writing.table().scan("id > 2").to_arrow().num_rows == 0


NEEDS_ANOTHER = {
    "narrow": pa.table({"id": pa.array([1, None], pa.int16())}),
    "milliseconds": pa.table({"id": pa.array([1, None], pa.timestamp("ms"))}),
    "list": pa.table({"id": pa.array([[1], None], pa.list_(pa.int64()))}),
    "dictionary": pa.table({"id": pa.array(["a", None]).dictionary_encode()}),
    "uuid": pa.table({"id": pa.array([b"0" * 16, None], pa.uuid())}),
}


@pytest.mark.parametrize("name", NEEDS_ANOTHER)
def test_a_staged_file_of_other_types_is_written_anew(
    writing: IcebergWriting, staging: StagingProvider, name: str
) -> None:
    table = NEEDS_ANOTHER[name]

    applied = land_file(writing, staging, in_parquet(table))

    assert applied.rows == 2
    assert writing.table().scan().to_arrow()["id"].null_count == 1
    assert duckdb_table(writing.table().metadata_location)["id"].null_count == 1


def test_a_staged_file_is_merged_like_any_rows(writing: IcebergWriting, staging: StagingProvider) -> None:
    rows = pa.lib.Table.from_pylist([note(1, "a"), note(2, "b"), note(1, "c")], NOTES)

    land_file(writing, staging, in_parquet(rows), disposition="merge")

    assert writing.notes() == [(1, "c"), (2, "b")]


def test_a_slice_is_written_in_row_groups_of_bounded_size(
    writing: IcebergWriting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_encoding, "ROW_GROUP_BYTES", 1 << 20)
    rows = [note(number, "x" * 1000) for number in range(20_000)]

    writing.put(writing.to("append"), rows)

    with pq.ParquetFile(the_file(writing)) as file:
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
    assert sum(sizes) == 20_000
    assert max(sizes) < 12_000


WITH_IDS = pa.schema([pa.field("id", pa.int64(), metadata={b"PARQUET:field_id": b"1"})])
NAMES = st.text(min_size=1, max_size=300).filter(lambda name: name.isprintable())


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=40, unique=True), ids=st.data())
def test_a_footer_gets_any_ids_for_any_names_and_stays_the_same_besides(names: Sequence[str], ids: Any) -> None:
    table = pa.table({name: pa.array([index, None], pa.int64()) for index, name in enumerate(names)})
    content = in_parquet(table)
    given_ids = {name: ids.draw(st.integers(1, 2**31 - 1)) for name in names}

    footer = footer_with_ids(io.BytesIO(content), given_ids)

    read = pq.read_table(io.BytesIO(content[: footer.pages] + footer.content))
    assert read.equals(table)
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in read.schema} == given_ids


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        in_parquet(WIDE)[:-1],
        in_parquet(WIDE)[:-8] + b"\xff\xff\xff\x00PAR1",
        in_parquet(WIDE)[:-8] + b"\x05\x00\x00\x00PAR1",
        in_parquet(NEEDS_ANOTHER["list"]),
        in_parquet(pa.table({"unknown": [1]})),
        in_parquet(pa.table([[1]], schema=WITH_IDS)),
    ],
    ids=["empty", "magic", "cut", "too long", "too short", "nested", "unknown", "has ids"],
)  # fmt: skip
def test_a_footer_that_is_not_understood_is_left_alone(content: bytes) -> None:
    with pytest.raises(NoFooter):
        footer_with_ids(io.BytesIO(content), dict.fromkeys(WIDE.column_names, 1))


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_file_says_which_slice_of_which_run_it_is(writing: IcebergWriting, disposition: str) -> None:
    target = writing.to(disposition)

    writing.put(target, [note(1)], first=3)

    with pq.ParquetFile(the_file(writing)) as file:
        said = json.loads(file.metadata.metadata[b"headrace"])
    assert (said["unit"], said["run"], said["generation"], said["slice"]) == (target.unit, target.run_id, 1, 3)
