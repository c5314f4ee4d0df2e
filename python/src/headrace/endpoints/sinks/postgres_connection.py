"""The connections of one sink, and how it goes on when one of them breaks.

A thing that may be done twice is tried again, after a pause, on a new
connection. What happened to a commit whose answer was lost is not guessed.
``close`` may come from another thread while a thing is tried, and ends it.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg

from headrace.endpoints.systems.postgres_adbc import adbc
from headrace.endpoints.systems.postgres_errors import sqlstate, translated
from headrace.endpoints.systems.postgres_kept import KEPT, Session
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, connect_arrow
from headrace.errors import Bug, DataPlaneError, EndpointUnreachable, SinkAmbiguous

ATTEMPTS, PAUSE_SECONDS = 5, 0.1
"""How often a thing is tried when another transaction or a broken connection is in the way. The pause doubles."""

_CANCEL_AGAIN_SECONDS = 0.1
"""A cancel may come before the statement it is for; a thing that is tried may have several."""

Answer = TypeVar("Answer")


class SinkConnection:
    def __init__(self, parameters: PostgresParameters) -> None:
        self._parameters = parameters
        self._session: Session | None = None
        self._is_sound = True
        """Nothing failed yet. What is not sound is not kept for the next run."""
        self._arrow: Any = None
        self._was_open = False
        self._busy = threading.Lock()
        """Held while a thing is tried: only then is a connection in use."""
        self._closed = threading.Event()
        self.is_unsettled = False
        """A commit was sent, and its answer has not come."""

    def tried(self, use: Callable[[Connection], Answer], where: str) -> Answer:
        """What ``use`` returns. It may be called again, so what it does must be done once however often it is called.

        Raises:
            SinkAmbiguous: The answer of a commit was lost, and nobody can be asked.
            DataPlaneError: What ``use`` raised, or what the server said, translated.
        """
        with self._busy:
            for attempt in range(1, ATTEMPTS + 1):
                self._require_open(where)
                try:
                    with self._watched():
                        return use(self._open())
                except (psycopg.Error, adbc.Error, OSError, EndpointUnreachable) as error:
                    if attempt == ATTEMPTS or not self._was_open or not is_passing(error):
                        raise self._failure(error, where) from None
                    self._drop()
                self._closed.wait(random.uniform(0.5, 1) * PAUSE_SECONDS * 2**attempt)
        raise Bug("A thing was tried without an end.", role="sink")

    @property
    def known(self) -> dict[str, object]:
        """What is remembered with the connection that a thing is tried on; the next run that has it, has that too."""
        if self._session is None:
            raise Bug("Nothing is remembered without a connection.", role="sink")
        return self._session.known

    def arrow(self) -> Any:
        if self._arrow is None:
            self._arrow = connect_arrow(self._parameters, "sink")
        return self._arrow

    def batches(self, statement: str, where: str) -> Generator[Any]:
        """Record batches of a query, streamed. Not tried again: its rows were handed out."""
        with self._busy:
            self._require_open(where)
            try:
                with self.arrow().cursor() as cursor:
                    cursor.execute(statement)
                    yield from cursor.fetch_record_batch()
            except (adbc.Error, OSError) as error:
                self.drop_arrow()
                self._require_open(where)
                raise translated(error, role="sink", where=where) from None
            except GeneratorExit:
                self.drop_arrow()
                raise

    def drop_arrow(self) -> None:
        """A connection on which COPY broke off is of no use any more."""
        arrow, self._arrow = self._arrow, None
        if arrow is not None:
            arrow.close()

    def close(self, leave: Callable[[Connection], None] = lambda _: None) -> None:
        """For good. A thing that is tried in another thread ends with an error there, and is not tried again.

        ``leave`` tidies up, where nothing failed that would keep the connection from answering.
        """
        self._closed.set()
        while not self._busy.acquire(timeout=_CANCEL_AGAIN_SECONDS):
            self._is_sound = False
            self._cancel()
        try:
            if self._session is not None and self._is_sound:
                with contextlib.suppress(psycopg.Error, OSError):  # what is left, the next run of the unit removes
                    leave(self._session.connection)
            self._give_back()
        finally:
            self._busy.release()

    def _cancel(self) -> None:
        session, arrow = self._session, self._arrow
        with contextlib.suppress(psycopg.Error, adbc.Error, OSError):  # it has just ended, or is asked again
            if session is not None:
                session.connection.cancel_safe(timeout=1)
            if arrow is not None:
                arrow.adbc_cancel()

    def _require_open(self, where: str) -> None:
        if self._closed.is_set():
            raise EndpointUnreachable(f"The sink was closed while {where} was to be written.", role="sink")

    @contextlib.contextmanager
    def _watched(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self._is_sound = False
            raise

    def _drop(self) -> None:
        self.drop_arrow()
        session, self._session = self._session, None
        if session is not None:
            session.connection.close()

    def _give_back(self) -> None:
        """For the next run of the same sink, if nothing was ever wrong."""
        if self._session is not None and self._is_sound:
            session, self._session = self._session, None
            KEPT.keep(self._parameters, session)
        self._drop()

    def _open(self) -> Connection:
        if self._session is None or self._session.connection.closed:
            self._session = KEPT.take(self._parameters, "sink")
            self._was_open = True
        return self._session.connection

    def _failure(self, error: Exception, where: str) -> DataPlaneError:
        if self.is_unsettled and is_passing(error):
            return SinkAmbiguous(
                f"The answer to a commit into {where} was lost, and the server cannot be asked whether it happened. "
                "Start the unit again: the commit record says it.",
                role="sink",
            )
        return translated(error, role="sink", where=where)


def is_passing(error: Exception) -> bool:
    """Whether the same may simply be tried again: a lost connection, a deadlock, a conflict of transactions."""
    if isinstance(error, DataPlaneError):
        return error.may_pass("sink")
    code = sqlstate(error)
    return code is None or code == "25P03" or (code[:2] in ("08", "40", "57") and code != "57014")
