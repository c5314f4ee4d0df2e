"""The rules of a table that is to be replaced, tried on rows while they are still hidden.

A generation is filled in a table without rules, and one that people have built
upon keeps its own: its rows are exchanged at the end, all at once. An empty
imitation in the same transaction says beforehand which rows it would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table, TableColumn, columns_of
from headrace.endpoints.systems.postgres_session import Connection, query, quote_identifier, run

_HAS_RULES = """
select exists (select from pg_constraint where conrelid = to_regclass($1) and contype in ('c', 'u', 'x'))
  or exists (select from pg_index where indrelid = to_regclass($1) and indisunique)
  or exists (select from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and attnotnull)
"""

_IMITATION = Table("pg_temp", "_hr_imitation")


@dataclass(frozen=True, slots=True)
class Replaced:
    """``table`` is what readers see. Without ``has_rules`` there is nothing to try."""

    table: Table
    has_rules: bool

    @staticmethod
    def of(connection: Connection, table: Table, place: Table) -> Replaced:
        has_rules = place != table and bool(query(connection, _HAS_RULES, [table.sql])[0][0])
        return Replaced(table, has_rules)

    def imitate(self, connection: Connection, incoming: Mapping[str, TableColumn]) -> None:
        """Checks, NOT NULL and uniqueness go along; foreign keys and triggers do not."""
        if not self.has_rules:
            return
        what = f"like {self.table.sql} including constraints including indexes including defaults including generated"
        run(connection, f"create temp table {_IMITATION.name} ({what}) on commit drop")
        present = columns_of(connection, _IMITATION) or {}
        for name, column in incoming.items():
            if name not in present:
                added = f"{quote_identifier(name)} {column.declared}"
                run(connection, f"alter table {_IMITATION.sql} add column {added}")

    def take(
        self,
        connection: Connection,
        stage: Stage,
        incoming: Mapping[str, TableColumn],
        among: str,
        *,
        is_followed: bool,
    ) -> None:
        if self.has_rules:
            columns = columns_of(connection, _IMITATION) or incoming
            stage.append_to(connection, _IMITATION, columns, among, is_followed=is_followed)
