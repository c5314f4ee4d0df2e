"""What the local-files source and sink share: what they are called, their parameters, and the connection test.

Parameters are parsed once, here; parsing touches no file. A connection test
walks from the directory to the right asked for, and reports the first step that
failed. It leaves nothing behind: to prove that a slot can be taken only once it
makes two small directories and removes them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
from headrace.endpoints.systems.files_partitions import parse_partition_by
from headrace.endpoints.systems.local_files_descriptor import DESCRIPTOR
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_slot import can_take_slots_once
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.protocol import Connection, ConnectionTest, Diagnostic, Json
from headrace.templates import EndpointDescriptor

_SHOWN = ("format", "compression", "partition_by", "delimiter", "header", "column_types")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFilesConfig:
    """Parsed parameters. ``format`` is None when nobody chose one: a source then goes by each file's name."""

    base_path: Path
    format: FileFormat | None
    compression: Compression
    partition_by: tuple[str, ...]
    delimiter: str | None
    has_header: bool
    column_types: Mapping[str, str]

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> LocalFilesConfig:
        """Raises ``ConfigInvalid``, whose ``details["field"]`` names the parameter to blame."""
        return cls(
            base_path=_base_path(parameters.get("base_path", "")),
            format=parse_format(parameters.get("format", "")),
            compression=parse_compression(parameters.get("compression", "")),
            partition_by=parse_partition_by(parameters.get("partition_by", "")),
            delimiter=parse_delimiter(parameters.get("delimiter", "")),
            has_header=parse_header(parameters.get("header", "")),
            column_types=parse_column_types(parameters.get("column_types", "")),
        )


class LocalFilesSystem:
    """The ``file.local`` template."""

    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return DESCRIPTOR

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        config = LocalFilesConfig.parse(parameters)
        said = {name: parameters[name] for name in _SHOWN if parameters.get(name)}
        shown: dict[str, str] = {**said, "base_path": str(config.base_path)}
        return Connection(
            url=config.base_path.as_uri(),
            config={"templateId": DESCRIPTOR.id, "parameters": shown},
            labels=list(DESCRIPTOR.default_labels),
            domain=DESCRIPTOR.domain,
            verb="READ",
        )

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        try:
            return _tested(LocalFilesConfig.parse(parameters).base_path, level or "connect")
        except DataPlaneError as error:
            return _failed(error)


def _tested(base: Path, level: TestLevel) -> ConnectionTest:
    existing = _nearest_existing(base)
    with reported("open", existing):
        if not existing.is_dir():
            if existing == base and existing.is_file() and level != "write":
                return _readable_file(base)
            raise ConfigInvalid(
                f"{existing} is a file, and a directory is needed. Choose a directory as base_path.",
                details={"field": "base_path", "path": str(existing), "step": "directory"},
            )
        if level != "write" and existing == base:
            next(os.scandir(base), None)
    if existing != base and level == "read":
        raise ConfigInvalid(
            f"There is no directory {base}. Create it, or correct base_path; {existing} is as far as it exists.",
            details={"field": "base_path", "path": str(base), "step": "directory"},
        )
    details: dict[str, str] = {"path": str(base)}
    if level == "write" or existing != base:
        with reported("write in", existing):
            details["delivery"] = "B" if can_take_slots_once(existing) else "C"
    return _succeeded(base, exists=existing == base, details=details)


def _readable_file(base: Path) -> ConnectionTest:
    """A source may be one file; a sink may not."""
    base.open("rb").close()
    said = f"{base} is a file that can be read."
    return ConnectionTest(
        success=True,
        message=said,
        capabilities=[capability.key for capability in DESCRIPTOR.capabilities if capability.key != "sink.file"],
        details={"path": str(base)},
        diagnostics=[Diagnostic(level="INFO", code="FILE", message=said, field="base_path")],
    )


def _succeeded(base: Path, *, exists: bool, details: Mapping[str, str]) -> ConnectionTest:
    diagnostics = [Diagnostic(level="INFO", code="DIRECTORY", message=f"{base} can be used.", field="base_path")]
    if not exists:
        diagnostics = [
            Diagnostic(
                level="WARN",
                code="DIRECTORY_MISSING",
                message=f"{base} does not exist yet.",
                hint="The first run that writes creates it; a source needs it to exist.",
                field="base_path",
            )
        ]
    return ConnectionTest(
        success=True,
        message=f"{base} {'is ready' if exists else 'can be created'}.",
        capabilities=[capability.key for capability in DESCRIPTOR.capabilities],
        details=dict(details),
        diagnostics=diagnostics,
    )


def _failed(error: DataPlaneError) -> ConnectionTest:
    step = error.details.get("step", "parameters" if "path" not in error.details else "access")
    field = error.details.get("field")
    what, _, hint = error.message.partition(". ")
    diagnostic = Diagnostic(
        level="ERROR", code=str(step).upper(), message=f"{what.rstrip('.')}.", hint=hint or None, field=field
    )
    details: dict[str, Json] = {"step": step, "tag": error.tag}
    return ConnectionTest(success=False, message=error.message, details=details, diagnostics=[diagnostic])


def _nearest_existing(path: Path) -> Path:
    """The path itself, or the closest directory above it that is there."""
    with reported("open", path):
        while not path.exists() and path != path.parent:
            path = path.parent
    return path


def _base_path(text: str) -> Path:
    if not text.strip():
        raise _invalid("base_path", "base_path is missing. Give the directory where the files are or should be.")
    if "\0" in text:
        raise _invalid("base_path", "base_path holds a NUL byte, which no path can. Remove it.")
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise _invalid(
                "base_path", f"base_path is a {parts.scheme}:// address on another system. Give a local directory."
            )
        text = unquote(parts.path)
    return Path(os.path.abspath(os.path.expanduser(text)))


def _invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, details={"field": field})
