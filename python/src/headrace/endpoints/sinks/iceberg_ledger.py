"""What a table says of one unit: who owns it, who may write, which slice came last, and what is not seen yet.

The commit record is a property of the table, written with the rows in one
change of its metadata, and stands in the snapshot's summary as well. Summaries
go when snapshots expire; the property stays.

The fence is a branch of the table that only ever holds an empty snapshot, one
for each epoch. A catalog can be asked to refuse a change unless a branch is
where it was, which it cannot be asked of a property: so whoever commits asserts
that the fence is still the one it installed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot

from headrace.commit import canonical_json, record_hash
from headrace.endpoint import HighWater, Target
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SinkFenced
from headrace.protocol import CommitRecord

OWNER = "headrace.owner"
"""Property: the unit that made the table."""
_UNIT, _EPOCH, _RECORD = "headrace.unit", "headrace.epoch", "headrace.record"
"""Within the summary of a snapshot."""


def state_property(unit: str) -> str:
    return f"headrace.{unit}"


def fence_branch(unit: str) -> str:
    return f"headrace-{_short(unit)}"


def unseen_branch(unit: str, generation: int) -> str:
    """Where a generation is filled before readers see it."""
    return f"headrace-{_short(unit)}-g{generation}"


def is_unseen_branch(name: str, unit: str) -> bool:
    return name.startswith(f"headrace-{_short(unit)}-g")


def fence_summary(unit: str, epoch: int) -> dict[str, str]:
    return {_UNIT: unit, _EPOCH: str(epoch)}


def slice_summary(commit: CommitRecord) -> dict[str, str]:
    return {_UNIT: commit.unit, _RECORD: _text(commit)}


def _short(unit: str) -> str:
    return hashlib.sha256(unit.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one version of a table's metadata says of one unit."""

    unit: str
    metadata: TableMetadata
    record: CommitRecord | None
    """Of the last slice, whatever its generation."""
    snapshot_id: int | None
    """The snapshot that brought it."""
    unseen: int | None
    """The generation that is being filled to replace what readers see."""

    @staticmethod
    def of(table: Table, unit: str) -> Standing:
        said = table.properties.get(state_property(unit))
        if said is None:
            return _from_snapshots(table.metadata, unit)
        state: Mapping[str, Any] = json.loads(said)
        record = None if state.get("record") is None else msgspec.convert(state["record"], CommitRecord)
        return Standing(
            unit=unit, metadata=table.metadata, record=record, snapshot_id=state.get("snapshotId"),
            unseen=state.get("unseen"),
        )  # fmt: skip

    @property
    def fence(self) -> Snapshot | None:
        return self.metadata.snapshot_by_name(fence_branch(self.unit))

    @property
    def epoch(self) -> int:
        fence = self.fence
        return 0 if fence is None or fence.summary is None else int(fence.summary.get(_EPOCH) or 0)

    @property
    def owner(self) -> str | None:
        return self.metadata.properties.get(OWNER)

    def is_unseen(self, target: Target) -> bool:
        return self.unseen == target.generation

    def branch(self, target: Target) -> str:
        """Where the target's rows go."""
        return unseen_branch(self.unit, target.generation) if self.is_unseen(target) else MAIN_BRANCH

    def high_water(self, target: Target) -> HighWater | None:
        if self.record is None or self.record.generation != target.generation:
            return None
        return HighWater(record=self.record, hash=record_hash(self.record), is_pending=self.is_unseen(target))

    def find(self, commit: CommitRecord) -> CommitRecord | None:
        """The record of a slice that is there already; of an earlier one than the last, as its summary has it."""
        last = self.record
        if last is None or last.generation != commit.generation or last.slice_seq < commit.slice_seq:
            return None
        if last.slice_seq == commit.slice_seq:
            return last
        found = (_record_of(snapshot) for snapshot in self.metadata.snapshots)
        same = (record for record in found if record is not None and record.unit == commit.unit)
        slot = (commit.generation, commit.slice_seq)
        return next((record for record in same if (record.generation, record.slice_seq) == slot), last)

    def properties(self, *, record: CommitRecord | None, snapshot_id: int | None, unseen: int | None) -> dict[str, str]:
        """The property that says so."""
        state = {
            "record": None if record is None else msgspec.to_builtins(record),
            "snapshotId": snapshot_id,
            "unseen": unseen,
        }
        return {state_property(self.unit): json.dumps(state, sort_keys=True, separators=(",", ":"))}

    def require_epoch(self, epoch: int) -> None:
        """Raises ``SinkFenced`` when a newer owner has been here."""
        if self.epoch > epoch:
            raise SinkFenced(
                f"A newer run has taken over {self.unit}: epoch {self.epoch} has been here, and this run is of epoch "
                f"{epoch}. Nothing is to be done, unless Headrace's own database was restored from an older copy. "
                f"Then remove the table's branch {fence_branch(self.unit)} and its property "
                f"{state_property(self.unit)}, and reset the unit to load everything again.",
                role="sink",
                details={"unit": self.unit, "epoch": epoch, "newer": self.epoch},
            )

    def refuse_others(self, table: str, target: Target) -> None:
        """Raises ``ConfigInvalid`` for a table that is another unit's, or people's where it is to be replaced."""
        if self.owner == self.unit or (self.owner is None and target.disposition != "replace"):
            return
        whose = "was not made by Headrace" if self.owner is None else f"belongs to the unit {self.owner}"
        remedy = "Rename or drop it, or choose another namespace"
        if self.owner is None:
            remedy += ", or set writeDisposition to merge, or to append with onNewGeneration append"
        raise ConfigInvalid(
            f"{table} {whose}, so it is not {'replaced' if target.disposition == 'replace' else 'added to'}. {remedy}.",
            role="sink",
            details={"table": table, "field": "namespace", "owner": self.owner, "unit": self.unit},
        )

    def require_own(self, table: str) -> None:
        """Raises ``ConfigInvalid`` for a table that may hold rows of others: what the source has not may be theirs."""
        if self.owner == self.unit:
            return
        raise ConfigInvalid(
            f"{table} was not made by this unit, so rows in it that the source has not may be of others, and deletes "
            "keyDiff would take them away. Choose another namespace, or set deletes to soft.",
            role="sink",
            details={"table": table, "field": "deletes"},
        )

    def refuse_lost(self, table: str, target: Target) -> None:
        """Raises ``CheckpointAheadOfSink`` when the table was set back to before the last slice.

        A snapshot that has expired proves nothing; one that is there, and no
        ancestor of what readers see, was taken back, and so was a branch that
        is gone. Rows that followed would hide that others are missing.
        """
        found = self.high_water(target)
        if found is None or self.snapshot_id is None:
            return
        head = self.metadata.snapshot_by_name(self.branch(target))
        if head is not None and self.metadata.snapshot_by_id(self.snapshot_id) is None:
            return
        while head is not None and head.snapshot_id != self.snapshot_id:
            above = head.parent_snapshot_id
            head = None if above is None else self.metadata.snapshot_by_id(above)
            if above is not None and head is None:
                return
        if head is None:
            what = f"The branch {self.branch(target)} of {table}" if self.is_unseen(target) else table
            raise CheckpointAheadOfSink(
                f"{what} was set back to a snapshot from before slice {found.record.slice_seq}, or removed, so rows "
                f"that were committed are not seen any more. Set it to snapshot {self.snapshot_id} or a later one, or "
                "reset the unit to load all again.",
                role="sink",
                details={"table": table, "snapshotId": str(self.snapshot_id)},
            )


def _from_snapshots(metadata: TableMetadata, unit: str) -> Standing:
    """The property is gone, but summaries may still say it: the newest one is believed."""
    ordered = sorted(metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0, reverse=True)
    for snapshot in ordered:
        record = _record_of(snapshot)
        if record is not None and record.unit == unit:
            is_unseen = unseen_branch(unit, record.generation) in metadata.refs
            return Standing(
                unit=unit, metadata=metadata, record=record, snapshot_id=snapshot.snapshot_id,
                unseen=record.generation if is_unseen else None,
            )  # fmt: skip
    return Standing(unit=unit, metadata=metadata, record=None, snapshot_id=None, unseen=None)


def _record_of(snapshot: Snapshot) -> CommitRecord | None:
    said = None if snapshot.summary is None else snapshot.summary.get(_RECORD)
    return None if said is None else msgspec.convert(cast("object", json.loads(said)), CommitRecord)


def _text(record: CommitRecord) -> str:
    return canonical_json(msgspec.to_builtins(record)).decode()
