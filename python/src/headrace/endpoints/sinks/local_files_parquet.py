"""One slice as one Parquet file: streamed, in row groups of bounded size, with the types it came with.

Parquet must give back what it was given, so a column it cannot carry is refused
by name before a row is read. Files of earlier slices are never rewritten, hence
a new slice may add columns and widen types, and nothing else.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_slot import flush_path
from headrace.errors import SchemaChanged
from headrace.staging import NativeFile, RecordReader

ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Of Arrow memory: what is held while a row group fills."""

_WIDER: dict[str, tuple[str, ...]] = {
    "int8": ("int16", "int32", "int64"),
    "int16": ("int32", "int64"),
    "int32": ("int64",),
    "float": ("double",),
    "halffloat": ("float", "double"),
    "date32[day]": ("timestamp[us]",),
    "string": ("large_string",),
    "binary": ("large_binary",),
}


class NotParquet(Exception):
    """A file has no columns that can be read."""


def parquet_schema(file: BinaryIO) -> pa.Schema:
    """Raises ``NotParquet``, or ``OSError`` when the disk is to blame."""
    try:
        return pq.read_schema(file)
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotParquet("its columns cannot be read") from error


def write_slice(path: Path, reader: RecordReader, schema: pa.Schema, compression: str) -> int:
    """Write every row of ``reader``, widened to ``schema``, to the new file ``path``.

    A file that was staged with just these columns becomes ours as it is. Returns
    the number of rows once the disk has them.
    """
    staged = reader.native_file()
    if staged is not None and staged.format == "parquet" and staged.schema.equals(schema):
        return _adopt(staged, path)
    rows = 0
    writer, sink = _opened(path, schema, compression)
    complete = False
    try:
        for table in _row_groups(reader):
            with reported("write in", path.parent, "sink"):
                writer.write_table(table.cast(schema), row_group_size=max(table.num_rows, 1))
            rows += table.num_rows
        complete = True
    finally:
        _finish(path, writer, sink, complete=complete)
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
    writer, sink = _opened(path, schema, compression)
    _finish(path, writer, sink, complete=True)


def _opened(path: Path, schema: pa.Schema, compression: str) -> tuple[pq.ParquetWriter, pa.NativeFile]:
    refuse_unfit(schema)
    with reported("write in", path.parent, "sink"):
        sink = pa.OSFile(str(path), "wb")
        return pq.ParquetWriter(sink, schema, compression=compression, write_page_index=True), sink


def _finish(path: Path, writer: pq.ParquetWriter, sink: pa.NativeFile, *, complete: bool) -> None:
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


def _row_groups(reader: RecordReader) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in reader.iter_arrow():
        held.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.lib.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.lib.Table.from_batches(held)


def refuse_unfit(schema: pa.Schema) -> None:
    """Raises ``SchemaChanged`` when Parquet cannot carry a column exactly, or two have one name."""
    names: list[str] = schema.names
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaChanged(
            f"Two columns are called {twice[0]!r}, and Parquet readers could not tell them apart. "
            "Rename or leave out one of them with the policy's columns.",
            role="sink",
            details={"column": twice[0]},
        )
    for field in schema:
        try:
            pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
        except (pa.ArrowException, NotImplementedError) as error:
            raise SchemaChanged(
                f"Parquet cannot carry column {field.name!r} of type {field.type}. "
                "Leave it out, or have the source give it as another type.",
                role="sink",
                details={"column": field.name, "type": str(field.type)},
            ) from error


def joint_schema(earlier: pa.Schema | None, new: pa.Schema, place: Path, *, frozen: bool) -> pa.Schema:
    """The schema to write rows of ``new`` in, so that they can be read together with files of ``earlier``.

    It is ``new`` with the earlier type of every column that has become narrower.
    ``frozen`` is the policy's ``schemaContract: freeze``: then nothing may change.

    Raises:
        SchemaChanged: There is none.
    """
    if earlier is None:
        return new
    gone = [name for name in earlier.names if name not in new.names]
    if gone and frozen:
        raise _changed(place, gone[0], "is gone, and the policy's schemaContract is freeze")
    joint = new
    for index, field in enumerate(new):
        before = earlier.field(field.name).type if field.name in earlier.names else None
        if before is None and frozen:
            raise _changed(place, field.name, "is new, and the policy's schemaContract is freeze")
        if before is None or before == field.type:
            continue
        if frozen or not (_holds(before, field.type) or _holds(field.type, before)):
            raise _changed(place, field.name, f"was {before} and is now {field.type}")
        if _holds(before, field.type):
            joint = joint.set(index, field.with_type(before))
    return joint


def _holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether every value of ``narrow`` is a value of ``wide``."""
    if pa.types.is_decimal(wide) and pa.types.is_decimal(narrow):
        return wide.scale == narrow.scale and wide.precision >= narrow.precision
    return pa.types.is_null(narrow) or str(wide) in _WIDER.get(str(narrow), ())


def _changed(place: Path, column: str, how: str) -> SchemaChanged:
    return SchemaChanged(
        f"Column {column!r} {how}, and the files in {place} stay as they are. "
        "Reset the unit to write it anew, with onNewGeneration replace if the policy says append, or have the source "
        "keep the type.",
        role="sink",
        details={"column": column, "path": str(place)},
    )
