"""Where the records of a text file end, without parsing them.

A line feed ends a record, but not in a quoted CSV field. A quote opens a field
only at the field's beginning, as the CSV parser has it; elsewhere it is a
character like others. Text that no parser should see is refused here, by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from headrace.endpoints.sources.files_bytes import SourceBytes
from headrace.endpoints.sources.files_parts import Mark, rejected

BLOCK_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"

_BLANK = re.compile(rb"\n\r?\n")
_LONE_RETURN = re.compile(rb"\r(?!\n)")


class Records:
    """The rules of one file. Without ``delimiter`` nothing is quoted, as in JSON lines."""

    def __init__(self, delimiter: str | None, *, counts_blank: bool = False) -> None:
        mark = re.escape((delimiter or ",").encode())
        self._plain = re.compile(rb'(?:[^"]++|(?<=[^' + mark + rb'\r\n])"|"[^"\r\n]*+(?:""[^"\r\n]*+)*+")*+')
        self._quoted = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
        self.has_quotes = delimiter is not None
        self.counts_blank = counts_blank

    def regions(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Parts of ``data``, which begins at a record, where every line feed ends one.

        They have no quoted line ends in them, and stop at a quote left open.
        """
        if not self.has_quotes or b'"' not in data:
            yield 0, len(data)
            return
        at = 0
        while (plain := self._plain.match(data, at)) is not None:
            yield at, plain.end()
            quoted = self._quoted.match(data, plain.end())
            if quoted is None:
                return
            at = quoted.end()

    def measured(self, data: bytes) -> tuple[int, int, int]:
        """How many bytes of ``data`` are whole records, how many records those are, blank lines apart, and lines."""
        whole = count = regions = 0
        for start, end in self.regions(data):
            whole = max(whole, data.rfind(b"\n", start, end) + 1)
            count += data.count(b"\n", start, end)
            regions += 1
        lines = count if regions <= 1 else data.count(b"\n", 0, whole)
        if not self.counts_blank and _has_blank(data):
            count = sum(1 for _ in self.spans(data[:whole]))
        return whole, count, lines

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Beginning and end of each record, blank lines apart; the last may have no line feed."""
        begin = 0
        for start, end in self.regions(data):
            while (found := data.find(b"\n", start, end)) >= 0:
                if self.counts_blank or data[begin:found] not in (b"", b"\r"):
                    yield begin, found + 1
                begin = start = found + 1
        if begin < len(data):
            yield begin, len(data)

    def is_left_open(self, data: bytes) -> bool:
        """Whether ``data`` ends within a quoted field."""
        return max(end for _, end in self.regions(data)) < len(data)

    def fitting(self, data: bytes, rows: int, size: int) -> tuple[int, int]:
        """How many bytes and records of ``data`` fit into both bounds; the first record always does."""
        fits = count = 0
        for _, end in self.spans(data):
            if count == rows or (count > 0 and end > size):
                break
            fits, count = end, count + 1
        return fits, count


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Whole records; or, as the last one, a record whose end was not found, which counts as none."""

    data: bytes
    at: int
    line: int
    records: int
    lines: int
    """Line feeds in it, of quoted values too."""
    is_whole: bool

    def part(self, begin: int, end: int, line: int, records: int) -> Block:
        data = self.data[begin:end]
        lines = self.lines if len(data) == len(self.data) else data.count(b"\n")
        return replace(self, data=data, at=self.at + begin, line=line, records=records, lines=lines)


def blocks(file: SourceBytes, start: Mark, end: int, records: Records, row_bytes: int) -> Iterator[Block]:
    """The records from ``start`` to ``end``, in blocks of about a MiB. A record is never divided.

    Raises:
        RowRejected: A record is longer than ``row_bytes``.
    """
    kept, at, line, reading = b"", start.at, start.line, start.at
    while reading < end:
        piece = file.read(reading, min(BLOCK_BYTES, end - reading))
        if not piece:
            break
        data = kept + piece
        reading = at + len(data)
        whole, count, lines = records.measured(data)
        if whole > 0:
            yield Block(data=data[:whole], at=at, line=line, records=count, lines=lines, is_whole=True)
        kept = data[whole:]
        at, line = at + whole, line + lines
        if len(kept) > row_bytes:
            raise _too_long(file.shown, line + 1, row_bytes, is_quoted=records.is_left_open(kept))
    if kept:
        yield Block(data=kept, at=at, line=line, records=0, lines=kept.count(b"\n"), is_whole=False)


def parts_of(block: Block, records: Records, rows: int) -> Iterator[Block]:
    """The block in blocks of so many records."""
    if block.records <= rows:
        yield block
        return
    begin, line, count = 0, block.line, 0
    for _, end in records.spans(block.data):
        count += 1
        if count == rows or end == len(block.data):
            part = block.part(begin, end, line, count)
            yield part
            begin, line, count = end, line + part.lines, 0
    if count > 0:
        yield block.part(begin, len(block.data), line, count)


def refuse_unreadable(shown: str, block: Block, records: Records) -> None:
    """Raises ``RowRejected`` for bytes that are no text, and for lines that end as no other does."""
    data = block.data
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise rejected(
            shown,
            _line(block, error.start),
            "this is not UTF-8. Convert the file, for example with iconv -f WINDOWS-1252 -t UTF-8.",
        ) from None
    nul = data.find(b"\0")
    if nul >= 0:
        raise rejected(
            shown, _line(block, nul), "there is a NUL byte, which text does not hold. Mend or remove the line."
        )
    if records.has_quotes and b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        for start, end in records.regions(data):
            lone = _LONE_RETURN.search(data, start, end)
            if lone is not None:
                raise rejected(
                    shown,
                    _line(block, lone.start()),
                    "there is a carriage return without a line feed. Quote the value, or end lines with a line feed.",
                )


def line_of(file: SourceBytes, start: Mark, end: int, records: Records, row_bytes: int, position: int) -> int:
    """The line on which the record of this position, counted from 0 at ``start``, begins."""
    for block in blocks(file, start, end, records, row_bytes):
        count = block.records if block.is_whole else 1
        if position < count:
            for number, (begin, _) in enumerate(records.spans(block.data)):
                if number == position:
                    return _line(block, begin)
        position -= count
    return start.line + 1


def _has_blank(data: bytes) -> bool:
    return data[:1] in (b"\n", b"\r") or _BLANK.search(data) is not None


def _line(block: Block, offset: int) -> int:
    return block.line + block.data.count(b"\n", 0, offset) + 1


def _too_long(shown: str, line: int, row_bytes: int, *, is_quoted: bool) -> Exception:
    advice = "Close the quote that is left open" if is_quoted else "Divide it"
    return rejected(
        shown,
        line,
        f"the record that begins here has more than {row_bytes} bytes. {advice}, or raise the policy's "
        "limits.rowBytes.",
    )
