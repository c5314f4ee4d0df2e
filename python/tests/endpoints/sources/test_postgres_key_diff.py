"""F44: rows deleted from PostgreSQL are found by their keys, whenever they went, and no other row is taken away."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from carrying import Watching, unit_run
from postgres_reading import BY_TIME, carried, refused
from postgres_server import PostgresServer, postgres_server

from headrace import gone, keydiff
from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging

UNIT = "public.orders"
SAID = "keyDiff: at the end of a run the keys of the sink are compared with those of the source"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(name="target")
    server.database("create table orders (id int primary key, at timestamptz not null, note text)")
    server.run("shop", "insert into orders select n, '2024-01-01', 'note ' || n from generate_series(1, 20) n")
    return server


class Shop:
    """Runs of one unit into one target, each going on where the last ended."""

    def __init__(self, server: PostgresServer, **policy: Json) -> None:
        self.server, self.policy = server, {**BY_TIME, "deletes": "keyDiff", **policy}
        self.checkpoint: Json = None
        self.generation, self.next_seq, self.epoch = 1, 0, 0

    def run(self, observer: Watching | None = None) -> dict[str, Json]:
        self.epoch += 1
        finished = carried(
            self.server.parameters("shop"), self.server.parameters("target"), UNIT, self.policy, observer,
            checkpoint=self.checkpoint, next_seq=self.next_seq, epoch=self.epoch, run_id=f"run {self.epoch}",
            generation=self.generation,
        )  # fmt: skip
        assert finished.errors == []
        self.checkpoint = finished.new_checkpoint
        self.next_seq += int(str(finished.stats["slices"]))
        return finished.stats

    def delete(self, where: str) -> None:
        self.server.run("shop", f"delete from orders where {where}")

    @property
    def is_same(self) -> bool:
        both = (self.server.rows(name, "select * from orders order by id") for name in ("shop", "target"))
        return len({str(rows) for rows in both}) == 1


def counts(stats: dict[str, Json]) -> tuple[Json, ...]:
    return stats["exported_rows"], stats["applied_rows"], stats["deleted_rows"]


def test_rows_that_are_gone_leave_the_target_also_when_nothing_is_new(server: PostgresServer) -> None:
    shop = Shop(server)
    first = shop.run()
    at = shop.checkpoint
    shop.delete("id in (2, 3, 19)")

    second = shop.run()
    third = shop.run()

    assert (counts(first), counts(second), counts(third)) == ((20, 20, 0), (3, 3, 3), (0, 0, 0))
    assert (shop.is_same, shop.checkpoint, second["slices"], third["slices"]) == (True, at, 1, 0)
    assert second["delivery"] == {"class": "A", "deletes": SAID, "source": "never overtakes an open transaction"}


@pytest.mark.parametrize(
    "mode", [{}, {"mode": "full", "cursorField": None, "primaryKeys": ["id"]}], ids=["new", "full"]
)
def test_rows_deleted_in_every_phase_of_a_run_are_gone_after_the_next(
    server: PostgresServer, mode: dict[str, Json]
) -> None:
    shop = Shop(server, targetSliceSize=5, **mode)
    shop.run()
    server.run("shop", "update orders set at = '2024-01-02', note = 'new'")
    shop.delete("id = 1")
    asked = iter((5, 10, 15, 20, 2))
    shop.generation, shop.next_seq, shop.checkpoint = (2, 0, None) if mode else (1, shop.next_seq, shop.checkpoint)

    shop.run(Watching(on_ask=lambda: shop.delete(f"id = {next(asked)}")))
    meanwhile = server.rows("target", "select count(*) from orders where id = 1")
    shop.generation, shop.next_seq, shop.checkpoint = (3, 0, None) if mode else (1, shop.next_seq, shop.checkpoint)
    shop.run()

    assert (meanwhile, shop.is_same) == ([(0,)], True)


def test_a_row_deleted_while_its_load_was_broken_off_is_gone_when_the_load_has_ended(server: PostgresServer) -> None:
    shop = Shop(server, targetSliceSize=5)
    shop.run(Watching(verdict=lambda event: "commit" if event.slice_seq < 2 else "stop"))
    shop.delete("id in (1, 7, 20)")

    shop.run()

    assert shop.is_same


def test_a_run_that_died_among_its_deletions_takes_the_rest_away_later(server: PostgresServer) -> None:
    shop = Shop(server, targetSliceSize=2)
    shop.run()
    shop.delete("id < 8")

    broken = shop.run(Watching(verdict=lambda event: "commit" if event.slice_seq < shop.next_seq + 2 else "stop"))
    left = server.rows("target", "select count(*) from orders")
    rest = shop.run()

    assert (broken["deleted_rows"], left, rest["deleted_rows"], shop.is_same) == (4, [(16,)], 3, True)


def test_every_row_may_go_and_come_back(server: PostgresServer) -> None:
    shop = Shop(server)
    shop.run()
    shop.delete("true")
    emptied = shop.run()
    server.run("shop", "insert into orders values (1, '2023-01-01', 'back')")

    shop.run()

    assert (emptied["deleted_rows"], shop.is_same) == (20, True)


def test_everything_is_read_again_when_the_newest_row_is_gone_for_the_database_may_have_been_restored(
    server: PostgresServer,
) -> None:
    """F62: after a restore older versions of rows lie behind the cursor, where no increment would find them."""
    shop = Shop(server)
    server.run("shop", "insert into orders values (21, '2024-03-01', 'newest')")
    shop.run()
    server.run("shop", "delete from orders where id = 21", "update orders set note = 'restored' where id = 5")

    stats = shop.run()

    assert (counts(stats), shop.is_same) == ((21, 21, 1), True)


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("numeric", ["1.0", "2.50", "3"]),
        ("timestamptz", ["2024-01-01 00:00:00.000001Z", "1969-12-31Z", "2024-07-01 12:00+02"]),
        ("uuid", ["00000000-0000-0000-0000-00000000000A", "b0000000-0000-0000-0000-000000000000",
                  "c0000000-0000-0000-0000-000000000000"]),
        ('text collate "en-x-icu"', ["'; drop table orders; --", 'Ä"\\', "\u2028"]),
        ("varchar(3)", ["abc", "ab", ""]),
        ("char(4)", ["ab", "abcd", ""]),
        ("bytea", ["\\x00ff", "\\x", "\\x27"]),
        ("double precision", ["0.1", "NaN", "-Infinity"]),
        ("date", ["2024-01-01", "0044-03-15 BC", "5000-01-01"]),
        ("inet", ["10.0.0.1", "10.0.0.0/8", "::1"]),
        ("boolean", ["true"]),
    ],
)  # fmt: skip
def test_keys_of_every_type_are_compared_as_the_source_compares_them(
    server: PostgresServer, declared: str, values: list[str]
) -> None:
    server.run("shop", "drop table orders", f"create table orders (id {declared} primary key, at timestamptz)")
    as_key = f"%s::{declared.split(' collate')[0]}"
    with server.connect("shop") as connection:
        for value in values:
            connection.execute(f"insert into orders values ({as_key}, '2024-01-01')".encode(), [value])
    shop = Shop(server)
    shop.run()
    kept = shop.run()
    with server.connect("shop") as connection:
        connection.execute(f"delete from orders where id = {as_key}".encode(), [values[0]])

    assert (kept["deleted_rows"], shop.run()["deleted_rows"]) == (0, 1)
    assert server.rows("target", "select count(*)::int from orders") == [(len(values) - 1,)]


def test_a_key_that_is_only_written_differently_is_not_gone(server: PostgresServer) -> None:
    """1.0 and 1.00 are one number; the sink keeps the spelling that came first."""
    server.run("shop", "alter table orders alter id type numeric")
    shop = Shop(server)
    shop.run()
    server.run("shop", "update orders set id = 5.00, at = '2024-02-01', note = 'same' where id = 5")

    stats = shop.run()

    assert (stats["deleted_rows"], server.rows("target", "select note from orders where id = 5")) == (0, [("same",)])


def test_a_key_that_only_the_source_takes_for_the_same_does_not_stay_beside_its_new_spelling(
    server: PostgresServer,
) -> None:
    """The sink's text tells B from b, so the row was there twice."""
    server.run(
        "shop", "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "alter table orders alter id type text collate nocase using 'B' || id",
    )  # fmt: skip
    shop = Shop(server)
    shop.run()
    server.run("shop", "update orders set id = 'b5', at = '2024-02-01' where id = 'B5'")

    assert (shop.run()["deleted_rows"], shop.run()["deleted_rows"]) == (1, 0)
    assert server.rows("target", "select id from orders where id ilike 'b5'") == [("b5",)]


def test_a_key_of_several_columns_is_one_key(server: PostgresServer) -> None:
    server.run("shop", "alter table orders drop constraint orders_pkey, add primary key (note, id)")
    shop = Shop(server)
    shop.run()
    server.run(
        "shop", "delete from orders where id = 4", "update orders set note = 'x', at = '2024-02-01' where id = 9"
    )

    stats = shop.run()

    assert (stats["deleted_rows"], shop.is_same) == (2, True)


def test_rows_that_are_not_wanted_any_more_leave_the_target(server: PostgresServer) -> None:
    shop = Shop(server, filter={"le": ["id", 10]})
    shop.run()
    shop.delete("id = 10")
    server.run("shop", "update orders set id = 100 where id = 9")

    assert (shop.run()["deleted_rows"], server.rows("target", "select count(*)::int from orders")) == (2, [(8,)])


def test_what_does_not_fit_into_one_part_or_statement_or_slice_is_compared_as_well(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keydiff, "BUFFER_BYTES", 40)
    monkeypatch.setattr(keydiff, "PARTS", 3)
    monkeypatch.setattr(gone, "KEYS_AT_ONCE", 7)
    server.run("shop", "insert into orders select n, '2024-01-01', 'more' from generate_series(21, 3000) n")
    shop = Shop(server, targetSliceSize=1000)
    shop.run()
    shop.delete("id % 2 = 0")

    stats = shop.run()

    assert (counts(stats), stats["slices"], shop.is_same) == ((1500, 1500, 1500), 2, True)


# ---- what is refused


def test_rows_of_others_are_never_taken_away(server: PostgresServer) -> None:
    """A table that people made may hold rows that never were in the source."""
    server.run("target", "create table orders (id int primary key, at timestamptz, note text)",
               "insert into orders values (77, '2024-01-01', 'of others')")  # fmt: skip
    finished = carried(server.parameters("shop"), server.parameters("target"), UNIT, {**BY_TIME, "deletes": "keyDiff"})

    (error,) = finished.errors
    assert error.tag == "ConfigInvalid" and "was not made by this unit" in error.message
    assert server.rows("target", "select id from orders") == [(77,)]


def test_a_table_that_people_put_in_the_place_of_ours_keeps_its_rows(server: PostgresServer) -> None:
    shop = Shop(server)
    shop.run()
    server.run("target", "alter table orders rename to old", "create table orders (id int primary key)",
               "insert into orders values (77)")  # fmt: skip

    with pytest.raises(Exception, match="another table"):
        shop.run()

    assert server.rows("target", "select id from orders") == [(77,)]


def test_a_sink_that_cannot_tell_its_keys_is_refused_before_a_row_is_read(
    server: PostgresServer, tmp_path: Path
) -> None:
    run = unit_run(UNIT, sink_id="lake", policy={**BY_TIME, "deletes": "keyDiff"})
    watching = Watching()

    with closing(PostgresSource(server.parameters("shop"))) as source:
        sink = LocalFilesSink({"base_path": str(tmp_path)})
        with refused(ConfigInvalid, "this sink cannot tell which keys it holds", field="policy.deletes"):
            run_unit(run, source, sink, InMemoryStaging(), watching)

    assert (watching.events, list(tmp_path.iterdir())) == ([], [])


def test_a_load_that_replaces_everything_has_nothing_to_compare(server: PostgresServer) -> None:
    shop = Shop(server, mode="full", cursorField=None)
    shop.delete("id < 10")

    assert (counts(shop.run()), shop.is_same) == ((11, 11, 0), True)
