"""What Parquet can carry of a slice: in row groups of bounded size, with the types it came with.

Parquet must give back what it was given, so a column it cannot carry is refused
by name before a row is read. Files of earlier slices are never rewritten, hence
a new slice may add columns and widen types, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.endpoint import Target
from headrace.errors import SchemaChanged
from headrace.footers import footer
from headrace.staging import NativeFile, RecordReader

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


def with_footer(schema: pa.Schema, target: Target, generation: int, slice_seq: int) -> pa.Schema:
    """The schema of a file that says which slice it is."""
    said = footer(unit=target.unit, run_id=target.run_id, generation=generation, slice_seq=slice_seq)
    return schema.with_metadata({**(schema.metadata or {}), **said})


def adoptable(reader: RecordReader, schema: pa.Schema) -> NativeFile | None:
    """The file that was staged with just these columns, which can be a slice as it is."""
    staged = reader.native_file()
    return staged if staged is not None and staged.format == "parquet" and staged.schema.equals(schema) else None


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
    for field in {field.type: field for field in reversed(list(schema))}.values():
        try:
            pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
        except (pa.ArrowException, NotImplementedError, OSError) as error:  # no disk is involved
            raise SchemaChanged(
                f"Parquet cannot carry column {field.name!r} of type {field.type}. "
                "Leave it out, or have the source give it as another type.",
                role="sink",
                details={"column": field.name, "type": str(field.type)},
            ) from error


def joint_schema(earlier: pa.Schema | None, new: pa.Schema, place: str, *, frozen: bool) -> pa.Schema:
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
        if frozen or not (holds(before, field.type) or holds(field.type, before)):
            raise _changed(place, field.name, f"was {before} and is now {field.type}")
        if holds(before, field.type):
            joint = joint.set(index, field.with_type(before))
    return joint


def holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether every value of ``narrow`` is a value of ``wide``."""
    if pa.types.is_decimal(wide) and pa.types.is_decimal(narrow):
        return wide.scale == narrow.scale and wide.precision >= narrow.precision
    return pa.types.is_null(narrow) or str(wide) in _WIDER.get(str(narrow), ())


def _changed(place: str, column: str, how: str) -> SchemaChanged:
    return SchemaChanged(
        f"Column {column!r} {how}, and the files in {place} stay as they are. "
        "Reset the unit to write it anew, with onNewGeneration replace if the policy says append, or have the source "
        "keep the type.",
        role="sink",
        details={"column": column, "path": place},
    )
