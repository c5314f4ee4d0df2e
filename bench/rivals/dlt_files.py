"""dlt from files: CSV to Parquet, or Parquet into PostgreSQL, with its own readers that make Arrow tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import dlt
from dlt.sources.filesystem import filesystem, read_csv_duckdb, read_parquet

from bench import places
from bench.lineitem import COLUMNS
from bench.rivals.dlt_full import SETTINGS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a CSV file with a header, or a folder of Parquet files")
    parser.add_argument("place", help="folder, or database")
    parser.add_argument("--state", required=True, help="folder of the pipeline's own files")
    parser.add_argument("--chunk", type=int, default=100_000)
    parser.add_argument("--loader", choices=["parquet", "csv"], default="parquet")
    arguments = parser.parse_args()
    os.environ.update(SETTINGS | {"NORMALIZE__WORKERS": "2", "LOAD__WORKERS": "2"})
    is_csv = arguments.source.suffix == ".csv"
    if is_csv:
        types = {name: type_ for name, (_, type_) in COLUMNS.items()}
        found = filesystem(str(arguments.source.parent), file_glob=arguments.source.name)
        rows = found | read_csv_duckdb(chunk_size=arguments.chunk, use_pyarrow=True, columns=types, header=True)
        destination = dlt.destinations.filesystem(f"file://{arguments.place}")
    else:
        found = filesystem(str(arguments.source), file_glob="**/*.parquet")
        rows = found | read_parquet(chunksize=arguments.chunk, use_pyarrow=True)
        destination = dlt.destinations.postgres(places.url(arguments.place, password="unused"))
    pipeline = dlt.pipeline(
        "bench_files", destination=destination, dataset_name="dlt_bench", pipelines_dir=arguments.state
    )
    pipeline.run(rows.with_name("lineitem"), loader_file_format=arguments.loader, write_disposition="replace")


if __name__ == "__main__":
    main()
