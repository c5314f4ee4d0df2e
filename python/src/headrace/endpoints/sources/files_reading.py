"""How a source of files reads, wherever they lie; the place says what there is, what is new, and opens it.

The order to read: ``find`` says what a unit is made of, ``slices`` cuts its parts
into slices, ``read`` opens the part of a slice again and makes sure that it is
still what was planned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from headrace.datasets import dataset_records
from headrace.endpoint import DatasetSchema, Plan, Policy
from headrace.endpoints.sources.files_compressed import compression_of, without_compression
from headrace.endpoints.sources.files_dataset import Keeper, dataset_of, unit_descriptor
from headrace.endpoints.sources.files_kept import KeptParts
from headrace.endpoints.sources.files_names import TEXT, Named, table_name
from headrace.endpoints.sources.files_native import parquet_file
from headrace.endpoints.sources.files_parts import Cut, OpenPart, cut_from_json
from headrace.endpoints.sources.files_policy import DEFAULT_ROW_BYTES, ReadPolicy
from headrace.endpoints.sources.files_shape import Opener, PartLike, UnitLike, estimated_rows, shape
from headrace.endpoints.sources.files_typed import refuse_unknown_types
from headrace.endpoints.sources.files_unlisted import refuse_unlisted
from headrace.endpoints.systems.files_options import FileFormat
from headrace.errors import DataPlaneError, EndpointUnreachable, SourceReplaced, UnitNotFound
from headrace.previews import preview_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.source_policy import invalid
from headrace.staging import Slice
from headrace.suggestions import did_you_mean

_MOST_ESTIMATES = 1000
"""Of more units than this nobody wants to wait for the number of rows."""

MANY_COLUMNS = 1000
"""Of CSV with more than these one slice is read at a time: each column takes tens of KiB while it is."""

_Unit = TypeVar("_Unit", bound=UnitLike[PartLike])


class Place(Protocol[_Unit]):
    """Where a source's units lie."""

    @property
    def keeper(self) -> Keeper: ...
    @property
    def column_types(self) -> Mapping[str, str]: ...

    def units(self) -> Sequence[Named]: ...

    def find(self, unit_id: str) -> _Unit:
        """The unit with its parts. Raises ``UnitNotFound``, naming near ones."""
        ...

    def unmatched(self, unit_id: str) -> UnitNotFound:
        """Of a pattern that means no file, and never meant one as far as anybody knows."""
        ...

    def names(self) -> Iterator[str]:
        """Of every file that is not hidden, whatever it holds."""
        ...

    def open(self, format_: FileFormat, path: tuple[str, ...], row_bytes: int) -> OpenPart:
        """Raises ``UnitNotFound`` when it is not there, ``ConfigInvalid`` when it holds something else."""
        ...

    def slices(self, unit: _Unit, checkpoint: Json, asked: ReadPolicy, next_seq: int) -> Iterator[Slice]:
        """What is new since ``checkpoint``. A checkpoint that cannot be gone on from is refused by the call itself."""
        ...

    def delivery(self, unit: _Unit, asked: ReadPolicy) -> dict[str, Json]:
        """What of the files counts as read, and what waits."""
        ...


class FilesReading(Generic[_Unit]):
    def __init__(self, place: Place[_Unit]) -> None:
        self._place = place
        self._kept = KeptParts()
        self._closing = threading.Event()
        self._turn = threading.Lock()

    def list_units(self) -> Sequence[UnitDescriptor]:
        found = self._place.units()
        if not found:
            refuse_unlisted(self._place.keeper.base, self._place.names())
        is_few = len(found) <= _MOST_ESTIMATES
        return [unit_descriptor(unit, self._estimate(unit) if is_few else None) for unit in found]

    def describe(self, unit_id: str) -> DatasetSchema:
        unit = self._place.find(unit_id)
        found = shape(unit, self._opener(unit))
        return DatasetSchema(
            columns=found.columns,
            arrow=found.arrow,
            primary_key=(),
            estimated_rows=estimated_rows(unit, self._opener(unit)),
            table=table_name(unit.kind, unit.unit_id),
        )

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        """A unit that cannot be opened is a dataset too, whose payload says what the problem is."""
        for unit in self._place.units():
            columns, rows, problem = (), None, None
            try:
                schema = self.describe(unit.unit_id)
                columns, rows = schema.columns, schema.estimated_rows
            except DataPlaneError as error:
                problem = error.message
            yield from dataset_records(dataset_of(self._place.keeper, unit, columns, rows, problem))

    def preview(self, unit_id: str, limit: int) -> Preview:
        self._refuse_unmatched(self._place.find(unit_id))
        columns = {column.name: column.type for column in self.describe(unit_id).columns}
        return preview_of(columns, self._first_rows(unit_id, limit) if limit > 0 else ())

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int) -> Plan:
        asked = ReadPolicy.parse(policy)
        unit = self._place.find(unit_id)
        if not asked.is_incremental:
            self._refuse_unmatched(unit)
        self._refuse_unreadable(unit, asked)
        refuse_unknown_types(unit, self._place.column_types, self._place.units, self._columns_of)
        slices = self._place.slices(unit, checkpoint, asked, next_seq)
        estimate = None if asked.is_incremental else estimated_rows(unit, self._opener(unit))
        return Plan(
            slices=slices,
            count=None,
            estimated_rows=estimate if asked.limit is None or estimate is None else min(asked.limit, estimate),
            strategy="byte ranges" if unit.format in TEXT else "row ranges",
            delivery=self._place.delivery(unit, asked),
            parallel_reads=_parallel_reads(unit),
        )

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        asked, closing = ReadPolicy.parse(policy), self._closing
        if slice_.bounds is None:
            return
        part, cut = self._planned_part(slice_.bounds, asked)
        try:
            is_csv = slice_.bounds["format"] == "csv"
            batches = partial(_batches, part, cut, asked, closing, unit_id)
            with self._turn if is_csv and len(part.shape().columns) > MANY_COLUMNS else nullcontext():
                file = None
                if is_csv and asked.native_file is not None and asked.most_set_aside is None:
                    file = parquet_file(batches(), asked.native_file)
                yield from batches() if file is None else (file,)
        except BaseException:
            part.close()
            raise
        self._kept.keep(tuple(slice_.bounds["path"]), part, closing)

    def close(self) -> None:
        """Reads in progress in other threads end at their next batch, and close their own files."""
        self._closing.set()
        self._closing = threading.Event()
        self._kept.close()

    def _opener(self, unit: _Unit) -> Opener:
        return lambda path: self._place.open(unit.format, path, DEFAULT_ROW_BYTES)

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
        kept = self._kept.take(path)
        if kept is not None:
            return kept
        try:
            return self._place.open(format_, path, asked.row_bytes)
        except UnitNotFound as error:
            raise _gone("/".join(path), "is gone") from error

    def _first_rows(self, unit_id: str, limit: int) -> Iterator[Any]:
        policy: Policy = {"mode": "full", "limit": limit, "targetSliceSize": limit}
        for slice_ in self.plan(unit_id, None, policy, 0).slices:
            yield from self.read(unit_id, slice_, policy)

    def _estimate(self, named: Named) -> int | None:
        """None for a unit that cannot be opened: reading it will say why."""
        try:
            unit = self._place.find(named.unit_id)
            return estimated_rows(unit, self._opener(unit))
        except DataPlaneError:
            return None

    def _columns_of(self, unit_id: str) -> set[str]:
        unit = self._place.find(unit_id)
        return {column.name for column in shape(unit, self._opener(unit)).columns}

    def _refuse_unmatched(self, unit: _Unit) -> None:
        if unit.kind == "files" and not unit.parts:
            raise self._place.unmatched(unit.unit_id)

    def _refuse_unreadable(self, unit: _Unit, asked: ReadPolicy) -> None:
        if asked.is_incremental and not unit.can_grow:
            ending = unit.unit_id[len(without_compression(unit.unit_id)) :]
            folder = "/".join((*unit.unit_id.split("/")[:-1], f"*.{unit.format}{ending}"))
            raise invalid(
                "mode",
                f"{unit.unit_id} is a file that is written once, so there is never anything new in it. Choose mode "
                f"full; or read the files of its folder that arrive one after the other, as unit {folder}.",
            )
        if asked.columns is not None and unit.parts:
            shown = shape(unit, self._opener(unit))
            known = [column.name for column in shown.columns]
            may_come = {*shown.left_out, *(self._place.column_types if unit.format == "jsonl" else ())}
            for name in asked.columns:
                if name not in known and name not in may_come:
                    hint = did_you_mean(name, known)
                    later = " If it comes later, say its type in column_types." if unit.format == "jsonl" else ""
                    raise invalid("columns", f"{unit.unit_id} shows no column {name}.{hint}{later}")


def _batches(part: OpenPart, cut: Cut, asked: ReadPolicy, closing: threading.Event, unit_id: str) -> Iterator[Any]:
    for batch in part.read(cut, asked.columns, asked.batch_bytes, asked.most_set_aside):
        if closing.is_set():
            raise EndpointUnreachable(f"The source was closed while {unit_id} was read.", role="source")
        yield batch


def _parallel_reads(unit: UnitLike[PartLike]) -> int | None:
    """Text that is decompressed, and columns that are decoded, are best gone on with where the slice before ended."""
    names = [unit.unit_id, *(part.path[-1] for part in unit.parts if part.path)]
    is_compressed = any(compression_of(name) is not None for name in names)
    return None if unit.format == "csv" and not is_compressed else 1


def refuse_other_mode(phase: str, asked: ReadPolicy, unit_id: str) -> None:
    """A read goes on only from one of its own mode: anything else would bring rows again, or leave some out."""
    if phase == ("follow" if asked.is_incremental else "load"):
        return
    was, now = ("A full read", "incremental") if asked.is_incremental else ("An incremental read", "full")
    raise invalid(
        "mode", f"{was} of {unit_id} did not end well, and mode is {now} now. Finish it first, or reset the unit."
    )


def _gone(path: str, what: str) -> SourceReplaced:
    return SourceReplaced(
        f"{path} {what} while it was read. Start again; if it says so again, reset the unit.",
        role="source",
        details={"path": path},
    )
