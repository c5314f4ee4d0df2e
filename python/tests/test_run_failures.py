"""A run that ends before its end: what it answers, what the sink holds, and that nothing stays in staging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from carrying import Runs, SourceThat, Watching, ids, rows, rows_parameters

from headrace.errors import UnitNotFound
from headrace.events import Phase, RunEvent
from headrace.observer import RunInterrupted
from headrace.staging import Slice
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.row_endpoints import RowsSource


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "staging")


def _breaking(slice_: Any) -> Iterator[Any]:
    yield from rows(5)[slice(*slice_.bounds)][:1]
    if slice_.seq == 1:
        raise ZeroDivisionError("a secret canary")
    yield from rows(5)[slice(*slice_.bounds)][1:]


FAILING: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "the source goes away": (
        {"source": RowsSource(rows_parameters(5, failAfterRows="3"))}, "EndpointUnreachable", "source",
    ),
    "the source has a bug": ({"source": SourceThat(_breaking)}, "Bug", None),
    "the sink refuses": ({"sink": {"failWith": "PermissionDenied", "failOnSlice": "1"}}, "PermissionDenied", "sink"),
    "staging is full": (
        {"source": SourceThat(lambda slice_: iter([{"id": slice_.seq, "name": "x" * (1 + 900 * slice_.seq)}]))},
        "StagingFull", "staging",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAILING)
def test_an_error_in_mid_run_leaves_no_staging_and_the_earlier_checkpoint(runs: Runs, what: str) -> None:
    """P31: the failure is the one error of the result, the rows before it stay, and those of its slice are nowhere."""
    changes, tag, role = FAILING[what]
    runs.provider = LocalDiskStaging(runs.root, max_bytes=500)

    finished = runs.carry(**changes)

    assert [(error.tag, error.role) for error in finished.errors] == [(tag, role)]
    assert finished.new_checkpoint == {"next": 2}
    assert finished.stats["slices"] == 1
    assert len(runs.stored.records) == 1
    assert "canary" not in finished.errors[0].message
    assert runs.leftovers == []


def test_a_plan_that_fails_raises_before_any_session_is_allocated(runs: Runs) -> None:
    """P31"""
    with pytest.raises(UnitNotFound):
        runs.carry(source=RowsSource(rows_parameters(5, failWith="UnitNotFound")))

    assert not runs.root.exists()


def test_ctrl_c_in_mid_run_leaves_no_staging(runs: Runs) -> None:
    """P31"""

    def interrupted(slice_: Any) -> Iterator[Any]:
        yield rows(1)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.carry(source=SourceThat(interrupted))

    assert runs.leftovers == []


@pytest.mark.parametrize("begun", [False, True], ids=["while it plans", "while it reads"])
def test_a_source_that_fails_because_the_run_was_given_up_is_no_failure(runs: Runs, begun: bool) -> None:
    watching = Watching()

    def closed(_: object) -> Iterator[Any]:
        watching.is_interrupted = True
        yield from RowsSource(rows_parameters(1, failAfterRows="0")).read("rows", _whole(), {})

    class SourceClosedWhilePlanning(RowsSource):
        def plan(self, unit_id: str, checkpoint: Any, policy: Any, next_seq: int = 0) -> Any:
            return list(closed(None))

    with pytest.raises(RunInterrupted):
        runs.carry(watching, source=SourceThat(closed) if begun else SourceClosedWhilePlanning(rows_parameters(1)))

    assert runs.leftovers == []


def _whole() -> Slice:
    return Slice(seq=0, bounds=[0, 1], from_checkpoint=None, to_checkpoint=None)


class GivesUp(Watching):
    """Gives the run up at its ``at``-th call, however that is made."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.calls_left = at
        self.is_interrupted = False

    def tell(self, event: RunEvent) -> None:
        self._count()
        super().tell(event)

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        self._count()

    def _count(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            self.is_interrupted = True
            raise RunInterrupted


def test_a_run_given_up_at_any_point_leaves_no_staging_and_whole_slices_only(tmp_path: Path) -> None:
    """P31"""
    stored: list[list[Any]] = []
    for at in range(100):
        runs = Runs(tmp_path / str(at))
        try:
            runs.carry(GivesUp(at))
        except RunInterrupted:
            assert runs.leftovers == []
            stored.append(ids(runs.stored.rows))
        else:
            break

    whole: list[list[int]] = [[], [1, 2], [1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert [found for found in whole if found in stored] == whole
    assert all(found in whole for found in stored)
