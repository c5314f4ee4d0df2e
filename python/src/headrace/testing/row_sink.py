"""A sink of class A in the process's memory: rows, records and fence change under one lock, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.commit import record_hash
from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.errors import ConfigInvalid, SchemaChanged, SinkFenced
from headrace.protocol import CommitRecord
from headrace.rowtypes import join
from headrace.staging import RecordReader, Row, Slice
from headrace.testing.row_endpoints import failure


@dataclass
class Place:
    """What one unit has in the sink. ``rows`` is what a stranger sees."""

    fence: int = 0
    types: dict[str, Any] = field(default_factory=dict[str, Any])
    rows: list[Row] = field(default_factory=list[Row])
    hidden: dict[int, list[Row]] = field(default_factory=dict[int, list[Row]])
    records: dict[tuple[int, int], CommitRecord] = field(default_factory=dict[tuple[int, int], CommitRecord])


_places: dict[tuple[str, str], Place] = {}
_lock = threading.Lock()


def place(unit: str, store: str = "") -> Place:
    """What ``unit`` has in the sinks of this process whose parameter ``store`` is the same."""
    return _places.setdefault((store, unit), Place())


class RowsSink:
    """Parameters: ``store``: a name that keeps tests apart. ``failWith``: the tag of an error that writing raises,
    for the slice ``failOnSlice`` (any), before anything of it is stored; ``failAfterWrite``: after it is stored."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._store = parameters.get("store", "")
        self._fail_with = parameters.get("failWith")
        self._fail_on = parameters.get("failOnSlice")
        self._fail_after_write = parameters.get("failAfterWrite")

    def capabilities(self) -> SinkCapabilities:
        return SinkCapabilities(delivery="A", dispositions=("replace", "append", "merge"))

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        with _lock:
            found = place(target.unit, self._store)
            if epoch < found.fence:
                raise SinkFenced(f"Epoch {found.fence} has this unit; {epoch} is older.", role="sink")
            found.fence = epoch
            last = max((seq for generation, seq in found.records if generation == target.generation), default=None)
            if last is None:
                return None
            record = found.records[target.generation, last]
            is_pending = target.generation in found.hidden
            return HighWater(record=record, hash=record_hash(record), is_pending=is_pending)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        if target.disposition == "merge" and not target.primary_key:
            raise ConfigInvalid("Merging needs a key.", details={"field": "policy.primaryKeys"})
        with _lock:
            types = place(target.unit, self._store).types
            for column in schema.arrow:
                try:
                    types[column.name] = join(types.get(column.name, column.type), column.type)
                except ValueError as error:
                    raise SchemaChanged(
                        f"Column {column.name!r} cannot change to {column.type}.",
                        role="sink",
                        details={"column": column.name},
                    ) from error

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        rows = [row for batch in reader.iter_batches(1000) for row in batch]
        if self._fail_with is not None and self._fail_on in (None, str(slice_.seq)):
            raise failure(self._fail_with, "The test sink was told to fail.")
        with _lock:
            found = place(target.unit, self._store)
            there = found.records.get((target.generation, slice_.seq))
            if there is not None:
                return _applied(target, there, adopted=True)
            if found.fence != commit.epoch:
                raise SinkFenced(f"Epoch {found.fence} has this unit now; {commit.epoch} is older.", role="sink")
            _land(found, target, rows)
            found.records[target.generation, slice_.seq] = commit
        if self._fail_after_write is not None:
            raise failure(self._fail_after_write, "The test sink was told to fail after writing.")
        return _applied(target, commit, adopted=False)

    def complete(self, target: Target, policy: Policy) -> str:
        with _lock:
            found = place(target.unit, self._store)
            if target.disposition == "replace" and (
                target.generation in found.hidden or not _has_records(found, target)
            ):
                found.rows = found.hidden.pop(target.generation, [])
        return f"memory:{target.unit}"

    def close(self) -> None:
        """Nothing is open."""


def _land(found: Place, target: Target, rows: list[Row]) -> None:
    if target.disposition == "replace":
        found.hidden.setdefault(target.generation, []).extend(rows)
    elif target.disposition == "merge":
        merged = {tuple(row[name] for name in target.primary_key): row for row in [*found.rows, *rows]}
        found.rows = list(merged.values())
    else:
        found.rows = [*found.rows, *rows]


def _has_records(found: Place, target: Target) -> bool:
    return any(generation == target.generation for generation, _ in found.records)


def _applied(target: Target, record: CommitRecord, *, adopted: bool) -> Applied:
    return Applied(rows=record.rows, bytes=0, record=record, adopted=adopted, location=f"memory:{target.unit}")
