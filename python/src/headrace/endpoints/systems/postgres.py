"""``jdbc.postgres`` as it is described, built and tested; what source and sink share lies beside it.

No driver is imported until a connection is tested, so the template can be shown
where the drivers are not installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from headrace.endpoint import TestLevel
from headrace.endpoints.systems import postgres_descriptor
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.protocol import Connection, ConnectionTest, Diagnostic, Json
from headrace.templates import EndpointDescriptor

_SHOWN = ("host", "port", "database", "username", "schemas", "ssl_mode", "role", "application_name", "version_hint")


class PostgresSystem:
    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return postgres_descriptor.descriptor()

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        parsed = PostgresParameters.parse(parameters)
        config: dict[str, Json] = {name: parameters[name] for name in _SHOWN if parameters.get(name)}
        return Connection(
            url=parsed.url,
            config={"templateId": "jdbc.postgres", "parameters": config},
            labels=["postgres", "jdbc"],
            domain="database.postgres",
            verb="POST",
        )

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        try:
            parsed = PostgresParameters.parse(parameters)
        except ConfigInvalid as error:
            return failed("parameters", error.message, str(error.details.get("field") or ""), type(error))
        try:
            probe = importlib.import_module("headrace.endpoints.systems.postgres_probe")
        except ModuleNotFoundError as error:
            return failed("driver", f"The library {error.name} is missing: pip install 'headrace[postgres]'.", None)
        outcome: ConnectionTest = probe.probe(parsed, level or "connect")
        return outcome


def failed(step: str, message: str, field: str | None, kind: type[DataPlaneError] | None = None) -> ConnectionTest:
    """A test that ended at ``step``; ``field`` is the parameter to look at, ``kind`` what a run would fail of."""
    code = f"POSTGRES_{step.upper().replace(' ', '_').replace('-', '_')}"
    diagnostic = Diagnostic(level="ERROR", code=code, message=message, field=field or None)
    details: dict[str, Json] = {"step": step} if kind is None else {"step": step, "tag": kind.tag}
    return ConnectionTest(success=False, message=message, details=details, diagnostics=[diagnostic])
