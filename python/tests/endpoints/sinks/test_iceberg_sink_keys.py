"""F44: rows that are gone from PostgreSQL leave an Iceberg table too, and no other row does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from carrying import Watching, unit_run
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from postgres_server import PostgresServer, postgres_server

from headrace import gone
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging


class Shop:
    """Runs of one unit into one table, each going on where the last ended."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server, self.lake = server, IcebergWriting({**sqlite_catalog(folder), "namespace": "lake"})
        self.checkpoint: Any = None
        self.next_seq, self.epoch = 0, 0

    def run(self) -> Any:
        """How many rows were taken away."""
        self.epoch += 1
        policy = {"mode": "incremental", "cursorField": "at", "deletes": "keyDiff", "lookback": 0}
        run = unit_run(
            "public.orders", sink_id="lake", policy=policy, checkpoint=self.checkpoint, next_seq=self.next_seq,
            epoch=self.epoch,
        )  # fmt: skip
        with closing(PostgresSource(self.server.parameters("shop"))) as source, closing(self.lake.sink()) as sink:
            finished = run_unit(run, source, sink, InMemoryStaging(), Watching())
        assert finished.errors == []
        self.checkpoint = finished.new_checkpoint
        self.next_seq += int(str(finished.stats["slices"]))
        return finished.stats["deleted_rows"]

    @property
    def is_same(self) -> bool:
        there = sorted((str(row["id"]), row["note"]) for row in self.lake.rows())
        return there == sorted(self.server.rows("shop", "select id::text, note from orders"))


def shop(folder: Path, key: str, keys: Sequence[str]) -> Shop:
    server = postgres_server()
    server.database(
        f"create table orders (id {key} primary key, at timestamptz not null, note text)",
        *(f"insert into orders values ({each}, '2024-01-01', 'of {number}')" for number, each in enumerate(keys)),
    )
    return Shop(server, folder)


def test_rows_that_are_gone_leave_the_table_also_when_nothing_is_new(tmp_path: Path) -> None:
    orders = shop(tmp_path, "int", [str(number) for number in range(20)])
    orders.run()
    orders.server.run("shop", "delete from orders where id in (2, 3, 19)")

    taken = [orders.run(), orders.run()]

    assert taken == [3, 0]
    assert orders.is_same


KEYS = (
    ("text", ["'ß'", "'a\"b'", "' '", "'x'"]),
    ("bytea", ["'\\x00ff'", "''", "'\\x61'", "'\\x62'"]),
    ("timestamptz", ["'2024-02-29 23:59:59.5+05:45'", "'1969-12-31'", "'2024-01-01'", "'2024-01-02'"]),
    ("numeric(20,4)", ["1.1", "-0.0001", "1234567890123456.7891", "0"]),
    ("uuid", [f"'00000000-0000-0000-0000-00000000000{number}'" for number in range(4)]),
    ("date", ["'0001-01-01'", "'1969-12-31'", "'2024-01-01'", "'9999-12-31'"]),
)


@pytest.mark.parametrize(("key", "keys"), KEYS, ids=lambda each: each if isinstance(each, str) else "")
def test_keys_of_any_type_are_compared_as_the_source_compares_them(
    tmp_path: Path, key: str, keys: Sequence[str]
) -> None:
    orders = shop(tmp_path, key, keys)
    orders.run()
    kept = len(orders.lake.rows())
    orders.server.run("shop", f"delete from orders where id = {keys[1]}")

    taken = [orders.run(), orders.run()]

    assert (kept, taken) == (len(keys), [1, 0])
    assert [row["note"] for row in sorted(orders.lake.rows(), key=lambda row: str(row["note"]))] == [
        "of 0", "of 2", "of 3",
    ]  # fmt: skip


def test_more_rows_than_a_slice_takes_are_gone_in_several_and_every_row_may_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gone, "ROWS_OF_A_SLICE", 4)
    orders = shop(tmp_path, "int", [str(number) for number in range(10)])
    orders.run()
    orders.server.run("shop", "delete from orders")
    taken, left = orders.run(), orders.lake.rows()

    orders.server.run("shop", "insert into orders select n, '2024-02-02', 'back' from generate_series(1, 5) n")
    orders.run()

    assert (taken, left) == (10, [])
    assert orders.is_same


def test_keys_come_file_by_file_and_hold_no_other_column(tmp_path: Path) -> None:
    lake = IcebergWriting(sqlite_catalog(tmp_path))
    target = lake.to("merge")
    lake.put(target, [note(1), note(2)], [note(3)])

    with closing(lake.sink()) as sink:
        batches = list(sink.existing_keys(target))

    assert [batch.to_pydict() for batch in sorted(batches, key=lambda each: -each.num_rows)] == [
        {"id": [1, 2]}, {"id": [3]},
    ]  # fmt: skip


def test_a_table_that_is_not_there_has_no_key(tmp_path: Path) -> None:
    lake = IcebergWriting(sqlite_catalog(tmp_path))

    with closing(lake.sink()) as sink:
        assert list(sink.existing_keys(lake.to("merge"))) == []


def test_rows_of_others_are_never_taken_away(tmp_path: Path) -> None:
    lake = IcebergWriting(sqlite_catalog(tmp_path))
    lake.put(lake.to("merge"), [note(1)])
    with lake.table().transaction() as change:
        change.remove_properties("headrace.owner")

    with closing(lake.sink()) as sink, pytest.raises(ConfigInvalid) as refusal:
        list(sink.existing_keys(lake.to("merge")))

    assert refusal.value.details["field"] == "deletes"
    assert lake.notes() == [(1, "old")]
