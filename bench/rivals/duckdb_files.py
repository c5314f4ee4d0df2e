"""DuckDB from files: CSV to Parquet in a bound of memory, or Parquet into PostgreSQL."""

from __future__ import annotations

import argparse

from bench import places
from bench.lineitem import COLUMNS
from bench.rivals.duckdb_session import session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a CSV file with a header, or a pattern of Parquet files")
    parser.add_argument("--parquet", help="file to write")
    parser.add_argument("--target", help="database whose table lineitem, which exists, is filled")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="320MB")
    arguments = parser.parse_args()
    connection = session("postgres_scanner", arguments.threads)
    connection.execute(f"set memory_limit = '{arguments.memory}'")
    if arguments.parquet:
        columns = ", ".join(f"'{name}': '{type_}'" for name, (_, type_) in COLUMNS.items())
        rows = f"read_csv('{arguments.source}', header = true, auto_detect = false, columns = {{{columns}}})"
        connection.execute(f"copy (from {rows}) to '{arguments.parquet}' (format parquet, compression snappy)")
    else:
        connection.execute(f"attach '{places.libpq(arguments.target)}' as t (type postgres)")
        connection.execute(f"insert into t.public.lineitem from read_parquet('{arguments.source}')")


if __name__ == "__main__":
    main()
