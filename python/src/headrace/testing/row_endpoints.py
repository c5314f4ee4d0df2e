"""Sources of tests: rows and records that stand in their parameters, and the ways in which they misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa

from headrace import errors
from headrace.endpoint import Column, DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.errors import ConfigInvalid, DataPlaneError, UnitNotFound
from headrace.protocol import GraphScope, Json, NormalizedRecord, Preview, PreviewColumn, Provenance, UnitDescriptor
from headrace.staging import Row, Slice

GATE_SECONDS = 0.005
"""How often a slow source looks whether its gate is open."""


def failure(tag: str, message: str) -> DataPlaneError:
    """The error of that tag."""
    kind = getattr(errors, tag, None)
    if not (isinstance(kind, type) and issubclass(kind, DataPlaneError)):
        raise ConfigInvalid(f"There is no error {tag!r}.")
    return kind(message)


class RowsSource:
    """Unit ``rows``. Parameters:

    ``rows``: a JSON array of objects. ``sliceRows``: rows of a slice (1000).
    ``failWith``: the tag of an error that planning raises. ``failAfterRows``: reading raises
    ``EndpointUnreachable`` after as many rows. ``gate``: reading waits before each row until this file exists.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._rows: list[dict[str, Any]] = json.loads(parameters.get("rows", "[]"))
        self._slice_rows = int(parameters.get("sliceRows", "1000"))
        self._fail_with = parameters.get("failWith")
        self._fail_after = int(parameters["failAfterRows"]) if "failAfterRows" in parameters else None
        self._gate = Path(parameters["gate"]) if "gate" in parameters else None
        self._closed = threading.Event()

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True)

    def list_units(self) -> Sequence[UnitDescriptor]:
        return [
            UnitDescriptor(
                unit_id="rows",
                kind="table",
                display_name="Rows",
                modes=["full", "incremental"],
                primary_key=list(self._key()),
                cursor_candidates=[],
                estimated_rows=len(self._rows),
            )
        ]

    def describe(self, unit_id: str) -> DatasetSchema:
        _require(unit_id, "rows")
        arrow = pa.array(self._rows).type if self._rows else pa.struct([])
        columns = tuple(Column(name=field.name, type=str(field.type), nullable=True) for field in arrow)
        return DatasetSchema(
            columns=columns, arrow=pa.schema(list(arrow)), primary_key=self._key(), estimated_rows=len(self._rows)
        )

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        for unit_id in ("rows", "other"):
            yield NormalizedRecord(
                entity_type="catalog.dataset",
                logical_id=f"test.rows/{unit_id}",
                display_name=unit_id,
                scope=GraphScope(),
                provenance=Provenance(endpoint_id="", vendor="test"),
                payload={"unitId": unit_id, "columns": list(self._rows[0]) if self._rows else []},
            )

    def preview(self, unit_id: str, limit: int) -> Preview:
        columns = [PreviewColumn(name=column.name, type=column.type) for column in self.describe(unit_id).columns]
        return Preview(columns=columns, rows=self._rows[:limit])

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        _require(unit_id, "rows")
        if self._fail_with is not None:
            raise failure(self._fail_with, "The test source was told to fail.")
        begin = 0 if checkpoint is None else int(checkpoint["next"])
        size = int(policy.get("targetSliceSize") or self._slice_rows)
        starts = list(range(begin, len(self._rows), size))
        keeps_position = policy.get("mode") == "incremental"

        def slices() -> Iterator[Slice]:
            at = checkpoint
            for number, start in enumerate(starts):
                end = min(start + size, len(self._rows))
                to = {"next": end} if keeps_position or end < len(self._rows) else None
                yield Slice(seq=next_seq + number, bounds=[start, end], from_checkpoint=at, to_checkpoint=to)
                at = to

        return Plan(slices=slices(), count=len(starts), estimated_rows=len(self._rows) - begin, strategy="by position")

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Row]:
        start, end = slice_.bounds
        for position in range(start, end):
            self._wait_at_the_gate()
            if position == self._fail_after:
                raise failure("EndpointUnreachable", f"The test source went away after {position} rows.")
            yield self._rows[position]

    def close(self) -> None:
        self._closed.set()

    def _wait_at_the_gate(self) -> None:
        while self._gate is not None and not self._gate.exists():
            if self._closed.wait(GATE_SECONDS):
                raise failure("EndpointUnreachable", "The test source was closed while it was reading.")

    def _key(self) -> tuple[str, ...]:
        return ("id",) if self._rows and "id" in self._rows[0] else ()


class RecordsSource:
    """Unit ``records``. Parameter ``records``: a JSON array of normalised records; one slice."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._records = msgspec.json.decode(parameters.get("records", "[]"), type=list[NormalizedRecord])

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=False, semantic=True)

    def list_units(self) -> Sequence[UnitDescriptor]:
        return [
            UnitDescriptor(
                unit_id="records",
                kind="records",
                display_name="Records",
                modes=["full"],
                primary_key=["logicalId"],
                cursor_candidates=[],
                estimated_rows=len(self._records),
            )
        ]

    def describe(self, unit_id: str) -> DatasetSchema:
        _require(unit_id, "records")
        return DatasetSchema(columns=(), arrow=pa.schema([]), primary_key=("logicalId",))

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        return iter(())

    def preview(self, unit_id: str, limit: int) -> Preview:
        _require(unit_id, "records")
        rows = [cast("dict[str, Json]", msgspec.to_builtins(record)) for record in self._records[:limit]]
        return Preview(columns=[PreviewColumn(name="entityType", type="text")], rows=rows)

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        _require(unit_id, "records")
        whole = Slice(seq=next_seq, bounds=None, from_checkpoint=checkpoint, to_checkpoint=None)
        return Plan(slices=iter([whole]), count=1, estimated_rows=len(self._records), strategy="everything at once")

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[NormalizedRecord]:
        return iter(self._records)

    def close(self) -> None:
        """Nothing is open."""


def _require(unit_id: str, only: str) -> None:
    if unit_id != only:
        raise UnitNotFound(f"There is no unit {unit_id!r}. The source has: {only}.", role="source")
