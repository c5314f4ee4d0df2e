"""Headrace as people use it: the command, and a warm server asked through GraphQL. Both run from the build."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import places
from bench.meter import Command

START = """mutation($e: ID!, $u: ID!, $s: String) {
  startIngestion(endpointId: $e, unitId: $u, sinkId: $s) { ok message }
}"""
STATUS = """query($e: ID!, $u: ID!) {
  ingestionStatus(endpointId: $e, unitId: $u) { state stats lastError }
}"""
REGISTER = "mutation($i: EndpointInput!) { registerEndpoint(input: $i) { id } }"

Parameters = tuple[str, Mapping[str, str]]


def postgres(database: str) -> Parameters:
    return "jdbc.postgres", {
        "host": places.HOST,
        "port": str(places.PORT),
        "database": database,
        "username": places.USER,
        "password": "",
    }


def files(folder: Path, **more: str) -> Parameters:
    return "file.local", {"base_path": str(folder), **more}


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path
    # Ids of what was registered, by name.
    endpoints: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def store(self) -> str:
        """Where the embedded PostgreSQL listens; its own pid file says so in the fifth line."""
        return (self.data / "postgres" / "postmaster.pid").read_text().splitlines()[4]

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def register(self, name: str, kind: Parameters, policy: Mapping[str, Any] | None = None) -> str:
        """The id of a new endpoint."""
        template, parameters = kind
        config = {"templateId": template, "parameters": parameters, "ingestionPolicy": policy or {}}
        with closing(self.connection()) as asking:
            made = ask(asking, REGISTER, {"i": {"name": name, "verb": "POST", "config": config}})
        self.endpoints[name] = made["registerEndpoint"]["id"]
        return self.endpoints[name]

    def run(self, endpoint: str, unit: str, sink: str, every: float = 0.05) -> tuple[float, Mapping[str, Any]]:
        """Seconds from the mutation until the unit is SUCCEEDED, as a client with an open connection sees it, and
        the stats. To ask costs the server as well, so who asks more often measures himself. Raises ``RuntimeError``
        when the run fails."""
        with closing(self.connection()) as asking:
            asking.connect()
            began = time.perf_counter()
            started = ask(asking, START, {"e": endpoint, "u": unit, "s": sink})["startIngestion"]
            if not started["ok"]:
                raise RuntimeError(started["message"])
            while True:
                status = ask(asking, STATUS, {"e": endpoint, "u": unit})["ingestionStatus"]
                if status["state"] == "SUCCEEDED":
                    return time.perf_counter() - began, status["stats"]
                if status["state"] != "RUNNING":
                    raise RuntimeError(status["lastError"])
                time.sleep(every)


def ask(asking: http.client.HTTPConnection, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The ``data`` of an answer. Raises ``RuntimeError`` with the first message when there are errors."""
    question = json.dumps({"query": document, "variables": variables})
    asking.request("POST", "/graphql", question, {"content-type": "application/json"})
    body = json.load(asking.getresponse())
    if "errors" in body:
        raise RuntimeError(body["errors"][0]["message"])
    return body["data"]


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[Server]:
    """A server on a free port with a store of its own, and defaults but for ``settings``; at the end it is stopped, and
    its store deleted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data.parent.mkdir(parents=True, exist_ok=True)
    log = data.with_suffix(".log")
    own = {"HEADRACE_DATA": str(data), "HEADRACE_PORT": str(port)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(places.NODE), str(places.HEADRACE), "serve"],
            env={**os.environ, **own, **settings},
            cwd=places.ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, data, log)
    try:
        await_health(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)
        delete_store(data)


def delete_store(data: Path) -> None:
    """A data directory; the database of a server that root started lies elsewhere, behind a link."""
    shutil.rmtree((data / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)


def await_health(server: Server) -> None:
    for _ in range(1200):
        if server.process.poll() is not None:
            raise RuntimeError(server.log.read_text()[-2000:])
        try:
            with closing(server.connection()) as asking:
                ask(asking, "{ health { status } }", {})
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not answer within a minute: {server.log}")


def ingest(data: Path, source: str, unit: str, sink: str, *more: str, env: Mapping[str, str] | None = None) -> Command:
    """The command from cold: it starts a store of its own, carries the unit, and stops the store."""
    what = ("ingest", "--source", source, "-u", unit, "--sink", sink, "--progress", "none", "-o", "json")
    argv = (str(places.NODE), str(places.HEADRACE), *what, *more)
    return Command(argv, {"HEADRACE_DATA": str(data), **(env or {})})
