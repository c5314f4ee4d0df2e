"""Where a read of a PostgreSQL unit stands: the checkpoints this source writes and nobody else reads.

A full read in progress knows how it is cut, the last key it took and the bound
its snapshot had; it becomes a cursor when its last slice is committed. Values
are PostgreSQL's own text, so microseconds and wide integers stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.errors import ConfigInvalid, SourceReplaced
from headrace.protocol import Json

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The very table: the cluster and database, and the table's oid. A table of the same name made anew differs."""

    system: str
    table: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A row's place in the order of (cursor, key)."""

    cursor: str
    key: tuple[str, ...]

    def json(self) -> Json:
        return [self.cursor, list(self.key)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPosition:
    """Everything up to ``at`` has been read; None: nothing but rows without cursor."""

    field: str
    key_columns: tuple[str, ...]
    at: Mark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPosition:
    """A full read after key ``after``. ``then`` is where the incremental reads begin; None for a mere full read."""

    key_columns: tuple[str, ...]
    after: tuple[str, ...]
    then: CursorPosition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesPosition:
    """A read in the order of pages was in progress. It cannot go on under another snapshot."""


Position = CursorPosition | LoadPosition | PagesPosition


def to_json(position: Position, identity: Identity) -> Json:
    source = {"system": identity.system, "table": str(identity.table)}
    match position:
        case CursorPosition():
            return {"version": VERSION, "phase": "cursor", "source": source, **_cursor_json(position)}
        case LoadPosition():
            then = None if position.then is None else _cursor_json(position.then)
            place = {"keyColumns": list(position.key_columns), "after": list(position.after), "then": then}
            return {"version": VERSION, "phase": "load", "cut": "key", "source": source, **place}
        case PagesPosition():
            return {"version": VERSION, "phase": "load", "cut": "pages", "source": source}


def _cursor_json(position: CursorPosition) -> dict[str, Json]:
    at = None if position.at is None else position.at.json()
    return {"cursorField": position.field, "keyColumns": list(position.key_columns), "at": at}


def from_json(checkpoint: Json, identity: Identity, unit_id: str) -> Position | None:
    """The position a checkpoint stands for; None for no checkpoint.

    Raises:
        ConfigInvalid: It is not one of ours. It is never taken as "no checkpoint".
        SourceReplaced: It was taken from another table or database.
    """
    match checkpoint:
        case None:
            return None
        case {"version": 1, "source": {"system": str(system), "table": str(table)}, "phase": str(phase)}:
            _refuse_replaced(Identity(system=system, table=int(table)), identity, unit_id)
            found = _position(phase, checkpoint)
            if found is not None:
                return found
        case _:
            pass
    raise ConfigInvalid(
        f"The checkpoint of {unit_id} cannot be read: jdbc.postgres did not write it, or a newer version did. "
        "Reset the unit to begin again.",
        role="source",
    )


def _position(phase: str, checkpoint: Any) -> Position | None:
    match phase, checkpoint:
        case "cursor", {"cursorField": _}:
            return _cursor(checkpoint)
        case "load", {"cut": "key", "keyColumns": [*columns], "after": [*after], "then": then}:
            key = _texts(columns)
            place = _texts(after)
            resumed = None if then is None else _cursor(then)
            if key is None or place is None or len(key) != len(place) or (then is not None and resumed is None):
                return None
            return LoadPosition(key_columns=key, after=place, then=resumed)
        case "load", {"cut": "pages"}:
            return PagesPosition()
        case _:
            return None


def _cursor(json: Any) -> CursorPosition | None:
    match json:
        case {"cursorField": str(field), "keyColumns": [*columns], "at": None}:
            key = _texts(columns)
            return None if key is None else CursorPosition(field=field, key_columns=key, at=None)
        case {"cursorField": str(field), "keyColumns": [*columns], "at": at}:
            key, place = _texts(columns), mark(at)
            if key is None or place is None or len(place.key) != len(key):
                return None
            return CursorPosition(field=field, key_columns=key, at=place)
        case _:
            return None


def mark(json: Any) -> Mark | None:
    match json:
        case [str(cursor), [*key]]:
            texts = _texts(key)
            return None if texts is None else Mark(cursor=cursor, key=texts)
        case _:
            return None


def _texts(values: Sequence[Any]) -> tuple[str, ...] | None:
    return tuple(values) if all(isinstance(value, str) for value in values) else None


def _refuse_replaced(was: Identity, is_now: Identity, unit_id: str) -> None:
    if was != is_now:
        what = "table was dropped and made again" if was.system == is_now.system else "database is another one"
        raise SourceReplaced(
            f"{unit_id} is not what the checkpoint was taken from: the {what}. "
            "If that was meant, reset the unit to read everything again.",
            role="source",
        )
