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
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from headrace.endpoints.systems.postgres_errors import is_crowded
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, answers, connect, connection_string, settle_again
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
    known: dict[str, object] = field(default_factory=dict[str, object])
    """What its user learned of the database, and will ask whether it still is so."""
    since: float = field(default_factory=time.monotonic)


class KeptSessions:
    """Those of a process, one for the same use of the same endpoint. Everything may be called from any thread."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[Session, float]] = {}
        """Each with the moment at which it is closed."""
        self._changing = threading.Condition()
        self._closing: threading.Thread | None = None
        """One for all of them, for to start a thread and to end it costs a short run more than what it asks."""
        self._looks_again_at = math.inf

    def take(self, parameters: PostgresParameters, role: Role) -> Session:
        """A session of ours alone: the one that was kept if it still answers, else a new one. Raises as ``connect``."""
        session = self._taken(_key(parameters, role))
        if session is not None:
            try:
                settle_again(session.connection, parameters)
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
            answers(session.connection, "; ".join(_FORGET), parameters.connect_timeout_seconds)
        except psycopg.Error:
            _close(session)
            return
        key, until = _key(parameters, session.role), time.monotonic() + IDLE_SECONDS
        with self._changing:
            is_kept = key not in self._sessions and len(self._sessions) < MOST
            if is_kept:
                self._sessions[key] = (session, until)
                self._see_to(until)
        if not is_kept:
            _close(session)

    def __len__(self) -> int:
        """How many there are, each of other parameters."""
        with self._changing:
            return len(self._sessions)

    def close(self) -> None:
        """Keep none of them any longer."""
        for session in self._emptied():
            _close(session)

    def forget(self) -> None:
        """Leave all of them to the process this one was forked from: closed here, they would end there."""
        self._sessions, self._changing, self._closing = {}, threading.Condition(), None

    def _make_room(self) -> bool:
        """Whether there were any."""
        sessions = self._emptied()
        for session in sessions:
            _see_off(session)
        return bool(sessions)

    def _emptied(self) -> list[Session]:
        with self._changing:
            kept, self._sessions = [*self._sessions.values()], {}
        return [session for session, _ in kept]

    def _taken(self, key: str) -> Session | None:
        with self._changing:
            session, _ = self._sessions.pop(key, (None, 0))
        return session

    def _see_to(self, until: float) -> None:
        """Somebody closes what is still kept then."""
        if self._closing is None:
            self._closing = threading.Thread(target=self._close_in_time, name="kept sessions", daemon=True)
            self._closing.start()
        elif until < self._looks_again_at:
            self._changing.notify()

    def _close_in_time(self) -> None:
        while True:
            for session in self._expired():
                _close(session)

    def _expired(self) -> list[Session]:
        """Those whose time is over; waits, if it is over for none, until it may be for one."""
        with self._changing:
            now = time.monotonic()
            late = [key for key, (_, until) in self._sessions.items() if until <= now]
            if not late:
                self._looks_again_at = min((until for _, until in self._sessions.values()), default=math.inf)
                self._changing.wait(None if self._looks_again_at == math.inf else self._looks_again_at - now)
            return [self._sessions.pop(key)[0] for key in late]


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


def _wire(connection: Connection) -> socket.socket:
    """The connection's socket once more."""
    return socket.socket(fileno=os.dup(connection.fileno()))
