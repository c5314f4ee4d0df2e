"""A slice as a data file of a table: adopted where it was staged as one, else streamed in bounded row groups.

Every attempt has a name of its own, so a file is written once and never again;
it belongs to nobody until a snapshot names it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import FixedType, UUIDType

from headrace.endpoints.sinks.iceberg_columns import OPERATION, conformed
from headrace.endpoints.sinks.iceberg_footer import NoFooter, footer_with_ids
from headrace.endpoints.sinks.iceberg_statistics import statistics_of
from headrace.endpoints.systems.files_encoding import row_groups
from headrace.staging import NativeFile, RecordReader

COMPRESSION = "zstd"
_COPY_BYTES = 4 * 1024 * 1024

log = logging.getLogger("headrace.iceberg")


@dataclass(frozen=True, slots=True)
class Files:
    """Where data files of one table go, and the columns they may have."""

    table: Table
    schema: Schema
    footer: Mapping[str, str]
    """What a file says of itself. A file that is adopted says it already."""

    @property
    def io(self) -> FileIO:
        return self.table.io

    def write_slice(self, reader: RecordReader, name: str) -> tuple[list[DataFile], int]:
        """The files that hold every row of ``reader``, and how many rows those are."""
        staged = reader.native_file()
        adopted = None if staged is None else self._adopted(staged, name)
        if staged is not None and adopted is not None:
            return [adopted], staged.rows
        columns = self._columns(reader.schema)
        batches = (conformed(batch, columns) for batch in reader.iter_arrow())
        return self.write(batches, columns, name)

    def write(self, batches: Iterable[pa.RecordBatch], columns: pa.Schema, name: str) -> tuple[list[DataFile], int]:
        """One file of ``batches``, which have the types of ``columns``; none when there is no row."""
        groups = row_groups(batch for batch in batches if batch.num_rows)
        first = next(groups, None)
        if first is None:
            return [], 0
        path = self._path(name)
        output, said = self.io.new_output(path), columns.with_metadata(dict(self.footer))
        rows = 0
        with _abandoning(self.io, path):
            with output.create() as stream:
                writer = pq.ParquetWriter(stream, said, compression=COMPRESSION, store_decimal_as_integer=True)
                with writer:
                    for group in itertools.chain((first,), groups):
                        writer.write_table(group, row_group_size=group.num_rows)
                        rows += group.num_rows
            return [self._data_file(path, len(output), writer.writer.metadata, columns.names)], rows

    def _adopted(self, staged: NativeFile, name: str) -> DataFile | None:
        """The staged file, with the table's ids in its footer; None when its columns are not just the table's."""
        if staged.format != "parquet" or staged.rows == 0 or not self._fits(staged.schema):
            return None
        ids = {field.name: field.field_id for field in self.schema.fields}
        with staged.path.open("rb") as file:
            try:
                footer = footer_with_ids(file, ids)
            except NoFooter as error:
                log.info("a staged file is written anew: %s", error)
                return None
            path, size = self._path(name), footer.pages + len(footer.content)
            file.seek(0)
            with _abandoning(self.io, path):
                with self.io.new_output(path).create() as stream:
                    for start in range(0, footer.pages, _COPY_BYTES):
                        stream.write(file.read(min(_COPY_BYTES, footer.pages - start)))
                    stream.write(footer.content)
                return self._data_file(path, size, pq.read_metadata(staged.path), staged.schema.names)

    def _fits(self, staged: pa.Schema) -> bool:
        columns = self._columns(staged)
        return (
            OPERATION not in staged.names
            and columns.names == staged.names
            and all(
                field.nullable and _in_file(field.type) == _in_file(staged.field(field.name).type) for field in columns
            )
            and not any(isinstance(self.schema.find_type(name), FixedType | UUIDType) for name in columns.names)
        )

    def _columns(self, rows: pa.Schema | None) -> pa.Schema:
        """Of the table, those that the rows have, in the order the rows have them; each with its id."""
        table = schema_to_pyarrow(self.schema)
        names = [] if rows is None else [name for name in rows.names if name in table.names]
        return pa.schema([table.field(name) for name in names])

    def _path(self, name: str) -> str:
        return self.table.location_provider().new_data_location(f"{name}-{uuid.uuid4()}.parquet")

    def _data_file(self, path: str, size: int, metadata: Any, names: Sequence[str]) -> DataFile:
        present = Schema(*(self.schema.find_field(name) for name in names))
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            file_size_in_bytes=size,
            sort_order_id=None,
            spec_id=self.table.metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics_of(metadata, present, self.table.properties),
        )


def discard(io: FileIO, files: Iterable[DataFile]) -> None:
    """Delete files that no snapshot can name."""
    for file in files:
        delete_file(io, file.file_path)


def _in_file(kind: pa.DataType) -> str:
    """A type as Parquet has it, where long strings are no type of their own."""
    return str(kind).removeprefix("large_")


@contextlib.contextmanager
def _abandoning(io: FileIO, path: str) -> Generator[None]:
    """A file whose writing breaks off is nobody's."""
    try:
        yield
    except BaseException:
        delete_file(io, path)
        raise


def delete_file(io: FileIO, path: str) -> None:
    """One that stays costs room and nothing else, so its failure is said and ends nothing."""
    try:
        io.delete(path)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("%s is left behind, and no table names it: %s", path, type(error).__name__)
