"""An Iceberg table as a sink: class A. A slice is one snapshot; rows, record and fence are one change of metadata.

Data files are written before and belong to nobody until a snapshot names them.
``iceberg_commits`` has how a change is made, ``iceberg_ledger`` what is kept of
it, and ``iceberg_target`` how a replacement stays unseen until it is whole.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import pyarrow as pa

from headrace.endpoint import Applied, DatasetSchema, HighWater, Policy, SinkCapabilities, Target
from headrace.endpoints.sinks.iceberg_commits import Change, Tables
from headrace.endpoints.sinks.iceberg_files import COMPRESSION, Files
from headrace.endpoints.sinks.iceberg_judging import Judge, schema_of_table
from headrace.endpoints.sinks.iceberg_keys import keys_of
from headrace.endpoints.sinks.iceberg_landing import Landing, already_there
from headrace.endpoints.sinks.iceberg_ledger import Standing
from headrace.endpoints.sinks.iceberg_target import FENCE_TABLE, Place, Prepared
from headrace.endpoints.systems.iceberg_catalog import table_name
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.errors import Bug, ConfigInvalid, SchemaChanged
from headrace.footers import footer
from headrace.protocol import CommitRecord
from headrace.refusals import RefusedRow
from headrace.staging import RecordReader, Slice


class IcebergSink:
    """``IcebergSink(parameters)`` parses; the first call opens the catalog."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = IcebergParameters.parse(parameters, "sink")
        self._tables = Tables(self._parameters)
        self._epochs: dict[str, int] = {}
        self._prepared: dict[str, Prepared] = {}

    def capabilities(self) -> SinkCapabilities:
        return SinkCapabilities(
            delivery="A",
            dispositions=("replace", "append", "merge"),
            native_formats=("parquet",),
            native_options={"parquet": {"compression": COMPRESSION}},
            tombstones=("merge",),
        )

    def high_water(self, target: Target, epoch: int) -> HighWater | None:
        place = self._place(target)
        self._epochs[target.unit] = epoch
        if place.find() is None:
            place.fence_off(epoch)
            return None

        def fence(change: Change) -> HighWater | None:
            change.install_fence(epoch)
            change.standing.refuse_lost(str(place.name), target)
            return change.standing.high_water(target)

        return self._tables.change(place.name, target.unit, fence)

    def prepare(self, target: Target, schema: DatasetSchema, policy: Policy) -> None:
        _refuse_unmet(target, schema.arrow)
        place, epoch = self._place(target), self._epoch(target)
        if place.find() is None:
            place.fence_off(epoch)
            place.create(schema.arrow)
        is_frozen = policy.get("schemaContract") == "freeze"
        self._prepared[target.unit] = place.prepare(target, schema.arrow, epoch, is_frozen=is_frozen)

    def schema_there(self, target: Target, schema: pa.Schema) -> pa.Schema | None:
        there = self._place(target).schema_there(target)
        return None if there is None else schema_of_table(there, schema)

    def refused_rows(self, target: Target, slice_: Slice, reader: RecordReader, most: int) -> Sequence[RefusedRow]:
        key = target.primary_key if target.disposition == "merge" else ()
        return Judge(self._prepared_for(target).schema, key).refused(reader, most)

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        place = self._place(target)
        table = place.find()
        if table is None:
            raise SchemaChanged(f"{place.name} was dropped during the run. Start the unit again.", role="sink")
        prepared = self._prepared_for(target)
        prepared.refuse_another(table.metadata, str(place.name))
        there = already_there(Standing.of(table, target.unit), commit, table)
        if there is not None:
            return there
        said = footer(unit=target.unit, run_id=target.run_id, generation=commit.generation, slice_seq=commit.slice_seq)
        return Landing(place, target, commit, reader, prepared, Files(table, prepared.schema, said)).land()

    def complete(self, target: Target, policy: Policy) -> str:
        return self._place(target).show(target, self._epoch(target), self._prepared.get(target.unit))

    def existing_keys(self, target: Target) -> Generator[pa.RecordBatch]:
        place = self._place(target)
        table = place.find()
        if table is not None:
            Standing.of(table, target.unit).require_own(str(place.name))
            yield from keys_of(table, target.primary_key)

    def close(self) -> None:
        self._tables.close()

    def _place(self, target: Target) -> Place:
        name = table_name(target.unit_id, self._parameters.namespace, target.table)
        if name.name == FENCE_TABLE:
            raise ConfigInvalid(f"{name} is a name Headrace keeps for itself. Rename the unit.", role="sink")
        return Place(self._tables, name, target.unit)

    def _epoch(self, target: Target) -> int:
        if target.unit not in self._epochs:
            raise Bug("high_water comes before everything else a sink is asked.", role="sink")
        return self._epochs[target.unit]

    def _prepared_for(self, target: Target) -> Prepared:
        if target.unit not in self._prepared:
            raise Bug("prepare comes before write.", role="sink")
        return self._prepared[target.unit]


def _refuse_unmet(target: Target, arrow: pa.Schema) -> None:
    """A policy this sink cannot meet ends the run before a row is read."""
    if target.disposition != "merge":
        return
    missing = [name for name in target.primary_key if name not in arrow.names]
    if missing:
        raise _invalid("primaryKeys", f"The unit has no column {missing[0]}, which the policy's primaryKeys names.")
    if not target.primary_key:
        raise _invalid(
            "primaryKeys",
            "writeDisposition is merge, and nothing says which row a new version takes the place of. "
            "Set the policy's primaryKeys, or choose append.",
        )


def _invalid(field: str, message: str) -> ConfigInvalid:
    return ConfigInvalid(message, role="sink", details={"field": field})
