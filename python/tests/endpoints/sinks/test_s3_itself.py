"""A prefix that a sink wrote is not loaded into itself, whatever its server is called; into another one it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from carrying import Watching, unit_run
from local_files_kit import land_in, target
from s3_servers import S3Server, fresh_prefix, s3_server

from headrace.endpoints.sinks.s3 import S3Sink
from headrace.endpoints.sources.s3 import S3Source
from headrace.errors import ConfigInvalid
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

pytestmark = pytest.mark.s3_server

UNIT = "public.orders"


@pytest.fixture
def server() -> S3Server:
    return s3_server()


@pytest.fixture
def prefix(server: S3Server) -> str:
    """Below it the sink has written a unit."""
    made = fresh_prefix()
    land_in(S3Sink(server.parameters(made)), target(), pa.table({"id": [1, 2]}), epoch=1, complete=True)
    return made


def _load(root: Path, unit_id: str, source: Mapping[str, str], sink: Mapping[str, str]) -> None:
    run = unit_run(unit_id, sink_id="lake", policy={"writeDisposition": "append"})
    with closing(S3Source(source)) as reading, closing(S3Sink(sink)) as writing:
        assert run_unit(run, reading, writing, LocalDiskStaging(root), Watching()).errors == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["the same name", "another name"])
@pytest.mark.parametrize("is_whole", [False, True], ids=["below the prefix", "the prefix itself"])
def test_a_prefix_is_not_loaded_into_itself(
    server: S3Server, prefix: str, tmp_path: Path, host: str, is_whole: bool
) -> None:
    there = server.keys(prefix)
    source = server.parameters(f"{prefix}/{UNIT}" if is_whole else prefix)
    sink = server.parameters(prefix, endpoint_url=f"http://{host}:{server.port}")

    with pytest.raises(ConfigInvalid) as refused:
        _load(tmp_path, UNIT, source, sink)

    assert refused.value.message.startswith(f"Source and sink are the same prefix, s3://headrace/{prefix}/{UNIT}, and ")
    assert (refused.value.role, refused.value.retry) == ("sink", "AfterFix")
    assert server.keys(prefix) == there


def test_a_prefix_is_loaded_into_another_one_and_again(server: S3Server, prefix: str, tmp_path: Path) -> None:
    copy = fresh_prefix()

    for _ in range(2):
        _load(tmp_path, UNIT, server.parameters(prefix), server.parameters(copy))

    assert f"{UNIT}/gen=1/slice=000000/_commit.json" in server.keys(copy)
