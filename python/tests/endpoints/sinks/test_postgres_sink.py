"""PostgreSQL as a sink keeps the contract with each disposition as its first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest
from postgres_server import PostgresServer, postgres_server

from headrace.endpoint import Target, WriteDisposition
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.staging import Row
from headrace.testing.judging_sink_suite import JudgingSinkSuite
from headrace.testing.sink_suite import SinkEndpointSuite


class PostgresSinkSuite(SinkEndpointSuite, JudgingSinkSuite):
    first: ClassVar[WriteDisposition]

    @pytest.fixture(autouse=True)
    def _database(self) -> None:
        self.server: PostgresServer = postgres_server()
        self.database = self.server.database()

    def sink(self) -> PostgresSink:
        return PostgresSink(self.server.parameters(self.database))

    def stored(self, target: Target) -> Sequence[Row]:
        name = target.unit_id.rpartition(".")[2]
        if self.server.rows(self.database, f"select to_regclass('public.\"{name}\"')") == [(None,)]:
            return []
        with self.server.connect(self.database) as connection:
            cursor = connection.execute(f'select * from public."{name}"'.encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def target(
        self, disposition: WriteDisposition | None = None, generation: int = 1, unit_id: str = "public.orders"
    ) -> Target:
        return super().target(disposition or self.first, generation, unit_id)


class TestPostgresSinkThatReplaces(PostgresSinkSuite):
    first = "replace"


class TestPostgresSinkThatAppends(PostgresSinkSuite):
    first = "append"


class TestPostgresSinkThatMerges(PostgresSinkSuite):
    first = "merge"
