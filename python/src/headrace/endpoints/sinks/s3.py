"""A bucket of Parquet files as a sink: class B where the server keeps conditions on a write, else C.

Each unit has a prefix below ``base_prefix``; ``systems.s3_layout`` draws it.
What a run does with it is ``files_writing``, the prefix itself ``s3_slots``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.files_writing import SlotWriting, refuse_other_formats
from headrace.endpoints.sinks.s3_reading import LATEST_RULE, READING_RULE
from headrace.endpoints.sinks.s3_slots import UnitObjects
from headrace.endpoints.systems.files_layout import path_segment
from headrace.endpoints.systems.files_options import Compression
from headrace.endpoints.systems.s3 import S3Config
from headrace.endpoints.systems.s3_places import places
from headrace.errors import DataPlaneError
from headrace.objects.bucket import Bucket
from headrace.objects.probe import keeps_conditions
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow
from headrace.staging import RecordReader, Slice


class S3Sink:
    """``S3Sink(parameters)`` parses and touches no network."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._config = S3Config.parse(parameters)
        refuse_other_formats(self._config.format)
        self.compression: Compression = self._config.compression
        self._bucket = Bucket(self._config.address, "sink")
        self._keeps_conditions: bool | None = None
        self._writing = SlotWriting(self)

    def log(self, target: Target) -> UnitObjects:
        bucket = self._bucket if self._takes_slots_once() else self._bucket.without_conditions()
        return UnitObjects(bucket, target.unit, target.unit_id)

    def capabilities(self) -> SinkCapabilities:
        """Class B where a slot can be taken only once, which is tried out; else C."""
        return SinkCapabilities(
            delivery="B" if self._may_be_taken_once() else "C",
            dispositions=("replace", "append", "merge"),
            native_formats=("parquet",),
            native_options={"parquet": {"compression": self.compression}},
            reading={"replace": READING_RULE, "append": READING_RULE, "merge": LATEST_RULE},
            tombstones=("merge",),
        )

    def places(self, target: Target) -> frozenset[str]:
        return places(self._bucket, path_segment(target.unit_id))

    def elsewhere(self, target: Target) -> str:
        shown = self._config.address.shown(path_segment(target.unit_id))
        return f"prefix, {shown}, and nothing is loaded into itself. Give the sink another bucket or base_prefix."

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        return self._writing.high_water(target, epoch)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        self._writing.prepare(target, schema, policy)

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        return self._writing.schema_there(target, schema)

    def refused_rows(self, target: Target, slice_: Slice, reader: RecordReader, most: int) -> Sequence[RefusedRow]:
        return self._writing.refused_rows(target, reader, most)

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        return self._writing.write(target, reader, commit)

    def complete(self, target: Target, policy: Policy) -> str:
        return self._writing.complete(target)

    def close(self) -> None:
        self._writing.close()

    def _takes_slots_once(self) -> bool:
        if self._keeps_conditions is None:
            self._keeps_conditions = keeps_conditions(self._bucket)
        return self._keeps_conditions

    def _may_be_taken_once(self) -> bool:
        """A place that refuses us altogether says so itself when it is written to."""
        try:
            return self._takes_slots_once()
        except DataPlaneError:
            return True
