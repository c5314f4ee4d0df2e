"""A part of a folder, opened as what its unit holds."""

from __future__ import annotations

from headrace.endpoints.sources.files_bytes import digest_of
from headrace.endpoints.sources.files_compressed import compression_of
from headrace.endpoints.sources.files_decompressed import decompressed
from headrace.endpoints.sources.files_names import TEXT
from headrace.endpoints.sources.files_parts import OpenPart
from headrace.endpoints.sources.files_policy import DEFAULT_ROW_BYTES
from headrace.endpoints.sources.files_shape import newest, opened_as
from headrace.endpoints.sources.local_files_below import SourceFile, open_file
from headrace.endpoints.sources.local_files_committed import refuse_other_rows
from headrace.endpoints.sources.local_files_parts import Part
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
        return opened_as(format_, file, config, row_bytes)
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
        if unit.format in TEXT:
            file.size = min(file.size, part.size)
        opened = opened_as(unit.format, file, config, row_bytes)
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


def plain_identity(config: LocalFilesConfig, unit: Unit, part: Part, upto: int) -> str:
    """What a plain file of the text of ``part`` is known by up to there; of a shorter text, something else."""
    file = _still_there(config, unit, part)
    try:
        return digest_of(decompressed(file, DEFAULT_ROW_BYTES).read, upto)
    finally:
        file.close()


def waits_for_its_end(config: LocalFilesConfig, unit: Unit) -> bool:
    """Whether the unit's last line has no line feed yet. That of a compressed file waits for nothing."""
    part = newest(unit)
    if part is None or part.size == 0 or compression_of(part.name) is not None:
        return False
    file = open_file(config.base_path, part.path)
    try:
        return file.read(part.size - 1, 1) != b"\n"
    finally:
        file.close()
