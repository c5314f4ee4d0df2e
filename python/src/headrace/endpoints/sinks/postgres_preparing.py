"""A target made ready for rows: its table is there, is this unit's to write, and has the columns and the key.

To look at all of that takes some twenty questions. A run that finds the table
as one before it left it, after it had looked and changed nothing, is told so by
one: what it would do is nothing. Where rows are replaced or compared by their
keys, more is asked than the table itself can answer, and it is always asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as replace_fields

import pyarrow as pa

from headrace.endpoint import Policy, Target
from headrace.endpoints.sinks.postgres_columns import StoredColumn
from headrace.endpoints.sinks.postgres_committing import place_of
from headrace.endpoints.sinks.postgres_copied import as_before, block_columns
from headrace.endpoints.sinks.postgres_ledger import BEGIN, TARGET, Ledger, lock_schema
from headrace.endpoints.sinks.postgres_load import CopyLoad
from headrace.endpoints.sinks.postgres_owner import (
    disown_another,
    note_again,
    own,
    refuse_lost,
    refuse_others,
    require_own,
)
from headrace.endpoints.sinks.postgres_replacement import make_room
from headrace.endpoints.sinks.postgres_row_security import require_all_rows
from headrace.endpoints.sinks.postgres_table import (
    Table,
    columns_of,
    create,
    evolve,
    require_key,
    require_table,
)
from headrace.endpoints.systems.postgres_session import Connection, query, transaction

_SHAPE = """
select concat_ws(' ', c.oid, c.xmin, c.relkind,
  (select string_agg(concat_ws(':', a.attnum, a.xmin, t.xmin, a.attisdropped), ',' order by a.attnum)
   from pg_attribute a left join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid),
  (select string_agg(concat_ws(':', i.indexrelid, i.xmin), ',' order by i.indexrelid)
   from pg_index i where i.indrelid = c.oid),
  to_regclass($2)::oid, o.unit, o.table_oid, o.ledger_oid)
from pg_class c left join {owners} o on o.target = $3 where c.oid = to_regclass($1)
"""
"""Of a table everything that a look at it depends on; no row when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    target: Target
    epoch: int
    table: Table
    arrow: pa.Schema
    columns: tuple[StoredColumn, ...]
    """Those that rows of ``arrow`` fill."""
    policy: Policy

    @property
    def may_be_as_left(self) -> bool:
        """Whether the table alone says that there is nothing to do."""
        return self.target.disposition != "replace" and self.policy.get("deletes") not in ("keyDiff", "soft")

    @property
    def asked(self) -> tuple[object, ...]:
        """What is looked for, whichever run it is."""
        said = tuple(self.policy.get(name) for name in ("schemaContract", "nativeFormat", "deletes"))
        return (replace_fields(self.target, run_id=""), self.table, self.arrow.serialize().to_pybytes(), said)


def prepare(connection: Connection, known: dict[str, object], preparing: Preparing) -> None:
    """``known`` is remembered with the connection: what was asked, and how the table was found."""
    ledger, name = Ledger(connection, preparing.table.schema), f"prepared {preparing.target.unit}"
    before = _shape(ledger, preparing.table) if preparing.may_be_as_left else None
    if before is not None and known.get(name) == (preparing.asked, before):
        return
    known.pop(name, None)
    with transaction(connection, BEGIN):
        lock_schema(connection, preparing.table.schema)
        _make(connection, ledger, preparing)
        is_as_left = before is not None and before == _shape(ledger, preparing.table)
        ledger.pass_fence(preparing.target.unit, preparing.epoch)
    if is_as_left:
        known[name] = (preparing.asked, before)


def _shape(ledger: Ledger, table: Table) -> str | None:
    owners = ledger.sql(TARGET)
    rows = query(ledger.connection, _SHAPE.format(owners=owners), [table.sql, owners, str(table)])
    return str(rows[0][0]) if rows else None


def _make(connection: Connection, ledger: Ledger, preparing: Preparing) -> None:
    target, table, policy = preparing.target, preparing.table, preparing.policy
    is_frozen, deletes = policy.get("schemaContract") == "freeze", policy.get("deletes")
    require_table(connection, table)
    columns, place = _filled(connection, ledger, preparing), place_of(ledger, target, table)
    refuse_lost(ledger, place, target, preparing.epoch)
    if deletes == "keyDiff" and target.disposition == "merge":
        require_own(ledger, table, target)
    if deletes in ("keyDiff", "soft") and target.disposition == "merge":
        require_all_rows(connection, table)
    if target.disposition == "replace":
        make_room(ledger, table, target)
    elif columns_of(connection, table) is not None:
        refuse_others(ledger, table, target)
        disown_another(ledger, table)
    note_again(ledger, table, target.unit)
    if columns_of(connection, place) is not None:
        evolve(connection, place, columns, is_frozen=is_frozen)
    else:
        create(connection, place, columns, target.primary_key if target.disposition == "merge" else ())
        own(ledger, place, target.unit)
    if target.disposition == "merge":
        require_key(connection, table, target)


def _filled(connection: Connection, ledger: Ledger, preparing: Preparing) -> tuple[StoredColumn, ...]:
    """The columns as those that are there already have them."""
    target, table = preparing.target, preparing.table
    if preparing.policy.get("nativeFormat") != CopyLoad.format:
        return as_before(preparing.columns, columns_of(connection, table) or {})
    place = place_of(ledger, target, table)
    return block_columns(connection, place, table, preparing.arrow, target.primary_key if place != table else ())
