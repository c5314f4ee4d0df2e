"""PostgreSQL as a source: tables and views, whole or what is new, as Arrow that loses nothing.

The order to read: ``plan`` takes one snapshot, in which the relation is held
still (``postgres_hold``), and divides it (``postgres_plan``),
``read`` streams a slice under that snapshot (``postgres_snapshot``) with every
column planned from the catalogue (``systems.postgres_types``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from headrace.datasets import dataset_records
from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities
from headrace.endpoints.sources.postgres_blocks import CopyBlocks
from headrace.endpoints.sources.postgres_columns import (
    carried_readings,
    chosen_readings,
    file_selection,
    kept,
    require_readable,
    selection,
    tombstone_readings,
)
from headrace.endpoints.sources.postgres_copied import copied_schema, copied_selection
from headrace.endpoints.sources.postgres_cursor import bound_of, cursor_column, refuse_rewound
from headrace.endpoints.sources.postgres_dataset import dataset_of, dataset_schema, unit_descriptor
from headrace.endpoints.sources.postgres_files import ParquetFiles
from headrace.endpoints.sources.postgres_filter import refuse_foreign_literals
from headrace.endpoints.sources.postgres_hold import RelationMovedError
from headrace.endpoints.sources.postgres_horizon import horizon, looked_again
from headrace.endpoints.sources.postgres_increment import plan_increment
from headrace.endpoints.sources.postgres_keys import absence_statement, keys_statement, presence
from headrace.endpoints.sources.postgres_plan import Planning, held_back, plan_load
from headrace.endpoints.sources.postgres_policy import ReadPolicy
from headrace.endpoints.sources.postgres_position import (
    CursorPosition,
    Identity,
    LoadPosition,
    from_json,
)
from headrace.endpoints.sources.postgres_ranges import CursorRange, KeyRange, Order, PageRange, condition, ordering
from headrace.endpoints.sources.postgres_ranges import from_json as range_from_json
from headrace.endpoints.sources.postgres_resuming import first_bound, pages_are_gone, refuse_misfit
from headrace.endpoints.sources.postgres_row_security import hides_rows, with_hidden_rows_said
from headrace.endpoints.sources.postgres_sifting import first_refusal, sifted_batch
from headrace.endpoints.sources.postgres_snapshot import Snapshot
from headrace.endpoints.sources.postgres_survey import Survey, survey_questions
from headrace.endpoints.systems.postgres_catalog import Relation, relation, relations
from headrace.endpoints.systems.postgres_duckdb import extension
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_pgcopy import PGCOPY_FORMAT, can_read_blocks
from headrace.endpoints.systems.postgres_types import Reading, exact_batch, reading, schema_of
from headrace.errors import EndpointUnreachable, RowRejected
from headrace.previews import preview_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import DEFAULT_BATCH_BYTES, NativeFile, Slice

_LOOKS = 3
"""How often a relation that changes while it is looked at is looked at anew."""

Answer = TypeVar("Answer")

PARALLEL_READS = 8
"""Each takes a connection of the server's few."""


class PostgresSource:
    """``PostgresSource(parameters)`` parses; the first call that needs the server connects."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = PostgresParameters.parse(parameters, "source")
        self._snapshot: Snapshot | None = None
        self._files = ParquetFiles(self._parameters)
        self._blocks = CopyBlocks(self._parameters)
        self._relations: dict[str, Relation] = {}

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(
            full=True,
            incremental=True,
            parallel_reads=PARALLEL_READS,
            native_formats=self._native_formats(),
            deletes=("ignore", "soft", "keyDiff"),
            filters=True,
        )

    def list_units(self) -> Sequence[UnitDescriptor]:
        return [unit_descriptor(found) for found in self._known_relations()]

    def describe(self, unit_id: str) -> DatasetSchema:
        return dataset_schema(self._relation(unit_id))

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        for found in self._known_relations():
            yield from dataset_records(dataset_of(found, self._parameters))

    def preview(self, unit_id: str, limit: int) -> Preview:
        found = self._held(unit_id)
        readings = tuple(reading(column) for column in found.columns)
        statement = f"{selection(found, readings)} limit {max(0, limit)}"
        columns = {planned.name: planned.shown for planned in readings}
        return preview_of(columns, self._arrow(statement, readings, unit_id, ReadPolicy.parse({})))

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        asked = ReadPolicy.parse(policy)
        snapshot = self._unfrozen()

        def planned(found: Relation) -> Plan:
            require_readable(found)
            is_partial = hides_rows(snapshot, found)
            snapshot.sees_all_rows = found.kind != "v" and not is_partial
            plan = self._planned(snapshot, found, checkpoint, asked, next_seq)
            return with_hidden_rows_said(plan, found, asked) if is_partial else plan

        return self._unmoved(unit_id, planned)

    def _planned(self, snapshot: Snapshot, found: Relation, checkpoint: Json, asked: ReadPolicy, next_seq: int) -> Plan:
        if asked.filter is not None:
            refuse_foreign_literals(asked.filter, found, snapshot)
        carried = carried_readings(found, asked)
        columns = tuple(planned.name for planned in chosen_readings(found, asked))
        known = Identity(system=snapshot.system, table=found.oid, chosen=asked.chosen)
        position = from_json(checkpoint, known, found.unit_id)
        cursor = None if asked.cursor_field is None else cursor_column(found, asked)
        order = Order.of(found, asked.cursor_field)
        refuse_misfit(position, order, asked)
        planning = Planning(
            snapshot=snapshot, order=order, policy=asked, identity=known, checkpoint=checkpoint, next_seq=next_seq,
            columns=columns, is_for_files=asked.is_for_files and file_selection(found, carried) is not None,
            kept=kept(found, asked),
        )  # fmt: skip
        if cursor is None:
            snapshot.freeze(found)
            return plan_load(planning, position if isinstance(position, LoadPosition) else None, None)
        first = horizon(snapshot, found, cursor)
        if first.held_by is not None:
            return held_back(position, first.held_by, first.delivery, found.unit_id, asked)
        after = position if isinstance(position, CursorPosition) else None
        survey = Survey.of(snapshot.freeze(found, survey_questions(order, after, first.before)))
        limit = looked_again(snapshot, found, cursor, first) if survey.has_more else first
        if limit is not first:
            questions = survey_questions(order, after, limit.before)
            survey = Survey.of(snapshot.ask_all(questions, where=found.unit_id))
        bound = bound_of(snapshot, order, asked, limit, survey)
        match position:
            case CursorPosition() if asked.deletes == "keyDiff" and asked.is_merged and not survey.reaches:
                # The newest row was deleted, or the database restored: all of it once more is right in both cases.
                return plan_load(planning, None, bound)
            case CursorPosition():
                refuse_rewound(order, position, survey, bound)
                return plan_increment(planning, position, bound, survey)
            case LoadPosition(then=CursorPosition() as then):
                return plan_load(planning, position, first_bound(bound, then))
            case _:
                return plan_load(planning, None, bound)

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        asked = ReadPolicy.parse(policy)
        bounds = range_from_json(slice_.bounds)
        if isinstance(bounds, PageRange) and not self._is_under(bounds.snapshot):
            raise pages_are_gone(unit_id)
        found = self._held(unit_id)
        field = bounds.field if isinstance(bounds, CursorRange) else None
        if isinstance(bounds, KeyRange) and bounds.until is not None:
            field = bounds.until.field
        order = Order.of(found, field)
        readings = carried_readings(found, asked)
        where, by = " and ".join(filter(None, (condition(bounds, order), kept(found, asked)))), ordering(bounds, order)
        rows = (f" where {where}" if where else "") + (f" order by {by}" if by else "")
        if asked.limit is not None:
            rows += f" limit {asked.limit}"
        may_be_file = isinstance(bounds, KeyRange | PageRange) and bounds.is_file
        file = self._file(found, readings, rows, asked) if may_be_file else None
        if file is not None:
            yield file
            return
        if asked.is_for_blocks:
            query = copied_selection(found, [planned.name for planned in readings]) + rows
            blocks = self._blocks.read_from(self._open_snapshot(), query, where=unit_id)
            if blocks is not None:
                yield from blocks
                return
        yield from self._arrow(selection(found, readings) + rows, readings, unit_id, asked, order.key_names)

    def block_schema(self, unit_id: str, policy: Policy) -> pa.Schema | None:
        if policy.get("nativeFormat") != PGCOPY_FORMAT:
            return None
        found = self._relation(unit_id)
        schema = copied_schema(found, [planned.name for planned in chosen_readings(found, ReadPolicy.parse(policy))])
        if schema is not None and self._open_snapshot().is_frozen:
            self._blocks.open_ahead(self._open_snapshot())
        return schema

    def is_kept_in(self, unit_id: str, places: frozenset[str]) -> bool:
        return self._open_snapshot().is_of(self._relation(unit_id), places)

    def keys(self, unit_id: str, key: tuple[str, ...], policy: Policy) -> Generator[Any]:
        statement = keys_statement(self._held(unit_id), key, ReadPolicy.parse(policy))
        return self._open_snapshot().batches(statement, DEFAULT_BATCH_BYTES, where=unit_id)

    def tombstones(
        self, unit_id: str, key: tuple[str, ...], keys: Sequence[tuple[str, ...]], policy: Policy
    ) -> Iterator[Any]:
        found, readings = self._held(unit_id), tombstone_readings(self._held(unit_id), key)
        statement = absence_statement(found, key, keys, ReadPolicy.parse(policy))
        return self._arrow(statement, readings, unit_id, ReadPolicy.parse({}))

    def rows_of(
        self, unit_id: str, key: tuple[str, ...], keys: Sequence[tuple[str, ...]], policy: Policy
    ) -> Iterator[Any]:
        found, asked = self._held(unit_id), ReadPolicy.parse(policy)
        readings = carried_readings(found, asked)
        statement = f"{selection(found, readings)} where {presence(found, key, keys, asked)}"
        return self._arrow(statement, readings, unit_id, asked, key)

    def close(self) -> None:
        self._files.close()
        self._blocks.close()
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.close()

    def _native_formats(self) -> tuple[str, ...]:
        """Blocks of binary COPY where asyncpg can connect; Parquet where DuckDB is installed with its extension."""
        possible = {PGCOPY_FORMAT: can_read_blocks(self._parameters), "parquet": extension() is not None}
        return tuple(name for name, is_possible in possible.items() if is_possible)

    def _file(self, found: Relation, readings: tuple[Reading, ...], rows: str, asked: ReadPolicy) -> NativeFile | None:
        columns = file_selection(found, readings)
        if asked.native_file is None or columns is None:
            return None
        adopting, schema = self._open_snapshot().adopting, schema_of(readings)
        return self._files.write(adopting, columns.having(rows), schema, asked.native_file, where=found.unit_id)

    def _arrow(
        self, statement: str, readings: tuple[Reading, ...], unit_id: str, asked: ReadPolicy, key: Sequence[str] = ()
    ) -> Iterator[Any]:
        schema = schema_of(readings)
        for batch in self._open_snapshot().batches(statement, asked.batch_bytes, where=unit_id):
            try:
                yield exact_batch(batch, readings, schema, unit_id)
            except RowRejected:
                if asked.most_set_aside is None:
                    raise first_refusal(batch, readings, schema, unit_id, key) from None
                yield sifted_batch(batch, readings, schema, unit_id, asked.most_set_aside)

    def _known_relations(self) -> tuple[Relation, ...]:
        schemas = self._parameters.schemas
        return self._open_snapshot().with_lead(lambda lead: relations(lead, schemas), where=self._parameters.place)

    def _relation(self, unit_id: str) -> Relation:
        """Looked up once: what describes a unit, plans it and reads it sees one shape."""
        if unit_id not in self._relations:
            schemas = self._parameters.schemas
            self._relations[unit_id] = self._open_snapshot().with_lead(
                lambda lead: relation(lead, unit_id, schemas, "source"), where=unit_id
            )
        return self._relations[unit_id]

    def _held(self, unit_id: str) -> Relation:
        """The relation, under a snapshot in which nothing can change it any more."""
        snapshot = self._open_snapshot()

        def hold(found: Relation) -> Relation:
            require_readable(found)
            snapshot.hold(found)
            return found

        return self._unmoved(unit_id, hold)

    def _unmoved(self, unit_id: str, use: Callable[[Relation], Answer]) -> Answer:
        """What ``use`` makes of the relation; made again when it turns out that the relation changed meanwhile."""
        for _ in range(_LOOKS):
            try:
                return use(self._relation(unit_id))
            except RelationMovedError:
                self._relations.pop(unit_id, None)
        raise EndpointUnreachable(f"{unit_id} was altered while it was looked at. Try again.", role="source")

    def _open_snapshot(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = Snapshot(self._parameters)
        return self._snapshot

    def _unfrozen(self) -> Snapshot:
        """For the questions that come before the freeze; what was described before it is looked at once more then."""
        if self._snapshot is not None and self._snapshot.is_frozen:
            self.close()
            self._relations.clear()
            self._files = ParquetFiles(self._parameters)
            self._blocks = CopyBlocks(self._parameters)
        return self._open_snapshot()

    def _is_under(self, snapshot: str) -> bool:
        return self._snapshot is not None and self._snapshot.is_frozen and self._snapshot.id == snapshot
