"""What strangers see of an Iceberg table: DuckDB, whose extensions lie in wheels."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

_CONFIG: Any = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def duckdb_table(metadata_location: str, s3: Mapping[str, str] | None = None) -> pa.Table:
    """The table as DuckDB reads it, a reader that shares no code with what wrote it.

    ``s3`` has what DuckDB calls a secret, for tables that lie in a bucket.
    """
    with duckdb.connect(config=_CONFIG) as connection:
        for name in ("avro", "iceberg", *(() if s3 is None else ("httpfs",))):
            package = Path(str(importlib.import_module(f"duckdb_extension_{name}").__file__)).parent
            extension = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
            connection.execute(f"load '{extension}'")
        if s3 is not None:
            said = ", ".join(f"{key} '{value}'" for key, value in s3.items())
            connection.execute(f"create secret (type s3, {said}, url_style 'path', use_ssl false)")
        place = metadata_location.removeprefix("file://")
        found: Any = connection.execute(f"select * from iceberg_scan('{place}')")
        return found.to_arrow_table()
