"""The bucket sink keeps the contract on real servers, and what is special to it: who reads what, and what is left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest
from s3_servers import BUCKET, S3Server, fresh_prefix, s3_server

from headrace.endpoint import Target
from headrace.endpoints.sinks.s3 import S3Sink
from headrace.staging import Row
from headrace.testing.judging_sink_suite import JudgingSinkSuite
from headrace.testing.sink_suite import SinkEndpointSuite

pytestmark = pytest.mark.s3_server


def rows_of(server: S3Server, unit: str) -> list[tuple[int, int, Row]]:
    """What a reader sees who follows the documented rule with another client: generation, slice and row."""
    try:
        current = json.loads(server.read(f"{unit}/_current.json"))
    except FileNotFoundError:
        return []
    found: list[tuple[int, int, Row]] = []
    for key in server.keys(unit):
        if not key.endswith("/_commit.json"):
            continue
        record = json.loads(server.read(f"{unit}/{key}"))
        if record["generation"] not in current["generations"]:
            continue
        for file in record["files"]:
            path = f"{BUCKET}/{unit}/{key.rpartition('/')[0]}/{file['name']}"
            table = pq.read_table(path, filesystem=server.stranger(), partitioning=None, use_threads=False)
            found += [(record["generation"], record["slice_seq"], row) for row in table.to_pylist()]
    return sorted(found, key=lambda each: each[:2])


class OnAServer(SinkEndpointSuite, JudgingSinkSuite):
    server_name: str
    delivery: ClassVar[str] = "B"

    @pytest.fixture(autouse=True)
    def _prefix(self) -> None:
        self.server, self.prefix = s3_server(self.server_name), fresh_prefix()

    def sink(self) -> S3Sink:
        return S3Sink(self.server.parameters(self.prefix))

    def stored(self, target: Target) -> Sequence[Row]:
        found = rows_of(self.server, f"{self.prefix}/{target.unit_id}")
        if target.disposition != "merge":
            return [row for _, _, row in found]
        newest: dict[Any, Row] = {}
        for _, _, row in found:
            newest[row["id"]] = row
        return list(newest.values())


class TestS3SinkOnSeaweedFS(OnAServer):
    server_name = "seaweedfs"


class TestS3SinkOnVersitygw(OnAServer):
    server_name = "versitygw"


class TestS3SinkOnAServerThatIgnoresConditions(OnAServer):
    server_name = "ignores conditions"
    delivery: ClassVar[str] = "C"
