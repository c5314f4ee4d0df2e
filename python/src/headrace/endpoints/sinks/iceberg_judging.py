"""What a table would not take, told before anything is written: columns and types it has not, and single rows.

A table in Iceberg has no rules but its types, the columns it requires and, in a
merge, that every row can be found by its key. So rows are judged as they are
made ready for a file, and no file is needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, NestedField, UUIDType

from headrace.endpoints.sinks.iceberg_columns import OPERATION, conformed, rejected, takes
from headrace.endpoints.sinks.iceberg_merge import operations
from headrace.parting import parted, without
from headrace.refusals import RefusedRow
from headrace.sifting import position_before
from headrace.staging import RecordReader


def schema_of_table(present: Schema, schema: pa.Schema) -> pa.Schema:
    """The columns of ``schema`` that the table has, each as it comes where the table holds it, else as it is there."""
    there = {field.name: field.field_type for field in present.fields}
    fields = [
        field if field.name == OPERATION or takes(there[field.name], field) else _as_there(field, there[field.name])
        for field in schema
        if field.name == OPERATION or field.name in there
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _as_there(field: pa.Field, there: IcebergType) -> pa.Field:
    if not there.is_primitive or isinstance(there, UUIDType):
        return field.with_type(pa.null())
    return pa.field(field.name, schema_to_pyarrow(Schema(NestedField(1, field.name, there, required=False))).types[0])


@dataclass(frozen=True, slots=True)
class Judge:
    """``key`` is what rows are merged by; empty where they are not."""

    schema: Schema
    key: Sequence[str]

    def refused(self, reader: RecordReader, most: int) -> list[RefusedRow]:
        """The rows, by position, without which the others are written. Ends early with more than ``most`` of them."""
        found: list[RefusedRow] = []
        first = 0
        for batch in reader.iter_arrow():
            found += [replace(row, position=first + row.position) for row in self._refused(batch, most - len(found))]
            first += batch.num_rows
            if len(found) > most:
                break
        return found

    def _refused(self, batch: pa.RecordBatch, most: int) -> list[RefusedRow]:
        incomplete = {row.position: row for row in self._incomplete(batch)}
        gone = sorted(incomplete)
        unfit = [
            RefusedRow(
                position=position_before(position, gone),
                code="UNSTORABLE",
                reason=refusal.message,
                column=str(refusal.details["column"]),
            )
            for position, refusal in parted(without(batch, gone), self._store, most - len(gone)).refused
        ]
        return sorted([*incomplete.values(), *unfit], key=lambda row: row.position)

    def _incomplete(self, batch: pa.RecordBatch) -> Iterator[RefusedRow]:
        """Rows without a value that the table requires, or that they are found by. A deletion has its key alone."""
        required = {field.name for field in self.schema.fields if field.required}
        stored = pc.invert(_says_deleted(batch))
        for name in reversed([each for each in batch.schema.names if each in {*required, *self.key}]):
            is_key = name in self.key
            lacks = batch.column(name).is_null() if is_key else pc.and_(batch.column(name).is_null(), stored)
            why = "rows are merged by it" if is_key else "the table requires a value"
            reason = rejected(name, f"is NULL in a row, and {why}").message
            for position in pc.indices_nonzero(lacks).to_pylist():
                yield RefusedRow(position=position, code="CONSTRAINT", reason=reason, column=name)

    def _store(self, batch: pa.RecordBatch) -> None:
        """Raises ``RowRejected`` for what a file would not take."""
        columns = schema_to_pyarrow(self.schema)
        deleted = operations(batch)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column.validate(full=True)
            except pa.ArrowException:
                raise rejected(name, f"has a value that is no {column.type}, such as text that is no UTF-8") from None
        conformed(batch.select(list(self.key)), columns)
        conformed(batch.filter(pc.invert(deleted)), columns)


def _says_deleted(batch: pa.RecordBatch) -> Any:
    """Of an operation that is neither a row nor a deletion, ``operations`` says so."""
    if OPERATION not in batch.schema.names:
        return operations(batch)
    return pc.fill_null(pc.not_equal(batch.column(OPERATION), 0), True)
