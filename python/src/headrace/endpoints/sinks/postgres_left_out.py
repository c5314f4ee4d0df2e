"""Whether a table kept every row it was given.

A trigger that returns NULL and a rule that does something instead let a row go
without an error, and the record would say that it is there. Triggers that send
rows on to a child of the table keep them, and so does one that only suppresses
updates which change nothing.
"""

from __future__ import annotations

from headrace.endpoints.sinks.postgres_table import Table
from headrace.endpoints.systems.postgres_session import Connection, query
from headrace.errors import RowRejected

_BEFORE_ROW_INSERT = 7
"""Bits of ``tgtype``: for each row, before, insert."""

_MAY_LEAVE_OUT = """
select not (c.relkind = 'r' and c.relhassubclass) and (c.relhasrules or exists (
  select from pg_trigger g where not g.tgisinternal and g.tgtype & $2::int = $2::int and g.tgenabled <> 'D'
    and (g.tgrelid = c.oid or g.tgrelid in (select relid from pg_partition_tree(c.oid)))))
from pg_class c where c.oid = to_regclass($1)
"""


def may_leave_out(connection: Connection, table: Table) -> bool:
    """Whether the table has something by which a row could go without a word."""
    found = query(connection, _MAY_LEAVE_OUT, [table.sql, _BEFORE_ROW_INSERT])
    return bool(found and found[0][0])


def refuse_left_out(table: Table, missing: int, given: int) -> None:
    """Raises ``RowRejected`` when some of the rows are not there."""
    if missing > 0:
        raise RowRejected(
            f"{table} left out {missing} of {given} rows that it was given: a trigger or rule of the table lets rows "
            "go without an error. Nothing of them was stored. Have it raise an error instead, or remove it; rows that "
            "are not wanted are left out by the policy's filter.",
            role="sink",
            details={"table": str(table), "rows": missing},
        )
