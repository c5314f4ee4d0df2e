"""Rows of the target that its policies hide: the server passes over them without a word, where it writes too.

To add rows, and to merge them, is safe: what a policy forbids there is an error.
Rows that are to be taken away, or compared by their keys, would stay unseen.
"""

from __future__ import annotations

from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table
from headrace.endpoints.systems.postgres_session import Connection, query
from headrace.errors import PermissionDenied


def require_all_rows(connection: Connection, table: Table) -> None:
    """Raises ``PermissionDenied`` when policies decide which rows of the table this user sees."""
    rows = query(
        connection, "select row_security_active(t) from (select to_regclass($1)::oid as t) found where t is not null",
        [table.sql],
    )  # fmt: skip
    if rows and rows[0][0]:
        raise PermissionDenied(
            f"Row-level security of {table} hides rows from this user, and those that are to go would stay. Alter role "
            "<user> bypassrls, or write as a user to whom no policy applies.",
            role="sink",
            details={"table": str(table)},
        )


def require_deleted_seen(connection: Connection, stage: Stage | None, table: Table) -> None:
    """Raises as ``require_all_rows`` when staged rows say that rows of the table were deleted."""
    if stage is not None and stage.has_deleted(connection):
        require_all_rows(connection, table)
