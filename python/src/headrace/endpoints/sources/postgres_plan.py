"""How a PostgreSQL unit is divided into slices: by cursor, by key, by page, or not at all.

Everything here is asked within one snapshot. Boundaries of key and cursor
slices are found one at a time, by the index, when the slice before is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from headrace.endpoint import Plan
from headrace.endpoints.sources.postgres_cursor import CursorBound
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_position import (
    CursorPosition,
    Identity,
    LoadPosition,
    PagesPosition,
    Position,
    to_json,
)
from headrace.endpoints.sources.postgres_ranges import (
    KeyRange,
    Order,
    PageRange,
    Range,
    Until,
    Whole,
)
from headrace.endpoints.sources.postgres_ranges import to_json as bounds_json
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.sources.postgres_widths import Portion, Widths, widths_of
from headrace.endpoints.systems.postgres_session import quote_qualified
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.staging import Slice

_SAMPLE_CTIDS = 2000
_FILE_ROW_BYTES = 4096
"""DuckDB takes two thousand rows at a time, however wide they are."""


LARGE_PAGES = 16_384
"""Of a table of 128 MiB: it has several slices, and memory may not hold it."""

SOON_PAGES = 524_288
"""Of a table of 4 GiB: read once more in about half a minute. By key it costs the server a quarter more."""

SCATTERED = 0.5
"""A key that follows the order of the rows less than this, in a large table: each row is a page read."""

SLOWLY = (
    "by key, though the key does not follow the order of the rows, so that a read that breaks off goes on; mode full "
    "with replace or merge reads such a table by pages"
)
FASTER = "by pages, for the key does not follow the order of the rows; a read that breaks off begins anew"
SOONER = "by pages, for all of it is read again soon; a read that breaks off begins anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What every kind of plan needs."""

    snapshot: Snapshot
    order: Order
    policy: ReadPolicy
    identity: Identity
    checkpoint: Json
    next_seq: int
    is_for_files: bool
    """Whether DuckDB writes the slices of a load."""
    kept: str
    """SQL of the rows that are read; empty: all."""
    columns: tuple[str, ...]
    """Those that are read; the user need not be allowed to see others."""

    @property
    def unit_id(self) -> str:
        return self.order.relation.unit_id

    @property
    def table(self) -> str:
        return f"{quote_qualified(self.order.relation.schema, self.order.relation.name)} t"

    def widths(self) -> Widths:
        return widths_of(self.snapshot, self.order.relation, self.table, self.columns)


def plan_load(planning: Planning, position: LoadPosition | None, bound: CursorBound | None) -> Plan:
    """Read everything, or what a load in progress has left. ``bound``: where incremental reads begin afterwards."""
    relation = planning.order.relation
    if planning.policy.limit is None and planning.order.key and relation.kind != "v":
        is_scattered = _is_scattered(planning)
        may_begin_anew = bound is None and position is None and not planning.policy.is_appended
        if not may_begin_anew or not (is_scattered or _is_read_soon(planning)):
            slices, strategy = _key_slices(planning, position, bound), "key ranges"
            return _noted(_plan(planning, slices, None, strategy, bound), SLOWLY if is_scattered else None)
        ends, is_file = _page_ends(planning)
        plan = _plan(planning, _page_slices(planning, ends, is_file=is_file), len(ends), "page ranges", bound)
        return _noted(replace(plan, resumes=len(ends) < 2), FASTER if is_scattered else SOONER)
    has_pages = relation.has_pages and planning.policy.limit is None
    ends, is_file = _page_ends(planning) if has_pages else ([], False)
    is_empty = has_pages and not _has_rows(planning, "")
    if is_empty:
        return _plan(planning, iter(()), 0, "nothing to read", bound)
    if len(ends) < 2:
        whole = slice_of(planning, planning.next_seq, Whole(), planning.checkpoint, None)
        return _plan(planning, iter((whole,)), 1, "the whole table at once", bound)
    plan = _plan(planning, _page_slices(planning, ends, is_file=is_file), len(ends), "page ranges", bound)
    return replace(plan, resumes=planning.policy.is_appended)


def _is_read_soon(planning: Planning) -> bool:
    """Whether the rows go on as they come, from a table that is large, and not too large to be read once more."""
    relation, policy = planning.order.relation, planning.policy
    is_handed_on = (planning.is_for_files and policy.is_staged_in_memory) or policy.is_for_blocks
    return (
        is_handed_on
        and relation.has_pages
        and relation.kind in ("r", "m")
        and LARGE_PAGES <= relation.pages <= SOON_PAGES
    )


def _is_scattered(planning: Planning) -> bool:
    """Whether rows in the order of the key lie all over a table too large to be kept in memory, as random keys do."""
    relation = planning.order.relation
    if not relation.has_pages or relation.kind == "p" or relation.pages < LARGE_PAGES:
        return False
    rows = planning.snapshot.ask(
        "select abs(correlation) < $4::float8 from pg_stats "
        "where schemaname = $1 and tablename = $2 and attname = $3 and not inherited",
        [relation.schema, relation.name, planning.order.key_names[0], SCATTERED],
        where=planning.unit_id,
    )
    return bool(rows and rows[0][0])


def _noted(plan: Plan, cut: str | None) -> Plan:
    return plan if cut is None else replace(plan, delivery={**plan.delivery, "cut": cut})


def _plan(
    planning: Planning, slices: Iterator[Slice], count: int | None, strategy: str, bound: CursorBound | None
) -> Plan:
    estimate = planning.order.relation.estimated_rows
    limit = planning.policy.limit
    return Plan(
        slices=slices,
        count=count,
        estimated_rows=estimate if limit is None or estimate is None else min(limit, estimate),
        strategy=strategy,
        delivery={} if bound is None else bound.delivery,
    )


def _key_slices(planning: Planning, position: LoadPosition | None, bound: CursorBound | None) -> Iterator[Slice]:
    """The last slice reaches to the end. A load in progress gets one even if nothing is left: it ends the load."""
    until = None if bound is None else bound.until()
    then = None if bound is None else bound.position()
    final = None if then is None else to_json(then, planning.identity)
    after = None if position is None else position.after
    if after is None and not _has_rows(planning, "" if until is None else planning.order.until(until)):
        return
    portion, is_file = _portion(planning)
    seq, start = planning.next_seq, planning.checkpoint
    while True:
        upto = _key_boundary(planning, after, until, portion)
        end = final
        if upto is not None:
            order = planning.order
            place = LoadPosition(key_columns=order.key_names, kinds=order.key_kinds, after=upto, then=then)
            end = to_json(place, planning.identity)
        is_only = upto is None and seq == planning.next_seq
        bounds = KeyRange(after=after, upto=upto, until=until, is_file=is_file and not is_only)
        yield slice_of(planning, seq, bounds, start, end)
        if upto is None:
            return
        after, start, seq = upto, end, seq + 1


def _page_slices(planning: Planning, ends: list[int | None], *, is_file: bool) -> Iterator[Slice]:
    """Not to be continued by another run: an updated row may move behind what was read."""
    start, first = planning.checkpoint, 0
    for number, end in enumerate(ends):
        to = None if end is None else to_json(PagesPosition(), planning.identity)
        bounds = PageRange(first=first, end=end, snapshot=planning.snapshot.id, is_file=is_file)
        yield slice_of(planning, planning.next_seq + number, bounds, start, to)
        start, first = to, end or 0


def slice_of(planning: Planning, seq: int, bounds: Range, start: Json, end: Json) -> Slice:
    return Slice(seq=seq, bounds=bounds_json(bounds), from_checkpoint=start, to_checkpoint=end)


def _key_boundary(
    planning: Planning, after: tuple[str, ...] | None, until: Until | None, portion: Portion
) -> tuple[str, ...] | None:
    """The last key of a slice; None when no row would be left after it."""
    order = planning.order
    parts = [
        "" if after is None else order.after_key(after), "" if until is None else order.until(until), planning.kept
    ]  # fmt: skip
    where = " and ".join(part for part in parts if part)
    found = last_of(planning, order.key_texts(), where, order.key_list(), portion)
    return None if found is None else tuple(found[0])


def last_of(planning: Planning, wanted: str, where: str, by: str, portion: Portion) -> tuple[Any, ...] | None:
    """What is wanted of the last row of a portion, and of no row before it; None when no row comes after it."""
    listed = planning.order.plain_list()
    condition = f"where {where}" if where else ""
    if not portion.sized:
        found = planning.snapshot.ask(
            f"select {wanted} from (select {listed} from {planning.table} {condition} "
            f"order by {by} offset {portion.rows - 1} limit 2) t order by {by}",
            where=planning.unit_id,
        )
        return found[0] if len(found) == 2 else None
    found = planning.snapshot.ask(
        f"select {wanted}, t._headrace_row = t._headrace_rows from (select t.*, row_number() over w as _headrace_row, "
        "count(*) over () as _headrace_rows, sum(t._headrace_size) over w as _headrace_upto "
        f"from (select {listed}, {portion.sized} as _headrace_size from {planning.table} {condition} "
        f"order by {by} limit {portion.rows + 1}) t window w as (order by {by} rows unbounded preceding)) t "
        f"where t._headrace_row <= {portion.rows} and (t._headrace_row = 1 or t._headrace_upto <= {portion.bytes}) "
        "order by t._headrace_row desc limit 1",
        where=planning.unit_id,
    )
    return None if not found or found[0][-1] else found[0][:-1]


def _has_rows(planning: Planning, where: str) -> bool:
    both = " and ".join(filter(None, (where, planning.kept)))
    condition = f"where {both}" if both else ""
    rows = planning.snapshot.ask(f"select exists (select from {planning.table} {condition})", where=planning.unit_id)
    return bool(rows[0][0])


def _portion(planning: Planning) -> tuple[Portion, bool]:
    """Of a slice, and whether slices are to be files. A load of one slice is read sooner than DuckDB begins."""
    widths = planning.widths()
    is_file = planning.is_for_files and widths.row_bytes <= _FILE_ROW_BYTES
    return Portion.of(widths, planning.policy, is_file=is_file), is_file


def _page_ends(planning: Planning) -> tuple[list[int | None], bool]:
    """The pages each slice stops before, and whether slices are to be files. The last has no end: new pages are its."""
    if not planning.policy.is_staged_in_memory and not planning.policy.is_for_blocks:
        return [None], False
    portion, is_file = _portion(planning)
    pages = planning.order.relation.pages
    slices = max(1, math.ceil(pages * _rows_of_a_page(planning) / portion.rows))
    if slices > 1:  # as many for each reader, so that none is idle in the end
        slices = math.ceil(slices / planning.policy.readers) * planning.policy.readers
    per_slice = max(1, math.ceil(pages / slices))
    return [*range(per_slice, pages, per_slice), None], is_file


def _rows_of_a_page(planning: Planning) -> float:
    """Of a sample. A page may hold many rows however wide they are, for long values lie elsewhere."""
    (rows, pages), *_ = planning.snapshot.ask(
        "select count(*)::int8, count(distinct split_part(ctid::text, ',', 1))::int8 "
        f"from (select t.ctid from {planning.table} limit {_SAMPLE_CTIDS}) s",
        where=planning.unit_id,
    )
    return max(1.0, rows / max(1, pages))


def held_back(position: Position | None, transaction: str, delivery: str, unit_id: str, asked: ReadPolicy) -> Plan:
    if not isinstance(position, CursorPosition):
        raise ConfigInvalid(
            f"The transaction {transaction} is prepared but not finished, and its rows of {unit_id} could be missed. "
            "Commit it or roll it back, or choose mode full.",
            role="source",
        )
    delivered: dict[str, Json] = {"deletes": asked.said_of_deletes, "source": delivery, "leftForLater": delivery}
    return Plan(slices=iter(()), count=0, estimated_rows=0, strategy="nothing new", delivery=delivered)
