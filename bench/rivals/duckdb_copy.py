"""DuckDB from PostgreSQL: one ``COPY … TO`` Parquet, or one ``INSERT … SELECT`` into another database."""

from __future__ import annotations

import argparse

from bench import places
from bench.rivals.duckdb_session import session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="database")
    parser.add_argument("table")
    parser.add_argument("--parquet", help="file to write")
    parser.add_argument("--target", help="database whose table of the same name, which exists, is filled")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pages", type=int, help="pages of the table that a thread reads at a time")
    arguments = parser.parse_args()
    connection = session("postgres_scanner", arguments.threads)
    if arguments.pages:
        connection.execute(f"set pg_pages_per_task = {arguments.pages}")
    connection.execute(f"attach '{places.libpq(arguments.source)}' as s (type postgres, read_only)")
    if arguments.parquet:
        connection.execute(
            f"copy (from s.public.{arguments.table}) to '{arguments.parquet}' (format parquet, compression snappy)"
        )
    else:
        connection.execute(f"attach '{places.libpq(arguments.target)}' as t (type postgres)")
        connection.execute(f"insert into t.public.{arguments.table} from s.public.{arguments.table}")


if __name__ == "__main__":
    main()
