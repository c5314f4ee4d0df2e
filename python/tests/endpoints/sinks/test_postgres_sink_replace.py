"""Replacing a table of PostgreSQL: readers see the old rows or the new ones, and what people built upon it stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pyarrow as pa
import pytest
from postgres_server import postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged, SinkFenced

OLD, NEW = [note(n, "old") for n in range(1, 4)], [[note(2, "new")], [note(3, "new")], [note(4, "new"), note(5, "new")]]


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop", statement_timeout_ms="20000"))


@pytest.fixture
def filled(writing: PostgresWriting) -> PostgresWriting:
    writing.put(writing.to("replace"), OLD)
    return writing


def again(writing: PostgresWriting, look: Callable[[], object] = lambda: None) -> list[object]:
    """Write the new generation; what ``look`` sees after each step, the last of which makes it visible."""
    target = writing.to("replace", generation=2)
    with writing.owner(target, epoch=2) as sink:
        seen = [look()]
        for seq, rows in enumerate(NEW):
            writing.write(sink, target, rows, seq=seq, epoch=2, schema=NOTES)
            seen.append(look())
        sink.complete(target, {})
    return [*seen, look()]


def texts(writing: PostgresWriting) -> set[str]:
    return {text for _, text in writing.rows()}


@pytest.mark.parametrize("built", ["select", "create index on orders (note)"])
def test_a_reader_sees_the_old_rows_until_it_sees_the_new_ones(filled: PostgresWriting, built: str) -> None:
    """I7, whether the table is exchanged or its rows are."""
    filled.server.run("shop", built)

    seen = again(filled, lambda: filled.rows("note, count(*) over ()"))

    assert seen[:-1] == [[("old", 3)] * 3] * 4
    assert seen[-1] == [("new", 4)] * 4


@pytest.mark.parametrize("built", ["select", "create index on orders (note)"])
def test_a_reader_within_a_transaction_keeps_nobody_waiting_and_goes_on_with_the_rows_it_began_with(
    filled: PostgresWriting, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7"""
    monkeypatch.setattr("headrace.endpoints.sinks.postgres_replacement.LOCK_MS", 1)
    filled.server.run("shop", built)
    with closing(filled.server.connect("shop")) as reader:
        reader.execute("begin isolation level repeatable read")
        before = reader.execute("select * from orders order by id").fetchall()

        again(filled)

        assert reader.execute("select * from orders order by id").fetchall() == before
        reader.execute("commit")
        assert {text for _, text in reader.execute("select * from orders").fetchall()} == {"new"}


def test_a_run_that_dies_before_the_end_leaves_the_old_rows_and_the_next_one_cleans_up(
    filled: PostgresWriting,
) -> None:
    filled.put(filled.to("replace", generation=2), *NEW, epoch=2, complete=False)
    assert texts(filled) == {"old"}

    filled.put(filled.to("replace", generation=3), [note(7, "newer")], epoch=3)

    assert (filled.rows(), filled.leftovers()) == ([(7, "newer")], [])


def test_a_replacement_is_completed_by_the_owner_that_comes_after(filled: PostgresWriting) -> None:
    """A dead run's slices count when its generation goes on."""
    target = filled.to("replace", generation=2)
    filled.put(target, *NEW, epoch=2, complete=False)

    with filled.owner(target, epoch=3) as sink:
        sink.complete(target, {})

    assert [number for number, _ in filled.rows()] == [2, 3, 4, 5]


def test_an_empty_generation_empties_the_table(filled: PostgresWriting) -> None:
    filled.put(filled.to("replace", generation=2), epoch=2)

    assert (filled.rows(), filled.rows("count(*), null")) == ([], [(0, None)])


def test_the_table_has_the_key_of_the_unit_under_the_name_that_people_expect(filled: PostgresWriting) -> None:
    again(filled)

    found = filled.server.rows("shop", "select conname::text, pg_get_constraintdef(oid) from pg_constraint "
                                       "where conrelid = 'orders'::regclass and contype = 'p'")  # fmt: skip
    assert found == [("orders_pkey", "PRIMARY KEY (id)")]


def test_columns_without_the_key_of_the_unit_are_replaced_too(filled: PostgresWriting) -> None:
    """The policy's columns may leave the key out; it matters to merging alone."""
    schema = pa.schema([("note", pa.string())])

    filled.put(filled.to("replace", generation=2), [{"note": "a"}, {"note": "a"}], epoch=2, schema=schema)

    assert filled.rows("note, null") == [("a", None), ("a", None)]


# ---- what people built upon it

BUILT = {
    "a grant": ("grant select on orders to pg_monitor", "select has_table_privilege('pg_monitor', 'orders', 'select')"),
    "a grant on a column": (
        "grant select (note) on orders to pg_monitor",
        "select has_column_privilege('pg_monitor', 'orders', 'note', 'select')",
    ),
    "a view": ("create view seen as select note from orders", "select bool_and(note = 'new') from seen"),
    "a view upon a view": (
        "create view seen as select * from orders; create view seen2 as select * from seen",
        "select bool_and(note = 'new') from seen2",
    ),
    "an index": ("create index by_note on orders (note)", "select to_regclass('by_note') is not null"),
    "statistics": (
        "create statistics pair on id, note from orders",
        "select count(*) = 1 from pg_statistic_ext where stxname = 'pair'",
    ),
    "a storage parameter": (
        "alter table orders set (fillfactor = 70)",
        "select reloptions = '{fillfactor=70}' from pg_class where oid = 'orders'::regclass",
    ),
    "a replica identity": (
        "alter table orders replica identity full",
        "select relreplident = 'f' from pg_class where oid = 'orders'::regclass",
    ),
    "a function": (
        "create function all_new() returns bool begin atomic select bool_and(note = 'new') from orders; end",
        "select all_new()",
    ),
    "a check": (
        "alter table orders add constraint positive check (id > 0)",
        "select count(*) = 1 from pg_constraint where conname = 'positive' and conrelid = 'orders'::regclass",
    ),
    "a comment": ("comment on table orders is 'ours'", "select obj_description('orders'::regclass) = 'ours'"),
    "a trigger": (
        "create function f() returns trigger language plpgsql as 'begin return new; end'; "
        "create trigger watch before insert on orders for each row execute function f()",
        "select count(*) = 1 from pg_trigger where tgname = 'watch'",
    ),
    "a column of people": (
        "alter table orders add mine text default 'x'", "select bool_and(mine = 'x') from orders",
    ),
    "row security": (
        "alter table orders enable row level security",
        "select relrowsecurity from pg_class where oid = 'orders'::regclass",
    ),
    "a publication": (
        "create publication ours for table orders",
        "select count(*) = 1 from pg_publication_tables where tablename = 'orders'",
    ),
    "another owner": (
        "alter table orders owner to pg_monitor",
        "select relowner = 'pg_monitor'::regrole from pg_class where oid = 'orders'::regclass",
    ),
    "a table that refers to itself": (
        "alter table orders add up bigint references orders",
        "select count(*) = 1 from pg_constraint where contype = 'f' and conrelid = 'orders'::regclass",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BUILT)
def test_what_people_built_upon_a_table_is_there_after_its_rows_were_replaced(
    filled: PostgresWriting, what: str
) -> None:
    made, kept = BUILT[what]
    filled.server.run("shop", made)
    try:
        again(filled)

        assert (texts(filled), filled.server.rows("shop", kept)) == ({"new"}, [(True,)])
    finally:
        filled.server.run("shop", "drop publication if exists ours")


def test_a_table_that_foreign_keys_point_at_is_refused_with_their_names_and_stays(filled: PostgresWriting) -> None:
    filled.server.run("shop", "create table lines (id int, parent bigint constraint of_order references orders)")

    with pytest.raises(SchemaChanged, match="foreign keys point at it: of_order of lines"):
        again(filled)

    assert texts(filled) == {"old"}


def test_a_foreign_key_that_came_during_the_run_ends_it_before_anything_is_exchanged(filled: PostgresWriting) -> None:
    target = filled.to("replace", generation=2)
    with filled.owner(target, epoch=2) as sink:
        filled.write(sink, target, NEW[0], seq=0, epoch=2, schema=NOTES)
        filled.server.run("shop", "create table lines (parent bigint constraint of_order references orders)")

        with pytest.raises(SchemaChanged, match="of_order of lines"):
            sink.complete(target, {})

    assert texts(filled) == {"old"}


# ---- whose table it is


def test_a_table_that_headrace_did_not_make_is_not_replaced(writing: PostgresWriting) -> None:
    writing.server.run("shop", "create table orders (id bigint, note text)", "insert into orders values (1, 'theirs')")

    with pytest.raises(ConfigInvalid, match=r"was not made by Headrace, so it is not replaced\. Rename it") as refusal:
        writing.put(writing.to("replace"), OLD)

    assert refusal.value.details == {"table": "public.orders", "field": "writeDisposition"}
    assert (texts(writing), writing.leftovers()) == ({"theirs"}, [])


def test_a_table_of_another_unit_is_not_replaced(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace", unit="orders"), OLD)

    with pytest.raises(ConfigInvalid, match=r"belongs to the unit dev/shop/orders/lake"):
        again(writing)


def test_a_column_that_changed_its_type_takes_the_new_one_unless_somebody_relies_on_the_table(
    filled: PostgresWriting,
) -> None:
    wider = pa.schema([("id", pa.int64()), ("note", pa.bool_())])
    filled.put(filled.to("replace", generation=2), [note(1, True)], epoch=2, schema=wider)  # pyright: ignore[reportArgumentType]
    assert filled.rows() == [(1, True)]

    filled.server.run("shop", "create view seen as select note from orders")
    with pytest.raises(SchemaChanged, match=r"Column note of public\.orders is boolean and would have to hold text"):
        filled.put(filled.to("replace", generation=3), OLD, epoch=3)
    assert filled.rows() == [(1, True)]


def test_an_older_owner_cannot_touch_what_a_newer_one_is_filling(filled: PostgresWriting) -> None:
    """F12, I4: it wakes when it is about to prepare its own generation."""
    older, newer = filled.to("replace", generation=2), filled.to("replace", generation=3)
    with closing(filled.sink()) as asleep, filled.owner(newer, epoch=3) as sink:
        with pytest.raises(SinkFenced):
            asleep.high_water(older, epoch=2)
        with pytest.raises(SinkFenced):
            asleep.prepare(older, filled.schema(NOTES), {})
        filled.write(sink, newer, NEW[0], seq=0, epoch=3, schema=NOTES)
        sink.complete(newer, {})

    assert filled.rows() == [(2, "new")]


@pytest.mark.parametrize(("repeated", "why"), [(1, "share one"), (None, "have none")])
def test_a_key_that_the_rows_have_not_is_named_and_what_was_there_stays(
    filled: PostgresWriting, repeated: int | None, why: str
) -> None:
    """Not by an index of the hidden table, which is gone by then."""
    with pytest.raises(RowRejected, match=rf"^public\.orders cannot have the key \(id\), for rows {why};"):
        filled.put(filled.to("replace", generation=2), [note(1, "new"), note(repeated, "new")], epoch=2)

    assert texts(filled) == {"old"}
