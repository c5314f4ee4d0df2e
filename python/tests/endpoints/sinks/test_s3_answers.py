"""Answers to the write of a commit record in a bucket: lost, refused, interrupted. The slot is taken once, or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from local_files_kit import described, rows, target, write
from s3_lake import Lake

from headrace.errors import EndpointUnreachable, SinkAmbiguous
from headrace.objects.bucket import Bucket, Taken

pytestmark = pytest.mark.s3_server


@pytest.fixture
def lake() -> Lake:
    return Lake()


class Losing:
    """Makes the answers of ``times`` writes of a commit record vanish; the first one arrives all the same, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, *, arrives: bool) -> None:
        self.left, self._arrives, self._real = times, arrives, Bucket.create
        monkeypatch.setattr(Bucket, "create", lambda bucket, key, content: self._create(bucket, key, content))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    def _create(self, bucket: Bucket, key: str, content: bytes) -> str:
        if not key.endswith("_commit.json") or self.left == 0:
            return self._real(bucket, key, content)
        self.left -= 1
        if self._arrives:
            self._real(bucket, key, content)
            self._arrives = False
        raise EndpointUnreachable("The connection broke.", role="sink")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer_is_settled_by_sending_the_same_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)
        sink.prepare(target(), described(rows()), {})
        Losing(monkeypatch, 1, arrives=arrives)

        applied = write(sink, target(), 0, rows(1))

    assert not applied.adopted
    assert lake.ids() == [1]


def test_a_commit_whose_answers_are_all_lost_is_ambiguous_and_keeps_the_files_it_may_need(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)
        sink.prepare(target(), described(rows()), {})
        losing = Losing(monkeypatch, 2, arrives=True)
        with pytest.raises(SinkAmbiguous):
            write(sink, target(), 0, rows(1))
        losing.left = 0

    with closing(lake.sink()) as later:
        high_water = later.high_water(target(), 2)

    assert high_water is not None and high_water.record.slice_seq == 0
    assert lake.ids() == [1]


def answering(monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[Callable[[], Any]], Any]) -> None:
    """The next call of ``method`` for a commit record is answered by ``act``, which may let it through."""
    real, acts = getattr(Bucket, method), [act]

    def called(bucket: Bucket, key: str, *content: bytes) -> Any:
        is_next = acts and key.endswith("slice=000000/_commit.json")
        return acts.pop()(lambda: real(bucket, key, *content)) if is_next else real(bucket, key, *content)

    monkeypatch.setattr(Bucket, method, called)


def raising(error: BaseException, *, arrives: bool) -> Callable[[Callable[[], Any]], Any]:
    def act(really: Callable[[], Any]) -> Any:
        if arrives:
            really()
        raise error

    return act


def test_a_record_that_is_refused_while_nobody_has_its_slot_is_written_after_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that come at once a server may refuse one with a conflict, and the other may break off."""
    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)
        sink.prepare(target(), described(rows()), {})
        answering(monkeypatch, "create", raising(Taken("busy"), arrives=False))

        write(sink, target(), 0, rows(1))

    assert lake.ids() == [1]


def test_a_record_that_is_refused_for_itself_keeps_its_files_though_it_cannot_be_read_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)
        sink.prepare(target(), described(rows()), {})

        def refused(really: Callable[[], Any]) -> Any:
            really()
            answering(monkeypatch, "get", raising(EndpointUnreachable("The connection broke."), arrives=False))
            raise Taken("the same was sent again below us")

        answering(monkeypatch, "create", refused)

        applied = write(sink, target(), 0, rows(1))

    assert not applied.adopted
    assert lake.ids() == [1]


def test_who_is_interrupted_while_the_record_is_on_its_way_deletes_nothing_it_may_name(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(lake.sink()) as sink:
        sink.high_water(target(), 1)
        sink.prepare(target(), described(rows()), {})
        answering(monkeypatch, "create", raising(KeyboardInterrupt(), arrives=True))

        with pytest.raises(KeyboardInterrupt):
            write(sink, target(), 0, rows(1))

    assert lake.ids() == [1]
