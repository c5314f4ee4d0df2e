"""What others do to a table between two slices of one run: what was committed is still there, or the run ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from iceberg_writing import NOTES, IcebergWriting, note, sqlite_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import IdentityTransform
from test_iceberg_sink_servers import postgres_catalog

from headrace.endpoint import Target
from headrace.endpoints.sinks.iceberg_columns import new_schema
from headrace.endpoints.sinks.iceberg_ledger import unseen_branch
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SchemaChanged

Catalogs = Callable[[Path], dict[str, str]]


@pytest.fixture(params=[sqlite_catalog, postgres_catalog], ids=["sqlite", "postgres"])
def writing(request: pytest.FixtureRequest, tmp_path: Path) -> IcebergWriting:
    catalog: Catalogs = request.param
    return IcebergWriting(catalog(tmp_path))


def set_back(writing: IcebergWriting, target: Target) -> None:
    """To before the last slice."""
    table = writing.table()
    head = table.current_snapshot()
    assert head is not None and head.parent_snapshot_id is not None
    with table.manage_snapshots() as change:
        change.rollback_to_snapshot(head.parent_snapshot_id)


def take_the_unseen_branch(writing: IcebergWriting, target: Target) -> None:
    with writing.table().manage_snapshots() as change:
        change.remove_branch(unseen_branch(target.unit, target.generation))


def make_anew(writing: IcebergWriting) -> None:
    """The same columns under the same name, as a person does who wants the table empty."""
    catalog, name = writing.catalog(), writing.table().name()
    catalog.drop_table(name)
    catalog.create_table(name, new_schema(NOTES), properties={"format-version": "2"})


HARMS = [("append", set_back), ("merge", set_back), ("replace", take_the_unseen_branch)]


@pytest.mark.parametrize(("disposition", "harm"), HARMS)
def test_a_slice_does_not_follow_one_that_was_taken_back_during_the_run(
    writing: IcebergWriting, disposition: str, harm: Callable[[IcebergWriting, Target], None]
) -> None:
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        first = writing.write(sink, target, [note(1)], seq=0)
        harm(writing, target)

        with pytest.raises(CheckpointAheadOfSink, match="slice 0"):
            writing.write(sink, target, [note(2)], seq=1, prev_hash=first.record.sha256)

    assert writing.notes() == []
    assert writing.unnamed_files() == []


def test_a_generation_whose_branch_others_took_is_not_shown_without_its_rows(writing: IcebergWriting) -> None:
    writing.put(writing.to("replace"), [note(1)])
    target = writing.to("replace", generation=2)
    with writing.owner(target, epoch=2) as sink:
        writing.write(sink, target, [note(1, "new")], seq=0, epoch=2)
        take_the_unseen_branch(writing, target)

        with pytest.raises(CheckpointAheadOfSink, match="slice 0"):
            sink.complete(target, {})

    assert writing.notes() == [(1, "old")]


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_table_that_was_made_anew_during_the_run_does_not_get_the_rest_of_it(
    writing: IcebergWriting, disposition: str
) -> None:
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        first = writing.write(sink, target, [note(1)], seq=0)
        make_anew(writing)

        with pytest.raises(SchemaChanged, match="made anew"):
            writing.write(sink, target, [note(2)], seq=1, prev_hash=first.record.sha256)
        with pytest.raises(SchemaChanged, match="made anew"):
            sink.complete(target, {})

    assert writing.notes() == []


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_table_that_is_made_anew_between_the_files_and_the_commit_of_a_slice_gets_nothing(
    writing: IcebergWriting, disposition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, target = SqlCatalog.commit_table, writing.to(disposition)
    with writing.owner(target) as sink:
        first = writing.write(sink, target, [note(1)], seq=0)

        def beaten(*of: object) -> object:
            monkeypatch.setattr(SqlCatalog, "commit_table", commit)
            make_anew(writing)
            return commit(*of)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(SqlCatalog, "commit_table", beaten)
        with pytest.raises(SchemaChanged, match="made anew"):
            writing.write(sink, target, [note(2)], seq=1, prev_hash=first.record.sha256)

    assert writing.notes() == []


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_table_that_others_partition_during_the_run_is_refused_by_that_and_keeps_its_rows(
    writing: IcebergWriting, disposition: str
) -> None:
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        writing.write(sink, target, [note(1)], seq=0)
        with writing.table().update_spec() as change:
            change.add_field("id", IdentityTransform())

        with pytest.raises(ConfigInvalid, match="partitioned"):
            writing.write(sink, target, [note(2)], seq=1)

    assert writing.notes() == ([] if disposition == "replace" else [(1, "old")])
    assert writing.unnamed_files() == []
