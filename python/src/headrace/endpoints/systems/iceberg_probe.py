"""A test of an Iceberg connection, step by step; the first step that fails is the answer.

Name resolution and TCP are tried by hand, for libraries tell them apart in words
only. Level ``write`` puts a small file into the warehouse and takes it away
again, where the warehouse is known before there is a table.
"""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pyiceberg
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog, SqlCatalogBaseTable
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.io import load_file_io
from sqlalchemy import inspect, text

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.iceberg import failed
from headrace.endpoints.systems.iceberg_catalog import FILE_IO, SECONDS, open_catalog
from headrace.endpoints.systems.iceberg_errors import translated
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.errors import ConfigInvalid, DataPlaneError, EndpointUnreachable, PermissionDenied
from headrace.protocol import ConnectionTest, Diagnostic, Json

_PORTS = {"http": 80, "https": 443}
_CATALOG_TABLE = "iceberg_tables"


class _StepFailed(Exception):
    def __init__(self, step: str, error: DataPlaneError) -> None:
        super().__init__(error.message)
        self.step = step
        self.error = error


def probe(parameters: IcebergParameters, level: TestLevel) -> ConnectionTest:
    """Never raises for what a catalog, a store or a network may do."""
    place = _place(parameters)
    try:
        _reach(parameters)
        missing = ["catalog"] if _is_unmade_file(parameters) else _asked(parameters, f"The catalog at {place}", level)
        if level == "write":
            with _step("warehouse", f"The warehouse {parameters.warehouse}"):
                _write(parameters)
    except _StepFailed as failure:
        return failed(failure.step, failure.error)
    return _succeeded(parameters, place, missing)


def _asked(parameters: IcebergParameters, where: str, level: TestLevel) -> list[str]:
    """What is missing in a catalog that answers, and will be made by the first run."""
    with _step("sign-in", where):
        catalog = open_catalog(parameters, is_to_be_made=False)
        if isinstance(catalog, SqlCatalog):
            catalog.engine.connect().close()  # PyIceberg takes a sign-in that failed for tables that are missing
    try:
        with _step("catalog", where):
            if isinstance(catalog, SqlCatalog) and not inspect(catalog.engine).has_table(_CATALOG_TABLE):
                if level == "write":
                    _make_and_take_back(catalog)
                return ["catalog"]
            if isinstance(catalog, SqlCatalog) and level == "write":
                _require_write(catalog, where)
            return _missing_namespace(catalog, parameters)
    finally:
        if isinstance(catalog, SqlCatalog):
            catalog.engine.dispose()


@contextlib.contextmanager
def _step(step: str, where: str) -> Generator[None]:
    try:
        yield
    except Exception as error:  # whatever a library raises, the test has failed at this step
        raise _StepFailed(step, translated(error, role=None, where=where)) from error


def _reach(parameters: IcebergParameters) -> None:
    parts = urlsplit(parameters.catalog_uri)
    if parts.hostname is None:
        return
    host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 5432)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The name {host} is not known. Check catalog_uri, and the machine's DNS."
        raise _StepFailed("name resolution", _unreachable(message)) from error
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except ConnectionRefusedError as error:
        message = f"Nothing answers at {host}:{port}. Check catalog_uri, and that the catalog is running there."
        raise _StepFailed("TCP", _unreachable(message)) from error
    except OSError as error:
        reason = error.strerror or "it did not answer in time"
        message = f"{host}:{port} cannot be reached: {reason}. Check catalog_uri and firewall."
        raise _StepFailed("TCP", _unreachable(message)) from error


def _unreachable(message: str) -> DataPlaneError:
    return EndpointUnreachable(message, details={"field": "catalog_uri"})


def _is_unmade_file(parameters: IcebergParameters) -> bool:
    """Whether the catalog is a SQLite file that is yet to be made; asking it anything would make it."""
    if not parameters.catalog_uri.startswith("sqlite:"):
        return False
    path = _file(parameters)
    if path.exists():
        return False
    if not path.parent.is_dir():
        message = f"There is no directory {path.parent} for the SQLite catalog. Make it, or correct catalog_uri."
        raise _StepFailed("catalog", ConfigInvalid(message, details={"field": "catalog_uri"}))
    return True


def _file(parameters: IcebergParameters) -> Path:
    return Path(urlsplit(parameters.catalog_uri).path.removeprefix("/"))


def _missing_namespace(catalog: Catalog, parameters: IcebergParameters) -> list[str]:
    """After a question that the catalog has answered in any case."""
    if parameters.namespace is None:
        catalog.list_namespaces()
        return []
    try:
        catalog.load_namespace_properties(tuple(parameters.namespace.split(".")))
    except NoSuchNamespaceError:
        return [f"namespace {parameters.namespace}"]
    return []


def _make_and_take_back(catalog: SqlCatalog) -> None:
    """Make the catalog's tables in a transaction that is rolled back. SQLite would keep them, and asks no right."""
    if catalog.engine.dialect.name != "postgresql":
        return
    with catalog.engine.connect() as connection:
        SqlCatalogBaseTable.metadata.create_all(connection)
        connection.rollback()


def _require_write(catalog: SqlCatalog, where: str) -> None:
    if catalog.engine.dialect.name != "postgresql":
        return
    with catalog.engine.connect() as connection:
        question = text("select has_table_privilege(:name, 'select, insert') and has_table_privilege(:name, 'update')")
        if not connection.execute(question, {"name": _CATALOG_TABLE}).scalar():
            message = (
                f"{where}: the user may not write {_CATALOG_TABLE}. Grant SELECT, INSERT, UPDATE and DELETE on it."
            )
            raise PermissionDenied(message, details={"field": "catalog_uri"})


def _write(parameters: IcebergParameters) -> None:
    """A REST catalog says where a table is when it makes one, so there a run is the first to know."""
    if parameters.catalog_type != "sql" or parameters.warehouse is None:
        return
    location = f"{parameters.warehouse}/_headrace_probe_{uuid.uuid4().hex}"
    io = load_file_io({**parameters.properties(), "py-io-impl": FILE_IO}, location)
    with io.new_output(location).create() as file:
        file.write(b"headrace")
    io.delete(location)


def _succeeded(parameters: IcebergParameters, place: str, missing: list[str]) -> ConnectionTest:
    said = f"The {parameters.catalog_type.upper()} catalog at {place} can be used."
    diagnostics = [Diagnostic(level="INFO", code="ICEBERG_CATALOG", message=said, field="catalog_uri")]
    for what in missing:
        absent = f"There is no {what} yet."
        diagnostics.append(
            Diagnostic(
                level="WARN",
                code=f"ICEBERG_{what.split()[0].upper()}_MISSING",
                message=absent,
                hint="The first run that writes makes it.",
                field="catalog_uri" if what == "catalog" else "namespace",
            )
        )
        said = f"{said} {absent} The first run that writes makes it."
    details: dict[str, Json] = {"catalog": parameters.catalog_type, "pyiceberg": pyiceberg.__version__}
    return ConnectionTest(
        success=True, message=said, capabilities=["sink.iceberg"], details=details, diagnostics=diagnostics
    )


def _place(parameters: IcebergParameters) -> str:
    parts = urlsplit(parameters.catalog_uri)
    if parts.scheme == "sqlite":
        return str(_file(parameters))
    return parts.path if parts.hostname is None else f"{parts.hostname}{'' if parts.port is None else f':{parts.port}'}"
