"""One slice as one Parquet file on the disk: streamed, and durable when it is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoints.sinks.files_parquet import adoptable, refuse_unfit
from headrace.endpoints.systems.files_encoding import parquet_writer, row_groups
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_slot import flush_path
from headrace.staging import NativeFile, RecordReader


def write_slice(path: Path, reader: RecordReader, schema: pa.Schema, compression: str) -> int:
    """Write every row of ``reader``, widened to ``schema``, to the new file ``path``.

    A file that was staged with just these columns becomes ours as it is. Returns
    the number of rows once the disk has them.
    """
    staged = adoptable(reader, schema)
    if staged is not None:
        return _adopt(staged, path)
    rows = 0
    writer, sink = opened(path, schema, compression)
    complete = False
    try:
        for table in row_groups(reader.iter_arrow()):
            with reported("write in", path.parent, "sink"):
                writer.write_table(table.cast(schema), row_group_size=max(table.num_rows, 1))
            rows += table.num_rows
        complete = True
    finally:
        finished(path, writer, sink, complete=complete)
    return rows


def _adopt(staged: NativeFile, path: Path) -> int:
    with reported("write in", path.parent, "sink"):
        try:
            os.link(staged.path, path)
        except OSError:  # it lies in memory or on another file system, or there are no second names here
            shutil.copyfile(staged.path, path)
        flush_path(path)
    return staged.rows


def write_columns(path: Path, schema: pa.Schema, compression: str) -> None:
    """Write a file of ``schema`` without a row."""
    writer, sink = opened(path, schema, compression)
    finished(path, writer, sink, complete=True)


def opened(path: Path, schema: pa.Schema, compression: str) -> tuple[pq.ParquetWriter, pa.NativeFile]:
    refuse_unfit(schema)
    with reported("write in", path.parent, "sink"):
        sink = pa.OSFile(str(path), "wb")
        return parquet_writer(sink, schema, compression), sink


def finished(path: Path, writer: pq.ParquetWriter, sink: pa.NativeFile, *, complete: bool) -> None:
    """Close the file; a complete one is forced to the disk, of an incomplete one only the handle matters."""
    if not complete:
        # The footer cannot be written to a full disk, and nobody will read it: the first failure is the one to tell.
        try:
            writer.close()
            sink.close()
        except OSError:
            sink.close()
        return
    with reported("write in", path.parent, "sink"):
        writer.close()
        sink.close()
        flush_path(path)
