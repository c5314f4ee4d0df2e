"""The rows of a small slice: held until they are to be committed, and never in a table that others could see.

To make a stage table is to write files and the catalogue, and to commit that,
over a connection of its own. A slice that is no larger than what memory holds
anyhow comes within the very transaction that moves it on: in a temporary table,
which is gone with it. A larger one goes on as every load does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from headrace.endpoints.sinks.postgres_columns import StoredColumn
from headrace.endpoints.sinks.postgres_load import CopyLoad, unheld
from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table
from headrace.endpoints.systems.postgres_session import Connection, query, run

HELD_BYTES = 2**20
"""Sent in some milliseconds, for which the transaction is longer."""


@dataclass(slots=True)
class HeldStage(Stage):
    """``where``: the table as people know it, for messages."""

    blocks: Sequence[bytes] = ()
    where: str = ""

    def arrive(self, connection: Connection) -> None:
        sent = [(f"c{index}", column) for index, column in enumerate(self.columns)]
        run(connection, f"create temporary table {self.table.sql} ({', '.join(self.declared())}) on commit drop")
        try:
            with connection.cursor() as cursor, cursor.copy(self.copying.encode()) as copy:
                for block in self.blocks:
                    copy.write(block)
        except psycopg.Error as error:
            raise unheld(error, sent, self.where) or error from None

    def drop(self, connection: Connection) -> None:
        """The end of the transaction does, whichever it is."""


class HeldLoad:
    """A load that is begun when it has to be. Calls come from one thread at a time."""

    format = CopyLoad.format

    def __init__(self, columns: tuple[StoredColumn, ...], where: str, begin: Callable[[], CopyLoad]) -> None:
        self.where = where
        self.begun: CopyLoad | None = None
        self._columns = columns
        self._begin = begin
        self._blocks: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        if self.begun is None and self._bytes + len(data) <= HELD_BYTES:
            self._blocks.append(data)
            self._bytes += len(data)
            return
        if self.begun is None:
            self.begun = self._begin()
            for block in self._blocks:
                self.begun.write(block)
            self._blocks.clear()
        self.begun.write(data)

    def finish(self, rows: int) -> None:
        """What is held is counted when it is there."""
        if self.begun is not None:
            self.begun.finish(rows)

    def abandon(self) -> None:
        self._blocks.clear()
        if self.begun is not None:
            self.begun.abandon()

    def stage(self) -> HeldStage:
        """What is held, for one commit."""
        name = f"_hr_stage_{uuid.uuid4().hex[:8]}"
        table = Table("pg_temp", name)
        return HeldStage(table, self._columns, bytes=self._bytes, blocks=self._blocks, where=self.where)


def may_hold(connection: Connection) -> bool:
    """Whether the database lets this user make temporary tables."""
    return bool(query(connection, "select has_database_privilege(current_database(), 'temp')")[0][0])
