"""The second half of a slice's way: from staging into the sink.

Knows what a run must remember of its sink: the fence, the chain of commit
records, and for which columns the target was prepared.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import pyarrow as pa

from headrace.abilities import BlockSink, RowLoadingSink
from headrace.commit import commit_record, first_hash, record_hash, unit_path
from headrace.deletions import OPERATION_COLUMN
from headrace.endpoint import Applied, Column, DatasetSchema, HighWater, Policy, SinkEndpoint, Target
from headrace.errors import ConfigInvalid, DataPlaneError, SinkAmbiguous
from headrace.events import Committed
from headrace.observer import Observer
from headrace.policy import RunPolicy
from headrace.protocol import CommitRecord
from headrace.staging import (
    DEFAULT_BATCH_BYTES,
    NativeBlock,
    NativeFile,
    RecordReader,
    Row,
    RowLoad,
    Seal,
    Slice,
    StagingSession,
)

log = logging.getLogger("headrace.run")

_Batch = TypeVar("_Batch")


class Owner(Protocol):
    """As whom a unit is carried; ``run.UnitRun`` and a session's context both say it."""

    @property
    def tenant(self) -> str: ...
    @property
    def endpoint_id(self) -> str: ...
    @property
    def sink_id(self) -> str: ...
    @property
    def unit_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def generation(self) -> int: ...


@dataclass
class SinkRun:
    """One owner's dealings with one sink."""

    sink: SinkEndpoint
    target: Target
    epoch: int
    policy: Policy
    parsed: RunPolicy
    described: Callable[[], DatasetSchema]
    prev_hash: str
    high_water: CommitRecord | None = None
    prepared: pa.Schema | None = None
    is_prepared: bool = False
    make_way: Callable[[], None] = lambda: None
    """What is done before a prepared target changes."""
    giving_way: Callable[[], AbstractContextManager[None]] = nullcontext
    """Within it a slice is stored while others wait in the target."""

    @staticmethod
    def make(
        sink: SinkEndpoint, owner: Owner, parsed: RunPolicy, describe: Callable[[], DatasetSchema], policy: Policy
    ) -> SinkRun:
        """Decide how rows land, and have seen that there is such a unit, before the sink is touched.

        Raises:
            ConfigInvalid: The sink cannot do what the policy asks.
            UnitNotFound: The source has no such unit.
        """
        capabilities = sink.capabilities()
        if parsed.require_exactly_once and capabilities.delivery == "C":
            raise ConfigInvalid(
                "The policy requires exactly-once, and this sink may repeat rows (class C). "
                "Choose another sink, or take `require` out of the policy.",
                details={"field": "policy.require"},
            )
        described = functools.cache(describe)
        keys_of_the_source = described().primary_key
        key = parsed.primary_keys or keys_of_the_source
        unit = unit_path(owner.tenant, owner.endpoint_id, owner.unit_id, owner.sink_id)
        target = Target(
            unit=unit,
            unit_id=owner.unit_id,
            run_id=owner.run_id,
            generation=owner.generation,
            disposition=parsed.disposition(capabilities, key),
            primary_key=key,
            table=described().table,
        )
        return SinkRun(sink, target, owner.epoch, policy, parsed, described, first_hash(unit, owner.generation))

    def open(self) -> CommitRecord | None:
        """Install the fence. Returns the last record of this generation, which is where the chain goes on."""
        found = self.sink.high_water(self.target, self.epoch)
        if self._takes_the_place_of_older_rows(found):
            self.target = replace(self.target, disposition="replace")
        if found is None:
            return None
        self.prev_hash = found.hash
        self.high_water = found.record
        return found.record

    def _takes_the_place_of_older_rows(self, found: HighWater | None) -> bool:
        """Whether this run fills a new generation of an incremental unit, unseen until it is whole.

        What it reads is everything once more, so beside the rows of older
        generations it would double them. The policy's ``onNewGeneration`` decides;
        unsaid, older rows stay only where a row takes the place of its older self.
        """
        disposition, asked = self.target.disposition, self.parsed.on_new_generation
        if self.parsed.mode == "full" or self.target.generation == 1 or disposition == "replace":
            return False
        if found is not None:
            return found.is_pending
        leaves_versions = disposition in self.sink.capabilities().reading
        if asked == "replace" and disposition == "merge" and not leaves_versions:
            raise ConfigInvalid(
                "The policy's onNewGeneration is replace, and this sink merges rows into those it has. Choose merge, "
                "or drop the table before the run.",
                role="sink",
                details={"field": "policy.onNewGeneration"},
            )
        return asked == "replace" or (asked is None and (disposition == "append" or leaves_versions))

    @property
    def holds_a_whole_load(self) -> bool:
        """A full load's last slice is there; only completing it is left. One without a row is as well read again."""
        last = self.high_water
        if last is None or last.to_ckpt is not None or self.parsed.mode != "full":
            return False
        return last.slice_seq > 0 or last.rows > 0

    def write(
        self, slice_: Slice, session: StagingSession, seal: Seal, observer: Observer, load: RowLoad | None = None
    ) -> tuple[Committed, Applied, int]:
        """Store a slice and its record; its rows may be there in ``load``.

        Returns what to tell of it, and how many milliseconds it took.
        """
        began = time.monotonic()
        record = commit_record(
            unit=self.target.unit,
            generation=self.target.generation,
            epoch=self.epoch,
            slice_=slice_,
            seal=seal,
            prev_hash=self.prev_hash,
        )
        applied = self._shown(slice_, load, record) or self._stored(slice_, session, record, observer)
        self.prev_hash = record_hash(applied.record)
        event = Committed(commit_record=applied.record, adopted=applied.adopted, location=applied.location)
        return event, applied, round((time.monotonic() - began) * 1000)

    def _shown(self, slice_: Slice, load: RowLoad | None, record: CommitRecord) -> Applied | None:
        """None: nothing was loaded, or the loaded rows were lost with their connection and are to be stored anew."""
        if load is None or not isinstance(self.sink, RowLoadingSink):
            return None
        try:
            return self.sink.write_loaded(self.target, slice_, load, record)
        except DataPlaneError as error:
            if not error.may_pass("sink"):
                raise
            log.info("slice %s is stored once more, since %s", slice_.seq, error.message)
            return None
        finally:
            load.abandon()

    def _stored(self, slice_: Slice, session: StagingSession, record: CommitRecord, observer: Observer) -> Applied:
        load = session.handed_on
        if load is not None and isinstance(self.sink, BlockSink):
            return self.sink.write_loaded(self.target, slice_, load, record)
        reader = session.reader()
        self.prepare(reader.schema)
        with self.giving_way():
            return self.sink.write(self.target, slice_, WatchedReader(reader, slice_.seq, observer), record)

    def require_chain(self, slice_: Slice, applied: Applied) -> None:
        """A slice that was adopted must end where ours does, or what follows would leave a gap."""
        if applied.record.to_ckpt != slice_.to_checkpoint:
            raise SinkAmbiguous(
                f"Another run had already stored slice {slice_.seq}, and it ends elsewhere. "
                "Start the unit again: it goes on from what is stored.",
                role="sink",
                details={"sliceSeq": slice_.seq},
            )

    def complete(self, *, nothing: bool, is_first: bool) -> str | None:
        """End a plan that was read to its end. With ``nothing`` new there is something to do only for a replacement."""
        if nothing and not (is_first or (self.target.disposition == "replace" and self.high_water is not None)):
            return None
        if nothing and self.high_water is None:
            self.prepare(None)
        return self.sink.complete(self.target, self.policy)

    def prepare(self, arrow: pa.Schema | None) -> None:
        """Have the target take rows of these columns; with None, of those the source describes."""
        if self.is_prepared and (arrow is None or (self.prepared is not None and arrow.equals(self.prepared))):
            return
        if self.is_prepared:
            self.make_way()
        self.sink.prepare(self.target, self._dataset(arrow), self.policy)
        self.prepared, self.is_prepared = arrow, True

    def _dataset(self, arrow: pa.Schema | None) -> DatasetSchema:
        described = self.described()
        if arrow is None:
            return described if self.parsed.columns is None else chosen_schema(described, self.parsed.columns)
        return staged_schema(arrow, described, self.target.primary_key)


def staged_schema(arrow: pa.Schema, described: DatasetSchema | None, key: tuple[str, ...]) -> DatasetSchema:
    """What is known of the rows that are staged: their own types, and the source's words for them."""
    words = {column.name: column for column in described.columns} if described is not None else {}
    fields = [field for field in arrow if field.name != OPERATION_COLUMN]
    columns = tuple(
        words.get(field.name) or Column(name=field.name, type=str(field.type), nullable=True) for field in fields
    )
    return DatasetSchema(columns=columns, arrow=pa.schema(fields, metadata=arrow.metadata), primary_key=key)


def chosen_schema(described: DatasetSchema, names: Sequence[str]) -> DatasetSchema:
    """What is known of the columns that the policy chooses, in its order, before any was staged."""
    words = {column.name: column for column in described.columns}
    fields = [described.arrow.field(name) for name in names if name in described.arrow.names]
    columns = tuple(words[name] for name in names if name in words)
    return replace(described, columns=columns, arrow=pa.schema(fields, metadata=described.arrow.metadata))


class WatchedReader:
    """A reader that tells the observer of every batch, so that giving a run up also ends a long write."""

    def __init__(self, reader: RecordReader, slice_seq: int, observer: Observer) -> None:
        self._reader = reader
        self._slice_seq = slice_seq
        self._observer = observer

    @property
    def schema(self) -> pa.Schema | None:
        return self._reader.schema

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        return self._watched(self._reader.iter_batches(chunk_size))

    def iter_arrow(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        return self._watched(self._reader.iter_arrow(max_bytes))

    def iter_native(self) -> Iterator[NativeBlock]:
        return self._watched(self._reader.iter_native())

    def native_file(self) -> NativeFile | None:
        return self._reader.native_file()

    def _watched(self, batches: Iterator[_Batch]) -> Iterator[_Batch]:
        for batch in batches:
            self._observer.moved("import", self._slice_seq, 0, 0)
            yield batch
