"""dlt: an incremental load of li_1m by ``updated_at``, merged by key into PostgreSQL. Its state stays between runs."""

from __future__ import annotations

import argparse
import os

import dlt
from dlt.sources.sql_database import sql_table

from bench import places
from bench.lineitem import KEY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="database")
    parser.add_argument("target", help="database")
    parser.add_argument("--state", required=True, help="folder of the pipeline's own files")
    parser.add_argument("--backend", choices=["connectorx", "pyarrow"], default="pyarrow")
    arguments = parser.parse_args()
    os.environ["RUNTIME__LOG_LEVEL"] = "WARNING"
    connectorx = {"backend_kwargs": {"return_type": "arrow", "conn": places.url(arguments.source)}}
    source = sql_table(
        places.url(arguments.source, driver="postgresql+psycopg2"),
        "li_1m",
        schema="public",
        backend=arguments.backend,
        chunk_size=100_000,
        reflection_level="full_with_precision",
        incremental=dlt.sources.incremental("updated_at"),
        primary_key=list(KEY),
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        **(connectorx if arguments.backend == "connectorx" else {}),
    )
    pipeline = dlt.pipeline(
        "bench_incremental",
        destination=dlt.destinations.postgres(places.url(arguments.target, password="unused")),
        dataset_name="dlt_inc",
        pipelines_dir=arguments.state,
    )
    pipeline.run(source)


if __name__ == "__main__":
    main()
