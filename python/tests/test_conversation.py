"""The worker's end of a socket: whole frames, an answer to every request, and streams that wait for room."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from headrace import frames
from headrace.conversation import WINDOW, ChunkStream, Conversation
from headrace.errors import RowRejected, problem
from headrace.events import Planned, Progress, Records, RunEvent, Sealed
from headrace.observer import RunInterrupted
from headrace.protocol import GraphScope, NormalizedRecord, Provenance
from headrace.watched_run import WatchedRun

PROGRESS = Progress(phase="export", slice_seq=0, rows=1, bytes=1, counter=1)
PLANNED = Planned(slices=1, estimated_rows=None, strategy="by position", resumes=True)


class Wire:
    """A socket that keeps what is sent. ``is_broken``: its peer is gone."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = threading.Condition()
        self.is_broken = False

    def sendall(self, data: bytes, /) -> None:
        if self.is_broken:
            raise BrokenPipeError
        for byte in data:  # as a socket may: one piece after the other, and others in between
            self._data.append(byte)
        with self._changed:
            self._changed.notify_all()

    @property
    def sent(self) -> list[dict[str, Any]]:
        data, found = bytes(self._data), list[dict[str, Any]]()
        stream = io.BytesIO(data)
        while stream.tell() < len(data):
            found.append(frames.read(stream))
        return found

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._has(count), timeout=20)

    def _has(self, count: int) -> bool:
        try:
            return len(self.sent) >= count
        except EOFError:  # another frame is under way, whose end will be told
            return False


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def stream(wire: Wire) -> ChunkStream:
    return ChunkStream(Conversation(wire), 1)


@contextmanager
def speaking(stream: ChunkStream) -> Generator[Callable[[RunEvent], Future[bool]]]:
    """Says events from a thread of its own, which may wait for room until the body is over."""
    with ThreadPoolExecutor(1) as speaker:
        try:
            yield lambda event: speaker.submit(stream.say, event)
        finally:
            for _ in range(100):
                stream.acknowledged()
            stream.end()


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_frames_of_several_speakers_do_not_mix(wire: Wire) -> None:
    conversation = Conversation(wire)

    with ThreadPoolExecutor(8) as speakers:
        list(speakers.map(lambda n: conversation.succeed(n, f"{n}" * 3000), range(40)))

    said = {frame["requestId"]: frame["exit"]["value"] for frame in wire.sent}
    assert said == {n: f"{n}" * 3000 for n in range(40)}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNSAYABLE: dict[str, Any] = {
    "an object": object(),
    "a wide number": 2**70,
    "a large text": "x" * frames.MAXIMUM_FRAME_BYTES,
    "a lone surrogate": "\ud800",
    "33 levels": nested(33),
    "a hundred thousand levels": nested(100_000),
}


@pytest.mark.parametrize("what", UNSAYABLE)
def test_a_request_has_one_answer_also_when_that_fits_no_frame(wire: Wire, what: str) -> None:
    Conversation(wire).succeed(7, UNSAYABLE[what])

    (frame,) = wire.sent
    assert frame["requestId"] == 7
    assert frame["exit"]["cause"][0]["defect"]["name"] == "UnsayableAnswer"


def test_a_failure_whose_details_fit_no_frame_is_answered_too(wire: Wire) -> None:
    Conversation(wire).fail(7, problem(RowRejected("no", details={"row": object()})))

    assert wire.sent[0]["exit"]["cause"][0]["_tag"] == "Die"


def test_progress_that_finds_no_room_is_dropped(stream: ChunkStream, wire: Wire) -> None:
    with speaking(stream) as say:
        assert all(say(PLANNED).result(20) for _ in range(WINDOW))

        assert say(PROGRESS).result(20) is False
        stream.acknowledged()

        assert say(PROGRESS).result(20)
    assert len(wire.sent) == WINDOW + 1


def test_everything_else_waits_for_room(stream: ChunkStream, wire: Wire) -> None:
    with speaking(stream) as say:
        said = [say(PLANNED) for _ in range(WINDOW + 1)]
        wire.wait_for(WINDOW)
        assert not said[-1].done()

        stream.acknowledged()

        assert all(each.result(20) for each in said)
    assert len(wire.sent) == WINDOW + 1


def test_acks_that_nothing_waits_for_make_no_room(stream: ChunkStream) -> None:
    for _ in range(10):
        stream.acknowledged()

    assert [stream.say(PLANNED) for _ in range(WINDOW)] == [True] * WINDOW
    assert stream.say(PROGRESS) is False


@pytest.mark.parametrize("attempt", range(20))
def test_whoever_waits_for_room_is_freed_by_the_end(attempt: int) -> None:
    wire = Wire()
    stream = ChunkStream(Conversation(wire), 1)
    with speaking(stream) as say:
        said = [say(PLANNED) for _ in range(WINDOW + 1)]
        wire.wait_for(WINDOW)

        stream.end()

        assert said[-1].result(20) is False
    assert len(wire.sent) == WINDOW


def test_nothing_is_said_after_the_end(stream: ChunkStream, wire: Wire) -> None:
    stream.end()

    assert (stream.say(PLANNED), stream.say(PROGRESS), wire.sent) == (False, False, [])


def test_a_stream_whose_peer_is_gone_has_ended(stream: ChunkStream, wire: Wire) -> None:
    wire.is_broken = True
    assert stream.say(PLANNED) is False

    wire.is_broken = False
    assert stream.say(PLANNED) is False


# ---- the run that is watched


@pytest.fixture
def watched(stream: ChunkStream) -> WatchedRun:
    return WatchedRun("run-1", stream)


def sealed(slice_seq: int) -> Sealed:
    return Sealed(
        slice_seq=slice_seq, from_=None, to=None, read=0, rows=0, rejected=0, filtered=0, sha256="", bytes=0
    )  # fmt: skip


def records(batch: int, payload: Any = None) -> Records:
    return Records(
        slice_seq=0,
        batch=batch,
        records=[
            NormalizedRecord(
                entity_type="docs.page", logical_id="page", display_name="Page", scope=GraphScope(),
                provenance=Provenance(endpoint_id="wiki", vendor="test"), payload={"value": payload},
            )
        ],
    )  # fmt: skip


def test_verdicts_find_their_questions_in_any_order(watched: WatchedRun) -> None:
    answers = [watched.ask(records(0)), watched.ask(records(1)), watched.ask(sealed(0))]

    assert watched.decide((0, None), "abort")
    assert watched.decide((0, 1), "stop")
    assert watched.decide((0, 0), "commit")

    assert [answer() for answer in answers] == ["commit", "stop", "abort"]


def test_a_verdict_for_what_is_not_asked_or_is_answered_is_refused(watched: WatchedRun) -> None:
    answer = watched.ask(sealed(3))

    assert watched.decide((4, None), "commit") is False
    assert watched.decide((3, None), "stop") is True
    assert watched.decide((3, None), "commit") is False
    assert answer() == "stop"
    assert watched.decide((3, None), "commit") is False


def test_after_a_run_was_given_up_every_call_ends_it_and_nothing_is_said(watched: WatchedRun, wire: Wire) -> None:
    answer = watched.ask(sealed(0))
    watched.abandon()
    said = len(wire.sent)

    for call in (
        answer,
        lambda: watched.tell(PLANNED),
        lambda: watched.ask(sealed(1)),
        lambda: watched.moved("export", 0, 1, 1),
    ):
        with pytest.raises(RunInterrupted):
            call()

    assert watched.is_interrupted
    assert len(wire.sent) == said


def test_a_hook_is_called_when_the_run_is_given_up_or_at_once_if_it_was(watched: WatchedRun) -> None:
    called = threading.Event()
    watched.on_interrupt(called.set)
    assert not called.is_set()

    watched.abandon()
    assert called.wait(20)

    late: list[int] = []
    watched.on_interrupt(lambda: late.append(1))
    assert late == [1]


def test_a_hook_that_fails_does_not_fail_who_gives_the_run_up(watched: WatchedRun) -> None:
    watched.abandon()

    def fails() -> None:
        raise ConnectionResetError

    watched.on_interrupt(fails)


def test_a_record_that_no_message_can_carry_is_a_row_that_is_rejected(watched: WatchedRun) -> None:
    for payload, verdict in ((nested(40), "too-deep"), ("x" * frames.MAXIMUM_FRAME_BYTES, "frame-too-large")):
        with pytest.raises(RowRejected) as refusal:
            watched.ask(records(0, payload))
        assert (refusal.value.role, refusal.value.details["verdict"]) == ("source", verdict)


def test_progress_is_said_while_the_run_goes_on_and_only_then(watched: WatchedRun, wire: Wire) -> None:
    ended = threading.Event()
    watched.moved("export", 2, 10, 100)
    heartbeat = threading.Thread(target=watched.report_until, args=(ended,))
    heartbeat.start()
    watched.moved("export", 2, 5, 50)
    wire.wait_for(1)
    ended.set()
    heartbeat.join(20)

    assert wire.sent[0]["values"] == [
        {"_tag": "Progress", "phase": "export", "sliceSeq": 2, "rows": 15, "bytes": 150, "counter": 2}
    ]
    assert not heartbeat.is_alive()
