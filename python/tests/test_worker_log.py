"""What a worker writes: structured lines with their run, whatever endpoints print, and never a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peer import Peer
from worker_process import Worker, connected, greeted, run_request, source, start_worker

SECRET = 'p%ss\'w\\rd "canary" ü/1'
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"canary{n}canary{n}canary" for n in range(3))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[Peer, Worker]]:
    with greeted(tmp_path, HEADRACE_LOG_LEVEL="DEBUG") as greeting:
        yield greeting


def odd(doing: str) -> dict[str, Any]:
    return source("test.odd", doing=doing, password=SECRET, key=KEY)


def carry(peer: Peer, doing: str) -> list[dict[str, Any]]:
    """Carry the unit of an odd source to its end. Returns what was said to the peer."""
    run = peer.request("runIngestionUnit", run_request(unitId="odd", source=odd(doing), policy={"mode": "full"}))
    said: list[dict[str, Any]] = []
    while not said or said[-1]["_tag"] != "Exit":
        said.append(peer.of_request(run))
        if said[-1].get("values", [{}])[0].get("_tag") == "Sealed":
            peer.decide("run-1", 0)
    return said


def everything_written(peer: Peer, worker: Worker) -> list[str]:
    peer.hang_up()
    worker.ended()
    return worker.written


def test_a_print_in_an_endpoint_is_a_log_line_of_its_run_and_breaks_nothing(worker: tuple[Peer, Worker]) -> None:
    said = carry(worker[0], "prints")

    lines = [json.loads(line) for line in everything_written(*worker)]

    assert said[-1]["exit"] == {"_tag": "Success", "value": None}
    (line,) = [line for line in lines if line["logger"] == "stdout" and line["message"].startswith("printed")]
    assert (line["run_id"], line["level"], line["message"]) == ("run-1", "INFO", "printed ****!")
    (line,) = [line for line in lines if line["logger"] == "stderr"]
    assert (line["run_id"], line["level"], line["message"]) == ("run-1", "WARNING", "printed to stderr ****")


def test_what_native_code_writes_to_stdout_breaks_nothing(worker: tuple[Peer, Worker]) -> None:
    said = carry(worker[0], "writes")

    assert said[-1]["exit"] == {"_tag": "Success", "value": None}
    assert any("native code writes what it likes" in line for line in everything_written(*worker))


@pytest.mark.parametrize("doing", ["prints", "logs", "logs wrongly", "raises", "fails", "fails in a thread"])
def test_a_secret_is_in_no_line_no_answer_and_no_traceback(worker: tuple[Peer, Worker], doing: str) -> None:
    peer, process = worker

    said = carry(peer, doing)
    asked = {"templateId": "test.odd", "parameters": odd(doing)["parameters"]}
    for call in ("buildConnection", "testConnection"):
        level = {"level": None} if call == "testConnection" else {}
        said.append(peer.exit(peer.request(call, {**asked, **level})))

    written = "\n".join(everything_written(peer, process))
    assert "canary" not in written
    assert "canary" not in str(said)


def test_a_traceback_is_in_the_line_of_its_error(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker
    died = peer.failure("preview", {"endpoint": odd("raises"), "unitId": "odd", "limit": 1})

    everything_written(peer, process)

    (line,) = [line for line in process.log if "exception" in line]
    assert died["defect"] == {"name": "RuntimeError", "message": "cannot sign in as '****'"}
    assert line["level"] == "ERROR"
    assert "in _raises" in line["exception"] and "RuntimeError: cannot sign in as '****'" in line["exception"]


def test_an_error_for_the_caller_keeps_its_details_without_the_secret(worker: tuple[Peer, Worker]) -> None:
    failed = worker[0].failure("preview", {"endpoint": odd("fails"), "unitId": "odd", "limit": 1})

    assert failed["error"] == {
        "tag": "EndpointUnreachable", "retry": "Later", "role": "source", "message": "No answer to ****.",
        "details": {"tried": [{"with": "****"}], "as": "****"},
    }  # fmt: skip


def test_nobody_can_forge_a_line_or_colour_a_terminal(worker: tuple[Peer, Worker]) -> None:
    carry(worker[0], "forges")

    written = everything_written(*worker)

    (line,) = [line for line in written if "forged" in line]
    assert json.loads(line)["message"].startswith("a\r\n{")
    assert json.loads(line)["level"] == "WARNING"
    assert not any(character in line for line in written for character in "\r\x1b")


def test_a_worker_whose_log_nobody_reads_any_more_goes_on(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ours, theirs = os.pipe()
    worker = start_worker(tmp_path / "worker.sock", stderr=theirs)
    os.close(theirs)
    with open(ours) as log:
        assert any('"listening"' in line for line in log)
    peer = connected(tmp_path / "worker.sock")
    try:
        assert peer.greet()["_tag"] == "Success"
        for doing in ("prints", "logs", "logs wrongly", "raises"):
            peer.exit(peer.request("preview", {"endpoint": odd(doing), "unitId": "odd", "limit": 1}))

        peer.ping()
    finally:
        peer.hang_up()
    assert worker.ended() == 0


def test_every_line_says_when_how_grave_and_from_whom(worker: tuple[Peer, Worker]) -> None:
    peer, process = worker
    carry(peer, "fails")

    everything_written(peer, process)

    assert all(set(line) - {"exception"} == {"time", "level", "logger", "run_id", "message"} for line in process.log)
    assert {line["run_id"] for line in process.log} == {None, "run-1"}
