"""A connection that is opened in a thread of its own, while whoever will need it has something else to do first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Opened = TypeVar("Opened")


class OpenedAhead(Generic[Opened]):
    """One at most. Everything may be called from any thread."""

    def __init__(self, close: Callable[[Opened], None]) -> None:
        self._close = close
        self._opening: Future[Opened] | None = None
        self._is_closed = False
        self._changing = threading.Lock()

    def begin(self, opening: Callable[[], Opened]) -> None:
        """Nothing happens while one is there that nobody took."""
        with self._changing:
            if self._is_closed or self._opening is not None:
                return
            found: Future[Opened] = Future()
            self._opening = found
        threading.Thread(target=_settle, args=(found, opening), daemon=True).start()

    def taken(self) -> Opened | None:
        """Waits until it is open. None when none was begun; raises what ``opening`` raised."""
        found = self._let_go()
        return None if found is None else found.result()

    def close(self) -> None:
        """Nobody takes it any more: it is closed as soon as it is open."""
        with self._changing:
            self._is_closed = True
        if (found := self._let_go()) is not None:
            found.add_done_callback(self._close_unused)

    def _let_go(self) -> Future[Opened] | None:
        with self._changing:
            found, self._opening = self._opening, None
        return found

    def _close_unused(self, found: Future[Opened]) -> None:
        if found.exception() is None:
            self._close(found.result())


def _settle(found: Future[Opened], opening: Callable[[], Opened]) -> None:
    try:
        found.set_result(opening())
    except BaseException as error:
        found.set_exception(error)
