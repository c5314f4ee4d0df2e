"""Where a read of files stands: the checkpoints this source writes and nobody else reads.

A checkpoint names one part, a place in it, and what was read up to there, so it
stays small however many files there were. Of the parts before it only a digest
is kept: enough to notice one that came late or changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.endpoints.sources.files_parts import Mark, mark_from_json
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.sources.local_files_units import Unit
from headrace.errors import ConfigInvalid, SourceReplaced
from headrace.protocol import Json

Phase = Literal["load", "follow"]

_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The parts before a position: how many, their names and sizes, and when the newest of them changed."""

    parts: int
    digest: str
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """``load``: a full read in progress. ``follow``: everything up to here was read; what comes next is new."""

    phase: Phase
    part: str
    mark: Mark
    identity: str
    rows: int
    """Read so far."""
    inode: int | None
    """Of the part, by which it is known under another name; an older checkpoint has none."""
    earlier: Earlier
    is_whole: bool
    """The part was read to its end, and never gets more."""


def to_json(position: Position, unit: Unit) -> Json:
    earlier = position.earlier
    return {
        "version": 1,
        "phase": position.phase,
        "format": unit.format,
        "part": position.part,
        "mark": position.mark.json(),
        "identity": position.identity,
        "rows": position.rows,
        "isWhole": position.is_whole,
        "inode": None if position.inode is None else str(position.inode),
        "earlier": {"parts": earlier.parts, "digest": earlier.digest, "changed": str(earlier.changed)},
    }


def from_json(checkpoint: Json, unit: Unit) -> Position | None:
    """The position a checkpoint stands for; None for no checkpoint.

    Raises:
        ConfigInvalid: It is not one of ours, or of another format. It is never taken as "no checkpoint".
    """
    match checkpoint:
        case None:
            return None
        case {"version": 1, "format": str(format_)} if format_ != unit.format:
            raise ConfigInvalid(
                f"{unit.unit_id} was read as {format_}, and it is to be read as {unit.format} now. Set the parameter "
                "format back, or reset the unit.",
                role="source",
                details={"field": "format"},
            )
        case _ if (position := _position(checkpoint)) is not None:
            return position
        case _:
            pass
    raise ConfigInvalid(
        f"The checkpoint of {unit.unit_id} cannot be read: file.local did not write it, or a newer version did. "
        "Reset the unit to begin again.",
        role="source",
    )


def _position(checkpoint: Json) -> Position | None:
    match checkpoint:
        case {
            "version": 1, "phase": "load" | "follow" as phase, "part": str(part), "identity": str(identity),
            "rows": int(rows), "mark": json,
            "earlier": {"parts": int(parts), "digest": str(digest), "changed": str(changed)},
        }:  # fmt: skip
            mark, inode = mark_from_json(json), checkpoint.get("inode")
            return mark and Position(
                phase=phase,
                part=part,
                mark=mark,
                identity=identity,
                rows=rows,
                inode=int(inode) if isinstance(inode, str) else None,
                earlier=Earlier(parts=parts, digest=digest, changed=int(changed)),
                is_whole=checkpoint.get("isWhole") is True,
            )
        case _:
            return None


class Passed:
    """What to remember of the parts before each part, as they were listed. Asked in order, it looks at each once."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._hash = hashlib.sha256()
        self._changed = 0
        self._count = 0

    def before(self, index: int) -> Earlier:
        for part in self._parts[self._count : index]:
            self._hash.update(_said_of(part))
            self._changed = max(self._changed, part.changed)
        self._count = index
        changed = max(self._changed, self._parts[index].changed)
        return Earlier(parts=index, digest=self._hash.hexdigest()[:_DIGITS], changed=changed)


def first_unread(unit: Unit, position: Position) -> int:
    """Index of the part where reading goes on.

    Raises:
        SourceReplaced: The part is gone where none may go, or one before it came late or has changed.
    """
    if unit.kind == "file":
        return 0
    names = [part.name for part in unit.parts]
    if unit.kind == "slices":
        if position.part not in names:
            raise SourceReplaced(
                f"The slice {position.part} of {unit.unit_id}, which was read last, is gone: the folder was written "
                "anew. Reset the unit to read it again.",
                role="source",
            )
        return names.index(position.part)
    _refuse_late([part for part in unit.parts if part.name < position.part], position, unit)
    return sum(1 for name in names if name < position.part)


def _refuse_late(before: Sequence[Part], position: Position, unit: Unit) -> None:
    """Files that were read may go. One that comes to stand among them, or changes, would never be read."""
    known = position.earlier
    if _digest(before) == known.digest:
        return
    is_known_to_be_late = any(part.changed > known.changed for part in before)
    if not is_known_to_be_late and len(before) < known.parts:
        return
    late = max(before, key=lambda part: part.changed)
    raise SourceReplaced(
        f"The file {late.name!r} of {unit.unit_id} came or changed after {position.part!r} was read, and its name "
        "sorts before that: its rows would be missing. Give new files names that sort after the old ones, or reset the "
        "unit.",
        role="source",
        details={"part": late.name},
    )


def _digest(parts: Sequence[Part]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(_said_of(part))
    return whole.hexdigest()[:_DIGITS]


def _said_of(part: Part) -> bytes:
    return f"{len(part.name.encode())} {part.name} {part.size}\n".encode()
