"""How to read a directory of slices under ``merge``: a later slice holds newer versions of its rows.

Files are never rewritten, so a changed row travels again in a new slice, and
the version that counts is the one in the latest. The rule is written as SQL for
DuckDB beside the slices, where people who read them will find it. A slice has
the column ``_headrace_op`` when a row of it may say that it was deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.endpoints.systems.files_layout import LATEST_FILE

READING_RULE = (
    "each slice holds the newest version of its rows; read the latest by key, as " + LATEST_FILE + " beside them does"
)


def latest_sql(directory: Path, primary_key: Sequence[str]) -> str:
    """A DuckDB query for the newest version of every row below ``directory``."""
    files = _literal(f"{_glob_safe(str(directory))}/gen=*/slice=*/*.parquet")
    key = ", ".join(_quoted(column) for column in primary_key)
    return (
        "-- The newest version of every row. A slice holds rows that were new or changed; a later one wins,\n"
        "-- also one that says that its row was deleted.\n"
        "SELECT * EXCLUDE (_hr_file, file_row_number, _headrace_op)\n"
        f"FROM (SELECT * FROM read_parquet({files},\n"
        "  union_by_name = true, hive_partitioning = false, filename = '_hr_file', file_row_number = true)\n"
        "  UNION ALL BY NAME SELECT 0::SMALLINT AS _headrace_op WHERE false)\n"
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY\n"
        r"  regexp_extract(_hr_file, '/gen=(\d+)/slice=\d+/[^/]*$', 1)::BIGINT DESC,"
        "\n"
        r"  regexp_extract(_hr_file, '/slice=(\d+)/[^/]*$', 1)::BIGINT DESC, file_row_number DESC) = 1"
        "\n"
        "  AND coalesce(_headrace_op, 0) = 0;\n"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _glob_safe(path: str) -> str:
    """A path whose own ``[``, ``*`` and ``?`` stand for themselves in a glob."""
    return "".join(f"[{mark}]" if mark in "[*?" else mark for mark in path)
