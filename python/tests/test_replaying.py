"""Rows that were set aside, tried again from PostgreSQL to PostgreSQL: never older than what is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from carrying import Watching, unit_run
from postgres_server import PostgresServer, postgres_server
from quarantine_carrying import ALL, Carrying, lake, shop

from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.events import Finished, Rejected
from headrace.replaying import ReplayedRows
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

MERGED = {"mode": "incremental", "cursorField": "changed", "writeDisposition": "merge"}
TABLE = "create table orders (id int, part text, note text, changed timestamp, primary key (id, part))"


class Replaying:
    """Of nine rows that were carried, three are 'bad' now and set aside; a replay finds a lake that takes them."""

    def __init__(self, server: PostgresServer, root: Path) -> None:
        self.server, self.root = server, root
        self.carrying = Carrying(server, root)
        self.watching = Watching()
        shop(
            server,
            TABLE,
            "insert into orders select i, 'a''\"\\', 'good', timestamp '2026-01-01' + i * interval '1 second' "
            "from generate_series(1, 9) i",
        )
        lake(server)
        first = self.carrying.run(MERGED)
        server.run("lake", "alter table orders add constraint good check (note <> 'bad')")
        self.source("update orders set note = 'bad', changed = '2026-01-02' where id % 3 = 0")
        self.last = self.carrying.run({**MERGED, "quarantine": ALL}, checkpoint=first.new_checkpoint, epoch=2)
        self.payloads = [row.payload or "" for row in self.carrying.rejected]

    def source(self, statement: str) -> None:
        self.server.run("shop", statement)

    def replay(self, policy: dict[str, Any]) -> Finished:
        self.server.run("lake", "alter table orders drop constraint if exists good")
        self.watching = Watching()
        run = unit_run(
            "public.orders", sink_id="lake", policy={**policy, "quarantine": ALL}, epoch=9,
            checkpoint=self.last.new_checkpoint,
        )  # fmt: skip
        with (
            closing(ReplayedRows(PostgresSource(self.server.parameters("shop")), self.payloads)) as source,
            closing(PostgresSink(self.server.parameters("lake"))) as sink,
        ):
            return run_unit(run, source, sink, LocalDiskStaging(self.root), self.watching)

    @property
    def stored(self) -> dict[int, str]:
        return dict(self.server.rows("lake", "select id, note from orders"))

    @property
    def refused(self) -> list[tuple[int, str]]:
        return [(row.position, row.reason) for event in self.watching.of(Rejected) for row in event.rows]


@pytest.fixture
def replaying(tmp_path: Path) -> Iterator[Replaying]:
    yield Replaying(postgres_server(), tmp_path)


def test_a_row_that_was_carried_in_a_newer_version_since_keeps_it(replaying: Replaying) -> None:
    replaying.source("update orders set note = 'better', changed = now() - interval '1 hour' where id = 6")
    replaying.last = replaying.carrying.run(MERGED, checkpoint=replaying.last.new_checkpoint, epoch=3)
    assert replaying.stored[6] == "better"

    finished = replaying.replay(MERGED)

    assert finished.errors == []
    assert replaying.stored == {1: "good", 2: "good", 3: "bad", 4: "good", 5: "good", 6: "better", 7: "good",
                                8: "good", 9: "bad"}  # fmt: skip
    assert (finished.stats["applied_rows"], replaying.refused) == (3, [])


def test_a_row_that_its_source_has_no_more_is_not_brought_back_and_says_so(replaying: Replaying) -> None:
    replaying.source("delete from orders where id = 6")

    finished = replaying.replay(MERGED)

    assert finished.errors == []
    assert (replaying.stored[3], replaying.stored[6]) == ("bad", "good")
    ((position, reason),) = replaying.refused
    assert position == 1
    assert "the source has no row of this key any more" in reason


def test_where_rows_are_appended_they_land_as_they_were_read(replaying: Replaying) -> None:
    replaying.source("update orders set note = 'better' where id = 6")
    replaying.server.run("lake", "delete from orders where id = 6")

    finished = replaying.replay({**MERGED, "writeDisposition": "append"})

    assert finished.errors == []
    assert replaying.stored[6] == "bad"


@pytest.mark.parametrize("more", [{"deletes": "keyDiff"}, {"filter": {"eq": ["part", "nothing"]}, "columns": ["id"]}])
def test_the_policy_that_the_unit_is_carried_with_takes_no_other_row_away(
    replaying: Replaying, more: dict[str, Any]
) -> None:
    disposition = "merge" if "deletes" in more else "append"
    replaying.server.run("lake", "delete from orders where id % 3 = 0")

    finished = replaying.replay({**MERGED, **more, "writeDisposition": disposition})

    assert finished.errors == []
    assert sorted(replaying.stored) == list(range(1, 10))
