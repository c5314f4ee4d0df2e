"""The control plane's side of a conversation with a worker."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from headrace import frames
from headrace.contract import CONTRACT_FINGERPRINT

TOKEN = "f" * 64
SECONDS = 20.0
"""Nothing a worker does takes so long; a test that waits longer fails instead of hanging."""


class Peer:
    """One end of a socket whose other end is a worker. Frames of other requests wait until they are asked for."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self.connection = connection
        self._stream = cast(BinaryIO, connection.makefile("rb"))
        self._waiting: list[dict[str, Any]] = []
        self._next_id = 100

    def send(self, frame: dict[str, Any]) -> None:
        self.connection.sendall(frames.encode(frame))

    def request(self, tag: str, payload: Any, request_id: int | None = None) -> int:
        self._next_id += 1
        number = self._next_id if request_id is None else request_id
        self.send({"_tag": "Request", "id": number, "tag": tag, "payload": payload, "headers": []})
        return number

    def interrupt(self, request_id: int) -> None:
        self.send({"_tag": "Interrupt", "requestId": request_id})

    def receive(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame that fits, among those that wait and those to come."""
        for position, frame in enumerate(self._waiting):
            if fits(frame):
                return self._waiting.pop(position)
        while True:
            frame = frames.read(self._stream)
            if fits(frame):
                return frame
            self._waiting.append(frame)

    def of_request(self, request_id: int, *, acknowledge: bool = True) -> dict[str, Any]:
        """The next frame of that request, but for progress, which is acknowledged and skipped."""
        while True:
            frame = self.receive(lambda frame: frame.get("requestId") == request_id)
            is_chunk = frame["_tag"] == "Chunk"
            is_progress = is_chunk and frame["values"][0]["_tag"] == "Progress"
            if is_progress or (is_chunk and acknowledge):
                self.send({"_tag": "Ack", "requestId": request_id})
            if not is_progress:
                return frame

    def event(self, request_id: int, tag: str) -> dict[str, Any]:
        """The next event of a stream, which must be a ``tag``."""
        frame = self.of_request(request_id)
        assert frame["_tag"] == "Chunk", frame
        (value,) = frame["values"]
        assert value["_tag"] == tag, value
        return value

    def progress(self, request_id: int) -> dict[str, Any]:
        """The next progress of a stream."""
        frame = self.receive(
            lambda frame: (
                frame.get("requestId") == request_id and frame.get("values", [{}])[0].get("_tag") == "Progress"
            )
        )
        self.send({"_tag": "Ack", "requestId": request_id})
        return frame["values"][0]

    def exit(self, request_id: int) -> dict[str, Any]:
        frame = self.of_request(request_id)
        assert frame["_tag"] == "Exit", frame
        return frame["exit"]

    def call(self, tag: str, payload: Any) -> Any:
        """What a call that succeeds returns."""
        exit_ = self.exit(self.request(tag, payload))
        assert exit_["_tag"] == "Success", exit_
        return exit_["value"]

    def failure(self, tag: str, payload: Any) -> dict[str, Any]:
        """The cause of a call that does not succeed."""
        return self.cause(self.request(tag, payload))

    def cause(self, request_id: int) -> dict[str, Any]:
        """Why a request did not succeed: a ``Fail``, a ``Die`` or an ``Interrupt``."""
        exit_ = self.exit(request_id)
        assert exit_["_tag"] == "Failure", exit_
        (cause,) = exit_["cause"]
        return cause

    def decide(self, run_id: str, slice_seq: int, verdict: str = "commit", batch: int | None = None) -> None:
        assert self.call("decide", {"runId": run_id, "sliceSeq": slice_seq, "batch": batch, "verdict": verdict}) is None

    def greet(self, token: str = TOKEN) -> dict[str, Any]:
        hello = {"protocol": {"min": 1, "max": 1}, "token": token, "contractFingerprint": CONTRACT_FINGERPRINT}
        return self.exit(self.request("hello", hello, request_id=0))

    def ping(self) -> None:
        """Ask whether the worker hears, and wait until it says so."""
        self.send({"_tag": "Ping"})
        self.receive(lambda frame: frame["_tag"] == "Pong")

    def is_closed(self) -> bool:
        """Wait until the worker hangs up."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:  # it left something of ours unread
            return True

    def hang_up(self) -> None:
        self._stream.close()
        self.connection.close()
