"""A connection kept for a moment, for the next run of the same endpoint.

To sign in and to learn the catalogue anew costs a server more than to see that
nothing is new. What is kept has no transaction, lock or setting of the run
before, is closed soon, is never old, and is never one on which anything failed.
What was prepared stays, which spares the server most of its work in a run that
finds nothing. Where it has no connection left, those that are kept make room.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from headrace.endpoints.systems.postgres_errors import is_crowded
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, connect, connection_string, run_unseen, settle
from headrace.errors import EndpointUnreachable
from headrace.protocol import Role

IDLE_SECONDS = 15.0
"""Short, for a session that does nothing still keeps others from dropping its database."""

AGE_SECONDS = 300.0
"""What was changed of the server, the user or the way to it is noticed after that, however often runs follow."""

MOST = 8

GONE_SECONDS = 2.0
"""How long to wait for the server to let a session go."""

_FORGET = (
    "rollback",
    "close all",
    "set session authorization default",
    "reset all",
    "unlisten *",
    "select pg_advisory_unlock_all()",
    "discard temp",
    "discard sequences",
)
"""What ``discard all`` does, but for what was prepared: that says nothing of a run, and the server keeps it true."""

Opened = TypeVar("Opened")


@dataclass(slots=True)
class Session:
    connection: Connection
    role: Role
    system: str | None = None
    """The identity of cluster and database, once it was asked for."""
    since: float = field(default_factory=time.monotonic)


class KeptSessions:
    """Those of a process, one for the same use of the same endpoint. Everything may be called from any thread."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[Session, threading.Timer]] = {}
        self._lock = threading.Lock()

    def take(self, parameters: PostgresParameters, role: Role) -> Session:
        """A session of ours alone: the one that was kept if it still answers, else a new one. Raises as ``connect``."""
        session = self._taken(_key(parameters, role))
        if session is not None:
            try:
                with _answering(session.connection, parameters):
                    settle(session.connection, parameters)
                return session
            except psycopg.Error:
                _close(session)
        return Session(self.with_room(lambda: connect(parameters, role)), role)

    def with_room(self, opening: Callable[[], Opened]) -> Opened:
        """What ``opening`` opens; tried once more without those that are kept when the server has none left."""
        try:
            return opening()
        except EndpointUnreachable as error:
            if not is_crowded(error) or not self._make_room():
                raise
        return opening()

    def keep(self, parameters: PostgresParameters, session: Session) -> None:
        """For the next who asks with the same parameters. Its transaction ends here."""
        if time.monotonic() - session.since >= AGE_SECONDS:
            _close(session)
            return
        try:
            with _answering(session.connection, parameters):
                run_unseen(session.connection, "; ".join(_FORGET))
        except psycopg.Error:
            _close(session)
            return
        key = _key(parameters, session.role)
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
        for session in self._emptied():
            _close(session)

    def forget(self) -> None:
        """Leave all of them to the process this one was forked from: closed here, they would end there."""
        self._sessions, self._lock = {}, threading.Lock()

    def _make_room(self) -> bool:
        """Whether there were any."""
        sessions = self._emptied()
        for session in sessions:
            _see_off(session)
        return bool(sessions)

    def _emptied(self) -> list[Session]:
        with self._lock:
            kept, self._sessions = [*self._sessions.values()], {}
        for _, timer in kept:
            timer.cancel()
        return [session for session, _ in kept]

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
os.register_at_fork(after_in_child=KEPT.forget)


def _key(parameters: PostgresParameters, role: Role) -> str:
    """The same for the same parameters in the same role only, and without a password in it."""
    said = (connection_string(parameters, role), role, parameters.role, parameters.statement_timeout_ms)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _close(session: Session) -> None:
    with contextlib.suppress(psycopg.Error):  # one that broke is as good as closed
        session.connection.close()


def _see_off(session: Session) -> None:
    """Close it and return when the server has ended it, which is when its end of the wire is closed."""
    try:
        wire = _wire(session.connection)
    except (OSError, psycopg.Error):
        _close(session)
        return
    with wire:
        wire.settimeout(GONE_SECONDS)
        _close(session)
        with contextlib.suppress(OSError):  # broken is gone, and one that does not go makes no room
            while wire.recv(4096):
                pass


@contextlib.contextmanager
def _answering(connection: Connection, parameters: PostgresParameters) -> Generator[None]:
    """A server that is silent for as long as a connection may take is gone: ``OperationalError``, as if it said so."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError, psycopg.Error), _wire(connection) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(parameters.connect_timeout_seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        raise psycopg.OperationalError("The server did not answer in time.")


def _wire(connection: Connection) -> socket.socket:
    """The connection's socket once more."""
    return socket.socket(fileno=os.dup(connection.fileno()))
