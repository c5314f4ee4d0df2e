"""How a filled generation takes the place of the table readers see, in one transaction.

A table that nobody built upon is dropped and the new one gets its name. One
with grants, views, indexes or other things of people keeps its identity, and
so does one that somebody is reading for long: its rows are exchanged instead,
and readers go on without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres_columns import can_hold, refused
from headrace.endpoints.sinks.postgres_ledger import Ledger
from headrace.endpoints.sinks.postgres_left_out import may_leave_out, refuse_left_out
from headrace.endpoints.sinks.postgres_owner import disown, own, owner_of
from headrace.endpoints.sinks.postgres_row_security import require_all_rows
from headrace.endpoints.sinks.postgres_table import Table, columns_of, hidden_table
from headrace.endpoints.systems.postgres_session import (
    Connection,
    query,
    quote_identifier,
    quote_qualified,
    run,
    transaction,
)
from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged

LOCK_MS = 2000
"""How long readers may have to wait for a table that is dropped."""

_INCOMING = """
select f.conname || ' of ' || f.conrelid::regclass from pg_constraint f
where f.contype = 'f' and f.confrelid = to_regclass($1) and f.conrelid <> f.confrelid order by 1
"""

_BUILT_UPON = """
select exists (select from pg_class where oid = t and (relacl is not null or relhastriggers or relhasrules
    or relrowsecurity or relhassubclass or relispartition or relkind <> 'r' or relowner <> current_user::regrole
    or relreplident <> 'd' or reloptions is not null or reltablespace <> 0))
  or exists (select from pg_attribute where attrelid = t and attnum > 0 and not attisdropped
    and (attacl is not null or attidentity <> '' or attgenerated <> '' or atthasdef))
  or exists (select from pg_depend d join pg_rewrite r on r.oid = d.objid
    where d.classid = 'pg_rewrite'::regclass and d.refobjid = t and r.ev_class <> t)
  or exists (select from pg_depend where classid = 'pg_proc'::regclass and refclassid = 'pg_class'::regclass
    and refobjid = t)
  or exists (select from pg_statistic_ext where stxrelid = t)
  or exists (select from pg_index where indrelid = t and not indisprimary)
  or exists (select from pg_constraint where conrelid = t and contype not in ('p', 'n'))
  or exists (select from pg_description where classoid = 'pg_class'::regclass and objoid = t)
  or exists (select from pg_publication_rel where prrelid = t)
  or exists (select from pg_policy where polrelid = t)
  or exists (select from pg_depend where refclassid = 'pg_type'::regclass and deptype = 'n'
    and refobjid in (select reltype from pg_class where oid = t))
from (select to_regclass($1) as t) found
"""


def make_room(ledger: Ledger, table: Table, target: Target) -> None:
    """What a generation is filled in is its alone afterwards. Raises as ``refuse_unreplaceable``, and ``ConfigInvalid``
    while another unit fills the target."""
    refuse_unreplaceable(ledger.connection, ledger, table, target)
    _refuse_filled_by_others(ledger, table, target)
    _drop_other_generations(ledger, table, target.generation)


def refuse_unreplaceable(connection: Connection, ledger: Ledger, table: Table, target: Target) -> None:
    """A table is replaced only by the unit that made this very one, and only while nothing would break.

    Raises:
        ConfigInvalid: It is not this unit's.
        SchemaChanged: Foreign keys point at it; the message names them.
        PermissionDenied: Its policies hide rows, which would stay.
    """
    if columns_of(connection, table) is None:
        return
    _refuse_foreign(ledger, table, target)
    require_all_rows(connection, table)
    incoming = [name for (name,) in query(connection, _INCOMING, [table.sql])]
    if incoming:
        raise SchemaChanged(
            f"{table} cannot be replaced, for foreign keys point at it: {', '.join(incoming)}. "
            "Drop them, or set writeDisposition to merge.",
            role="sink",
            details={"table": str(table)},
        )


def _refuse_foreign(ledger: Ledger, table: Table, target: Target) -> None:
    owner = owner_of(ledger, table)
    if owner == target.unit:
        return
    whose = f"belongs to the unit {owner}"
    remedy = "Rename it, drop it, or choose another schema with the sink's schemas"
    if owner is None:
        whose = "was not made by Headrace"
        remedy = f"{remedy}, or set writeDisposition to merge, or to append with onNewGeneration append"
    raise ConfigInvalid(
        f"{table} {whose}, so it is not replaced. {remedy}.",
        role="sink",
        details={"table": str(table), "field": "writeDisposition"},
    )


def replace(connection: Connection, ledger: Ledger, table: Table, target: Target, epoch: int) -> None:
    """Make the generation visible and say so in the ledger. Call it within a transaction."""
    hidden = hidden_table(table, target.generation)
    refuse_unreplaceable(connection, ledger, table, target)
    _refuse_filled_by_others(ledger, table, target)
    present = columns_of(connection, table)
    if target.primary_key and set(target.primary_key) <= set(columns_of(connection, hidden) or {}):
        _add_key(connection, table, hidden, target.primary_key)
    is_built_upon = present is not None and query(connection, _BUILT_UPON, [table.sql])[0][0]
    if present is None:
        _show(connection, table, hidden)
    elif is_built_upon or not _is_free(connection, table):
        _exchange_rows(connection, ledger, table, hidden, target)
    else:
        _refuse_foreign(ledger, table, target)
        run(connection, f"drop table {table.sql}")
        _show(connection, table, hidden)
    disown(ledger, hidden)
    own(ledger, table, target.unit)
    ledger.close_generation(target, epoch)
    ledger.pass_fence(target.unit, epoch)


def _refuse_filled_by_others(ledger: Ledger, table: Table, target: Target) -> None:
    """Raises ``ConfigInvalid`` while another unit fills the target: both would fill the same hidden table."""
    for hidden in _hidden_tables(ledger.connection, table):
        owner = owner_of(ledger, hidden)
        if owner not in (None, target.unit):
            raise ConfigInvalid(
                f"{table} is being filled by the unit {owner}, and this is another one. Choose another schema with the "
                f"sink's schemas. If that unit was given up: drop table {hidden.sql}",
                role="sink",
                details={"table": str(table), "field": "schemas", "owner": owner, "unit": target.unit},
            )


def _drop_other_generations(ledger: Ledger, table: Table, generation: int) -> None:
    """Remove what generations that were given up left hidden."""
    for hidden in _hidden_tables(ledger.connection, table):
        if hidden != hidden_table(table, generation):
            run(ledger.connection, f"drop table if exists {hidden.sql}")
            disown(ledger, hidden)


def end_older_loads(ledger: Ledger, table: Table, unit: str, role: str | None) -> None:
    """End the sessions that fill the unit's hidden tables: a newer owner's fence is there, so they have lost.

    One that stands still in the middle of a COPY would keep its lock for as long as it stands.
    """
    connection = ledger.connection
    hidden = _hidden_tables(connection, table)
    names = [each.sql for each in hidden if owner_of(ledger, each) in (None, unit)]
    if not names:
        return
    with transaction(connection):
        if role is not None:
            run(connection, "set local role none")  # the sessions are the user's, not the role's
        query(
            connection,
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock' "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and pid <> pg_backend_pid() and relation = any(select to_regclass(n)::oid from unnest($1::text[]) n)",
            [names],
        )


def _add_key(connection: Connection, table: Table, hidden: Table, key: Sequence[str]) -> None:
    try:
        run(connection, f"alter table {hidden.sql} add primary key ({', '.join(map(quote_identifier, key))})")
    except (psycopg.errors.UniqueViolation, psycopg.errors.NotNullViolation) as error:
        wrong = "have none" if isinstance(error, psycopg.errors.NotNullViolation) else "share one"
        raise RowRejected(
            f"{table} cannot have the key ({', '.join(key)}), for rows {wrong}; what was there is still shown. Correct "
            "the rows, or the policy's primaryKeys.",
            role="sink",
            details={"table": str(table)},
        ) from None


def _is_free(connection: Connection, table: Table) -> bool:
    """Lock the table against everybody, unless a reader keeps it: behind us in its queue all others would wait too."""
    run(connection, "savepoint alone")
    try:
        run(connection, f"set local lock_timeout = {LOCK_MS}")
        run(connection, f"lock table {table.sql} in access exclusive mode")
        run(connection, "set local lock_timeout to default")
    except psycopg.errors.LockNotAvailable:
        run(connection, "rollback to savepoint alone")
        return False
    return True


def _exchange_rows(connection: Connection, ledger: Ledger, table: Table, hidden: Table, target: Target) -> None:
    old, new = columns_of(connection, table) or {}, columns_of(connection, hidden) or {}
    for name, column in new.items():
        if name not in old:
            run(connection, f"alter table {table.sql} add column {quote_identifier(name)} {column.declared}")
        elif not can_hold(old[name].declared, column.declared, is_enum=old[name].is_enum):
            raise refused(
                name, f"of {table} is {old[name].declared} and would have to hold {column.declared}; alter it"
            )
    names = ", ".join(map(quote_identifier, new))
    run(connection, f"lock table {table.sql} in share row exclusive mode")
    _refuse_foreign(ledger, table, target)
    run(connection, f"delete from {table.sql}")
    taken = run(connection, f"insert into {table.sql} ({names}) select {names} from {hidden.sql}")
    if may_leave_out(connection, table):
        ((given,),) = query(connection, f"select count(*) from {hidden.sql}")
        refuse_left_out(table, given - taken, given)
    run(connection, f"drop table {hidden.sql}")


def _show(connection: Connection, table: Table, hidden: Table) -> None:
    run(connection, f"alter table {hidden.sql} rename to {quote_identifier(table.name)}")
    _rename_key(connection, table, hidden)


def _rename_key(connection: Connection, table: Table, hidden: Table) -> None:
    """The key's index was named after the hidden table; give it the name people expect where that is free."""
    rows = query(
        connection,
        "select i.relname::text, to_regclass($2) is null from pg_index x join pg_class i on i.oid = x.indexrelid "
        "where x.indrelid = to_regclass($1) and x.indisprimary",
        [table.sql, quote_qualified(table.schema, _key_name(table))],
    )
    for name, is_free in rows:
        if is_free and name != _key_name(table):
            old, new = quote_qualified(table.schema, name), quote_identifier(_key_name(table))
            run(connection, f"alter index {old} rename to {new}")


def _key_name(table: Table) -> str:
    return f"{table.name.encode()[:58].decode(errors='ignore')}_pkey"


def _hidden_tables(connection: Connection, table: Table) -> Sequence[Table]:
    """Hidden tables of this very target. Names are compared whole, since one target's name may end in another's."""
    rows = query(
        connection,
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = $1 and c.relkind = 'r' and c.relname ~ '^_headrace_g[0-9]+_'",
        [table.schema],
    )
    found = [Table(table.schema, name) for (name,) in rows]
    return [hidden for hidden in found if hidden == hidden_table(table, _generation(hidden.name))]


def _generation(name: str) -> int:
    return int(name.removeprefix("_headrace_g").partition("_")[0])
