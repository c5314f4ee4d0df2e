"""What an incremental read asks of its snapshot before it plans: small questions, sent together.

In most runs the answer is that nothing is new. So they are asked in the round
trip that takes the snapshot, and whatever only matters when there are rows is
asked afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.endpoints.sources.postgres_position import CursorPosition, Mark
from headrace.endpoints.sources.postgres_ranges import Order
from headrace.endpoints.systems.postgres_session import Question, quote_literal, quote_qualified


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    newest: Mark | None
    """The last row that has a cursor, wherever the horizon lies."""
    is_newest_before: bool
    """The horizon does not hold it back."""
    nulls: int
    """Rows without cursor."""
    reaches: bool
    """Some row does not lie before the position."""
    has_more: bool
    """Some row lies after the position and before the horizon."""
    has_other_ties: bool
    """Not the rows that did share the position's cursor and come no later by their key, or nobody knows which did."""

    @classmethod
    def of(cls, answers: Sequence[Sequence[tuple[Any, ...]]]) -> Survey:
        last, nulls, beside = answers
        reaches, has_more, has_other_ties = beside[0]
        return cls(
            newest=mark_of(last),
            is_newest_before=bool(last) and bool(last[0][2]),
            nulls=int(nulls[0][0]),
            reaches=bool(reaches),
            has_more=bool(has_more),
            has_other_ties=bool(has_other_ties),
        )


def survey_questions(order: Order, position: CursorPosition | None, before: str | None) -> list[Question]:
    """``before``: SQL of the moment the cursor must lie before, if any."""
    name, is_before = order.cursor_name(), _is_before(order, before)
    is_nullable = order.cursor is not None and order.cursor.nullable
    nulls = f"select count(*) from {_table(order)} where {name} is null" if is_nullable else "select 0"
    last = last_row(order, f"{name} is not null", is_before)
    return [(last, ()), (nulls, ()), (_beside(order, position, is_before), ())]


def last_row(order: Order, where: str, *more: str) -> str:
    """The place of the newest of those rows, and more about it."""
    columns = ", ".join((order.cursor_text(), order.key_texts(), *more))
    return f"select {columns} from {_table(order)} where {where} order by {order.full_list(' desc')} limit 1"


def mark_of(rows: Sequence[tuple[Any, ...]]) -> Mark | None:
    """The place that ``last_row`` found."""
    return Mark(cursor=rows[0][0], key=tuple(rows[0][1])) if rows else None


def tell_ties(order: Order, place: Mark) -> str:
    """Which rows have the cursor of ``place`` and come no later by their key: their number and the sum of hashes."""
    keys = f"hashtextextended({order.key_texts()}::text, 0)::numeric"
    return (
        f"select count(*) || ' ' || coalesce(sum({keys}), 0) from {_table(order)} "
        f"where {order.cursor_name()} = {order.cursor_literal(place.cursor)} and {order.upto_mark(place)}"
    )


def _beside(order: Order, position: CursorPosition | None, is_before: str) -> str:
    if position is None or position.at is None:
        return "select true, true, false"
    at, table = position.at, _table(order)
    reaches = f"exists (select from {table} where {order.cursor_name()} >= {order.cursor_literal(at.cursor)})"
    more = f"exists (select from {table} where {order.after_mark(at)} and {is_before})"
    ties = "true" if position.ties is None else f"({tell_ties(order, at)}) <> {quote_literal(position.ties)}"
    return f"select {reaches}, {more}, {ties}"


def _is_before(order: Order, before: str | None) -> str:
    return "true" if before is None else f"{order.cursor_name()} < {before}"


def _table(order: Order) -> str:
    return f"{quote_qualified(order.relation.schema, order.relation.name)} t"
