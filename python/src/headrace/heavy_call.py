"""The one run a worker may have in progress: its thread, its heartbeat, its end."""

from __future__ import annotations

import datetime
import logging
import threading
from contextlib import ExitStack, closing, suppress
from typing import Any

from headrace.answers import outcome
from headrace.conversation import ChunkStream, Conversation
from headrace.endpoints import registry
from headrace.errors import ConfigInvalid
from headrace.events import Finished
from headrace.ingestion import KNOWLEDGE_BASE
from headrace.logs import RUN_ID
from headrace.protocol import RunIngestionUnit
from headrace.redaction import Redaction
from headrace.replaying import ReplayedRows
from headrace.run import UnitRun, run_unit
from headrace.stagings import staging_provider
from headrace.watched_run import WatchedRun

log = logging.getLogger("headrace.worker")


class HeavyCall:
    """``runIngestionUnit``. Started once; everything but ``start`` may be called from any thread."""

    def __init__(
        self, request_id: Any, request: RunIngestionUnit, conversation: Conversation, redaction: Redaction
    ) -> None:
        self.request_id = request_id
        self.stream = ChunkStream(conversation, request_id)
        self.watched = WatchedRun(request.run_id, self.stream)
        self._request = request
        self._conversation = conversation
        self._redaction = redaction
        self._ended = threading.Event()
        self._open = ExitStack()
        self._thread = threading.Thread(target=self._run, name=f"run {request.run_id}", daemon=True)

    @property
    def is_over(self) -> bool:
        """True before its ``Exit`` is sent, so that the caller's next run finds the worker free."""
        return self._ended.is_set()

    def start(self) -> None:
        threading.Thread(target=self.watched.report_until, args=(self._ended,), daemon=True).start()
        self._thread.start()

    def abandon(self) -> None:
        self.watched.abandon()

    def join(self, timeout: float) -> bool:
        """Wait until the run has ended and its staging is gone. False: it has not within ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        RUN_ID.set(self._request.run_id)
        endpoints = [self._request.source, *([self._request.sink] if self._request.sink is not None else [])]
        answer = outcome(self._conversation, self._redaction, self.request_id, endpoints, self._work)
        self.stream.end()
        self._ended.set()
        with suppress(OSError):  # nobody is left to be told
            answer()
        with self._redaction.hiding(endpoints):
            self._close()

    def _work(self) -> None:
        finished = self._carry()
        finished.errors = [self._redaction.problem(error) for error in finished.errors]
        self.watched.tell(finished)

    def _close(self) -> None:
        """What a run that came to its end has left open: nobody waits for connections to be given back."""
        try:
            self._open.close()
        except Exception:
            log.exception("what a run had opened could not be closed")

    def _carry(self) -> Finished:
        request = self._request
        provider = staging_provider(request.staging_provider_id)
        if (request.sink is None) != (request.sink_endpoint_id is None):
            raise ConfigInvalid(
                "sink and sinkEndpointId must both be there or both be null.", details={"field": "sink"}
            )
        run = UnitRun(
            tenant=request.tenant,
            endpoint_id=request.endpoint_id,
            sink_id=request.sink_endpoint_id or KNOWLEDGE_BASE,
            unit_id=request.unit_id,
            run_id=request.run_id,
            epoch=request.epoch,
            generation=request.generation,
            next_seq=request.next_seq,
            checkpoint=request.checkpoint,
            policy=request.policy,
            deadline=_moment(request.deadline),
        )
        with ExitStack() as opened:
            source = opened.enter_context(
                closing(registry.source(request.source.template_id, request.source.parameters))
            )
            self.watched.on_interrupt(source.close)
            sink = None
            if request.sink is not None:
                sink = opened.enter_context(closing(registry.sink(request.sink.template_id, request.sink.parameters)))
                self.watched.on_interrupt(sink.close)
            read = source if request.replay is None else ReplayedRows(source, request.replay)
            finished = run_unit(run, read, sink, provider, self.watched)
            self._open = opened.pop_all()
            return finished


def _moment(text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigInvalid(f"The deadline {text!r} is no ISO 8601 time.", details={"field": "deadline"}) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
