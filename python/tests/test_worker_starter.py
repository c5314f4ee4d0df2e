"""A worker that nobody will come for any more ends by itself, whenever the process that started it dies."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from peer import SECONDS
from worker_process import worker_process

_STARTS_A_WORKER_AND_DIES = """
import os, subprocess, sys
command = [sys.executable, "-m", "headrace.worker", "--socket", sys.argv[1]]
worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
for line in worker.stderr:
    if b'"listening"' in line:
        break
os.write(1, str(worker.pid).encode())
os._exit(0)
"""


def test_a_worker_nobody_came_for_ends_when_the_process_that_started_it_dies(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    environment = {**os.environ, "HEADRACE_WORKER_TOKEN": "t", "HEADRACE_PLUGINS": ""}

    starter = subprocess.run(
        [sys.executable, "-c", _STARTS_A_WORKER_AND_DIES, str(tmp_path / "worker.sock")],
        env=environment, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip

    assert _has_ended(int(starter.stdout))


_DIES_BEFORE_ITS_WORKER_LOOKS = """
import os, sys
from_parent, of_parent = os.pipe()
starter = os.getpid()
worker = os.fork()
if worker == 0:
    os.close(of_parent)
    os.read(from_parent, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    os.environ["HEADRACE_WORKER_STARTER"] = str(starter)
    os.execv(sys.executable, [sys.executable, "-m", "headrace.worker", "--socket", sys.argv[1]])
os.write(1, str(worker).encode())
os._exit(0)
"""


def test_a_worker_ends_whose_starter_died_before_it_could_look(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    environment = {**os.environ, "HEADRACE_WORKER_TOKEN": "t", "HEADRACE_PLUGINS": ""}

    starter = subprocess.run(
        [sys.executable, "-c", _DIES_BEFORE_ITS_WORKER_LOOKS, str(tmp_path / "worker.sock")],
        env=environment, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip

    assert _has_ended(int(starter.stdout))


def test_a_worker_whose_interpreter_is_a_script_waits_as_long_as_its_starter_lives(tmp_path: Path) -> None:
    """Its parent is the script then, and not who started it."""
    with worker_process(tmp_path, HEADRACE_WORKER_STARTER=str(os.getppid())) as (peer, _):
        assert peer.greet()["_tag"] == "Success"


def _has_ended(pid: int) -> bool:
    """Wait for the end of a process that is not our child, and end it when it does not by itself."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        has_ended = select.select([process], [], [], SECONDS)[0] == [process]
        if not has_ended:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        return has_ended
    finally:
        os.close(process)
