"""Column ids for a Parquet file that was written without them.

Iceberg tells columns apart by ids, and a staged file has none. They stand in the
footer alone, so the pages of the file are taken over as they are, and behind
them goes the same footer with an id in each column. It is a structure of
Thrift's compact protocol, of which no more is understood than where the columns
are: everything else is copied byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = b"PAR1"
_TAIL = 8

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_SCHEMA = 2
"""Of the file's metadata: the list of its columns, the root first."""
_NAME, _CHILDREN, _ID = 4, 5, 9
"""Of a column."""


class NoFooter(Exception):
    """The file does not end the way a Parquet file of this kind does."""


@dataclass(frozen=True, slots=True)
class Footer:
    pages: int
    """Where the pages end and the footer begins."""
    content: bytes
    """The footer to write behind them."""


def footer_with_ids(file: BinaryIO, ids: Mapping[str, int]) -> Footer:
    """The footer of ``file`` with ``ids`` by name. Columns have to be flat.

    Raises:
        NoFooter: It is encrypted, nested or damaged, or a column has no id in ``ids``.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    if size < _TAIL + len(_MAGIC) or tail[4:] != _MAGIC:
        raise NoFooter("it does not end in PAR1")
    (length,) = struct.unpack("<I", tail[:4])
    pages = size - _TAIL - length
    if pages < len(_MAGIC):
        raise NoFooter("its footer is longer than the file")
    file.seek(pages)
    try:
        content = _with_ids(file.read(length), ids)
    except IndexError:
        raise NoFooter("its footer breaks off") from None
    return Footer(pages, content + struct.pack("<I", len(content)) + _MAGIC)


def _with_ids(footer: bytes, ids: Mapping[str, int]) -> bytes:
    reader = _Compact(footer)
    field = 0
    while (kind := reader.field(field)) is not None:
        field, of = kind
        if field == _SCHEMA and of == _LIST:
            begin = reader.at
            columns = _columns(reader, ids)
            return footer[:begin] + columns + footer[reader.at :]
        reader.skip(of)
    raise NoFooter("it names no columns")


def _columns(reader: _Compact, ids: Mapping[str, int]) -> bytes:
    begin = reader.at
    count, _ = reader.list_head()
    parts = [reader.bytes[begin : reader.at]]
    for index in range(count):
        start = reader.at
        name, children, last, has_id = _column(reader)
        if has_id or (children and index > 0):
            raise NoFooter("its columns are nested, or have ids")
        content = reader.bytes[start : reader.at]
        if index == 0:
            parts.append(content)
            continue
        if name not in ids:
            raise NoFooter(f"nobody knows its column {name!r}")
        parts.append(_inserted(content, last, ids[name]))
    return b"".join(parts)


def _column(reader: _Compact) -> tuple[str, int, list[tuple[int, int]], bool]:
    """Name, number of children, where each field begins, and whether there is an id."""
    begin, field, name, children = reader.at, 0, "", 0
    places: list[tuple[int, int]] = []
    while True:
        places.append((reader.at - begin, field))
        found = reader.field(field)
        if found is None:
            return name, children, places, any(number == _ID for _, number in places)
        field, of = found
        if field == _NAME:
            name = reader.binary().decode(errors="replace")
        elif field == _CHILDREN:
            children = reader.zigzag()
        else:
            reader.skip(of)


def _inserted(column: bytes, places: list[tuple[int, int]], field_id: int) -> bytes:
    """The column with the field ``_ID`` in its place, and the distance to the field behind it made right."""
    at, before = next(
        (place, number) for (place, number), (_, following) in zip(places, [*places[1:], (0, 99)], strict=True)
        if following > _ID
    )  # fmt: skip
    made = _head(before, _ID, _I32) + _varint((field_id << 1) ^ (field_id >> 31))
    reader = _Compact(column, at)
    found = reader.field(before)
    behind = bytes([_STOP]) if found is None else _head(_ID, *found)
    return column[:at] + made + behind + column[reader.at :]


def _head(before: int, field: int, kind: int) -> bytes:
    distance = field - before
    return bytes([(distance << 4) | kind]) if 0 < distance < 16 else bytes([kind]) + _varint(field << 1)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Compact:
    def __init__(self, content: bytes, at: int = 0) -> None:
        self.bytes = content
        self.at = at

    def field(self, before: int) -> tuple[int, int] | None:
        """Number and kind of the next field; None at the end of the structure."""
        head = self._byte()
        if head == _STOP:
            return None
        return (before + (head >> 4), head & 0x0F) if head >> 4 else (self.zigzag(), head & 0x0F)

    def list_head(self) -> tuple[int, int]:
        head = self._byte()
        return (self._varint() if head >> 4 == 15 else head >> 4), head & 0x0F

    def binary(self) -> bytes:
        length = self._varint()
        self.at += length
        return self.bytes[self.at - length : self.at]

    def zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int, *, is_element: bool = False) -> None:
        if kind in (_TRUE, _FALSE):
            self.at += is_element
        elif kind == _BYTE:
            self.at += 1
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            self.binary()
        elif kind in (_LIST, _SET):
            count, of = self.list_head()
            for _ in range(count):
                self.skip(of, is_element=True)
        elif kind == _STRUCT:
            self._skip_struct()
        else:
            raise NoFooter("its footer holds what none of this kind does")

    def _skip_struct(self) -> None:
        field = 0
        while (found := self.field(field)) is not None:
            field, kind = found
            self.skip(kind)

    def _byte(self) -> int:
        self.at += 1
        return self.bytes[self.at - 1]

    def _varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
