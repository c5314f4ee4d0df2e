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

from collections.abc import Sequence
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

_ZONE = """
select s.reset_val as name, exists (select from pg_db_role_setting d cross join unnest(d.setconfig) c
  where d.setrole = (select oid from pg_roles where rolname = session_user) and c ilike 'timezone=%'
    and d.setdatabase in (0, (select oid from pg_database where datname = current_database()))) as is_ours
from pg_settings s where s.name = 'TimeZone'
"""
"""What a new session of this user has for its time zone, and whether that was said of this user."""

_STATE = f"""
with sessions as (
  select a.*, a.pid || ' ' || coalesce(a.backend_start::text, '') as session, a.backend_type is null as is_hidden,
    coalesce(a.state = 'disabled', false) as is_untracked from pg_stat_activity a
  where a.datname = current_database() and a.pid <> pg_backend_pid()
    and a.application_name <> {quote_literal(SOURCE_APPLICATION)} and (a.backend_type is not null
      or a.usesysid is not null) and coalesce(a.backend_type, '') <> all
      (array['autovacuum worker', 'parallel worker', 'walsender'])
), others as (
  select o.*, coalesce(o.xact_start, case when o.state = 'active' then o.query_start end) as began from sessions o
  where not (o.is_hidden or o.is_untracked) or exists (select from pg_locks l
    where l.pid = o.pid and l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock')
), clock as (
  select coalesce($2::timestamptz, statement_timestamp()) as looked
), seen as (
  select min(o.began) as oldest, coalesce(bool_or(o.is_hidden), false) as is_hidden,
    coalesce(bool_or(o.is_untracked), false) as is_untracked,
    coalesce(bool_or(o.state_change >= $2::timestamptz), false)
      or exists (select unnest($4::text[]) except select session from sessions) as is_stirred from others o
), reached as (
  select least(s.oldest, $3::timestamptz, c.looked
    - case when s.is_hidden or s.is_untracked then interval '{LAG_SECONDS} s'
      when s.is_stirred then interval '{UNSEEN_SECONDS} s' else interval '0' end) as moment
  from seen s, clock c
)
select case when s.oldest <= r.moment then s.oldest::text end, s.is_hidden, s.is_untracked, s.is_stirred,
  c.looked::text, r.moment::text, least(r.moment at time zone z.name,
    case when not z.is_ours then r.moment at time zone 'UTC' end,
    case when $1::timestamp is not null then r.moment at time zone 'UTC' + greatest(interval '-12 h', interval '15 min'
      * ceil(extract(epoch from $1::timestamp - (c.looked at time zone 'UTC')) / 900)) end)::text,
  case when z.is_ours or c.looked at time zone z.name < c.looked at time zone 'UTC' then z.name else 'UTC' end,
  (select min(gid) from pg_prepared_xacts where database = current_database()), pg_is_in_recovery(),
  array(select session from sessions)
from seen s, clock c, reached r, ({_ZONE}) z
"""
"""``$1``: the newest time without zone that its clock has passed; ``$2``, ``$3`` and ``$4``: when the run looked first,
how far it saw then, and which sessions there were.

A session that has a statement and no transaction is about to begin one, at the time the statement came.

A session that is hidden, or does not say what it does (``track_activities``), shows its transaction by the lock it
holds on its own virtual id, and whose it is; hidden ones of nobody are autovacuum's.

A session that ended between two looks may have had its time before the first, and committed after the snapshot.

A time without zone is compared with the earlier of two clocks, that of UTC and that of the configured zone, or with
the one that was set for our user: no later row can lie before it unless it was written further west. Its newest value
may say that it was: by multiples of 15 minutes, as zones are. That it was written further east, no value can say, for
one from the future looks the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of the others at one time."""

    newest: str | None
    """The newest value of a cursor without zone that its clock has passed; None where the zone is known."""
    looked: str
    moment: str
    """The time up to which nothing can come any more."""
    sessions: Sequence[str]


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
    values = [newest, *((None,) * 3 if first is None else (first.looked, first.moment, first.sessions))]
    (oldest, is_hidden, is_untracked, is_stirred, looked, moment, local, zone, prepared, in_recovery, sessions), *_ = (
        snapshot.ask(_STATE, values, where=relation.unit_id)
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
    delivery = (
        _lookback(is_hidden, is_untracked) if is_hidden or is_untracked else "never overtakes an open transaction"
    )
    if is_hidden or is_untracked:
        held = delivery
    elif oldest is not None:
        held = f"a transaction is open since {oldest}, and its rows may come before them"
    elif is_stirred:
        held = f"other sessions were at work as this run looked, and the newest {UNSEEN_SECONDS} s may not be complete"
    elif cursor.type_name == "date":
        held = "their day is not over, and more of its rows may come"
    else:
        held = f"their {cursor.name} is not before {moment}, when this run looked"
    if cursor.type_name == "timestamp":
        delivery += f"; a timestamp without zone is read as time of {zone}"
        held += _said_of_zone(cursor.name, zone)
    before = _before(cursor, moment if cursor.type_name == "timestamptz" else local)
    look = Look(newest=newest, looked=looked, moment=moment, sessions=sessions)
    return Horizon(before=before, held_by=None, delivery=delivery, held=held, look=look)


def _lookback(is_hidden: bool, is_untracked: bool) -> str:
    whose = "from this user" if is_hidden else "by track_activities = off"
    remedies = ("grant pg_read_all_stats", is_hidden), ("set track_activities on for every user", is_untracked)
    return (
        f"lookback: open transactions are hidden {whose}, so the newest {LAG_SECONDS} s are left for later, "
        "and rows of one that is open longer can be missed; "
        + " and ".join(remedy for remedy, is_due in remedies if is_due)
    )


def _said_of_zone(name: str, zone: str) -> str:
    """Rows of a clock further east wait for hours, which nobody would guess."""
    return (
        f"; {name} has no time zone and is read as time of {zone}, so rows of a clock that is ahead of it wait until "
        "it has come there: make it timestamptz, choose an integer cursor, or, if all its rows are of one zone, set "
        "that for the user of the endpoint (alter role … set timezone = …)"
    )


def _newest(snapshot: Snapshot, relation: Relation, cursor: CatalogColumn) -> str | None:
    """The newest value that its clock has passed. To be asked before the clock is read."""
    name, table = quote_identifier(cursor.name), quote_qualified(relation.schema, relation.name)
    passed = (
        "least(statement_timestamp() at time zone z.name, "
        "case when not z.is_ours then statement_timestamp() at time zone 'UTC' end)"
    )
    found = snapshot.ask(
        f"select (select max(t.{name})::text from {table} t where t.{name} > '-infinity' and t.{name} <= {passed}) "
        f"from ({_ZONE}) z",
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
