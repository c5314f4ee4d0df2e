"""Slices that are loaded by binary COPY before their turn: where each goes, and how it becomes part of the target.

A replacement's slice is committed by the connection that holds its rows. If
that one breaks, so do the rows, and the next run reads them again; whether the
commit was just before that, the record tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg
import pyarrow as pa

from headrace.endpoint import Applied, Target
from headrace.endpoints.sinks.postgres_columns import stored_columns
from headrace.endpoints.sinks.postgres_connection import SinkConnection, is_passing
from headrace.endpoints.sinks.postgres_copied import block_columns, can_fill, fills_as_sent
from headrace.endpoints.sinks.postgres_held import HeldLoad, may_hold
from headrace.endpoints.sinks.postgres_ledger import Ledger
from headrace.endpoints.sinks.postgres_load import CopyLoad, HiddenTable, LoadConnections, StageTable
from headrace.endpoints.sinks.postgres_stage import Stage, stage_for
from headrace.endpoints.sinks.postgres_table import Table
from headrace.endpoints.systems.postgres_errors import translated
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import LOCK_WAIT_MS, Connection
from headrace.errors import Bug, DataPlaneError, SinkAmbiguous
from headrace.protocol import CommitRecord
from headrace.staging import BlockLoad, RowLoad


@dataclass(frozen=True, slots=True)
class Places:
    """A target's table, and where its rows go just now."""

    table: Table
    place: Callable[[Connection], Table]


class Loading:
    """The loads of one sink. ``blocks`` and ``rows`` may be called by any thread."""

    def __init__(self, parameters: PostgresParameters, connection: SinkConnection) -> None:
        self._connection = connection
        self._connections = LoadConnections(parameters)

    def can_fill(self, places: Places, schema: pa.Schema) -> bool:
        def look(connection: Connection) -> bool:
            place = places.place(connection)
            can = can_fill(connection, place, block_columns(connection, place, places.table, schema, ()))
            if can and place != places.table:
                self._connections.open_ahead()
            return can

        return self._connection.tried(look, str(places.table))

    def blocks(self, target: Target, epoch: int, seq: int, places: Places, schema: pa.Schema) -> CopyLoad | HeldLoad:
        """For what a source sends as PostgreSQL has it. Where rows wait for their commit, the first do so here."""

        def chosen(connection: Connection) -> tuple[HiddenTable | StageTable, bool]:
            place = places.place(connection)
            columns = block_columns(connection, place, places.table, schema, ())
            if place != places.table:
                return HiddenTable(place, columns, target.unit, epoch), False
            return StageTable(stage_for(place.schema, target.unit, epoch, seq, columns)), may_hold(connection)

        into, is_held = self._connection.tried(chosen, str(places.table))
        begin = partial(self._begun, target, epoch, places, into)
        return HeldLoad(into.columns, str(places.table), begin) if is_held else begin()

    def rows(self, target: Target, epoch: int, seq: int, places: Places, schema: pa.Schema) -> CopyLoad:
        """For Arrow. What a replacement's columns do not take as it is waits in a stage table."""

        def chosen(connection: Connection) -> HiddenTable | StageTable:
            place, columns = places.place(connection), stored_columns(schema)
            if place != places.table and fills_as_sent(connection, place, columns):
                return HiddenTable(place, columns, target.unit, epoch, str(LOCK_WAIT_MS))
            return StageTable(stage_for(place.schema, target.unit, epoch, seq, columns))

        return self._begun(target, epoch, places, self._connection.tried(chosen, str(places.table)))

    def _begun(self, target: Target, epoch: int, places: Places, into: HiddenTable | StageTable) -> CopyLoad:
        def refuse_late() -> None:
            def look(connection: Connection) -> None:
                Ledger(connection, places.table.schema).require_owner(target.unit, epoch)

            self._connection.tried(look, str(places.table))

        return CopyLoad(self._connections, into, str(places.table), refuse_late)

    def committed(
        self,
        load: BlockLoad | RowLoad,
        commit: CommitRecord,
        location: str,
        found: Callable[[Connection], Applied | None],
        moved: Callable[[Connection, Stage], Applied],
    ) -> Applied:
        """``found`` answers what has the slice's slot already; ``moved`` commits the rows of a stage table."""
        if isinstance(load, HeldLoad):
            if load.begun is None:
                stage = load.stage()
                return self._connection.tried(lambda held: found(held) or moved(held, stage), load.where)
            load = load.begun
        if not isinstance(load, CopyLoad):
            raise Bug("A load was given to jdbc.postgres that is not its own.", role="sink")
        where, into = load.where, load.into
        if isinstance(into, StageTable):
            into.stage.bytes = load.bytes
            return self._connection.tried(lambda connection: found(connection) or moved(connection, into.stage), where)
        before = self._connection.tried(found, where)
        if before is not None:
            return before
        try:
            load.commit(commit)
        except (psycopg.Error, OSError) as error:
            self._connection.is_unsettled = load.is_unsettled
            after = self._connection.tried(found, where)
            if after is None:
                load.refuse_late()
                raise _lost(load, error, where) from None
            return after
        return Applied(rows=commit.rows, bytes=load.bytes, record=commit, adopted=False, location=location)

    def close(self) -> None:
        self._connections.close()


def _lost(load: CopyLoad, error: Exception, where: str) -> DataPlaneError:
    """The record is not there; while the server may still be at it, only the next run's fence waits for the end."""
    if load.is_unsettled and is_passing(error):
        return SinkAmbiguous(
            f"The answer to a commit into {where} was lost. Start the unit again: the commit record says it.",
            role="sink",
        )
    return translated(error, role="sink", where=where)
