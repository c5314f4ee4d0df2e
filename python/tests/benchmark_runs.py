"""Records of a benchmark's runs, as the meter and the check leave them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench import page
from bench.contenders import Contender, Verdict
from bench.meter import Command
from bench.workload import Workload

HEAD = {
    "commit": "abc 2026-11-27",
    "machine": "2 cores",
    "postgres": "15",
    "python": "3.11",
    "tools": {"duckdb": "duckdb 1"},
}
DASH, TIMES = chr(0x2013), chr(0xD7)


def ran(label: str, round_: int, wall: float, **more: Any) -> dict[str, Any]:
    """A record of a good run of a thousand rows, as the meter and the check leave it."""
    figures_ = {"wall": wall, "rows": 1000, "client_cpu": 1.0, "server_cpu": 0.5, "other_cpu": 0.1, "cores": 2}
    memory = {"memory": {"rss": 200, "pss": 150}, "parts": {"data": {"rss": 120, "pss": 100}}}
    record = {"kind": "run", "label": label, "round": round_, "table": "lineitem", "ok": True, "options": {}}
    return {**record, **figures_, **memory, **more}


def failed(label: str, round_: int) -> dict[str, Any]:
    """Of a run that was fast and wrong."""
    return {**ran(label, round_, 0.1), "ok": False, "failure": "wrong result: rows is 9, not 10"}


# ---- figures


def described(*labels: str) -> dict[str, Any]:
    def contender(label: str) -> Contender:
        return Contender(
            label, "headrace" if label == "ours" else "duckdb", lambda *_: Command(()), lambda _: Verdict()
        )

    workload = Workload("A", "To Parquet", "About it.", [contender(label) for label in labels], "theirs")
    return page.description(replace(workload, twins=None))
