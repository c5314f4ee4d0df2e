"""One run of one unit: the loop every slice goes through, whoever decides.

In order: fence the sink and learn what it holds; plan; then for each slice
export, seal, ask, and on ``commit`` write rows and record together; at the end
of a plan that was read to its end, complete the sink. Slices are read ahead of
the one being written, and judged and written in order. A slice's staging is
gone when its turn is over, however it ended. What was committed stays committed,
and the checkpoint is always that of the last committed slice.
"""

from __future__ import annotations

import datetime
import itertools
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from headrace.ahead import ReadAhead, Staged
from headrace.blame import blamed
from headrace.deletions import compares_keys, refuse_unheard
from headrace.endpoint import DatasetSchema, Plan, Policy, SinkEndpoint, SourceEndpoint
from headrace.errors import DataPlaneError, problem
from headrace.events import Finished, Opened
from headrace.exporting import METADATA, SliceReader, export_slice
from headrace.filtering import BatchFilter
from headrace.gone import ROWS_OF_A_SLICE, GoneRows
from headrace.importing import SinkRun
from headrace.itself import refuse_itself
from headrace.judging import judged
from headrace.loading import BlockLoads
from headrace.loading_rows import RowLoads
from headrace.negotiation import reading_policy, slice_policy
from headrace.observer import Observer, RunInterrupted
from headrace.policy import RunPolicy, parse
from headrace.protocol import Json, Problem, Verdict
from headrace.saying import ask_records, delivery, planned, sealed, tell_rejected
from headrace.setting_aside import offering, require_within
from headrace.staging import IngestionContext, Slice, StagingProvider
from headrace.tally import Tally

log = logging.getLogger("headrace.run")

READ_BEFORE = "a run before this one had read everything and broke off at its end; this one ended it, and read nothing"
"""A load that goes on after its last slice has the rows of then, which the run must say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRun:
    """What is to be carried, and as which owner of the unit. ``sink_id`` is ``kb`` without a sink."""

    tenant: str
    endpoint_id: str
    sink_id: str
    unit_id: str
    run_id: str
    epoch: int
    generation: int
    next_seq: int
    checkpoint: Json
    policy: Policy
    deadline: datetime.datetime | None = None


def run_unit(
    run: UnitRun, source: SourceEndpoint, sink: SinkEndpoint | None, provider: StagingProvider, observer: Observer
) -> Finished:
    """Carry everything new. The endpoints are the caller's to close.

    Returns:
        The last event, which has not been told yet. ``errors`` holds what ended the run.

    Raises:
        DataPlaneError: Nothing could begin: fence, plan or first slice failed before any session was allocated.
        RunInterrupted: The observer gave the run up.
    """
    loop = _Run(run, parse(run.policy), source, sink, provider, observer)
    try:
        return loop.execute()
    except Exception as error:
        if observer.is_interrupted and not isinstance(error, RunInterrupted):
            raise RunInterrupted from error
        raise


@dataclass
class _Run:
    run: UnitRun
    policy: RunPolicy
    source: SourceEndpoint
    sink: SinkEndpoint | None
    provider: StagingProvider
    observer: Observer
    tally: Tally = field(init=False)
    checkpoint: Json = field(init=False)
    into: SinkRun | None = field(init=False, default=None)
    next_seq: int = field(init=False, default=0)
    blocks: BlockLoads | None = field(init=False, default=None)
    rows: RowLoads = field(init=False, default_factory=lambda: RowLoads(None, None))

    def __post_init__(self) -> None:
        self.tally = Tally(self.provider.id, self.policy.data_engine)
        self.checkpoint = self.run.checkpoint
        for warning in self.policy.warnings:
            log.warning("%s", warning)

    def execute(self) -> Finished:
        self.next_seq = self._open()
        plan = self._plan(self.next_seq)
        self.observer.tell(planned(plan))
        slices = self._drawn(plan)
        first = next(slices, None)
        slices = itertools.chain([] if first is None else [first], slices)
        error = self._carry_all(slices, plan.parallel_reads, nothing=first is None)
        return Finished(
            new_checkpoint=self.checkpoint,
            stats=self.tally.stats(delivery(plan, self.into)),
            errors=[] if error is None else [error],
        )

    def _open(self) -> int:
        """Fence the sink, and take its record for the truth about what was carried. Returns the next slice's number."""
        if self.sink is None:
            self.observer.tell(Opened(fenced=False, high_water=None))
            return self.run.next_seq
        with blamed("sink"):
            self.into = SinkRun.make(self.sink, self.run, self.policy, self._described, self.run.policy)
            refuse_unheard(self.policy, self.source, self.sink, self.into.target.disposition)
            refuse_itself(self.source, self.sink, self.into.target)
            high_water = self.into.open()
        self.blocks = BlockLoads.of(self.run.unit_id, self.source, self.sink, self.into)
        self.rows = RowLoads.of(self.sink, self.into)
        self.observer.tell(Opened(fenced=True, high_water=high_water))
        if high_water is None:
            return self.run.next_seq
        self.checkpoint = high_water.to_ckpt
        return high_water.slice_seq + 1

    def _plan(self, next_seq: int) -> Plan:
        with blamed("source"):
            if self.into is not None and self.into.holds_a_whole_load and not self.source.capabilities().replays:
                said, why = {"leftForLater": READ_BEFORE}, "the sink holds everything"
                return Plan(slices=iter(()), count=0, estimated_rows=0, strategy=why, delivery=said)
            if self.sink is None and not self.source.capabilities().semantic:
                self._described()
                whole = Slice(seq=next_seq, bounds=METADATA, from_checkpoint=self.checkpoint, to_checkpoint=None)
                return Plan(slices=iter([whole]), count=1, estimated_rows=None, strategy="metadata")
            self._require_filterable()
            return self.source.plan(self.run.unit_id, self.checkpoint, self._reading_policy(), next_seq)

    def _require_filterable(self) -> None:
        """Raises ``ConfigInvalid`` for a filter that does not fit the rows, where they are filtered after reading."""
        if self.policy.filter is not None and not self.source.capabilities().filters:
            keep = BatchFilter(self.policy.filter, self.run.unit_id)
            keep.require(self._described().arrow, self.policy.columns, self.policy.limit)

    def _drawn(self, plan: Plan) -> Iterator[Slice]:
        slices = iter(plan.slices)
        while True:
            with blamed("source"):
                slice_ = next(slices, None)
            if slice_ is None:
                return
            yield slice_

    def _carry_all(self, slices: Iterator[Slice], at_once: int | None, *, nothing: bool) -> Problem | None:
        """Carry slice after slice until the plan ends or somebody stops it. Returns what ended the run early."""
        try:
            if not self._carry_each(slices, self.source, at_once) or not self._carry_gone():
                return None
            self._complete(nothing=nothing and self.tally.is_empty)
        except RunInterrupted:
            raise
        except Exception as error:
            if self.observer.is_interrupted:
                raise RunInterrupted from error
            level = logging.INFO if isinstance(error, DataPlaneError) else logging.ERROR
            log.log(level, "the run ends: %s", type(error).__name__, exc_info=error)
            return problem(offering(error, self.policy))
        return None

    def _carry_gone(self) -> bool:
        """Take away what the source no longer has, when all it has is there."""
        if self.into is None or self.sink is None or not compares_keys(self.policy, self.source, self.into.target):
            return True
        gone = GoneRows(self.source, self.run.unit_id, self._reading_policy(), self.observer)
        rows = self.policy.slice_rows or ROWS_OF_A_SLICE
        return self._carry_each(gone.slices(self.sink, self.into.target, self.next_seq, self.checkpoint, rows), gone)

    def _carry_each(self, slices: Iterator[Slice], source: SliceReader, at_once: int | None = None) -> bool:
        """Whether the plan was carried to its end, and nobody stopped it before."""
        if self._is_late():
            return False
        width = min(self.policy.max_parallel_slices, at_once or source.capabilities().parallel_reads)
        ahead = ReadAhead(slices, partial(self._export, source), width, self.observer, self.source.close)
        with closing(ahead), closing(self.rows):
            for staged in ahead:
                with closing(staged.session):
                    if self._is_late() or self._carry(staged) != "commit":
                        return False
        return True

    def _export(self, source: SliceReader, slice_: Slice, observer: Observer) -> Staged:
        with blamed("staging"):
            session = self.provider.allocate_session(self._context(slice_))
        try:
            with blamed("source"):
                policy = slice_policy(self._reading_policy(), session, self.sink)
                if self.blocks is not None:
                    policy = self.blocks.policy_for(slice_, session, policy)
                unit_id, parsed = self.run.unit_id, self.policy
                exported = export_slice(source, unit_id, [slice_], policy, parsed, session, observer, self._key)
            self.rows.begin(slice_, session, exported.seal, observer)
        except BaseException:
            session.close()
            raise
        return Staged(slice_, session, exported)

    def _carry(self, staged: Staged) -> Verdict:
        if self.into is not None:
            with blamed("sink"):
                staged = judged(staged, self.into, self.observer)
        rejected = staged.exported.rejected
        self.tally.exported(staged.exported, staged.slice.seq)
        so_far, read = self.tally.counts["rejected_rows"], self.tally.counts["exported_rows"]
        require_within(self.policy.quarantine, rejected, so_far, read, self._key)
        tell_rejected(self.observer, staged.slice.seq, rejected)
        verdict = self._asked(staged)
        if verdict == "commit":
            self._commit(staged)
        return verdict

    def _asked(self, staged: Staged) -> Verdict:
        slice_, exported = staged.slice, staged.exported
        if self.sink is None:
            verdict = ask_records(self.observer, slice_.seq, staged.session.reader())
            if verdict != "commit":
                return verdict
        return self.observer.ask(sealed(slice_, exported))()

    def _commit(self, staged: Staged) -> None:
        self.next_seq = staged.slice.seq + 1
        seal = staged.exported.seal
        if self.into is None:
            self.tally.applied(seal.rows, seal.bytes, None, 0)
            self.checkpoint = staged.slice.to_checkpoint
            return
        with blamed("sink"):
            load = self.rows.taken(staged.slice, staged.session, seal, self.observer)
            event, applied, duration_ms = self.into.write(staged.slice, staged.session, seal, self.observer, load)
        self.checkpoint = applied.record.to_ckpt
        self.tally.applied(seal.rows, applied.bytes, applied.location, duration_ms, deleted=staged.exported.deleted)
        self.observer.tell(event)
        self.into.require_chain(staged.slice, applied)

    def _complete(self, *, nothing: bool) -> None:
        if self.into is None:
            return
        self.observer.moved("finish", None, 0, 0)
        is_first = self.checkpoint is None
        with blamed("sink"):
            if self.blocks is not None and nothing and is_first:
                self.blocks.agree(self._reading_policy())
            location = self.into.complete(nothing=nothing, is_first=is_first)
        self.tally.location = location or self.tally.location

    def _reading_policy(self) -> Policy:
        disposition = None if self.into is None else self.into.target.disposition
        return reading_policy(self.run.policy, self.policy, self.source, self.provider, self.sink, disposition)

    def _context(self, slice_: Slice) -> IngestionContext:
        return IngestionContext(
            tenant=self.run.tenant,
            endpoint_id=self.run.endpoint_id,
            unit_id=self.run.unit_id,
            sink_id=self.run.sink_id,
            run_id=self.run.run_id,
            epoch=self.run.epoch,
            generation=self.run.generation,
            slice_seq=slice_.seq,
            slice=slice_,
            prev_hash="",  # of a slice read ahead the one before is not committed yet; ``SinkRun`` keeps the chain
            max_bytes=self.policy.staging_max_bytes,
        )

    def _described(self) -> DatasetSchema:
        with blamed("source"):
            return self.source.describe(self.run.unit_id)

    @property
    def _key(self) -> tuple[str, ...]:
        return () if self.into is None else self.into.target.primary_key

    def _is_late(self) -> bool:
        is_late = self.run.deadline is not None and datetime.datetime.now(datetime.UTC) >= self.run.deadline
        if is_late:
            log.warning("the deadline has passed; the run ends at this slice boundary")
        return is_late
