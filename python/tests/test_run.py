"""The loop of a run: what it says, in which order, and who decides."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from carrying import Runs, SourceThat, Watching, ids, rows, rows_parameters, unit_run

from headrace.endpoint import Plan, Policy, SinkCapabilities, SourceCapabilities
from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.errors import SinkFenced
from headrace.events import Committed, Opened, Planned, Sealed
from headrace.protocol import Json
from headrace.run import READ_BEFORE, run_unit
from headrace.staging import Slice
from headrace.testing.row_endpoints import RowsSource
from headrace.testing.row_sink import RowsSink

INCREMENTAL = {"mode": "incremental"}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "staging")


def test_events_come_in_the_order_of_the_protocol(runs: Runs) -> None:
    watching = Watching()

    finished = runs.carry(watching)

    assert [type(event) for event in watching.events] == [Opened, Planned, *[Sealed, Committed] * 3]
    sealed, committed = watching.of(Sealed), watching.of(Committed)
    assert [(event.from_, event.to) for event in sealed] == [
        (None, {"next": 2}), ({"next": 2}, {"next": 4}), ({"next": 4}, {"next": 5}),
    ]  # fmt: skip
    assert [event.sha256 for event in sealed] == [event.commit_record.sha256 for event in committed]
    assert finished.new_checkpoint == {"next": 5}


def test_what_was_read_is_staged_set_aside_or_filtered(runs: Runs) -> None:
    watching = Watching()
    odd = [{"id": n, "name": n if n == 4 else "text"} for n in range(1, 5)]
    source = SourceThat(lambda slice_: iter(odd[slice(*slice_.bounds)]))

    finished = runs.carry(watching, source=source, policy={**INCREMENTAL, "quarantine": {"maxRows": 1, "maxRatio": 1}})

    assert [(event.read, event.rows, event.rejected, event.filtered) for event in watching.of(Sealed)] == [
        (2, 2, 0, 0), (2, 1, 1, 0),
    ]  # fmt: skip
    assert finished.errors == []
    assert (finished.stats["exported_rows"], finished.stats["rejected_rows"], finished.stats["applied_rows"]) == (
        4,
        1,
        3,
    )


def test_no_more_than_the_slice_being_stored_and_the_next_one_are_staged(runs: Runs) -> None:
    """P31"""
    sessions: list[int] = []
    watching = Watching(on_ask=lambda: sessions.append(len(list(runs.root.glob("*/*/*")))))

    runs.carry(watching, source=RowsSource(rows_parameters(20)))

    assert len(sessions) == 10
    assert max(sessions) <= 2
    assert runs.leftovers == []


@pytest.mark.parametrize(("said", "drawn"), [(None, 3), (1, 2)])
def test_a_plan_may_say_that_fewer_slices_are_read_at_once(runs: Runs, said: int | None, drawn: int) -> None:
    """While the first is stored the next are being read, and each was drawn for it."""
    source, when_asked = ReadsTwoAtOnce(said), list[int]()

    runs.carry(Watching(on_ask=lambda: when_asked.append(source.drawn)), source=source)

    assert when_asked[0] == drawn


class ReadsTwoAtOnce(RowsSource):
    def __init__(self, said: int | None) -> None:
        super().__init__(rows_parameters(20))
        self._said = said
        self.drawn = 0

    def capabilities(self) -> SourceCapabilities:
        return replace(super().capabilities(), parallel_reads=2)

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        plan = super().plan(unit_id, checkpoint, policy, next_seq)
        return replace(plan, slices=self._counted(plan.slices), parallel_reads=self._said)

    def _counted(self, slices: Iterator[Slice]) -> Iterator[Slice]:
        for slice_ in slices:
            self.drawn += 1
            yield slice_


class NativeSource(RowsSource):
    """Reads in blocks of ``pgcopy`` when it is asked to."""

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True, native_formats=("parquet", "pgcopy"))

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        self.asked = policy.get("nativeFormat")
        return super().read(unit_id, slice_, policy)


@pytest.mark.parametrize(
    ("takes", "policy", "format_"),
    [
        (("pgcopy",), {}, "pgcopy"),
        ((), {}, None),
        (("orc",), {}, None),
        (("pgcopy",), {"quarantine": {"maxRows": 1}}, None),
    ],
    ids=["both know it", "the sink takes rows", "the sink knows another", "rows may be set aside"],
)
def test_blocks_pass_as_they_are_when_both_ends_know_their_format_and_nobody_looks_inside(
    runs: Runs, takes: tuple[str, ...], policy: Any, format_: str | None
) -> None:
    class NativeSink(RowsSink):
        def capabilities(self) -> SinkCapabilities:
            return SinkCapabilities(delivery="A", dispositions=("append",), native_formats=takes)

    source = NativeSource(rows_parameters(2))
    run = unit_run(sink_id="lake", policy={**INCREMENTAL, "writeDisposition": "append", **policy})

    run_unit(run, source, NativeSink({"store": str(runs.root)}), runs.provider, Watching())

    assert source.asked == format_


# ---- who decides


@pytest.mark.parametrize("verdict", ["stop", "abort"])
def test_a_slice_that_was_not_to_be_committed_is_nowhere_and_ends_the_run(runs: Runs, verdict: Any) -> None:
    watching = Watching(verdict=lambda event: "commit" if event.slice_seq == 0 else verdict)

    finished = runs.carry(watching)

    assert (finished.new_checkpoint, finished.errors) == ({"next": 2}, [])
    assert (ids(runs.stored.rows), finished.stats["slices"]) == ([1, 2], 1)
    assert runs.leftovers == []


def test_a_replacement_that_was_stopped_stays_unseen(runs: Runs) -> None:
    runs.carry(policy={"mode": "full"})
    stopped = Watching(verdict=lambda event: "stop" if event.slice_seq == 1 else "commit")

    finished = runs.carry(stopped, policy={"mode": "full"}, generation=2, epoch=2)

    assert finished.new_checkpoint == {"next": 2}
    assert runs.stored.rows == rows(5)


def test_a_run_past_its_deadline_ends_at_the_slice_boundary(runs: Runs) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    finished = runs.carry(deadline=past, checkpoint={"next": 2})

    assert (finished.new_checkpoint, finished.errors, runs.stored.rows) == ({"next": 2}, [], [])


def test_an_older_owner_is_refused_before_anything_is_read(runs: Runs) -> None:
    runs.carry(epoch=7)

    with pytest.raises(SinkFenced):
        runs.carry(epoch=6, source=SourceThat(_must_not_be_read))


def _must_not_be_read(_: object) -> Iterator[Any]:
    raise AssertionError("nothing was to be read")


def test_a_load_whose_last_slice_is_stored_is_only_completed(runs: Runs) -> None:
    class SinkThatCannotComplete(RowsSink):
        def complete(self, target: Any, policy: Any) -> str:
            raise ConnectionResetError

    run = unit_run(sink_id="lake", policy={"mode": "full"})
    broken = SinkThatCannotComplete({"store": str(runs.root)})
    assert run_unit(run, RowsSource(rows_parameters(5)), broken, runs.provider, Watching()).errors != []

    finished = runs.carry(policy={"mode": "full"}, epoch=2, source=SourceThat(_must_not_be_read))

    assert (finished.errors, finished.stats["slices"], runs.stored.rows) == ([], 0, rows(5))
    assert finished.stats["delivery"] == {"class": "A", "leftForLater": READ_BEFORE}


class NothingYet(RowsSource):
    """Knows the columns, and has no row."""

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        return Plan(slices=iter(()), count=0, estimated_rows=0, strategy="nothing")


def test_a_run_without_rows_prepares_the_sink_for_the_columns_that_the_policy_chooses(
    runs: Runs, tmp_path: Path
) -> None:
    sink = LocalFilesSink({"base_path": str(tmp_path / "lake")})
    run = unit_run(sink_id="lake", policy={"mode": "full", "columns": ["name", "id"]})

    run_unit(run, NothingYet(rows_parameters(5)), sink, runs.provider, Watching())

    (part,) = tmp_path.glob("lake/rows/gen=1/slice=*/*.parquet")
    assert pq.read_schema(part).names == ["name", "id"]


def test_a_load_that_found_no_row_and_was_not_ended_is_read_again(runs: Runs, tmp_path: Path) -> None:
    """The slice without rows that it left for its readers is no whole load."""
    for epoch, kind, count in ((1, NothingYet, 0), (2, RowsSource, 5)):
        sink = LocalFilesSink({"base_path": str(tmp_path / "lake")})
        run = unit_run(sink_id="lake", policy={"mode": "full"}, epoch=epoch)

        finished = run_unit(run, kind(rows_parameters(5)), sink, runs.provider, Watching())

        assert (finished.errors, finished.stats["applied_rows"]) == ([], count)
    read = [pq.read_table(path).to_pylist() for path in sorted(tmp_path.glob("lake/rows/gen=1/slice=*/*.parquet"))]
    assert [len(found) for found in read] == [0, 2, 2, 1]
    assert [row for found in read for row in found] == rows(5)


def test_a_slice_that_another_run_stored_to_another_end_is_no_gap(runs: Runs) -> None:
    class SinkThatAnswersLate(RowsSink):
        """Says that nothing is there, as it was when another run had not yet committed."""

        def high_water(self, target: Any, epoch: int) -> None:
            super().high_water(target, epoch)

    runs.carry(
        Watching(verdict=lambda event: "stop" if event.slice_seq == 1 else "commit"),
        policy={**INCREMENTAL, "targetSliceSize": 3},
    )
    late = SinkThatAnswersLate({"store": str(runs.root)})

    finished = run_unit(
        unit_run(sink_id="lake", policy=INCREMENTAL, epoch=2),
        RowsSource(rows_parameters(5)),
        late,
        runs.provider,
        Watching(),
    )

    assert [error.tag for error in finished.errors] == ["SinkAmbiguous"]
    assert ids(runs.stored.rows) == [1, 2, 3]
