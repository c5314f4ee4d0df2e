"""A prefix to which objects come, as the tests of the bucket source need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest
from s3_servers import S3Server, fresh_prefix, hours_of_objects, s3_server

from headrace.endpoints.sinks.s3 import S3Sink
from headrace.endpoints.sources.s3 import S3Source
from headrace.protocol import Json

INCREMENTAL: Mapping[str, Json] = {"mode": "incremental"}
FULL: Mapping[str, Json] = {"mode": "full"}
UNIT = "in/*.csv"


class Inbox:
    """A prefix of a server to which objects come, one an hour: listings give each the time it has here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server: S3Server = s3_server()
        self.prefix = fresh_prefix()
        self.hours = hours_of_objects(monkeypatch)

    def source(self, **parameters: str) -> S3Source:
        return S3Source(self.server.parameters(self.prefix, **parameters))

    def sink(self) -> S3Sink:
        return S3Sink(self.server.parameters(self.prefix))

    def put(self, key: str, *ids: int) -> None:
        """A CSV object of these ids."""
        self.write(key, "".join(f"{id_}\n" for id_ in ("id", *ids)).encode())

    def write(self, key: str, content: bytes) -> None:
        self.server.write(f"{self.prefix}/{key}", content)
        self.hours[key] = max(self.hours.values(), default=0) + 1

    def delete(self, key: str) -> None:
        self.server.delete(f"{self.prefix}/{key}")

    def read(
        self, unit_id: str = UNIT, checkpoint: Json = None, policy: Mapping[str, Json] = INCREMENTAL
    ) -> tuple[list[Any], Json]:
        """The ids that are new, and the checkpoint after them, which went through JSON."""
        found: list[Any] = []
        with closing(self.source()) as opened:
            for slice_ in opened.plan(unit_id, checkpoint, policy).slices:
                for batch in opened.read(unit_id, slice_, policy):
                    found += batch.column("id").to_pylist()
                checkpoint = slice_.to_checkpoint
        return [int(each) for each in found], json.loads(json.dumps(checkpoint))
