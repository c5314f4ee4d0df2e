"""Rows that a column of PostgreSQL says are gone: they leave the target, whenever that was said, and are counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from carrying import Watching, unit_run
from postgres_reading import BY_TIME, carried, refused, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging

UNIT = "public.orders"
SOFT: dict[str, Json] = {**BY_TIME, "deletes": "soft", "deletedField": "gone", "writeDisposition": "merge"}


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(name="target")
    server.database(
        "create table orders (id int primary key, at timestamptz not null, note text, gone timestamptz)",
        "insert into orders select n, '2024-01-01', 'note ' || n from generate_series(1, 6) n",
    )
    return server


class Shop:
    """Runs of one unit into one target, each going on where the last ended."""

    def __init__(self, server: PostgresServer, **policy: Json) -> None:
        self.server, self.policy = server, {**SOFT, **policy}
        self.checkpoint: Json = None
        self.next_seq, self.epoch = 0, 0

    def run(self, observer: Watching | None = None) -> dict[str, Json]:
        self.epoch += 1
        watching = observer or Watching()
        finished = carried(
            self.server.parameters("shop"), self.server.parameters("target"), UNIT, self.policy, watching,
            checkpoint=self.checkpoint, next_seq=self.next_seq, epoch=self.epoch, run_id=f"run {self.epoch}",
        )  # fmt: skip
        assert finished.errors == []
        self.checkpoint = finished.new_checkpoint
        self.next_seq += int(str(finished.stats["slices"]))
        return finished.stats

    def delete(self, *numbers: int, at: str = "2024-02-01") -> None:
        for number in numbers:
            self.server.run("shop", f"update orders set gone = '{at}', at = '{at}' where id = {number}")

    @property
    def target(self) -> list[int]:
        return [number for (number,) in self.server.rows("target", "select id from orders order by id")]


def counts(stats: dict[str, Json]) -> tuple[Json, ...]:
    return stats["exported_rows"], stats["applied_rows"], stats["deleted_rows"], stats["filtered_rows"]


def test_a_row_that_is_said_to_be_gone_leaves_the_target_and_is_counted(server: PostgresServer) -> None:
    shop = Shop(server)
    first = shop.run()
    shop.delete(2, 5)
    server.run("shop", "update orders set note = 'new', at = '2024-02-02' where id = 3")

    second = shop.run()

    assert (counts(first), counts(second)) == ((6, 6, 0, 0), (3, 3, 2, 0))
    assert shop.target == [1, 3, 4, 6]


def test_a_row_that_is_back_is_stored_again(server: PostgresServer) -> None:
    shop = Shop(server)
    shop.delete(2)
    shop.run()
    was = shop.target
    server.run("shop", "update orders set gone = null, at = '2024-03-01' where id = 2")

    shop.run()

    assert (was, shop.target) == ([1, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("declared", "gone", "alive"),
    [
        ("boolean", "true", "false"),
        ("smallint", "1", "0"),
        ("bigint", "1700000000", "0"),
        ("date", "'2024-01-01'", "null"),
        ("timestamp", "'2024-01-01'", "null"),
    ],
)
def test_null_false_and_zero_say_that_a_row_is_there(
    server: PostgresServer, declared: str, gone: str, alive: str
) -> None:
    server.run("shop", f"alter table orders drop gone, add gone {declared}", f"update orders set gone = {alive}")
    server.run("shop", "update orders set gone = null where id = 1", f"update orders set gone = {gone} where id = 2")

    found = taken(server.parameters("shop"), UNIT, **SOFT)

    assert {row["id"]: row["_headrace_op"] for row in found.rows} == {1: 0, 2: 1, 3: 0, 4: 0, 5: 0, 6: 0}


def test_a_row_that_is_gone_shows_its_key_and_nothing_else(server: PostgresServer) -> None:
    """Who deletes a row does not want its values to travel on; not even one that could not be carried."""
    server.run("shop", "alter table orders add many int[]", "update orders set many = '{{1},{2}}' where id = 4")
    server.run("shop", "update orders set gone = now() where id = 4")

    found = taken(server.parameters("shop"), UNIT, **SOFT)

    (row,) = [row for row in found.rows if row["id"] == 4]
    assert row == {"id": 4, "at": None, "note": None, "gone": None, "many": None, "_headrace_op": 1}
    assert found.delivery["deletes"] == "soft: a row is gone when its gone says so, once its cursor has moved"


def test_the_columns_that_rows_are_merged_by_travel_with_a_row_that_is_gone(server: PostgresServer) -> None:
    server.run("shop", "update orders set gone = now() where id = 4")

    found = taken(server.parameters("shop"), UNIT, **{**SOFT, "primaryKeys": ["note"], "columns": ["note", "at"]})

    assert [row for row in found.rows if row["_headrace_op"]] == [{"note": "note 4", "at": None, "_headrace_op": 1}]


@pytest.mark.parametrize("rows_of_a_slice", [2, 100])
def test_a_full_load_that_replaces_leaves_out_what_is_gone(server: PostgresServer, rows_of_a_slice: int) -> None:
    server.run("shop", "update orders set gone = now() where id in (1, 2, 6)")

    shop = Shop(server, mode="full", cursorField=None, writeDisposition="replace", targetSliceSize=rows_of_a_slice)
    stats = shop.run()

    assert (counts(stats), shop.target) == ((3, 3, 0, 0), [3, 4, 5])


# ---- F44: whenever the row was deleted


def test_rows_deleted_in_every_phase_of_a_run_are_gone_after_the_next(server: PostgresServer) -> None:
    shop = Shop(server, targetSliceSize=2)
    shop.run()
    server.run("shop", "update orders set at = '2024-01-02'")
    shop.delete(1, at="2024-01-03")
    asked = iter((2, 5, 6))

    shop.run(Watching(on_ask=lambda: shop.delete(next(asked), at="2024-01-04")))
    meanwhile = shop.target
    shop.run()

    assert (meanwhile, shop.target) == ([2, 3, 4, 5, 6], [3, 4])


def test_a_row_deleted_while_its_load_was_broken_off_is_gone_when_the_unit_is_up_to_date(
    server: PostgresServer,
) -> None:
    """Slices of the load read two snapshots: what was deleted behind its place comes with the first increment."""
    shop = Shop(server, targetSliceSize=2)
    shop.run(Watching(verdict=lambda event: "commit" if event.slice_seq == 0 else "stop"))
    shop.delete(1, 6)
    shop.run()
    shop.run()

    assert shop.target == [2, 3, 4, 5]


# ---- files


def test_readers_of_files_do_not_see_what_is_gone(server: PostgresServer, tmp_path: Path) -> None:
    def run(**changes: Any) -> tuple[Json, Json]:
        unit = unit_run(UNIT, sink_id="lake", policy=SOFT, **changes)
        sink = LocalFilesSink({"base_path": str(tmp_path)})
        with closing(PostgresSource(server.parameters("shop"))) as source, closing(sink):
            finished = run_unit(unit, source, sink, InMemoryStaging(), Watching())
        assert finished.errors == []
        return finished.new_checkpoint, finished.stats["deleted_rows"]

    checkpoint, _ = run()
    query = (tmp_path / UNIT / "_latest.sql").read_text()
    with duckdb.connect() as reader:
        before = reader.sql(query).project("id").order("id").fetchall()
        server.run("shop", "update orders set gone = '2024-02-01', at = '2024-02-01' where id > 2")
        _, deleted = run(checkpoint=checkpoint, next_seq=1, epoch=2)
        after = reader.sql(query).project("id").order("id").fetchall()
        columns = reader.sql(query).columns

    assert ([number for (number,) in before], after) == ([1, 2, 3, 4, 5, 6], [(1,), (2,)])
    assert (columns, deleted) == (["id", "at", "note", "gone"], 4)


# ---- what is refused


def refuses(server: PostgresServer, said: str, field: str, **policy: Json) -> Callable[[], None]:
    def call() -> None:
        with refused(ConfigInvalid, said, field=field):
            taken(server.parameters("shop"), UNIT, **{**SOFT, **policy})

    return call


def test_a_column_that_cannot_say_so_is_refused_before_a_row_is_read(server: PostgresServer) -> None:
    refuses(server, r"no column gon to say which rows are gone. Did you mean gone\?", "deletedField",
            deletedField="gon")()  # fmt: skip
    refuses(server, "Column note .* is text, which does not say whether a row is gone", "deletedField",
            deletedField="note")()  # fmt: skip
    refuses(server, "deletes is soft, and no deletedField says which column", "deletedField", deletedField=None)()
    refuses(server, "means something with deletes soft only", "deletedField", deletes="ignore")()


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_a_disposition_that_keeps_every_row_is_refused_before_a_row_is_read(
    server: PostgresServer, disposition: str
) -> None:
    watching = Watching()

    with refused(
        ConfigInvalid, f"cannot be taken away where writeDisposition is {disposition}", field="policy.writeDisposition"
    ):
        carried(
            server.parameters("shop"), server.parameters("target"), UNIT, {**SOFT, "writeDisposition": disposition},
            watching,
        )  # fmt: skip

    assert watching.events == []
