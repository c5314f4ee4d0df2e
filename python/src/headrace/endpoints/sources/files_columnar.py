"""Parquet and Arrow IPC files as parts. They are written once, so a place in one is a number of rows.

A row group or record batch is read piece by piece; slices that follow one
another go on where the last one stopped, so that nothing is decoded twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from headrace.endpoint import Column
from headrace.endpoints.sources.files_at_once import MOST_BYTES, MOST_ROWS, rows_at_once
from headrace.endpoints.sources.files_bytes import FileRange, SourceBytes
from headrace.endpoints.sources.files_int96 import UNIT, int96_columns, refuse_nanoseconds
from headrace.endpoints.sources.files_parts import Cut, Mark, Shape, Want, chosen_columns
from headrace.errors import Bug, ConfigInvalid, RowRejected

_READ_BYTES = 1024 * 1024
_SAMPLE_ROWS = 1000


class _Library(Protocol):
    """What differs between the two formats."""

    name: str

    @property
    def schema(self) -> pa.Schema: ...
    def groups(self) -> Sequence[int]:
        """Rows of each row group or record batch."""
        ...

    def batches(self, first_group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]: ...
    def sample(self, rows: int) -> pa.RecordBatch | None:
        """The first rows, to measure them; None when there are none."""
        ...

    def estimated_rows(self) -> int: ...


class ColumnarPart:
    def __init__(self, file: SourceBytes, library: type[ParquetLibrary] | type[ArrowLibrary]) -> None:
        self._file = file
        with _told(lambda reason: self._no_such_file(reason, library.name)):
            self._library: _Library = library(file)
            names: list[str] = self._library.schema.names
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice or not names:
            what = f"has two columns called {twice[0]!r}. Rename one" if twice else "has no columns. Remove it"
            raise ConfigInvalid(f"{file.shown} {what}.", role="source", details={"path": file.shown})
        self._stream: _Stream | None = None

    def shape(self) -> Shape:
        schema = self._library.schema
        return Shape(
            columns=tuple(Column(name=f.name, type=str(f.type), nullable=f.nullable) for f in schema),
            arrow=pa.schema([f.with_type(_plain_type(f.type)) for f in schema], metadata=schema.metadata),
        )

    def estimated_rows(self) -> int:
        with _told(lambda reason: self._broken(reason, 0)):
            return self._library.estimated_rows()

    def begin(self, *, is_growing: bool) -> Mark:
        return Mark(at=0)

    def refuse_damaged(self) -> None:
        """It shows where it is read."""

    def resume(self, mark: Mark) -> Mark:
        return mark

    def cut(self, start: Mark, want: Want) -> Cut | None:
        with _told(lambda reason: self._broken(reason, start.at)):
            rows = min(want.rows, max(1, want.size // self._row_bytes), self._rows - start.at)
        return Cut(start=start, end=Mark(at=start.at + rows), rows=rows) if rows > 0 else None

    def read(
        self, cut: Cut, columns: tuple[str, ...] | None, batch_bytes: int, most_set_aside: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        with _told(lambda reason: self._broken(reason, cut.start.at)):
            names = tuple(self._library.schema.names)
            stream = self._stream_at(cut.start.at, chosen_columns(self._file.shown, columns, names), cut.rows)
            for batch in stream.take(cut.rows):
                yield from _pieces(_plain(batch), batch_bytes)

    def identity(self, mark: Mark) -> str:
        return self._file.fingerprint(self._file.size)

    def close(self) -> None:
        self._stream = None
        self._file.close()

    @cached_property
    def _rows(self) -> int:
        return sum(self._library.groups())

    @cached_property
    def _row_bytes(self) -> int:
        """Of the first rows, in memory: on the disk they may be much smaller. Of wide ones few are asked."""
        few = self._sampled(_SAMPLE_ROWS // 10)
        return few if few * _SAMPLE_ROWS > MOST_BYTES else self._sampled(_SAMPLE_ROWS)

    def _sampled(self, rows: int) -> int:
        first = self._library.sample(rows)
        return 1 if first is None else max(1, _plain(first).nbytes // max(1, first.num_rows))

    def _stream_at(self, row: int, columns: tuple[str, ...], rows: int) -> _Stream:
        """The stream of the slice before, if it stopped there; otherwise a new one, from the group of ``row``.

        It decodes no more than ``rows`` at once, since a slice has fewer of them where they are wide.
        """
        if self._stream is None or (self._stream.at, self._stream.columns) != (row, columns):
            groups = self._library.groups()
            ends = list(accumulate(groups))
            group = next((group for group, end in enumerate(ends) if end > row), 0)
            batches = self._library.batches(group, columns, min(rows, MOST_ROWS))
            self._stream = _Stream(at=ends[group] - groups[group], columns=columns, batches=batches)
            for _ in self._stream.take(row - self._stream.at):
                pass
        return self._stream

    def _no_such_file(self, reason: str, name: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"{self._file.shown} cannot be read as {name} ({reason}). If it is still being written, start again when "
            "it is whole; otherwise correct it, or the parameter format.",
            role="source",
            details={"path": self._file.shown, "field": "format"},
        )

    def _broken(self, reason: str, row: int) -> RowRejected:
        return RowRejected(
            f"{self._file.shown} cannot be read from row {row + 1} on ({reason}). Write the file anew.",
            role="source",
            details={"path": self._file.shown, "row": row},
        )


class ParquetLibrary:
    name = "a Parquet file"

    def __init__(self, file: SourceBytes) -> None:
        self._source = file
        self._file: Any = self._opened(UNIT)
        self._int96 = int96_columns(self._file)
        self.schema: pa.Schema = self._file.schema_arrow
        metadata = self._file.metadata
        about = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        self._groups = [group.num_rows for group in about]
        self._widths = [group.total_byte_size // max(1, group.num_rows) for group in about]

    def groups(self) -> list[int]:
        return self._groups

    def batches(self, first_group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Fewer than ``rows`` at once of groups that say to be wider than the first rows were."""
        left = range(first_group, len(self._groups))
        for some, groups in groupby(left, lambda group: min(rows, rows_at_once(self._widths[group]))):
            yield from self._batches(list(groups), columns, some)

    def sample(self, rows: int) -> pa.RecordBatch | None:
        at_once = min([rows, *map(rows_at_once, self._widths[:1])])
        return next(self._file.iter_batches(at_once, use_threads=False), None)

    def _batches(self, groups: Sequence[int], columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(rows, groups, list(columns), use_threads=False)
        int96 = [name for name in columns if name in self._int96]
        if not int96:
            return batches
        return self._looked_at(batches, self._opened("ns").iter_batches(rows, groups, int96, use_threads=False))

    def _looked_at(self, batches: Iterator[pa.RecordBatch], fine: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch, same in zip(batches, fine, strict=True):
            refuse_nanoseconds(batch, same, self._source.shown)
            yield batch

    def _opened(self, int96_unit: str) -> Any:
        stream = pa.PythonFile(FileRange(self._source, 0, self._source.size), mode="r")
        return pq.ParquetFile(stream, buffer_size=_READ_BYTES, pre_buffer=False, coerce_int96_timestamp_unit=int96_unit)

    def estimated_rows(self) -> int:
        return sum(self._groups)


class ArrowLibrary:
    name = "an Arrow file"

    def __init__(self, file: SourceBytes) -> None:
        self._file = file
        self._whole = self._reader(None)
        self.schema: pa.Schema = self._whole.schema

    def groups(self) -> list[int]:
        return self._counted

    @cached_property
    def _counted(self) -> list[int]:
        return [self._narrow.get_batch(group).num_rows for group in range(self._whole.num_record_batches)]

    def batches(self, first_group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        reader = self._reader([self.schema.get_field_index(name) for name in columns])
        for group in range(first_group, reader.num_record_batches):
            batch = reader.get_batch(group).select(list(columns))
            batch.validate(full=True)  # the file says where texts and lists begin, and Arrow would look anywhere
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def sample(self, rows: int) -> pa.RecordBatch | None:
        return next(self.batches(0, self.schema.names, rows), None)

    def estimated_rows(self) -> int:
        """Batches are of one size, by and large."""
        count = self._whole.num_record_batches
        return count * self._narrow.get_batch(0).num_rows if count else 0

    @cached_property
    def _narrow(self) -> Any:
        """Reads the narrowest column alone, to count rows."""
        widths = [(_width(f.type), index) for index, f in enumerate(self.schema)]
        return self._reader([min(widths)[1]])

    def _reader(self, columns: list[int] | None) -> Any:
        options = ipc.IpcReadOptions(included_fields=columns, use_threads=False)
        return ipc.open_file(pa.PythonFile(FileRange(self._file, 0, self._file.size), mode="r"), options=options)


@dataclass(slots=True, kw_only=True)
class _Stream:
    """Batches from row ``at`` on; what a slice leaves of a batch belongs to the next."""

    at: int
    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    rest: pa.RecordBatch | None = field(default=None)

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        end = self.at + rows
        while self.at < end:
            batch = self.rest if self.rest is not None else next(self.batches, None)
            if batch is None:
                raise Bug(f"A file has fewer rows than it says: {self.at} of {end}.", role="source")
            taken = batch.slice(0, end - self.at)
            self.rest = batch.slice(taken.num_rows) if taken.num_rows < batch.num_rows else None
            self.at += taken.num_rows
            yield taken


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same values without dictionaries, views and runs, which not every staging and sink takes."""
    fields = [f.with_type(_plain_type(f.type)) for f in batch.schema]
    arrays = [_as(column, f.type) for column, f in zip(batch.columns, fields, strict=True)]
    return pa.record_batch(arrays, schema=pa.schema(fields, metadata=batch.schema.metadata))


def _as(column: Any, kind: pa.DataType) -> Any:
    plain = pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column
    return plain if plain.type == kind else plain.cast(kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    return {"string_view": pa.string(), "binary_view": pa.binary()}.get(str(kind), kind)


def _pieces(batch: pa.RecordBatch, batch_bytes: int) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * batch_bytes // max(1, batch.nbytes))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _width(kind: pa.DataType) -> int:
    try:
        return kind.bit_width
    except ValueError:
        return 1 << 16


@contextmanager
def _told(failure: Callable[[str], Exception]) -> Generator[None]:
    """What the library says of a file's content leaves as ``failure``."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise failure("a name in it is not UTF-8") from error
    except (pa.ArrowException, OSError) as error:
        raise failure(str(error).partition("\n")[0].rstrip(".")) from error
