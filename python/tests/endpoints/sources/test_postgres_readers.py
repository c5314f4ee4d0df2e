"""A reader serves one thread at a time, and none outlives its source, however late it connected."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from headrace.endpoints.sources.postgres_readers import Readers
from headrace.errors import EndpointUnreachable

ONE = ("set transaction snapshot '1-1'",)
TWO = ("set transaction snapshot '2-1'",)


class RecordingReader:
    """Knows what became of it."""

    def __init__(self, adopting: tuple[str, ...]) -> None:
        self.adopting = adopting
        self.is_spent = False
        self.was_cancelled = self.was_closed = False

    def cancel(self) -> None:
        self.is_spent = self.was_cancelled = True

    def close(self) -> None:
        self.was_closed = True


def readers(
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Readers[RecordingReader], list[RecordingReader]]:
    """``meanwhile`` happens while one connects."""
    made: list[RecordingReader] = []

    def connect(adopting: tuple[str, ...]) -> RecordingReader:
        meanwhile()
        made.append(RecordingReader(adopting))
        return made[-1]

    return Readers(connect), made


def test_a_reader_that_was_put_back_is_taken_again_and_no_other_connects() -> None:
    lent, made = readers()

    first = lent.take(ONE)
    second = lent.take(ONE)
    lent.put_back(first)

    assert lent.take(ONE) is first
    assert made == [first, second]


def test_a_spent_reader_is_closed_and_another_connects() -> None:
    lent, _ = readers()
    spent = lent.take(ONE)
    spent.is_spent = True

    lent.put_back(spent)

    assert spent.was_closed
    assert lent.take(ONE) is not spent


def test_closing_cancels_what_is_taken_and_closes_what_is_idle() -> None:
    lent, _ = readers()
    busy, idle = lent.take(ONE), lent.take(ONE)
    lent.put_back(idle)

    lent.close()

    assert (busy.was_cancelled, busy.was_closed, idle.was_closed) == (True, False, True)


def test_a_reader_whose_read_ended_well_as_the_others_were_closed_is_closed_too() -> None:
    lent, _ = readers()
    busy = lent.take(ONE)
    lent.close()
    busy.is_spent = False

    lent.put_back(busy)

    assert busy.was_closed


def test_a_reader_that_connected_while_the_others_were_closed_is_closed_and_reads_nothing() -> None:
    lent, made = readers(meanwhile=lambda: lent.close())

    with pytest.raises(EndpointUnreachable, match="its source was closed"):
        lent.take(ONE)

    assert [(reader.was_closed, reader.was_cancelled) for reader in made] == [(True, False)]


def test_what_connected_ahead_is_taken_by_the_read_that_comes() -> None:
    connected = threading.Event()
    lent, made = readers(meanwhile=connected.set)

    lent.open_ahead(ONE)
    assert connected.wait(60)

    assert lent.take(ONE) is made[0]
    assert len(made) == 1


def test_nothing_connects_ahead_while_a_reader_is_there() -> None:
    lent, _ = readers()
    lent.put_back(lent.take(ONE))

    lent.open_ahead(ONE)
    lent.take(ONE)

    assert lent.take(TWO).adopting == TWO
