"""The bounds of a slice of a PostgreSQL unit, and the SQL they stand for.

Rows are compared as whole tuples of (cursor, key), which is what keeps ties
apart. Values are text of PostgreSQL's own, cast back to the column's type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.endpoints.sources.postgres_position import Mark, mark
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import quote_identifier, quote_literal
from headrace.errors import Bug, SchemaChanged
from headrace.protocol import Json

_COLLATED = frozenset({"text", "varchar"})
_KINDS = {"int2": "number", "int4": "number", "int8": "number", "numeric": "number", "varchar": "text"}
"""Types that may become each other: what comes after a value stays after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Leaves out rows whose cursor lies after ``at``; with ``at`` None, all that have a cursor."""

    field: str
    at: str | None
    has_nulls: bool
    """Whether rows without cursor belong to the slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """Rows with ``after`` < key ≤ ``upto``; None is no bound."""

    after: tuple[str, ...] | None
    upto: tuple[str, ...] | None
    until: Until | None
    is_file: bool = False
    """Whether it may be written by DuckDB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRange:
    """Rows of the pages from ``first`` up to but not including ``end``, under one snapshot only."""

    first: int
    end: int | None
    snapshot: str
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything, or the policy's ``limit`` of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorRange:
    """Rows with ``after`` < (cursor, key) ≤ ``upto``; an ``after`` without a key lets in all rows of its cursor."""

    field: str
    after: Mark | None
    upto: Mark


Range = KeyRange | PageRange | Whole | CursorRange


def to_json(bounds: Range) -> Json:
    match bounds:
        case KeyRange(after=after, upto=upto, until=until):
            limit = None if until is None else [until.field, until.at, until.has_nulls]
            cut: dict[str, Json] = {"after": _list(after), "upto": _list(upto), "until": limit}
            return {"cut": "key", **cut, "file": bounds.is_file}
        case PageRange():
            span: dict[str, Json] = {"first": bounds.first, "end": bounds.end, "snapshot": bounds.snapshot}
            return {"cut": "pages", **span, "file": bounds.is_file}
        case Whole():
            return {"cut": "whole"}
        case CursorRange(after=after):
            start = None if after is None else after.json()
            return {"cut": "cursor", "field": bounds.field, "after": start, "upto": bounds.upto.json()}


def from_json(json: Json) -> Range:
    """What ``to_json`` wrote. Anything else is a slice this source did not plan."""
    try:
        return _parsed(json)
    except (ValueError, TypeError):
        raise Bug("A slice was given to jdbc.postgres that it did not plan.", role="source") from None


def _parsed(json: Json) -> Range:
    match json:
        case {"cut": "key", "after": after, "upto": upto, "until": until, "file": bool(is_file)}:
            return KeyRange(after=_tuple(after), upto=_tuple(upto), until=_until(until), is_file=is_file)
        case {"cut": "pages", "first": int(first), "end": end, "snapshot": str(snapshot), "file": bool(is_file)}:
            return PageRange(first=first, end=None if end is None else int(end), snapshot=snapshot, is_file=is_file)
        case {"cut": "whole"}:
            return Whole()
        case {"cut": "cursor", "field": str(field), "after": after, "upto": upto}:
            return CursorRange(field=field, after=None if after is None else mark(after), upto=mark(upto))
        case _:
            raise ValueError


def _until(json: Any) -> Until | None:
    match json:
        case None:
            return None
        case [str(field), at, bool(has_nulls)]:
            return Until(field=field, at=None if at is None else str(at), has_nulls=has_nulls)
        case _:
            raise ValueError


@dataclass(frozen=True, slots=True)
class Order:
    """The columns of one relation that put its rows in order: the cursor, if there is one, then the key.

    The relation is called ``t`` wherever this is used. A bare name in ``order by``
    would mean a column of the answer, which may be text and sort differently.
    """

    relation: Relation
    cursor: CatalogColumn | None
    key: tuple[CatalogColumn, ...]

    @classmethod
    def of(cls, relation: Relation, field: str | None) -> Order:
        cursor = None if field is None else _known(relation, field)
        return cls(relation, cursor, tuple(_known(relation, name) for name in relation.unique_key))

    @property
    def field(self) -> str:
        return _present(self.cursor).name

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.key)

    @property
    def key_kinds(self) -> tuple[str, ...]:
        """What the order of the key depends on: a place in it means nothing once one of these changed."""
        return tuple(_kind(column) for column in self.key)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The same of cursor and key."""
        return (_kind(_present(self.cursor)), *self.key_kinds)

    def plain_list(self) -> str:
        """The columns themselves."""
        columns = self.key if self.cursor is None else (*self.key, self.cursor)
        return ", ".join(dict.fromkeys(f"t.{quote_identifier(column.name)}" for column in columns))

    def key_list(self) -> str:
        return ", ".join(_sort(column, is_cursor=False) for column in self.key)

    def key_texts(self) -> str:
        """The key as one array of text."""
        return f"array[{', '.join(f't.{quote_identifier(column.name)}::text' for column in self.key)}]"

    def cursor_name(self) -> str:
        return _sort(_present(self.cursor), is_cursor=True)

    def cursor_text(self) -> str:
        return f"t.{quote_identifier(_present(self.cursor).name)}::text"

    def cursor_literal(self, text: str) -> str:
        return _literal(_present(self.cursor), text, is_cursor=True)

    def full_list(self, direction: str = "") -> str:
        """Cursor and key, for ``order by``."""
        names = [self.cursor_name(), *(_sort(column, is_cursor=False) for column in self.key)]
        return ", ".join(f"{name}{direction}" for name in names)

    def after_key(self, texts: Sequence[str]) -> str:
        return f"({self.key_list()}) > ({self._key_literals(texts)})"

    def upto_key(self, texts: Sequence[str]) -> str:
        return f"({self.key_list()}) <= ({self._key_literals(texts)})"

    def after_mark(self, place: Mark) -> str:
        """The first condition says nothing new; it lets an index on the cursor alone be used.

        A place without a key lies before all rows of its cursor.
        """
        literal = self.cursor_literal(place.cursor)
        if not place.key:
            return f"{self.cursor_name()} >= {literal}"
        return (
            f"{self.cursor_name()} >= {literal} and ({self.full_list()}) > ({literal}, {self._key_literals(place.key)})"
        )

    def upto_mark(self, place: Mark) -> str:
        literal = self.cursor_literal(place.cursor)
        return (
            f"{self.cursor_name()} <= {literal} and "
            f"({self.full_list()}) <= ({literal}, {self._key_literals(place.key)})"
        )

    def until(self, until: Until) -> str:
        name = self.cursor_name()
        bounded = "false" if until.at is None else f"{name} <= {self.cursor_literal(until.at)}"
        return f"({bounded} or {name} is null)" if until.has_nulls else f"({bounded})"

    def _key_literals(self, texts: Sequence[str]) -> str:
        pairs = zip(self.key, texts, strict=True)
        return ", ".join(_literal(column, text, is_cursor=False) for column, text in pairs)


def condition(bounds: Range, order: Order) -> str:
    """What follows ``where``, or nothing."""
    match bounds:
        case KeyRange(after=after, upto=upto, until=until):
            parts = [
                "" if after is None else order.after_key(after),
                "" if upto is None else order.upto_key(upto),
                "" if until is None else order.until(until),
            ]
        case PageRange(first=first, end=end):
            parts = ["" if first == 0 else f"t.ctid >= '({first},0)'", "" if end is None else f"t.ctid < '({end},0)'"]
        case Whole():
            parts = []
        case CursorRange(after=Mark(cursor=cursor, key=[_, *_] as key), upto=Mark(cursor=end) as upto) if cursor == end:
            # As rows of one cursor, for the server takes a range of pairs for all rows of their cursors.
            tie = f"{order.cursor_name()} = {order.cursor_literal(cursor)}"
            parts = [tie, order.after_key(key), order.upto_key(upto.key)]
        case CursorRange(after=after, upto=upto):
            parts = ["" if after is None else order.after_mark(after), order.upto_mark(upto)]
    return " and ".join(part for part in parts if part)


def ordering(bounds: Range, order: Order) -> str:
    """What follows ``order by``, or nothing. The same slice of the same rows comes in the same order."""
    match bounds:
        case CursorRange():
            return order.full_list()
        case KeyRange():
            return order.key_list()
        case Whole():
            return order.key_list() if order.key else ""
        case PageRange():
            return ""


def _kind(column: CatalogColumn) -> str:
    return _KINDS.get(column.type_name, column.type_name or column.shown)


def _literal(column: CatalogColumn, text: str, *, is_cursor: bool) -> str:
    collation = ' collate "C"' if is_cursor and column.type_name in _COLLATED else ""
    return f"{quote_literal(text)}::{column.shown}{collation}"


def _sort(column: CatalogColumn, *, is_cursor: bool) -> str:
    collation = ' collate "C"' if is_cursor and column.type_name in _COLLATED else ""
    return f"t.{quote_identifier(column.name)}{collation}"


def _known(relation: Relation, name: str) -> CatalogColumn:
    column = relation.column(name)
    if column is None:
        raise SchemaChanged(f"Column {name} of {relation.unit_id} is gone. Reset the unit.", role="source")
    return column


def _present(cursor: CatalogColumn | None) -> CatalogColumn:
    if cursor is None:
        raise Bug("A cursor was asked for in a read without one.", role="source")
    return cursor


def _list(texts: tuple[str, ...] | None) -> Json:
    return None if texts is None else list(texts)


def _tuple(texts: Any) -> tuple[str, ...] | None:
    return None if texts is None else tuple(str(text) for text in texts)
