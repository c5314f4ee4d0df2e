"""Slices read ahead of the one that is stored.

Reading a slice and storing one wait for different things, so they overlap: while
one is stored the next are read, each into a session of its own. They are handed
out in the order of the plan, whichever was ready first, and never more than
``width + 1`` sessions exist: one being stored, the others being read or waiting.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from headrace.events import Phase, Records, RunEvent, Sealed
from headrace.exporting import Exported
from headrace.observer import Answer, Observer, RunInterrupted
from headrace.staging import Slice, StagingSession


@dataclass(frozen=True, slots=True)
class Staged:
    """A slice that was read, in a sealed session that is its receiver's to close."""

    slice: Slice
    session: StagingSession
    exported: Exported


Export = Callable[[Slice, Observer], Staged]
"""Reads one slice, telling the observer of every batch. On failure it leaves no session behind."""


class ReadAhead:
    """Draws slices from a plan and reads up to ``width`` of them at once, in threads of its own.

    Slices are drawn in the thread that iterates. With ``width`` 1 nothing is
    drawn while a slice is read, so the source hears one call at a time.
    """

    def __init__(
        self, slices: Iterator[Slice], export: Export, width: int, observer: Observer, unblock: Callable[[], None]
    ) -> None:
        """``unblock`` ends reads in progress that nobody wants any more; it is called when iteration stops early."""
        self._slices = slices
        self._export = export
        self._width = width
        self._watch = _Watch(observer)
        self._unblock = unblock
        self._threads = ThreadPoolExecutor(width, thread_name_prefix="read ahead")
        self._waiting: deque[Future[Staged]] = deque()

    def __iter__(self) -> Iterator[Staged]:
        """The slices in order. What went wrong with one is raised where that one would have come."""
        self._draw()
        while self._waiting:
            staged = self._waiting.popleft().result()
            self._draw()
            yield staged

    def close(self) -> None:
        """Give up what was not handed out: reads end, and their sessions are closed. Idempotent."""
        self._watch.given_up.set()
        begun = [future for future in self._waiting if not future.cancel()]
        self._waiting.clear()
        if not all(future.done() for future in begun):
            self._unblock()
        self._threads.shutdown()
        for future in begun:
            if future.exception() is None:
                future.result().session.close()

    def _draw(self) -> None:
        while len(self._waiting) < self._width:
            try:
                slice_ = next(self._slices, None)
            except Exception as error:
                self._slices = iter(())
                self._waiting.append(_failed(error))
                return
            if slice_ is None:
                return
            self._waiting.append(self._threads.submit(copy_context().run, self._export, slice_, self._watch))


def _failed(error: Exception) -> Future[Staged]:
    failed: Future[Staged] = Future()
    failed.set_exception(error)
    return failed


class _Watch:
    """The run's observer for a read that may be given up by itself."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.given_up = threading.Event()

    @property
    def is_interrupted(self) -> bool:
        return self.given_up.is_set() or self._observer.is_interrupted

    def tell(self, event: RunEvent) -> None:
        self._observer.tell(event)

    def ask(self, event: Sealed | Records) -> Answer:
        return self._observer.ask(event)

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        if self.given_up.is_set():
            raise RunInterrupted
        self._observer.moved(phase, slice_seq, rows, bytes)
