"""``python -m headrace.worker --socket PATH``: do what the control plane asks until it hangs up.

Knows the protocol and the registry, and no endpoint by name. The thread that
reads the socket never waits for anything else: a light call has a thread of its
own, and so has the one run that may be in progress. When the socket closes, the
run ends at its next batch, its staging is dropped, and the process exits.
"""

from __future__ import annotations

import argparse
import ctypes
import hmac
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from headrace import frames
from headrace.answers import outcome
from headrace.calls import CALLS, decoded, hello_answer, sweep_staging
from headrace.contract import CONTRACT_FINGERPRINT
from headrace.conversation import Conversation
from headrace.errors import ConfigInvalid, DataPlaneError, problem
from headrace.heavy_call import HeavyCall
from headrace.light_call import LightCall
from headrace.listening import NotPrivate, accept_one
from headrace.logs import log_to_stderr
from headrace.protocol import PROTOCOL_VERSION, Decide, Hello, RunIngestionUnit, SweepStaging
from headrace.redaction import Redaction

log = logging.getLogger("headrace.worker")

TOKEN = "HEADRACE_WORKER_TOKEN"
STARTER = "HEADRACE_WORKER_STARTER"
"""Holds the id of the process that started this one: it may be gone before we can ask who our parent is."""

PATIENCE_SECONDS = 3.0
"""How long a run may take to end when the control plane has hung up.

Less than the five seconds after which the supervisor kills a worker that it told
to end: one that ends by itself says why, and takes down what it can.
"""

_NO_NEW_PRIVILEGES = 38


class Worker:
    """One connection's worth of work."""

    def __init__(self, conversation: Conversation, token: str, redaction: Redaction) -> None:
        self._conversation = conversation
        self._token = token
        self._redaction = redaction
        self._heavy: HeavyCall | None = None
        self._light: dict[int | str, LightCall] = {}
        self._greeted = False

    def serve(self, stream: BinaryIO) -> bool:
        """Answer until the peer hangs up or breaks the protocol. False: a run could not be ended in time."""
        try:
            while self._receive(frames.read(stream)):
                pass
        except frames.FrameRefused as refusal:
            log.error("the connection is closed: %s", refusal)
        except (EOFError, OSError):
            log.info("the control plane has hung up")
        if self._heavy is None:
            return True
        self._heavy.abandon()
        return self._heavy.join(PATIENCE_SECONDS)

    def _receive(self, frame: Mapping[str, Any]) -> bool:
        """Deal with one frame. False: the connection is to be closed."""
        match frame:
            case {"_tag": "Ping"}:
                self._conversation.pong()
            case {"_tag": "Request", "id": int() | str() as request_id, "tag": str(tag), "payload": payload}:
                return self._request(request_id, tag, payload)
            case {"_tag": "Ack", "requestId": request_id}:
                if self._heavy is not None and self._heavy.request_id == request_id:
                    self._heavy.stream.acknowledged()
            case {"_tag": "Interrupt", "requestId": int() | str() as request_id}:
                self._interrupt(request_id)
            case _:
                log.error("the connection is closed: a frame of kind %r is none of ours", frame.get("_tag"))
                return False
        return True

    def _request(self, request_id: int | str, tag: str, payload: Any) -> bool:
        if not self._greeted:
            return self._hello(request_id, tag, payload)
        if tag == "runIngestionUnit":
            self._start(request_id, payload)
        elif tag == "decide":
            self._answer(request_id, lambda: self._decide(decoded(payload, Decide)))
        elif tag in CALLS:
            self._light[request_id] = LightCall(request_id, tag, payload, self._conversation, self._redaction)
            self._light[request_id].start(lambda: self._light.pop(request_id, None))
        else:
            self._conversation.die(request_id, "UnknownCall", f"The worker knows no call {tag!r}.")
        return True

    def _hello(self, request_id: int | str, tag: str, payload: Any) -> bool:
        try:
            if tag != "hello":
                raise ConfigInvalid("The first call of a connection is hello.")
            _require_same_contract(decoded(payload, Hello), self._token)
        except DataPlaneError as refusal:
            log.error("the connection is closed: %s", refusal.message)
            self._conversation.fail(request_id, problem(ConfigInvalid(refusal.message, details=refusal.details)))
            return False
        self._greeted = True
        self._answer(request_id, hello_answer)
        return True

    def _interrupt(self, request_id: int | str) -> None:
        """A call that is over by now, or never was, is nobody's mistake."""
        light = self._light.get(request_id)
        if light is not None:
            light.abandon()
        elif self._heavy is not None and self._heavy.request_id == request_id:
            self._heavy.abandon()

    def _start(self, request_id: int | str, payload: Any) -> None:
        try:
            if self._heavy is not None and not self._heavy.is_over:
                raise ConfigInvalid("This worker carries another unit. Wait until it ends, or ask another worker.")
            request = decoded(payload, RunIngestionUnit)
        except DataPlaneError as refusal:
            self._conversation.fail(request_id, problem(refusal))
            return
        self._heavy = HeavyCall(request_id, request, self._conversation, self._redaction)
        self._heavy.start()

    def _decide(self, request: Decide) -> None:
        heavy = self._heavy
        question = (request.slice_seq, request.batch)
        if (
            heavy is None
            or heavy.watched.run_id != request.run_id
            or not heavy.watched.decide(question, request.verdict)
        ):
            raise ConfigInvalid(
                f"No run {request.run_id!r} of this worker waits for a verdict on slice {request.slice_seq}."
            )

    def _answer(self, request_id: int | str, work: Any) -> None:
        outcome(self._conversation, self._redaction, request_id, [], work)()


def _require_same_contract(hello: Hello, token: str) -> None:
    if not hmac.compare_digest(hello.token.encode(), token.encode()):
        raise ConfigInvalid("The token is not the one this worker was started with.", details={"field": "token"})
    if not hello.protocol.min <= PROTOCOL_VERSION <= hello.protocol.max:
        raise ConfigInvalid(
            f"This worker speaks protocol {PROTOCOL_VERSION}; asked for were {hello.protocol.min} to "
            f"{hello.protocol.max}. Install the same version of Headrace on both sides.",
            details={"field": "protocol"},
        )
    if hello.contract_fingerprint != CONTRACT_FINGERPRINT:
        raise ConfigInvalid(
            "The two ends were built from different contracts. Install the same version of Headrace on both sides.",
            details={"field": "contractFingerprint"},
        )


def converse(connection: socket.socket, token: str, redaction: Redaction) -> bool:
    """Serve one connection to its end. False: a run could not be ended in time."""
    with connection, connection.makefile("rb") as stream:
        return Worker(Conversation(connection), token, redaction).serve(cast(BinaryIO, stream))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m headrace.worker")
    parser.add_argument("--socket", required=True, type=Path, help="path of the Unix socket to listen on")
    path: Path = parser.parse_args().socket
    token, starter = os.environ.pop(TOKEN, ""), os.environ.pop(STARTER, "")
    redaction = Redaction()
    log_to_stderr(redaction, os.environ.get("HEADRACE_LOG_LEVEL", "INFO").upper())
    if not token:
        log.error("%s is not set: a worker is started by the server, which sets it", TOKEN)
        return 2
    _confine()
    _drop_what_the_dead_staged()
    try:
        connection = accept_one(path, int(starter) if starter.isdecimal() else None)
    except (NotPrivate, OSError) as error:
        log.error("the worker cannot listen: %s", error)
        return 2
    if connection is None:
        log.error("the process that started this worker is gone")
        return 1
    _hang_up_on_sigterm(connection)
    return 0 if converse(connection, token, redaction) else 1


def _drop_what_the_dead_staged() -> None:
    """A worker that was killed could not: the one that replaces it does. Sessions of the living are not touched."""
    try:
        swept = sweep_staging(SweepStaging(older_than_seconds=0, keep=[]))
    except DataPlaneError as error:
        log.warning("what dead processes staged is left for later: %s", error.message)
        return
    if swept.sessions > 0:
        log.info("%s staging sessions of dead processes were deleted, %s bytes", swept.sessions, swept.bytes)


def _hang_up_on_sigterm(connection: socket.socket) -> None:
    def hang_up(_signal: int, _frame: object) -> None:
        with suppress(OSError):  # the peer was faster
            connection.shutdown(socket.SHUT_RD)

    signal.signal(signal.SIGTERM, hang_up)


def _confine() -> None:
    """Give up what a worker never needs: core files, privileges by exec, files for others, Ctrl-C of the terminal."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        log.warning("no_new_privs could not be set on this platform")


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # threads of light calls that still wait for a system must not hold the process
