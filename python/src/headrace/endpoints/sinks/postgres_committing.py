"""How a slice becomes part of its target: rows, record and fence in one transaction, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from headrace.endpoint import Applied, Target
from headrace.endpoints.sinks.postgres_connection import SinkConnection
from headrace.endpoints.sinks.postgres_ledger import BEGIN, COMMIT, Ledger
from headrace.endpoints.sinks.postgres_left_out import may_leave_out, refuse_left_out
from headrace.endpoints.sinks.postgres_policy import invalid
from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table, columns_of, hidden_table, is_empty
from headrace.endpoints.systems.postgres_session import Connection, transaction
from headrace.errors import SchemaChanged, SinkFenced
from headrace.protocol import CommitRecord


@dataclass(frozen=True, slots=True)
class Commits:
    """Those of one sink. ``location`` says where a table is."""

    sink: SinkConnection
    location: Callable[[Table], str]

    def settled(
        self,
        connection: Connection,
        ledger: Ledger,
        stage: Stage | None,
        target: Target,
        table: Table,
        commit: CommitRecord,
    ) -> Applied:
        """The staged rows are where they belong, or somebody had put them there just before."""
        try:
            self._commit(connection, ledger, stage, target, table, commit)
        except psycopg.errors.UniqueViolation as error:
            found = self.found(ledger, table, commit) if error.diag.table_name == COMMIT else None
            if found is None:
                raise
            return found
        size = 0 if stage is None else stage.bytes
        return Applied(rows=commit.rows, bytes=size, record=commit, adopted=False, location=self.location(table))

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
            if stage is not None:
                stage.arrive(connection)
            has_emptied = stage is not None and self._apply(connection, ledger, stage, target, table, commit)
            if stage is not None:
                stage.drop(connection)  # here, for a commit of its own would be one more to wait for
            ledger.add(commit, has_emptied=has_emptied)
            ledger.pass_fence(commit.unit, commit.epoch)
            self.sink.is_unsettled = True
        self.sink.is_unsettled = False
        if stage is not None:
            stage.is_gone = True

    def _apply(
        self, connection: Connection, ledger: Ledger, stage: Stage, target: Target, table: Table, commit: CommitRecord
    ) -> bool:
        """Move the staged rows on. True when the slice has deleted every row there was."""
        place = place_of(ledger, target, table)
        present = columns_of(connection, place)
        if present is None:
            ledger.pass_fence(commit.unit, commit.epoch)
            raise SchemaChanged(f"{place} was dropped during the run. Start the unit again.", role="sink")
        key = target.primary_key if target.disposition == "merge" else ()
        deleted = stage.check(connection, commit.rows, present, key)
        if target.disposition == "merge":
            taken = stage.merge_into(connection, place, present, target.primary_key)
            if may_leave_out(connection, place):
                missing, given = stage.missing_from(connection, place, present, target.primary_key)
                refuse_left_out(place, missing if taken < given else 0, given)
            return deleted > 0 and is_empty(connection, place)
        if deleted:
            raise invalid(
                "writeDisposition",
                f"{deleted} rows say that rows were deleted, which only merge can do. Set writeDisposition to merge.",
            )
        taken = stage.append_to(connection, place, present)
        if taken < commit.rows and may_leave_out(connection, place):
            refuse_left_out(place, commit.rows - taken, commit.rows)
        return False

    def found(self, ledger: Ledger, table: Table, commit: CommitRecord) -> Applied | None:
        """The slot may be taken: by this slice, which is then done, or by a history that is not ours."""
        found = ledger.find(commit.unit, commit.generation, commit.slice_seq)
        self.sink.is_unsettled = False
        if found is None:
            return None
        ledger.install_fence(commit.unit, commit.epoch)
        if found.prev_hash != commit.prev_hash or found.from_ckpt != commit.from_ckpt:
            raise SinkFenced(
                f"{table} holds a slice {commit.slice_seq} that does not follow what this run has seen; nothing of "
                "ours was written. Start the unit again: it goes on from what is there.",
                role="sink",
            )
        return Applied(rows=found.rows, bytes=0, record=found, adopted=True, location=self.location(table))


def place_of(ledger: Ledger, target: Target, table: Table) -> Table:
    """Where rows go: a replacement is filled unseen until its generation is closed."""
    if target.disposition == "replace" and not ledger.is_closed(target):
        return hidden_table(table, target.generation)
    return table
