"""What CSV and JSON lines share: where text begins, how it is cut, and how a growing file is gone on with."""

from __future__ import annotations

import re
from collections.abc import Callable

from headrace.endpoints.sources.files_bytes import SourceBytes
from headrace.endpoints.sources.files_compressed import refuse_compressed
from headrace.endpoints.sources.files_parts import Cut, Mark, Want
from headrace.endpoints.sources.files_records import BOM, Block, Records, blocks, refuse_unreadable
from headrace.errors import ConfigInvalid, SourceReplaced

_OTHERS = {
    b"\xff\xfe": "is UTF-16 or UTF-32; convert it, for example with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "is UTF-16; convert it, for example with iconv -f UTF-16 -t UTF-8",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or save it as text",
    b"PAR1": "is a Parquet file; set format to parquet",
    b"ARROW1": "is an Arrow file; set format to arrow",
}
_UNMARKED = {
    re.compile(rb"[^\0]\0[^\0]\0"): "UTF-16LE",
    re.compile(rb"\0[^\0]\0[^\0]"): "UTF-16BE",
}
"""Letters of most languages of Europe, two bytes each, without a byte order mark before them."""

_NO_LINES = {
    re.compile(rb"\s*\[\s*\{"): "is a JSON array, and JSON lines are one object on each line; convert it, for example "
    "with jq -c '.[]' array.json > lines.jsonl",
    re.compile(rb'\s*\{[ \t]*\r?\n\s*"'): "holds objects of many lines, and JSON lines are one object on each line; "
    "convert it, for example with jq -c . objects.json > lines.jsonl",
}
_JSON = re.compile(rb'\s*(\[\s*)?\{\s*"[^"]*"\s*:')
_HEAD_BYTES = 256
"""A bracket, a line end and the indentation of an object are within them."""

_ESTIMATE_BYTES = 64 * 1024


def text_start(file: SourceBytes, *, is_json: bool = False) -> Mark:
    """After a byte order mark. Raises ``ConfigInvalid`` when the file is of another kind than text in UTF-8."""
    head = file.read(0, min(_HEAD_BYTES, file.size))
    refuse_compressed(file.shown, head)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise _other(file, what)
    for letters, encoding in _UNMARKED.items():
        if letters.match(head):
            raise _other(file, f"is {encoding}; convert it, for example with iconv -f {encoding} -t UTF-8")
    start = len(BOM) if head.startswith(BOM) else 0
    for shape, what in _NO_LINES.items():
        if is_json and shape.match(head, start):
            raise _other(file, what)
    if not is_json and _JSON.match(head, start):
        raise _other(file, "is JSON; set format to jsonl")
    return Mark(at=start)


def cut_records(
    file: SourceBytes, start: Mark, records: Records, want: Want, row_bytes: int, takes: Callable[[Block], int]
) -> Cut | None:
    """The next records from ``start`` on, as many as are wanted; None when there is none.

    ``takes`` says how many records there are in what ends without a line feed. Lines that are no text are left
    to whoever reads them one by one and sets them aside.
    """
    at, line, rows, longest = start.at, start.line, 0, 0
    for block in blocks(file, start, file.size, records, row_bytes):
        room = want.size - (at - start.at)
        if rows == want.rows or (rows > 0 and room <= 0):
            break
        end, count = len(block.data), block.records
        if not block.is_whole:
            count = takes(block)
            if count == 0:
                break
        elif end > room or count > want.rows - rows:
            end, count = records.fitting(block.data, want.rows - rows, room)
        taken = block.part(0, end, block.line, count)
        if want.most_set_aside is None or records.has_quotes:
            refuse_unreadable(file.shown, taken, records)
        at, line, rows = at + end, line + taken.lines, rows + count
        longest = max(longest, end)
        if end < len(block.data):
            break
    return None if rows == 0 else Cut(start=start, end=Mark(at=at, line=line), rows=rows, longest=longest)


def resumed(file: SourceBytes, mark: Mark, body: Mark) -> Mark:
    """Where to go on after a record that had no line end when it was read.

    Raises:
        SourceReplaced: It has been continued since, so it was read wrong.
    """
    if mark.at <= body.at or file.read(mark.at - 1, 1) == b"\n":
        return mark
    rest = file.read(mark.at, min(2, file.size - mark.at))
    if not rest:
        return mark
    if rest.startswith(b"\n"):
        return Mark(at=mark.at + 1, line=mark.line + 1)
    if rest.startswith(b"\r"):
        return Mark(at=mark.at + len(rest), line=mark.line + rest.count(b"\n"))
    raise SourceReplaced(
        f"{file.shown}, line {mark.line + 1}: the line was read when it was the last and had no end, and more has been "
        "written to it since. Reset the unit to read it again, and end every line with a line feed.",
        role="source",
        details={"path": file.shown, "line": mark.line + 1},
    )


def estimated_records(file: SourceBytes, body: Mark, records: Records) -> int:
    """By the length of the first records; exact when the file is small."""
    left = file.likely_size() - body.at
    sample = file.read(body.at, min(file.size - body.at, _ESTIMATE_BYTES))
    whole, count, _ = records.measured(sample)
    rest = sample[whole:].strip()
    if len(sample) == left or whole == 0:
        return count + (1 if rest else 0)
    return round(left * count / whole)


def _other(file: SourceBytes, what: str) -> ConfigInvalid:
    return ConfigInvalid(f"{file.shown} {what}.", role="source", details={"path": file.shown, "field": "format"})
