"""Reading ahead: in order, bounded, and given up without a trace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from headrace.ahead import ReadAhead, Staged
from headrace.exporting import Exported
from headrace.observer import CommitAlways, Observer, RunInterrupted
from headrace.staging import IngestionContext, Seal, Slice
from headrace.stagings.in_memory import InMemoryStaging

SEAL = Seal(rows=0, bytes=0, sha256="")
PATIENCE = 30
"""Seconds after which a test that waits for an event fails."""


def slices(count: int) -> Iterator[Slice]:
    return (Slice(seq=seq, bounds=None, from_checkpoint=seq, to_checkpoint=seq + 1) for seq in range(count))


class Session:
    def __init__(self, open_sessions: set[int], seq: int) -> None:
        self._open = open_sessions
        self._seq = seq
        open_sessions.add(seq)

    def close(self) -> None:
        self._open.discard(self._seq)


class Reads:
    """Exports that do as a test says, and remember how many there were at once."""

    def __init__(self, read: Callable[[int, Observer], None] = lambda _seq, _observer: None) -> None:
        self.open: set[int] = set()
        self.begun: list[int] = []
        self.at_once = 0
        self.most_at_once = 0
        self._read = read
        self._counting = threading.Lock()

    def __call__(self, slice_: Slice, observer: Observer) -> Staged:
        with self._counting:
            self.begun.append(slice_.seq)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        session = Session(self.open, slice_.seq)
        try:
            self._read(slice_.seq, observer)
        except BaseException:
            session.close()
            raise
        finally:
            with self._counting:
                self.at_once -= 1
        return Staged(slice_, session, Exported(SEAL, 0, [], 0, 0))  # pyright: ignore[reportArgumentType]


def ahead(drawn: Iterator[Slice], reads: Reads, width: int, unblock: Callable[[], None] = lambda: None) -> ReadAhead:
    return ReadAhead(drawn, reads, width, CommitAlways(), unblock)


def test_slices_come_in_the_order_of_the_plan_whichever_was_ready_first() -> None:
    second_is_ready = threading.Event()

    def read(seq: int, _: Observer) -> None:
        if seq == 0:
            assert second_is_ready.wait(PATIENCE)
        if seq == 1:
            second_is_ready.set()

    with closing(ahead(slices(5), Reads(read), width=2)) as found:
        assert [staged.slice.seq for staged in found] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("width", [1, 3])
def test_as_many_as_the_width_are_read_while_one_is_stored_and_no_more(width: int) -> None:
    reads = Reads()

    with closing(ahead(slices(20), reads, width)) as found:
        for stored, staged in enumerate(found):
            assert len(reads.begun) <= stored + 1 + width
            assert len(reads.open) <= width + 1
            staged.session.close()

    assert reads.begun == sorted(reads.begun) or width > 1
    assert reads.most_at_once <= width
    assert reads.open == set()


def test_a_source_that_reads_one_slice_at_a_time_is_not_asked_for_the_next_meanwhile() -> None:
    reading = threading.Event()
    overlapped: list[int] = []

    def read(_seq: int, _: Observer) -> None:
        reading.set()
        reading.clear()

    reads = Reads(read)

    def drawn() -> Iterator[Slice]:
        for slice_ in slices(50):
            if reads.at_once:
                overlapped.append(slice_.seq)
            yield slice_

    with closing(ahead(drawn(), reads, width=1)) as found:
        assert len(list(found)) == 50
    assert overlapped == []


@pytest.mark.parametrize("where", ["reading", "planning"])
def test_what_goes_wrong_is_raised_after_the_slices_before_it(where: str) -> None:
    def read(seq: int, _: Observer) -> None:
        if where == "reading" and seq == 2:
            raise ConnectionError("gone")

    def drawn() -> Iterator[Slice]:
        yield from slices(5 if where == "reading" else 2)
        if where == "planning":
            raise ConnectionError("gone")

    reads = Reads(read)
    stored: list[int] = []
    with closing(ahead(drawn(), reads, width=2)) as found, pytest.raises(ConnectionError):
        for staged in found:
            stored.append(staged.slice.seq)
            staged.session.close()

    assert stored == [0, 1]
    assert reads.open == set()


def test_reads_that_nobody_wants_any_more_end_at_their_next_batch_or_are_unblocked() -> None:
    """One slice is stored; of the two being read one goes on batch by batch, the other hangs in its source."""
    is_hanging, is_unblocked = threading.Event(), threading.Event()
    ends: list[type[BaseException]] = []

    def read(seq: int, observer: Observer) -> None:
        try:
            if seq == 1:
                is_hanging.set()
                assert is_unblocked.wait(PATIENCE)
                raise ConnectionError("closed")
            while seq == 2:
                observer.moved("export", seq, 1, 1)
        except (RunInterrupted, ConnectionError) as error:
            ends.append(type(error))
            raise

    reads = Reads(read)
    with closing(ahead(slices(9), reads, width=2, unblock=is_unblocked.set)) as found:
        first = next(iter(found))
        assert is_hanging.wait(PATIENCE)
        first.session.close()

    assert RunInterrupted in ends or 2 not in reads.begun
    assert ConnectionError in ends
    assert reads.open == set()


def test_what_was_read_and_not_handed_out_is_closed() -> None:
    all_read = threading.Event()

    def read(seq: int, _: Observer) -> None:
        if seq == 2:
            all_read.set()

    reads = Reads(read)
    with closing(ahead(slices(9), reads, width=2)) as found:
        next(iter(found)).session.close()
        assert all_read.wait(PATIENCE)

    assert reads.open == set()


def test_real_sessions_are_handed_out_sealed() -> None:
    provider = InMemoryStaging()

    def export(slice_: Slice, _: Observer) -> Staged:
        session = provider.allocate_session(context(slice_))
        session.write_batch([{"seq": slice_.seq}])
        return Staged(slice_, session, Exported(session.seal(), 1, [], 0, 0))

    with closing(ReadAhead(slices(3), export, 2, CommitAlways(), lambda: None)) as found:
        assert [next(iter(staged.session.reader().iter_batches(9)))[0]["seq"] for staged in found] == [0, 1, 2]


def context(slice_: Slice) -> IngestionContext:
    return IngestionContext(
        tenant="dev",
        endpoint_id="shop",
        unit_id="rows",
        sink_id="lake",
        run_id="run",
        epoch=1,
        generation=1,
        slice_seq=slice_.seq,
        slice=slice_,
        prev_hash="",
    )
