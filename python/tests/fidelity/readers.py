"""Programs of others that read what our sinks wrote, and the types that each reads otherwise than the format says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from fidelity.telling import Told, by_arrow
from postgres_values import quoted

Files = Sequence[Path]


def by_duckdb(files: Files, column: str) -> Told:
    places = [str(file) for file in files]
    query = f"select {quoted(column)} from read_parquet($1, hive_partitioning = false)"
    found: Any = _duckdb().execute(query, [places])
    return by_arrow(found.to_arrow_table()[column])


@functools.cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def by_polars(files: Files, column: str) -> Told:
    frames = [polars.read_parquet(file, columns=[column], hive_partitioning=False) for file in files]
    return by_arrow(polars.concat(frames).to_arrow()[column])


def by_pyarrow(files: Files, column: str) -> Told:
    return by_arrow(pa.concat_tables(pq.ParquetFile(file).read([column]) for file in files)[column])


READERS: Mapping[str, Callable[[Files, str], Told]] = {
    "DuckDB": by_duckdb, "polars": by_polars, "pyarrow": by_pyarrow,
}  # fmt: skip

UNLIKE: Mapping[str, Mapping[str, str]] = {
    "DuckDB": {
        "decimal256(76, 10)": "a `DECIMAL` of more than 38 digits becomes a double, which rounds it",
        "time = 1 ns": "of a `TIME(NANOS)` the nanoseconds are cut off",
        "duration[us]": "a duration of Arrow is the integer of its microseconds",
    },
    "polars": {
        "decimal256(76, 10)": "a `DECIMAL` of more than 38 digits is refused",
        "date64[ms]": "a `date64` of Arrow is a timestamp at midnight",
        "extension<arrow.uuid>": "a `UUID` is its 16 bytes",
    },
    "pyarrow": {},
}
"""By reader, columns of the corpus of Arrow that come back otherwise, and how; every other is read exactly."""
