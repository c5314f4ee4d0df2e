"""PostgreSQL as a sink: class A. Rows, record and fence are one transaction of the target's database.

A slice is first loaded into a private stage table (``postgres_stage``); the
transaction that follows is short. When its answer is lost, the record tells
whether it happened (``postgres_ledger``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import adbc_driver_postgresql.dbapi as adbc
import psycopg

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.postgres_columns import StoredColumn, stored_columns
from headrace.endpoints.sinks.postgres_ledger import COMMIT, Ledger, lock_schema
from headrace.endpoints.sinks.postgres_replacement import drop_other_generations, refuse_unreplaceable, replace
from headrace.endpoints.sinks.postgres_stage import Stage, drop_leftovers, stage_for
from headrace.endpoints.sinks.postgres_table import (
    Table,
    columns_of,
    create,
    evolve,
    hidden_table,
    require_key,
    target_table,
)
from headrace.endpoints.systems.postgres_errors import sqlstate, translated
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import Connection, connect, connect_arrow, query, transaction
from headrace.errors import Bug, ConfigInvalid, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader, Slice

ATTEMPTS = 5
"""How often a slice is tried when another transaction or a broken connection is in the way."""

Answer = TypeVar("Answer")


class PostgresSink:
    """``PostgresSink(parameters)`` parses; the first call connects."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = PostgresParameters.parse(parameters, "sink")
        self._connection: Connection | None = None
        self._arrow: Any = None
        self._epochs: dict[str, int] = {}

    def capabilities(self) -> SinkCapabilities:
        return SinkCapabilities(delivery="A", dispositions=("replace", "append", "merge"))

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        table = self._table(target)

        def fence(connection: Connection) -> HighWater | None:
            ledger = Ledger(connection, table.schema)
            ledger.ensure()
            ledger.install_fence(target.unit, epoch)
            return ledger.highest(target)

        self._epochs[target.unit] = epoch
        return self._with_connection(fence, table)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        columns = stored_columns(schema.arrow)
        _refuse_unmet(target, columns, policy)
        table, epoch = self._table(target), self._epoch(target)
        is_frozen = policy.get("schemaContract") == "freeze"

        def make(connection: Connection) -> None:
            drop_leftovers(connection, table.schema, target.unit, epoch)
            ledger = Ledger(connection, table.schema)
            with transaction(connection):
                lock_schema(connection, table.schema)
                place = self._place(ledger, target, table)
                if target.disposition == "replace":
                    refuse_unreplaceable(connection, ledger, table, target)
                    drop_other_generations(connection, table, target.generation)
                if columns_of(connection, place) is not None:
                    evolve(connection, place, columns, is_frozen=is_frozen)
                else:
                    create(connection, place, columns, target.primary_key if target.disposition == "merge" else ())
                    if place == table:
                        ledger.own(table.name, target.unit)
                if target.disposition == "merge":
                    require_key(connection, table, target)

        self._with_connection(make, table)

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        table = self._table(target)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(target, table, reader, commit)
            except (psycopg.Error, adbc.Error, OSError) as error:
                if attempt == ATTEMPTS or not _is_passing(error):
                    raise translated(error, role="sink", where=str(table)) from None
                self._disconnect()
        raise Bug("A slice was tried without an end.", role="sink")

    def complete(self, target: Target, policy: Policy) -> str:
        table, epoch = self._table(target), self._epoch(target)

        def show(connection: Connection) -> None:
            ledger = Ledger(connection, table.schema)
            if target.disposition != "replace" or ledger.is_closed(target):
                return
            with transaction(connection):
                lock_schema(connection, table.schema)
                replace(connection, ledger, table, target, epoch)

        self._with_connection(show, table)
        return self._location(table)

    def close(self) -> None:
        self._disconnect()

    def _attempt(self, target: Target, table: Table, reader: RecordReader, commit: CommitRecord) -> Applied:
        connection = self._connected()
        ledger = Ledger(connection, table.schema)
        found = ledger.find(commit.unit, commit.generation, commit.slice_seq)
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
            if self._arrow is None:
                self._arrow = connect_arrow(self._parameters, "sink")
            stage.load(self._arrow, reader)
        except BaseException:
            self._drop_arrow()
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
        with transaction(connection):
            query(
                connection,
                "select set_config('synchronous_commit', 'on', true), "
                "set_config('idle_in_transaction_session_timeout', '15s', true)",
            )
            if stage is not None:
                self._apply(connection, ledger, stage, target, table, commit.rows)
            ledger.add(commit)
            ledger.pass_fence(commit.unit, commit.epoch)

    def _apply(
        self, connection: Connection, ledger: Ledger, stage: Stage, target: Target, table: Table, rows: int
    ) -> None:
        place = self._place(ledger, target, table)
        present = columns_of(connection, place)
        if present is None:
            raise Bug(f"{place} is gone since it was prepared.", role="sink")
        stage.check(connection, rows, can_delete=target.disposition == "merge")
        if target.disposition == "merge":
            stage.merge_into(connection, place, present, target.primary_key)
        else:
            stage.append_to(connection, place, present)

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
        return target_table(target.unit_id, self._parameters.schemas)

    def _epoch(self, target: Target) -> int:
        if target.unit not in self._epochs:
            raise Bug("high_water comes before everything else a sink is asked.", role="sink")
        return self._epochs[target.unit]

    def _location(self, table: Table) -> str:
        return f"postgresql://{self._parameters.place}/{self._parameters.database}/{table}"

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = connect(self._parameters, "sink")
        return self._connection

    def _with_connection(self, use: Callable[[Connection], Answer], table: Table) -> Answer:
        try:
            return use(self._connected())
        except psycopg.Error as error:
            raise translated(error, role="sink", where=str(table)) from None

    def _disconnect(self) -> None:
        self._drop_arrow()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _drop_arrow(self) -> None:
        arrow, self._arrow = self._arrow, None
        if arrow is not None:
            arrow.close()


def _is_passing(error: Exception) -> bool:
    """Whether the same slice may simply be tried again: a lost connection, a deadlock, a conflict of transactions."""
    code = sqlstate(error)
    return code is None or (code[:2] in ("08", "40", "57") and code != "57014")


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
