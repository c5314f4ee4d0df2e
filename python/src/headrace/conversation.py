"""The worker's end of the socket: answers, and streams that wait for their Acks.

Writing is serialised, so frames of several calls never mix. A stream runs at
most four chunks ahead of the Acks; progress that finds no room is dropped,
everything else waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from headrace import frames
from headrace.events import Progress, RunEvent
from headrace.protocol import Json, Problem

log = logging.getLogger("headrace.worker")

WINDOW = 4


class Wire(Protocol):
    def sendall(self, data: bytes, /) -> None: ...


class Conversation:
    """What can be said on one connection. Any thread may speak."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()

    def succeed(self, request_id: Any, value: Json) -> None:
        self._exit(request_id, {"_tag": "Success", "value": value})

    def fail(self, request_id: Any, error: Problem) -> None:
        self._exit(request_id, _failure({"_tag": "Fail", "error": error}))

    def die(self, request_id: Any, name: str, message: str) -> None:
        self._exit(request_id, _failure({"_tag": "Die", "defect": {"name": name, "message": message}}))

    def interrupted(self, request_id: Any) -> None:
        self._exit(request_id, _failure({"_tag": "Interrupt", "fiberId": None}))

    def pong(self) -> None:
        self._send({"_tag": "Pong"})

    def chunk(self, request_id: Any, event: RunEvent) -> None:
        """Raises what ``frames.encode`` raises for an event that no frame can say."""
        self._send({"_tag": "Chunk", "requestId": request_id, "values": [event]})

    def _exit(self, request_id: Any, exit_: Mapping[str, Json]) -> None:
        try:
            data = frames.encode({"_tag": "Exit", "requestId": request_id, "exit": exit_})
        except (TypeError, OverflowError, ValueError, RecursionError) as error:
            # The caller waits for an answer: without one it would wait for ever.
            log.error("the answer to call %s fits no frame: %s", request_id, error)
            self.die(request_id, "UnsayableAnswer", f"The answer fits no frame: {error}.")
            return
        self._write(data)

    def _send(self, frame: Mapping[str, Json]) -> None:
        self._write(frames.encode(frame))

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._wire.sendall(data)


class ChunkStream:
    """One call's chunks. ``end`` frees whoever waits for room."""

    def __init__(self, conversation: Conversation, request_id: Any) -> None:
        self._conversation = conversation
        self._request_id = request_id
        self._room = threading.Condition()
        self._unacknowledged = 0
        self._ended = False

    def say(self, event: RunEvent) -> bool:
        """Send when there is room. False: the stream has ended, or it was progress and there was no room."""
        with self._room:
            if isinstance(event, Progress) and self._unacknowledged >= WINDOW:
                return False
            self._room.wait_for(lambda: self._ended or self._unacknowledged < WINDOW)
            if self._ended:
                return False
            self._unacknowledged += 1
            try:
                self._conversation.chunk(self._request_id, event)
            except OSError:
                self._ended = True  # the peer is gone; the thread that reads will hear it too
            return not self._ended

    def acknowledged(self) -> None:
        with self._room:
            self._unacknowledged = max(0, self._unacknowledged - 1)
            self._room.notify()

    def end(self) -> None:
        with self._room:
            self._ended = True
            self._room.notify_all()


def _failure(cause: Mapping[str, Json]) -> dict[str, Json]:
    return {"_tag": "Failure", "cause": [cause]}
