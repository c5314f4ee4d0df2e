"""dlt: a full load of one table, to Parquet files, PostgreSQL or Iceberg.

Arrow backends, exact reflection, no recompression and no load-id column, so that what was extracted passes through
unchanged: the settings that its pages give for speed.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import dlt
from dlt.sources.sql_database import sql_table

from bench import places

SETTINGS = {
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "1000000",
    "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "1000000",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
    "RUNTIME__LOG_LEVEL": "WARNING",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("to", choices=["files", "postgres", "iceberg"])
    parser.add_argument("source", help="database")
    parser.add_argument("table")
    parser.add_argument("place", help="folder, or database")
    parser.add_argument("--backend", choices=["connectorx", "pyarrow"], default="connectorx")
    parser.add_argument("--chunk", type=int, default=100_000)
    parser.add_argument("--arrow", choices=["arrow_stream", "arrow"], default="arrow_stream")
    parser.add_argument("--loader", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--state", required=True, help="folder of the pipeline's own files")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    os.environ.update(SETTINGS | {"NORMALIZE__WORKERS": arguments.workers, "LOAD__WORKERS": arguments.workers})
    extra: dict[str, Any] = {}
    if arguments.backend == "connectorx":
        batches = {"batch_size": arguments.chunk} if arguments.arrow == "arrow_stream" else {}
        extra["backend_kwargs"] = {"return_type": arguments.arrow, "conn": places.url(arguments.source), **batches}
    source = sql_table(
        places.url(arguments.source, driver="postgresql+psycopg2"),
        arguments.table,
        schema="public",
        backend=arguments.backend,
        chunk_size=arguments.chunk,
        reflection_level="full_with_precision",
        **extra,
    )
    if arguments.to == "iceberg":
        source.apply_hints(table_format="iceberg")
    destination = (
        dlt.destinations.postgres(places.url(arguments.place, password="unused"))
        if arguments.to == "postgres"
        else dlt.destinations.filesystem(f"file://{arguments.place}")
    )
    pipeline = dlt.pipeline(
        f"bench_{arguments.to}", destination=destination, dataset_name="dlt_bench", pipelines_dir=arguments.state
    )
    pipeline.run(source, loader_file_format=arguments.loader, write_disposition="replace")


if __name__ == "__main__":
    main()
