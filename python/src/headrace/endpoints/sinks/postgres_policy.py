"""What of a policy PostgreSQL cannot meet, said before a row is read."""

from __future__ import annotations

from headrace.endpoint import Policy, Target
from headrace.endpoints.sinks.postgres_columns import StoredColumn
from headrace.errors import ConfigInvalid


def refuse_unmet(target: Target, columns: tuple[StoredColumn, ...], policy: Policy) -> None:
    """A policy this sink cannot meet ends the run before a row is read."""
    if target.disposition != "merge":
        return
    names = {column.name for column in columns}
    missing = [name for name in target.primary_key if name not in names]
    if missing:
        raise invalid("primaryKeys", f"The unit has no column {missing[0]}, which the policy's primaryKeys names.")
    if not target.primary_key:
        raise invalid(
            "primaryKeys",
            "writeDisposition is merge, and nothing says which row a new version takes the place of. "
            "Set the policy's primaryKeys, or choose append.",
        )


def invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="sink", details={"field": field})
