"""How a run writes slices of Parquet files that are never rewritten: class B, one slot a slice.

The same for every place; a sink says where (``Place``) and passes the calls of
its contract on. ``merge`` means: a slice holds the newest version of its rows,
and readers take the latest by key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from headrace.commit import record_hash
from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, Target
from headrace.endpoints.sinks.files_judging import Refusing, refused_by_files, schema_of_files
from headrace.endpoints.sinks.files_parquet import joint_schema, refuse_unfit, with_footer
from headrace.endpoints.sinks.files_slots import (
    SlotLog,
    close_generations_before,
    leave_columns,
    newest_schema,
    refuse_if_left,
    require_slots,
    slots_without_gap,
)
from headrace.endpoints.systems.files_options import Compression, FileFormat
from headrace.errors import Bug, ConfigInvalid, SinkFenced
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow
from headrace.staging import RecordReader


class Place(Protocol):
    """Where a sink keeps its units."""

    @property
    def compression(self) -> Compression: ...

    def log(self, target: Target) -> SlotLog: ...


class SlotWriting:
    """A sink's dealings with its place, and the columns that each unit has there."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._schemas: dict[str, pa.Schema | None] = {}
        self._described: dict[str, pa.Schema] = {}
        self._epochs: dict[str, int] = {}
        self._last: dict[str, int] = {}
        """The slot of the newest slice that is there since this run, of each unit that has any."""

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        log = self._place.log(target)
        self._epochs[log.shown] = epoch
        is_claimed = log.is_claimed()
        log.sweep(target.generation)
        if not is_claimed:
            return None
        refuse_if_left(log, target.generation)
        close_generations_before(log, target.generation, epoch, target.run_id)
        slots = slots_without_gap(log, target.generation)
        record = log.record(target.generation, slots[-1]) if slots else None
        if record is None:
            return None
        _refuse_newer(record, epoch, log.shown)
        is_pending = target.generation not in log.shown_generations()
        return HighWater(record=record, hash=record_hash(record), is_pending=is_pending)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        _refuse_unmet(target, policy)
        refuse_unfit(schema.arrow)
        _refuse_unknown_key(target, schema)
        log = self._place.log(target)
        log.claim(target.run_id)
        is_replacement = target.disposition == "replace"
        log.open_generation(target.generation, is_pending=is_replacement)
        log.give_up_replacements_before(target.generation, target.run_id)
        earlier = _earlier(log, target)
        joint_schema(earlier, schema.arrow, log.shown, frozen=policy.get("schemaContract") == "freeze")
        self._schemas[log.shown] = earlier
        self._described[log.shown] = schema.arrow
        log.explain_reading(target)

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        return schema_of_files(_earlier(self._place.log(target), target), schema)

    def refused_rows(
        self, target: Target, reader: RecordReader, most: int, refuse: Refusing = lambda batch: None
    ) -> Sequence[RefusedRow]:
        """What the files refuse, and what ``refuse`` raises ``RowRejected`` for."""
        schema = self._schema_to_write(self._place.log(target), reader.schema)
        return () if schema is None else refused_by_files(reader, schema, most, refuse)

    def write(self, target: Target, reader: RecordReader, commit: CommitRecord) -> Applied:
        log = self._place.log(target)
        found = log.record(commit.generation, commit.slice_seq)
        self._last[log.shown] = commit.slice_seq
        if found is not None:
            return _adopted(log, found, commit)
        schema = self._schema_to_write(log, reader.schema)
        if schema is not None:
            schema = with_footer(schema, target, commit.generation, commit.slice_seq)
        with log.attempt(target.run_id, commit.generation, commit.slice_seq) as attempt:
            rows = 0 if schema is None else attempt.write(reader, schema, self._place.compression)
            if rows != commit.rows:
                raise Bug(f"Staging gave {rows} rows of a slice sealed with {commit.rows}; nothing was written.")
            found = attempt.take(commit)
        if found is not None:
            return _adopted(log, found, commit)
        self._schemas[log.shown] = schema if schema is not None else self._schemas[log.shown]
        return _applied(log, commit, adopted=False)

    def complete(self, target: Target) -> str:
        """A replacement takes the place of what it replaces; other slices have been visible one by one.

        Raises ``CheckpointAheadOfSink`` when somebody has removed a slice meanwhile.
        """
        log = self._place.log(target)
        require_slots(log, target.generation, self._last.get(log.shown))
        self._leave_columns(log, target)
        log.show_generation(target.generation, target.run_id)
        return log.shown

    def close(self) -> None:
        self._schemas.clear()
        self._described.clear()

    def _leave_columns(self, log: SlotLog, target: Target) -> None:
        """Readers find columns also where there never was a row: a last slice without rows, and a file with it."""
        columns, epoch = self._described.get(log.shown), self._epochs.get(log.shown)
        if columns and epoch is not None and self._schemas.get(log.shown) is None:
            leave_columns(log, target, epoch, columns, self._place.compression)

    def _schema_to_write(self, log: SlotLog, staged: pa.Schema | None) -> pa.Schema | None:
        """None when nothing was staged, not even columns: such a slice has no file."""
        if log.shown not in self._schemas:
            self._schemas[log.shown] = newest_schema(log, log.generations())
        return None if staged is None else joint_schema(self._schemas[log.shown], staged, log.shown, frozen=False)


def _earlier(log: SlotLog, target: Target) -> pa.Schema | None:
    """The columns that the generation goes on with; a replacement begins with its own."""
    return newest_schema(log, [target.generation] if target.disposition == "replace" else log.generations())


def refuse_other_formats(format_: FileFormat | None) -> None:
    if format_ not in (None, "parquet"):
        raise ConfigInvalid(
            f"format is {format_!r}, and this sink writes Parquet only. Set format to parquet.",
            role="sink",
            details={"field": "format"},
        )


def _refuse_unknown_key(target: Target, schema: DatasetSchema) -> None:
    names = set(schema.arrow.names)
    unknown = [name for name in target.primary_key if name not in names]
    if target.disposition == "merge" and names and unknown:
        raise ConfigInvalid(
            f"The unit has no column {unknown[0]}, which the policy's primaryKeys names. Its columns: "
            f"{', '.join(sorted(names))}.",
            role="sink",
            details={"field": "primaryKeys"},
        )


def _refuse_unmet(target: Target, policy: Policy) -> None:
    """A policy that files cannot meet ends the run before a row is read."""
    if target.disposition == "merge" and not target.primary_key:
        raise ConfigInvalid(
            "writeDisposition is merge, and nothing says which row a new version replaces. "
            "Set the policy's primaryKeys, or choose append.",
            role="sink",
            details={"field": "primaryKeys"},
        )
    if policy.get("deletes") == "keyDiff":
        raise ConfigInvalid(
            "The policy's deletes is keyDiff, and files that are never rewritten cannot lose a row. "
            "Choose ignore, soft, or a database as sink.",
            role="sink",
            details={"field": "deletes"},
        )


def _adopted(log: SlotLog, found: CommitRecord, commit: CommitRecord) -> Applied:
    """The slot is taken: by this slice, which is then done, or by another history, which then wins."""
    slot = log.slot_shown(commit.generation, commit.slice_seq)
    _refuse_newer(found, commit.epoch, slot)
    if found.unit != commit.unit or found.prev_hash != commit.prev_hash or found.from_ckpt != commit.from_ckpt:
        raise SinkFenced(
            f"{slot} holds a slice that does not follow what this run has seen; nothing of ours was written. "
            "Start the unit again: it goes on from what is there.",
            role="sink",
            details={"path": slot},
        )
    return _applied(log, found, adopted=True)


def _applied(log: SlotLog, record: CommitRecord, *, adopted: bool) -> Applied:
    generation, seq = record.generation, record.slice_seq
    return Applied(
        rows=record.rows,
        bytes=log.bytes_in(generation, seq),
        record=record,
        adopted=adopted,
        location=log.slot_shown(generation, seq),
    )


def _refuse_newer(found: CommitRecord, epoch: int, place: str) -> None:
    if found.epoch > epoch:
        raise SinkFenced(
            f"{place} holds a slice of epoch {found.epoch}, and this run is of epoch {epoch}: "
            "a newer run has this unit. "
            "If the control plane's database was restored or made anew, move the directory away and reset the unit.",
            role="sink",
            details={"path": place},
        )
