"""Merging a slice into a table by key: files that hold one of its keys are written anew without them.

What is held of a slice are its keys, and what is held of the table are the
columns that the slice does not have, of rows that it stores anew. Of several rows
with one key the last counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, LessThanOrEqual
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.types import DateType, DecimalType, IntegerType, LongType, StringType

from headrace.endpoints.sinks.iceberg_columns import OPERATION, conformed, refused, rejected
from headrace.endpoints.sinks.iceberg_commits import Change
from headrace.endpoints.sinks.iceberg_files import Files
from headrace.endpoints.sinks.iceberg_keys import files_of, rows_of
from headrace.staging import RecordReader

_ROW, _AT = "row", "at"
_COMPARED = (DateType, DecimalType, IntegerType, LongType, StringType)
"""Of columns of these types a file's bounds tell whether it may hold a key."""


@dataclass
class Merge:
    """One slice that is to be merged. ``read`` it first; then it may land as often as its change is decided anew."""

    schema: Schema
    key: Sequence[str]
    reader: RecordReader
    name: str
    footer: Mapping[str, str]
    keys: pa.Table = field(init=False)
    """Each key once, as ``k0``, ``k1``, …, with the number of its last row."""
    stored: Any = field(init=False)
    """The numbers of the rows that are stored: the last of each key, unless it says that it was deleted."""

    def read(self) -> int:
        """How many rows there are. Raises ``RowRejected`` for one that no other could ever take the place of."""
        columns = schema_to_pyarrow(Schema(*(self.schema.find_field(name) for name in self.key)))
        nested = [each.name for each in columns if pa.types.is_nested(each.type)]
        if nested:
            raise refused(nested[0], "is part of the key, and rows cannot be found by a nested value")
        parts: list[pa.Table] = [self._keyed(pa.record_batch([], schema=pa.schema([])), columns, 0)]
        said: list[Any] = []
        rows = 0
        for batch in self.reader.iter_arrow():
            parts.append(self._keyed(batch, columns, rows))
            said.append(operations(batch))
            rows += batch.num_rows
        names = [f"k{index}" for index in range(len(self.key))]
        last = pa.concat_tables(parts).group_by(names).aggregate([(_ROW, "max")])
        self.keys = last.rename_columns([*names, _ROW])
        deleted = pc.indices_nonzero(pa.concat_arrays([pa.array([], pa.bool_()), *said]))
        numbers = self.keys[_ROW].combine_chunks()
        self.stored = numbers.filter(pc.invert(pc.is_in(numbers, deleted.cast(pa.int64()))))
        return rows

    def land(self, change: Change, summary: dict[str, str]) -> int:
        """Add to ``change`` the snapshot in which the slice is merged, and return its id."""
        self.schema = change.table.schema()
        files = Files(change.table, self.schema, self.footer)
        replaced, old = self._rewritten(change, files)
        producer = change.update_snapshot(snapshot_properties=summary).overwrite()
        producer.delete_by_predicate(AlwaysTrue())  # which manifests are looked at; the files are named one by one
        for before, after in replaced:
            producer.delete_data_file(before)
            for file in after:
                producer.append_data_file(file)
        made, _ = files.write(self._upserts(old), self._columns(old), self.name)
        change.files.extend(made)
        for file in made:
            producer.append_data_file(file)
        producer.commit()
        return producer.snapshot_id

    def _keyed(self, batch: pa.RecordBatch, columns: pa.Schema, first: int) -> pa.Table:
        if not batch.num_columns:
            empty = [_comparable(pa.array([], each.type)) for each in columns]
            return self._named(empty, _ROW, 0, first)
        keys = conformed(batch.select(list(self.key)), columns)
        for each in self.key:
            if keys.column(each).null_count:
                raise rejected(each, "is NULL in a row, and rows are merged by it")
        return self._named([_comparable(keys.column(each)) for each in self.key], _ROW, batch.num_rows, first)

    def _named(self, arrays: Sequence[Any], number: str, rows: int, first: int = 0) -> pa.Table:
        numbers = pa.array(range(first, first + rows), pa.int64())
        return pa.table([*arrays, numbers], names=[*(f"k{index}" for index in range(len(self.key))), number])

    def _rewritten(self, change: Change, files: Files) -> tuple[list[tuple[DataFile, list[DataFile]]], pa.Table | None]:
        """Files that held a key with those in their place, and what old rows have in columns the slice lacks."""
        lacking = [each.name for each in self.schema.fields if each.name not in self._staged()]
        replaced: list[tuple[DataFile, list[DataFile]]] = []
        kept: list[pa.Table] = []
        for task in self._candidates(files):
            if not self._holds_a_key(files, task):
                continue
            rest, _ = files.write(self._without(files, task, lacking, kept), self._all_columns(), self.name)
            change.files.extend(rest)
            replaced.append((task.file, rest))
        return replaced, pa.concat_tables(kept) if kept else None

    def _candidates(self, files: Files) -> Iterator[FileScanTask]:
        if self.keys.num_rows:
            yield from files_of(files.table.metadata, files.io, self._bounds())

    def _bounds(self) -> BooleanExpression:
        """What holds for every key of the slice, so that files without any need not be read."""
        parts: list[BooleanExpression] = []
        at_least: Any = GreaterThanOrEqual
        at_most: Any = LessThanOrEqual
        for index, name in enumerate(self.key):
            if isinstance(self.schema.find_type(name), _COMPARED):
                found = pc.min_max(_as_number(self.keys[f"k{index}"])).as_py()
                parts += [at_least(name, found["min"]), at_most(name, found["max"])]
        return reduce(And, parts, AlwaysTrue())

    def _holds_a_key(self, files: Files, task: FileScanTask) -> bool:
        projected = Schema(*(self.schema.find_field(name) for name in self.key))
        return any(self._matches(batch).num_rows for batch in rows_of(files.table.metadata, files.io, task, projected))

    def _without(
        self, files: Files, task: FileScanTask, lacking: Sequence[str], kept: list[pa.Table]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a file that have no key of the slice; of the others ``kept`` gets what the slice lacks."""
        for batch in rows_of(files.table.metadata, files.io, task, self.schema):
            found = self._matches(batch)
            stored = found.filter(pc.is_in(found[_ROW], self.stored))
            if lacking and stored.num_rows:
                values = batch.select(list(lacking)).take(stored[_AT].combine_chunks())
                kept.append(pa.lib.Table.from_batches([values]).append_column(_ROW, stored[_ROW]))
            everywhere = pa.array(range(batch.num_rows), pa.int64())
            rest = batch.filter(pc.invert(pc.is_in(everywhere, found[_AT].combine_chunks())))
            yield conformed(rest, self._all_columns())

    def _matches(self, batch: pa.RecordBatch) -> pa.Table:
        """Which rows of ``batch`` have a key of the slice, and the number of the slice's last row with it."""
        types = [self.keys.schema.field(f"k{index}").type for index in range(len(self.key))]
        columns = [_comparable(batch.column(name)) for name in self.key]
        arrays = [column.cast(kind) for column, kind in zip(columns, types, strict=True)]
        names = [f"k{index}" for index in range(len(self.key))]
        return self._named(arrays, _AT, batch.num_rows).join(self.keys, keys=names, join_type="inner")

    def _upserts(self, old: pa.Table | None) -> Iterator[pa.RecordBatch]:
        first = 0
        columns = self._columns(None)
        for batch in self.reader.iter_arrow():
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
            first += batch.num_rows
            is_stored = pc.is_in(numbers, self.stored)
            rows = conformed(batch.filter(is_stored), columns)
            yield rows if old is None else self._completed(rows, numbers.filter(is_stored), old)

    def _completed(self, rows: pa.RecordBatch, numbers: Any, old: pa.Table) -> pa.RecordBatch:
        places = pc.index_in(numbers, old[_ROW].combine_chunks())
        values = [old[name].take(places).combine_chunks() for name in old.column_names if name != _ROW]
        return pa.record_batch([*rows.columns, *values], schema=self._columns(old))

    def _columns(self, old: pa.Table | None) -> pa.Schema:
        table = self._all_columns()
        names = [name for name in self._staged() if name in table.names]
        more = [] if old is None else [name for name in old.column_names if name != _ROW]
        return pa.schema([table.field(name) for name in (*names, *more)])

    def _all_columns(self) -> pa.Schema:
        return schema_to_pyarrow(self.schema)

    def _staged(self) -> Sequence[str]:
        return [] if self.reader.schema is None else self.reader.schema.names


def _comparable(array: Any) -> Any:
    """Arrow joins no extension types, such as UUIDs; what they are made of is as good."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _as_number(keys: Any) -> Any:
    """Days are counted from 1970, for Python's calendar does not know all of them."""
    return keys.cast(pa.int32()) if pa.types.is_date(keys.type) else keys


def operations(batch: pa.RecordBatch) -> Any:
    """Which rows say that a row was deleted."""
    if OPERATION not in batch.schema.names:
        return pa.array([False] * batch.num_rows, pa.bool_())
    column = batch.column(OPERATION)
    is_known = pc.all(pc.is_in(column, pa.array([0, 1], column.type)), min_count=0).as_py()
    if column.null_count or not is_known:
        raise rejected(OPERATION, "is neither 0 (a row) nor 1 (a row that was deleted)")
    return pc.equal(column, pa.scalar(1, column.type))
