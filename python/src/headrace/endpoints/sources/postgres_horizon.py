"""How far an incremental read may go without overtaking a transaction that is still open.

A row gets its timestamp when its transaction begins and becomes visible when it
ends. A bound behind the oldest open transaction therefore loses its rows for
ever. So the run looks *before* it takes the snapshot, and its bound stays
before the oldest transaction then open, or before that moment if none is: what
begins later can only write later times. Values the clock has not reached wait.

A transaction has its time a moment before others can see that it is open. So a
run that found rows looks again: one that was not seen before lowers the bound,
and where any session was at work meanwhile, so that one may have come and gone
unseen, the newest second waits for a later run.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import CatalogColumn, Relation
from headrace.endpoints.systems.postgres_session import (
    SOURCE_APPLICATION,
    quote_identifier,
    quote_literal,
    quote_qualified,
)
from headrace.errors import ConfigInvalid

LAG_SECONDS = 60
"""How far behind the clock the bound stays when other users' transactions are hidden from us."""

UNSEEN_SECONDS = 1
"""How long a transaction may have its time before it is seen to be open: a thousand times what it takes."""

TIMED = frozenset({"date", "timestamp", "timestamptz"})

_STATE = f"""
with others as (
  select coalesce(a.xact_start, case when a.state = 'active' then a.query_start end) as began, a.state_change,
    a.backend_type is null as is_hidden from pg_stat_activity a
  where a.datname = current_database() and a.pid <> pg_backend_pid()
    and a.application_name <> {quote_literal(SOURCE_APPLICATION)}
    and (a.backend_type not in ('autovacuum worker', 'parallel worker', 'walsender')
      or a.backend_type is null and a.usesysid is not null and exists (select from pg_locks l
        where l.pid = a.pid and l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock'))
), clock as (
  select coalesce($2::timestamptz, statement_timestamp()) as looked
), seen as (
  select min(o.began) as oldest, coalesce(bool_or(o.is_hidden), false) as is_hidden,
    coalesce(bool_or(o.state_change >= $2::timestamptz), false) as is_stirred from others o
), reached as (
  select least(s.oldest, $3::timestamptz, c.looked - case when s.is_hidden then interval '{LAG_SECONDS} s'
    when s.is_stirred then interval '{UNSEEN_SECONDS} s' else interval '0' end) as moment from seen s, clock c
)
select case when s.oldest <= r.moment then s.oldest::text end, s.is_hidden, s.is_stirred, c.looked::text,
  r.moment::text,
  (r.moment at time zone 'UTC' + greatest(interval '-12 h', least(interval '14 h', interval '15 min'
    * ceil(extract(epoch from $1::timestamp - (c.looked at time zone 'UTC')) / 900))))::text,
  (select min(gid) from pg_prepared_xacts where database = current_database()), pg_is_in_recovery()
from seen s, clock c, reached r
"""
"""``$1``: the newest time without zone; ``$2`` and ``$3``: when the run looked first, and how far it saw then.

A session that has a statement and no transaction is about to begin one, at the time the statement came.

A session that is hidden shows its transaction by the lock it holds on its own virtual id, and whose it is; those
of nobody are autovacuum's.

A time without zone is of a zone nobody told us. Its newest value says at least how far east: by multiples of 15
minutes, as zones are. No value but the future's lies further, so the earliest such zone never overtakes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of the others at one time."""

    newest: str | None
    """The newest value of a cursor that may be a time of now somewhere; None where the zone is known."""
    looked: str
    moment: str
    """The time up to which nothing can come any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    before: str | None
    """SQL of the moment the cursor must lie before; None for a cursor that is no time."""
    held_by: str | None
    """A prepared transaction: its beginning is unknown, so the bound stays where it was."""
    delivery: str
    """What the unit shows about it."""
    held: str = ""
    """Why rows behind ``before`` wait for a later run, as the end of a sentence."""
    look: Look | None = None
    """None for a cursor that is no time, and under ``held_by``."""


def horizon(snapshot: Snapshot, relation: Relation, cursor: CatalogColumn) -> Horizon:
    """Ask before ``snapshot.freeze``. Raises ``ConfigInvalid`` on a replica, which cannot know."""
    if cursor.type_name not in TIMED:
        said = f"a cursor of type {cursor.shown} can miss rows of transactions that are open during a run"
        return Horizon(before=None, held_by=None, delivery=said)
    newest = None if cursor.type_name == "timestamptz" else _newest(snapshot, relation, cursor)
    return _looked(snapshot, relation, cursor, newest, None)


def looked_again(snapshot: Snapshot, relation: Relation, cursor: CatalogColumn, first: Horizon) -> Horizon:
    """The horizon, as far as it holds. Ask after ``snapshot.freeze``: what began unseen before it is seen now."""
    if first.look is None:
        return first
    second = _looked(snapshot, relation, cursor, first.look.newest, first.look)
    return first if second.look is not None and second.look.moment == first.look.moment else second


def _looked(
    snapshot: Snapshot, relation: Relation, cursor: CatalogColumn, newest: str | None, first: Look | None
) -> Horizon:
    values = [newest, *((None, None) if first is None else (first.looked, first.moment))]
    (oldest, is_hidden, is_stirred, looked, moment, local, prepared, in_recovery), *_ = snapshot.ask(
        _STATE, values, where=relation.unit_id
    )
    if in_recovery:
        raise ConfigInvalid(
            f"The server of {relation.unit_id} is a replica, which does not know the open transactions of its "
            f"primary: an incremental read by {cursor.name} could lose rows. Use the primary as host, or mode full.",
            role="source",
            details={"field": "host"},
        )
    if prepared is not None and first is None:
        said = f"held by the prepared transaction {prepared}: commit it or roll it back"
        return Horizon(before=None, held_by=str(prepared), delivery=said)
    delivery = "never overtakes an open transaction"
    if is_hidden:
        held = delivery = (
            f"lookback: open transactions are hidden from this user, so the newest {LAG_SECONDS} s are left for later, "
            "and rows of one that is open longer can be missed; grant pg_read_all_stats"
        )
    elif oldest is not None:
        held = f"a transaction is open since {oldest}, and its rows may come before them"
    elif is_stirred:
        held = f"other sessions were at work as this run looked, and the newest {UNSEEN_SECONDS} s may not be complete"
    elif cursor.type_name == "date":
        held = "their day is not over, and more of its rows may come"
    else:
        held = f"their {cursor.name} is not before {moment}, when this run looked"
    before = _before(cursor, moment if cursor.type_name == "timestamptz" else local)
    look = Look(newest=newest, looked=looked, moment=moment)
    return Horizon(before=before, held_by=None, delivery=delivery, held=held, look=look)


def _newest(snapshot: Snapshot, relation: Relation, cursor: CatalogColumn) -> str | None:
    """The newest value that may be a time of now somewhere. To be asked before the clock is read."""
    name, table = quote_identifier(cursor.name), quote_qualified(relation.schema, relation.name)
    reached = "statement_timestamp() at time zone 'UTC' + interval '14 h'"
    found = snapshot.ask(
        f"select max(t.{name})::text from {table} t where t.{name} > '-infinity' and t.{name} <= {reached}",
        where=relation.unit_id,
    )
    return None if found[0][0] is None else str(found[0][0])


def _before(cursor: CatalogColumn, moment: str) -> str:
    """The moment as the cursor's type. A column that rounds gets one unit of its rounding more distance."""
    kind = "timestamptz" if cursor.type_name == "timestamptz" else "timestamp"
    literal = f"{quote_literal(moment)}::{kind}"
    if cursor.type_name == "date":
        return f"{literal}::date"
    if 0 <= cursor.modifier < 6:
        return f"({literal} - interval '{10**-cursor.modifier:.6f} s')"
    return literal
