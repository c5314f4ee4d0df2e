"""The endpoints of the tests keep the contracts they stand in for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence

import pytest

from headrace.endpoint import DescribedEndpoint, Target
from headrace.staging import Row
from headrace.testing.endpoints import RowsSystem
from headrace.testing.row_endpoints import RowsSource
from headrace.testing.row_sink import RowsSink, place
from headrace.testing.sink_suite import SinkEndpointSuite
from headrace.testing.source_suite import SourceEndpointSuite


class TestRowsSource(SourceEndpointSuite):
    unit_id = "rows"

    @pytest.fixture(autouse=True)
    def _rows(self) -> None:
        self.held: list[dict[str, object]] = [{"id": n, "name": f"row {n}"} for n in range(5)]

    def described(self) -> type[DescribedEndpoint]:
        return RowsSystem

    def parameters(self) -> Mapping[str, str]:
        return {"rows": json.dumps(self.held), "sliceRows": "1000"}

    def source(self) -> RowsSource:
        return RowsSource(self.parameters())

    def rows(self) -> Sequence[Row]:
        return self.held

    def change(self) -> Sequence[Row]:
        added: list[dict[str, object]] = [{"id": len(self.held), "name": "new"}]
        self.held = [*self.held, *added]
        return added


class TestRowsSink(SinkEndpointSuite):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = uuid.uuid4().hex

    def sink(self) -> RowsSink:
        return RowsSink({"store": self.store})

    def stored(self, target: Target) -> Sequence[Row]:
        return place(target.unit, self.store).rows
