"""The first half of a slice's way: from the source into staging.

Batches keep the shape the source reads in: native blocks and Arrow pass as they
are, rows become Arrow at the writer. A row that cannot be carried is set aside
where the policy allows it, or ends the export.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import pyarrow as pa

from headrace.deletions import tombstones_of
from headrace.endpoint import Policy, SourceCapabilities
from headrace.errors import Bug, RowRejected
from headrace.events import RejectedRow
from headrace.filtering import BatchFilter
from headrace.observer import Observer
from headrace.parting import without
from headrace.payloads import rejected_row
from headrace.policy import RunPolicy
from headrace.protocol import NormalizedRecord
from headrace.records import arrow_from_records, of_unit
from headrace.refusals import RefusedRow, Sifted
from headrace.setting_aside import heavy_among, place_of, refused_of, too_heavy, too_many
from headrace.sifting import position_before
from headrace.staging import NativeBlock, NativeFile, Row, Seal, Slice, StagingSession

ROWS_AT_ONCE = 1000
SECONDS_AT_ONCE = 0.25
"""A slow source's rows are passed on after this long, so that interrupting it takes no longer."""

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
    discarded: Counter[str] = field(default_factory=Counter[str])
    """Values that became NULL, since the column there could not hold them, by column."""
    filtered_at: list[int] = field(default_factory=list[int])
    """Which rows of the slice were filtered, where somebody looks at the others."""


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
    key: Sequence[str] = (),
) -> Exported:
    """Read ``slices`` (one, but for a session that holds everything new) into ``session`` and seal it.

    By the columns of ``key`` a row is told that is one too many.

    Raises:
        RowRejected: A row cannot be carried, and the policy sets none aside.
        QuarantineExceeded: More rows cannot be carried than the policy sets aside of a whole run.
        DataPlaneError: The source or staging failed.
    """
    began = time.monotonic()
    is_filtered = parsed.filter is not None and not source.capabilities().filters
    keep = BatchFilter(parsed.filter, unit_id) if is_filtered and parsed.filter is not None else None
    export = _Export(session, parsed, observer, keep, key)
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
    key: Sequence[str] = ()
    filtered: int = 0
    filtered_at: list[int] = field(default_factory=list[int])
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
            self._stage_batch(item, ())
        elif isinstance(item, Sifted):
            self._stage_batch(item.batch, item.refused)
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
        self.rejected.sort(key=lambda row: row.position)
        return Exported(
            seal,
            self.read,
            self.rejected,
            self.filtered,
            round((time.monotonic() - began) * 1000),
            self.deleted,
            filtered_at=self.filtered_at,
        )

    def _wait(self, item: Any) -> None:
        now = time.monotonic()
        if not self.waiting:
            self.waiting_since = now
        self.waiting.append(item)
        if len(self.waiting) >= ROWS_AT_ONCE or now - self.waiting_since > SECONDS_AT_ONCE:
            self.flush()

    def _stage_batch(self, batch: pa.RecordBatch | None, refused: Sequence[RefusedRow]) -> None:
        """Stage the rows that weigh no more than they may; ``refused`` were left out of the batch before."""
        gone = sorted(row.position for row in refused)
        if batch is None:
            for row in refused:
                self._set_aside(row, self.read)
            self._count(len(refused), 0)
            return
        unwanted = [] if self.keep is None else self.keep.unwanted(batch)
        left_out = [position_before(at, gone) for at in unwanted]
        self._leave_out(left_out)
        wanted = without(batch, unwanted)
        heavy = too_heavy(wanted, self.policy.most_row_bytes)
        for row in refused:
            self._set_aside(row, self.read)
        for row in heavy:
            position = position_before(row.position, sorted([*gone, *left_out]))
            self._set_aside(replace(row, position=position), self.read)
        remaining = without(wanted, [row.position for row in heavy])
        self.session.writer().write_arrow(remaining)
        self.staged += remaining.num_rows
        self.deleted += tombstones_of(remaining)
        self._count(batch.num_rows + len(refused), remaining.nbytes)

    def _stage_rows(self, rows: list[Row]) -> None:
        read = len(rows)
        positions = list(range(read))
        if self.keep is not None:
            mask = self.keep.wanted(rows)
            self._leave_out([position for position in positions if not mask[position]])
            positions = [position for position in positions if mask[position]]
            rows = [rows[position] for position in positions]
        heavy = heavy_among(rows, self.policy.most_row_bytes)
        for refused in heavy:
            self._set_aside(replace(refused, position=positions[refused.position]), self.read)
        gone = {refused.position for refused in heavy}
        positions = [position for at, position in enumerate(positions) if at not in gone]
        rows = [row for at, row in enumerate(rows) if at not in gone]
        while rows:
            try:
                self.session.writer().write_batch(rows)
                break
            except RowRejected as refusal:
                if not self.policy.sets_aside:
                    raise
                at = int(refusal.details["row"]) - self.staged
                self._set_aside(refused_of(rows[at], positions.pop(at), refusal), self.read)
                rows = [*rows[:at], *rows[at + 1 :]]
        self.staged += len(rows)
        self.deleted += tombstones_of(rows)
        self._count(read, 0)

    def _leave_out(self, positions: Sequence[int]) -> None:
        """Filtered rows count, and where they were is known as long as other rows are told by their position."""
        self.filtered += len(positions)
        if self.policy.looks_at_rows:
            self.filtered_at += [self.read + position for position in positions]

    def _set_aside(self, refused: RefusedRow, first: int) -> None:
        """``refused`` counts from ``first``, and what the policy allows a run is the most that a slice may have."""
        if not self.policy.sets_aside:
            row = first + refused.position
            which = place_of(rejected_row(refused, row), self.key)
            raise RowRejected(f"{which}{refused.reason}", role="source", details={"row": row})
        self.rejected.append(rejected_row(refused, first + refused.position))
        if len(self.rejected) > self.policy.quarantine.max_rows:
            read = first + refused.position + 1
            raise too_many(self.policy.quarantine, self.rejected, len(self.rejected), read, self.key)

    def _count(self, rows: int, size: int) -> None:
        self.read += rows
        self.observer.moved("export", self.session.context.slice_seq, rows, size)
