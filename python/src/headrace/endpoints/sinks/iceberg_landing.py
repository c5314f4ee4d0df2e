"""One slice on its way into one table: its files are written once, and then become a snapshot or are deleted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from headrace.endpoint import Applied, Target
from headrace.endpoints.sinks.iceberg_columns import OPERATION, refused
from headrace.endpoints.sinks.iceberg_commits import Change
from headrace.endpoints.sinks.iceberg_files import Files, discard
from headrace.endpoints.sinks.iceberg_ledger import Standing, slice_summary
from headrace.endpoints.sinks.iceberg_merge import Merge, operations
from headrace.endpoints.sinks.iceberg_target import Place, Prepared, refuse_partitioned
from headrace.endpoints.sinks.iceberg_updates import properties_set
from headrace.endpoints.systems.iceberg_errors import translated
from headrace.errors import Bug, ConfigInvalid, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader


@dataclass
class Landing:
    place: Place
    target: Target
    commit: CommitRecord
    reader: RecordReader
    prepared: Prepared
    files: Files
    _made: list[DataFile] = field(default_factory=list[DataFile])
    _merge: Merge | None = None

    def land(self) -> Applied:
        """Raises what the reader, the store or the catalog raised; then nothing of the slice is seen."""
        try:
            rows = self._write()
            if rows != self.commit.rows:
                raise Bug(f"Staging gave {rows} rows of a slice sealed with {self.commit.rows}.", role="sink")
            applied = self.place.tables.change(self.place.name, self.target.unit, self._decide)
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError | pa.ArrowException):
                raise translated(error, role="sink", where=str(self.place.name)) from error
            raise
        if applied.adopted:
            self._discard()
        return applied

    def _write(self) -> int:
        name = f"g{self.commit.generation}-s{self.commit.slice_seq}"
        if self.target.disposition == "merge":
            self._merge = Merge(self.files.schema, self.target.primary_key, self.reader, name, self.files.footer)
            return self._merge.read()
        self._refuse_deletes()
        self._made, rows = self.files.write_slice(self.reader, name)
        return rows

    def _decide(self, change: Change) -> Applied:
        where = str(self.place.name)
        self.prepared.refuse_another(change.standing.metadata, where)
        there = already_there(change.standing, self.commit, change.table)
        if there is not None:
            return there
        change.standing.refuse_lost(where, self.target)
        refuse_partitioned(change, where)
        change.install_fence(self.commit.epoch)
        self._require_columns(change)
        snapshot_id = self._append(change) if self._merge is None else self._merge.land(change, self._summary())
        standing = change.standing
        unseen = self.target.generation if standing.is_unseen(self.target) else None
        said = standing.properties(record=self.commit, snapshot_id=snapshot_id, unseen=unseen)
        change.apply(properties_set(said))
        size = sum(file.file_size_in_bytes for file in (*self._made, *change.files))
        return Applied(
            rows=self.commit.rows, bytes=size, record=self.commit, adopted=False, location=change.table.location()
        )

    def _append(self, change: Change) -> int:
        branch = change.standing.branch(self.target)
        if change.standing.is_unseen(self.target):
            change.see_through(self.files.schema.schema_id)
        producer = change.update_snapshot(branch=branch, snapshot_properties=self._summary()).fast_append()
        for file in self._made:
            producer.append_data_file(file)
        producer.commit()
        return producer.snapshot_id

    def _summary(self) -> dict[str, str]:
        return slice_summary(self.commit)

    def _require_columns(self, change: Change) -> None:
        """Others may have changed the columns since the slice was written; what has no place would not be seen."""
        if change.standing.is_unseen(self.target):
            return
        present = change.table.schema()
        for column in self.files.schema.fields:
            now = next((each for each in present.fields if each.field_id == column.field_id), None)
            if now is None or now.field_type != column.field_type or now.name != column.name:
                raise refused(column.name, f"of {self.place.name} was changed during the run. Start the unit again")

    def _refuse_deletes(self) -> None:
        if self.reader.schema is None or OPERATION not in self.reader.schema.names:
            return
        deleted = sum(pc.sum(operations(batch)).as_py() or 0 for batch in self.reader.iter_arrow())
        if deleted:
            raise ConfigInvalid(
                f"{deleted} rows say that rows were deleted, which only merge can do. Set writeDisposition to merge.",
                role="sink",
                details={"field": "writeDisposition"},
            )

    def _discard(self) -> None:
        """Nobody's, unless the answer to a commit was lost: then a snapshot may name them."""
        if not self.place.tables.is_unsettled:
            discard(self.files.io, self._made)


def already_there(standing: Standing, commit: CommitRecord, table: Table) -> Applied | None:
    """What is to be answered of a slot that is taken: by this slice, or by a history that is not ours.

    Raises:
        SinkFenced: By another history, or a newer owner has been here.
    """
    standing.require_epoch(commit.epoch)
    found = standing.find(commit)
    if found is None:
        return None
    if found.slice_seq != commit.slice_seq or (found.prev_hash, found.from_ckpt) != (
        commit.prev_hash,
        commit.from_ckpt,
    ):
        raise SinkFenced(
            f"{'.'.join(table.name())} holds a slice {commit.slice_seq} that does not follow what this run has seen; "
            "nothing of ours was written. Start the unit again: it goes on from what is there.",
            role="sink",
        )
    return Applied(rows=found.rows, bytes=0, record=found, adopted=True, location=table.location())
