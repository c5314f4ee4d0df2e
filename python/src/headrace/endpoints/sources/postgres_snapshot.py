"""One snapshot of a PostgreSQL database, seen by many connections.

A lead connection exports its REPEATABLE READ snapshot and asks the small
questions; each read of rows goes over an ADBC connection that adopted it. So
the bound of a plan and the rows of its slices are of one moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import psycopg

from headrace.endpoints.sources.postgres_hold import RelationMovedError, holding, is_still
from headrace.endpoints.systems.postgres_adbc import adbc
from headrace.endpoints.systems.postgres_catalog import Relation, identity
from headrace.endpoints.systems.postgres_errors import sqlstate, translated
from headrace.endpoints.systems.postgres_kept import KEPT
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_places import place_prefix, places
from headrace.endpoints.systems.postgres_session import (
    Connection,
    Question,
    connect_arrow,
    lock_timeout_statement,
    pipelined,
    query,
    quote_literal,
    quote_qualified,
    run,
    run_arrow,
)
from headrace.errors import DataPlaneError, EndpointUnreachable

BEGIN = "begin isolation level repeatable read, read only"
NOTHING_LEFT_OUT = "set local row_security = off"
"""PostgreSQL refuses a query then of which a policy would hide rows."""
CANCEL_AGAIN_SECONDS = 0.1
LOCK_TIMED_OUT = "55P03"
ABORTED = "25P02"

Answer = TypeVar("Answer")


class Snapshot:
    """Opened by the constructor; ``close`` may come from another thread and ends what is in progress."""

    def __init__(self, parameters: PostgresParameters) -> None:
        self._parameters = parameters
        self._session = KEPT.take(parameters, "source")
        self._lead: Connection = self._session.connection
        self._is_sound, self._is_over = True, False
        self._failure: DataPlaneError | None = None
        """The first of the lead: from then on its transaction answers nothing else."""
        self._idle: list[Any] = []
        self._reads: list[_Read] = []
        self._asking = threading.Lock()
        self._closed = False
        self._id: str | None = None
        self._held: set[int] = set()
        self.is_little_read = False
        """All that the plan has found is so small that the lead reads it by itself."""
        self.sees_all_rows = False
        """Set before anybody adopts it, where no policy hides rows: a read then fails when one does so after all."""

    def ask(self, statement: str, values: Sequence[object] = (), *, where: str) -> list[tuple[Any, ...]]:
        """Rows of a small question; within the snapshot once it is frozen."""
        return self.with_lead(lambda lead: query(lead, statement, values), where=where)

    def ask_all(self, questions: Sequence[Question], *, where: str) -> list[list[tuple[Any, ...]]]:
        """Rows of several, in one round trip."""
        return self.with_lead(lambda lead: pipelined(lead, questions), where=where)

    def copied(self, statement: str, *, where: str) -> tuple[bytes, int]:
        """The rows of a query as binary COPY, all at once, and how many they are."""

        def copy(lead: Connection) -> tuple[bytes, int]:
            with lead.cursor() as cursor:
                with cursor.copy(f"copy ({statement}) to stdout (format binary)".encode()) as rows:
                    data = b"".join(rows)
                return data, cursor.rowcount

        return self.with_lead(copy, where=where)

    def with_lead(self, use: Callable[[Connection], Answer], *, where: str) -> Answer:
        with self._asking:
            self._require_open()
            try:
                return use(self._lead)
            except psycopg.Error as error:
                self._is_sound = False
                self._require_open()
                if self._failure is None or sqlstate(error) != ABORTED:
                    self._failure = translated(error, role="source", where=where)
                raise self._failure from None

    def freeze(self, relation: Relation, questions: Sequence[Question] = ()) -> list[list[tuple[Any, ...]]]:
        """Take the snapshot: from here on every question and read sees this moment. Answers the first questions.

        Raises:
            RelationMovedError: The relation changed since it was looked up. Nothing is frozen then.
        """

        def begin(lead: Connection) -> list[list[tuple[Any, ...]]]:
            begun: list[Question] = [(BEGIN, ()), *([(NOTHING_LEFT_OUT, ())] if self.sees_all_rows else [])]
            asked = holding(relation)
            answers = pipelined(lead, [*begun, *asked, *questions])[len(begun) :]
            if not is_still(answers[: len(asked)]):
                run(lead, "rollback")
                raise RelationMovedError
            self._held.add(relation.oid)
            return answers[len(asked) :]

        return self.with_lead(begin, where=relation.unit_id)

    def hold(self, relation: Relation) -> None:
        """Freeze, or see that the frozen moment shows this relation too. Raises ``RelationMovedError``."""
        if not self.is_frozen:
            self.freeze(relation)
        elif relation.oid not in self._held:
            if not is_still(self.ask_all(holding(relation), where=relation.unit_id)):
                raise RelationMovedError
            self._held.add(relation.oid)

    @property
    def is_frozen(self) -> bool:
        return bool(self._held)

    @property
    def system(self) -> str:
        """The identity of cluster and database."""
        if self._session.system is None:
            self._session.system = self.with_lead(identity, where=self._parameters.place)
        return self._session.system

    def is_of(self, relation: Relation, known: frozenset[str]) -> bool:
        """Whether the relation is at one of the ``known`` places. Asks the server only where it may be."""
        if not any(place.startswith(place_prefix(relation.oid)) for place in known):
            return False
        table = quote_qualified(relation.schema, relation.name)
        found = self.with_lead(lambda lead: places(lead, table, is_target=False), where=relation.unit_id)
        return not found.isdisjoint(known)

    @property
    def id(self) -> str:
        """The name under which others adopt it."""
        if self._id is None:
            self._id = str(self.ask("select pg_export_snapshot()", where=self._parameters.place)[0][0])
        return self._id

    @property
    def adopting(self) -> tuple[str, ...]:
        """What others say to adopt it, first of all in a transaction like ours."""
        adopt = f"set transaction snapshot {quote_literal(self.id)}"
        return (adopt, NOTHING_LEFT_OUT) if self.sees_all_rows else (adopt,)

    def batches(self, statement: str, batch_bytes: int, *, where: str) -> Generator[Any]:
        """Record batches of a query, of about ``batch_bytes``, streamed by COPY."""
        read = _Read(self._adopted(), batch_bytes)
        self._reads.append(read)
        is_whole = False
        try:
            with self._explained(where):
                reader = read.start(statement)
            while True:
                self._require_open()
                with self._explained(where):
                    batch = read.next(reader)
                if batch is None:
                    break
                yield batch
            is_whole = True
        finally:
            self._reads.remove(read)
            connection = read.finish(is_whole)
            if connection is not None and not self._closed:
                self._idle.append(connection)

    def close(self) -> None:
        """Idempotent. A read or question in progress ends with an error in its own thread."""
        self._closed = True
        for read in list(self._reads):
            read.cancel()
        while not self._asking.acquire(timeout=CANCEL_AGAIN_SECONDS):
            self._is_sound = False
            self._lead.cancel_safe(timeout=1)
        try:
            self._give_back()
        finally:
            self._asking.release()
        while self._idle:
            self._idle.pop().close()

    def _give_back(self) -> None:
        """Once: afterwards the session may be another's."""
        if self._is_over:
            return
        self._is_over = True
        if self._is_sound:
            KEPT.keep(self._parameters, self._session)
        else:
            self._lead.close()

    def _adopted(self) -> Any:
        self._require_open()
        if self._idle:
            return self._idle.pop()
        adopting = self.adopting
        connection = KEPT.with_room(lambda: connect_arrow(self._parameters, "source"))
        try:
            for statement in (lock_timeout_statement(), BEGIN, *adopting):
                run_arrow(connection, statement)
        except adbc.Error as error:
            self._is_sound = False
            connection.close()
            raise self._lost(error) from None
        return connection

    def _lost(self, error: Exception) -> DataPlaneError:
        """Why the snapshot could not be adopted: above all, that the session that keeps it has ended."""
        if sqlstate(error) in ("22023", "42704"):
            return EndpointUnreachable(
                "The session that kept the run's snapshot has ended. Try again: a run goes on from its checkpoint.",
                role="source",
            )
        return translated(error, role="source", where=f"PostgreSQL at {self._parameters.place}")

    @contextlib.contextmanager
    def _explained(self, where: str) -> Generator[None]:
        try:
            yield
        except (adbc.Error, OSError) as error:
            self._is_sound = False
            self._require_open()
            if sqlstate(error) == LOCK_TIMED_OUT:
                raise awaited(where) from None
            raise translated(error, role="source", where=where) from None

    def _require_open(self) -> None:
        if self._closed:
            raise EndpointUnreachable("The read ended, for its source was closed.", role="source")


def awaited(where: str) -> EndpointUnreachable:
    """A statement that wants the table alone waits for our lead, and our readers wait behind it: nobody can go on."""
    return EndpointUnreachable(
        f"{where} is being altered; the statement that wants it alone waits for this run, and this run waits behind "
        "it. The run lets go; start again.",
        role="source",
        details={"sqlstate": LOCK_TIMED_OUT},
    )


class _Read:
    """One query on one ADBC connection. Calls of the driver and the cancelling thread never overlap but in cancel."""

    def __init__(self, connection: Any, batch_bytes: int) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(batch_bytes)})
        self._busy = threading.Lock()

    def start(self, statement: str) -> Any:
        with self._busy:
            self._cursor.execute(statement)
            # What the cursor hands out instead forgets the server's code of a failure in the middle.
            return self._cursor._results.reader

    def next(self, reader: Any) -> Any | None:
        with self._busy:
            try:
                return reader.read_next_batch()
            except StopIteration:
                return None

    def cancel(self) -> None:
        """End the call in progress, if there is one; asked again until it ends, for a cancel may come too early."""
        while not self._busy.acquire(timeout=CANCEL_AGAIN_SECONDS):
            self._cursor.adbc_cancel()
        self._busy.release()

    def finish(self, is_whole: bool) -> Any | None:
        """The connection for the next read, or None: one that stopped in the middle of a COPY is of no use."""
        with self._busy:
            if not is_whole:
                with contextlib.suppress(adbc.Error, OSError):  # the answer to a cancelled query is its failure
                    self._cursor.adbc_cancel()
            self._cursor.close()
            if is_whole:
                return self._connection
            self._connection.close()
            return None
