"""What the source and sink of a bucket share: their parameters, and the connection test.

Parameters are parsed once, here; parsing touches no network. A connection test
walks from the server to the right asked for, and reports the first step that
failed. It leaves nothing behind: to prove that a slot can be taken only once it
writes one small object and deletes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.files_column_types import parse_column_types
from headrace.endpoints.systems.files_options import (
    Compression,
    FileFormat,
    parse_compression,
    parse_delimiter,
    parse_format,
    parse_header,
)
from headrace.endpoints.systems.s3_descriptor import DESCRIPTOR
from headrace.errors import (
    AuthenticationFailed,
    ConfigInvalid,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
)
from headrace.objects.address import ObjectAddress
from headrace.protocol import Connection, ConnectionTest, Diagnostic
from headrace.templates import EndpointDescriptor

NAMES: Mapping[str, str] = {
    "endpoint": "endpoint_url",
    "region": "region",
    "bucket": "bucket",
    "prefix": "base_prefix",
    "access_key_id": "access_key_id",
    "secret_access_key": "secret_access_key",
}

_SHOWN = tuple(field.key for field in DESCRIPTOR.fields if not field.sensitive)
_STEPS: tuple[tuple[type[DataPlaneError], str], ...] = (
    (EndpointUnreachable, "connect"),
    (AuthenticationFailed, "sign-in"),
    (PermissionDenied, "access"),
    (ConfigInvalid, "bucket"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """Parsed parameters. ``format`` is None when nobody chose one: a source then goes by each object's name."""

    address: ObjectAddress
    format: FileFormat | None
    compression: Compression
    delimiter: str | None
    has_header: bool
    column_types: Mapping[str, str]

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> S3Config:
        """Raises ``ConfigInvalid``, whose ``details["field"]`` names the parameter to blame."""
        said = {part: parameters.get(name, "") for part, name in NAMES.items()}
        said["endpoint"] = _with_scheme(said["endpoint"].strip(), parameters.get("use_ssl", ""))
        return cls(
            address=ObjectAddress.parse(said, NAMES),
            format=parse_format(parameters.get("format", "")),
            compression=parse_compression(parameters.get("compression", "")),
            delimiter=parse_delimiter(parameters.get("delimiter", "")),
            has_header=parse_header(parameters.get("header", "")),
            column_types=parse_column_types(parameters.get("column_types", "")),
        )


class S3System:
    """The ``object.s3`` template."""

    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return DESCRIPTOR

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        config = S3Config.parse(parameters)
        shown = {name: parameters[name] for name in _SHOWN if parameters.get(name)}
        return Connection(
            url=config.address.url,
            config={"templateId": DESCRIPTOR.id, "parameters": shown},
            labels=list(DESCRIPTOR.default_labels),
            domain=DESCRIPTOR.domain,
            verb="READ",
        )

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        try:
            config = S3Config.parse(parameters)
        except ConfigInvalid as error:
            return _failed(error, "parameters")
        try:
            return _tested(config.address, level or "connect")
        except DataPlaneError as error:
            return _failed(error, next((step for kind, step in _STEPS if isinstance(error, kind)), "access"))


def _tested(address: ObjectAddress, level: TestLevel) -> ConnectionTest:
    try:  # here, so that the template can be shown where the library is not installed
        from headrace.objects.bucket import Bucket
        from headrace.objects.probe import keeps_conditions
    except ModuleNotFoundError as error:
        raise ConfigInvalid(
            f"object.s3 needs the library {error.name!r}, which is not installed: pip install 'headrace[s3]'.",
            details={"library": error.name or ""},
        ) from error
    bucket = Bucket(address, None)
    folders, objects = bucket.folder("")
    details = {"url": address.url}
    said = f"{address.url} is ready."
    diagnostics = [Diagnostic(level="INFO", code="BUCKET", message=f"{address.url} can be listed.", field="bucket")]
    if level == "read" and not folders and not objects:
        what = f"There is no object below {address.url}."
        diagnostics.append(_warning("EMPTY", what, "Correct base_prefix, if there should be.", "base_prefix"))
    if level == "write":
        details["delivery"] = "B" if keeps_conditions(bucket) else "C"
    if details.get("delivery") == "C":
        what = "The server does not keep If-None-Match and If-Match on a write, so rows may repeat."
        hint = "Use a server or version that does, if each row must land once."
        diagnostics.append(_warning("NO_CONDITIONS", what, hint, "endpoint_url"))
    return ConnectionTest(
        success=True,
        message=said,
        capabilities=[capability.key for capability in DESCRIPTOR.capabilities],
        details=details,
        diagnostics=diagnostics,
    )


def _warning(code: str, message: str, hint: str, field: str) -> Diagnostic:
    return Diagnostic(level="WARN", code=code, message=message, hint=hint, field=field)


def _failed(error: DataPlaneError, step: str) -> ConnectionTest:
    field = error.details.get("field")
    what, _, hint = error.message.partition(". ")
    diagnostic = Diagnostic(
        level="ERROR", code=step.upper(), message=f"{what.rstrip('.')}.", hint=hint or None, field=field
    )
    return ConnectionTest(success=False, message=error.message, details={"step": step}, diagnostics=[diagnostic])


def _with_scheme(endpoint: str, use_ssl: str) -> str:
    """An address may be written without its scheme; then ``use_ssl`` says which."""
    word = use_ssl.strip().lower()
    if word not in ("", "true", "false"):
        raise ConfigInvalid("use_ssl is true or false.", details={"field": "use_ssl"})
    scheme = "http" if word == "false" else "https"
    if endpoint and "://" not in endpoint:
        return f"{scheme}://{endpoint}"
    if endpoint and word and not endpoint.lower().startswith(f"{scheme}://"):
        raise ConfigInvalid(
            f"use_ssl is {word}, and endpoint_url says otherwise. Correct one of them, or leave use_ssl out.",
            details={"field": "use_ssl"},
        )
    return endpoint
