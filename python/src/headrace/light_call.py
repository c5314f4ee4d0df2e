"""A call that is one answer: a thread of its own, and an end when the caller gives it up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from headrace.answers import outcome
from headrace.calls import CALLS, OPENED, decoded, endpoints_of
from headrace.conversation import Conversation
from headrace.endpoint import SourceEndpoint
from headrace.errors import DataPlaneError, problem
from headrace.observer import RunInterrupted
from headrace.protocol import Json
from headrace.redaction import Redaction

log = logging.getLogger("headrace.worker")


class LightCall:
    """Any of ``CALLS``. Started once; ``abandon`` may come from any thread."""

    def __init__(
        self, request_id: Any, tag: str, payload: Any, conversation: Conversation, redaction: Redaction
    ) -> None:
        self._request_id = request_id
        self._tag = tag
        self._payload = payload
        self._conversation = conversation
        self._redaction = redaction
        self._changing = threading.Lock()
        self._opened: list[SourceEndpoint] = []
        self._abandoned = False

    def start(self, ended: Callable[[], object]) -> None:
        """``ended`` is called before the answer is sent."""
        threading.Thread(target=self._run, args=(ended,), daemon=True).start()

    def abandon(self) -> None:
        """Close what the call has opened: a source that waits for its system ends its wait."""
        with self._changing:
            self._abandoned = True
            opened = list(self._opened)
        for source in opened:
            threading.Thread(target=source.close, daemon=True).start()

    def _run(self, ended: Callable[[], object]) -> None:
        OPENED.set(self._note)
        kind, call = CALLS[self._tag]
        try:
            request = decoded(self._payload, kind)
        except DataPlaneError as refusal:
            ended()
            self._conversation.fail(self._request_id, problem(refusal))
            return
        endpoints = endpoints_of(request)
        answer = outcome(
            self._conversation, self._redaction, self._request_id, endpoints, lambda: self._work(call, request)
        )
        ended()
        try:
            answer()
        except OSError:
            log.info("nobody is left to be told what call %s found", self._request_id)

    def _work(self, call: Callable[[Any], Json], request: Any) -> Json:
        try:
            value = call(request)
        except Exception as error:
            if self._abandoned:
                raise RunInterrupted from error
            raise
        if self._abandoned:
            raise RunInterrupted
        return value

    def _note(self, source: SourceEndpoint) -> None:
        with self._changing:
            self._opened.append(source)
            is_late = self._abandoned
        if is_late:
            raise RunInterrupted
