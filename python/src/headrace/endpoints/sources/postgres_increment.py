"""What an incremental read of a PostgreSQL unit is divided into: what is read again, then what is new, by cursor.

Boundaries are found one at a time, by the index, when the slice before is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from headrace.endpoint import Plan
from headrace.endpoints.sources.postgres_cursor import CursorBound, may_grow_ties
from headrace.endpoints.sources.postgres_lookback import begin_of
from headrace.endpoints.sources.postgres_plan import Planning, last_of, slice_of
from headrace.endpoints.sources.postgres_position import CursorPosition, Mark, to_json
from headrace.endpoints.sources.postgres_ranges import CursorRange
from headrace.endpoints.sources.postgres_survey import Survey
from headrace.endpoints.sources.postgres_widths import Portion
from headrace.protocol import Json
from headrace.staging import Slice

_LITTLE_ROWS, _LITTLE_BYTES = 5000, 2**20
"""Read before another connection would be open."""


def plan_increment(planning: Planning, position: CursorPosition, bound: CursorBound, survey: Survey) -> Plan:
    """Read what lies between the position and the bound, and again what may have come beside the position."""
    top, after = bound.top, position.at
    window = _window(planning, after)
    is_merged = planning.policy.is_merged and may_grow_ties(planning.order)
    is_beside = after is not None and is_merged and survey.has_other_ties and window is None
    is_new = top is not None and (survey.has_more or is_beside)
    if after is not None and is_beside:
        after = Mark(cursor=after.cursor, key=())
    is_any = is_new or (window is not None and window.rows > 0)
    return Plan(
        slices=_increment_slices(planning, window, after, bound if is_new else None),
        count=None if is_any else 0,
        estimated_rows=None if is_any else 0,
        strategy="cursor ranges" if is_any else "nothing new",
        delivery=bound.delivery if window is None else {**bound.delivery, "lookback": window.json()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is read again: the rows behind the position that the policy's ``lookback`` reaches."""

    said: str
    begin: Mark
    upto: Mark
    rows: int

    def json(self) -> Json:
        return {"reach": self.said, "from": self.begin.cursor, "rows": self.rows}


def _window(planning: Planning, at: Mark | None) -> Window | None:
    lookback, order = planning.policy.lookback, planning.order
    if lookback is None or at is None:
        return None
    (begin,), *_ = planning.snapshot.ask(f"select {begin_of(order, at.cursor, lookback)}", where=planning.unit_id)
    mark = Mark(cursor=begin, key=())
    rows = planning.snapshot.ask(
        f"select count(*) from {planning.table} where {_between(planning, mark, at)}", where=planning.unit_id
    )
    return Window(said=lookback.said, begin=mark, upto=at, rows=int(rows[0][0]))


def _increment_slices(
    planning: Planning, window: Window | None, after: Mark | None, bound: CursorBound | None
) -> Iterator[Slice]:
    """What is read again comes first, and moves the checkpoint nowhere: a run that dies there reads it again."""
    seq = planning.next_seq
    if window is not None and window.rows > 0:
        for bounds in _cursor_ranges(planning, window.begin, window.upto):
            yield slice_of(planning, seq, bounds, planning.checkpoint, planning.checkpoint)
            seq += 1
    if bound is None or bound.top is None:
        return
    start, final = planning.checkpoint, bound.position()
    for bounds in _cursor_ranges(planning, after, bound.top):
        place = final if bounds.upto == bound.top else replace(final, at=bounds.upto, ties=None)
        end = to_json(place, planning.identity)
        yield slice_of(planning, seq, bounds, start, end)
        seq, start = seq + 1, end


def _cursor_ranges(planning: Planning, after: Mark | None, top: Mark) -> Iterator[CursorRange]:
    """One after the other, up to ``top``, which ends the last and no other."""
    widths = planning.widths()
    portion = Portion.of(widths, planning.policy, is_file=False)
    planning.snapshot.is_little_read = _is_little(planning, after, top, portion, widths.row_bytes)
    if planning.snapshot.is_little_read:
        yield CursorRange(field=planning.order.field, after=after, upto=top)
        return
    while True:
        upto = _cursor_boundary(planning, after, top, portion)
        yield CursorRange(field=planning.order.field, after=after, upto=upto or top)
        if upto is None:
            return
        after = upto


def _is_little(planning: Planning, after: Mark | None, top: Mark, portion: Portion, row_bytes: int) -> bool:
    """Whether all of it is one slice, and a small one. To count so few rows is less than to look for a boundary."""
    ((rows, size),) = planning.snapshot.ask(
        f"select count(*), coalesce(sum(s), 0)::int8 from (select {portion.sized or row_bytes} as s "
        f"from {planning.table} where {_between(planning, after, top)} limit {_LITTLE_ROWS + 1}) t",
        where=planning.unit_id,
    )
    return rows <= min(_LITTLE_ROWS, portion.rows) and size <= min(_LITTLE_BYTES, portion.bytes)


def _cursor_boundary(planning: Planning, after: Mark | None, top: Mark, portion: Portion) -> Mark | None:
    order = planning.order
    wanted = f"{order.cursor_text()}, {order.key_texts()}"
    found = last_of(planning, wanted, _between(planning, after, top), order.full_list(), portion)
    return None if found is None else Mark(cursor=found[0], key=tuple(found[1]))


def _between(planning: Planning, after: Mark | None, top: Mark) -> str:
    upto = planning.order.upto_mark(top)
    parts = ["" if after is None else planning.order.after_mark(after), upto, planning.kept]
    return " and ".join(part for part in parts if part)
