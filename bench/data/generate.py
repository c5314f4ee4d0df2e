"""Makes TPC-H's lineitem with DuckDB's extension, as CSV with a header, sorted by key; prints what a copy must have.

The values come from the generator, so that a fault of PostgreSQL or of a reader cannot vouch for itself. Runs in the
environment of DuckDB and downloads nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.lineitem import CHECK_SQL, CHECKS
from bench.rivals.duckdb_session import session

# Smaller tables that load.py cuts from the whole: a quarter, and a thirtieth for tools that take minutes for a million.
SUBSETS = {
    "lineitem": "true",
    "li_q": "l_orderkey <= (select max(l_orderkey) // 4 from lineitem)",
    "li_30": "l_orderkey <= (select max(l_orderkey) // 30 from lineitem)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sf", type=float, required=True, help="1 is 6,001,215 rows")
    parser.add_argument("--csv", type=Path, required=True)
    arguments = parser.parse_args()
    scratch = arguments.csv.with_suffix(".duckdb")
    scratch.unlink(missing_ok=True)
    connection = session("tpch", 2, database=str(scratch))
    connection.execute(f"call dbgen(sf = {arguments.sf})")
    connection.execute(
        f"copy (from lineitem order by l_orderkey, l_linenumber) to '{arguments.csv}' (format csv, header true)"
    )
    reference = {}
    for table, condition in SUBSETS.items():
        values = connection.execute(f"select {CHECK_SQL} from lineitem where {condition}").fetchone()
        reference[table] = dict(zip(CHECKS, map(str, values), strict=True))
    highest = connection.execute("select max(l_orderkey) from lineitem").fetchone()[0]
    connection.close()
    scratch.unlink()
    print(json.dumps({"reference": reference, "highest": highest}))


if __name__ == "__main__":
    main()
