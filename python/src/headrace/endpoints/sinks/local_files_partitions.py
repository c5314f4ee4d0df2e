"""One slice as many Parquet files, in the folders of their partitions: streamed, and durable when it is there.

Rows come in any order, so a file stays open for each partition; the one that was
written to longest ago is closed when there would be too many, and its partition
goes on in another file.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoints.sinks.files_partitions import null_partition, partitions
from headrace.endpoints.sinks.local_files_file import finished, opened
from headrace.endpoints.systems.files_encoding import row_groups
from headrace.endpoints.systems.files_partitions import invalid
from headrace.endpoints.systems.files_record import SlotFile
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_slot import flush_path
from headrace.staging import RecordReader

MOST_PARTITIONS = 1000
"""Of one slice: beyond it, folders are rows."""
MOST_OPEN = 64


@dataclass(slots=True)
class _OpenFile:
    name: str
    path: Path
    writer: pq.ParquetWriter
    sink: pa.NativeFile
    rows: int = 0


def write_partitions(
    directory: Path, reader: RecordReader, schema: pa.Schema, compression: str, names: tuple[str, ...]
) -> list[SlotFile]:
    """Write every row of ``reader``, widened to ``schema``, below ``directory``. Returns the files of them.

    The disk has them then, and the folders they lie in.
    """
    files = _PartitionFiles(directory, schema, compression, names)
    rows = 0
    try:
        for table in row_groups(reader.iter_arrow()):
            for folder, part in partitions(names, table.cast(schema), rows):
                files.write(folder, part)
            rows += table.num_rows
        if rows == 0:
            files.write(null_partition(names), schema.empty_table())
    except BaseException:
        files.abandon()
        raise
    return files.finish()


def write_partitioned_columns(
    directory: Path, schema: pa.Schema, compression: str, names: tuple[str, ...]
) -> list[SlotFile]:
    """Write a file of ``schema`` without a row."""
    files = _PartitionFiles(directory, schema, compression, names)
    files.write(null_partition(names), schema.empty_table())
    return files.finish()


class _PartitionFiles:
    def __init__(self, directory: Path, schema: pa.Schema, compression: str, names: tuple[str, ...]) -> None:
        self._directory = directory
        self._schema = schema
        self._compression = compression
        self._names = names
        self._open: OrderedDict[str, _OpenFile] = OrderedDict()
        self._begun: Counter[str] = Counter()
        self._files: list[SlotFile] = []

    def write(self, folder: str, rows: pa.Table) -> None:
        file = self._file_in(folder)
        if rows.num_rows == 0:
            return
        with reported("write in", file.path.parent, "sink"):
            file.writer.write_table(rows, row_group_size=rows.num_rows)
        file.rows += rows.num_rows

    def finish(self) -> list[SlotFile]:
        while self._open:
            self._close_oldest()
        with reported("write in", self._directory, "sink"):
            for folder, _, _ in os.walk(self._directory, topdown=False):
                flush_path(Path(folder))
        return sorted(self._files, key=lambda file: file.name)

    def abandon(self) -> None:
        while self._open:
            _, file = self._open.popitem()
            finished(file.path, file.writer, file.sink, complete=False)

    def _file_in(self, folder: str) -> _OpenFile:
        found = self._open.get(folder)
        if found is not None:
            self._open.move_to_end(folder)
            return found
        if folder not in self._begun and len(self._begun) == MOST_PARTITIONS:
            raise invalid(
                f"A slice has more than {MOST_PARTITIONS} partitions by {', '.join(self._names)}, and each would be a "
                "file. Name fewer columns in partition_by, or such as have fewer values; nothing of it was written."
            )
        if len(self._open) == MOST_OPEN:
            self._close_oldest()
        name = f"{folder}/part-{self._begun[folder]}.parquet"
        path = self._directory / name
        with reported("write in", self._directory, "sink"):
            path.parent.mkdir(parents=True, exist_ok=True)
        file = _OpenFile(name, path, *opened(path, self._schema, self._compression))
        self._begun[folder] += 1
        self._open[folder] = file
        return file

    def _close_oldest(self) -> None:
        """A file that cannot be closed is no longer among those that are open: what it holds is lost."""
        _, file = self._open.popitem(last=False)
        finished(file.path, file.writer, file.sink, complete=True)
        self._files.append(SlotFile(name=file.name, bytes=file.path.stat().st_size, rows=file.rows))
