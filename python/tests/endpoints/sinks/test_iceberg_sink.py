"""Iceberg as a sink keeps the contract with each disposition as its first, as another engine sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from iceberg_reading import duckdb_table

from headrace.endpoint import Target, WriteDisposition
from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.endpoints.systems.iceberg_catalog import open_catalog, table_name
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.staging import Row
from headrace.testing.sink_suite import SinkEndpointSuite


class IcebergSinkSuite(SinkEndpointSuite):
    first: ClassVar[WriteDisposition]

    @pytest.fixture(autouse=True)
    def _catalog(self, tmp_path: Path) -> None:
        self.parameters = {
            "catalog_type": "sql",
            "catalog_uri": f"sqlite:///{tmp_path}/catalog.db",
            "warehouse": str(tmp_path / "lake"),
        }

    def sink(self) -> IcebergSink:
        return IcebergSink(self.parameters)

    def stored(self, target: Target) -> Sequence[Row]:
        catalog = open_catalog(IcebergParameters.parse(self.parameters))
        name = table_name(target.unit_id, None).identifier
        if not catalog.table_exists(name):
            return []
        return duckdb_table(catalog.load_table(name).metadata_location).to_pylist()

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
