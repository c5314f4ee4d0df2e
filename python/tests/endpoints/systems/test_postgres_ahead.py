"""What is opened before it is asked for is taken once, or closed."""

from __future__ import annotations

import threading

import pytest

from headrace.endpoints.systems.postgres_ahead import OpenedAhead

SECONDS = 60


class Wire:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_what_was_opened_is_taken_once() -> None:
    wire, ahead = Wire(), OpenedAhead(Wire.close)
    ahead.begin(lambda: wire)
    ahead.begin(Wire)

    assert (ahead.taken(), ahead.taken()) == (wire, None)
    ahead.close()
    assert not wire.closed.is_set(), "it is its taker's to close"


def test_whoever_takes_it_hears_why_it_could_not_be_opened() -> None:
    ahead = OpenedAhead(Wire.close)

    def refuse() -> Wire:
        raise ConnectionError("nobody there")

    ahead.begin(refuse)
    with pytest.raises(ConnectionError, match="nobody there"):
        ahead.taken()
    assert ahead.taken() is None


def test_what_nobody_took_is_closed_as_soon_as_it_is_open() -> None:
    wire, ahead, may_open = Wire(), OpenedAhead(Wire.close), threading.Event()

    def open_late() -> Wire:
        assert may_open.wait(SECONDS)
        return wire

    ahead.begin(open_late)
    ahead.close()
    assert not wire.closed.is_set()
    may_open.set()
    assert wire.closed.wait(SECONDS)
    ahead.begin(Wire)
    assert ahead.taken() is None, "nothing is opened after the end"
