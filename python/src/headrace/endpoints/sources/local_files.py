"""Files of a folder as a source: CSV, JSON lines, Parquet, Arrow; whole, or what was added, as exact Arrow.

What reading means is ``files_reading``. Of a folder, ``local_files_units`` says
what a unit is made of, ``local_files_plan`` which of its parts are new.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.endpoint import DEFAULT_PARALLEL_SLICES, DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.endpoints.sources.files_dataset import Keeper
from headrace.endpoints.sources.files_names import Named
from headrace.endpoints.sources.files_parts import OpenPart
from headrace.endpoints.sources.files_plan import slices
from headrace.endpoints.sources.files_policy import ReadPolicy
from headrace.endpoints.sources.files_reading import FilesReading, refuse_other_mode
from headrace.endpoints.sources.local_files_committed import reading
from headrace.endpoints.sources.local_files_open import open_listed, open_part, plain_identity, waits_for_its_end
from headrace.endpoints.sources.local_files_plan import Planning, found
from headrace.endpoints.sources.local_files_position import from_json
from headrace.endpoints.sources.local_files_units import Unit, find, kept_at, names_below, units, unmatched
from headrace.endpoints.systems.files_options import FileFormat
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.errors import UnitNotFound
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import Slice


class LocalFilesSource:
    """``LocalFilesSource(parameters)`` parses and touches no file."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._config = LocalFilesConfig.parse(parameters)
        self._reading = FilesReading(_Folder(self._config))

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(
            full=True, incremental=True, native_formats=("parquet",), parallel_reads=DEFAULT_PARALLEL_SLICES
        )

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
        return os.path.realpath(kept_at(self._config, unit_id)) in places

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        return self._reading.read(unit_id, slice_, policy)

    def close(self) -> None:
        """A read in progress in another thread ends at its next batch, and closes its own file."""
        self._reading.close()


class _Folder:
    """The ``Place`` of a folder, or of one file."""

    def __init__(self, config: LocalFilesConfig) -> None:
        self._config = config
        self.keeper = Keeper("file", str(config.base_path), "Local")
        self.column_types = config.column_types

    def units(self) -> Sequence[Named]:
        return units(self._config)

    def find(self, unit_id: str) -> Unit:
        return find(self._config, unit_id)

    def unmatched(self, unit_id: str) -> UnitNotFound:
        return unmatched(self._config, unit_id)

    def names(self) -> Iterator[str]:
        return names_below(self._config)

    def open(self, format_: FileFormat, path: tuple[str, ...], row_bytes: int) -> OpenPart:
        return open_part(self._config, format_, path, row_bytes)

    def slices(self, unit: Unit, checkpoint: Json, asked: ReadPolicy, next_seq: int) -> Iterator[Slice]:
        position = from_json(checkpoint, unit)
        if position is not None:
            refuse_other_mode(position.phase, asked, unit.unit_id)
        planning = Planning(
            unit=unit,
            open=lambda part: open_listed(self._config, unit, part, asked.row_bytes),
            plain_identity=lambda part, upto: plain_identity(self._config, unit, part, upto),
            policy=asked,
            position=position,
        )
        return slices(found(planning), format_=unit.format, policy=asked, checkpoint=checkpoint, next_seq=next_seq)

    def delivery(self, unit: Unit, asked: ReadPolicy) -> dict[str, Json]:
        if unit.kind == "slices":
            said: dict[str, Json] = {"source": reading(self._config.base_path, unit.folder)}
        elif not asked.is_incremental:
            return {}
        elif unit.kind == "file":
            said = {"source": "what was appended to the file"}
        else:
            said = {"source": "what was appended to the last file, and files whose names sort after it"}
        if asked.is_incremental and unit.format == "csv" and waits_for_its_end(self._config, unit):
            said["waiting"] = "the last line has no line feed yet, and is read once it has"
        return {"deletes": "not captured", **said} if asked.is_incremental else said
