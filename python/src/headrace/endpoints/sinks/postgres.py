"""PostgreSQL as a sink: class A. Rows, record and fence are one transaction of the target's database.

A slice is first loaded into a private stage table (``postgres_stage``); the
transaction that follows is short. When its answer is lost, the record tells
whether it happened (``postgres_ledger``).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import Any

import pyarrow as pa

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.postgres_columns import stored_columns
from headrace.endpoints.sinks.postgres_committing import Commits, place_of
from headrace.endpoints.sinks.postgres_connection import SinkConnection
from headrace.endpoints.sinks.postgres_judging import Judged, JudgingReader, judged_rows
from headrace.endpoints.sinks.postgres_ledger import BEGIN, Ledger, lock_schema
from headrace.endpoints.sinks.postgres_load import CopyLoad
from headrace.endpoints.sinks.postgres_loading import Loading, Places
from headrace.endpoints.sinks.postgres_names import table_for
from headrace.endpoints.sinks.postgres_owner import refuse_lost, require_own
from headrace.endpoints.sinks.postgres_policy import refuse_unmet
from headrace.endpoints.sinks.postgres_preparing import Preparing, prepare
from headrace.endpoints.sinks.postgres_replacement import end_older_loads, replace
from headrace.endpoints.sinks.postgres_row_security import require_all_rows, require_deleted_seen
from headrace.endpoints.sinks.postgres_stage import Stage, drop_leftovers, stage_for
from headrace.endpoints.sinks.postgres_table import Table, columns_of, hidden_table
from headrace.endpoints.sinks.postgres_there import schema_of_table
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_places import places
from headrace.endpoints.systems.postgres_session import Connection, quote_identifier, transaction
from headrace.errors import Bug
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow
from headrace.staging import BlockLoad, RecordReader, RowLoad, Slice


class PostgresSink:
    """``PostgresSink(parameters)`` parses; the first call connects."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = PostgresParameters.parse(parameters, "sink")
        self._connection = SinkConnection(self._parameters)
        self._commits = Commits(self._connection, self._location)
        self._loading = Loading(self._parameters, self._connection)
        self._epochs: dict[str, int] = {}
        self._tables: dict[str, Table] = {}
        self._judged: Judged | None = None

    def capabilities(self) -> SinkCapabilities:
        return SinkCapabilities(
            delivery="A",
            dispositions=("replace", "append", "merge"),
            native_formats=(CopyLoad.format,),
            tombstones=("merge",),
        )

    def places(self, target: Target) -> frozenset[str]:
        table = self._table(target)
        return self._connection.tried(lambda connection: places(connection, table.sql, is_target=True), str(table))

    def elsewhere(self, target: Target) -> str:
        return (
            f"table, {self._table(target)}, and nothing is loaded into itself. Give the sink another database, or "
            "another schema with the sink's schemas."
        )

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        table = self._table(target)

        def fence(connection: Connection) -> HighWater | None:
            ledger = Ledger(connection, table.schema)
            ledger.ensure()
            ledger.install_fence(target.unit, epoch)
            end_older_loads(ledger, table, target.unit, self._parameters.role)
            found = ledger.highest(target)
            if found is None:
                return None
            hidden = hidden_table(table, target.generation)
            is_pending = not ledger.is_closed(target) and columns_of(connection, hidden) is not None
            refuse_lost(ledger, hidden if is_pending else place_of(ledger, target, table), target, epoch)
            return replace_fields(found, is_pending=is_pending)

        self._epochs[target.unit] = epoch
        return self._connection.tried(fence, str(table))

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        columns = stored_columns(schema.arrow)
        refuse_unmet(target, columns, policy)
        table, epoch = self._table(target), self._epoch(target)
        preparing = Preparing(
            target=target, epoch=epoch, table=table, arrow=schema.arrow, columns=columns, policy=policy
        )

        def make(connection: Connection) -> None:
            drop_leftovers(connection, table.schema, target.unit, epoch)
            prepare(connection, self._connection.known, preparing)

        self._connection.tried(make, str(table))

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        table = self._table(target)

        def attempt(connection: Connection) -> Applied:
            ledger = Ledger(connection, table.schema)
            with ledger.explaining(commit.unit, commit.epoch):
                return self._attempt(connection, ledger, target, table, reader, commit)

        return self._connection.tried(attempt, str(table))

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        table = self._table(target)

        def look(connection: Connection) -> pa.Schema | None:
            return schema_of_table(connection, place_of(Ledger(connection, table.schema), target, table), schema)

        return self._connection.tried(look, str(table))

    def refused_rows(self, target: Target, slice_: Slice, reader: RecordReader, most: int) -> Sequence[RefusedRow]:
        table, epoch = self._table(target), self._epoch(target)

        def judge(connection: Connection) -> Sequence[RefusedRow]:
            self._leave_judged(connection)
            place = place_of(Ledger(connection, table.schema), target, table)
            stage = stage_for(table.schema, target.unit, epoch, slice_.seq, stored_columns(reader.schema))
            judging = JudgingReader(reader, stage.columns, most)
            with stage.made(connection):
                stage.load(connection, judging)
            self._judged = Judged(slice_.seq, stage)
            return judged_rows(connection, stage, judging, target, table, place)

        return () if reader.schema is None else self._connection.tried(judge, str(table))

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

    def existing_keys(self, target: Target) -> Generator[Any]:
        table = self._table(target)

        def is_there(connection: Connection) -> bool:
            require_own(Ledger(connection, table.schema), table, target)
            require_all_rows(connection, table)
            return columns_of(connection, table) is not None

        if self._connection.tried(is_there, str(table)):
            columns = ", ".join(f"t.{name}::text as {name}" for name in map(quote_identifier, target.primary_key))
            yield from self._connection.batches(f"select {columns} from {table.sql} t", str(table))

    def can_load(self, target: Target, schema: pa.Schema, policy: Policy) -> bool:
        return self._loading.can_fill(self._places(target), schema)

    def load(self, target: Target, slice_: Slice, schema: pa.Schema) -> BlockLoad:
        return self._loading.blocks(target, self._epoch(target), slice_.seq, self._places(target), schema)

    def load_rows(self, target: Target, slice_: Slice, schema: pa.Schema) -> CopyLoad:
        return self._loading.rows(target, self._epoch(target), slice_.seq, self._places(target), schema)

    def write_loaded(self, target: Target, slice_: Slice, load: BlockLoad | RowLoad, commit: CommitRecord) -> Applied:
        table = self._table(target)

        def found(connection: Connection) -> Applied | None:
            return self._commits.found(Ledger(connection, table.schema), table, commit)

        def moved(connection: Connection, stage: Stage) -> Applied:
            ledger = Ledger(connection, table.schema)
            with ledger.explaining(commit.unit, commit.epoch):
                require_deleted_seen(connection, stage, place_of(ledger, target, table))
                return self._commits.settled(connection, ledger, stage, target, table, commit)

        return self._loading.committed(load, commit, self._location(table), found, moved)

    def close(self) -> None:
        self._loading.close()
        self._connection.close(self._leave_judged)

    def _attempt(
        self,
        connection: Connection,
        ledger: Ledger,
        target: Target,
        table: Table,
        reader: RecordReader,
        commit: CommitRecord,
    ) -> Applied:
        found = self._commits.found(ledger, table, commit)
        if found is not None:
            return found
        stage = self._staged(connection, target, table, reader, commit)
        try:
            require_deleted_seen(connection, stage, place_of(ledger, target, table))
            return self._commits.settled(connection, ledger, stage, target, table, commit)
        finally:
            if stage is not None and not connection.closed and not connection.broken:
                stage.drop(connection)

    def _staged(
        self, connection: Connection, target: Target, table: Table, reader: RecordReader, commit: CommitRecord
    ) -> Stage | None:
        """The slice's rows in a stage table; None when it has none."""
        if reader.schema is None or commit.rows == 0:
            return None
        kept, self._judged = self._judged, None
        if kept is not None and kept.seq == commit.slice_seq and kept.stage.span(connection)[2] == commit.rows:
            return kept.stage
        columns = stored_columns(reader.schema)
        stage = stage_for(table.schema, target.unit, commit.epoch, commit.slice_seq, columns)
        with stage.made(connection):
            stage.load(connection, reader)
        return stage

    def _leave_judged(self, connection: Connection) -> None:
        """A slice that was judged may have been one that nobody wants committed."""
        kept, self._judged = self._judged, None
        if kept is not None:
            kept.stage.drop(connection)

    def _places(self, target: Target) -> Places:
        table = self._table(target)
        return Places(table, lambda connection: place_of(Ledger(connection, table.schema), target, table))

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
