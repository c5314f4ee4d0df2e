"""A CSV file as a part: RFC 4180 in UTF-8, its first line the header, its values text.

No type is guessed: a column is text unless ``column_types`` says what it is, so
leading zeros, wide numbers and decimals stay what they are. A field without
anything is NULL, a quoted one with nothing in it is empty text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv

from headrace.endpoint import Column
from headrace.endpoints.sources.files_bytes import FileRange, SourceBytes
from headrace.endpoints.sources.files_columns import NotExact, field_of, from_text
from headrace.endpoints.sources.files_csv_header import Header, column_names, without_rows
from headrace.endpoints.sources.files_csv_sifting import CsvSifting
from headrace.endpoints.sources.files_delimiter import delimiter_of, likely_delimiter, set_delimiter
from headrace.endpoints.sources.files_parts import (
    Cut,
    Mark,
    Shape,
    Want,
    chosen_columns,
    rejected,
)
from headrace.endpoints.sources.files_records import BOM, Block, Records, blocks, line_of, refuse_unreadable
from headrace.endpoints.sources.files_text import cut_records, estimated_records, resumed, text_start
from headrace.errors import Bug, EndpointUnreachable, RowRejected
from headrace.refusals import Sifted

_FIRST_LINE_BYTES = 64 * 1024


class _ParsedStream(FileRange):
    """What the parser gets to see of a cut, so that it sees every byte of it.

    It drops a byte order mark where it begins, so it is given one to drop. And it
    drops a line feed that begins a block when the one before ended with a carriage
    return, in a quoted value too, so no block ends with one.
    """

    def __init__(self, file: SourceBytes, cut: Cut) -> None:
        super().__init__(file, cut.start.at, cut.end.at)
        self._is_begun = False

    def read(self, size: int = -1) -> bytes:
        if not self._is_begun:
            self._is_begun = True
            return BOM + self.read(size - len(BOM))
        data = super().read(size)
        if len(data) > 1 and data.endswith(b"\r"):
            self.seek(-1, io.SEEK_CUR)
            return data[:-1]
        return data


class CsvPart:
    """``delimiter`` is None where nobody said it: then the first line tells."""

    def __init__(
        self, file: SourceBytes, types: Mapping[str, str], delimiter: str | None, row_bytes: int, *, has_header: bool
    ) -> None:
        self._file = file
        self._types = types
        self._said_delimiter = delimiter
        self._row_bytes = row_bytes
        self._has_header = has_header

    def shape(self) -> Shape:
        header = self._header
        fields = [field_of(name, self._word(name)) for name in header.names]
        return Shape(
            columns=tuple(Column(name=name, type=self._word(name), nullable=True) for name in header.names),
            arrow=pa.schema(fields),
        )

    def estimated_rows(self) -> int:
        return estimated_records(self._file, self._header.body, self._records)

    def begin(self, *, is_growing: bool) -> Mark:
        if is_growing and not self._header.is_ended:
            raise EndpointUnreachable(
                f"The first line of {self._file.shown} has no line feed yet. Start again when it is whole.",
                role="source",
                details={"path": self._file.shown},
            )
        return self._header.body

    def refuse_damaged(self) -> None:
        self._file.refuse_damaged()

    def resume(self, mark: Mark) -> Mark:
        return resumed(self._file, mark, self._header.body)

    def cut(self, start: Mark, want: Want) -> Cut | None:
        takes = self._waits if want.is_growing else self._takes
        return cut_records(self._file, start, self._records, want, self._row_bytes, takes)

    def read(
        self, cut: Cut, columns: tuple[str, ...] | None, batch_bytes: int, most_set_aside: int | None = None
    ) -> Iterator[pa.RecordBatch | Sifted]:
        names = self._header.names
        chosen = chosen_columns(self._file.shown, columns, names)
        wrong: list[Any] = []
        sifting = None if most_set_aside is None else self._sifting(cut, wrong, most_set_aside)
        rows = 0
        try:
            with self._opened(cut, names, chosen, wrong, "error" if sifting is None else "skip") as batches:
                for batch in batches:
                    if sifting is None:
                        yield self._typed(batch, cut, rows)
                        rows += batch.num_rows
                    else:
                        sifted = sifting.sifted(batch, rows, self._converted)
                        rows += sifted.rows
                        yield sifted
            if sifting is not None and (rest := sifting.rest(rows)) is not None:
                rows += rest.rows
                yield rest
        except pa.ArrowInvalid as error:
            if not wrong:
                raise Bug(f"{self._file.shown} cannot be parsed: {error}", role="source") from error
            raise self._misshapen(cut, wrong[0]) from None
        if rows != cut.rows:
            raise Bug(f"{self._file.shown} has {rows} records where {cut.rows} were counted.", role="source")

    def identity(self, mark: Mark) -> str:
        return self._file.fingerprint(mark.at)

    def close(self) -> None:
        self._file.close()

    def _waits(self, block: Block) -> int:
        """Nothing, for the rest of the record may still be written."""
        return 0

    def _takes(self, block: Block) -> int:
        """One record, unless a quote is left open in it."""
        self._refuse_left_open(block, self._records)
        return 1 if self._records.counts_blank or block.data.strip(b"\r") else 0

    def _refuse_left_open(self, block: Block, records: Records) -> None:
        if records.is_left_open(block.data):
            raise rejected(
                self._file.shown,
                block.line + 1,
                "a quote is opened in the record that begins here, and the file ends without closing it. Close it.",
            )

    def _word(self, name: str) -> str:
        return self._types.get(name, "string")

    @cached_property
    def _records(self) -> Records:
        """In a file of one column a blank line is a NULL; in others it is nothing."""
        return Records(self._delimiter, counts_blank=len(self._header.names) == 1)

    @cached_property
    def _delimiter(self) -> str:
        if self._said_delimiter is not None:
            return self._said_delimiter
        start = text_start(self._file).at
        head = self._file.read(start, min(_FIRST_LINE_BYTES, self._file.size - start))
        return delimiter_of(head.lstrip(b"\r\n").partition(b"\n")[0])

    @cached_property
    def _header(self) -> Header:
        records, start = Records(self._delimiter), text_start(self._file)
        for block in blocks(self._file, start, self._file.size, records, self._row_bytes):
            span = next(records.spans(block.data), None)
            if span is None:
                continue
            begin, end = span
            self._refuse_left_open(block, records)
            refuse_unreadable(self._file.shown, replace(block, data=block.data[:end]), records)
            line = block.line + block.data.count(b"\n", 0, begin) + 1
            names = column_names(
                self._file.shown, block.data[begin:end], line, self._parsing(), has_header=self._has_header
            )
            behind = Mark(at=block.at + end, line=block.line + block.data.count(b"\n", 0, end))
            return Header(names=names, body=behind if self._has_header else start, is_ended=block.is_whole)
        raise without_rows(self._file.shown, has_header=self._has_header)

    @property
    def _expected(self) -> str:
        return f"the {'header names' if self._has_header else 'first row has'} {len(self._header.names)}"

    def _opened(self, cut: Cut, names: tuple[str, ...], chosen: tuple[str, ...], wrong: list[Any], answer: str) -> Any:
        def note(row: Any) -> str:
            wrong.append(row)
            return answer

        return csv.open_csv(
            pa.PythonFile(_ParsedStream(self._file, cut), mode="r"),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=cut.longest + len(BOM)),
            self._parsing(ignore_empty_lines=len(names) > 1, invalid_row_handler=note),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=list(chosen),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _parsing(self, **more: Any) -> Any:
        return csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, **more)

    def _typed(self, batch: pa.RecordBatch, cut: Cut, before: int) -> pa.RecordBatch:
        try:
            return self._converted(batch)
        except RowRejected as refusal:
            name, position = str(refusal.details["column"]), int(refusal.details["row"])
            line = self._line(cut, before + position)
            raise rejected(self._file.shown, line, refusal.message, column=name) from None

    def _converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Raises ``RowRejected`` with ``details["row"]``, the row's position in the batch."""
        fields: list[pa.Field] = []
        arrays: list[pa.Array] = []
        for name, texts in zip(batch.schema.names, batch.columns, strict=True):
            word = self._word(name)
            try:
                arrays.append(from_text(texts, word))
            except NotExact as refusal:
                raise RowRejected(
                    f"the value of column {name!r} is no {word}. Correct it, or say in column_types that {name!r} is "
                    "string.",
                    details={"row": refusal.position, "column": name},
                ) from None
            fields.append(field_of(name, word))
        return pa.record_batch(arrays, schema=pa.schema(fields))

    def _misshapen(self, cut: Cut, row: Any) -> Exception:
        return rejected(
            self._file.shown,
            self._line(cut, row.number - 1),
            f"there are {row.actual_columns} fields, and {self._expected}. Quote fields that hold a "
            f"{self._delimiter!r}, or {set_delimiter(likely_delimiter(self._header.names))}.",
        )

    def _sifting(self, cut: Cut, wrong: Sequence[Any], most: int) -> CsvSifting:
        return CsvSifting(self._file.shown, self._expected, wrong, most, lambda: self._first_line(cut))

    def _first_line(self, cut: Cut) -> int | None:
        """The line of the first record, where every record is just one line: others would be looked for one by one."""
        is_a_line_each = cut.end.line - cut.start.line == cut.rows and self._file.read(cut.end.at - 1, 1) == b"\n"
        return cut.start.line + 1 if is_a_line_each else None

    def _line(self, cut: Cut, position: int) -> int:
        return line_of(self._file, cut.start, cut.end.at, self._records, self._row_bytes, position)
