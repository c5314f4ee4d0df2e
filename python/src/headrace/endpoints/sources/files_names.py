"""What the name of a file says of it, and how a unit of files is listed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.endpoints.sources.files_compressed import compression_of, refuse_compressed_name, without_compression
from headrace.endpoints.systems.files_options import FileFormat
from headrace.errors import ConfigInvalid

ENDINGS: Mapping[FileFormat, tuple[str, ...]] = {
    "parquet": (".parquet", ".parq", ".pq"),
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
TEXT: tuple[FileFormat, ...] = ("csv", "jsonl")
"""What grows line by line, and is read when it is compressed too."""

_MORE_ENDINGS: Mapping[FileFormat, tuple[str, ...]] = {
    "parquet": (),
    "csv": (".txt", ".tab"),
    "jsonl": (".json", ".log"),
    "arrow": (),
}
"""Of files that are listed when the parameter ``format`` says what they hold."""

_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")

Kind = Literal["file", "files", "slices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A unit as the listing shows it, before it is opened."""

    unit_id: str
    kind: Kind
    format: FileFormat

    @property
    def can_grow(self) -> bool:
        """A file alone that is Parquet, Arrow or compressed never gets another row."""
        return self.kind != "file" or (self.format in TEXT and compression_of(self.unit_id) is None)


def format_of(chosen: FileFormat | None, name: str) -> FileFormat:
    """What a file that somebody asked for holds."""
    if chosen is not None:
        return chosen
    ending = ending_of(chosen, name)
    if ending is None:
        plain = without_compression(name)
        if plain.lower().endswith(_WORKBOOKS):
            raise ConfigInvalid(
                f"{name!r} is a workbook, and none can be read. Export the sheet as CSV in UTF-8.",
                role="source",
                details={"field": "format"},
            )
        if plain == name or ending_of(None, plain) is not None:
            refuse_compressed_name(name)
        likely = formats_of_ending(os.path.splitext(plain)[1])
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
    """The ending that makes a file of this name one of ours, such as ``.csv`` or ``.csv.gz``, and what it means."""
    plain = without_compression(name)
    for format_, endings in ENDINGS.items():
        known = endings if chosen is None else (*endings, *_MORE_ENDINGS[format_])
        is_asked = chosen in (None, format_) and (plain == name or format_ in TEXT)
        for ending in known if is_asked else ():
            if plain.lower().endswith(ending) and len(plain) > len(ending):
                return ending + name[len(plain) :].lower(), format_
    return None


def table_name(kind: Kind, unit_id: str) -> str | None:
    """What a table of the unit's rows is called: the file without folder and endings.

    None where the id is a name already. Of a pattern, what its files share: the
    letters beside the ``*``, else the folder's name, else the ending.
    """
    if kind == "slices":
        return None
    folder, _, name = unit_id.rpartition("/")
    stem, ending = os.path.splitext(without_compression(name))
    if "*" not in stem:
        return stem
    return stem.replace("*", "").strip("-_. ") or folder.rpartition("/")[2] or ending.removeprefix(".") or None


def refuse_ambiguous(unit_id: str, pattern: str, names: Sequence[str]) -> None:
    """``names``: the files that the pattern matches. Raises ``ConfigInvalid`` when one is called so, beside others."""
    if len(names) > 1 and pattern in names:
        raise ConfigInvalid(
            f"{unit_id} is a file, and a pattern that other files match too. Rename the file, so that its name has no "
            "*.",
            role="source",
            details={"unitId": unit_id},
        )
