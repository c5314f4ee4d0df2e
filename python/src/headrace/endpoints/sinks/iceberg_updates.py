"""The changes and conditions that a commit to a table is made of, in the words of Iceberg's REST protocol."""

from __future__ import annotations

from collections.abc import Mapping

from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import (
    AddSchemaUpdate,
    AssertCurrentSchemaId,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetCurrentSchemaUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)


def properties_set(values: Mapping[str, str]) -> TableUpdate:
    return SetPropertiesUpdate(updates=dict(values))


def branch_set(name: str, snapshot_id: int) -> TableUpdate:
    return SetSnapshotRefUpdate.model_validate({"ref-name": name, "type": "branch", "snapshot-id": snapshot_id})


def branch_removed(name: str) -> TableUpdate:
    return RemoveSnapshotRefUpdate.model_validate({"ref-name": name})


def snapshot_removed(snapshot_id: int) -> TableUpdate:
    return RemoveSnapshotsUpdate.model_validate({"snapshot-ids": [snapshot_id]})


def schema_added(schema: Schema) -> TableUpdate:
    """To those the table has had; readers do not see it yet."""
    return AddSchemaUpdate.model_validate({"schema": schema})


def schema_shown(schema_id: int) -> TableUpdate:
    return SetCurrentSchemaUpdate.model_validate({"schema-id": schema_id})


def is_same_table(metadata: TableMetadata) -> TableRequirement:
    return AssertTableUUID(uuid=metadata.table_uuid)


def has_same_schema(metadata: TableMetadata) -> TableRequirement:
    return AssertCurrentSchemaId.model_validate({"current-schema-id": metadata.current_schema_id})


def has_same_branch(metadata: TableMetadata, name: str) -> TableRequirement:
    """The branch is where it is in ``metadata``, or is still missing."""
    found = metadata.refs.get(name)
    return AssertRefSnapshotId.model_validate(
        {"ref": name, "snapshot-id": None if found is None else found.snapshot_id}
    )
