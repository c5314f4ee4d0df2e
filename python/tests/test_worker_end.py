"""How a worker and its run end before their end: told to, left alone, or killed; and what stays in staging."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peer import Peer
from worker_process import Worker, greeted, run_request, source, staged, worker_process

from headrace.worker import PATIENCE_SECONDS


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[Peer, Worker]]:
    with greeted(tmp_path) as greeting:
        yield greeting


def until_it_reads(peer: Peer, worker: Worker, directory: Path) -> int:
    """A run that is in the middle of a slice: one row is staged, and the source waits for the gate."""
    asked = run_request()
    asked["source"]["parameters"]["gate"] = str(directory / "gate")
    run = peer.request("runIngestionUnit", asked)
    peer.event(run, "Opened")
    peer.event(run, "Planned")
    return run


def until_its_source_blocks(peer: Peer, worker: Worker, directory: Path) -> int:
    """A run whose source waits inside a system and looks at nothing."""
    odd = source("test.odd", doing="waits", password="canary")
    run = peer.request("runIngestionUnit", run_request(unitId="odd", source=odd))
    worker.wait_for_line("waiting")
    assert staged(directory) != []
    return run


def until_it_asks(peer: Peer, worker: Worker, directory: Path) -> int:
    """A run that waits for a verdict."""
    run = peer.request("runIngestionUnit", run_request())
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)
    assert staged(directory) != []
    return run


def until_it_has_no_room(peer: Peer, worker: Worker, directory: Path) -> int:
    """A run of which nobody acknowledges anything: it may say four things and waits with the fifth."""
    run = peer.request("runIngestionUnit", run_request())
    for _ in range(3):
        peer.of_request(run, acknowledge=False)
    peer.decide("run-1", 0)
    peer.of_request(run, acknowledge=False)
    return run


def until_its_sink_blocks(peer: Peer, worker: Worker, directory: Path) -> int:
    """A run whose sink waits inside a system and looks at nothing."""
    odd = {"id": "lake", "templateId": "test.odd", "parameters": {"doing": "waits", "password": "canary"}}
    run = peer.request("runIngestionUnit", run_request(sink=odd))
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)
    peer.decide("run-1", 0)
    worker.wait_for_line("waiting")
    assert staged(directory) != []
    return run


WHERE: list[Callable[[Peer, Worker, Path], int]] = [
    until_it_reads,
    until_its_source_blocks,
    until_its_sink_blocks,
    until_it_asks,
    until_it_has_no_room,
]
anywhere = pytest.mark.parametrize("begin", WHERE, ids=lambda begin: begin.__name__)


@anywhere
def test_an_interrupted_run_stops_where_it_is_drops_its_staging_and_leaves_the_worker_free(
    worker: tuple[Peer, Worker], tmp_path: Path, begin: Any
) -> None:
    """P31"""
    peer, process = worker
    run = begin(peer, process, tmp_path)

    peer.interrupt(run)

    assert _the_end(peer, run) == {"_tag": "Failure", "cause": [{"_tag": "Interrupt", "fiberId": None}]}
    assert staged(tmp_path) == []
    again = peer.request("runIngestionUnit", run_request(runId="run-2", endpointId="other"))
    assert peer.event(again, "Opened")["fenced"] is True


@anywhere
def test_a_worker_whose_server_is_gone_drops_the_staging_of_its_run_and_ends(
    worker: tuple[Peer, Worker], tmp_path: Path, begin: Any
) -> None:
    """P31"""
    peer, process = worker
    begin(peer, process, tmp_path)

    peer.hang_up()

    assert process.ended() == 0
    assert staged(tmp_path) == []


@anywhere
def test_a_worker_that_is_terminated_says_that_its_run_is_over_drops_its_staging_and_ends(
    worker: tuple[Peer, Worker], tmp_path: Path, begin: Any
) -> None:
    """P31"""
    peer, process = worker
    run = begin(peer, process, tmp_path)

    process.process.send_signal(signal.SIGTERM)

    assert _the_end(peer, run)["cause"] == [{"_tag": "Interrupt", "fiberId": None}]
    assert process.ended() == 0
    assert staged(tmp_path) == []


def test_an_interrupted_run_has_stored_whole_slices_only(worker: tuple[Peer, Worker], tmp_path: Path) -> None:
    peer, process = worker
    run = until_it_asks(peer, process, tmp_path)
    peer.decide("run-1", 0)
    peer.event(run, "Committed")
    peer.event(run, "Sealed")
    peer.interrupt(run)
    peer.cause(run)

    again = peer.request("runIngestionUnit", run_request(runId="run-2", epoch=2))

    high_water = peer.event(again, "Opened")["highWater"]
    assert (high_water["sliceSeq"], high_water["toCkpt"], high_water["rows"]) == (0, {"next": 2}, 2)


def test_interrupting_a_call_that_is_over_or_never_was_is_no_error(worker: tuple[Peer, Worker]) -> None:
    peer, _ = worker

    peer.interrupt(12345)

    peer.ping()


@pytest.mark.parametrize(
    ("call", "more"), [("preview", {"unitId": "odd", "limit": 1}), ("listUnits", {})], ids=["preview", "listUnits"]
)
def test_a_light_call_that_is_interrupted_ends_although_its_source_waits_and_leaves_the_run_alone(
    worker: tuple[Peer, Worker], tmp_path: Path, call: str, more: dict[str, Any]
) -> None:
    peer, process = worker
    run = until_it_asks(peer, process, tmp_path)
    waiting = peer.request(call, {"endpoint": source("test.odd", doing="waits", password="canary"), **more})
    process.wait_for_line("waiting")

    peer.interrupt(waiting)

    assert peer.cause(waiting) == {"_tag": "Interrupt", "fiberId": None}
    peer.decide("run-1", 0)
    assert peer.event(run, "Committed")["commitRecord"]["rows"] == 2


def test_an_idle_worker_ends_when_it_is_terminated(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker

    process.process.send_signal(signal.SIGTERM)

    assert process.ended() == 0
    assert peer.is_closed()


def test_a_worker_ends_although_a_light_call_waits_for_its_system(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker
    odd = source("test.odd", doing="waits", password="canary")
    peer.request("preview", {"endpoint": odd, "unitId": "odd", "limit": 1})
    process.wait_for_line("waiting")

    peer.hang_up()

    assert process.ended() == 0


def test_what_a_killed_worker_staged_is_gone_when_the_next_one_listens(tmp_path: Path) -> None:
    """P31"""
    with greeted(tmp_path) as (peer, worker):
        until_it_asks(peer, worker, tmp_path)
        worker.process.send_signal(signal.SIGKILL)
        assert worker.ended() == -signal.SIGKILL
        assert staged(tmp_path) != []

        with worker_process(tmp_path) as (_, next_worker):
            assert staged(tmp_path) == []
            assert "staging sessions of dead processes were deleted" in next_worker.log[0]["message"]


def test_a_worker_that_starts_leaves_the_staging_of_the_living_alone(
    worker: tuple[Peer, Worker], tmp_path: Path
) -> None:
    """P31"""
    peer, process = worker
    run = until_it_asks(peer, process, tmp_path)
    before = _of_the_first_slice(tmp_path)

    with worker_process(tmp_path):
        assert _of_the_first_slice(tmp_path) == before != []

    peer.decide("run-1", 0)
    assert peer.event(run, "Committed")["commitRecord"]["rows"] == 2


def _of_the_first_slice(directory: Path) -> list[str]:
    """It is sealed and waits; those after it are still being read."""
    return [path for path in staged(directory) if path.startswith("dev/run-1/0/")]


def test_a_run_is_over_before_its_endpoints_are_closed_and_one_that_cannot_be_is_told_to_the_log_alone(
    worker: tuple[Peer, Worker], tmp_path: Path
) -> None:
    (peer, process), gate = worker, tmp_path / "gate"
    os.mkfifo(gate)
    slow = source("test.odd", doing="closes slowly and wrongly", password="canary", gate=str(gate))
    run = peer.request("runIngestionUnit", run_request(unitId="odd", source=slow))
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)
    peer.decide("run-1", 0)
    peer.event(run, "Committed")
    assert peer.event(run, "Finished")["errors"] == []
    assert peer.exit(run) == {"_tag": "Success", "value": None}
    second = peer.request("runIngestionUnit", run_request(runId="run-2", endpointId="other"))
    assert peer.event(second, "Opened")["fenced"] is True

    gate.open("w").close()

    assert "canary" not in process.wait_for_line("could not be closed")


def test_a_worker_gives_up_on_its_run_before_the_supervisor_kills_it() -> None:
    supervisor = Path(__file__).parents[2] / "packages" / "adapters" / "src" / "worker" / "Supervisor.ts"

    termination = re.search(r"termination: Duration\.seconds\((\d+)\)", supervisor.read_text())

    assert termination is not None
    assert int(termination[1]) - PATIENCE_SECONDS >= 1


def _the_end(peer: Peer, run: int) -> dict[str, Any]:
    """The ``Exit`` of a run, whatever it had still said before."""
    while True:
        frame = peer.of_request(run, acknowledge=False)
        if frame["_tag"] == "Exit":
            return frame["exit"]
