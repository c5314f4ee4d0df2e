"""A merge writes files of an Iceberg table anew, and the rows that it leaves alone come out of that unchanged."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from carrying import Watching, unit_run
from fidelity.arrow_files import ArrowOrigin
from fidelity.contract import KEY
from fidelity.iceberg_tables import IcebergPlace
from fidelity.matrix import recorded

from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging

MERGED = {"mode": "full", "writeDisposition": "merge", "primaryKeys": [KEY]}


def test_values_in_a_file_that_is_written_anew_for_other_rows_do_not_change(tmp_path: Path) -> None:
    origin, place = ArrowOrigin(tmp_path / "origin"), IcebergPlace(tmp_path / "place")
    outcomes = recorded()["file.local arrow", "warehouse.iceberg"]
    columns = [name for name, outcome in outcomes.items() if outcome.how != "refused"]

    for generation, rows_of_a_slice in enumerate((1000, 1), 1):
        policy = {**MERGED, "columns": [KEY, *columns], "targetSliceSize": rows_of_a_slice}
        run = unit_run(origin.unit_id, policy=policy, epoch=generation, generation=generation)
        with closing(origin.open(columns)) as source, closing(place.open()) as sink:
            finished = run_unit(run, source, sink, InMemoryStaging(), Watching())
            assert (finished.errors, finished.stats["slices"] > 5) == ([], rows_of_a_slice == 1)

    found = place.found()
    assert {name: list(found[name].values) for name in columns} == {
        name: list(values) for name, values in origin.told(columns).items()
    }
