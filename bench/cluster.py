"""The benchmark's own PostgreSQL: source and target of everything that is measured. Durability is left on.

It takes the newest server that Debian's packages put on the machine, or the one of ``HEADRACE_BENCH_PG_BIN``, and
listens on the loopback address. PostgreSQL refuses root: as root it belongs to the user ``postgres``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from bench import places

WHERE = f"""
listen_addresses = '{places.HOST}'
port = {places.PORT}
unix_socket_directories = ''
"""
SETTINGS = """
shared_buffers = 1GB
fsync = on
synchronous_commit = on
wal_level = logical
max_wal_size = 8GB
checkpoint_timeout = 15min
maintenance_work_mem = 512MB
max_connections = 50
autovacuum = off
log_min_messages = warning
"""


class NoPostgres(RuntimeError):
    """There is no PostgreSQL server on this machine; the message says how to bring one."""


def binaries() -> Path:
    if told := os.environ.get("HEADRACE_BENCH_PG_BIN"):
        return Path(told)
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise NoPostgres("no server below /usr/lib/postgresql: apt-get install postgresql, or HEADRACE_BENCH_PG_BIN")
    return max(found, key=lambda each: int(each.parent.name))


def as_owner(*command: str) -> None:
    line = shlex.join(command)
    argv = ["su", "-s", "/bin/sh", places.USER, "-c", line] if os.geteuid() == 0 else ["sh", "-c", line]
    done = subprocess.run(argv, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{line}\n{done.stdout}{done.stderr}")


def start() -> None:
    """Makes the cluster if there is none, and starts it if it does not run."""
    if not (places.CLUSTER / "PG_VERSION").exists():
        places.HOME.mkdir(parents=True, exist_ok=True)
        places.HOME.chmod(0o711)
        places.CLUSTER.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", places.USER, str(places.CLUSTER)], check=True)
        as_owner(str(binaries() / "initdb"), "-D", str(places.CLUSTER), "-A", "trust", "-U", places.USER,
                 "--locale=C.UTF-8", "-E", "UTF8")  # fmt: skip
        with (places.CLUSTER / "postgresql.conf").open("a") as file:
            file.write(WHERE + SETTINGS)
    if not running():
        control("start", "-l", str(places.CLUSTER / "server.log"))


def control(verb: str, *more: str) -> None:
    as_owner(str(binaries() / "pg_ctl"), verb, "-D", str(places.CLUSTER), "-w", *more)


def running() -> bool:
    try:
        with psycopg.connect(places.libpq("postgres"), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def stop() -> None:
    if running():
        control("stop", "-m", "fast")


def postmaster() -> int:
    return int((places.CLUSTER / "postmaster.pid").read_text().split("\n", 1)[0])


def connect(database: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(places.libpq(database), autocommit=True)


def run(database: str, *statements: str) -> None:
    with connect(database) as session:
        for statement in statements:
            session.execute(statement.encode())


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    with connect(database) as session:
        return session.execute(query.encode()).fetchall()


def empty_database(name: str) -> None:
    run("postgres", f"drop database if exists {name} with (force)", f"create database {name}")


def settle(_table: str = "") -> None:
    """What was written is on the disk, so that nobody pays for another."""
    run("postgres", "checkpoint")


def settings() -> list[str]:
    """How the server is set for what is measured."""
    return SETTINGS.split("\n")[1:-1]


def version() -> str:
    return rows("postgres", "show server_version")[0][0].split()[0]
