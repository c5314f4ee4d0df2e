"""How the columns of a CSV file are called: by its first line, or, where that is a row, by their places."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as csv

from headrace.endpoints.sources.files_delimiter import set_delimiter
from headrace.endpoints.sources.files_parts import Mark, refuse_too_many_columns
from headrace.endpoints.sources.files_records import BOM
from headrace.errors import ConfigInvalid

_SEPARATOR = re.compile(rb'"?sep=([^"\w\s]|\t)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    names: tuple[str, ...]
    body: Mark
    """Where the rows begin."""
    is_ended: bool
    """Its line has its line feed."""


def column_names(
    shown: str, record: bytes, line: int, parsing: csv.ParseOptions, *, has_header: bool
) -> tuple[str, ...]:
    """Raises ``ConfigInvalid`` for names that are no names of columns."""
    _refuse_separator(shown, record, line)
    count = record.count(str(parsing.delimiter).encode()) + 1
    refuse_too_many_columns(shown, count, "Write a row for each value, beside the column's name.")
    line_alone = BOM + record.rstrip(b"\r\n") + b"\n"
    read = csv.ReadOptions(use_threads=False, block_size=len(line_alone) + 1)
    found: list[str] = csv.read_csv(pa.BufferReader(line_alone), read, parsing).column_names
    names = tuple(name if name and has_header else f"column_{position}" for position, name in enumerate(found, 1))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigInvalid(
            f"Two columns of {shown} are called {twice[0]!r}. Rename one of them in the header, or set the parameter "
            "header to false where the first line is a row.",
            role="source",
            details={"path": shown, "line": line, "column": twice[0]},
        )
    return names


def without_rows(shown: str, *, has_header: bool) -> ConfigInvalid:
    """Of a file without a line."""
    why = "a CSV file names its columns in its first line. Write the header"
    if not has_header:
        why = "its first row tells how many columns there are. Write a row"
    return ConfigInvalid(f"{shown} is empty, and {why}, or remove the file.", role="source", details={"path": shown})


def _refuse_separator(shown: str, record: bytes, line: int) -> None:
    """The line by which Excel is told what divides fields would be taken for the header."""
    found = _SEPARATOR.fullmatch(record.rstrip(b"\r\n"))
    if found is None:
        return
    raise ConfigInvalid(
        f"{shown}, line {line}: {found[0].decode().strip()} is for Excel and no header. "
        f"Remove the line, and {set_delimiter(found[1].decode())}.",
        role="source",
        details={"path": shown, "line": line, "field": "delimiter"},
    )
