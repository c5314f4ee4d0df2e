"""The control plane's side of a conversation: a worker in a thread or a process, and what is said to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from headrace import frames
from headrace.contract import CONTRACT_FINGERPRINT
from headrace.redaction import Redaction
from headrace.worker import converse

TOKEN = "f" * 64
SECONDS = 20.0


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

    def exit(self, request_id: int) -> dict[str, Any]:
        frame = self.of_request(request_id)
        assert frame["_tag"] == "Exit", frame
        return frame["exit"]

    def call(self, tag: str, payload: Any) -> dict[str, Any]:
        return self.exit(self.request(tag, payload))

    def greet(self, token: str = TOKEN) -> dict[str, Any]:
        hello = {"protocol": {"min": 1, "max": 1}, "token": token, "contractFingerprint": CONTRACT_FINGERPRINT}
        return self.exit(self.request("hello", hello, request_id=0))

    def is_closed(self) -> bool:
        """Wait until the worker hangs up."""
        return self._stream.read(1) == b""

    def hang_up(self) -> None:
        self._stream.close()
        self.connection.close()


@contextmanager
def worker_thread() -> Generator[Peer]:
    """A worker in a thread of this process. Leaving hangs up and waits for it."""
    ours, theirs = socket.socketpair()
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(converse(theirs, TOKEN, Redaction())))
    thread.start()
    peer = Peer(ours)
    try:
        yield peer
    finally:
        peer.hang_up()
        thread.join(SECONDS)
        assert ended == [True], "the worker did not end when its socket closed"


@contextmanager
def worker_process(**environment: str) -> Generator[tuple[Peer, subprocess.Popen[str]]]:
    """A worker as the server starts it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "worker.sock"
        process = start_worker(path, **environment)
        try:
            yield Peer(connect(path, process)), process
        finally:
            process.kill()
            process.communicate()


def start_worker(path: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.worker", "--socket", str(path)],
        env={**os.environ, "HEADRACE_WORKER_TOKEN": TOKEN, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def connect(path: Path, process: subprocess.Popen[str]) -> socket.socket:
    """Connect once the worker says that it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if '"listening"' in line:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(path))
            return connection
    raise AssertionError("the worker ended before it listened")
