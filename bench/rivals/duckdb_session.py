"""A DuckDB connection with one extension loaded from its package: nothing is downloaded when it runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import duckdb


def session(extension: str, threads: int, **connect: Any) -> duckdb.DuckDBPyConnection:
    package = importlib.util.find_spec(f"duckdb_extension_{extension}")
    if package is None or not package.submodule_search_locations:
        raise SystemExit(f"pip install duckdb-extension-{extension.replace('_', '-')}=={duckdb.__version__}")
    root = Path(package.submodule_search_locations[0])
    connection = duckdb.connect(**connect)
    connection.load_extension(str(next(root.glob(f"extensions/*/{extension}.duckdb_extension"))))
    connection.execute(f"set threads = {threads}")
    connection.execute("set preserve_insertion_order = false")
    return connection
