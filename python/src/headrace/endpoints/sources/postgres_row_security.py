"""Rows that a policy of the table hides from the user who reads it: the server leaves them out without a word."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from headrace.endpoint import Plan
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import Relation
from headrace.endpoints.systems.postgres_session import Connection, quote_qualified, run, transaction
from headrace.errors import ConfigInvalid


def hides_rows(snapshot: Snapshot, found: Relation) -> bool:
    """Whether policies decide which rows the user sees: those of the table, or of what a view reads from.

    Of a view only the server knows, for each table in it may be read in another's name. It is asked before the freeze.
    """
    if found.kind != "v":
        return found.is_row_secured
    return snapshot.with_lead(lambda lead: _is_filtered(lead, found), where=found.unit_id)


def with_hidden_rows_said(plan: Plan, found: Relation, asked: ReadPolicy) -> Plan:
    """That rows may be hidden is said of the run. To take away what is missing would be to take away what is hidden.

    Raises:
        ConfigInvalid: Rows are to be deleted that are not seen any more.
    """
    remedy = "alter role <user> bypassrls, or read as a user to whom no policy applies"
    if asked.deletes == "keyDiff":
        raise ConfigInvalid(
            f"Row-level security of {found.unit_id} hides rows from this user, which deletes: keyDiff would take for "
            f"deleted. {remedy[0].upper()}{remedy[1:]}.",
            role="source",
            details={"field": "policy.deletes"},
        )
    said = f"row-level security of {found.unit_id} may hide rows from this user; to read all: {remedy}"
    return replace(plan, delivery={**plan.delivery, "hiddenRows": said})


def _is_filtered(lead: Connection, view: Relation) -> bool:
    """Where a policy applies, PostgreSQL can be told to refuse the query rather than leave rows out of its answer."""
    try:
        with transaction(lead, "begin; set local row_security = off"):
            run(lead, f"select from {quote_qualified(view.schema, view.name)} limit 0")
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False
