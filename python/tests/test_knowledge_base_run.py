"""A run without a sink: records for the knowledge base, in batches that the control plane can store in one go."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from carrying import ManyRecords, PatientListener, Watching, record, rows_parameters, unit_run

from headrace.errors import UnitNotFound
from headrace.events import Opened, Planned, Records, Sealed
from headrace.observer import Answer
from headrace.protocol import NormalizedEdge, NormalizedRecord
from headrace.records import BATCH_BYTES, BATCH_RECORDS
from headrace.run import run_unit
from headrace.saying import UNANSWERED
from headrace.staging import StagingProvider
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.row_endpoints import RowsSource


def emit(source: Any, observer: Any, provider: StagingProvider | None = None, unit_id: str = "records") -> Any:
    return run_unit(unit_run(unit_id), source, None, provider or InMemoryStaging(), observer)


def large(number: int) -> NormalizedRecord:
    """About a fifth of a mebibyte."""
    return record(number, {"text": f"{number % 10}" * 200_000})


def size(batch: list[NormalizedRecord]) -> int:
    return sum(len(msgspec.msgpack.encode(each)) for each in batch)


def test_every_record_is_emitted_once_in_order_in_batches_of_at_most_500() -> None:
    """P17, D11"""
    listener = PatientListener()

    finished = emit(ManyRecords(1234), listener)

    assert [len(batch) for batch in listener.batches] == [BATCH_RECORDS, BATCH_RECORDS, 234]
    assert [each.payload["n"] for batch in listener.batches for each in batch] == list(range(1234))
    assert (finished.stats["exported_rows"], finished.stats["applied_rows"], finished.errors) == (1234, 1234, [])


def test_a_batch_of_large_records_ends_before_a_mebibyte() -> None:
    """P17, D11"""
    listener = PatientListener()

    emit(ManyRecords(12, large), listener)

    assert [len(batch) for batch in listener.batches] == [5, 5, 2]
    assert max(size(batch) for batch in listener.batches) <= BATCH_BYTES


def test_a_record_that_is_larger_than_a_batch_is_one_by_itself() -> None:
    """P17, D11"""
    listener = PatientListener()

    emit(ManyRecords(3, lambda n: record(n, {"text": "x" * (BATCH_BYTES if n == 1 else 1)})), listener)

    assert [len(batch) for batch in listener.batches] == [1, 1, 1]


def test_at_most_four_batches_wait_for_their_verdict() -> None:
    """D11"""
    listener = PatientListener()

    emit(ManyRecords(5000), listener)

    assert (UNANSWERED, listener.most_open) == (4, UNANSWERED)
    assert len(listener.batches) == 10


@pytest.mark.parametrize("answers_last", [False, True], ids=["the oldest open batch", "the last batch"])
def test_a_batch_that_was_not_stored_ends_the_run_without_its_slice(answers_last: bool) -> None:
    """P17"""
    refused = 4 if answers_last else 0
    watching = Watching(verdict=lambda event: "stop" if getattr(event, "batch", None) == refused else "commit")

    finished = emit(ManyRecords(2500 if answers_last else 5000), watching)

    assert len(watching.of(Records)) == (5 if answers_last else UNANSWERED)
    assert watching.of(Sealed) == []
    assert (finished.new_checkpoint, finished.stats["slices"], finished.errors) == (None, 0, [])


def test_the_slice_counts_only_when_every_batch_is_stored_and_the_slice_is_allowed() -> None:
    """P17"""
    watching = Watching()

    emit(ManyRecords(600), watching)

    assert [type(event) for event in watching.events] == [Opened, Planned, Records, Records, Sealed]
    assert [event.batch for event in watching.of(Records)] == [0, 1]
    assert (watching.of(Opened)[0].fenced, watching.of(Sealed)[0].rows) == (False, 600)


def test_records_come_out_as_they_went_in() -> None:
    """P17"""
    whole = msgspec.structs.replace(
        record(1, {"nested": {"list": [1, None, {"x": "é"}]}, "wide": 2**53 - 1}),
        phase="snapshot",
        edges=[
            NormalizedEdge(type="links", source_logical_id="page-1", target_logical_id="page-2", properties={"n": 1})
        ],
    )
    listener = PatientListener()

    emit(ManyRecords(1, lambda _: whole), listener)

    ((found,),) = listener.batches
    assert found.provenance.endpoint_id == "shop"
    assert msgspec.structs.replace(found, provenance=whole.provenance) == whole


class Weighing(PatientListener):
    """Notes at each batch the most memory that Python has held so far, and what Arrow holds above what it held."""

    def __init__(self) -> None:
        super().__init__()
        self.before = pa.total_allocated_bytes()
        self.most = 0

    def ask(self, event: Records | Sealed) -> Answer:
        answer = super().ask(event)
        self.batches.clear()
        _, most = tracemalloc.get_traced_memory()
        self.most = max(self.most, most + pa.total_allocated_bytes() - self.before)
        return answer


def _memory(count: int, provider: StagingProvider) -> int:
    weighing = Weighing()
    tracemalloc.start()
    try:
        emit(ManyRecords(count), weighing, provider)
    finally:
        tracemalloc.stop()
    return weighing.most


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    """P17, D11: five times as many take less than half more."""
    _memory(500, LocalDiskStaging(tmp_path))

    few, many = (_memory(count, LocalDiskStaging(tmp_path)) for count in (3_000, 15_000))

    assert many < 1.5 * few
    assert list(tmp_path.iterdir()) == []


# ---- sources of tables, which have no records of their own


def test_a_table_is_metadata_to_the_knowledge_base_and_its_rows_are_not_read() -> None:
    """D19: one dataset for the unit, with its columns; nothing of another unit."""
    watching = Watching()
    source = RowsSource(rows_parameters(5, failAfterRows="0"))

    finished = emit(source, watching, unit_id="rows")

    ((found,),) = [event.records for event in watching.of(Records)]
    assert (found.entity_type, found.logical_id) == ("catalog.dataset", "test.rows/rows")
    assert found.payload == {"unitId": "rows", "columns": ["id", "name"]}
    assert found.provenance.endpoint_id == "shop"
    assert watching.of(Planned) == [Planned(slices=1, estimated_rows=None, strategy="metadata", resumes=True)]
    assert (finished.errors, finished.stats["exported_rows"]) == ([], 1)


def test_an_unknown_table_is_refused_and_not_taken_for_an_empty_one() -> None:
    """D19"""
    with pytest.raises(UnitNotFound):
        emit(RowsSource(rows_parameters(5)), Watching(), unit_id="rowz")
