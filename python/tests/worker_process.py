"""A worker as the server starts it: a process of its own, whose words are kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from peer import SECONDS, TOKEN, Peer

TESTS = Path(__file__).parent


class Worker:
    """A process, what it has written so far, and a connection to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._written: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._keep, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def connect(self, path: Path) -> Peer:
        """Connect once the worker says that it listens."""
        self.wait_for_line('"listening"')
        return connected(path)

    def wait_for_line(self, part: str) -> str:
        """The first line that holds ``part``, as soon as it is written."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._line(part) or self._is_silent(), SECONDS)
            line = self._line(part)
        assert found and line is not None, f"the worker has never said {part}: {self._written}"
        return line

    def ended(self) -> int:
        """Wait until it has ended and all it has written is here; how it ended."""
        code = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        return code

    @property
    def written(self) -> list[str]:
        """Every line of stdout and stderr so far; all of them once it has ``ended``."""
        with self._changed:
            return list(self._written)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its lines, each of which must be a structured one."""
        return [json.loads(line) for line in self.written]

    def stop(self) -> None:
        self.process.kill()
        self.ended()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _keep(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._written.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _line(self, part: str) -> str | None:
        return next((line for line in self._written if part in line), None)

    def _is_silent(self) -> bool:
        return not any(reader.is_alive() for reader in self._readers)


def connected(path: Path) -> Peer:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    return Peer(connection)


def start_worker(path: Path, stderr: int = subprocess.PIPE, **environment: str) -> Worker:
    """A worker that listens at ``path``, with the endpoints of the tests."""
    given: Mapping[str, str] = {
        **os.environ,
        "HEADRACE_WORKER_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *(entry for entry in sys.path if entry.endswith("src"))]),
        **environment,
    }
    return Worker(
        subprocess.Popen(
            [sys.executable, "-m", "headrace.worker", "--socket", str(path)],
            env={name: value for name, value in given.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
        )
    )


@contextmanager
def worker_process(directory: Path, **environment: str) -> Generator[tuple[Peer, Worker]]:
    """A worker whose socket is in a private directory below ``directory``, and its staging as well."""
    private = directory / "socket"
    private.mkdir(mode=0o700, exist_ok=True)
    path = private / f"{len(list(private.iterdir()))}.sock"
    worker = start_worker(path, subprocess.PIPE, **{"HEADRACE_STAGING_DIR": str(directory / "staging"), **environment})
    try:
        yield worker.connect(path), worker
    finally:
        worker.stop()


@contextmanager
def greeted(directory: Path, **environment: str) -> Generator[tuple[Peer, Worker]]:
    """The same, after hello."""
    with worker_process(directory, **environment) as (peer, worker):
        assert peer.greet()["_tag"] == "Success"
        yield peer, worker


def staged(directory: Path) -> list[str]:
    """What is in the staging of a worker started for ``directory``."""
    return sorted(_below(directory / "staging"))


def _below(root: Path) -> Iterator[str]:
    return (str(path.relative_to(root)) for path in root.rglob("*"))


def run_request(**changes: Any) -> dict[str, Any]:
    """What ``runIngestionUnit`` is asked: five rows, two a slice, into a sink of the test's own, staged on disk."""
    rows = [{"id": n, "name": f"row {n}"} for n in range(1, 6)]
    return {
        "endpointId": "numbers",
        "unitId": "rows",
        "checkpoint": None,
        "policy": {"mode": "incremental"},
        "sinkEndpointId": "lake",
        "stagingProviderId": "local_disk",
        "tenant": "dev",
        "runId": "run-1",
        "epoch": 1,
        "generation": 1,
        "nextSeq": 0,
        "deadline": None,
        "source": source(rows=json.dumps(rows), sliceRows="2"),
        "sink": {"id": "lake", "templateId": "test.rows", "parameters": {}},
        "replay": None,
        **changes,
    }


def source(template_id: str = "test.rows", **parameters: str) -> dict[str, Any]:
    return {"id": "numbers", "templateId": template_id, "parameters": parameters}
