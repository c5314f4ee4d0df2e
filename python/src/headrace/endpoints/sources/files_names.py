"""What the name of a file says of it, and how a unit of files is listed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headrace.endpoints.sources.files_compressed import refuse_compressed_name
from headrace.endpoints.systems.files_options import FileFormat
from headrace.errors import ConfigInvalid

ENDINGS: Mapping[FileFormat, tuple[str, ...]] = {
    "parquet": (".parquet", ".parq", ".pq"),
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
_MORE_ENDINGS: Mapping[FileFormat, tuple[str, ...]] = {
    "parquet": (),
    "csv": (".txt", ".tab"),
    "jsonl": (".json", ".log"),
    "arrow": (),
}
"""Of files that are listed when the parameter ``format`` says what they hold."""

Kind = Literal["file", "files", "slices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A unit as the listing shows it, before it is opened."""

    unit_id: str
    kind: Kind
    format: FileFormat

    @property
    def can_grow(self) -> bool:
        """A Parquet or Arrow file alone never gets another row."""
        return self.kind != "file" or self.format in ("csv", "jsonl")


def format_of(chosen: FileFormat | None, name: str) -> FileFormat:
    """What a file that somebody asked for holds."""
    if chosen is not None:
        return chosen
    ending = ending_of(chosen, name)
    if ending is None:
        refuse_compressed_name(name)
        likely = formats_of_ending(os.path.splitext(name)[1])
        such = f", such as format={likely[0]}" if likely else ""
        raise ConfigInvalid(
            f"The name {name!r} does not tell what the file holds. Set the parameter format{such}.",
            role="source",
            details={"field": "format"},
        )
    return ending[1]


def formats_of_ending(ending: str) -> list[FileFormat]:
    """What files of this ending may hold when the parameter ``format`` says so, the likeliest first."""
    return [format_ for format_, endings in _MORE_ENDINGS.items() if ending.lower() in endings]


def ending_of(chosen: FileFormat | None, name: str) -> tuple[str, FileFormat] | None:
    """The ending that makes a file of this name one of ours, and what it means."""
    for format_, endings in ENDINGS.items():
        known = endings if chosen is None else (*endings, *_MORE_ENDINGS[format_])
        for ending in known if chosen in (None, format_) else ():
            if name.lower().endswith(ending) and len(name) > len(ending):
                return ending, format_
    return None


def table_name(kind: Kind, unit_id: str) -> str | None:
    """What a table of the unit's rows is called: the file without folder and ending.

    None where the id is a name already. Of a pattern, what its files share: the
    letters beside the ``*``, else the folder's name, else the ending.
    """
    if kind == "slices":
        return None
    folder, _, name = unit_id.rpartition("/")
    stem, ending = os.path.splitext(name)
    if "*" not in stem:
        return stem
    return stem.replace("*", "").strip("-_. ") or folder.rpartition("/")[2] or ending.removeprefix(".")
