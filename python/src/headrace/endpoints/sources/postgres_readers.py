"""The connections that read one snapshot: each serves one thread at a time, and all of them are ended together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from headrace.endpoints.systems.postgres_ahead import OpenedAhead
from headrace.errors import EndpointUnreachable


class Reader(Protocol):
    """``cancel`` comes from another thread than the read it ends, and then ``is_spent`` is true."""

    is_spent: bool

    def cancel(self) -> None: ...
    def close(self) -> None: ...


R = TypeVar("R", bound=Reader)


class Readers(Generic[R]):
    """Everything may be called from any thread. Whoever takes a reader puts it back, whatever became of its read.

    ``adopting``: what a connection says to see the snapshot.
    """

    def __init__(self, connect: Callable[[tuple[str, ...]], R]) -> None:
        self._connect = connect
        self._idle: list[R] = []
        self._busy: list[R] = []
        self._ahead = OpenedAhead[R](lambda reader: reader.close())
        self._changing = threading.Lock()
        self.is_closed = False

    def open_ahead(self, adopting: tuple[str, ...]) -> None:
        """Connect for the read that comes, beside what its caller has to do first. A failure is that read's."""
        if not self._idle and not self._busy:
            self._ahead.begin(partial(self._connect, adopting))

    def take(self, adopting: tuple[str, ...]) -> R:
        """One that is idle, else a new one, whose connecting may raise what it raises.

        Raises:
            EndpointUnreachable: The readers were closed, maybe while this one connected.
        """
        with self._changing:
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = self._ahead.taken() or self._connect(adopting)
        with self._changing:
            is_late = self.is_closed
            if not is_late:
                self._busy.append(reader)
        if is_late:
            reader.close()
            raise source_closed()
        return reader

    def put_back(self, reader: R) -> None:
        with self._changing:
            self._busy.remove(reader)
            if not self.is_closed and not reader.is_spent:
                self._idle.append(reader)
                return
        reader.close()

    def close(self) -> None:
        """Idempotent. A read in progress ends with an error in its own thread, which closes its reader."""
        with self._changing:
            self.is_closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        self._ahead.close()
        for reader in busy:
            reader.cancel()
        for reader in idle:
            reader.close()


def source_closed() -> EndpointUnreachable:
    return EndpointUnreachable("The read ended, for its source was closed.", role="source")
