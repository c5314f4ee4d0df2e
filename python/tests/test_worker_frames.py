"""What no frame may be, sent to a real worker: the connection is closed, and the process ends as if hung up on."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peer import Peer
from worker_process import Worker, greeted, run_request, staged, worker_process

from headrace import frames

GOLDENS: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[2] / "packages/core/protocol/frames.json").read_text()
)
ONE_OF_EACH = {golden["verdict"]: golden for golden in reversed(GOLDENS) if golden["verdict"] != "ok"}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[Peer, Worker]]:
    with greeted(tmp_path) as greeting:
        yield greeting


def ended_in_order(peer: Peer, worker: Worker) -> list[str]:
    """The messages of a worker that has closed the connection and ended by itself, without a traceback."""
    assert peer.is_closed()
    assert worker.ended() == 0
    assert not any("Traceback" in line for line in worker.written)
    return [line["message"] for line in worker.log]


@pytest.mark.parametrize("verdict", sorted(ONE_OF_EACH))
def test_a_frame_that_is_refused_closes_the_connection_and_crashes_nothing(
    worker: tuple[Peer, Worker], verdict: str
) -> None:
    peer, process = worker

    peer.connection.sendall(bytes.fromhex(ONE_OF_EACH[verdict]["hex"]))

    assert any(verdict in message for message in ended_in_order(peer, process))


def test_every_verdict_of_the_contract_is_tried() -> None:
    assert {"frame-too-large", "body-truncated", "not-a-map", "too-deep", "extension-type", "duplicate-key"} <= set(
        ONE_OF_EACH
    )


@pytest.mark.parametrize("sent", [b"\x00", b"\x00\x00\x00\x10", b"\x00\x00\x00\x10\x81\xa1a"])
def test_a_peer_that_hangs_up_inside_a_frame_has_hung_up(worker: tuple[Peer, Worker], sent: bytes) -> None:
    peer, process = worker
    peer.connection.sendall(sent)

    peer.hang_up()

    assert process.ended() == 0
    assert "hung up" in process.log[-1]["message"]


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"_tag": "Eof"},
        {"_tag": 7},
        {"_tag": "Request", "id": 1, "tag": "preview"},
        {"_tag": "Request", "id": None, "tag": "preview", "payload": {}},
        {"_tag": "Request", "id": 1, "tag": ["preview"], "payload": {}},
        {"_tag": "Ack"},
    ],
    ids=repr,
)
def test_a_frame_of_a_kind_that_is_none_of_ours_closes_the_connection(
    worker: tuple[Peer, Worker], frame: dict[str, Any]
) -> None:
    peer, process = worker

    peer.send(frame)

    assert any("none of ours" in message for message in ended_in_order(peer, process))


@pytest.mark.parametrize("payload", [None, 7, "text", [], {"endpoint": []}, {"family": None, "more": 1}], ids=repr)
@pytest.mark.parametrize("tag", ["listTemplates", "preview", "runIngestionUnit", "decide", "sweepStaging"])
def test_a_payload_that_is_no_message_fails_its_call_and_nothing_else(shared: Peer, tag: str, payload: Any) -> None:
    failed = shared.failure(tag, payload)

    assert (failed["_tag"], failed["error"]["tag"], failed["error"]["retry"]) == ("Fail", "Bug", "Never")
    assert "no " in failed["error"]["message"]
    shared.ping()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with greeted(tmp_path_factory.mktemp("shared")) as (peer, _):
        yield peer


def test_a_frame_before_hello_gets_the_same_verdict(tmp_path: Path) -> None:
    with worker_process(tmp_path) as (peer, process):
        peer.connection.sendall(struct.pack(">I", frames.MAXIMUM_FRAME_BYTES + 1))

        assert any("frame-too-large" in message for message in ended_in_order(peer, process))


def test_a_frame_that_is_refused_in_mid_run_drops_the_staging_of_the_run(
    worker: tuple[Peer, Worker], tmp_path: Path
) -> None:
    """P31"""
    peer, process = worker
    run = peer.request("runIngestionUnit", run_request())
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)
    assert staged(tmp_path) != []

    peer.connection.sendall(bytes.fromhex(ONE_OF_EACH["not-a-map"]["hex"]))

    assert process.ended() == 0
    assert staged(tmp_path) == []
