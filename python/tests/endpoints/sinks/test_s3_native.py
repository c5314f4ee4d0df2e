"""Parquet that was staged as a file: uploaded as it is, or written anew where it has to be other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import land_file_in, target
from s3_lake import Lake

from headrace.endpoints.sinks import s3_attempt
from headrace.staging import StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

pytestmark = pytest.mark.s3_server

WIDE = pa.table({"n": pa.array([2**40], pa.int64())})
NARROW = pa.table({"n": pa.array([1, None, 3], pa.int32())})


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture(params=["in_memory", "local_disk"])
def staging(request: Any, tmp_path: Path) -> StagingProvider:
    return InMemoryStaging() if request.param == "in_memory" else LocalDiskStaging(tmp_path / "staging")


def newest(lake: Lake) -> tuple[bytes, pa.Table]:
    """The only file of the second slice, and what it says."""
    (name,) = (key for key in lake.parts() if "/slice=000001/" in key)
    content = lake.server.read(f"{lake.unit}/{name}")
    return content, pq.read_table(pa.BufferReader(content))


def test_a_file_of_the_same_columns_is_uploaded_byte_for_byte(
    lake: Lake, staging: StagingProvider, tmp_path: Path
) -> None:
    lake.land(target(), NARROW)
    pq.write_table(NARROW, tmp_path / "expected")

    applied = land_file_in(lake.sink(), staging, NARROW)

    assert (applied.rows, applied.record.rows) == (3, 3)
    assert newest(lake)[0] == (tmp_path / "expected").read_bytes()


def test_a_file_of_narrower_columns_is_written_anew(lake: Lake, staging: StagingProvider) -> None:
    lake.land(target(), WIDE)

    land_file_in(lake.sink(), staging, NARROW)

    assert newest(lake)[1].equals(NARROW.cast(WIDE.schema))


def test_a_file_that_is_too_large_for_one_request_is_written_anew(
    lake: Lake, staging: StagingProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(target(), NARROW)
    pq.write_table(NARROW, tmp_path / "staged")
    monkeypatch.setattr(s3_attempt, "MOST_ADOPTED_BYTES", (tmp_path / "staged").stat().st_size - 1)

    land_file_in(lake.sink(), staging, NARROW)

    content, table = newest(lake)
    assert table.equals(NARROW)
    assert content != (tmp_path / "staged").read_bytes()
