"""``export_to_staging`` and ``import_from_staging`` by themselves, from plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from carrying import ids, rows, rows_parameters

from headrace.errors import EndpointUnreachable
from headrace.ingestion import export_to_staging, import_from_staging
from headrace.staging import Slice, StagingSession
from headrace.stagings import staging_provider
from headrace.testing.row_endpoints import RowsSource
from headrace.testing.row_sink import RowsSink, place
from headrace.testing.staging_suite import context, read

INCREMENTAL = {"mode": "incremental"}


@pytest.fixture
def session() -> Iterator[StagingSession]:
    with closing(staging_provider("in_memory").allocate_session(context())) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The name of a sink that nobody else uses."""
    return str(tmp_path)


# ---- exporting


def test_exporting_answers_the_new_checkpoint_and_what_was_read(session: StagingSession) -> None:
    """P14"""
    source = RowsSource(rows_parameters(5))

    result = export_to_staging(source, "rows", {"next": 2}, INCREMENTAL, session)

    assert result.keys() == {"new_checkpoint", "stats"}
    assert result["new_checkpoint"] == {"next": 5}
    assert result["stats"]["exported_rows"] == 3
    assert all(isinstance(value, int) for value in result["stats"].values())
    assert {"exported_rows", "duration_ms"} <= result["stats"].keys()
    assert read(session) == rows(5)[2:]


def test_exporting_what_is_not_new_leaves_the_checkpoint_where_it_was(session: StagingSession) -> None:
    """P14"""
    result = export_to_staging(RowsSource(rows_parameters(5)), "rows", {"next": 5}, INCREMENTAL, session)

    assert (result["new_checkpoint"], result["stats"]["exported_rows"]) == ({"next": 5}, 0)


def test_exporting_into_the_session_of_a_slice_reads_that_slice_alone() -> None:
    """P14"""
    slice_ = Slice(seq=7, bounds=[1, 3], from_checkpoint={"next": 1}, to_checkpoint={"next": 3})
    of_slice = context(slice_seq=7, slice=slice_)

    with closing(staging_provider("in_memory").allocate_session(of_slice)) as session:
        result = export_to_staging(RowsSource(rows_parameters(5)), "rows", None, INCREMENTAL, session)

        assert result["new_checkpoint"] == {"next": 3}
        assert ids(read(session)) == [2, 3]


def test_an_export_that_fails_leaves_the_session_to_its_owner(session: StagingSession) -> None:
    """P14"""
    with pytest.raises(EndpointUnreachable):
        export_to_staging(RowsSource(rows_parameters(5, failAfterRows="3")), "rows", None, INCREMENTAL, session)

    session.close()


# ---- importing


def test_importing_answers_what_was_applied(session: StagingSession, store: str) -> None:
    """P15"""
    session.writer().write_batch(rows(3))

    result = import_from_staging(RowsSink({"store": store}), "rows", session, {})

    assert result.keys() == {"stats"}
    assert result["stats"]["applied_rows"] == 3
    assert isinstance(result["stats"]["duration_ms"], int)
    assert place("dev/shop/public.orders/lake", store).rows == rows(3)


def test_importing_the_same_session_again_stores_nothing_twice(session: StagingSession, store: str) -> None:
    """P15"""
    session.writer().write_batch(rows(3))
    policy = {"writeDisposition": "append"}

    once, again = (import_from_staging(RowsSink({"store": store}), "rows", session, policy) for _ in range(2))

    assert (once["stats"]["adopted"], again["stats"]["adopted"]) == (False, True)
    assert place("dev/shop/public.orders/lake", store).rows == rows(3)


def test_importing_a_session_into_which_nothing_was_written_touches_no_sink(session: StagingSession) -> None:
    """P15"""
    result = import_from_staging(RowsSink({"failWith": "Bug"}), "rows", session, {})

    assert result["stats"]["applied_rows"] == 0
