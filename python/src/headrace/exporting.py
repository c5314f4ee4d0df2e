"""The first half of a slice's way: from the source into staging.

Batches keep the shape the source reads in: native blocks and Arrow pass as they
are, rows become Arrow at the writer. A row that cannot be carried is set aside
within the policy's limits, or ends the export.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import pyarrow as pa

from headrace.deletions import tombstones_of
from headrace.endpoint import Policy, SourceCapabilities
from headrace.errors import Bug, RowRejected
from headrace.events import RejectedRow
from headrace.filtering import BatchFilter
from headrace.observer import Observer
from headrace.policy import RunPolicy
from headrace.protocol import NormalizedRecord
from headrace.records import arrow_from_records, of_unit
from headrace.staging import NativeBlock, NativeFile, Row, Seal, Slice, StagingSession

ROWS_AT_ONCE = 1000
SECONDS_AT_ONCE = 0.25
"""A slow source's rows are passed on after this long, so that interrupting it takes no longer."""

_LONGEST_PAYLOAD = 16 * 1024

METADATA = {"headrace": "metadata"}
"""The bounds of the one slice of a unit whose source has no records for the knowledge base."""


@dataclass(slots=True)
class Exported:
    """What one slice's export did: ``read = seal.rows + len(rejected) + filtered``."""

    seal: Seal
    read: int
    rejected: list[RejectedRow]
    filtered: int
    duration_ms: int
    deleted: int = 0
    """Of the staged rows, those that say they were deleted."""


class SliceReader(Protocol):
    """What of a source reads slices."""

    def capabilities(self) -> SourceCapabilities: ...
    def collect_metadata(self) -> Iterator[NormalizedRecord]: ...
    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]: ...


def export_slice(
    source: SliceReader,
    unit_id: str,
    slices: Iterable[Slice],
    policy: Policy,
    parsed: RunPolicy,
    session: StagingSession,
    observer: Observer,
) -> Exported:
    """Read ``slices`` (one, but for a session that holds everything new) into ``session`` and seal it.

    Raises:
        RowRejected: More rows cannot be carried than the policy sets aside.
        DataPlaneError: The source or staging failed.
    """
    began = time.monotonic()
    is_filtered = parsed.filter is not None and not source.capabilities().filters
    keep = BatchFilter(parsed.filter, unit_id) if is_filtered and parsed.filter is not None else None
    export = _Export(session, parsed, observer, keep)
    for slice_ in slices:
        for item in _items(source, unit_id, slice_, policy):
            export.take(item)
        export.flush()
    return export.finish(began)


def _items(source: SliceReader, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
    """What the source yields; metadata of the unit where the slice is one of metadata."""
    if slice_.bounds == METADATA:
        return of_unit(source.collect_metadata(), unit_id)
    return source.read(unit_id, slice_, policy)


@dataclass
class _Export:
    session: StagingSession
    policy: RunPolicy
    observer: Observer
    keep: BatchFilter | None = None
    """What is wanted of what the source reads; None where the source leaves out the rest, or all is wanted."""
    filtered: int = 0
    read: int = 0
    staged: int = 0
    deleted: int = 0
    rejected: list[RejectedRow] = field(default_factory=list[RejectedRow])
    waiting: list[Any] = field(default_factory=list[Any])
    waiting_since: float = 0.0

    def take(self, item: Any) -> None:
        if isinstance(item, Mapping | NormalizedRecord):
            self._wait(item)
            return
        if isinstance(item, NativeBlock):
            self.session.writer().write_native(item)
            self._count(item.rows, len(item.data))
        elif isinstance(item, NativeFile):
            size = item.path.stat().st_size
            self.session.writer().write_native_file(item)
            self._count(item.rows, size)
        elif isinstance(item, pa.RecordBatch):
            kept = item if self.keep is None else self.keep.kept(item)
            self.session.writer().write_arrow(kept)
            self.filtered += item.num_rows - kept.num_rows
            self.staged += kept.num_rows
            self.deleted += tombstones_of(kept)
            self._count(item.num_rows, item.nbytes)
        else:
            raise Bug(f"A source yielded a {type(item).__name__}, which is none of the three shapes.", role="source")

    def flush(self) -> None:
        """Stage the rows that wait to be staged together."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        if isinstance(waiting[0], NormalizedRecord):
            batch = arrow_from_records(cast("list[NormalizedRecord]", waiting), self.session.context.endpoint_id)
            self.session.writer().write_arrow(batch)
            self._count(batch.num_rows, batch.nbytes)
        else:
            self._stage_rows(cast("list[Row]", waiting))

    def finish(self, began: float) -> Exported:
        seal = self.session.seal()
        if self.read != seal.rows + len(self.rejected) + self.filtered:
            raise Bug(
                f"Of {self.read} rows read, {seal.rows} are staged, {len(self.rejected)} set aside and {self.filtered} "
                "filtered: some are lost.",
                role="staging",
            )
        if not self.policy.quarantine.holds(len(self.rejected), self.read):
            raise self._too_many(self.rejected[0].reason)
        return Exported(
            seal, self.read, self.rejected, self.filtered, round((time.monotonic() - began) * 1000), self.deleted
        )

    def _wait(self, item: Any) -> None:
        now = time.monotonic()
        if not self.waiting:
            self.waiting_since = now
        self.waiting.append(item)
        if len(self.waiting) >= ROWS_AT_ONCE or now - self.waiting_since > SECONDS_AT_ONCE:
            self.flush()

    def _stage_rows(self, rows: list[Row]) -> None:
        read = len(rows)
        placed = list(enumerate(rows, self.read))
        if self.keep is not None:
            mask = self.keep.wanted(rows)
            placed = [each for each, is_wanted in zip(placed, mask, strict=True) if is_wanted]
            self.filtered += read - len(placed)
        positions, rows = [position for position, _ in placed], [row for _, row in placed]
        while rows:
            try:
                self.session.writer().write_batch(rows)
                break
            except RowRejected as refusal:
                at = int(refusal.details["row"]) - self.staged
                self._set_aside(positions.pop(at), rows[at], refusal)
                rows = [*rows[:at], *rows[at + 1 :]]
        self.staged += len(rows)
        self.deleted += tombstones_of(rows)
        self._count(read, 0)

    def _set_aside(self, position: int, row: Row, refusal: RowRejected) -> None:
        payload = json.dumps(dict(row), default=repr)
        digest = hashlib.sha256(payload.encode()).hexdigest()
        shown = payload if len(payload) <= _LONGEST_PAYLOAD else None
        self.rejected.append(RejectedRow(position=position, reason=refusal.message, sha256=digest, payload=shown))
        if len(self.rejected) > self.policy.quarantine.max_rows:
            raise refusal if self.policy.quarantine.max_rows == 0 else self._too_many(refusal.message) from refusal

    def _too_many(self, reason: str) -> RowRejected:
        return RowRejected(
            f"{len(self.rejected)} of {self.read} rows cannot be carried, more than the policy's quarantine allows. "
            f"The first: {self.rejected[0].reason if self.rejected else reason}",
            role="staging",
            details={"rejected": len(self.rejected), "read": self.read},
        )

    def _count(self, rows: int, size: int) -> None:
        self.read += rows
        self.observer.moved("export", self.session.context.slice_seq, rows, size)
