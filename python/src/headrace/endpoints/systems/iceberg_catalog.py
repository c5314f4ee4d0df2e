"""Opening a catalog, and what a unit's table is called in it.

The catalog is made from parameters alone: PyIceberg's own way also reads files
and variables of the worker's environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import ValidationError
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from requests.adapters import HTTPAdapter
from sqlalchemy import Connection, event

from headrace.endpoints.systems.iceberg_parameters import IcebergParameters

FILE_IO = "headrace.endpoints.systems.iceberg_storage.DurableFileIO"
SECONDS = 30
"""How long a catalog may take to answer."""
LOCK_MILLISECONDS = 10_000
"""How long a commit to a SQL catalog waits for others who write the same table."""

_KEPT = re.compile(r"[^0-9A-Za-z_-]")


@dataclass(frozen=True, slots=True)
class TableName:
    namespace: tuple[str, ...]
    name: str

    @property
    def identifier(self) -> tuple[str, ...]:
        return (*self.namespace, self.name)

    def __str__(self) -> str:
        return ".".join(self.identifier)


def table_name(unit_id: str, namespace: str | None, table: str | None = None) -> TableName:
    """Where a unit lands: ``schema.name`` is cut at its first dot; ``namespace`` wins, else ``default``.

    ``table`` is what the source calls a table of it, where the id is no name of one, such as the path of a file.
    Catalogs differ in what a name may hold, so all but letters, digits, ``_`` and
    ``-`` becomes ``_``. Units that meet in one name are told apart by the table's owner.
    """
    schema, dot, name = unit_id.partition(".") if table is None else ("", "", "")
    levels = tuple(namespace.split(".")) if namespace else (_named(schema) if dot else "default",)
    return TableName(levels, _named(name if dot else table or unit_id))


def open_catalog(parameters: IcebergParameters, *, is_to_be_made: bool = True) -> Catalog:
    """Raises what PyIceberg and its libraries raise. A SQL catalog's own tables are made where they are missing."""
    properties = {**parameters.properties(), "py-io-impl": FILE_IO, "init_catalog_tables": str(is_to_be_made)}
    if parameters.catalog_type == "rest":
        return _TimedRestCatalog(parameters.name, **properties)
    properties["uri"] = _with_timeout(properties["uri"])
    catalog = SqlCatalog(parameters.name, **{**properties, "pool_pre_ping": "true"})
    if catalog.engine.dialect.name == "postgresql":
        event.listen(catalog.engine, "begin", _bound_waits)
    return catalog


def _bound_waits(connection: Connection) -> None:
    """Others may hold a table's row for ever. Said anew in each transaction, since a pooler keeps nothing longer."""
    connection.exec_driver_sql(f"set local lock_timeout = {LOCK_MILLISECONDS}")


class _TimedRestCatalog(RestCatalog):
    """PyIceberg waits for ever for an answer, and has no word for one that cannot be read; this one does."""

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        try:
            return super().commit_table(table, requirements, updates)
        except ValidationError as error:
            raise CommitStateUnknownException("the answer to a commit cannot be read") from error

    def _create_session(self) -> requests.Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Timed())
        return session


class _Timed(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        return super().send(request, *args, **{**kwargs, "timeout": kwargs.get("timeout") or SECONDS})


def _with_timeout(uri: str) -> str:
    parts = urlsplit(uri)
    if not parts.scheme.startswith("postgresql") or "connect_timeout=" in parts.query:
        return uri
    return f"{uri}{'&' if parts.query else '?'}connect_timeout={SECONDS}"


def _named(text: str) -> str:
    return _KEPT.sub("_", text) or "_"
