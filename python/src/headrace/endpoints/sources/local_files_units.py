"""Which units a folder holds, and what each is made of.

A file is a unit, called by its path. A folder that the ``file.local`` sink wrote
is one unit, however many slices it holds. A path whose last name has a ``*``,
such as ``events/*.jsonl``, is one unit too: every file it matches, in the order
of their names. Names that begin with ``.`` or ``_`` are nobody's business.
"""

from __future__ import annotations

import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.endpoints.sources.files_names import Named, ending_of, format_of, refuse_ambiguous
from headrace.endpoints.sources.local_files_below import open_file, refused_as_failure
from headrace.endpoints.sources.local_files_committed import committed_parts, is_committed
from headrace.endpoints.sources.local_files_matching import matching_parts
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.systems.files_layout import UNIT_FILE
from headrace.endpoints.systems.files_options import FileFormat
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.errors import DataPlaneError, UnitNotFound
from headrace.suggestions import did_you_mean

log = logging.getLogger("headrace.endpoints.sources.local_files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit(Named):
    folder: tuple[str, ...]
    parts: tuple[Part, ...]
    """In the order they are read."""


def units(config: LocalFilesConfig) -> list[Named]:
    """Every unit, in order of path. A folder with two files or more of one ending is also a unit of them all."""
    base = config.base_path
    if not _is_folder(base):
        return [Named(unit_id=base.name, kind="file", format=format_of(config.format, base.name))]
    if is_committed(base, ()):
        return [Named(unit_id=base.name, kind="slices", format="parquet")]
    return list(_below(config, base))


def find(config: LocalFilesConfig, unit_id: str) -> Unit:
    """The unit with its parts. Raises ``UnitNotFound``, naming near ones."""
    base = config.base_path
    if not _is_folder(base):
        if unit_id != base.name:
            raise unknown(config, unit_id, f"{base} is one file.")
        return _file(config, unit_id, ())
    if unit_id == base.name and is_committed(base, ()):
        return _slices(config, unit_id, ())
    names = tuple(unit_id.split("/"))
    if any(name == "" or name[0] in "._" or "\0" in name for name in names) or not _is_text(unit_id):
        raise unknown(config, unit_id, "A unit is called by its path below base_path, without hidden names.")
    if "*" in names[-1]:
        return _files(config, unit_id, names)
    try:
        return _file(config, unit_id, names)
    except UnitNotFound as absent:
        return _found_folder(config, unit_id, names, absent.message)


def kept_at(config: LocalFilesConfig, unit_id: str) -> Path:
    """The file or folder that a unit is; a pattern's is none that there can be."""
    base = config.base_path
    is_base = not _is_folder(base) or (unit_id == base.name and is_committed(base, ()))
    return base if is_base else base / unit_id


def unknown(config: LocalFilesConfig, unit_id: str, why: str) -> UnitNotFound:
    try:
        known = [unit.unit_id for unit in units(config)]
    except DataPlaneError:
        known = []
    hint = did_you_mean(unit_id, known) or f" {config.base_path} has {len(known)} units."
    return UnitNotFound(f"There is no unit {unit_id!r}. {why}{hint}", role="source", details={"unitId": unit_id})


def unmatched(config: LocalFilesConfig, unit_id: str) -> UnitNotFound:
    """Of a pattern that means no file, and never meant one as far as anybody knows."""
    *folder, pattern = unit_id.split("/")
    shown = os.path.join(config.base_path, *folder)
    return unknown(config, unit_id, f"No file in {shown} is called {pattern}.")


def names_below(config: LocalFilesConfig) -> Iterator[str]:
    """Of every file that is not hidden, whatever it holds."""
    for _, folders, files in os.walk(config.base_path):
        folders[:] = [name for name in folders if name[0] not in "._"]
        yield from (name for name in files if name[0] not in "._")


def _below(config: LocalFilesConfig, base: Path) -> Iterator[Named]:
    """Units of each folder, then of those below it. As deep as the folders go, which may be deeper than calls can."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(base, ())]
    while waiting:
        path, names = waiting.pop()
        if names and os.path.lexists(path / UNIT_FILE):
            yield Named(unit_id="/".join(names), kind="slices", format="parquet")
            continue
        entries = _visible(path, is_base=not names)
        yield from _of_folder(config, names, entries)
        folders = [(Path(entry.path), (*names, entry.name)) for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting.extend(reversed(folders))


def _of_folder(
    config: LocalFilesConfig, names: tuple[str, ...], entries: Sequence[os.DirEntry[str]]
) -> Iterator[Named]:
    endings: Counter[tuple[str, FileFormat]] = Counter()
    for entry in entries:
        ending = ending_of(config.format, entry.name) if entry.is_file(follow_symlinks=False) else None
        if ending is not None:
            endings[entry.name[-len(ending[0]) :], ending[1]] += 1
            yield Named(unit_id="/".join((*names, entry.name)), kind="file", format=ending[1])
    for (ending, format_), count in endings.items():
        if count > 1:
            yield Named(unit_id="/".join((*names, f"*{ending}")), kind="files", format=format_)


def _visible(path: Path, *, is_base: bool) -> list[os.DirEntry[str]]:
    """What a folder holds that may be ours, in order of name. Of one that is closed to us, nothing."""
    try:
        with refused_as_failure(str(path)), os.scandir(path) as entries:
            found = sorted((entry for entry in entries if entry.name[0] not in "._"), key=lambda entry: entry.name)
    except DataPlaneError as error:
        if is_base:
            raise
        log.warning("a folder is left out: %s", error.message)
        return []
    return [entry for entry in found if _is_sayable(path, entry)]


def _is_sayable(path: Path, entry: os.DirEntry[str]) -> bool:
    """Whether a unit can be called by this name, which a link and bytes that are no text cannot."""
    if entry.is_symlink():
        log.warning("%s is a link; links are not followed", os.path.join(path, entry.name))
        return False
    if not _is_text(entry.name):
        log.warning("%r in %s is left out: its name is not UTF-8", os.fsencode(entry.name), path)
        return False
    return True


def _file(config: LocalFilesConfig, unit_id: str, names: tuple[str, ...]) -> Unit:
    file = open_file(config.base_path, names)
    try:
        part = Part.of("", names, file.about)
    finally:
        file.close()
    return Unit(
        unit_id=unit_id, kind="file", format=format_of(config.format, unit_id), folder=names[:-1], parts=(part,)
    )


def _slices(config: LocalFilesConfig, unit_id: str, names: tuple[str, ...]) -> Unit:
    parts = committed_parts(config.base_path, names)
    return Unit(unit_id=unit_id, kind="slices", format="parquet", folder=names, parts=parts)


def _found_folder(config: LocalFilesConfig, unit_id: str, names: tuple[str, ...], why: str) -> Unit:
    """A folder that the sink wrote, or none that is a unit."""
    try:
        if is_committed(config.base_path, names):
            return _slices(config, unit_id, names)
    except UnitNotFound:
        raise unknown(config, unit_id, why) from None
    raise unknown(
        config, unit_id, f"It is a folder: its files are units, and so is {unit_id}/*.csv, all of them with one ending."
    )


def _files(config: LocalFilesConfig, unit_id: str, names: tuple[str, ...]) -> Unit:
    *folder, pattern = names
    try:
        parts = matching_parts(config.base_path, folder, pattern)
    except UnitNotFound as error:
        raise unknown(config, unit_id, error.message) from None
    if not parts and ending_of(config.format, pattern) is None:
        raise unmatched(config, unit_id)
    refuse_ambiguous(unit_id, pattern, [part.name for part in parts])
    format_ = format_of(config.format, unit_id)
    return Unit(unit_id=unit_id, kind="files", format=format_, folder=tuple(folder), parts=parts)


def _is_folder(base: Path) -> bool:
    with refused_as_failure(str(base)):
        return stat.S_ISDIR(os.stat(base).st_mode)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
