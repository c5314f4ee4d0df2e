"""Whose a table is, and whether it still is what the ledger says of it.

A name proves nothing, for people rename tables and put others in their place:
the oid of the table that was made is noted beside its unit. The oid of the
ledger is noted too, because in a database made from a dump all oids are new;
then, and for a table noted by an earlier version, the name has to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres_ledger import TARGET, Ledger
from headrace.endpoints.sinks.postgres_table import Table, is_empty
from headrace.endpoints.systems.postgres_session import query, run
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid

_IS_ANOTHER = "(ledger_oid = to_regclass($2)::oid::int8 and table_oid is distinct from to_regclass($3)::oid::int8)"


def owner_of(ledger: Ledger, table: Table) -> str | None:
    """The unit that made the table; None when people did, whoever made one of that name before."""
    rows = query(
        ledger.connection,
        f"select unit from {ledger.sql(TARGET)} where target = $1 and {_IS_ANOTHER} is not true",
        _names(ledger, table),
    )
    return str(rows[0][0]) if rows else None


def own(ledger: Ledger, table: Table, unit: str) -> None:
    """Note that the unit made the table that has this name now."""
    run(
        ledger.connection,
        f"insert into {ledger.sql(TARGET)} (target, unit, ledger_oid, table_oid) "
        "values ($1, $4, to_regclass($2)::oid::int8, to_regclass($3)::oid::int8) on conflict (target) do update "
        "set unit = excluded.unit, ledger_oid = excluded.ledger_oid, table_oid = excluded.table_oid",
        [*_names(ledger, table), unit],
    )


def note_again(ledger: Ledger, table: Table, unit: str) -> None:
    """Note which table the unit has made, where that is known by its name alone."""
    if owner_of(ledger, table) == unit:
        own(ledger, table, unit)


def disown_another(ledger: Ledger, table: Table) -> None:
    """Forget who made a table that is gone, when people have put another one under its name."""
    run(
        ledger.connection,
        f"delete from {ledger.sql(TARGET)} where target = $1 and {_IS_ANOTHER}",
        _names(ledger, table),
    )


def disown(ledger: Ledger, table: Table) -> None:
    """Forget a table that is gone, or has another name now."""
    run(ledger.connection, f"delete from {ledger.sql(TARGET)} where target = $1", [str(table)])


def refuse_others(ledger: Ledger, table: Table, target: Target) -> None:
    """Raises ``ConfigInvalid`` when another unit made the table: its rows and ours could not be told apart."""
    owner = owner_of(ledger, table)
    if owner in (None, target.unit):
        return
    raise ConfigInvalid(
        f"{table} belongs to the unit {owner}, and this is another one, so nothing is added to it. Choose another "
        "schema with the sink's schemas, or drop or rename the table. If its rows may stay beside those of this unit: "
        f"{_forget(ledger, table)}",
        role="sink",
        details={"table": str(table), "field": "schemas", "owner": owner, "unit": target.unit},
    )


def require_own(ledger: Ledger, table: Table, target: Target) -> None:
    """Raises ``ConfigInvalid`` for a table that holds rows of others too: what the source has not may be theirs."""
    rows = query(ledger.connection, "select to_regclass($1) is not null", [table.sql])
    if not rows[0][0] or owner_of(ledger, table) == target.unit:
        return
    raise ConfigInvalid(
        f"{table} was not made by this unit, so rows in it that the source has not may be of others, and deletes "
        "keyDiff would take them away. Choose another schema with the sink's schemas, or set deletes to soft.",
        role="sink",
        details={"table": str(table), "field": "deletes"},
    )


def refuse_lost(ledger: Ledger, place: Table, target: Target, epoch: int) -> None:
    """Going on with a table that lost what it was given would leave a gap nobody sees.

    Some rows are people's to delete. All of them, or the table itself, are not
    deleted but lost, unless our own slices said so.

    Raises:
        CheckpointAheadOfSink: The table is gone, is another one, or is empty.
    """
    rows = ledger.rows_committed(target)
    what = None if rows == 0 else _loss(ledger, place, target)
    if what is None:
        return
    ledger.pass_fence(target.unit, epoch)  # a newer owner may have removed it
    raise CheckpointAheadOfSink(
        f"{rows} rows of this unit were committed to {place}, and {what}, or reset the unit to load all again.",
        role="sink",
        details={"table": str(place), "rows": rows},
    )


def _loss(ledger: Ledger, place: Table, target: Target) -> str | None:
    (oid, is_readable), *_ = query(
        ledger.connection,
        "select t::oid::int8, has_table_privilege(t, 'select') and not row_security_active(t) "
        "from (select to_regclass($1) as t) found",
        [place.sql],
    )
    if oid is None:
        return "it is gone: it was dropped or renamed. Put it back"
    if _is_another(ledger, place, target.unit):
        return (
            "what has that name now is another table. Put the first one back, go on with this one as it is "
            f"({_forget(ledger, place)})"
        )
    if is_readable and is_empty(ledger.connection, place):
        return "it is empty. Put its rows back"
    return None


def _is_another(ledger: Ledger, table: Table, unit: str) -> bool:
    rows = query(
        ledger.connection,
        f"select from {ledger.sql(TARGET)} where target = $1 and {_IS_ANOTHER} and unit = $4",
        [*_names(ledger, table), unit],
    )
    return bool(rows)


def _forget(ledger: Ledger, table: Table) -> str:
    name = str(table).replace("'", "''")
    return f"delete from {ledger.sql(TARGET)} where target = '{name}'"


def _names(ledger: Ledger, table: Table) -> Sequence[str]:
    return [str(table), ledger.sql(TARGET), table.sql]
