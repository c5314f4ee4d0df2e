"""Which table a unit has: the one its id or its source names, or the one it had before.

A file is called by its path, and its table by the file's own name. Before that
was so, the path was cut at its first dot like any other id, so that
``cust.csv`` became the table ``csv`` of a schema ``cust``: a unit that has such
a table goes on with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres_ledger import COMMIT, TARGET, Ledger
from headrace.endpoints.sinks.postgres_table import Table, checked_table, target_table
from headrace.endpoints.systems.postgres_session import Connection, query
from headrace.errors import ConfigInvalid


def table_for(connection: Connection, target: Target, schemas: Sequence[str]) -> Table:
    """Raises ``ConfigInvalid`` when PostgreSQL would cut or cannot hold the name."""
    if target.table is None:
        return target_table(target.unit_id, schemas)
    table = checked_table(Table(schemas[0] if schemas else "public", target.table))
    try:
        former = target_table(target.unit_id, schemas)
    except ConfigInvalid:  # it never had such a table
        return table
    return former if _goes_on(connection, target.unit, former, table) else table


def _goes_on(connection: Connection, unit: str, former: Table, table: Table) -> bool:
    before = Ledger(connection, former.schema)
    if not _is_there(connection, before.sql(TARGET)):
        return False
    if _has_made(before, unit, former):
        return True
    if not (_is_there(connection, former.sql) and _has_written(before, unit)):
        return False
    # People made that table. In a ledger of its own nothing else can have been written by this unit.
    is_other = _is_there(connection, table.sql) or _has_made(before, unit, table)
    return former.schema != table.schema or not is_other


def _is_there(connection: Connection, name: str) -> bool:
    ((is_there,),) = query(connection, "select to_regclass($1) is not null", [name])
    return bool(is_there)


def _has_made(ledger: Ledger, unit: str, table: Table) -> bool:
    names = [str(table), unit]
    return bool(query(ledger.connection, f"select from {ledger.sql(TARGET)} where target = $1 and unit = $2", names))


def _has_written(ledger: Ledger, unit: str) -> bool:
    return bool(query(ledger.connection, f"select from {ledger.sql(COMMIT)} where unit = $1 limit 1", [unit]))
