"""What the commits of a run cost by themselves: how often a server forces its log, and how long one commit takes bare.

A run with nothing to do is mostly commits, and a commit is mostly the disk. So the time of as many bare commits,
measured in the same minute on the same servers, is given beside it.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import psycopg

TIMES = 30
# Backends report what they did at most once a second.
REPORTED_AFTER = 1.2


@dataclass(frozen=True)
class Log:
    """The write-ahead log of one server, reached through a database of the benchmark's own."""

    reached: str

    @classmethod
    def of(cls, server: str) -> Log:
        """``server`` is a libpq string without a database."""
        with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as session:
            if not session.execute("select from pg_database where datname = 'bench_commits'").fetchall():
                session.execute("create database bench_commits")
        log = cls(f"{server} dbname=bench_commits")
        with psycopg.connect(log.reached, autocommit=True) as session:
            session.execute("create table if not exists commits (n bigint)")
        return log

    def forced(self) -> int:
        """How often it was forced to the disk so far. PostgreSQL 18 keeps the number elsewhere."""
        with psycopg.connect(self.reached, autocommit=True) as session:
            newer = session.info.server_version >= 180000
            view = "pg_stat_io where object = 'wal' and context = 'normal'" if newer else "pg_stat_wal"
            found = session.execute(f"select sum({'fsyncs' if newer else 'wal_sync'})::bigint from {view}".encode())
            return (found.fetchone() or (0,))[0]

    def bare_ms(self) -> float:
        """Milliseconds of one commit that writes one row."""
        with psycopg.connect(self.reached, autocommit=True) as session:
            return statistics.median(one(session) for _ in range(TIMES))


def one(session: psycopg.Connection[tuple[object, ...]]) -> float:
    began = time.perf_counter()
    session.execute("insert into commits values (1)")
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True)
class Counted:
    logs: tuple[Log, ...]
    before: tuple[int, ...]

    @classmethod
    def now(cls, logs: tuple[Log, ...]) -> Counted:
        time.sleep(REPORTED_AFTER)
        return cls(logs, tuple(log.forced() for log in logs))

    def of_one_run(self, runs: int) -> dict[str, float]:
        """Commits of one of ``runs`` runs since, and the milliseconds that as many take bare."""
        after = Counted.now(self.logs)
        each = [(late - early) / runs for early, late in zip(self.before, after.before, strict=True)]
        ms = sum(count * log.bare_ms() for count, log in zip(each, self.logs, strict=True))
        return {"commits": round(sum(each), 2), "commits_ms": round(ms, 2)}
