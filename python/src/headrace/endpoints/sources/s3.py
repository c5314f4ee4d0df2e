"""Objects of a bucket as a source: CSV, JSON lines, Parquet, Arrow; whole, or those that came, as exact Arrow.

What reading means is ``files_reading``. Of a bucket, ``s3_units`` says what a unit
is made of, ``s3_plan`` which of its objects are new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.endpoints.sources.files_dataset import Keeper
from headrace.endpoints.sources.files_names import Named
from headrace.endpoints.sources.files_parts import OpenPart
from headrace.endpoints.sources.files_plan import slices
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.sources.files_reading import FilesReading, refuse_other_mode
from headrace.endpoints.sources.files_shape import opened_as
from headrace.endpoints.sources.s3_committed import reading, refuse_other_rows
from headrace.endpoints.sources.s3_object import SourceObject
from headrace.endpoints.sources.s3_parts import ObjectPart, ObjectUnit
from headrace.endpoints.sources.s3_plan import Planning, found, position_from_json
from headrace.endpoints.sources.s3_units import find, kept_at, names_below, units, unmatched
from headrace.endpoints.systems.files_options import FileFormat
from headrace.endpoints.systems.s3 import S3Config
from headrace.endpoints.systems.s3_places import places
from headrace.errors import UnitNotFound
from headrace.objects.bucket import Bucket, Found
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import Slice


class S3Source:
    """``S3Source(parameters)`` parses and touches no network."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._prefix = _Prefix(S3Config.parse(parameters))
        self._reading = FilesReading(self._prefix)

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True)

    def list_units(self) -> Sequence[UnitDescriptor]:
        return self._reading.list_units()

    def describe(self, unit_id: str) -> DatasetSchema:
        return self._reading.describe(unit_id)

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        return self._reading.collect_metadata()

    def preview(self, unit_id: str, limit: int) -> Preview:
        return self._reading.preview(unit_id, limit)

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        return self._reading.plan(unit_id, checkpoint, policy, next_seq)

    def is_kept_in(self, unit_id: str, places: frozenset[str]) -> bool:
        return not places.isdisjoint(self._prefix.places(unit_id))

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        return self._reading.read(unit_id, slice_, policy)

    def close(self) -> None:
        """A read in progress in another thread ends at its next batch."""
        self._reading.close()


class _Prefix:
    """The ``Place`` of a prefix."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._bucket = Bucket(config.address, "source")
        self.keeper = Keeper("s3", config.address.url, "S3")
        self.column_types = config.column_types

    def units(self) -> Sequence[Named]:
        return units(self._bucket, self._config.format)

    def find(self, unit_id: str) -> ObjectUnit:
        return find(self._bucket, self._config.format, unit_id)

    def unmatched(self, unit_id: str) -> UnitNotFound:
        return unmatched(self._bucket, self._config.format, unit_id)

    def names(self) -> Iterator[str]:
        return names_below(self._bucket)

    def places(self, unit_id: str) -> frozenset[str]:
        return places(self._bucket, kept_at(self._bucket, unit_id))

    def open(self, format_: FileFormat, path: tuple[str, ...], row_bytes: int) -> OpenPart:
        key = "/".join(path)
        there = self._bucket.head(key)
        if there is None:
            shown = self._bucket.address.shown(key)
            raise UnitNotFound(f"There is no {shown}.", role="source", details={"path": shown})
        return self._opened(format_, there, row_bytes)

    def slices(self, unit: ObjectUnit, checkpoint: Json, asked: ReadPolicy, next_seq: int) -> Iterator[Slice]:
        position = position_from_json(checkpoint, unit)
        if position is not None:
            refuse_other_mode(position.phase, asked, unit.unit_id)

        def open_listed(part: ObjectPart) -> OpenPart:
            opened = self._opened(unit.format, part.found, asked.row_bytes)
            if part.rows is not None:
                refuse_other_rows(self._bucket, part, opened.estimated_rows())
            return opened

        planning = Planning(unit=unit, open=open_listed, policy=asked, position=position)
        return slices(found(planning), format_=unit.format, policy=asked, checkpoint=checkpoint, next_seq=next_seq)

    def delivery(self, unit: ObjectUnit, asked: ReadPolicy) -> dict[str, Json]:
        if unit.kind == "slices":
            said: dict[str, Json] = {"source": reading(self._bucket, unit.folder)}
        elif not asked.is_incremental:
            return {}
        else:
            said = {"source": "objects that came since, in the order of the times that the server gives them"}
        return {"deletes": "not captured", **said} if asked.is_incremental else said

    def _opened(self, format_: FileFormat, there: Found, row_bytes: int) -> OpenPart:
        file = SourceObject(self._bucket, there)
        return opened_as(format_, file, self._config, row_bytes)
