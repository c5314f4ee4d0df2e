"""Which rows a table holds, told by their keys and read as readers see them, file by file."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    ArrowScan,
    _read_all_delete_files,  # pyright: ignore[reportPrivateUsage]
)
from pyiceberg.schema import Schema
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH

from headrace.endpoints.systems.iceberg_errors import KNOWN, translated
from headrace.errors import ConfigInvalid


def keys_of(table: Table, key: Sequence[str]) -> Generator[pa.RecordBatch]:
    """Of every row, one batch at a time.

    Raises:
        DataPlaneError: A file cannot be read, or other engines deleted rows in a way that cannot be.
    """
    columns = table.schema()
    wanted = Schema(*(columns.find_field(name) for name in key))
    try:
        for task in files_of(table.metadata, table.io, AlwaysTrue()):
            for batch in rows_of(table.metadata, table.io, task, wanted):
                yield batch.select(list(key))
    except KNOWN as error:
        raise translated(error, role="sink", where=".".join(table.name())) from error


def files_of(metadata: TableMetadata, io: FileIO, among: BooleanExpression) -> Iterator[FileScanTask]:
    """Those that readers see and that may hold a row of ``among``."""
    if metadata.snapshot_by_name(MAIN_BRANCH) is None:
        return
    try:
        yield from DataScan(table_metadata=metadata, io=io, row_filter=among).plan_files()
    except ValueError as error:
        if "equality deletes" not in str(error):
            raise
        raise ConfigInvalid(
            "The table has equality deletes of another engine, which cannot be read. Compact it there "
            "(rewrite_data_files), then start again.",
            role="sink",
        ) from None


def rows_of(metadata: TableMetadata, io: FileIO, task: FileScanTask, wanted: Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file as readers see them, without those that other engines have deleted; one batch at a time."""
    scan = ArrowScan(metadata, io, wanted, AlwaysTrue())
    deletes = _read_all_delete_files(io, [task])
    return scan._record_batches_from_scan_tasks_and_deletes([task], deletes)  # pyright: ignore[reportPrivateUsage]
