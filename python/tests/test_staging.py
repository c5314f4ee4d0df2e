"""The staging contract as the specification words it, for the providers that need no server.

The fine print is the suite's, which those with a server pass too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ConfigInvalid
from headrace.staging import SessionClosed, StagingProvider, StagingSession
from headrace.stagings import STAGINGS, staging_provider
from headrace.testing.staging_suite import context

ROWS = [{"n": n} for n in range(10)]


@pytest.fixture(params=sorted(set(STAGINGS) - {"object_store"}))
def provider(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagingProvider:
    monkeypatch.setenv("HEADRACE_STAGING_DIR", str(tmp_path))
    return staging_provider(request.param)


@pytest.fixture
def session(provider: StagingProvider) -> Iterator[StagingSession]:
    with closing(provider.allocate_session(context())) as opened:
        yield opened


def test_a_provider_allocates_a_session_for_a_context(provider: StagingProvider) -> None:
    """P6"""
    asked = context(unit_id="public.invoices", slice_seq=3)

    with closing(provider.allocate_session(asked)) as session:
        assert session.context == asked


def test_a_session_has_an_id_of_its_own_a_writer_readers_and_an_end(provider: StagingProvider) -> None:
    """P7"""
    one, other = provider.allocate_session(context()), provider.allocate_session(context())

    assert one.id and one.id != other.id
    assert one.writer() is one.writer()
    assert one.reader() is not one.reader()
    for session in (one, other):
        session.close()
        with pytest.raises(SessionClosed):
            session.writer()


@pytest.mark.parametrize("kind", [list, tuple, iter, reversed])
def test_a_writer_takes_a_batch_of_any_iterable(session: StagingSession, kind: Any) -> None:
    """P8"""
    session.writer().write_batch(kind(ROWS))

    assert [row for batch in session.reader().iter_batches(100) for row in batch] == list(kind(ROWS))


def test_a_reader_gives_batches_of_the_size_asked_for(session: StagingSession) -> None:
    """P9: ten rows written as three, four and three are read as four, four and two."""
    for part in (ROWS[:3], ROWS[3:7], ROWS[7:]):
        session.writer().write_batch(part)

    assert [list(batch) for batch in session.reader().iter_batches(4)] == [ROWS[:4], ROWS[4:8], ROWS[8:]]


def test_in_memory_is_the_provider_that_stands_on_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P10, P34"""
    monkeypatch.setenv("HEADRACE_STAGING_DIR", str(tmp_path / "staging"))

    with closing(staging_provider("in_memory").allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        session.seal()

    assert not (tmp_path / "staging").exists()


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    """P12"""
    with pytest.raises(ConfigInvalid, match=r"'kafka'.*in_memory, local_disk, object_store") as refusal:
        staging_provider("kafka")

    assert refusal.value.details == {"field": "stagingProviderId"}


@pytest.mark.parametrize("provider_id", sorted(STAGINGS))
def test_a_provider_has_the_id_it_is_chosen_by(provider_id: str) -> None:
    """P12"""
    assert staging_provider(provider_id).id == provider_id
