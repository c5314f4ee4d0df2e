"""A run whose observer is the control plane at the other end of the socket.

Every event is a chunk; every question waits for its ``decide``. A thread of its
own reports the main loop's progress, so that a silent source and a dead worker
can be told apart: at most four times a second, at least every five seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from headrace.conversation import ChunkStream
from headrace.errors import RowRejected
from headrace.events import Phase, Progress, Records, RunEvent, Sealed
from headrace.frames import FrameRefused
from headrace.observer import Answer, RunInterrupted
from headrace.protocol import Verdict

log = logging.getLogger("headrace.worker")

OFTEN_SECONDS = 0.25
SELDOM_SECONDS = 5.0

Question = tuple[int, int | None]
"""The slice and the batch that a verdict is for; no batch for the slice as a whole."""


class WatchedRun:
    """The observer of one run. ``abandon`` and ``decide`` are called by the thread that reads the socket."""

    def __init__(self, run_id: str, stream: ChunkStream) -> None:
        self.run_id = run_id
        self._stream = stream
        self._changed = threading.Condition()
        self._verdicts: dict[Question, Verdict | None] = {}
        self._interrupted = False
        self._on_interrupt: list[Callable[[], None]] = []
        self._moving = threading.Lock()
        self._progress = Progress(phase="plan", slice_seq=None, rows=0, bytes=0, counter=0)

    @property
    def is_interrupted(self) -> bool:
        return self._interrupted

    def tell(self, event: RunEvent) -> None:
        if not self._stream.say(event) or self._interrupted:
            raise RunInterrupted

    def ask(self, event: Sealed | Records) -> Answer:
        question = (event.slice_seq, event.batch if isinstance(event, Records) else None)
        with self._changed:
            self._verdicts[question] = None
        try:
            self.tell(event)
        except FrameRefused as refusal:
            raise RowRejected(
                f"Slice {event.slice_seq} holds a record that no message can carry ({refusal.verdict}). "
                "Make the record smaller or flatter in the source.",
                role="source",
                details={"sliceSeq": event.slice_seq, "verdict": refusal.verdict},
            ) from refusal
        return lambda: self._answer(question)

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        with self._moving:
            said = self._progress
            self._progress = Progress(
                phase=phase,
                slice_seq=slice_seq,
                rows=said.rows + rows,
                bytes=said.bytes + bytes,
                counter=said.counter + 1,
            )
        if self._interrupted:
            raise RunInterrupted

    def decide(self, question: Question, verdict: Verdict) -> bool:
        """Answer a question. False when it is not open."""
        with self._changed:
            if self._verdicts.get(question, verdict) is not None:
                return False
            self._verdicts[question] = verdict
            self._changed.notify_all()
        return True

    def abandon(self) -> None:
        """End the run: at its next batch, or at once where it waits or blocks."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()
            hooks = list(self._on_interrupt)
        self._stream.end()
        for hook in hooks:
            threading.Thread(target=_attempt, args=(hook,), daemon=True).start()

    def on_interrupt(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` when the run is given up, or now if it was: it ends what the run may be blocked in.

        It has a thread of its own, because closing a connection may take long.
        """
        with self._changed:
            self._on_interrupt.append(hook)
            if not self._interrupted:
                return
        _attempt(hook)

    def report_until(self, ended: threading.Event) -> None:
        """Say how far the run is until it ends. The body of the heartbeat's thread."""
        said, said_at = self._progress, time.monotonic()
        while not ended.wait(OFTEN_SECONDS):
            now, progress = time.monotonic(), self._progress
            if progress.counter == said.counter and now - said_at < SELDOM_SECONDS:
                continue
            if self._stream.say(progress):
                said, said_at = progress, now

    def _answer(self, question: Question) -> Verdict:
        with self._changed:
            self._changed.wait_for(lambda: self._interrupted or self._verdicts[question] is not None)
            verdict = self._verdicts.pop(question)
        if verdict is None or self._interrupted:
            raise RunInterrupted
        return verdict


def _attempt(hook: Callable[[], None]) -> None:
    """The run ends all the same when it cannot be ended sooner."""
    try:
        hook()
    except Exception:
        log.exception("what a run was blocked in could not be ended")
