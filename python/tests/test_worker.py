"""A real worker process over its socket: who may talk to it, and what it does while it carries a unit."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from carrying import record
from peer import TOKEN, Peer
from worker_process import Worker, greeted, run_request, source, staged, start_worker, worker_process


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[Peer, Worker]]:
    with greeted(tmp_path) as greeting:
        yield greeting


@pytest.fixture
def peer(worker: tuple[Peer, Worker]) -> Peer:
    return worker[0]


def odd(doing: str) -> dict[str, Any]:
    return source("test.odd", doing=doing, password="canary")


# ---- who may talk to it


def test_a_wrong_token_is_refused_without_showing_the_right_one_and_the_worker_ends(tmp_path: Path) -> None:
    with worker_process(tmp_path) as (peer, worker):
        refusal = peer.greet("0" * 64)

        assert refusal["cause"][0]["error"]["details"] == {"field": "token"}
        assert peer.is_closed()
        assert worker.ended() == 0
        assert TOKEN not in str(refusal) + "".join(worker.written)


def test_the_token_is_not_in_the_environment_of_endpoints(peer: Peer) -> None:
    preview = peer.call("preview", {"endpoint": odd("answers its environment"), "unitId": "odd", "limit": 1})

    environment = preview["rows"][0]["done"]
    assert "HEADRACE_STAGING_DIR" in environment
    assert TOKEN not in environment.values()


def test_a_worker_without_a_token_does_not_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    worker = start_worker(tmp_path / "worker.sock", HEADRACE_WORKER_TOKEN="")

    assert worker.ended() == 2
    assert "HEADRACE_WORKER_TOKEN is not set" in worker.log[0]["message"]


@pytest.mark.parametrize("how", ["open to others", "a link"])
def test_a_socket_others_could_reach_is_not_made(tmp_path: Path, how: str) -> None:
    private, linked = tmp_path / "private", tmp_path / "linked"
    private.mkdir(mode=0o750 if how == "open to others" else 0o700)
    linked.symlink_to(private)
    directory = private if how == "open to others" else linked

    worker = start_worker(directory / "worker.sock")

    assert worker.ended() == 2
    assert "mode 0700" in worker.log[-1]["message"]
    assert list(private.iterdir()) == []


def test_the_socket_is_this_users_alone(tmp_path: Path, worker: tuple[Peer, Worker]) -> None:
    (socket,) = (tmp_path / "socket").iterdir()

    assert stat.S_IMODE(socket.stat().st_mode) == 0o600


def test_a_worker_gives_up_what_it_never_needs(worker: tuple[Peer, Worker]) -> None:
    about = Path(f"/proc/{worker[1].process.pid}")

    assert "NoNewPrivs:\t1" in (about / "status").read_text()
    assert "Umask:\t0077" in (about / "status").read_text()
    core = next(line for line in (about / "limits").read_text().splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


# ---- what it does meanwhile


def test_a_ping_is_answered_while_a_run_is_busy(peer: Peer, tmp_path: Path) -> None:
    run = peer.request("runIngestionUnit", _held_at(tmp_path / "gate"))
    peer.event(run, "Opened")
    peer.event(run, "Planned")

    peer.ping()

    (tmp_path / "gate").touch()
    assert peer.event(run, "Sealed")["sliceSeq"] == 0


def test_light_calls_are_answered_while_a_run_is_busy(peer: Peer, tmp_path: Path) -> None:
    run = peer.request("runIngestionUnit", _held_at(tmp_path / "gate"))
    peer.event(run, "Opened")

    templates = peer.call("listTemplates", {"family": "FILE"})

    assert {"file.local", "test.rows"} <= {template["id"] for template in templates}
    assert {template["family"] for template in templates} == {"FILE"}


def test_a_ping_is_answered_while_a_light_call_waits_for_its_system(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker
    peer.request("preview", {"endpoint": odd("waits"), "unitId": "odd", "limit": 1})
    process.wait_for_line("waiting")

    peer.ping()


def test_a_second_run_is_refused_until_the_first_has_ended(peer: Peer) -> None:
    first = peer.request("runIngestionUnit", run_request())
    peer.event(first, "Opened")

    refusal = peer.failure("runIngestionUnit", run_request(runId="run-2", endpointId="other"))

    assert (refusal["error"]["tag"], "another unit" in refusal["error"]["message"]) == ("ConfigInvalid", True)
    assert _carried_to_its_end(peer, first) == {"next": 5}
    second = peer.request("runIngestionUnit", run_request(runId="run-2", endpointId="other"))
    assert peer.event(second, "Opened") == {"_tag": "Opened", "fenced": True, "highWater": None}


def test_a_run_waits_for_the_verdict_on_its_own_slice(peer: Peer) -> None:
    run = peer.request("runIngestionUnit", run_request())
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)

    for verdict in (
        {"runId": "run-2", "sliceSeq": 0},
        {"runId": "run-1", "sliceSeq": 1},
        {"runId": "run-1", "sliceSeq": 0, "batch": 0},
    ):
        refusal = peer.failure("decide", {"batch": None, "verdict": "commit", **verdict})
        assert refusal["error"]["tag"] == "ConfigInvalid"
    peer.decide("run-1", 0)

    assert peer.event(run, "Committed")["commitRecord"]["sliceSeq"] == 0


def test_a_verdict_counts_once(peer: Peer) -> None:
    run = peer.request("runIngestionUnit", run_request())
    for tag in ("Opened", "Planned", "Sealed"):
        peer.event(run, tag)
    peer.decide("run-1", 0, "stop")

    refusal = peer.failure("decide", {"runId": "run-1", "sliceSeq": 0, "batch": None, "verdict": "commit"})

    assert refusal["error"]["tag"] == "ConfigInvalid"
    assert peer.event(run, "Finished")["newCheckpoint"] is None


def test_a_run_without_a_sink_says_no_more_than_four_batches_before_their_verdict(peer: Peer) -> None:
    """P17, D11"""
    records = msgspec.json.encode([record(n) for n in range(2600)]).decode()
    run = peer.request(
        "runIngestionUnit",
        run_request(unitId="records", sinkEndpointId=None, sink=None, source=source("test.records", records=records)),
    )
    peer.event(run, "Opened")
    peer.event(run, "Planned")
    batches = [peer.event(run, "Records") for _ in range(4)]
    phase = peer.progress(run)["phase"]

    peer.decide("run-1", 0, batch=0)
    batches.append(peer.event(run, "Records"))

    assert phase == "import"
    assert [batch["batch"] for batch in batches] == [0, 1, 2, 3, 4]
    assert [record["payload"]["n"] for batch in batches for record in batch["records"]] == list(range(2500))


def test_a_run_that_is_busy_says_how_far_it_is(peer: Peer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = peer.request("runIngestionUnit", _held_at(gate))
    peer.event(run, "Opened")
    peer.event(run, "Planned")
    gate.touch()
    peer.event(run, "Sealed")

    progress = peer.progress(run)

    assert progress["phase"] == "export"
    assert progress["sliceSeq"] in (0, 1)
    assert progress["rows"] > 0 and progress["counter"] > 0


def test_ctrl_c_of_the_terminal_is_the_servers_to_hear(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker
    os.kill(process.process.pid, signal.SIGINT)

    peer.ping()


# ---- what it cannot answer


@pytest.mark.parametrize(
    ("doing", "defect"),
    [
        ("exits", "SystemExit"),
        ("raises", "RuntimeError"),
        ("answers too much", "UnsayableAnswer"),
        ("answers an object", "UnsayableAnswer"),
        ("answers too wide a number", "UnsayableAnswer"),
    ],
)
def test_a_bug_of_an_endpoint_ends_its_call_and_nothing_else(peer: Peer, doing: str, defect: str) -> None:
    died = peer.failure("preview", {"endpoint": odd(doing), "unitId": "odd", "limit": 1})

    assert (died["_tag"], died["defect"]["name"]) == ("Die", defect)
    peer.ping()


def test_a_bug_of_a_source_ends_its_run_and_the_next_one_begins(peer: Peer, tmp_path: Path) -> None:
    run = peer.request("runIngestionUnit", run_request(unitId="odd", source=odd("raises")))
    peer.event(run, "Opened")
    peer.event(run, "Planned")

    (error,) = peer.event(run, "Finished")["errors"]

    assert (error["tag"], error["retry"], "RuntimeError" in error["message"]) == ("Bug", "Never", True)
    assert peer.exit(run) == {"_tag": "Success", "value": None}
    assert staged(tmp_path) == []
    again = peer.request("runIngestionUnit", run_request(runId="run-2"))
    assert peer.event(again, "Opened")["fenced"] is True


@pytest.mark.parametrize("doing", ["exits"])
def test_a_source_that_leaves_the_process_leaves_its_run_alone(peer: Peer, tmp_path: Path, doing: str) -> None:
    run = peer.request("runIngestionUnit", run_request(unitId="odd", source=odd(doing)))
    peer.event(run, "Opened")
    peer.event(run, "Planned")

    assert peer.cause(run)["defect"]["name"] == "SystemExit"
    assert staged(tmp_path) == []
    peer.ping()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stagingProviderId": "kafka"}, "stagingProviderId"),
        ({"sink": None}, "sink"),
        ({"deadline": "tomorrow"}, "deadline"),
        ({"policy": {"mode": "sometimes"}}, "policy.mode"),
        ({"source": {"id": "x", "templateId": "test.gone", "parameters": {}}}, "templateId"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_that_is_asked_wrongly_is_refused_by_field_before_anything_begins(
    peer: Peer, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    """P16"""
    refusal = peer.failure("runIngestionUnit", run_request(**changes))

    assert (refusal["error"]["tag"], refusal["error"]["details"]["field"]) == ("ConfigInvalid", field)
    assert not (tmp_path / "staging").exists()


def _held_at(gate: Path) -> dict[str, Any]:
    """A run whose source waits until the gate is there."""
    asked = run_request()
    parameters = {**asked["source"]["parameters"], "gate": str(gate)}
    return {**asked, "source": {**asked["source"], "parameters": parameters}}


def _carried_to_its_end(peer: Peer, run: int) -> Any:
    peer.event(run, "Planned")
    for slice_seq in range(3):
        peer.event(run, "Sealed")
        peer.decide("run-1", slice_seq)
        peer.event(run, "Committed")
    finished = peer.event(run, "Finished")
    assert peer.exit(run) == {"_tag": "Success", "value": None}
    return finished["newCheckpoint"]
