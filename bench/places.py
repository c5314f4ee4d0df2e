"""Where the benchmark keeps what it makes, and how its own PostgreSQL is reached. Everything lies below one folder."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Data, cluster and rivals stay for the next time; the folder may be deleted as a whole.
HOME = Path(os.environ.get("HEADRACE_BENCH_DIR", "/tmp/headrace-bench"))
PORT = int(os.environ.get("HEADRACE_BENCH_PORT", "54329"))
USER = "postgres"
HOST = "127.0.0.1"

CLUSTER = HOME / "cluster"
TOOLS = HOME / "tools"
RESULTS = HOME / "results"
OUT = HOME / "out"

NODE = ROOT / "node_modules/.bin/node"
HEADRACE = ROOT / "packages/server/bin/headrace.js"


def url(database: str, password: str = "", driver: str = "postgresql") -> str:
    """Everybody comes over TCP, so that nobody is faster by the road. Some tools insist on a password; none counts."""
    who = f"{USER}:{password}" if password else USER
    return f"{driver}://{who}@{HOST}:{PORT}/{database}"


def libpq(database: str) -> str:
    return f"host={HOST} port={PORT} user={USER} dbname={database}"


def interpreter(tool: str) -> str:
    """The Python of a rival's own environment."""
    return str(TOOLS / tool / "bin/python")
