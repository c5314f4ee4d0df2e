"""What becomes of the rows there are when a unit is read once more: replaced, merged or left, as the policy says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from carrying import Runs, Watching, ids, rows_parameters, unit_run

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.errors import ConfigInvalid
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.row_endpoints import RowsSource

APPENDING = {"mode": "incremental", "writeDisposition": "append"}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "staging")


def test_what_an_incremental_unit_reads_anew_takes_the_place_of_what_it_read_before(runs: Runs) -> None:
    runs.carry(policy=APPENDING)

    finished = runs.carry(policy=APPENDING, generation=2, epoch=2)

    assert (finished.errors, ids(runs.stored.rows)) == ([], [1, 2, 3, 4, 5])


def test_a_new_generation_is_seen_when_it_is_whole_whoever_ends_it(runs: Runs) -> None:
    runs.carry(policy=APPENDING, source=RowsSource(rows_parameters(3)))
    stopped = Watching(verdict=lambda event: "stop" if event.slice_seq == 1 else "commit")

    first = runs.carry(stopped, policy=APPENDING, generation=2, epoch=2)
    seen = ids(runs.stored.rows)
    runs.carry(policy=APPENDING, generation=2, epoch=3, checkpoint=first.new_checkpoint, next_seq=1)

    assert (first.new_checkpoint, seen, ids(runs.stored.rows)) == ({"next": 2}, [1, 2, 3], [1, 2, 3, 4, 5])


def test_what_comes_after_a_new_generation_is_added_to_it(runs: Runs) -> None:
    runs.carry(policy=APPENDING, source=RowsSource(rows_parameters(3)))
    first = runs.carry(policy=APPENDING, source=RowsSource(rows_parameters(3)), generation=2, epoch=2)

    runs.carry(policy=APPENDING, generation=2, epoch=3, checkpoint=first.new_checkpoint, next_seq=2)

    assert ids(runs.stored.rows) == [1, 2, 3, 4, 5]


def test_older_rows_stay_where_the_policy_says_so(runs: Runs) -> None:
    runs.carry(policy=APPENDING)

    runs.carry(policy={**APPENDING, "onNewGeneration": "append"}, generation=2, epoch=2)

    assert ids(runs.stored.rows) == [1, 2, 3, 4, 5] * 2


def test_rows_that_are_merged_take_the_place_of_their_older_selves_alone(runs: Runs) -> None:
    merging = {"mode": "incremental", "primaryKeys": ["id"]}
    runs.carry(policy=merging)

    runs.carry(policy=merging, source=RowsSource(rows_parameters(3)), generation=2, epoch=2)

    assert ids(runs.stored.rows) == [1, 2, 3, 4, 5]


def test_a_sink_that_merges_in_place_does_not_replace(runs: Runs) -> None:
    runs.carry()
    policy = {"mode": "incremental", "primaryKeys": ["id"], "onNewGeneration": "replace"}

    with pytest.raises(ConfigInvalid, match="onNewGeneration"):
        runs.carry(policy=policy, generation=2, epoch=2)


def test_a_directory_that_keeps_versions_holds_one_of_each_row_after_a_new_generation(tmp_path: Path) -> None:
    """A full load, and then the first of an incremental unit: nobody has to know which version counts."""
    provider, lake = LocalDiskStaging(tmp_path / "staging"), {"base_path": str(tmp_path / "lake")}
    source = RowsSource(rows_parameters(5))
    full = unit_run(sink_id="lake", policy={"mode": "full"})
    merging = unit_run(
        sink_id="lake", policy={"mode": "incremental", "primaryKeys": ["id"]}, generation=2, epoch=2, run_id="later"
    )

    for run in (full, merging):
        with closing(LocalFilesSink(lake)) as sink:
            assert run_unit(run, source, sink, provider, Watching()).errors == []

    found = [
        row["id"] for file in sorted((tmp_path / "lake").rglob("*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
    assert found == [1, 2, 3, 4, 5]
