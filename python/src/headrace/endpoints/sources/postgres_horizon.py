"""How far an incremental read may go without overtaking a transaction that is still open.

A row gets its timestamp when its transaction begins and becomes visible when it
ends. A bound behind the oldest open transaction therefore loses its rows for
ever. Such transactions are looked up *before* the snapshot is taken, and the
bound stays before the oldest one's beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import CatalogColumn
from headrace.endpoints.systems.postgres_session import SOURCE_APPLICATION, quote_literal
from headrace.errors import ConfigInvalid

LAG_SECONDS = 60
"""How far behind the clock the bound stays when other users' transactions are hidden from us."""

TIMED = frozenset({"date", "timestamp", "timestamptz"})

_STATE = f"""
select pg_is_in_recovery(),
  (select min(gid) from pg_prepared_xacts where database = current_database()),
  (select min(xact_start)::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and backend_type not in ('autovacuum worker', 'parallel worker', 'walsender')
    and application_name <> {quote_literal(SOURCE_APPLICATION)}),
  (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and backend_type is null),
  (clock_timestamp() - interval '{LAG_SECONDS} s')::text,
  (select reset_val from pg_settings where name = 'TimeZone')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    before: str | None
    """SQL of the moment the cursor must lie before; None when nothing is open."""
    held_by: str | None
    """A prepared transaction: its beginning is unknown, so the bound stays where it was."""
    delivery: str
    """What the unit shows about it."""
    held: str = ""
    """Why rows behind ``before`` wait for a later run, as the end of a sentence."""


def horizon(snapshot: Snapshot, cursor: CatalogColumn, unit_id: str) -> Horizon:
    """Ask before ``snapshot.freeze``. Raises ``ConfigInvalid`` on a replica, which cannot know."""
    if cursor.type_name not in TIMED:
        said = f"a cursor of type {cursor.shown} can miss rows of transactions that are open during a run"
        return Horizon(before=None, held_by=None, delivery=said)
    (in_recovery, prepared, oldest, hidden, lagging, zone), *_ = snapshot.ask(_STATE, where=unit_id)
    if in_recovery:
        raise ConfigInvalid(
            f"The server of {unit_id} is a replica, which does not know the open transactions of its primary: an "
            f"incremental read by {cursor.name} could lose rows. Use the primary as host, or mode full.",
            role="source",
            details={"field": "host"},
        )
    if prepared is not None:
        said = f"held by the prepared transaction {prepared}: commit it or roll it back"
        return Horizon(before=None, held_by=str(prepared), delivery=said)
    if hidden:
        said = (
            f"lookback: open transactions are hidden from this user, so the newest {LAG_SECONDS} s are left for later"
        )
        moment = lagging if oldest is None else min(oldest, lagging)
        said = f"{said}; grant pg_read_all_stats"
        return Horizon(before=_moment(cursor, moment, zone), held_by=None, delivery=said, held=said)
    before = None if oldest is None else _moment(cursor, oldest, zone)
    held = f"a transaction is open since {oldest}, and its rows may come before them"
    return Horizon(before=before, held_by=None, delivery="never overtakes an open transaction", held=held)


def _moment(cursor: CatalogColumn, text: str, zone: str) -> str:
    """The moment as the cursor's type. A column that rounds gets one unit of its rounding more distance."""
    moment = f"{quote_literal(text)}::timestamptz"
    if cursor.type_name != "timestamptz":
        moment = f"({moment} at time zone {quote_literal(zone)})"
    if cursor.type_name == "date":
        return f"{moment}::date"
    if 0 <= cursor.modifier < 6:
        return f"({moment} - interval '{10**-cursor.modifier:.6f} s')"
    return moment
