"""The slot log of one unit: which slices it holds and how one more is taken, wherever its files lie.

A slot that exists cannot be taken again, and that is the fence: a generation
that was left has its next slot closed, one that was given up is read by nobody.
How a slot is taken once, and how a replacement is shown, is the place's to say.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, closing
from typing import BinaryIO, Protocol

import pyarrow as pa

from headrace.commit import first_hash, record_hash
from headrace.endpoint import Target
from headrace.endpoints.sinks.files_parquet import NotParquet, parquet_schema, with_footer
from headrace.errors import CheckpointAheadOfSink, SinkFenced
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader

CLOSED = hashlib.sha256(b"closed").hexdigest()
"""Stands where the hash of a slice's rows would be, in the record that closes a generation."""


class Attempt(Protocol):
    """A slice that nobody reads yet. What it wrote is gone when it ends without having taken the slot."""

    def write(self, reader: RecordReader, schema: pa.Schema, compression: str) -> int:
        """Write every row, widened to ``schema``. Returns their number once they are durable."""
        ...

    def write_columns(self, schema: pa.Schema, compression: str) -> None:
        """Write a file of ``schema`` without a row."""
        ...

    def take(self, record: CommitRecord) -> CommitRecord | None:
        """Make everything written the slot of ``record``, durably. Returns the winner's record if it is taken.

        Raises:
            SinkFenced: The generation was replaced.
            SinkAmbiguous: Whether the slot is ours could not be found out.
        """
        ...


class SlotLog(Protocol):
    """One unit at one place. ``unit`` is the injective path that owns it, ``shown`` names the place to people."""

    @property
    def unit(self) -> str: ...
    @property
    def shown(self) -> str: ...
    @property
    def advice(self) -> str:
        """What to do with what is there before the unit is reset, such as ``move /lake/orders away``."""
        ...

    def is_claimed(self) -> bool:
        """Whether the place is there and ours. Raises ``ConfigInvalid`` if it is another's."""
        ...

    def claim(self, run_id: str) -> None:
        """Make the place ours, in one step. A second claim by the same unit changes nothing."""
        ...

    def generations(self) -> list[int]:
        """Those that readers see and those on their way, in order."""
        ...

    def shown_generations(self) -> list[int]: ...

    def slots(self, generation: int) -> list[int]: ...

    def record(self, generation: int, seq: int) -> CommitRecord | None:
        """The commit record of a slot, once it is surely durable; None if nobody took it.

        Raises:
            SinkAmbiguous: The slot is there and its record cannot be read.
        """
        ...

    def slot_shown(self, generation: int, seq: int) -> str: ...

    def newest_part(self, generation: int, seq: int) -> tuple[BinaryIO, str] | None:
        """A file of a slot's rows and how it is shown; None for a slice without one."""
        ...

    def bytes_in(self, generation: int, seq: int) -> int: ...

    def open_generation(self, generation: int, *, is_pending: bool) -> None:
        """Make the generation ready, unless a newer one is there. Raises ``SinkFenced``.

        With ``is_pending`` readers see nothing of it before ``show_generation``.
        """
        ...

    def show_generation(self, generation: int, run_id: str) -> None:
        """Let readers see the generation in place of older ones. Raises ``SinkFenced`` when a newer one is there."""
        ...

    def give_up_replacements_before(self, generation: int, run_id: str) -> None: ...

    def attempt(self, run_id: str, generation: int, seq: int) -> AbstractContextManager[Attempt]: ...

    def explain_reading(self, target: Target) -> None:
        """Leave beside the slices how they are read. The same again writes nothing."""
        ...

    def sweep(self, generation: int) -> None:
        """Delete what nobody reads and no attempt that lives can need."""
        ...


def refuse_if_left(log: SlotLog, generation: int) -> None:
    newest = max(log.generations(), default=generation)
    if newest > generation:
        raise SinkFenced(
            f"{log.shown} is at generation {newest}, and this run belongs to generation {generation}: "
            "a newer run has this unit. If the control plane's database was restored from an older copy, "
            f"{log.advice} and reset the unit.",
            role="sink",
            details={"path": log.shown},
        )


def slots_without_gap(log: SlotLog, generation: int) -> list[int]:
    """The slots of a generation that goes on. Raises ``CheckpointAheadOfSink`` when one before the last is gone."""
    slots = log.slots(generation)
    gone = next((seq for seq, found in enumerate(slots, min(slots, default=0)) if seq != found), None)
    if gone is None and slots and slots[0] > 0:
        first = log.record(generation, slots[0])
        is_first = first is None or first.prev_hash == first_hash(log.unit, generation)
        gone = None if is_first else slots[0] - 1
    if gone is not None:
        slot = log.slot_shown(generation, gone)
        raise lost(log, f"{slot} is gone, and the slices after it are there.", slot)
    return slots


def require_slots(log: SlotLog, generation: int, last: int | None) -> None:
    """Up to ``last`` all are there; None asks nothing.

    Raises:
        SinkFenced: A newer generation is there, whose writer has removed them.
        CheckpointAheadOfSink: Somebody else has removed one.
    """
    if last is None:
        return
    slots = slots_without_gap(log, generation)
    if not slots or slots[-1] < last:
        refuse_if_left(log, generation)
        slot = log.slot_shown(generation, last)
        raise lost(log, f"{slot} was written by this run, and is gone.", slot)


def lost(log: SlotLog, what: str, place: str) -> CheckpointAheadOfSink:
    """Rows that were committed are not there any more, and nobody would read them again."""
    return CheckpointAheadOfSink(
        f"{what} Restore it from a backup; or, if everything may be read again, {log.advice} and reset the unit.",
        role="sink",
        details={"path": place},
    )


def close_generations_before(log: SlotLog, generation: int, epoch: int, run_id: str) -> None:
    """Take the next slot of every older generation readers see, so that a late writer of it finds it taken."""
    for older in log.shown_generations():
        while older < generation:
            last = _last(log, older)
            if last is not None and last.sha256 == CLOSED:
                break
            closing_record = _after(log, older, last, epoch, CLOSED)
            with log.attempt(run_id, older, closing_record.slice_seq) as attempt:
                attempt.take(closing_record)


def leave_columns(log: SlotLog, target: Target, epoch: int, columns: pa.Schema, compression: str) -> None:
    """End the generation with a slice without rows, whose file has the columns."""
    generation = target.generation
    record = _after(log, generation, _last(log, generation), epoch, hashlib.sha256(b"").hexdigest())
    with log.attempt(target.run_id, generation, record.slice_seq) as attempt:
        attempt.write_columns(with_footer(columns, target, generation, record.slice_seq), compression)
        attempt.take(record)


def newest_schema(log: SlotLog, generations: list[int]) -> pa.Schema | None:
    """Columns of the last slice that has any. A closed generation ends in a slot without rows."""
    for generation in reversed(generations):
        for seq in reversed(log.slots(generation)):
            found = log.newest_part(generation, seq)
            if found is not None:
                return _schema_of(log, *found)
    return None


def _schema_of(log: SlotLog, part: BinaryIO, shown: str) -> pa.Schema:
    try:
        with closing(part):
            return parquet_schema(part)
    except NotParquet as error:
        raise lost(log, f"{shown} is damaged: {error}.", shown) from error


def _last(log: SlotLog, generation: int) -> CommitRecord | None:
    slots = log.slots(generation)
    return log.record(generation, slots[-1]) if slots else None


def _after(log: SlotLog, generation: int, last: CommitRecord | None, epoch: int, sha256: str) -> CommitRecord:
    """A record without rows that follows ``last``."""
    checkpoint = last.to_ckpt if last is not None else None
    return CommitRecord(
        unit=log.unit,
        generation=generation,
        slice_seq=last.slice_seq + 1 if last is not None else 0,
        from_ckpt=checkpoint,
        to_ckpt=checkpoint,
        rows=0,
        sha256=sha256,
        epoch=epoch,
        prev_hash=record_hash(last) if last is not None else first_hash(log.unit, generation),
    )
