"""What a unit of files shows before it is read, and how a part is opened as what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa

from headrace.endpoints.sources.files_bytes import SourceBytes
from headrace.endpoints.sources.files_columnar import ArrowLibrary, ColumnarPart, ParquetLibrary
from headrace.endpoints.sources.files_compressed import without_compression
from headrace.endpoints.sources.files_csv import CsvPart
from headrace.endpoints.sources.files_decompressed import decompressed
from headrace.endpoints.sources.files_jsonl import JsonLinesPart
from headrace.endpoints.sources.files_names import Kind
from headrace.endpoints.sources.files_parts import OpenPart, Shape
from headrace.endpoints.systems.files_options import FileFormat


class PartLike(Protocol):
    @property
    def path(self) -> tuple[str, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def rows(self) -> int | None: ...


_Part = TypeVar("_Part", bound=PartLike, covariant=True)


class UnitLike(Protocol[_Part]):
    @property
    def unit_id(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def format(self) -> FileFormat: ...
    @property
    def can_grow(self) -> bool: ...
    @property
    def parts(self) -> Sequence[_Part]:
        """In the order they are read."""
        ...


Opener = Callable[[tuple[str, ...]], OpenPart]


class TextOptions(Protocol):
    """What a person may say of text, which does not say it itself."""

    @property
    def column_types(self) -> Mapping[str, str]: ...
    @property
    def delimiter(self) -> str | None: ...
    @property
    def has_header(self) -> bool: ...


def opened_as(format_: FileFormat, file: SourceBytes, options: TextOptions, row_bytes: int) -> OpenPart:
    types = options.column_types
    match format_:
        case "csv":
            is_tabbed = without_compression(file.shown).lower().endswith((".tsv", ".tab"))
            delimiter = options.delimiter or ("\t" if is_tabbed else None)
            return CsvPart(decompressed(file, row_bytes), types, delimiter, row_bytes, has_header=options.has_header)
        case "jsonl":
            return JsonLinesPart(decompressed(file, row_bytes), types, row_bytes)
        case "parquet":
            return ColumnarPart(file, ParquetLibrary)
        case "arrow":
            return ColumnarPart(file, ArrowLibrary)


def shape(unit: UnitLike[PartLike], open_part: Opener) -> Shape:
    """Columns of the newest part: older ones may have fewer."""
    part = newest(unit)
    if part is None:
        return Shape(columns=(), arrow=pa.schema([]))
    opened = open_part(part.path)
    try:
        return opened.shape()
    finally:
        opened.close()


def estimated_rows(unit: UnitLike[PartLike], open_part: Opener) -> int:
    """Without reading more than a little of one part."""
    if unit.kind == "slices":
        return sum(part.rows or 0 for part in unit.parts)
    part = newest(unit)
    if part is None:
        return 0
    opened = open_part(part.path)
    try:
        rows = opened.estimated_rows()
    finally:
        opened.close()
    size = sum(other.size for other in unit.parts)
    return rows if size == part.size else round(rows * size / part.size)


def newest(unit: UnitLike[_Part]) -> _Part | None:
    """A file alone is opened even if it is empty, so that what is wrong with it is told."""
    with_bytes = [part for part in unit.parts if part.size > 0 or unit.kind == "file"]
    return with_bytes[-1] if with_bytes else None
