"""Parquet that was staged as a file: adopted as it is, or written anew where the directory has wider columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_files_kit import land, land_file_in, sink, target, visible

from headrace.staging import StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging

WIDE = pa.table({"n": pa.array([2**40], pa.int64())})
NARROW = pa.table({"n": pa.array([1, None, 3], pa.int32())})


@pytest.fixture(params=["in_memory", "local_disk"])
def staging(request: Any, tmp_path: Path) -> StagingProvider:
    return InMemoryStaging() if request.param == "in_memory" else LocalDiskStaging(tmp_path / "staging")


def test_a_file_of_the_same_columns_is_adopted_byte_for_byte(tmp_path: Path, staging: StagingProvider) -> None:
    lake = tmp_path / "lake"
    land(lake, target(), NARROW)
    pq.write_table(NARROW, tmp_path / "expected")

    applied = land_file_in(sink(lake), staging, NARROW)

    assert applied.rows == 3
    assert visible(lake)[-1].read_bytes() == (tmp_path / "expected").read_bytes()
    assert visible(lake)[-1].stat().st_nlink == 1


def test_a_file_of_narrower_columns_is_written_anew(tmp_path: Path, staging: StagingProvider) -> None:
    lake = tmp_path / "lake"
    land(lake, target(), WIDE)

    land_file_in(sink(lake), staging, NARROW)

    found = pq.read_table(visible(lake)[-1])
    assert found.schema.field("n").type == pa.int64()
    assert found["n"].to_pylist() == [1, None, 3]
