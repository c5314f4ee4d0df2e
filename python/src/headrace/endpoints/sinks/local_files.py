"""A directory of Parquet files as a sink: class B, one slot a slice, taken by one rename.

Each unit has a directory below ``base_path``; ``systems.local_files_layout`` draws it.
Files are never rewritten, so ``merge`` means: a slice holds the newest version
of its rows, and readers take the latest by key (``local_files_latest``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.commit import record_hash
from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.local_files_attempts import open_attempt, sweep_leftovers
from headrace.endpoints.sinks.local_files_latest import READING_RULE, latest_sql
from headrace.endpoints.sinks.local_files_parquet import (
    NotParquet,
    joint_schema,
    parquet_schema,
    refuse_unfit,
    write_columns,
    write_slice,
)
from headrace.endpoints.sinks.local_files_slots import UnitDirectory
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_layout import LATEST_FILE, PART_FILE
from headrace.endpoints.systems.local_files_slot import can_take_slots_once, flush_path, write_durably
from headrace.errors import Bug, ConfigInvalid, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader, Slice


class LocalFilesSink:
    """``LocalFilesSink(parameters)`` parses and touches no file."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._config = LocalFilesConfig.parse(parameters)
        if self._config.format not in (None, "parquet"):
            raise ConfigInvalid(
                f"format is {self._config.format!r}, and this sink writes Parquet only. Set format to parquet.",
                role="sink",
                details={"field": "format"},
            )
        self._schemas: dict[Path, pa.Schema | None] = {}
        self._described: dict[Path, pa.Schema] = {}
        self._epochs: dict[Path, int] = {}

    def capabilities(self) -> SinkCapabilities:
        """Class B where a slot can be taken only once, which is tried out; else C."""
        return SinkCapabilities(
            delivery="B" if _takes_slots_once(self._config.base_path) else "C",
            dispositions=("replace", "append", "merge"),
            native_formats=("parquet",),
            native_options={"parquet": {"compression": self._config.compression}},
            reading={"merge": READING_RULE},
        )

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        unit = self._unit(target)
        self._epochs[unit.path] = epoch
        sweep_leftovers(self._config.base_path)
        if not unit.is_claimed():
            return None
        unit.refuse_if_left(target.generation)
        unit.close_generations_before(target.generation, epoch, target.run_id)
        slots = unit.slots_without_gap(target.generation)
        record = unit.record(target.generation, slots[-1]) if slots else None
        if record is None:
            return None
        _refuse_newer(record, epoch, unit.path)
        is_pending = unit.is_pending(target.generation)
        return HighWater(record=record, hash=record_hash(record), is_pending=is_pending)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        _refuse_unmet(target, policy)
        refuse_unfit(schema.arrow)
        _refuse_unknown_key(target, schema)
        unit = self._unit(target)
        unit.claim(target.run_id)
        is_replacement = target.disposition == "replace"
        unit.open_generation(target.generation, is_pending=is_replacement)
        unit.give_up_replacements_before(target.generation, target.run_id)
        earlier = _newest_schema(unit, [target.generation] if is_replacement else unit.generations())
        joint_schema(earlier, schema.arrow, unit.path, frozen=policy.get("schemaContract") == "freeze")
        self._schemas[unit.path] = earlier
        self._described[unit.path] = schema.arrow
        if target.disposition == "merge":
            self._explain_reading(unit, target)

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        unit = self._unit(target)
        slot = unit.slot_path(commit.generation, commit.slice_seq)
        found = unit.record(commit.generation, commit.slice_seq)
        if found is not None:
            return _adopted(found, commit, slot)
        schema = self._schema_to_write(unit, reader.schema)
        with open_attempt(self._config.base_path, target.run_id) as attempt:
            rows = 0
            if schema is not None:
                rows = write_slice(attempt / PART_FILE, reader, schema, self._config.compression)
            if rows != commit.rows:
                raise Bug(f"Staging gave {rows} rows of a slice sealed with {commit.rows}; nothing was written.")
            found = unit.take(attempt, commit)
        if found is not None:
            return _adopted(found, commit, slot)
        self._schemas[unit.path] = schema if schema is not None else self._schemas[unit.path]
        return Applied(rows=rows, bytes=_bytes_in(slot), record=commit, adopted=False, location=str(slot))

    def complete(self, target: Target, policy: Policy) -> str:
        """A replacement takes the place of what it replaces; other slices have been visible one by one."""
        unit = self._unit(target)
        self._leave_columns(unit, target)
        unit.show_generation(target.generation, target.run_id)
        return str(unit.path)

    def close(self) -> None:
        self._schemas.clear()
        self._described.clear()

    def _leave_columns(self, unit: UnitDirectory, target: Target) -> None:
        """Readers find columns also where there never was a row: a last slice without rows, and a file with it."""
        columns, epoch = self._described.get(unit.path), self._epochs.get(unit.path)
        if not columns or epoch is None or self._schemas.get(unit.path) is not None:
            return
        with open_attempt(self._config.base_path, target.run_id) as attempt:
            write_columns(attempt / PART_FILE, columns, self._config.compression)
            unit.take(attempt, unit.record_without_rows(target.generation, epoch))

    def _unit(self, target: Target) -> UnitDirectory:
        return UnitDirectory(self._config.base_path, target.unit, target.unit_id)

    def _schema_to_write(self, unit: UnitDirectory, staged: pa.Schema | None) -> pa.Schema | None:
        """None when nothing was staged, not even columns: such a slice has no file."""
        if unit.path not in self._schemas:
            self._schemas[unit.path] = _newest_schema(unit, unit.generations())
        return None if staged is None else joint_schema(self._schemas[unit.path], staged, unit.path, frozen=False)

    def _explain_reading(self, unit: UnitDirectory, target: Target) -> None:
        """Leave the query beside the slices; it is the same for every run, unless the key or the place changed."""
        content = latest_sql(unit.path, target.primary_key).encode()
        path = unit.path / LATEST_FILE
        with open_attempt(self._config.base_path, target.run_id) as attempt, reported("write in", unit.path, "sink"):
            if path.exists() and path.read_bytes() == content:
                return
            write_durably(attempt / LATEST_FILE, content)
            (attempt / LATEST_FILE).replace(path)
            flush_path(unit.path)


@functools.cache
def _takes_slots_once(base: Path) -> bool:
    """Tried once a process. A place that refuses us altogether says so itself when it is written to."""
    nearest = next((path for path in (base, *base.parents) if path.is_dir()), Path("/"))
    try:
        return can_take_slots_once(nearest)
    except OSError:
        return True


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
    if policy.get("schemaContract") not in (None, "evolve", "freeze"):
        raise ConfigInvalid(
            f"schemaContract {policy['schemaContract']} is not supported yet by file.local. Choose evolve or freeze.",
            role="sink",
            details={"field": "schemaContract"},
        )


def _adopted(found: CommitRecord, commit: CommitRecord, slot: Path) -> Applied:
    """The slot is taken: by this slice, which is then done, or by another history, which then wins."""
    _refuse_newer(found, commit.epoch, slot)
    if found.unit != commit.unit or found.prev_hash != commit.prev_hash or found.from_ckpt != commit.from_ckpt:
        raise SinkFenced(
            f"{slot} holds a slice that does not follow what this run has seen; nothing of ours was written. "
            "Start the unit again: it goes on from what is there.",
            role="sink",
            details={"path": str(slot)},
        )
    return Applied(rows=found.rows, bytes=_bytes_in(slot), record=found, adopted=True, location=str(slot))


def _refuse_newer(found: CommitRecord, epoch: int, place: Path) -> None:
    if found.epoch > epoch:
        raise SinkFenced(
            f"{place} holds a slice of epoch {found.epoch}, and this run is of epoch {epoch}: "
            "a newer run has this unit. "
            "If the control plane's database was restored or made anew, move the directory away and reset the unit.",
            role="sink",
            details={"path": str(place)},
        )


def _newest_schema(unit: UnitDirectory, generations: Sequence[int]) -> pa.Schema | None:
    """Columns of the last slice that has any. A closed generation ends in a slot without rows."""
    for generation in reversed(generations):
        for seq in reversed(unit.slots(generation)):
            part = unit.slot_path(generation, seq) / PART_FILE
            if part.exists():
                return _schema_of(part, unit)
    return None


def _schema_of(part: Path, unit: UnitDirectory) -> pa.Schema:
    try:
        with reported("read", part, "sink"), part.open("rb") as file:
            return parquet_schema(file)
    except NotParquet as error:
        raise unit.lost(f"{part} is damaged: {error}.", part) from error


def _bytes_in(slot: Path) -> int:
    with reported("read", slot, "sink"):
        return sum(file.stat().st_size for file in slot.iterdir())
