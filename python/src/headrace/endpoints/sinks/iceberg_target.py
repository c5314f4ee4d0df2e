"""The table of a unit: how it is made, how its columns grow, and how a filled generation takes its place.

A replacement is filled on a branch of the table, under a schema of its own, and
nobody who reads the table sees either. When it is whole, one change makes the
branch the one that is read and its schema the table's.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH

from headrace.endpoint import Target
from headrace.endpoints.sinks.iceberg_columns import evolved, new_schema, refused, replaced
from headrace.endpoints.sinks.iceberg_commits import Change, Tables
from headrace.endpoints.sinks.iceberg_files import COMPRESSION
from headrace.endpoints.sinks.iceberg_ledger import OWNER, Standing, is_unseen_branch, unseen_branch
from headrace.endpoints.sinks.iceberg_updates import (
    branch_removed,
    branch_set,
    properties_set,
    schema_added,
    schema_shown,
)
from headrace.endpoints.systems.iceberg_catalog import TableName
from headrace.errors import ConfigInvalid, SchemaChanged

FENCE_TABLE = "headrace_fence"
"""Holds the fences of units whose table is not made yet. Some catalogs have no names that begin with ``_``."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The table that a run writes to, and which columns of it."""

    schema: Schema
    table_uuid: UUID

    def refuse_another(self, metadata: TableMetadata, where: str) -> None:
        """Raises ``SchemaChanged`` for one of the same name, which has none of what the run wrote before."""
        if metadata.table_uuid != self.table_uuid:
            raise SchemaChanged(
                f"{where} was dropped and made anew during the run; the new table got nothing of the slice. Start the "
                "unit again.",
                role="sink",
                details={"table": where},
            )


@dataclass(frozen=True, slots=True)
class Place:
    """One unit's table in one catalog."""

    tables: Tables
    name: TableName
    unit: str

    @property
    def fence(self) -> TableName:
        return TableName(self.name.namespace, FENCE_TABLE)

    def find(self) -> Table | None:
        return self.tables.find(self.name, str(self.name))

    def fence_off(self, epoch: int) -> None:
        """Shut out older owners while there is no table to do it at."""
        if self.tables.find(self.fence, str(self.fence)) is None:
            self._create(self.fence, new_schema(pa.schema([("unit", pa.string())])), {})
        self.tables.change(self.fence, self.unit, lambda change: change.install_fence(epoch))

    def create(self, arrow: pa.Schema) -> None:
        properties = {"write.parquet.compression-codec": COMPRESSION, OWNER: self.unit}
        self._create(self.name, new_schema(arrow), properties)

    def schema_there(self, target: Target) -> Schema | None:
        """The columns that a generation would be added to; None where it is to fill a table of its own."""
        table = self.find()
        if table is None:
            return None
        standing, metadata = Standing.of(table, self.unit), table.metadata
        if target.disposition != "replace" or _is_shown(standing, target):
            return metadata.schema()
        return _begun(metadata, self.unit, target)

    def prepare(self, target: Target, arrow: pa.Schema, epoch: int, *, is_frozen: bool) -> Prepared:
        """Have the table hold rows of ``arrow``, and answer with which columns of it."""

        def decide(change: Change) -> Prepared:
            standing, where = change.standing, str(self.name)
            standing.require_epoch(epoch)
            standing.refuse_others(where, target)
            standing.refuse_lost(where, target)
            refuse_partitioned(change, where)
            change.install_fence(epoch)
            if target.disposition == "replace" and not _is_shown(standing, target):
                schema = _prepare_unseen(change, target, arrow, where, is_frozen=is_frozen)
            else:
                _require_key(change, target, where)
                schema = _prepare_seen(change, arrow, where, is_frozen=is_frozen)
            return Prepared(schema, standing.metadata.table_uuid)

        wanted = self.tables.change(self.name, self.unit, decide)
        table = self.find()
        if table is not None:
            wanted.refuse_another(table.metadata, str(self.name))
        schemas = () if table is None else table.metadata.schemas
        found = next((each for each in schemas if each == wanted.schema), None)
        if found is None:
            raise SchemaChanged(f"{self.name} was changed or dropped during the run. Start it again.", role="sink")
        return Prepared(found, wanted.table_uuid)

    def show(self, target: Target, epoch: int, prepared: Prepared | None) -> str:
        """Make a generation that was filled unseen what readers see. Returns where the table is."""

        def decide(change: Change) -> str:
            standing = change.standing
            if prepared is not None:
                prepared.refuse_another(standing.metadata, str(self.name))
            standing.require_epoch(epoch)
            standing.refuse_lost(str(self.name), target)
            if standing.is_unseen(target):
                _show(change, target, None if prepared is None else prepared.schema)
            return change.table.location()

        return self.tables.change(self.name, self.unit, decide)

    def _create(self, name: TableName, schema: Schema, properties: dict[str, str]) -> None:
        def create(catalog: Catalog) -> None:
            # Who was faster made the same, and what is there is looked at like any other.
            with contextlib.suppress(NamespaceAlreadyExistsError):
                if not catalog.namespace_exists(name.namespace):
                    catalog.create_namespace(name.namespace)
            with contextlib.suppress(TableAlreadyExistsError):
                catalog.create_table(name.identifier, schema, properties={"format-version": "2", **properties})

        self.tables.tried(create, str(name))


def refuse_partitioned(change: Change, where: str) -> None:
    """Raises ``ConfigInvalid``, also when others have partitioned the table since it was prepared."""
    if not change.table.spec().is_unpartitioned():
        raise ConfigInvalid(
            f"{where} is partitioned, which this sink cannot write yet. Choose another namespace, or let the sink "
            "make the table.",
            role="sink",
            details={"table": where, "field": "namespace"},
        )


def _is_shown(standing: Standing, target: Target) -> bool:
    record = standing.record
    return record is not None and record.generation == target.generation and not standing.is_unseen(target)


def _begun(metadata: TableMetadata, unit: str, target: Target) -> Schema | None:
    """The columns of a generation that is being filled; None before its first snapshot."""
    head = metadata.snapshot_by_name(unseen_branch(unit, target.generation))
    return None if head is None or head.schema_id is None else metadata.schema_by_id(head.schema_id)


def _require_key(change: Change, target: Target, where: str) -> None:
    """Raises ``SchemaChanged`` when rows are there that no key could find, and would come a second time."""
    metadata = change.table.metadata
    head = metadata.snapshot_by_name(MAIN_BRANCH)
    if target.disposition != "merge" or head is None or head.summary is None or head.summary["total-records"] == "0":
        return
    present = {field.name for field in metadata.schema().fields}
    missing = next((name for name in target.primary_key if name not in present), None)
    if missing is not None:
        raise refused(
            missing,
            f"is part of the key, and {where} has rows and no such column, so they cannot be found. If somebody "
            "renamed it there, rename it back; or reset the unit with onNewGeneration replace, or choose another "
            "namespace",
        )


def _prepare_seen(change: Change, arrow: pa.Schema, where: str, *, is_frozen: bool) -> Schema:
    metadata = change.table.metadata
    schema = evolved(where, metadata.schema(), arrow, metadata.last_column_id, is_frozen=is_frozen)
    if schema is metadata.schema():
        return schema
    added = _add(change, schema)
    change.apply(schema_shown(added.schema_id))
    return added


def _prepare_unseen(change: Change, target: Target, arrow: pa.Schema, where: str, *, is_frozen: bool) -> Schema:
    standing, metadata = change.standing, change.table.metadata
    for name in metadata.refs:
        if is_unseen_branch(name, target.unit) and name != _branch(change, target):
            change.apply(branch_removed(name))
    begun = _begun(metadata, standing.unit, target)
    if begun is not None:
        schema = evolved(where, begun, arrow, metadata.last_column_id, is_frozen=is_frozen)
    else:
        schema = replaced(metadata.schema(), arrow, metadata.last_column_id)
    if not standing.is_unseen(target):
        said = standing.properties(
            record=standing.record, snapshot_id=standing.snapshot_id, unseen=target.generation
        )  # fmt: skip
        change.apply(properties_set(said))
    return _add(change, schema)


def _add(change: Change, schema: Schema) -> Schema:
    """The schema as the table has it, which it is given unless it has one like it."""
    known = change.table.metadata.schemas
    same = next((each for each in known if each == schema), None)
    if same is not None:
        return same
    added = schema.model_copy(update={"schema_id": max(each.schema_id for each in known) + 1})
    change.apply(schema_added(added))
    return added


def _show(change: Change, target: Target, schema: Schema | None) -> None:
    standing, metadata = change.standing, change.table.metadata
    branch = _branch(change, target)
    head = metadata.snapshot_by_name(branch)
    if head is None:
        if schema is not None:
            change.see_through(schema.schema_id)
        empty = change.update_snapshot(branch=branch).fast_append()
        empty.commit()
        snapshot_id, schema_id = empty.snapshot_id, change.table.metadata.current_schema_id
    else:
        snapshot_id, schema_id = head.snapshot_id, head.schema_id
    if schema_id is not None:
        change.apply(schema_shown(schema_id))
    change.apply(
        branch_set(MAIN_BRANCH, snapshot_id),
        branch_removed(branch),
        properties_set(standing.properties(record=standing.record, snapshot_id=standing.snapshot_id, unseen=None)),
    )


def _branch(change: Change, target: Target) -> str:
    return unseen_branch(change.standing.unit, target.generation)
