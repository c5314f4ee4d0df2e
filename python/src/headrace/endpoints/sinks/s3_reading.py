"""How to read a unit in a bucket: what the records of its current generations name, and nothing else.

A listing shows more: rows on their way, a generation that is about to replace
another, and one that was replaced a moment ago. So the rule is written as SQL
for DuckDB beside the slices, where people who read them will find it.
"""

from __future__ import annotations

from headrace.endpoint import Target
from headrace.endpoints.systems.files_layout import LATEST_FILE
from headrace.endpoints.systems.s3_layout import CURRENT_FILE, READ_FILE

READING_RULE = (
    f"read the files that the records of the generations in {CURRENT_FILE} name, as {READ_FILE} beside them does; "
    "a listing shows more"
)
LATEST_RULE = (
    f"read the files that the records of the generations in {CURRENT_FILE} name; each slice holds the newest version "
    f"of its rows: take the latest by key, as {LATEST_FILE} beside them does"
)


def reading_file(unit: str, target: Target) -> tuple[str, bytes]:
    """Name and content of the query for the unit at the address ``unit``."""
    if target.disposition != "merge":
        return READ_FILE, f"{_files(unit)}SELECT * FROM {_ROWS.format(more='')};\n".encode()
    key = ", ".join('"' + name.replace('"', '""') + '"' for name in target.primary_key)
    rows = _ROWS.format(more=", filename = '_hr_file', file_row_number = true")
    query = (
        "-- The newest version of every row: a later slice wins, also where it says that the row was deleted.\n"
        "SELECT * EXCLUDE (_hr_file, file_row_number, _headrace_op)\n"
        f"FROM (SELECT * FROM {rows}\n"
        "  UNION ALL BY NAME SELECT 0::SMALLINT AS _headrace_op WHERE false)\n"
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY\n"
        r"  regexp_extract(_hr_file, '/gen=(\d+)/slice=\d+/[^/]*$', 1)::BIGINT DESC,"
        "\n"
        r"  regexp_extract(_hr_file, '/slice=(\d+)/[^/]*$', 1)::BIGINT DESC,"
        "\n"
        r"  regexp_extract(_hr_file, '-(\d+)[.]parquet$', 1)::BIGINT DESC, file_row_number DESC) = 1"
        "\n"
        "  AND coalesce(_headrace_op, 0) = 0;\n"
    )
    return LATEST_FILE, f"{_files(unit)}{query}".encode()


_ROWS = "read_parquet(getvariable('hr_files'), union_by_name = true, hive_partitioning = false{more})"


def _files(unit: str) -> str:
    place = unit.replace("'", "''")
    records = f"{''.join(f'[{mark}]' if mark in '[*?' else mark for mark in place)}/gen=*/slice=*/_commit.json"
    return (
        "-- The files that count, as the commit records name them. Needs DuckDB's httpfs and a secret for the bucket.\n"
        "SET VARIABLE hr_files = (\n"
        f"  SELECT list('{place}/gen=' || generation || '/slice=' || printf('%06d', slice_seq) || '/' || file.name)\n"
        "  FROM (SELECT generation, slice_seq, unnest(files) AS file\n"
        f"    FROM read_json('{records}', columns =\n"
        "      {generation: 'BIGINT', slice_seq: 'BIGINT', files: 'STRUCT(name VARCHAR)[]'}))\n"
        "  WHERE generation IN (SELECT unnest(generations)\n"
        f"    FROM read_json('{place}/_current.json', columns = {{generations: 'BIGINT[]'}})));\n"
    )
