"""Iceberg as a sink keeps the contract with each disposition as its first, as another engine sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from iceberg_writing import IcebergWriting, sqlite_catalog

from headrace.endpoint import Target, WriteDisposition
from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.staging import Row
from headrace.testing.judging_sink_suite import JudgingSinkSuite
from headrace.testing.sink_suite import SinkEndpointSuite


class IcebergSinkSuite(SinkEndpointSuite, JudgingSinkSuite):
    first: ClassVar[WriteDisposition]

    @pytest.fixture(autouse=True)
    def _catalog(self, tmp_path: Path) -> None:
        self.parameters = sqlite_catalog(tmp_path)

    def sink(self) -> IcebergSink:
        return IcebergSink(self.parameters)

    def stored(self, target: Target) -> Sequence[Row]:
        return IcebergWriting(self.parameters, target.unit_id).rows()

    def target(
        self, disposition: WriteDisposition | None = None, generation: int = 1, unit_id: str = "public.orders"
    ) -> Target:
        return super().target(disposition or self.first, generation, unit_id)


class TestIcebergSinkThatReplaces(IcebergSinkSuite):
    first = "replace"


class TestIcebergSinkThatAppends(IcebergSinkSuite):
    first = "append"


class TestIcebergSinkThatMerges(IcebergSinkSuite):
    first = "merge"
