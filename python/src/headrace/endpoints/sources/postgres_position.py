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
    """``cluster/database``; the cluster is empty where the server keeps it secret."""
    table: int
    chosen: str = ""
    """Which filter chose the rows: what another one left out will not be looked for again."""

    def is_of_another_system(self, other: Identity) -> bool:
        cluster, _, database = self.system.partition("/")
        others, _, name = other.system.partition("/")
        return database != name or (cluster != others and "" not in (cluster, others))


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
    kinds: tuple[str, ...] | None
    """How cursor and key are ordered, ``Order.kinds``; None in a checkpoint that does not say it."""
    at: Mark | None
    ties: str | None = None
    """Which rows shared the cursor of ``at`` then: what ``tell_ties`` answers; None where nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPosition:
    """A full read after key ``after``. ``then`` is where the incremental reads begin; None for a mere full read."""

    key_columns: tuple[str, ...]
    kinds: tuple[str, ...] | None
    after: tuple[str, ...]
    then: CursorPosition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesPosition:
    """A read in the order of pages was in progress. It cannot go on under another snapshot."""


Position = CursorPosition | LoadPosition | PagesPosition


def to_json(position: Position, identity: Identity) -> Json:
    source = {"system": identity.system, "table": str(identity.table)}
    if identity.chosen:
        source["filter"] = identity.chosen
    match position:
        case CursorPosition():
            return {"version": VERSION, "phase": "cursor", "source": source, **_cursor_json(position)}
        case LoadPosition():
            then = None if position.then is None else _cursor_json(position.then)
            key = {"keyColumns": list(position.key_columns), "kinds": _list(position.kinds)}
            place = {**key, "after": list(position.after), "then": then}
            return {"version": VERSION, "phase": "load", "cut": "key", "source": source, **place}
        case PagesPosition():
            return {"version": VERSION, "phase": "load", "cut": "pages", "source": source}


def _cursor_json(position: CursorPosition) -> dict[str, Json]:
    at = None if position.at is None else position.at.json()
    key = {"keyColumns": list(position.key_columns), "kinds": _list(position.kinds)}
    ties: dict[str, Json] = {} if position.ties is None else {"ties": position.ties}
    return {"cursorField": position.field, **key, "at": at, **ties}


def from_json(checkpoint: Json, identity: Identity, unit_id: str) -> Position | None:
    """The position a checkpoint stands for; None for no checkpoint.

    Raises:
        ConfigInvalid: It is not one of ours. It is never taken as "no checkpoint".
        SourceReplaced: It was taken from another table or database.
        ConfigInvalid: So are the rows it stands for, by another filter.
    """
    if checkpoint is None:
        return None
    try:
        taken_from, position = _parsed(checkpoint)
    except ValueError:
        raise ConfigInvalid(
            f"The checkpoint of {unit_id} cannot be read: jdbc.postgres did not write it, or a newer version did. "
            "Reset the unit to begin again.",
            role="source",
        ) from None
    _refuse_replaced(taken_from, identity, unit_id)
    if taken_from.chosen != identity.chosen:
        raise ConfigInvalid(
            f"{unit_id} was read with another filter, and rows that it left out would never be read. Set it back, or "
            "reset the unit to read everything that is wanted now.",
            role="source",
            details={"field": "filter"},
        )
    return position


def mark(json: Any) -> Mark:
    """What ``Mark.json`` wrote. Raises ``ValueError`` for anything else."""
    match json:
        case [str(cursor), [*key]]:
            return Mark(cursor=cursor, key=_texts(key))
        case _:
            raise ValueError


def _parsed(checkpoint: Any) -> tuple[Identity, Position]:
    match checkpoint:
        case {"version": 1, "source": {"system": str(system), "table": str(table), **more}, "phase": str(phase)}:
            chosen = more.get("filter", "")
            _require(isinstance(chosen, str))
            return Identity(system=system, table=int(table), chosen=chosen), _position(phase, checkpoint)
        case _:
            raise ValueError


def _position(phase: str, checkpoint: Any) -> Position:
    match phase, checkpoint:
        case "cursor", _:
            return _cursor(checkpoint)
        case "load", {"cut": "key", "keyColumns": [*columns], "after": [*after], "then": then}:
            key, place = _texts(columns), _texts(after)
            _require(len(key) == len(place))
            cursor = None if then is None else _cursor(then)
            return LoadPosition(key_columns=key, kinds=_kinds(checkpoint, len(key)), after=place, then=cursor)
        case "load", {"cut": "pages"}:
            return PagesPosition()
        case _:
            raise ValueError


def _cursor(json: Any) -> CursorPosition:
    match json:
        case {"cursorField": str(field), "keyColumns": [*columns], "at": at}:
            key, place = _texts(columns), None if at is None else mark(at)
            _require(place is None or len(place.key) == len(key))
            kinds, ties = _kinds(json, 1 + len(key)), json.get("ties")
            _require(ties is None or isinstance(ties, str))
            return CursorPosition(field=field, key_columns=key, kinds=kinds, at=place, ties=ties)
        case _:
            raise ValueError


def _kinds(json: Any, count: int) -> tuple[str, ...] | None:
    match json:
        case {"kinds": [*kinds]}:
            _require(len(kinds) == count)
            return _texts(kinds)
        case {"kinds": other} if other is not None:
            raise ValueError
        case _:
            return None


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    _require(all(isinstance(value, str) for value in values))
    return tuple(values)


def _require(is_so: bool) -> None:
    if not is_so:
        raise ValueError


def _list(texts: tuple[str, ...] | None) -> Json:
    return None if texts is None else list(texts)


def _refuse_replaced(was: Identity, is_now: Identity, unit_id: str) -> None:
    is_elsewhere = was.is_of_another_system(is_now)
    if is_elsewhere or was.table != is_now.table:
        what = "database is another one" if is_elsewhere else "table was dropped and made again"
        raise SourceReplaced(
            f"{unit_id} is not what the checkpoint was taken from: the {what}. "
            "If that was meant, reset the unit to read everything again.",
            role="source",
        )
