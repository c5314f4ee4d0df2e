"""Commits that others come between, that are refused, and whose answers are lost: a slice lands once, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ForbiddenError, RESTError
from pyiceberg.table import Table

from headrace.errors import (
    ConfigInvalid,
    EndpointUnreachable,
    PermissionDenied,
    SchemaChanged,
    SinkAmbiguous,
    SinkFenced,
)

Commit = Callable[[Table], Any]
Answering = Callable[[Table, Commit], Any]


@pytest.fixture
def writing(tmp_path: Path) -> IcebergWriting:
    return IcebergWriting(sqlite_catalog(tmp_path))


class AnsweringCatalog:
    """The next commit that brings rows to the unit's table is answered by ``act``, which may let it through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = SqlCatalog.commit_table
        self._acts: list[Answering] = []
        monkeypatch.setattr(SqlCatalog, "commit_table", self._commit)

    def next(self, *acts: Answering) -> None:
        self._acts = list(acts)

    @property
    def is_done(self) -> bool:
        return not self._acts

    def _commit(self, table: Table, requirements: Any, updates: Any) -> Any:
        def commit(table: Table) -> Any:
            return self._real(table.catalog, table, requirements, updates)  # pyright: ignore[reportArgumentType]

        made = [update.snapshot.summary for update in updates if hasattr(update, "snapshot")]
        brings_rows = any(summary.get("headrace.record") is not None for summary in made)
        return self._acts.pop(0)(table, commit) if self._acts and brings_rows else commit(table)


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> AnsweringCatalog:
    return AnsweringCatalog(monkeypatch)


def lost(table: Table, commit: Commit) -> Any:
    """It happens, and nobody hears of it."""
    commit(table)
    raise requests.exceptions.ConnectionError("the answer was lost")


def not_sent(table: Table, commit: Commit) -> Any:
    raise requests.exceptions.ConnectionError("the request was lost")


def refused_after_all(table: Table, commit: Commit) -> Any:
    """It happened, was sent once more by what lies below, and that was refused."""
    commit(table)
    raise CommitFailedException("Requirement failed: branch main has changed")


def cut_short(table: Table, commit: Commit) -> Any:
    """It happens, and the connection breaks within the answer."""
    commit(table)
    raise requests.exceptions.ChunkedEncodingError("bytes are missing")


def append_by_others(writing: IcebergWriting) -> Answering:
    def act(table: Table, commit: Commit) -> Any:
        writing.table().append(pa.table({"id": pa.array([99], pa.int64()), "note": ["theirs"]}))
        return commit(table)

    return act


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_what_another_writer_committed_in_between_stays_and_the_slice_lands_after_it(
    writing: IcebergWriting, catalog: AnsweringCatalog, disposition: str
) -> None:
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        writing.write(sink, target, [note(1)], seq=0)
        catalog.next(append_by_others(writing))

        applied = writing.write(sink, target, [note(1, "new"), note(2, "new")], seq=1)

    assert (catalog.is_done, applied.adopted) == (True, False)
    old = [] if disposition == "merge" else [(1, "old")]
    assert sorted(writing.notes()) == sorted([*old, (1, "new"), (2, "new"), (99, "theirs")])
    assert writing.unnamed_files() == []


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
@pytest.mark.parametrize("act", [lost, not_sent, refused_after_all, cut_short])
def test_a_commit_whose_answer_says_nothing_is_looked_up_and_lands_once(
    writing: IcebergWriting, catalog: AnsweringCatalog, disposition: str, act: Answering
) -> None:
    """F17, I2"""
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        catalog.next(act)

        applied = writing.write(sink, target, [note(1), note(2)], seq=0)
        sink.complete(target, {})

    assert catalog.is_done
    assert applied.record.slice_seq == 0
    assert writing.notes() == [(1, "old"), (2, "old")]
    with closing(writing.sink()) as later:
        high_water = later.high_water(target, 1)
    assert high_water is not None and high_water.record == applied.record


def test_a_commit_that_can_never_be_looked_up_is_ambiguous_and_keeps_what_may_be_in_use(
    writing: IcebergWriting, catalog: AnsweringCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = writing.to("append")

    def gone(*_: Any) -> Any:
        raise requests.exceptions.ConnectionError("gone")

    def lost_for_good(table: Table, commit: Commit) -> Any:
        commit(table)
        monkeypatch.setattr(SqlCatalog, "load_table", gone)
        return gone()

    with writing.owner(target) as sink:
        catalog.next(lost_for_good)
        with monkeypatch.context() as away, pytest.raises(SinkAmbiguous):
            away.setattr("headrace.endpoints.sinks.iceberg_commits.PAUSE_SECONDS", 0)
            writing.write(sink, target, [note(1)], seq=0)

    monkeypatch.undo()
    assert writing.notes() == [(1, "old")]


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RESTError("RESTError 408: the proxy gave up")])
def test_what_a_commit_may_name_stays_though_it_ends_in_nothing_that_is_known(
    writing: IcebergWriting, catalog: AnsweringCatalog, disposition: str, error: BaseException
) -> None:
    target = writing.to(disposition)

    def act(table: Table, commit: Commit) -> Any:
        commit(table)
        raise error

    with writing.owner(target) as sink:
        catalog.next(act)
        with pytest.raises((KeyboardInterrupt, ConfigInvalid)):
            writing.write(sink, target, [note(1)], seq=0)

    with writing.owner(target, epoch=2) as successor:
        successor.complete(target, {})
    assert writing.notes() == [(1, "old")]


def test_a_refusal_that_cannot_be_looked_up_is_ambiguous_and_keeps_what_may_be_in_use(
    writing: IcebergWriting, catalog: AnsweringCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = writing.to("append")

    def gone(*_: Any) -> Any:
        raise requests.exceptions.ConnectionError("gone")

    def refused_for_good(table: Table, commit: Commit) -> Any:
        commit(table)
        monkeypatch.setattr(SqlCatalog, "load_table", gone)
        raise CommitFailedException("Requirement failed: branch main has changed")

    with writing.owner(target) as sink:
        catalog.next(refused_for_good)
        with monkeypatch.context() as away, pytest.raises(SinkAmbiguous):
            away.setattr("headrace.endpoints.sinks.iceberg_commits.PAUSE_SECONDS", 0)
            writing.write(sink, target, [note(1)], seq=0)

    monkeypatch.undo()
    assert writing.notes() == [(1, "old")]


def test_a_commit_that_is_refused_for_good_leaves_nothing(writing: IcebergWriting, catalog: AnsweringCatalog) -> None:
    target = writing.to("append")

    def act(table: Table, commit: Commit) -> Any:
        raise ForbiddenError("not you")

    with writing.owner(target) as sink:
        catalog.next(act)
        with pytest.raises(PermissionDenied):
            writing.write(sink, target, [note(1)], seq=0)

    assert writing.rows() == []
    assert writing.unnamed_files() == []


def test_an_owner_that_is_fenced_between_its_look_and_its_commit_lands_nothing(
    writing: IcebergWriting, catalog: AnsweringCatalog
) -> None:
    """F12, I4: the fence alone moves, no row and no record."""
    target = writing.to("append")

    def taken_over(table: Table, commit: Commit) -> Any:
        with closing(writing.sink()) as successor:
            assert successor.high_water(target, 2) is None
        return commit(table)

    with writing.owner(target) as sink:
        catalog.next(taken_over)
        with pytest.raises(SinkFenced):
            writing.write(sink, target, [note(1)], seq=0)

    assert catalog.is_done
    assert writing.notes() == []
    assert writing.unnamed_files() == []


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_two_owners_of_one_epoch_that_both_looked_land_one_slice(
    writing: IcebergWriting, catalog: AnsweringCatalog, disposition: str
) -> None:
    target = writing.to(disposition)
    with writing.owner(target) as one, writing.owner(target) as twin:

        def overtaken(table: Table, commit: Commit) -> Any:
            assert not writing.write(twin, target, [note(1), note(2)], seq=0).adopted
            return commit(table)

        catalog.next(overtaken)

        applied = writing.write(one, target, [note(1), note(2)], seq=0)
        one.complete(target, {})

    assert applied.adopted
    assert writing.notes() == [(1, "old"), (2, "old")]
    assert writing.unnamed_files() == []


def test_a_slice_that_follows_another_history_is_not_taken_for_ours(writing: IcebergWriting) -> None:
    target = writing.to("append")
    writing.put(target, [note(1)])
    with writing.owner(target) as sink, pytest.raises(SinkFenced):
        writing.write(sink, target, [note(2)], seq=0, prev_hash="0" * 64)

    assert writing.notes() == [(1, "old")]


def test_a_column_that_others_take_away_in_between_ends_the_slice(
    writing: IcebergWriting, catalog: AnsweringCatalog
) -> None:
    target = writing.to("append")

    def act(table: Table, commit: Commit) -> Any:
        with writing.table().update_schema() as change:
            change.delete_column("note")
        return commit(table)

    with writing.owner(target) as sink:
        catalog.next(act)
        with pytest.raises(SchemaChanged) as refusal:
            writing.write(sink, target, [note(1)], seq=0)

    assert refusal.value.details["column"] == "note"
    assert writing.rows() == []
    assert writing.unnamed_files() == []


def test_a_sink_that_was_closed_commits_nothing_more(writing: IcebergWriting, catalog: AnsweringCatalog) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        sink.close()
        with pytest.raises(EndpointUnreachable):
            writing.write(sink, target, [note(1)], seq=0)

    assert writing.rows() == []
