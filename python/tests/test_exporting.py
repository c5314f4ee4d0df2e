"""What becomes of each thing a source yields: staged, set aside with its reason, or the end of the slice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from carrying import SourceThat, Watching, record, rows

from headrace.errors import Bug, QuarantineExceeded, RowRejected
from headrace.events import Rejected, RejectedRow
from headrace.exporting import ROWS_AT_ONCE, Exported, export_slice
from headrace.policy import Quarantine, parse
from headrace.saying import REJECTED_BYTES, tell_rejected
from headrace.sessions import StagedSession
from headrace.setting_aside import require_within
from headrace.staging import NativeBlock, Seal, Slice, StagingSession
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import context, read

WHOLE = Slice(seq=0, bounds=None, from_checkpoint=None, to_checkpoint=None)


@pytest.fixture
def session() -> Iterator[StagingSession]:
    with closing(InMemoryStaging().allocate_session(context())) as opened:
        yield opened


def export(
    session: StagingSession, yielded: list[Any], policy: Any = None, observer: Watching | None = None
) -> Exported:
    source = SourceThat(lambda _: iter(yielded))
    return export_slice(source, "rows", [WHOLE], policy or {}, parse(policy or {}), session, observer or Watching())


def odd_rows(count: int, *odd: int) -> list[dict[str, Any]]:
    """Rows of numbers; those at ``odd`` hold a text where the others hold a number."""
    return [{"n": f"no number {n}" if n in odd else n} for n in range(count)]


def test_a_row_that_cannot_be_carried_is_set_aside_with_its_position_its_reason_and_its_hash(session: Any) -> None:
    exported = export(session, odd_rows(2500, 3, 2100), {"quarantine": {"maxRows": 2, "maxRatio": 1}})

    assert (exported.read, exported.seal.rows) == (2500, 2498)
    assert [row.position for row in exported.rejected] == [3, 2100]
    assert "'n'" in exported.rejected[0].reason
    assert json.loads(exported.rejected[0].payload or "")["row"] == {"n": "no number 3"}
    assert exported.rejected[0].sha256 != exported.rejected[1].sha256
    assert [row["n"] for row in read(session, 500)] == [n for n in range(2500) if n not in (3, 2100)]


@pytest.mark.parametrize(
    ("quarantine", "refusal", "tells"),
    [
        (
            {"maxRows": 1, "maxRatio": 1},
            QuarantineExceeded,
            r"2 of 6 rows cannot be carried, which is more than quarantine\.maxRows of 1\. ",
        ),
        (None, RowRejected, "column 'n'"),
    ],
    ids=["more rows than allowed", "none is allowed"],
)
def test_more_rejected_rows_than_the_policy_allows_end_the_slice(
    session: Any, quarantine: Any, refusal: type[Exception], tells: str
) -> None:
    with pytest.raises(refusal, match=tells):
        export(session, odd_rows(100, 3, 5), {"quarantine": quarantine})


def test_the_limit_that_too_many_rows_exceed_is_the_one_that_is_named(session: Any) -> None:
    rejected = export(session, odd_rows(10, 3, 5), {"quarantine": {"maxRows": 2, "maxRatio": 1}}).rejected

    with pytest.raises(QuarantineExceeded) as refused:
        require_within(Quarantine(max_rows=2, max_ratio=0.01), rejected, 2, 10)

    assert "more than quarantine.maxRatio of 0.01 (1 % of them). " in refused.value.message
    assert "maxRows" not in refused.value.message


def test_a_part_that_is_just_kept_is_not_named_beside_the_limit_that_was_exceeded(session: Any) -> None:
    rejected = export(session, odd_rows(10, 3), {"quarantine": {"maxRows": 1, "maxRatio": 1}}).rejected

    with pytest.raises(QuarantineExceeded, match=r"more than quarantine\.maxRows of 28\. "):
        require_within(Quarantine(max_rows=28, max_ratio=0.29), rejected, 29, 100)


def test_the_first_row_beyond_the_limit_ends_the_reading_too(session: Any) -> None:
    taken: list[int] = []

    def read_on(_: object) -> Iterator[Any]:
        for n, row in enumerate(odd_rows(5000, *range(1, 5000))):
            taken.append(n)
            yield row

    with pytest.raises(RowRejected):
        export_slice(SourceThat(read_on), "rows", [WHOLE], {}, parse({}), session, Watching())

    assert len(taken) == ROWS_AT_ONCE


def test_a_row_too_large_to_be_shown_is_set_aside_with_its_hash_alone(session: Any) -> None:
    exported = export(session, [{"n": 1}, {"n": "x" * 300_000}], {"quarantine": {"maxRows": 1, "maxRatio": 1}})

    assert (exported.rejected[0].payload, len(exported.rejected[0].sha256)) == (None, 64)


def test_arrow_and_native_blocks_are_staged_as_they_are(session: Any) -> None:
    batch = pa.record_batch([pa.array([1, 2], pa.int16())], names=["n"])

    exported = export(session, [batch, batch])

    assert (exported.read, exported.seal.rows) == (4, 4)
    assert session.reader().schema == batch.schema

    with closing(InMemoryStaging().allocate_session(context())) as native:
        block = NativeBlock(format="pgcopy", data=b"123", rows=2)
        assert export(native, [block]).read == 2
        assert list(native.reader().iter_native()) == [block]


def test_records_that_name_no_endpoint_are_given_the_runs(session: Any) -> None:
    export(session, [record(1)])

    (row,) = read(session)
    assert row["provenance"] == {"endpointId": "shop", "vendor": "test", "sourceEventId": None}


def test_what_is_none_of_the_three_shapes_is_a_bug_of_the_source(session: Any) -> None:
    with pytest.raises(Bug, match="yielded a int") as bug:
        export(session, [1])

    assert bug.value.role == "source"


def test_a_staging_that_loses_a_row_is_found_out() -> None:
    class Lossy(StagedSession):
        def seal(self) -> Seal:
            seal = super().seal()
            return Seal(rows=seal.rows - 1, bytes=seal.bytes, sha256=seal.sha256)

    with closing(Lossy("lossy", context(), Nowhere())) as session, pytest.raises(Bug, match="some are lost"):
        export(session, list(rows(3)))


class Nowhere:
    """A store that keeps nothing."""

    def append(self, batch: pa.RecordBatch) -> None: ...

    def append_native(self, block: NativeBlock) -> None: ...

    def native_path(self) -> None:
        return None

    def keep_native_file(self) -> Path:
        raise AssertionError("there is no place for files")

    def finish(self, seal: Seal) -> None: ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(())

    def blocks(self) -> Iterator[NativeBlock]:
        return iter(())

    def delete(self) -> None: ...


def test_the_observer_hears_of_every_batch_while_rows_are_read(session: Any) -> None:
    watching = Watching()

    export(session, rows(2500), observer=watching)

    assert watching.phases == [("export", 0)] * 3


def test_rejected_rows_are_told_in_messages_of_at_most_a_mebibyte() -> None:
    watching = Watching()
    held = [
        RejectedRow(position=n, code="SCHEMA", reason="r" * 100, column="c", sha256="0" * 64, payload="p" * 16_000)
        for n in range(200)
    ]

    tell_rejected(watching, 4, held)

    told = watching.of(Rejected)
    assert [row for event in told for row in event.rows] == held
    assert all(event.slice_seq == 4 for event in told)
    assert len(told) == 4
    assert max(sum(len(msgspec.msgpack.encode(row)) for row in event.rows) for event in told) <= REJECTED_BYTES
