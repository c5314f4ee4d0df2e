"""``warehouse.iceberg`` as it is described, built and tested. PyIceberg is imported when a connection is tested."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.iceberg_descriptor import DESCRIPTOR
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.protocol import Connection, ConnectionTest, Diagnostic, Json
from headrace.templates import EndpointDescriptor

_SHOWN = ("catalog_type", "catalog_uri", "warehouse", "namespace")


class IcebergSystem:
    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return DESCRIPTOR

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        parsed = IcebergParameters.parse(parameters)
        shown: dict[str, Json] = {name: parameters[name] for name in _SHOWN if parameters.get(name)}
        return Connection(
            url=f"iceberg+{parsed.catalog_uri}",
            config={"templateId": DESCRIPTOR.id, "parameters": shown},
            labels=list(DESCRIPTOR.default_labels),
            domain=DESCRIPTOR.domain,
            verb="POST",
        )

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        try:
            parsed = IcebergParameters.parse(parameters)
        except ConfigInvalid as error:
            return failed("parameters", error)
        try:
            probe = importlib.import_module("headrace.endpoints.systems.iceberg_probe")
        except ModuleNotFoundError as error:
            missing = ConfigInvalid(f"The library {error.name} is missing: pip install 'headrace[iceberg]'.")
            return failed("driver", missing)
        outcome: ConnectionTest = probe.probe(parsed, level or "connect")
        return outcome


def failed(step: str, error: DataPlaneError) -> ConnectionTest:
    """A test that ended at ``step``; what a run would fail of is ``error``."""
    field = error.details.get("field")
    code = f"ICEBERG_{step.upper().replace(' ', '_')}"
    what, _, hint = error.message.partition(". ")
    diagnostic = Diagnostic(
        level="ERROR",
        code=code,
        message=f"{what.rstrip('.')}.",
        hint=hint or None,
        field=None if field is None else str(field),
    )
    details: dict[str, Json] = {"step": step, "tag": error.tag}
    return ConnectionTest(success=False, message=error.message, details=details, diagnostics=[diagnostic])
