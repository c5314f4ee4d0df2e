"""JSON lines as a part: an object a line, in UTF-8; each key is a column, and an absent one is NULL.

JSON does not say what a column holds, so that is learned, slice by slice, from
every value of the slice and from what was read before it. Nested values stay
JSON text, because their shape may differ from line to line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec
import pyarrow as pa

from headrace.endpoint import Column
from headrace.endpoints.sources.files_bytes import SourceBytes
from headrace.endpoints.sources.files_json_columns import JsonColumns, Object, known_of, lines_of, schema_of
from headrace.endpoints.sources.files_json_values import decode, decode_lines, json_of
from headrace.endpoints.sources.files_parts import Cut, Mark, Shape, Want, rejected
from headrace.endpoints.sources.files_records import Block, Records, blocks, parts_of
from headrace.endpoints.sources.files_text import cut_records, estimated_records, text_start
from headrace.errors import Bug, RowRejected
from headrace.parting import parted
from headrace.refusals import RefusedRow, Sifted
from headrace.sifting import position_before

_MOST_VALUES = 1024 * 1024
"""Of a batch. A key that one line has is a value in every row, so that a MiB of lines may be many GiB of rows."""

_BREAKS_OFF = "Input data was truncated"
"""What the library says where it looks for more than the line has."""

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class JsonLinesPart:
    def __init__(self, file: SourceBytes, types: Mapping[str, str], row_bytes: int) -> None:
        self._file = file
        self._columns = JsonColumns(file.shown, types)
        self._row_bytes = row_bytes
        self._records = Records(None)

    def shape(self) -> Shape:
        """By the first MiB; what shows later, or does not stand beside the others, is told when it is read."""
        start, columns, shown = text_start(self._file, is_json=True), dict[str, str](), frozenset[str]()
        for block in blocks(self._file, start, self._file.size, self._records, self._row_bytes):
            objects, _ = self._parted(block)
            shown = frozenset(name for row in objects for name in row)
            columns = self._columns.shown(block, objects, shown)
            break
        known = known_of(columns)
        return Shape(
            columns=tuple(Column(name=name, type=kind, nullable=True) for name, kind in known.items()),
            arrow=schema_of(known),
            left_out=shown - columns.keys(),
        )

    def estimated_rows(self) -> int:
        return estimated_records(self._file, text_start(self._file, is_json=True), self._records)

    def begin(self, *, is_growing: bool) -> Mark:
        return text_start(self._file, is_json=True)

    def refuse_damaged(self) -> None:
        self._file.refuse_damaged()

    def resume(self, mark: Mark) -> Mark:
        """A whole object cannot be continued, so it does not matter whether its line feed was there."""
        return mark

    def cut(self, start: Mark, want: Want) -> Cut | None:
        takes = self._takes_whole if want.is_growing else self._takes
        if not want.is_growing and want.most_set_aside is not None:
            takes = self._takes_anything
        at = start
        while (cut := cut_records(self._file, at, self._records, want, self._row_bytes, takes)) is not None:
            columns, delivered, rows, lines = dict(start.columns), dict(start.columns), 0, 0
            for block in self._blocks(cut):
                if want.most_set_aside is None:
                    objects = self._objects(block)
                    self._columns.learn(block, objects, columns, delivered, want.columns)
                    rows += len(objects)
                else:
                    objects, broken = self._parted(block)
                    self._columns.learn_most(block, objects, columns, delivered, want.most_set_aside, want.columns)
                    columns = columns or {name: "null" for row in objects for name in row}
                    rows, lines = rows + len(objects), lines + len(broken)
            if rows > 0 and not columns:
                raise rejected(self._file.shown, cut.start.line + 1, "objects without a key make no rows. Remove them.")
            if rows + lines > 0:
                end = replace(cut.end, columns=tuple(columns.items()))
                return replace(cut, start=start, end=end, rows=rows + lines)
            at = cut.end  # only lines of blanks
        return None

    def read(
        self, cut: Cut, columns: tuple[str, ...] | None, batch_bytes: int, most_set_aside: int | None = None
    ) -> Iterator[pa.RecordBatch | Sifted]:
        rows = 0
        wanted = self._columns.wanted(dict(cut.end.columns), columns)
        most_rows = max(1, _MOST_VALUES // max(1, len(wanted)))
        for block in (part for whole in self._blocks(cut) for part in parts_of(whole, self._records, most_rows)):
            if most_set_aside is not None:
                sifted = self._sifted(block, wanted, most_set_aside)
                rows += sifted.rows
                yield sifted
                continue
            objects = self._objects(block)
            if objects:
                yield self._columns.batch(block, objects, wanted)
            rows += len(objects)
        if rows != cut.rows:
            raise Bug(f"{self._file.shown} has {rows} objects where {cut.rows} were counted.", role="source")

    def identity(self, mark: Mark) -> str:
        return self._file.fingerprint(mark.at)

    def close(self) -> None:
        self._file.close()

    def _blocks(self, cut: Cut) -> Iterator[Block]:
        return blocks(self._file, cut.start, cut.end.at, self._records, self._row_bytes)

    def _takes(self, block: Block) -> int:
        return len(self._objects(block))

    def _takes_anything(self, block: Block) -> int:
        """What is no object is set aside, also when it is the end of a file that was cut off."""
        objects, broken = self._parted(block)
        return len(objects) + len(broken)

    def _takes_whole(self, block: Block) -> int:
        """The last object of a growing file counts once its brace is closed, line feed or not."""
        try:
            return int(isinstance(decode(block.data), dict))
        except _BROKEN:
            return 0

    def _objects(self, block: Block) -> list[Object]:
        """One object for each line that is not blank. Raises ``RowRejected`` naming the line that holds none."""
        try:
            found = decode_lines(block.data)
        except _BROKEN:
            found = None
        if found is not None and set(map(type, found)) == {dict}:
            return found
        return [self._object(line, block.line + number) for number, line in lines_of(block.data)]

    def _parted(self, block: Block) -> tuple[list[Object], list[RefusedRow]]:
        """The objects of a block, and the lines that hold none, by their position among both."""
        try:
            return self._objects(block), []
        except RowRejected:
            objects: list[Object] = []
            broken: list[RefusedRow] = []
            for position, (number, line) in enumerate(lines_of(block.data)):
                try:
                    objects.append(self._object(line, block.line + number))
                except RowRejected as refusal:
                    text = line.decode(errors="backslashreplace")
                    broken.append(RefusedRow(position=position, code="MALFORMED", reason=refusal.message, text=text))
            return objects, broken

    def _sifted(self, block: Block, wanted: dict[str, str], most: int) -> Sifted:
        objects, broken = self._parted(block)
        places = pa.record_batch([pa.array(range(len(objects)), pa.int64())], names=["object"])

        def convert(part: pa.RecordBatch) -> pa.RecordBatch:
            return self._columns.batch(block, [objects[at] for at in part.column(0).to_pylist()], wanted)

        found = parted(places, convert, most)
        gone = [row.position for row in broken]
        lines = [number for number, _ in lines_of(block.data)] if found.refused else []
        misfits = [
            RefusedRow(
                position=(position := position_before(at, gone)),
                code="UNCARRIABLE",
                reason=_with_line(refusal, block.line + lines[position]),
                column=str(refusal.details["column"]),
                text=json_of(objects[at]),
            )
            for at, refusal in found.refused
        ]
        refused = sorted([*broken, *misfits], key=lambda row: row.position)
        return Sifted(batch=pa.concat_batches(found.good) if objects and found.good else None, refused=refused)

    def _object(self, line: bytes, number: int) -> Object:
        try:
            found = decode(line)
        except _BROKEN as error:
            raise rejected(
                self._file.shown, number, f"this is no JSON ({_why(error)}). Correct the line, or remove it."
            ) from None
        if not isinstance(found, dict):
            raise rejected(self._file.shown, number, "this is JSON but no object. Write one object, {…}, on each line.")
        return found  # pyright: ignore[reportUnknownVariableType]


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if str(error) == _BREAKS_OFF:
        return "the line ends before the object does, or half a character stands behind a \\u"
    return str(error)


def _with_line(refusal: RowRejected, line: int) -> str:
    """The lines of a part of a block are counted from its beginning, and so are not those of the file."""
    path, within = refusal.details["path"], refusal.details["line"]
    return refusal.message.replace(f"{path}, line {within}: ", f"{path}, line {line}: ", 1)
