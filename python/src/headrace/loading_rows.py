"""Rows that are brought to the sink as soon as they are staged, while the slice before theirs is being stored.

They wait in a place that nobody reads. A slice is still judged and committed in
its turn, and its staging is there until then: what went wrong with bringing it
that may go well another time costs nothing but the second attempt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field

from headrace.abilities import RowLoadingSink
from headrace.blame import blamed
from headrace.endpoint import SinkEndpoint
from headrace.errors import DataPlaneError
from headrace.importing import SinkRun, WatchedReader
from headrace.observer import Observer
from headrace.staging import RowLoad, Seal, Slice, StagingSession

log = logging.getLogger("headrace.run")

WORTH_BYTES = 4 * 2**20
"""Less is stored before a further connection would be of use."""

PATIENCE_SECONDS = 2.0
"""Longer than a slice takes that is not worth a load, and shorter than people look on."""

LOADS_AT_ONCE = 2
"""While the rows of one are made ready the server is at those of the other."""


@dataclass(frozen=True, slots=True)
class _Loading:
    load: RowLoad
    done: Future[None]


@dataclass
class RowLoads:
    """The loads of one run. ``begin`` is called by threads that read slices, the rest by the one that stores them."""

    sink: RowLoadingSink | None
    into: SinkRun | None
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _loads: dict[int, _Loading] = field(default_factory=dict[int, _Loading])
    _is_over: bool = False
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(LOADS_AT_ONCE, thread_name_prefix="load rows")
    )

    @staticmethod
    def of(sink: SinkEndpoint | None, into: SinkRun | None) -> RowLoads:
        """Loads nothing where the sink cannot, or where rows are looked at before they are stored."""
        if into is None or into.parsed.looks_at_rows or not isinstance(sink, RowLoadingSink):
            return RowLoads(None, None)
        loads = RowLoads(sink, into)
        into.make_way = loads.close
        into.giving_way = loads.giving_way
        return loads

    def begin(self, slice_: Slice, session: StagingSession, seal: Seal, observer: Observer) -> None:
        """Bring a sealed slice there, if the target is prepared for its columns and it is large enough."""
        if self.into is None or self.sink is None or not _is_worth_it(session, seal):
            return
        reader = session.reader()
        if self.into.prepared is None or reader.schema is None or not reader.schema.equals(self.into.prepared):
            return
        watched = WatchedReader(reader, slice_.seq, observer)
        with self._changing, blamed("sink"):
            if self._is_over:
                return
            try:
                load = self.sink.load_rows(self.into.target, slice_, reader.schema)
            except DataPlaneError as error:
                _require_passing(error, slice_)
                return
            done = self._threads.submit(copy_context().run, load.fill, watched, seal.rows)
            self._loads[slice_.seq] = _Loading(load, done)

    def taken(self, slice_: Slice, session: StagingSession, seal: Seal, observer: Observer) -> RowLoad | None:
        """The slice's load, filled; it is the caller's to give up. None: its rows are only where they are staged.

        The first slice was staged before the target was prepared for it, so it is loaded now.

        Raises:
            DataPlaneError: The sink does not take the rows.
        """
        if slice_.seq not in self._loads and self.into is not None and _is_worth_it(session, seal):
            self.into.prepare(session.reader().schema)
            self.begin(slice_, session, seal, observer)
        with self._changing:
            loading = self._loads.pop(slice_.seq, None)
        if loading is None:
            return None
        try:
            loading.done.result()
        except BaseException as error:
            loading.load.abandon()
            _require_passing(error, slice_)
            return None
        return loading.load

    def close(self) -> None:
        """Give up all loads that were not taken, and begin none any more: what they hold is to change. Idempotent."""
        with self._changing:
            self._is_over = True
        self._give_up()
        self._threads.shutdown()

    @contextmanager
    def giving_way(self) -> Generator[None]:
        """A slice is stored within it from where it is staged: when that takes long, the loads behind it are given up.

        What they hold in the target somebody may wait for whom the sink puts before the slice. Neither would ever
        go on: a load ends in its turn, after the slice.
        """
        if not self._loads:
            yield
            return
        waiting = threading.Timer(PATIENCE_SECONDS, self._give_up)
        waiting.start()
        try:
            yield
        finally:
            waiting.cancel()
            waiting.join()

    def _give_up(self) -> None:
        """Without the lock, which one who begins a load may hold until the sink is done with the slice."""
        for seq in list(self._loads):
            loading = self._loads.pop(seq, None)
            if loading is None:
                continue
            loading.load.cancel()
            with suppress(Exception):  # of rows that nobody wants any more
                loading.done.result()
            loading.load.abandon()


def _is_worth_it(session: StagingSession, seal: Seal) -> bool:
    return seal.bytes >= WORTH_BYTES and session.handed_on is None and session.reader().schema is not None


def _require_passing(error: BaseException, slice_: Slice) -> None:
    """Raises the error again, unless what it says may have passed when the rows are stored from where they wait."""
    if not isinstance(error, DataPlaneError) or not error.may_pass("sink"):
        raise error
    log.info("slice %s is stored from where it is staged, since %s", slice_.seq, error.message)
