"""A slice's rows on their way into a table by binary COPY, while they are still being read or wait for their turn.

A replacement's rows go straight into its hidden table, within a transaction
that stays open until the slice is judged: the commit record is its last row but
for the fence. Rows of other dispositions go into a stage table, as those of
Arrow do. Each load has a connection of its own, so any number run at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import psycopg
import pyarrow as pa

from headrace.endpoints.sinks.postgres_columns import StoredColumn, normalised, rejected, sent_schema
from headrace.endpoints.sinks.postgres_encoding import encoded
from headrace.endpoints.sinks.postgres_ledger import SETTINGS, Ledger
from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table
from headrace.endpoints.systems.postgres_ahead import OpenedAhead
from headrace.endpoints.systems.postgres_errors import sqlstate, translated
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, connect, quote_identifier, run
from headrace.errors import Bug, DataPlaneError, EndpointUnreachable
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader

CANCEL_AGAIN_SECONDS = 0.1
FILLED_AT_ONCE = 2 * 2**20
"""Bytes of Arrow. Several loads are filled at once, so each has less in its hands than a single one would."""

RefuseLate: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class HiddenTable:
    """Rows that are in the table as soon as their transaction commits, which their record ends."""

    table: Table
    columns: tuple[StoredColumn, ...]
    unit: str
    epoch: int
    lock_timeout: str = "default"  # begun out of order: who is before ours may wait for a later load, and that for ours

    def begin(self, connection: Connection) -> str:
        """A newer owner looks who holds the table after it installed its fence; so the fence is looked at with it."""
        run(connection, f"begin isolation level read committed; set local lock_timeout = {self.lock_timeout}")
        run(connection, f"lock table {self.table.sql} in row exclusive mode; set local lock_timeout = default")
        Ledger(connection, self.table.schema).require_owner(self.unit, self.epoch)
        names = ", ".join(quote_identifier(column.name) for column in self.columns)
        return f"copy {self.table.sql} ({names}) from stdin (format binary)"

    def sent(self) -> Sequence[tuple[str, StoredColumn]]:
        """Each column by the name it has in the table of the COPY."""
        return [(column.name, column) for column in self.columns]

    def record(self, connection: Connection, commit: CommitRecord) -> None:
        ledger = Ledger(connection, self.table.schema)
        run(connection, SETTINGS)
        ledger.add(commit)
        ledger.pass_fence(commit.unit, commit.epoch)

    def leave(self, connection: Connection) -> None:
        connection.rollback()


@dataclass(frozen=True, slots=True)
class StageTable:
    """Rows that wait for a commit of another connection."""

    stage: Stage

    @property
    def table(self) -> Table:
        return self.stage.table

    @property
    def columns(self) -> tuple[StoredColumn, ...]:
        return self.stage.columns

    def begin(self, connection: Connection) -> str:
        self.stage.create(connection)
        return self.stage.copying

    def sent(self) -> Sequence[tuple[str, StoredColumn]]:
        return [(f"c{index}", column) for index, column in enumerate(self.stage.columns)]

    def record(self, connection: Connection, commit: CommitRecord) -> None:
        raise Bug("A stage table's rows are committed where they go.", role="sink")

    def leave(self, connection: Connection) -> None:
        self.stage.drop(connection)


class LoadConnections:
    """Connections for loads, used again and again. ``close`` ends every load, from whatever thread."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._parameters = parameters
        self._idle: list[Connection] = []
        self._loads: list[CopyLoad] = []
        self._ahead: OpenedAhead[Connection] = OpenedAhead(Connection.close)
        self._changing = threading.Lock()
        self._closed = False

    def open_ahead(self) -> None:
        """Connect for the load that comes, beside what the target is prepared by. A failure is that load's."""
        if not self._idle and not self._loads:
            self._ahead.begin(partial(connect, self._parameters, "sink"))

    def take(self, load: CopyLoad) -> Connection:
        """A connection of the load's alone. Raises as ``connect``, and when the sink was closed."""
        with self._changing:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._ahead.taken() or connect(self._parameters, "sink")
        with self._changing:
            is_late = self._closed
            if not is_late:
                self._loads.append(load)
        if is_late:
            connection.close()
            raise _closed()
        return connection

    def give_back(self, load: CopyLoad, connection: Connection) -> None:
        """A connection that broke, or that has a transaction still, is of no use to the next."""
        with self._changing:
            self._loads.remove(load)
            is_idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if is_idle and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._changing:
            self._closed = True
            idle, self._idle = self._idle, []
            loads = list(self._loads)
        self._ahead.close()
        for load in loads:
            load.cancel()
        for connection in idle:
            connection.close()


class CopyLoad:
    """One slice's COPY. Calls come from one thread at a time; ``cancel`` may come beside them.

    It is opened in a thread of its own, while the source is still at its first rows. What fails there is said by the
    first call that needs it.
    """

    format = "pgcopy"

    def __init__(
        self, connections: LoadConnections, into: HiddenTable | StageTable, where: str, refuse_late: RefuseLate
    ) -> None:
        """``where``: the table as people know it, for messages.

        ``refuse_late`` raises ``SinkFenced`` when a newer owner is there, which may have ended our session.
        """
        self.into = into
        self.where = where
        self.bytes = 0
        self.is_unsettled = False
        """A commit was sent, and its answer has not come."""
        self._connections = connections
        self.refuse_late = refuse_late
        self._connection: Connection | None = None
        self._cursor: Any = None
        self._copy: Any = None
        self._copying = contextlib.ExitStack()
        self._busy = threading.Lock()
        self._is_over = False
        self._failure: BaseException | None = None
        self._opening = threading.Thread(target=self._begin, name=f"load {where}", daemon=True)
        self._opening.start()

    def write(self, data: bytes) -> None:
        with self._opened():
            self._copy.write(data)
            self.bytes += len(data)

    def fill(self, reader: RecordReader, rows: int) -> None:
        """Raises what ``write`` and ``finish`` do, and ``RowRejected`` for a value that no column can hold."""
        columns = [column for _, column in self.into.sent()]
        size = 0

        def ready() -> Iterator[pa.RecordBatch]:
            nonlocal size
            for batch in reader.iter_arrow(FILLED_AT_ONCE):
                size += batch.nbytes
                yield normalised(batch, columns)

        for block in encoded(sent_schema(columns), ready()):
            self.write(block)
        self.finish(rows)
        self.bytes = size

    def finish(self, rows: int) -> None:
        """PostgreSQL takes a COPY that was cut between two rows for a whole one, so both ends count."""
        with self._opened():
            self._copying.close()
            if self._cursor.rowcount != rows:
                raise Bug(f"{rows} rows were sent to {self.where}, and {self._cursor.rowcount} arrived.", role="sink")

    def commit(self, commit: CommitRecord) -> None:
        """Record, fence and rows, which are in a hidden table then. Raises what psycopg does."""
        with self._busy:
            connection = self._open()
            self.into.record(connection, commit)
            self.is_unsettled = True
            run(connection, "commit")
            self.is_unsettled = False

    def abandon(self) -> None:
        with self._busy:
            connection, self._connection = self._connection, None
            self._is_over = True
            if connection is None:
                return
            with contextlib.suppress(psycopg.Error, OSError, _NotWanted):  # what broke is over as well
                self._copying.__exit__(_NotWanted, _NotWanted(), None)
            with contextlib.suppress(psycopg.Error, OSError):  # what broke leaves nothing that others could see
                self.into.leave(connection)
            self._connections.give_back(self, connection)

    def cancel(self) -> None:
        """End the call in progress, and all that are to come."""
        self._is_over = True
        while not self._busy.acquire(timeout=CANCEL_AGAIN_SECONDS):
            connection = self._connection
            with contextlib.suppress(psycopg.Error, OSError):  # it has just ended, or is asked again
                if connection is not None:
                    connection.cancel_safe(timeout=1)
        self._busy.release()

    def _begin(self) -> None:
        try:
            with self._used() as connection:
                statement = self.into.begin(connection)
                self._cursor = connection.cursor()
                self._copy = self._copying.enter_context(self._cursor.copy(statement.encode()))
        except BaseException as error:
            self._failure = error

    @contextlib.contextmanager
    def _opened(self) -> Generator[None]:
        self._opening.join()
        if self._failure is not None:
            raise self._failure
        with self._used():
            yield

    @contextlib.contextmanager
    def _used(self) -> Generator[Connection]:
        with self._busy:
            try:
                yield self._open()
            except (psycopg.Error, OSError) as error:
                if sqlstate(error) in (None, "57P01", "42P01"):
                    self.refuse_late()
                raise self._explained(error) from None

    def _explained(self, error: Exception) -> DataPlaneError:
        return unheld(error, self.into.sent(), self.where) or translated(error, role="sink", where=self.where)

    def _open(self) -> Connection:
        if self._is_over:
            raise _closed()
        if self._connection is None:
            self._connection = self._connections.take(self)
        return self._connection


def unheld(error: Exception, sent: Sequence[tuple[str, StoredColumn]], where: str) -> DataPlaneError | None:
    """The column that cannot hold a value, where the server names one. ``sent`` are those of the COPY."""
    code, context = sqlstate(error) or "", getattr(getattr(error, "diag", None), "context", None) or ""
    named = [column for name, column in sent if f", column {name}\n" in f"{context}\n"]
    if code[:2] != "22" or not named:
        return None
    return rejected(named[0].name, f"of {where} cannot hold a value as {named[0].target_type} ({code})")


class _NotWanted(Exception):
    """Ends a COPY that nobody wants any more."""


def _closed() -> EndpointUnreachable:
    return EndpointUnreachable("The sink was closed while rows were to be written.", role="sink")
