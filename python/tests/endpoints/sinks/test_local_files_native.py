"""Parquet that was staged as a file: adopted as it is, or written anew where the directory has wider columns."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import described, land, sink, target, visible

from headrace.commit import commit_record, record_hash
from headrace.endpoint import Applied
from headrace.staging import IngestionContext, NativeFile, Slice, StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

WIDE = pa.table({"n": pa.array([2**40], pa.int64())})
NARROW = pa.table({"n": pa.array([1, None, 3], pa.int32())})


@pytest.fixture(params=["in_memory", "local_disk"])
def staging(request: Any, tmp_path: Path) -> StagingProvider:
    return InMemoryStaging() if request.param == "in_memory" else LocalDiskStaging(tmp_path / "staging")


def land_file(base: Path, staging: StagingProvider, table: pa.Table) -> Applied:
    """One slice after what is there, staged as a Parquet file."""
    where, into = target(), sink(base)
    high = into.high_water(where, 1)
    assert high is not None
    into.prepare(where, described(table), {})
    slice_ = Slice(seq=1, bounds=None, from_checkpoint=1, to_checkpoint=2)
    context = IngestionContext(
        tenant="dev", endpoint_id="shop", unit_id=where.unit_id, sink_id="lake", run_id=where.run_id, epoch=1,
        generation=1, slice_seq=1, slice=slice_, prev_hash="",
    )  # fmt: skip
    with closing(staging.allocate_session(context)) as session:
        path = session.native_path()
        assert path is not None
        pq.write_table(table, path)
        session.writer().write_native_file(
            NativeFile(format="parquet", path=path, rows=table.num_rows, schema=table.schema)
        )
        record = commit_record(
            unit=where.unit, generation=1, epoch=1, slice_=slice_, seal=session.seal(),
            prev_hash=record_hash(high.record),
        )  # fmt: skip
        return into.write(where, slice_, session.reader(), record)


def test_a_file_of_the_same_columns_is_adopted_byte_for_byte(tmp_path: Path, staging: StagingProvider) -> None:
    lake = tmp_path / "lake"
    land(lake, target(), NARROW)
    pq.write_table(NARROW, tmp_path / "expected")

    applied = land_file(lake, staging, NARROW)

    assert applied.rows == 3
    assert visible(lake)[-1].read_bytes() == (tmp_path / "expected").read_bytes()
    assert visible(lake)[-1].stat().st_nlink == 1


def test_a_file_of_narrower_columns_is_written_anew(tmp_path: Path, staging: StagingProvider) -> None:
    lake = tmp_path / "lake"
    land(lake, target(), WIDE)

    land_file(lake, staging, NARROW)

    found = pq.read_table(visible(lake)[-1])
    assert found.schema.field("n").type == pa.int64()
    assert found["n"].to_pylist() == [1, None, 3]
