"""Rows that a policy of the table hides from the user who reads it: the server leaves them out without a word."""

from __future__ import annotations

from dataclasses import replace

from headrace.endpoint import Plan
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.systems.postgres_catalog import Relation
from headrace.errors import ConfigInvalid


def with_hidden_rows_said(plan: Plan, found: Relation, asked: ReadPolicy) -> Plan:
    """That rows may be hidden is said of the run. To take away what is missing would be to take away what is hidden.

    Raises:
        ConfigInvalid: Rows are to be deleted that are not seen any more.
    """
    if not found.is_row_secured:
        return plan
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
