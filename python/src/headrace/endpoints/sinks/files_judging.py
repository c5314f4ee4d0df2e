"""What files that are there would not take: columns they have not, and values that theirs cannot hold."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from headrace.endpoints.sinks.files_parquet import holds
from headrace.errors import RowRejected
from headrace.parting import parted
from headrace.refusals import RefusedRow
from headrace.staging import RecordReader

Refusing = Callable[[pa.RecordBatch], None]

OPERATION = "_headrace_op"
"""Says what became of a row, and is no column of the source: readers of these files go by it."""


def schema_of_files(earlier: pa.Schema | None, schema: pa.Schema) -> pa.Schema | None:
    """The columns of ``schema`` that the files have, each as it comes where theirs holds it, else as it is there."""
    if earlier is None:
        return None
    fields = [
        field if field.name == OPERATION else _fitting(field, earlier.field(field.name).type)
        for field in schema
        if field.name == OPERATION or field.name in earlier.names
    ]
    return pa.schema(fields, metadata=schema.metadata)


def refused_by_files(reader: RecordReader, schema: pa.Schema, most: int, refuse: Refusing) -> list[RefusedRow]:
    """The rows with values that are no text, that the wider type of the files cannot hold, or that ``refuse`` names."""
    found: list[RefusedRow] = []
    first = 0
    for batch in reader.iter_arrow():
        for position, refusal in parted(batch, lambda part: _store(part, schema, refuse), most - len(found)).refused:
            column = str(refusal.details["column"])
            found.append(
                RefusedRow(position=first + position, code="UNSTORABLE", reason=refusal.message, column=column)
            )
        first += batch.num_rows
        if len(found) > most:
            break
    return found


def _fitting(field: pa.Field, there: pa.DataType) -> pa.Field:
    return field if field.type == there or holds(there, field.type) else pa.field(field.name, there)


def _store(batch: pa.RecordBatch, schema: pa.Schema, refuse: Refusing) -> None:
    for field, column in zip(schema, batch.columns, strict=True):
        try:
            column.validate(full=True)
            column.cast(field.type)
        except pa.ArrowException:
            raise RowRejected(
                f"column {field.name!r} of the files is {field.type}, which cannot hold the value.",
                role="sink",
                details={"column": field.name},
            ) from None
    refuse(batch)
