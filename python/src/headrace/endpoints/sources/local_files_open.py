"""A part, opened as what its unit holds; and what a unit shows before it is read."""

from __future__ import annotations

import pyarrow as pa

from headrace.endpoints.sources.local_files_below import SourceFile, open_file
from headrace.endpoints.sources.local_files_columnar import ArrowLibrary, ColumnarPart, ParquetLibrary
from headrace.endpoints.sources.local_files_committed import refuse_other_rows
from headrace.endpoints.sources.local_files_csv import CsvPart
from headrace.endpoints.sources.local_files_jsonl import JsonLinesPart
from headrace.endpoints.sources.local_files_parts import OpenPart, Part, Shape
from headrace.endpoints.sources.local_files_policy import DEFAULT_ROW_BYTES
from headrace.endpoints.sources.local_files_units import Unit
from headrace.endpoints.systems.files_options import FileFormat
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.errors import EndpointUnreachable, UnitNotFound


def open_part(
    config: LocalFilesConfig, format_: FileFormat, path: tuple[str, ...], row_bytes: int = DEFAULT_ROW_BYTES
) -> OpenPart:
    """Raises ``UnitNotFound`` when it is not there, ``ConfigInvalid`` when it holds something else."""
    file = open_file(config.base_path, path)
    try:
        return _opened(config, format_, file, row_bytes)
    except BaseException:
        file.close()
        raise


def open_listed(config: LocalFilesConfig, unit: Unit, part: Part, row_bytes: int) -> OpenPart:
    """A part as the listing saw it: of text what was there then, of a committed slice what its record says.

    Raises:
        EndpointUnreachable: Somebody took it away since, or put another file in its place.
    """
    file = _still_there(config, unit, part)
    try:
        if unit.format in ("csv", "jsonl"):
            file.size = min(file.size, part.size)
        opened = _opened(config, unit.format, file, row_bytes)
        if part.rows is not None:
            refuse_other_rows(config.base_path, part, opened.estimated_rows())
        return opened
    except BaseException:
        file.close()
        raise


def _still_there(config: LocalFilesConfig, unit: Unit, part: Part) -> SourceFile:
    try:
        file = open_file(config.base_path, part.path)
    except UnitNotFound as error:
        raise _not_as_listed(unit, part) from error
    if file.about.st_ino != part.inode:
        file.close()
        raise _not_as_listed(unit, part)
    return file


def _not_as_listed(unit: Unit, part: Part) -> EndpointUnreachable:
    return EndpointUnreachable(
        f"{'/'.join(part.path) or unit.unit_id} was removed or replaced after the plan had listed it. Start again.",
        role="source",
        details={"unitId": unit.unit_id},
    )


def _opened(config: LocalFilesConfig, format_: FileFormat, file: SourceFile, row_bytes: int) -> OpenPart:
    match format_:
        case "csv":
            is_tabbed = file.shown.lower().endswith((".tsv", ".tab"))
            delimiter = config.delimiter or ("\t" if is_tabbed else ",")
            return CsvPart(file, config.column_types, delimiter, row_bytes)
        case "jsonl":
            return JsonLinesPart(file, config.column_types, row_bytes)
        case "parquet":
            return ColumnarPart(file, ParquetLibrary)
        case "arrow":
            return ColumnarPart(file, ArrowLibrary)


def shape(config: LocalFilesConfig, unit: Unit) -> Shape:
    """Columns of the newest part: older ones may have fewer."""
    part = _newest(unit)
    if part is None:
        return Shape(columns=(), arrow=pa.schema([]))
    opened = open_part(config, unit.format, part.path)
    try:
        return opened.shape()
    finally:
        opened.close()


def estimated_rows(config: LocalFilesConfig, unit: Unit) -> int:
    """Without reading more than a little of one part."""
    if unit.kind == "slices":
        return sum(part.rows or 0 for part in unit.parts)
    part = _newest(unit)
    if part is None:
        return 0
    opened = open_part(config, unit.format, part.path)
    try:
        rows = opened.estimated_rows()
    finally:
        opened.close()
    size = sum(other.size for other in unit.parts)
    return rows if size == part.size else round(rows * size / part.size)


def waits_for_its_end(config: LocalFilesConfig, unit: Unit) -> bool:
    """Whether the unit's last line has no line feed yet."""
    part = _newest(unit)
    if part is None or part.size == 0:
        return False
    file = open_file(config.base_path, part.path)
    try:
        return file.read(part.size - 1, 1) != b"\n"
    finally:
        file.close()


def _newest(unit: Unit) -> Part | None:
    """A file alone is opened even if it is empty, so that what is wrong with it is told."""
    with_bytes = [part for part in unit.parts if part.size > 0 or unit.kind == "file"]
    return with_bytes[-1] if with_bytes else None
