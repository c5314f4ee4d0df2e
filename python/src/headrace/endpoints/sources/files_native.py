"""A slice of text as one Parquet file, written where it is staged: a sink of files takes it as it is.

Rows that are staged as Arrow are stored, hashed and read again before they become
a file. These become one in the thread that reads them.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.endpoints.systems.files_encoding import parquet_writer, row_groups
from headrace.staging import NativeFile

OPERATION = "_headrace_op"

log = logging.getLogger("headrace.files")


def parquet_file(batches: Iterable[pa.RecordBatch], asked: Mapping[str, Any]) -> NativeFile | None:
    """Every row of ``batches``, which have one schema, in a new file at ``asked["path"]``.

    None where there is no batch; where the rows say what became of them, which
    is counted, or refused, as they are staged; and where the file cannot be
    written: whoever stages rows instead hears from staging what is wrong.
    """
    path, groups = Path(str(asked["path"])), row_groups(batches)
    first = next(groups, None)
    if first is None or OPERATION in first.schema.names:
        return None
    footer, compression = asked.get("footer"), str(asked["compression"])
    try:
        rows = _write(path, first.schema.with_metadata(footer), compression, itertools.chain((first,), groups))
    except OSError as error:  # of the source's own none is one
        with suppress(OSError):
            os.truncate(path, 0)  # what is there of it may lie in memory
        log.info("a slice is staged as rows, since no file can be written there: %s", error.strerror)
        return None
    return NativeFile(format="parquet", path=path, rows=rows, schema=first.schema)


def _write(path: Path, schema: pa.Schema, compression: str, groups: Iterable[pa.Table]) -> int:
    rows = 0
    with pa.OSFile(str(path), "wb") as file, parquet_writer(file, schema, compression) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
    return rows
