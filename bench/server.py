"""A Headrace server of the benchmark's own: started from the build, asked through GraphQL, weighed while it works."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

START = """mutation($e: ID!, $u: ID!, $s: String) {
  startIngestion(endpointId: $e, unitId: $u, sinkId: $s) { ok message }
}"""
STATUS = """query($e: ID!, $u: ID!) {
  ingestionStatus(endpointId: $e, unitId: $u) { state stats lastError }
}"""


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    @property
    def socket_dir(self) -> str:
        """Where the embedded PostgreSQL listens; its own pid file says so in the fifth line."""
        return (self.data / "postgres" / "postmaster.pid").read_text().splitlines()[4]

    def ask(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of an answer. Raises ``RuntimeError`` with the first message when there are errors."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": document, "variables": variables or {}}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = json.load(answer)
        if "errors" in body:
            raise RuntimeError(body["errors"][0]["message"])
        return body["data"]

    def run(self, endpoint: str, unit: str, sink: str, every: float = 0.005) -> tuple[float, dict[str, Any]]:
        """Seconds from the mutation to the end of the run, and its status."""
        began = time.perf_counter()
        started = self.ask(
            START,
            {"e": endpoint, "u": unit, "s": sink},
        )["startIngestion"]
        if not started["ok"]:
            raise RuntimeError(started["message"])
        while True:
            status = self.ask(
                STATUS,
                {"e": endpoint, "u": unit},
            )["ingestionStatus"]
            if status["state"] != "RUNNING":
                if status["state"] != "SUCCEEDED":
                    raise RuntimeError(status["lastError"])
                return time.perf_counter() - began, status
            time.sleep(every)


@contextmanager
def serving(data: Path) -> Iterator[Server]:
    """A server on a free port that is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = data.with_suffix(".log")
    environment = {**os.environ, "HEADRACE_DATA": str(data), "HEADRACE_PORT": str(port), "HEADRACE_LOG_LEVEL": "debug"}
    node = ROOT / "node_modules/.bin/node"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(node), str(ROOT / "packages/server/dist/main.js"), "serve"],
            env=environment,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, data, log)
    try:
        await_health(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)
        # Root's database lies elsewhere, behind a link.
        shutil.rmtree((data / "postgres").resolve(), ignore_errors=True)


def await_health(server: Server) -> None:
    for _ in range(600):
        if server.process.poll() is not None:
            raise RuntimeError(server.log.read_text()[-2000:])
        try:
            server.ask("{ health { status } }")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not answer within 30 s")


def tree(root: int) -> list[int]:
    """The process and its descendants, but no PostgreSQL: that is the source's and the store's memory."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        try:
            if "postgres" in Path(f"/proc/{pid}/comm").read_text():
                continue
        except OSError:
            continue
        found.append(pid)
        queue += children.get(pid, [])
    return found


def pss_kib(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass  # the process ended between listing and reading
    return 0


def peak_mib_while(server: Server, work: Callable[[], object]) -> float:
    """Highest proportional set size of all Headrace processes together, sampled every 20 ms while ``work`` runs."""
    peak, done = 0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, sum(pss_kib(pid) for pid in tree(server.process.pid)))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        work()
    finally:
        done.set()
        sampler.join()
    return peak / 1024
