"""Files of a folder as a source: CSV, JSON lines, Parquet, Arrow; whole, or what was added, as exact Arrow.

The order to read: ``find`` says what a unit is made of (``local_files_units``),
``plan`` cuts its parts into slices (``local_files_plan``), ``read`` opens the
part of a slice again and makes sure that it is still what was planned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.datasets import dataset_records
from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.endpoints.sources.local_files_committed import reading
from headrace.endpoints.sources.local_files_dataset import dataset_of, unit_descriptor
from headrace.endpoints.sources.local_files_open import (
    estimated_rows,
    open_listed,
    open_part,
    shape,
    waits_for_its_end,
)
from headrace.endpoints.sources.local_files_parts import Cut, OpenPart, cut_from_json
from headrace.endpoints.sources.local_files_plan import Planning, slices
from headrace.endpoints.sources.local_files_policy import ReadPolicy
from headrace.endpoints.sources.local_files_position import Position, from_json
from headrace.endpoints.sources.local_files_typed import refuse_unknown_types
from headrace.endpoints.sources.local_files_units import Named, Unit, find, units, unmatched
from headrace.endpoints.sources.local_files_unlisted import refuse_unlisted
from headrace.endpoints.systems.files_options import FileFormat
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.errors import DataPlaneError, EndpointUnreachable, SourceReplaced, UnitNotFound
from headrace.previews import preview_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.source_policy import invalid
from headrace.staging import Slice
from headrace.suggestions import did_you_mean

_MOST_ESTIMATES = 1000
"""Of more units than this nobody wants to wait for the number of rows."""


class LocalFilesSource:
    """``LocalFilesSource(parameters)`` parses and touches no file."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._config = LocalFilesConfig.parse(parameters)
        self._kept: tuple[tuple[str, ...], OpenPart] | None = None
        self._closing = threading.Event()

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True)

    def list_units(self) -> Sequence[UnitDescriptor]:
        found = units(self._config)
        if not found:
            refuse_unlisted(self._config.base_path)
        is_few = len(found) <= _MOST_ESTIMATES
        return [unit_descriptor(unit, self._estimate(unit) if is_few else None) for unit in found]

    def describe(self, unit_id: str) -> DatasetSchema:
        unit = find(self._config, unit_id)
        found = shape(self._config, unit)
        return DatasetSchema(
            columns=found.columns,
            arrow=found.arrow,
            primary_key=(),
            estimated_rows=estimated_rows(self._config, unit),
        )

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        """A unit that cannot be opened is a dataset too, whose payload says what the problem is."""
        for unit in units(self._config):
            columns, rows, problem = (), None, None
            try:
                schema = self.describe(unit.unit_id)
                columns, rows = schema.columns, schema.estimated_rows
            except DataPlaneError as error:
                problem = error.message
            yield from dataset_records(dataset_of(self._config.base_path, unit, columns, rows, problem))

    def preview(self, unit_id: str, limit: int) -> Preview:
        unit = find(self._config, unit_id)
        if unit.kind == "files" and not unit.parts:
            raise unmatched(self._config, unit_id)
        columns = {column.name: column.type for column in self.describe(unit_id).columns}
        return preview_of(columns, self._first_rows(unit_id, limit) if limit > 0 else ())

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        asked = ReadPolicy.parse(policy)
        unit = find(self._config, unit_id)
        if unit.kind == "files" and not unit.parts and not asked.is_incremental:
            raise unmatched(self._config, unit_id)
        self._refuse_unreadable(unit, asked)
        refuse_unknown_types(self._config, unit)
        planning = Planning(
            unit=unit,
            open=lambda part: open_listed(self._config, unit, part, asked.row_bytes),
            policy=asked,
            position=_position(from_json(checkpoint, unit), asked, unit),
            checkpoint=checkpoint,
            next_seq=next_seq,
        )
        estimate = None if asked.is_incremental else estimated_rows(self._config, unit)
        return Plan(
            slices=slices(planning),
            count=None,
            estimated_rows=estimate if asked.limit is None or estimate is None else min(asked.limit, estimate),
            strategy="byte ranges" if unit.format in ("csv", "jsonl") else "row ranges",
            delivery=self._delivery(unit, asked),
        )

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        asked, closing = ReadPolicy.parse(policy), self._closing
        if slice_.bounds is None:
            return
        part, cut = self._planned_part(slice_.bounds, asked)
        try:
            for batch in part.read(cut, asked.columns, asked.batch_bytes):
                if closing.is_set():
                    raise EndpointUnreachable(f"The source was closed while {unit_id} was read.", role="source")
                yield batch
        except BaseException:
            part.close()
            raise
        self._keep((tuple(slice_.bounds["path"]), part))

    def close(self) -> None:
        """A read in progress in another thread ends at its next batch, and closes its own file."""
        self._closing.set()
        self._closing = threading.Event()
        self._keep(None)

    def _keep(self, part: tuple[tuple[str, ...], OpenPart] | None) -> None:
        """Leave a part open for the next slice, instead of the one that was."""
        before, self._kept = self._kept, part
        if before is not None:
            before[1].close()

    def _planned_part(self, bounds: Any, asked: ReadPolicy) -> tuple[OpenPart, Cut]:
        """The part of a slice: the one that the slice before left open, or opened anew; never another file."""
        path, cut = tuple(bounds["path"]), cut_from_json(bounds["cut"])
        part = self._opened(path, bounds["format"], asked)
        try:
            identity = part.identity(cut.end)
        except BaseException:
            part.close()
            raise
        if identity != bounds["identity"]:
            part.close()
            raise _gone("/".join(path), "was replaced or changed")
        return part, cut

    def _opened(self, path: tuple[str, ...], format_: FileFormat, asked: ReadPolicy) -> OpenPart:
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] == path:
            return kept[1]
        if kept is not None:
            kept[1].close()
        try:
            return open_part(self._config, format_, path, asked.row_bytes)
        except UnitNotFound as error:
            raise _gone("/".join(path), "is gone") from error

    def _first_rows(self, unit_id: str, limit: int) -> Iterator[Any]:
        policy: Policy = {"mode": "full", "limit": limit, "targetSliceSize": limit}
        for slice_ in self.plan(unit_id, None, policy).slices:
            yield from self.read(unit_id, slice_, policy)

    def _estimate(self, unit: Named) -> int | None:
        """None for a unit that cannot be opened: reading it will say why."""
        try:
            return estimated_rows(self._config, find(self._config, unit.unit_id))
        except DataPlaneError:
            return None

    def _refuse_unreadable(self, unit: Unit, asked: ReadPolicy) -> None:
        if asked.is_incremental and not unit.can_grow:
            folder = "/".join((*unit.folder, f"*.{unit.format}"))
            raise invalid(
                "mode",
                f"{unit.unit_id} is a file that is written once, so there is never anything new in it. Choose mode "
                f"full; or read the files of its folder that arrive one after the other, as unit {folder}.",
            )
        if asked.columns is not None and unit.parts:
            known = [column.name for column in shape(self._config, unit).columns]
            may_come = list(self._config.column_types) if unit.format == "jsonl" else []
            for name in asked.columns:
                if name not in known and name not in may_come:
                    hint = did_you_mean(name, known)
                    later = " If it comes later, say its type in column_types." if unit.format == "jsonl" else ""
                    raise invalid("columns", f"{unit.unit_id} shows no column {name}.{hint}{later}")

    def _delivery(self, unit: Unit, asked: ReadPolicy) -> dict[str, Json]:
        """What of the files counts as read, and what waits."""
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


def _position(position: Position | None, asked: ReadPolicy, unit: Unit) -> Position | None:
    """A read goes on only from one of its own mode: anything else would bring rows again, or leave some out."""
    if position is None or position.phase == ("follow" if asked.is_incremental else "load"):
        return position
    was, now = ("A full read", "incremental") if asked.is_incremental else ("An incremental read", "full")
    raise invalid(
        "mode", f"{was} of {unit.unit_id} did not end well, and mode is {now} now. Finish it first, or reset the unit."
    )


def _gone(path: str, what: str) -> SourceReplaced:
    return SourceReplaced(
        f"{path} {what} while it was read. Start again; if it says so again, reset the unit.",
        role="source",
        details={"path": path},
    )
