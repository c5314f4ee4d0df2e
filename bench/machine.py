"""What was measured on what: machine, code and versions. A ledger whose head differs is not gone on with."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from bench import cluster, places, tools


def head() -> dict[str, Any]:
    return {
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores of {processor()}, {memory_gib():.0f} GiB, Linux {platform.release()}",
        "postgres": cluster.version(),
        "python": platform.python_version(),
        "tools": {tool: tools.version(tool) for tool in tools.RIVALS if tools.here(tool)},
    }


def commit() -> str:
    """The code that is measured; changes of pages and of the benchmark itself are none."""
    asked = [
        "git",
        "log",
        "-1",
        "--format=%h %cs",
        "--",
        "packages",
        "python/src",
        "package-lock.json",
        "python/requirements.lock",
    ]
    return subprocess.run(asked, cwd=places.ROOT, capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
