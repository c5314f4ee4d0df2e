"""What strangers see of an Iceberg table: DuckDB, with its extension out of a wheel, and PyIceberg."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

_CONFIG: Any = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def duckdb_table(metadata_location: str) -> pa.Table:
    """The table as DuckDB reads it, a reader that shares no code with what wrote it."""
    with duckdb.connect(config=_CONFIG) as connection:
        for name in ("avro", "iceberg"):
            package = Path(str(importlib.import_module(f"duckdb_extension_{name}").__file__)).parent
            extension = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
            connection.execute(f"load '{extension}'")
        place = metadata_location.removeprefix("file://")
        found: Any = connection.execute(f"select * from iceberg_scan('{place}')")
        return found.to_arrow_table()
