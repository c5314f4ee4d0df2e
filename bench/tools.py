"""The tools that are measured beside Headrace: pinned, each in an environment of its own below ``places.TOOLS``.

Nothing is fetched while something is measured. A tool that cannot be had is named with the reason, on the page too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import places

PINNED: dict[str, tuple[str, ...]] = {
    "duckdb": (
        "duckdb==1.5.5",
        "duckdb-extension-postgres-scanner==1.5.5",
        "duckdb-extension-tpch==1.5.5",
        "pyarrow==26.0.1",
        "pyiceberg==0.12.0",
        "sqlalchemy==2.1.9",
    ),
    "dlt": (
        "dlt[postgres,filesystem,parquet]==1.31.0",
        "duckdb==1.5.5",
        "connectorx==0.4.6",
        "pyarrow==26.0.1",
        "psycopg2-binary==2.9.13",
        "adbc-driver-postgresql==1.13.0",
        "pyiceberg==0.12.0",
        "pyiceberg-core==0.11.0",
        "sqlalchemy==2.1.9",
        "pandas==2.3.3",
    ),
    "sling": ("sling-linux-amd64==1.4.11",),
}
RIVALS = ("psql", "duckdb", "dlt", "ingestr", "sling")

# No rival phones home while it is measured.
QUIET = {
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "SLING_DISABLE_TELEMETRY": "TRUE",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "DISABLE_TELEMETRY": "true",
}

INGESTR_ADVICE = (
    "not installed: its wheel fetches a binary when it is first called. Put the binary (of a release, or built from its"
    " public source) at {place}, or name it in HEADRACE_BENCH_INGESTR"
)


def ingestr() -> Path:
    return Path(os.environ.get("HEADRACE_BENCH_INGESTR", str(places.HOME / "bin/ingestr")))


def sling() -> Path:
    found = (places.TOOLS / "sling").glob("lib/python3*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    return next(found, places.TOOLS / "sling/missing")


def stamp_of(tool: str) -> Path:
    """Says what an environment was made of."""
    return places.TOOLS / tool / "packages.txt"


def install(tool: str) -> str | None:
    """Brings one tool; answers why it cannot be had, or None."""
    if tool == "psql":
        return None if shutil.which("psql") else "there is no psql on the PATH: apt-get install postgresql-client"
    if tool == "ingestr":
        return None if os.access(ingestr(), os.X_OK) else INGESTR_ADVICE.format(place=ingestr())
    place, stamp, wanted = places.TOOLS / tool, stamp_of(tool), "\n".join(PINNED[tool])
    if stamp.exists() and stamp.read_text() == wanted:
        return None
    print(f"  installing {tool} into {place} …", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    for command in commands(place, PINNED[tool]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"not installed: {(done.stderr or done.stdout).strip()[-300:]}"
    stamp.write_text(wanted)
    return None


def commands(place: Path, packages: tuple[str, ...]) -> list[list[str]]:
    """How an environment is made: by uv, which is much faster, where there is one."""
    uv = shutil.which("uv", path=f"{places.ROOT / '.headrace/uv/bin'}:{os.environ.get('PATH', '')}")
    python = str(place / "bin/python")
    if uv:
        make = [uv, "venv", "-q", "--python", sys.executable, str(place)]
        return [make, [uv, "pip", "install", "-q", "--python", python, *packages]]
    return [[sys.executable, "-m", "venv", str(place)], [python, "-m", "pip", "install", "-q", *packages]]


def here(tool: str) -> bool:
    if tool in PINNED:
        return stamp_of(tool).exists()
    return bool(shutil.which("psql")) if tool == "psql" else os.access(ingestr(), os.X_OK)


def version(tool: str) -> str:
    """What the page says of an installed tool."""
    if tool in PINNED:
        return ", ".join(package.replace("==", " ") for package in PINNED[tool])
    asked = {"psql": ["psql", "--version"], "ingestr": [str(ingestr()), "--version"]}[tool]
    answer = subprocess.run(asked, capture_output=True, text=True, env={**os.environ, **QUIET})
    return answer.stdout.strip().splitlines()[0] if answer.stdout.strip() else "unknown version"
