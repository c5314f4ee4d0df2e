"""Endpoints that need no system, for the tests of whatever stands around endpoints.

Start a worker with ``HEADRACE_PLUGINS=headrace.testing.endpoints:ENDPOINTS`` to
have them. ``test.rows`` reads rows from its parameters and stores them in the
process; ``test.records`` reads records for the knowledge base.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.endpoint import TestLevel
from headrace.errors import ConfigInvalid
from headrace.protocol import Connection, ConnectionTest
from headrace.templates import Capability, EndpointDescriptor, TemplateField

ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "test.rows": {
        "described": "headrace.testing.endpoints:RowsSystem",
        "source": "headrace.testing.row_endpoints:RowsSource",
        "sink": "headrace.testing.row_sink:RowsSink",
    },
    "test.records": {
        "described": "headrace.testing.endpoints:RecordsSystem",
        "source": "headrace.testing.row_endpoints:RecordsSource",
    },
}


class RowsSystem:
    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        keys = ("metadata.collect", "metadata.preview", "ingest.full", "ingest.incremental", "sink.test")
        return _described("test.rows", "Rows of a test", ("rows", "sliceRows", "failWith"), keys)

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        return Connection(url="test://rows", config={}, labels=["test"], domain=None, verb="READ")

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        return ConnectionTest(success=True, message="Tests reach themselves.")


class RecordsSystem:
    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return _described("test.records", "Records of a test", ("records",), ("metadata.collect", "ingest.full"))

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        if "records" not in parameters:
            raise ConfigInvalid("The parameter records is missing.", details={"field": "records"})
        return Connection(url="test://records", config={}, labels=["test"], domain=None, verb="READ")

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        return ConnectionTest(success=True, message="Tests reach themselves.")


def _described(
    template_id: str, title: str, fields: tuple[str, ...], capabilities: tuple[str, ...]
) -> EndpointDescriptor:
    return EndpointDescriptor(
        id=template_id,
        family="FILE",
        title=title,
        vendor="Test",
        fields=[TemplateField(key=key, label=key) for key in fields],
        capabilities=[Capability(key=key, label=key) for key in capabilities],
    )
