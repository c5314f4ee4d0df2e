"""Rows that PostgreSQL refuses, carried from PostgreSQL by a whole run: set aside, counted, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from postgres_server import PostgresServer, postgres_server
from postgres_writing import NOTES, PostgresWriting, note
from quarantine_carrying import ALL, SAME_TABLE, Carrying, lake, shop

from headrace.events import Sealed
from headrace.sifting import SiftedSession
from headrace.staging import RecordReader


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def carrying(server: PostgresServer, tmp_path: Path) -> Iterator[Carrying]:
    yield Carrying(server, tmp_path)


def test_rows_that_a_constraint_refuses_are_set_aside_and_all_others_land(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server,
        "create table orders as select i as id, i % 7 as kind from generate_series(1, 1000) i",
        "alter table orders add primary key (id)",
    )
    lake(server, "create table orders (id int primary key, kind int check (kind <> 3))")

    finished = carrying.run({**SAME_TABLE, "quarantine": ALL, "targetSliceSize": 300})

    assert finished.errors == []
    bad = [n for n in range(1, 1001) if n % 7 == 3]
    assert [row for (row,) in carrying.stored()] == [n for n in range(1, 1001) if n % 7 != 3]
    assert sorted(json.loads(row.payload or "")["row"]["id"] for row in carrying.rejected) == bad
    assert finished.stats["rejected"]["by_reason"] == {"CONSTRAINT": len(bad)}
    assert [(s.read, s.rows + s.rejected) for s in carrying.watching.of(Sealed)] == [(300, 300)] * 3 + [(100, 100)]


REFUSALS: list[tuple[str, str, list[int]]] = [
    ("not null", "create table orders (id int, kind int not null)", [1, 4, 9]),
    ("check", "create table orders (id int, kind int check (kind > 0 or kind is null))", [2]),
    ("unique within the slice", "create table orders (id int, kind int unique)", [5, 7]),
    ("length", "create table orders (id int, kind int, note varchar(3))", [3]),
    ("exclusion", "create table orders (id int, kind int, exclude (kind with =))", [5, 7]),
    (
        "foreign key",
        "create table kinds (kind int primary key); insert into kinds values (-1), (1), (2), (3); "
        "create table orders (id int, kind int references kinds)",
        [8],
    ),
    (
        "deferred foreign key",
        "create table kinds (kind int primary key); insert into kinds values (-1), (1), (2), (3); "
        "create table orders (id int, kind int references kinds deferrable initially deferred)",
        [8],
    ),
    (
        "trigger",
        "create table orders (id int, kind int); create function no() returns trigger language plpgsql as "
        "$$ begin if new.id = 6 then raise exception 'a secret %', new; end if; return new; end $$; "
        "create trigger t before insert on orders for each row execute function no()",
        [6],
    ),
    (
        "trigger after all rows",
        "create table orders (id int, kind int); create function no() returns trigger language plpgsql as "
        "$$ begin if new.id = 6 then raise exception 'a secret %', new; end if; return new; end $$; "
        "create trigger t after insert on orders for each row execute function no()",
        [6],
    ),
    (
        "several rules",
        "create table orders (id int check (id <> 6), kind int not null, note varchar(3))",
        [1, 3, 4, 6, 9],
    ),
]  # fmt: skip
ROWS = [
    (0, 1, "a"), (1, None, "b"), (2, -1, "c"), (3, 2, "four"), (4, None, "d"), (5, 1, "e"), (6, 3, "f"), (7, 1, "g"),
    (8, 4, "h"), (9, None, "i"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "bad"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_a_row_stays_behind_for_its_own_fault_alone(
    server: PostgresServer, carrying: Carrying, table: str, bad: list[int]
) -> None:
    columns = "id, kind, note" if "note" in table else "id, kind"
    shop(server, "create table orders (id int, kind int, note text)", *(_insert(row) for row in ROWS))
    lake(server, *table.split("; ") if "$$" not in table else _statements(table))

    finished = carrying.run({**SAME_TABLE, "quarantine": ALL, "columns": columns.split(", ")})

    assert finished.errors == []
    assert [json.loads(row.payload or "")["row"]["id"] for row in carrying.rejected] == bad
    assert [row.position for row in carrying.rejected] == bad
    assert [row for (row,) in carrying.stored()] == [n for n in range(10) if n not in bad]
    assert "secret" not in repr(finished.stats)


def _insert(row: tuple[int, int | None, str]) -> str:
    return f"insert into orders values ({row[0]}, {'null' if row[1] is None else row[1]}, '{row[2]}')"


def _statements(text: str) -> list[str]:
    """Parts between semicolons, but those of a function's body."""
    plain, _, rest = text.partition("create function")
    body, end, more = rest.rpartition("$$; ")
    return [*filter(None, plain.split("; ")), "create function" + body + end.rstrip("; "), *more.split("; ")]


def test_a_row_whose_parent_comes_later_in_the_slice_is_no_fault(server: PostgresServer, carrying: Carrying) -> None:
    shop(
        server,
        "create table orders (id int primary key, parent int, kind int)",
        "insert into orders select i, nullif(100 - i, 0), case when i = 50 then 3 end from generate_series(0, 99) i",
        "update orders set parent = null where id >= 50 or id = 0",
    )
    lake(server, "create table orders (id int primary key, parent int references orders, kind int check (kind <> 3))")

    finished = carrying.run({**SAME_TABLE, "quarantine": ALL})

    assert finished.errors == []
    assert [json.loads(row.payload or "")["row"]["id"] for row in carrying.rejected] == [50]
    assert len(carrying.stored()) == 99


def test_merged_rows_that_the_target_refuses_leave_what_is_there_as_it_is(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server, "create table orders (id int primary key, kind int)", "insert into orders values (1, 3), (2, 5), (3, 7)"
    )
    lake(
        server,
        "create table orders (id int primary key, kind int check (kind <> 3))",
        "insert into orders values (1, 1), (2, 2)",
    )

    finished = carrying.run({"primaryKeys": ["id"], "quarantine": ALL})

    assert finished.errors == []
    assert carrying.stored("id, kind") == [(1, 1), (2, 5), (3, 7)]
    assert finished.stats["rejected_rows"] == 1


def test_the_rules_of_a_table_that_is_replaced_are_heeded_before_it_is(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(server, "create table orders as select i as id, i % 5 as kind from generate_series(1, 20) i")
    lake(server)
    carrying.run({})
    with server.connect("lake") as connection:
        connection.execute("delete from orders where kind = 3")
        connection.execute("alter table orders add check (kind <> 3)")

    finished = carrying.run({"quarantine": ALL}, generation=2, epoch=2)

    assert finished.errors == []
    assert [row for (row,) in carrying.stored()] == [n for n in range(1, 21) if n % 5 != 3]
    assert finished.stats["rejected"]["by_reason"] == {"CONSTRAINT": 4}


def test_what_arrow_cannot_say_stays_behind_with_what_the_source_says_of_it(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server,
        "create table orders (id int primary key, price numeric(10,2), day date)",
        "insert into orders select i, i, '2024-01-01' from generate_series(1, 50) i",
        "update orders set price = 'NaN' where id = 7",
        "update orders set day = 'infinity' where id = 30",
    )
    lake(server)

    finished = carrying.run({"quarantine": ALL})

    assert finished.errors == []
    assert [(row.position, row.code, row.column) for row in carrying.rejected] == [
        (6, "UNCARRIABLE", "price"),
        (29, "UNCARRIABLE", "day"),
    ]
    assert json.loads(carrying.rejected[0].payload or "")["row"]["price"] == "NaN"
    assert len(carrying.stored()) == 48


def test_without_a_quarantine_the_first_refused_row_ends_the_run(server: PostgresServer, carrying: Carrying) -> None:
    shop(server, "create table orders as select i as id, i % 10 as kind from generate_series(1, 100) i")
    lake(server, "create table orders (id int, kind int check (kind <> 3))")

    finished = carrying.run(SAME_TABLE)

    assert [error.tag for error in finished.errors] == ["RowRejected"]
    assert carrying.stored() == []


@pytest.mark.parametrize("rows", [0, 5], ids=["no row", "only rows that are refused"])
def test_a_run_that_writes_nothing_succeeds(server: PostgresServer, carrying: Carrying, rows: int) -> None:
    shop(server, f"create table orders as select i as id, 3 as kind from generate_series(1, {rows}) i")
    lake(server, "create table orders (id int, kind int check (kind <> 3))")

    finished = carrying.run({**SAME_TABLE, "quarantine": ALL})

    assert finished.errors == []
    counted = {key: finished.stats[key] for key in ("exported_rows", "applied_rows", "rejected_rows")}
    assert counted == {"exported_rows": rows, "applied_rows": 0, "rejected_rows": rows}
    assert carrying.stored() == []


def test_a_slice_that_is_carried_again_sets_the_same_rows_aside_and_lands_once(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(server, "create table orders as select i as id, i % 10 as kind from generate_series(1, 100) i")
    lake(server, "create table orders (id int, kind int check (kind <> 3))")
    policy = {**SAME_TABLE, "quarantine": ALL}
    stopped = carrying.run(policy, verdict="stop")
    first = carrying.rejected
    assert carrying.staged == []

    finished = carrying.run(policy, epoch=2)

    assert (stopped.errors, finished.errors) == ([], [])
    assert carrying.rejected == first
    assert len(carrying.stored()) == 90
    assert carrying.staged == []


class ReadOnce:
    """A reader that gives its rows once."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader: RecordReader | None = reader
        self.schema = reader.schema

    def iter_arrow(self, max_bytes: int = 0) -> Iterator[pa.RecordBatch]:
        reader, self._reader = self._reader, None
        assert reader is not None, "the rows were asked for again"
        return reader.iter_arrow()


def test_rows_that_were_judged_are_not_sent_to_the_server_again(server: PostgresServer) -> None:
    lake(server, "create table orders (id bigint primary key, note text check (note <> 'bad'))")
    writing = PostgresWriting(server, server.parameters("lake"))
    target = writing.to("append")
    notes = [note(1), note(2, "bad"), note(3)]
    with writing.owner(target) as sink, closing(writing.staged(notes, NOTES)) as session:
        slice_, _ = writing.slice_and_record(target, session.seal(), seq=0)
        reader: Any = ReadOnce(session.reader())
        refused = sink.refused_rows(target, slice_, reader, 10)
        left = SiftedSession(session, None, [row.position for row in refused])
        _, commit = writing.slice_and_record(target, left.seal(), seq=0)

        applied = sink.write(target, slice_, reader, commit)

    assert ([row.position for row in refused], applied.rows) == ([1], 2)
    assert server.rows("lake", "select id from orders order by 1") == [(1,), (3,)]
