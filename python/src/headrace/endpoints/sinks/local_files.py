"""A directory of Parquet files as a sink: class B, one slot a slice, taken by one rename, partitioned or not.

Each unit has a directory below ``base_path``; ``systems.files_layout`` draws it.
What a run does with it is ``files_writing``, the directory itself ``local_files_slots``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.files_partitions import refuse_unfit_partitions, refuse_unplaceable
from headrace.endpoints.sinks.files_writing import SlotWriting, refuse_other_formats
from headrace.endpoints.sinks.local_files_latest import READING_RULE
from headrace.endpoints.sinks.local_files_slots import UnitDirectory
from headrace.endpoints.systems.files_options import Compression
from headrace.endpoints.systems.files_partitions import invalid, partitioned_by
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.endpoints.systems.local_files_slot import can_take_slots_once
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow
from headrace.staging import RecordReader, Slice


class LocalFilesSink:
    """``LocalFilesSink(parameters)`` parses and touches no file."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._config = LocalFilesConfig.parse(parameters)
        refuse_other_formats(self._config.format)
        self.compression: Compression = self._config.compression
        self._partition_by = self._config.partition_by
        self._writing = SlotWriting(self)

    def log(self, target: Target) -> UnitDirectory:
        return UnitDirectory(self._config.base_path, target.unit, target.unit_id, self._partition_by)

    def capabilities(self) -> SinkCapabilities:
        """Class B where a slot can be taken only once, which is tried out; else C."""
        return SinkCapabilities(
            delivery="B" if _takes_slots_once(self._config.base_path) else "C",
            dispositions=("replace", "append") if self._partition_by else ("replace", "append", "merge"),
            native_formats=() if self._partition_by else ("parquet",),  # a staged file is of one partition by chance
            native_options={"parquet": {"compression": self._config.compression}},
            reading={"merge": READING_RULE},
            tombstones=("merge",),
        )

    def places(self, target: Target) -> frozenset[str]:
        path = self.log(target).path
        return frozenset({os.path.realpath(path)} if os.path.lexists(path) else ())

    def elsewhere(self, target: Target) -> str:
        path = self.log(target).path
        what = "folder" if path.is_dir() else "file"
        return f"{what}, {path}, and nothing is loaded into itself. Give the sink another folder as base_path."

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        return self._writing.high_water(target, epoch)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        refuse_unfit_partitions(self._partition_by, target, schema.arrow)
        _refuse_other_partitions(self.log(target), target)
        self._writing.prepare(target, schema, policy)

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        return self._writing.schema_there(target, schema)

    def refused_rows(self, target: Target, slice_: Slice, reader: RecordReader, most: int) -> Sequence[RefusedRow]:
        return self._writing.refused_rows(
            target, reader, most, lambda batch: refuse_unplaceable(self._partition_by, batch)
        )

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        return self._writing.write(target, reader, commit)

    def complete(self, target: Target, policy: Policy) -> str:
        return self._writing.complete(target)

    def close(self) -> None:
        self._writing.close()


@functools.cache
def _takes_slots_once(base: Path) -> bool:
    """Tried once a process. A place that refuses us altogether says so itself when it is written to."""
    nearest = next((path for path in (base, *base.parents) if path.is_dir()), Path("/"))
    try:
        return can_take_slots_once(nearest)
    except OSError:
        return True


def _refuse_other_partitions(log: UnitDirectory, target: Target) -> None:
    """Readers take all files of a unit for partitioned alike. Raises ``ConfigInvalid`` when those there are not."""
    generations = [target.generation] if target.disposition == "replace" else log.generations()
    slots = [(each, seq) for each in reversed(generations) for seq in reversed(log.slots(each))]
    name = next((name for each, seq in slots if (name := log.newest_name(each, seq)) is not None), None)
    if name is None or not log.is_claimed() or (there := partitioned_by(name)) == log.partition_by:
        return
    was, now = (", ".join(names) or "nothing" for names in (there, log.partition_by))
    raise invalid(
        f"The files in {log.shown} are partitioned by {was}, and partition_by says {now}. Set it back; or "
        f"{log.advice} and reset the unit."
    )
