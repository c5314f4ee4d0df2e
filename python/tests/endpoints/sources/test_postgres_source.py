"""PostgreSQL as a source keeps the contract, by timestamps and by a key alone."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from postgres_server import PostgresServer, postgres_server

from headrace.endpoint import Policy
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.systems.postgres import PostgresSystem
from headrace.staging import Row
from headrace.testing.source_suite import SourceEndpointSuite

COLUMNS = ("id", "name", "amount", "updated_at")


class PostgresSourceSuite(SourceEndpointSuite):
    unit_id = "public.orders"

    @pytest.fixture(autouse=True)
    def _database(self) -> None:
        self.server: PostgresServer = postgres_server()
        self.database = self.server.database(
            "create table orders (id bigint primary key, name text, amount numeric(12,2), updated_at timestamptz)",
            "insert into orders select n, 'order ' || n, n / 4.0, timestamptz '2024-01-01' + n * interval '1 min' "
            "from generate_series(1, 7) n",
        )

    def described(self) -> type[PostgresSystem]:
        return PostgresSystem

    def parameters(self) -> dict[str, str]:
        return self.server.parameters(self.database)

    def source(self) -> PostgresSource:
        return PostgresSource(self.parameters())

    def rows(self) -> Sequence[Row]:
        return self._rows("true")

    def _rows(self, where: str) -> list[Row]:
        found = self.server.rows(self.database, f"select {', '.join(COLUMNS)} from orders where {where} order by id")
        return [{**dict(zip(COLUMNS, row, strict=True)), "updated_at": _in_utc(row[-1])} for row in found]


def _in_utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    """As Arrow shows it, so that equal moments look equal."""
    return None if moment is None else moment.astimezone(ZoneInfo("UTC"))


class TestPostgresSource(PostgresSourceSuite):
    incremental_policy: ClassVar[Policy] = {"mode": "incremental", "cursorField": "updated_at"}

    def change(self) -> Sequence[Row]:
        self.server.run(
            self.database,
            "update orders set name = name || '!', updated_at = now() where id = 2",
            "insert into orders select max(id) + 1, 'new', 1, now() from orders",
        )
        return self._rows("id = 2 or id = (select max(id) from orders)")


class TestPostgresSourceByKey(PostgresSourceSuite):
    incremental_policy: ClassVar[Policy] = {"mode": "incremental", "cursorField": "id"}

    def change(self) -> Sequence[Row]:
        self.server.run(self.database, "insert into orders select max(id) + 1, 'new', 1, null from orders")
        return self._rows("id = (select max(id) from orders)")
