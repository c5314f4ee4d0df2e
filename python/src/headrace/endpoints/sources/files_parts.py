"""What a unit is made of: parts, each one file, and how far one of them was read.

A part is opened as CSV, JSON lines or columns (Parquet, Arrow); whoever plans and
reads sees an ``OpenPart`` and not which. Text is counted in bytes, columns in rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from headrace.endpoint import Column
from headrace.errors import Bug, ConfigInvalid, RowRejected, SchemaChanged
from headrace.protocol import Json
from headrace.refusals import Sifted

if TYPE_CHECKING:
    import pyarrow as pa


MOST_COLUMNS = 20_000
"""Of a text file. A few bytes there are a column here, which takes tens of KiB while it is read and written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a part: bytes of text before it and lines, or rows. ``columns`` are those that JSON lines showed."""

    at: int
    line: int = 0
    columns: tuple[tuple[str, str], ...] = ()

    def json(self) -> dict[str, Json]:
        return {"at": self.at, "line": self.line, "columns": [list(column) for column in self.columns]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A run of whole records, to be read in one go."""

    start: Mark
    end: Mark
    rows: int
    longest: int = 0
    """No record of it has more bytes."""

    def json(self) -> dict[str, Json]:
        return {"start": self.start.json(), "end": self.end.json(), "rows": self.rows, "longest": self.longest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """How long a cut may be. ``is_growing``: a record without an end may still get the rest of it, so it waits."""

    rows: int
    size: int
    is_growing: bool
    most_set_aside: int | None = None
    """Records that are no rows count too, up to so many; None: the first one is raised."""
    columns: tuple[str, ...] | None = None
    """Those that are read; what another one holds is nobody's matter. None: all are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    columns: tuple[Column, ...]
    arrow: pa.Schema
    left_out: frozenset[str] = frozenset()
    """Columns that only rows show which do not stand beside the others, or whose own values do not."""


class OpenPart(Protocol):
    def shape(self) -> Shape:
        """Columns, as far as they show without reading everything."""
        ...

    def estimated_rows(self) -> int:
        """Cheaply: by the beginning of the file, or what the file says of itself."""
        ...

    def begin(self, *, is_growing: bool) -> Mark: ...

    def refuse_damaged(self) -> None:
        """Raises ``RowRejected`` when the file does not hold what was written to it, as far as that shows."""
        ...

    def resume(self, mark: Mark) -> Mark:
        """Where to go on after ``mark``. Raises ``SourceReplaced`` when what was read there has been continued."""
        ...

    def cut(self, start: Mark, want: Want) -> Cut | None:
        """The next records; None when there are none that are whole."""
        ...

    def read(
        self, cut: Cut, columns: tuple[str, ...] | None, batch_bytes: int, most_set_aside: int | None = None
    ) -> Iterator[pa.RecordBatch | Sifted]: ...

    def identity(self, mark: Mark) -> str:
        """Names what was read up to ``mark``. Raises ``SourceRewound`` when the part is shorter."""
        ...

    def close(self) -> None: ...


def cut_from_json(json: Any) -> Cut:
    """What ``Cut.json`` wrote; nobody else writes the bounds of our slices."""
    start, end = mark_from_json(json["start"]), mark_from_json(json["end"])
    if start is None or end is None:
        raise Bug("The bounds of a slice are not those that were planned.", role="source")
    return Cut(start=start, end=end, rows=json["rows"], longest=json["longest"])


def chosen_columns(shown: str, columns: tuple[str, ...] | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of the policy's ``columns`` those that a part has: an older part may have fewer."""
    chosen = names if columns is None else tuple(name for name in columns if name in names)
    if not chosen:
        raise SchemaChanged(
            f"{shown} has none of the columns that the policy names. Name one that it has, or move it away.",
            role="source",
            details={"path": shown},
        )
    return chosen


def refuse_too_many_columns(shown: str, count: int, advice: str) -> None:
    if count > MOST_COLUMNS:
        raise ConfigInvalid(
            f"{shown} has more than {MOST_COLUMNS} columns. {advice}", role="source", details={"path": shown}
        )


def mark_from_json(json: Any) -> Mark | None:
    match json:
        case {"at": int(at), "line": int(line), "columns": [*columns]}:
            return Mark(at=at, line=line, columns=tuple((str(name), str(kind)) for name, kind in columns))
        case _:
            return None


def rejected(shown: str, line: int, why: str, **details: Json) -> RowRejected:
    """A row that cannot be carried: which, why, and what to do about it."""
    found: Mapping[str, Json] = {"path": shown, "line": line, **details}
    return RowRejected(f"{shown}, line {line}: {why}", role="source", details=found)
