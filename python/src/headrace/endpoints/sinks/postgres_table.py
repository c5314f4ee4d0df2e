"""Tables of the sink: what they are called, how they are made, and how they grow. Changes only ever add."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres_columns import OPERATION, StoredColumn, can_hold, refused
from headrace.endpoints.systems.postgres_session import (
    MAX_IDENTIFIER_BYTES,
    Connection,
    query,
    quote_identifier,
    quote_qualified,
    run,
)
from headrace.errors import ConfigInvalid, SchemaChanged


@dataclass(frozen=True, slots=True)
class Table:
    schema: str
    name: str

    @property
    def sql(self) -> str:
        return quote_qualified(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    declared: str
    is_enum: bool


def target_table(unit_id: str, schemas: Sequence[str]) -> Table:
    """Where a unit lands: ``schema.name`` is cut at its first dot; the first of ``schemas`` wins, else ``public``.

    Raises:
        ConfigInvalid: PostgreSQL would cut or cannot hold the name.
    """
    schema, dot, name = unit_id.partition(".")
    return checked_table(Table(schemas[0] if schemas else schema if dot else "public", name if dot else unit_id))


def checked_table(table: Table) -> Table:
    """The same table. Raises ``ConfigInvalid`` when PostgreSQL would cut or cannot hold the name."""
    quote_identifier(table.schema)
    quote_identifier(table.name)
    if table.name.startswith(("_hr_", "_headrace_g")):
        raise ConfigInvalid(f"{table} is a name Headrace keeps for itself. Rename the unit.", role="sink")
    return table


def hidden_table(table: Table, generation: int) -> Table:
    """Where a generation is filled before readers see it."""
    name = f"_headrace_g{generation}_{table.name}"
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        name = f"_headrace_g{generation}_{hashlib.sha256(table.name.encode()).hexdigest()[:16]}"
    return Table(table.schema, name)


def columns_of(connection: Connection, table: Table) -> Mapping[str, TableColumn] | None:
    """The columns by name; None when there is no such table."""
    rows = query(
        connection,
        "select a.attname::text, format_type(a.atttypid, a.atttypmod), t.typtype = 'e' "
        "from (select to_regclass($1)::oid as oid) found left join pg_attribute a "
        "on a.attrelid = found.oid and a.attnum > 0 and not a.attisdropped left join pg_type t on t.oid = a.atttypid "
        "where found.oid is not null",
        [table.sql],
    )
    columns = {name: TableColumn(declared=declared, is_enum=is_enum) for name, declared, is_enum in rows}
    return {name: column for name, column in columns.items() if name is not None} if rows else None


def is_empty(connection: Connection, table: Table) -> bool:
    return not query(connection, f"select from {table.sql} limit 1")


def require_table(connection: Connection, table: Table) -> None:
    """Raises ``ConfigInvalid`` when the name is taken by something that rows cannot be stored in as a whole."""
    rows = query(connection, "select relkind::text from pg_class where oid = to_regclass($1)", [table.sql])
    if rows and rows[0][0] not in ("r", "p"):
        raise ConfigInvalid(
            f"{table} is {_KINDS.get(rows[0][0], 'no table')}, and rows are stored in tables. Choose another schema "
            "with schemas, or rename it.",
            role="sink",
            details={"table": str(table), "field": "schemas"},
        )


_KINDS = {
    "v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "i": "an index",
    "I": "an index", "c": "a composite type",
}  # fmt: skip


def create(connection: Connection, table: Table, columns: Sequence[StoredColumn], key: Sequence[str]) -> None:
    """``key`` becomes the primary key; with none, rows may repeat."""
    kept = data_columns(columns)
    parts = [f"{quote_identifier(c.name)} {c.target_type}{' not null' if c.is_filled else ''}" for c in kept]
    if key:
        parts.append(f"primary key ({', '.join(map(quote_identifier, key))})")
    run(connection, f"create table {table.sql} ({', '.join(parts)})")


def evolve(connection: Connection, table: Table, columns: Sequence[StoredColumn], *, is_frozen: bool) -> None:
    """Add columns that are new, nullable.

    Raises:
        SchemaChanged: A column that is there cannot hold what is to come, or the contract is ``freeze``.
    """
    present = columns_of(connection, table) or {}
    for column in data_columns(columns):
        existing = present.get(column.name)
        if existing is None:
            if is_frozen:
                raise refused(column.name, f"is new to {table}, and the policy's schemaContract is freeze")
            name = quote_identifier(column.name)
            run(connection, f"alter table {table.sql} add column if not exists {name} {column.target_type}")
        elif not can_hold(existing.declared, column.target_type, is_enum=existing.is_enum, is_checked=True):
            raise refused(
                column.name,
                f"of {table} is {existing.declared} and would have to hold {column.target_type}. Alter the column, "
                "choose another target, or drop the table and reset the unit if its rows may be written anew",
            )


def data_columns(columns: Sequence[StoredColumn]) -> list[StoredColumn]:
    return [column for column in columns if column.name != OPERATION]


def require_key(connection: Connection, table: Table, target: Target) -> None:
    """Raises ``SchemaChanged`` unless a unique index over exactly the key lets rows be merged."""
    rows = query(
        connection,
        "select 1 from pg_index i where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid "
        "and i.indimmediate and i.indpred is null and i.indexprs is null "
        "and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a "
        "where a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts-1])) "
        "= (select array_agg(k order by k) from unnest($2::text[]) k)",
        [table.sql, list(target.primary_key)],
    )
    if not rows:
        key = ", ".join(target.primary_key)
        raise SchemaChanged(
            f"Rows cannot be merged into {table}: it has no unique index over ({key}). Add one, or choose append.",
            role="sink",
            details={"table": str(table)},
        )
