"""A folder that the ``file.local`` sink wrote, as the parts of a unit: its committed slices, in order.

A slice shows as one directory or not at all, so what is listed is committed; the
record inside says how many rows there must be. What was replaced or is still
being prepared is never seen.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from headrace.endpoints.sources.local_files_below import open_file, open_folder, refused_as_failure
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.systems.files_layout import (
    COMMIT_FILE,
    GENERATION,
    LATEST_FILE,
    PART_FILE,
    PENDING,
    SLOT,
    UNIT_FILE,
    numbered,
)
from headrace.endpoints.systems.files_record import SlotFile, decode_record, named_files
from headrace.errors import ConfigInvalid, EndpointUnreachable, UnitNotFound
from headrace.protocol import CommitRecord

READING = "the committed slices of a folder that Headrace wrote, in the order of their commits"
MERGED = f"{READING}; every version of a row is read, the newest last, so merge them by their key"


def is_committed(base: Path, folder: tuple[str, ...]) -> bool:
    """Whether the sink made this folder."""
    return _holds(base, folder, UNIT_FILE)


def reading(base: Path, folder: tuple[str, ...]) -> str:
    """What of the folder is read, for ``stats.delivery``."""
    return MERGED if _holds(base, folder, LATEST_FILE) else READING


def committed_parts(base: Path, folder: tuple[str, ...]) -> tuple[Part, ...]:
    """Slices with rows, the oldest first.

    Raises:
        ConfigInvalid: A slice's record or rows are missing or damaged.
        EndpointUnreachable: The sink is replacing the folder, or did so while it was being listed.
    """
    try:
        names = _names(base, folder)
        generations = numbered(names, GENERATION)
        if not generations and numbered(names, PENDING):
            raise _being_replaced(base, folder, "nothing of it is whole yet.")
        slots = [
            (*folder, generation, slot)
            for _, generation in generations
            for _, slot in numbered(_names(base, (*folder, generation)), SLOT)
        ]
        return tuple(part for slot in slots for part in _parts(base, slot))
    except UnitNotFound as error:
        raise _being_replaced(base, folder, error.message) from error


def _being_replaced(base: Path, folder: tuple[str, ...], why: str) -> EndpointUnreachable:
    path = str(Path(base, *folder))
    return EndpointUnreachable(
        f"{path} is being written anew at this moment: {why} Start again when that run has ended.",
        role="source",
        details={"path": path},
    )


def refuse_other_rows(base: Path, part: Part, rows: int) -> None:
    """Raises ``ConfigInvalid`` when a slice's file has not the ``rows`` that its record says."""
    if part.rows is not None and part.rows != rows:
        why = f"its record says {part.rows} rows, and its {part.path[-1]} has {rows}"
        raise _damaged(base, part.path[:-1], why)


def _parts(base: Path, slot: tuple[str, ...]) -> list[Part]:
    """None of a slice without rows; of one with partitions those that its record names."""
    record, files = _record(base, slot)
    name = "/".join(slot[-2:])
    if record.rows == 0:
        return []
    if not files:
        return [_part(base, slot, SlotFile(name=PART_FILE, bytes=0, rows=record.rows), name)]
    return [_part(base, slot, file, f"{name}/{number}") for number, file in enumerate(files)]


def _part(base: Path, slot: tuple[str, ...], said: SlotFile, name: str) -> Part:
    path = tuple(said.name.split("/"))
    if path[-1] not in _names(base, (*slot, *path[:-1])):
        raise _damaged(base, slot, f"its {said.name} is missing, and its record says {said.rows} rows")
    file = open_file(base, (*slot, *path))
    try:
        return Part.of(name, (*slot, *path), file.about, said.rows)
    finally:
        file.close()


def _record(base: Path, slot: tuple[str, ...]) -> tuple[CommitRecord, list[SlotFile]]:
    if COMMIT_FILE not in _names(base, slot):
        raise _damaged(base, slot, f"its {COMMIT_FILE} is missing")
    file = open_file(base, (*slot, COMMIT_FILE))
    try:
        content = file.read(0, file.size)
        return decode_record(content), named_files(content)
    except msgspec.MsgspecError:
        raise _damaged(base, slot, f"its {COMMIT_FILE} cannot be read") from None
    finally:
        file.close()


def _damaged(base: Path, slot: tuple[str, ...], why: str) -> ConfigInvalid:
    path = str(Path(base, *slot))
    return ConfigInvalid(
        f"The slice {path} is damaged: {why}. Restore it from a backup, or have the folder written anew.",
        role="source",
        details={"path": path},
    )


def _holds(base: Path, folder: tuple[str, ...], name: str) -> bool:
    return name in _names(base, folder)


def _names(base: Path, folder: tuple[str, ...]) -> list[str]:
    descriptor = open_folder(base, folder)
    try:
        with refused_as_failure(str(Path(base, *folder))):
            return os.listdir(descriptor)
    finally:
        os.close(descriptor)
