"""The query beside the slices of a bucket: the newest version of every row, and no row whose newest says it is gone."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from local_files_kit import target

from headrace.endpoints.sinks.s3_reading import reading_file


def test_a_row_whose_newest_version_says_that_it_is_gone_is_not_seen(tmp_path: Path) -> None:
    """Slices from before deletions were asked for lack the column."""
    slices = [{"id": [1, 2, 3], "name": ["a", "b", "c"]}, {"id": [2, 3], "name": [None, "d"], "_headrace_op": [1, 0]}]
    files = [tmp_path / f"gen=1/slice=00000{seq}/part-{seq}.parquet" for seq in range(len(slices))]
    for file, columns in zip(files, slices, strict=True):
        file.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), file)
    _, content = reading_file("s3://lake/orders", target(disposition="merge"))
    _, _, query = content.decode().partition(";\n")

    with duckdb.connect() as reader:
        reader.execute("set variable hr_files = $1", [[str(file) for file in files]])
        found = reader.sql(query).order("id")

        assert (found.columns, found.fetchall()) == (["id", "name"], [(1, "a"), (3, "d")])
