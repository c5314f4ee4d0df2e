"""PostgreSQL as a sink: class A. Rows, record and fence are one transaction of the target's database.

A slice is first loaded into a private stage table (``postgres_stage``); the
transaction that follows is short. When its answer is lost, the record tells
whether it happened (``postgres_ledger``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replace_fields

import psycopg

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.postgres_columns import StoredColumn, stored_columns
from headrace.endpoints.sinks.postgres_connection import SinkConnection
from headrace.endpoints.sinks.postgres_ledger import BEGIN, COMMIT, Ledger, lock_schema
from headrace.endpoints.sinks.postgres_names import table_for
from headrace.endpoints.sinks.postgres_owner import disown_another, note_again, own, refuse_lost, refuse_others
from headrace.endpoints.sinks.postgres_replacement import drop_other_generations, refuse_unreplaceable, replace
from headrace.endpoints.sinks.postgres_stage import Stage, drop_leftovers, stage_for
from headrace.endpoints.sinks.postgres_table import (
    Table,
    columns_of,
    create,
    evolve,
    hidden_table,
    is_empty,
    require_key,
    require_table,
)
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, transaction
from headrace.errors import Bug, ConfigInvalid, SchemaChanged, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader, Slice


class PostgresSink:
    """``PostgresSink(parameters)`` parses; the first call connects."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = PostgresParameters.parse(parameters, "sink")
        self._connection = SinkConnection(self._parameters)
        self._epochs: dict[str, int] = {}
        self._tables: dict[str, Table] = {}

    def capabilities(self) -> SinkCapabilities:
        return SinkCapabilities(delivery="A", dispositions=("replace", "append", "merge"))

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        table = self._table(target)

        def fence(connection: Connection) -> HighWater | None:
            ledger = Ledger(connection, table.schema)
            ledger.ensure()
            ledger.install_fence(target.unit, epoch)
            found = ledger.highest(target)
            if found is None:
                return None
            hidden = hidden_table(table, target.generation)
            is_pending = not ledger.is_closed(target) and columns_of(connection, hidden) is not None
            refuse_lost(ledger, hidden if is_pending else self._place(ledger, target, table), target, epoch)
            return replace_fields(found, is_pending=is_pending)

        self._epochs[target.unit] = epoch
        return self._connection.tried(fence, str(table))

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        columns = stored_columns(schema.arrow)
        _refuse_unmet(target, columns, policy)
        table, epoch = self._table(target), self._epoch(target)
        is_frozen = policy.get("schemaContract") == "freeze"

        def make(connection: Connection) -> None:
            drop_leftovers(connection, table.schema, target.unit, epoch)
            ledger = Ledger(connection, table.schema)
            with transaction(connection, BEGIN):
                lock_schema(connection, table.schema)
                require_table(connection, table)
                self._make(connection, ledger, target, table, columns, is_frozen=is_frozen)
                ledger.pass_fence(target.unit, epoch)

        self._connection.tried(make, str(table))

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        table = self._table(target)

        def attempt(connection: Connection) -> Applied:
            ledger = Ledger(connection, table.schema)
            with ledger.explaining(commit.unit, commit.epoch):
                return self._attempt(connection, ledger, target, table, reader, commit)

        return self._connection.tried(attempt, str(table))

    def complete(self, target: Target, policy: Policy) -> str:
        table, epoch = self._table(target), self._epoch(target)

        def show(connection: Connection) -> None:
            drop_leftovers(connection, table.schema, target.unit, epoch + 1)
            ledger = Ledger(connection, table.schema)
            if target.disposition != "replace" or ledger.is_closed(target):
                return
            with ledger.explaining(target.unit, epoch), transaction(connection, BEGIN):
                lock_schema(connection, table.schema)
                replace(connection, ledger, table, target, epoch)

        self._connection.tried(show, str(table))
        return self._location(table)

    def close(self) -> None:
        self._connection.close()

    def _make(
        self,
        connection: Connection,
        ledger: Ledger,
        target: Target,
        table: Table,
        columns: tuple[StoredColumn, ...],
        *,
        is_frozen: bool,
    ) -> None:
        place = self._place(ledger, target, table)
        refuse_lost(ledger, place, target, self._epoch(target))
        if target.disposition == "replace":
            refuse_unreplaceable(connection, ledger, table, target)
            drop_other_generations(connection, table, target.generation)
        elif columns_of(connection, table) is not None:
            refuse_others(ledger, table, target)
            disown_another(ledger, table)
        note_again(ledger, table, target.unit)
        if columns_of(connection, place) is not None:
            evolve(connection, place, columns, is_frozen=is_frozen)
        else:
            create(connection, place, columns, target.primary_key if target.disposition == "merge" else ())
            if place == table:
                own(ledger, table, target.unit)
        if target.disposition == "merge":
            require_key(connection, table, target)

    def _attempt(
        self,
        connection: Connection,
        ledger: Ledger,
        target: Target,
        table: Table,
        reader: RecordReader,
        commit: CommitRecord,
    ) -> Applied:
        found = ledger.find(commit.unit, commit.generation, commit.slice_seq)
        self._connection.is_unsettled = False
        if found is not None:
            return self._adopted(found, commit, ledger, table)
        stage = self._staged(connection, target, table, reader, commit)
        try:
            self._commit(connection, ledger, stage, target, table, commit)
        except psycopg.errors.UniqueViolation as error:
            if error.diag.table_name != COMMIT:
                raise
            found = ledger.find(commit.unit, commit.generation, commit.slice_seq)
            if found is None:
                raise
            return self._adopted(found, commit, ledger, table)
        finally:
            if stage is not None and not connection.closed and not connection.broken:
                stage.drop(connection)
        size = 0 if stage is None else stage.bytes
        return Applied(rows=commit.rows, bytes=size, record=commit, adopted=False, location=self._location(table))

    def _staged(
        self, connection: Connection, target: Target, table: Table, reader: RecordReader, commit: CommitRecord
    ) -> Stage | None:
        """The slice's rows in a stage table; None when it has none."""
        if reader.schema is None or commit.rows == 0:
            return None
        columns = stored_columns(reader.schema)
        stage = stage_for(table.schema, target.unit, commit.epoch, commit.slice_seq, columns)
        stage.create(connection)
        try:
            stage.load(self._connection.arrow(), reader)
        except BaseException:
            self._connection.drop_arrow()
            if not connection.closed and not connection.broken:
                stage.drop(connection)
            raise
        return stage

    def _commit(
        self,
        connection: Connection,
        ledger: Ledger,
        stage: Stage | None,
        target: Target,
        table: Table,
        commit: CommitRecord,
    ) -> None:
        with transaction(connection, BEGIN):
            has_emptied = stage is not None and self._apply(connection, ledger, stage, target, table, commit)
            ledger.add(commit, has_emptied=has_emptied)
            ledger.pass_fence(commit.unit, commit.epoch)
            self._connection.is_unsettled = True
        self._connection.is_unsettled = False

    def _apply(
        self, connection: Connection, ledger: Ledger, stage: Stage, target: Target, table: Table, commit: CommitRecord
    ) -> bool:
        """Move the staged rows on. True when the slice has deleted every row there was."""
        place = self._place(ledger, target, table)
        present = columns_of(connection, place)
        if present is None:
            ledger.pass_fence(commit.unit, commit.epoch)
            raise SchemaChanged(f"{place} was dropped during the run. Start the unit again.", role="sink")
        key = target.primary_key if target.disposition == "merge" else ()
        deleted = stage.check(connection, commit.rows, present, key)
        if target.disposition == "merge":
            stage.merge_into(connection, place, present, target.primary_key)
            return deleted > 0 and is_empty(connection, place)
        if deleted:
            raise _invalid(
                "writeDisposition",
                f"{deleted} rows say that rows were deleted, which only merge can do. Set writeDisposition to merge.",
            )
        stage.append_to(connection, place, present)
        return False

    def _adopted(self, found: CommitRecord, commit: CommitRecord, ledger: Ledger, table: Table) -> Applied:
        """The slot is taken: by this slice, which is then done, or by a history that is not ours."""
        ledger.install_fence(commit.unit, commit.epoch)
        if found.prev_hash != commit.prev_hash or found.from_ckpt != commit.from_ckpt:
            raise SinkFenced(
                f"{table} holds a slice {commit.slice_seq} that does not follow what this run has seen; nothing of "
                "ours was written. Start the unit again: it goes on from what is there.",
                role="sink",
            )
        return Applied(rows=found.rows, bytes=0, record=found, adopted=True, location=self._location(table))

    def _place(self, ledger: Ledger, target: Target, table: Table) -> Table:
        """Where rows go: a replacement is filled unseen until its generation is closed."""
        if target.disposition == "replace" and not ledger.is_closed(target):
            return hidden_table(table, target.generation)
        return table

    def _table(self, target: Target) -> Table:
        """Decided once, for what a unit has had so far is asked of the database."""
        if target.unit not in self._tables:
            schemas = self._parameters.schemas
            named = self._connection.tried(lambda connection: table_for(connection, target, schemas), target.unit_id)
            self._tables[target.unit] = named
        return self._tables[target.unit]

    def _epoch(self, target: Target) -> int:
        if target.unit not in self._epochs:
            raise Bug("high_water comes before everything else a sink is asked.", role="sink")
        return self._epochs[target.unit]

    def _location(self, table: Table) -> str:
        return f"postgresql://{self._parameters.place}/{self._parameters.database}/{table}"


def _refuse_unmet(target: Target, columns: tuple[StoredColumn, ...], policy: Policy) -> None:
    """A policy this sink cannot meet ends the run before a row is read."""
    contract = policy.get("schemaContract")
    if contract not in (None, "evolve", "freeze"):
        raise _invalid("schemaContract", f"schemaContract {contract} is not supported yet by jdbc.postgres.")
    if policy.get("deletes") not in (None, "ignore", "soft"):
        raise _invalid("deletes", f"deletes {policy.get('deletes')} is not supported yet by jdbc.postgres.")
    if target.disposition != "merge":
        return
    names = {column.name for column in columns}
    missing = [name for name in target.primary_key if name not in names]
    if missing:
        raise _invalid("primaryKeys", f"The unit has no column {missing[0]}, which the policy's primaryKeys names.")
    if not target.primary_key:
        raise _invalid(
            "primaryKeys",
            "writeDisposition is merge, and nothing says which row a new version takes the place of. "
            "Set the policy's primaryKeys, or choose append.",
        )


def _invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="sink", details={"field": field})
