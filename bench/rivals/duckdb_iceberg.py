"""DuckDB from PostgreSQL into Arrow, appended to an Iceberg table by PyIceberg: one snapshot, a SQL catalog."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from bench import places
from bench.lineitem import COLUMNS
from bench.rivals.duckdb_session import session

ARROW = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DECIMAL(15,2)": pa.decimal128(15, 2),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="database")
    parser.add_argument("table")
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--batches", choices=["stream", "whole"], default="whole")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    catalog = SqlCatalog(
        "bench", uri=f"sqlite:///{arguments.warehouse}/catalog.db", warehouse=f"file://{arguments.warehouse}"
    )
    catalog.create_namespace_if_not_exists("bench")
    shape = pa.schema([(name, ARROW[type_]) for name, (_, type_) in COLUMNS.items()])
    table = catalog.create_table(f"bench.{arguments.table}", schema=shape)
    connection = session("postgres_scanner", arguments.threads)
    connection.execute(f"attach '{places.libpq(arguments.source)}' as s (type postgres, read_only)")
    result = connection.execute(f"from s.public.{arguments.table}")
    table.append(result.to_arrow_table() if arguments.batches == "whole" else result.to_arrow_reader(262_144))


if __name__ == "__main__":
    main()
