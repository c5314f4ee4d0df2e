"""Deletions on their way: who may be asked for them, and how they are counted in whatever shape rows come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from carrying import Runs, SourceThat, Watching, unit_run
from postgres_server import postgres_server

from headrace.deletions import OPERATION_COLUMN
from headrace.endpoint import SourceCapabilities
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.errors import ConfigInvalid
from headrace.run import run_unit
from headrace.staging import Slice
from headrace.stagings.in_memory import InMemoryStaging

SOFT = {"mode": "incremental", "writeDisposition": "merge", "primaryKeys": ["id"], "deletes": "soft"}


class SoftSource(SourceThat):
    def capabilities(self) -> SourceCapabilities:
        return replace(super().capabilities(), deletes=("ignore", "soft"))


def as_rows(_: Slice) -> Iterator[Any]:
    yield {"id": 1, "name": "one", OPERATION_COLUMN: 0}
    yield {"id": 2, "name": None, OPERATION_COLUMN: 1}


def as_arrow(_: Slice) -> Iterator[Any]:
    yield pa.record_batch({"id": [1, 2, 3], "name": ["one", None, None], OPERATION_COLUMN: [0, 1, 1]})


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "staging")


@pytest.mark.parametrize(("read", "deleted"), [(as_rows, 1), (as_arrow, 2)])
def test_deletions_are_rows_that_were_applied_and_are_counted_by_themselves(read: Any, deleted: int) -> None:
    server = postgres_server()
    server.database(name="target")
    with closing(PostgresSink(server.parameters("target"))) as sink:
        run = unit_run(sink_id="lake", policy=SOFT)
        stats = run_unit(run, SoftSource(read, 2), sink, InMemoryStaging(), Watching()).stats

    assert (stats["exported_rows"], stats["applied_rows"], stats["deleted_rows"]) == (1 + deleted, 1 + deleted, deleted)


def test_a_source_that_cannot_tell_is_not_asked(runs: Runs) -> None:
    with pytest.raises(ConfigInvalid, match="cannot say which rows are gone by deletes soft; it can ignore") as refusal:
        runs.carry(policy=SOFT)

    assert (refusal.value.details, runs.leftovers) == ({"field": "policy.deletes"}, [])


def test_a_sink_that_cannot_take_rows_away_is_not_asked(runs: Runs) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be taken away where writeDisposition is append"):
        runs.carry(source=SoftSource(as_rows), policy={**SOFT, "writeDisposition": "append"})

    assert (runs.stored.rows, runs.leftovers) == ([], [])
