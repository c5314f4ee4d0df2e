"""PostgreSQL as a source: tables and views, whole or what is new, as Arrow that loses nothing.

The order to read: ``plan`` takes one snapshot and divides it (``postgres_plan``),
``read`` streams a slice under that snapshot (``postgres_snapshot``) with every
column planned from the catalogue (``systems.postgres_types``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.endpoints.sources.postgres_cursor import bound_of, cursor_column, refuse_rewound
from headrace.endpoints.sources.postgres_dataset import dataset_records, dataset_schema, unit_descriptor
from headrace.endpoints.sources.postgres_horizon import horizon
from headrace.endpoints.sources.postgres_plan import Planning, plan_increment, plan_load
from headrace.endpoints.sources.postgres_policy import ReadPolicy, invalid
from headrace.endpoints.sources.postgres_position import (
    CursorPosition,
    Identity,
    LoadPosition,
    Position,
    from_json,
)
from headrace.endpoints.sources.postgres_ranges import CursorRange, KeyRange, Order, PageRange, condition, ordering
from headrace.endpoints.sources.postgres_ranges import from_json as range_from_json
from headrace.endpoints.sources.postgres_resuming import first_bound, pages_are_gone, refuse_misfit
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.systems.postgres_catalog import Relation, identity, relation, relations
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_session import quote_qualified
from headrace.endpoints.systems.postgres_types import Reading, exact_batch, reading, schema_of
from headrace.errors import ConfigInvalid
from headrace.previews import preview_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import DEFAULT_BATCH_BYTES, Slice
from headrace.suggestions import did_you_mean


class PostgresSource:
    """``PostgresSource(parameters)`` parses; the first call that needs the server connects."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = PostgresParameters.parse(parameters, "source")
        self._snapshot: Snapshot | None = None
        self._relations: dict[str, Relation] = {}

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True)

    def list_units(self) -> Sequence[UnitDescriptor]:
        return [unit_descriptor(found) for found in self._known_relations()]

    def describe(self, unit_id: str) -> DatasetSchema:
        return dataset_schema(self._relation(unit_id))

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        for found in self._known_relations():
            yield from dataset_records(found, self._parameters)

    def preview(self, unit_id: str, limit: int) -> Preview:
        found = self._relation(unit_id)
        readings = tuple(reading(column) for column in found.columns)
        statement = f"{_select(found, readings)} limit {max(0, limit)}"
        columns = {planned.name: planned.shown for planned in readings}
        return preview_of(columns, self._arrow(statement, readings, unit_id, DEFAULT_BATCH_BYTES))

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        asked = ReadPolicy.parse(policy)
        snapshot = self._fresh_snapshot()
        found = self._relation(unit_id)
        columns = tuple(planned.name for planned in _readings(found, asked))
        known = Identity(system=snapshot.with_lead(identity, where=unit_id), table=found.oid)
        position = from_json(checkpoint, known, unit_id)
        cursor = None if asked.cursor_field is None else cursor_column(found, asked)
        order = Order.of(found, asked.cursor_field)
        refuse_misfit(position, order, asked)
        planning = Planning(
            snapshot=snapshot, order=order, policy=asked, identity=known, checkpoint=checkpoint, next_seq=next_seq,
            columns=columns,
        )  # fmt: skip
        if cursor is None:
            snapshot.freeze(where=unit_id)
            return plan_load(planning, position if isinstance(position, LoadPosition) else None, None)
        limit = horizon(snapshot, found, cursor)
        if limit.held_by is not None:
            return _held(position, limit.held_by, limit.delivery, unit_id)
        snapshot.freeze(where=unit_id)
        bound = bound_of(snapshot, order, asked, limit)
        match position:
            case CursorPosition():
                refuse_rewound(snapshot, order, position, bound)
                return plan_increment(planning, position, bound)
            case LoadPosition(then=CursorPosition() as then):
                return plan_load(planning, position, first_bound(bound, then))
            case _:
                return plan_load(planning, None, bound)

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        asked = ReadPolicy.parse(policy)
        bounds = range_from_json(slice_.bounds)
        found = self._relation(unit_id)
        if isinstance(bounds, PageRange) and (self._snapshot is None or bounds.snapshot != self._snapshot.id):
            raise pages_are_gone(unit_id)
        field = bounds.field if isinstance(bounds, CursorRange) else None
        if isinstance(bounds, KeyRange) and bounds.until is not None:
            field = bounds.until.field
        order = Order.of(found, field)
        readings = _readings(found, asked)
        where, by = condition(bounds, order), ordering(bounds, order)
        statement = _select(found, readings) + (f" where {where}" if where else "") + (f" order by {by}" if by else "")
        if asked.limit is not None:
            statement += f" limit {asked.limit}"
        yield from self._arrow(statement, readings, unit_id, asked.batch_bytes)

    def close(self) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.close()

    def _arrow(self, statement: str, readings: tuple[Reading, ...], unit_id: str, batch_bytes: int) -> Iterator[Any]:
        schema = schema_of(readings)
        for batch in self._open_snapshot().batches(statement, batch_bytes, where=unit_id):
            yield exact_batch(batch, readings, schema, unit_id)

    def _known_relations(self) -> tuple[Relation, ...]:
        schemas = self._parameters.schemas
        return self._open_snapshot().with_lead(lambda lead: relations(lead, schemas), where=self._parameters.place)

    def _relation(self, unit_id: str) -> Relation:
        """Looked up once a snapshot: a plan and its slices see one shape."""
        if unit_id not in self._relations:
            schemas = self._parameters.schemas
            self._relations[unit_id] = self._open_snapshot().with_lead(
                lambda lead: relation(lead, unit_id, schemas, "source"), where=unit_id
            )
        return self._relations[unit_id]

    def _open_snapshot(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = Snapshot(self._parameters)
        return self._snapshot

    def _fresh_snapshot(self) -> Snapshot:
        """One that is not frozen yet, for the questions that come before the freeze."""
        if self._snapshot is not None and self._snapshot.id is not None:
            self.close()
        self._relations.clear()
        return self._open_snapshot()


def _select(found: Relation, readings: tuple[Reading, ...]) -> str:
    guards = [planned.guard for planned in readings if planned.guard is not None]
    columns = [*(planned.expression for planned in readings), *guards]
    return f"select {', '.join(columns)} from {quote_qualified(found.schema, found.name)} t"


def _readings(found: Relation, policy: ReadPolicy) -> tuple[Reading, ...]:
    """The columns to read, in the order of the policy. Raises ``ConfigInvalid`` for one that does not exist."""
    if policy.columns is None:
        chosen = found.columns
    else:
        names = [column.name for column in found.columns]
        for name in policy.columns:
            if name not in names:
                raise invalid("columns", f"{found.unit_id} has no column {name}.{did_you_mean(name, names)}")
        chosen = tuple(column for name in policy.columns for column in found.columns if column.name == name)
    if not chosen:
        raise ConfigInvalid(f"{found.unit_id} has no columns to read.", role="source")
    return tuple(reading(column) for column in chosen)


def _held(position: Position | None, transaction: str, delivery: str, unit_id: str) -> Plan:
    if not isinstance(position, CursorPosition):
        raise ConfigInvalid(
            f"The transaction {transaction} is prepared but not finished, and its rows of {unit_id} could be missed. "
            "Commit it or roll it back, or choose mode full.",
            role="source",
        )
    delivered: dict[str, Json] = {"deletes": "not captured", "source": delivery, "leftForLater": delivery}
    return Plan(slices=iter(()), count=0, estimated_rows=0, strategy="nothing new", delivery=delivered)
