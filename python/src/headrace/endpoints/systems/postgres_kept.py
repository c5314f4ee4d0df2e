"""A connection kept for a moment, for the next run of the same endpoint.

To sign in and to learn the catalogue anew costs a server more than to see that
nothing is new. What is kept has no transaction, lock or setting of the run
before, is closed soon, and is never one on which anything failed.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import threading
from dataclasses import dataclass

import psycopg

from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, connect, connection_string, run, settle

IDLE_SECONDS = 15.0
"""Short, for a session that does nothing still keeps others from dropping its database."""

MOST = 4


@dataclass(slots=True)
class Session:
    connection: Connection
    system: str | None = None
    """The identity of cluster and database, once it was asked for."""


class KeptSessions:
    """Those of a process. Everything may be called from any thread."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[Session, threading.Timer]] = {}
        self._lock = threading.Lock()

    def take(self, parameters: PostgresParameters) -> Session:
        """A session of ours alone: the one that was kept if it still answers, else a new one. Raises as ``connect``."""
        session = self._taken(_key(parameters))
        if session is not None:
            try:
                settle(session.connection, parameters)
                return session
            except psycopg.Error:
                _close(session)
        return Session(connect(parameters, "source"))

    def keep(self, parameters: PostgresParameters, session: Session) -> None:
        """For the next who asks with the same parameters. Its transaction ends here."""
        try:
            with session.connection.pipeline() as sent:
                run(session.connection, "rollback")
                sent.sync()
                run(session.connection, "discard all")
        except psycopg.Error:
            _close(session)
            return
        key = _key(parameters)
        timer = threading.Timer(IDLE_SECONDS, self._expire, (key, session))
        timer.daemon = True
        with self._lock:
            is_kept = key not in self._sessions and len(self._sessions) < MOST
            if is_kept:
                self._sessions[key] = (session, timer)
        if is_kept:
            timer.start()
        else:
            _close(session)

    def __len__(self) -> int:
        """How many there are, each of other parameters."""
        with self._lock:
            return len(self._sessions)

    def close(self) -> None:
        """Keep none of them any longer."""
        with self._lock:
            kept, self._sessions = [*self._sessions.values()], {}
        for session, timer in kept:
            timer.cancel()
            _close(session)

    def _taken(self, key: str) -> Session | None:
        with self._lock:
            session, timer = self._sessions.pop(key, (None, None))
        if timer is not None:
            timer.cancel()
        return session

    def _expire(self, key: str, session: Session) -> None:
        with self._lock:
            is_still_kept = self._sessions.get(key, (None, None))[0] is session
            if is_still_kept:
                del self._sessions[key]
        if is_still_kept:
            _close(session)


KEPT = KeptSessions()
atexit.register(KEPT.close)


def _key(parameters: PostgresParameters) -> str:
    """The same for the same parameters only, and without a password in it."""
    said = (connection_string(parameters, "source"), parameters.role, parameters.statement_timeout_ms)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _close(session: Session) -> None:
    with contextlib.suppress(psycopg.Error):  # one that broke is as good as closed
        session.connection.close()
