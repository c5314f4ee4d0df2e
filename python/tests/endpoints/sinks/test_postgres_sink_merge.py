"""Merging into PostgreSQL: the newest version of every key, whatever the key; deletes by key; and nothing else lost."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from postgres_server import postgres_server
from postgres_writing import NOTES, TOMBSTONES, PostgresWriting, note

from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    return PostgresWriting(server, server.parameters(server.database()))


def test_the_last_of_several_versions_of_a_key_in_one_slice_wins(writing: PostgresWriting) -> None:
    writing.put(writing.to("merge"), [note(1, "a"), note(2, "b"), note(1, "c"), note(1, "d"), note(2, None)])

    assert writing.rows() == [(1, "d"), (2, None)]


@pytest.mark.parametrize("said", [{}, {"_headrace_op": 0}])
def test_rows_of_others_and_columns_that_are_not_delivered_stay(writing: PostgresWriting, said: dict[str, int]) -> None:
    writing.server.run(
        "shop",
        "create table orders (id bigint primary key, note text, mine text default 'x')",
        "insert into orders values (1, 'old', 'kept'), (9, 'of others', 'kept')",
    )

    rows = [note(1, "new", **said), note(2, "new", **said)]
    writing.put(writing.to("merge"), rows, schema=TOMBSTONES if said else NOTES)

    assert writing.rows("id, note, mine") == [(1, "new", "kept"), (2, "new", "x"), (9, "of others", "kept")]


def test_a_key_of_several_columns_is_one_key(writing: PostgresWriting) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.int32()), ("note", pa.string())])
    rows = [("x", 1, "one"), ("x", 2, "two"), ("y", 1, "three"), ("x", 1, "four")]
    target = writing.to("merge", key=("b", "a"))

    writing.put(target, [dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)

    assert writing.rows("a, b, note") == [("x", 1, "four"), ("x", 2, "two"), ("y", 1, "three")]


def test_rows_that_are_nothing_but_a_key_are_there_once(writing: PostgresWriting) -> None:
    writing.put(writing.to("merge"), [{"id": 1}, {"id": 1}, {"id": 2}], schema=pa.schema([("id", pa.int64())]))

    assert writing.rows("id, null") == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("declared", "versions"),
    [
        ("uuid", ["0000000A-0000-0000-0000-000000000000", "0000000a-0000-0000-0000-000000000000"]),
        ("numeric", ["1.0", "1.00"]),
        ("citext", ["Größe", "GRößE"]),
        ("inet", ["10.0.0.1", "10.0.0.1/32"]),
    ],
)
def test_versions_are_of_one_key_when_the_target_says_so_however_they_are_spelled(
    writing: PostgresWriting, declared: str, versions: list[str]
) -> None:
    writing.server.run("shop", "create extension if not exists citext schema public")
    writing.server.run("shop", f"create table orders (id {declared} primary key, note text)")
    schema = pa.schema([("id", pa.string()), ("note", pa.string())])
    rows = [{"id": version, "note": note} for version, note in zip(versions, ("old", "new"), strict=True)]

    writing.put(writing.to("merge"), rows, schema=schema)

    assert [found[1] for found in writing.rows()] == ["new"]


# ---- deletes


def test_a_tombstone_deletes_its_key_and_what_comes_after_it_in_the_slice_counts(writing: PostgresWriting) -> None:
    writing.put(writing.to("merge"), [note(n) for n in range(1, 6)])

    deleted: dict[str, Any] = {"note": None, "_headrace_op": 1}
    changes = [
        {"id": 1, **deleted},
        note(2, "new", _headrace_op=0), {"id": 2, **deleted},
        {"id": 3, **deleted}, note(3, "back", _headrace_op=0),
        note(6, "new", _headrace_op=0),
        {"id": 99, **deleted},
    ]  # fmt: skip
    writing.put(writing.to("merge", generation=2), changes, epoch=2, schema=TOMBSTONES)

    assert writing.rows() == [(3, "back"), (4, "old"), (5, "old"), (6, "new")]


def test_the_reserved_column_never_becomes_one_of_the_target(writing: PostgresWriting) -> None:
    writing.put(writing.to("merge"), [note(1, "a", _headrace_op=0)], schema=TOMBSTONES)

    names = "select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = 'orders'::regclass "
    assert writing.server.rows("shop", f"{names} and attnum > 0") == [("id,note",)]


def test_a_table_whose_columns_are_called_like_those_of_the_stage_is_deleted_from_too(
    writing: PostgresWriting,
) -> None:
    schema = pa.schema([("c1", pa.int64()), ("c0", pa.string()), ("r", pa.int64()), ("_headrace_op", pa.int8())])
    rows = [(1, "a", 5, 0), (2, "b", 6, 0), (1, None, None, 1)]

    writing.put(
        writing.to("merge", key=("c1",)), [dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema
    )

    assert writing.rows("c1, c0, r") == [(2, "b", 6)]


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_tombstones_are_refused_where_nothing_can_be_deleted(writing: PostgresWriting, disposition: str) -> None:
    with pytest.raises(ConfigInvalid, match="1 rows say that rows were deleted, which only merge can do") as refusal:
        writing.put(writing.to(disposition), [note(1, "a", _headrace_op=1)], schema=TOMBSTONES)

    assert (refusal.value.details, writing.rows()) == ({"field": "writeDisposition"}, [])


@pytest.mark.parametrize("said", [None, 2, -1])
def test_a_row_that_says_neither_that_it_is_nor_that_it_was_deleted_is_refused(
    writing: PostgresWriting, said: int | None
) -> None:
    """I9: it would be in neither place."""
    with pytest.raises(RowRejected, match=r"neither 0 .* nor 1 .* in 1 rows") as refusal:
        writing.put(writing.to("merge"), [note(1, "a", _headrace_op=said)], schema=TOMBSTONES)

    assert (refusal.value.details, writing.rows()) == ({"column": "_headrace_op"}, [])


def test_an_operation_that_is_no_number_is_refused_by_column(writing: PostgresWriting) -> None:
    schema = NOTES.append(pa.field("_headrace_op", pa.string()))

    with pytest.raises(SchemaChanged, match="is string, and has to be an integer") as refusal:
        writing.put(writing.to("merge"), [note(1, "a", _headrace_op="0")], schema=schema)

    assert refusal.value.details == {"column": "_headrace_op"}


# ---- keys that are none


def test_a_row_without_a_key_is_refused_also_where_the_target_would_take_it(writing: PostgresWriting) -> None:
    """No later version could ever take its place."""
    writing.server.run("shop", "create table orders (id bigint unique, note text)")

    with pytest.raises(RowRejected, match="id is NULL, and rows are merged by it, in 2 rows") as refusal:
        writing.put(writing.to("merge"), [note(1), note(None), note(None)])

    assert (refusal.value.details, writing.rows()) == ({"column": "id"}, [])


@pytest.mark.parametrize(
    "index",
    [
        "select",
        "create index on orders (id)",
        "create unique index on orders (id, note)",
        "create unique index on orders (id) where id > 0",
        "create unique index on orders ((id + 1))",
        "alter table orders add unique (id) deferrable",
    ],
)
def test_a_target_without_a_unique_index_over_exactly_the_key_is_refused(writing: PostgresWriting, index: str) -> None:
    writing.server.run("shop", "create table orders (id bigint, note text)", index)

    with pytest.raises(SchemaChanged, match=r"no unique index over \(id\). Add one, or choose append"):
        writing.put(writing.to("merge"), [note(1)])


def test_a_unique_index_that_is_dropped_during_the_run_ends_it(writing: PostgresWriting) -> None:
    target = writing.to("merge")
    with writing.owner(target) as sink:
        writing.server.run("shop", "alter table orders drop constraint orders_pkey")

        with pytest.raises(SchemaChanged, match="The unique index that rows are merged by is gone"):
            writing.write(sink, target, [note(1)], seq=0, schema=NOTES)

    assert writing.rows() == []


def test_a_key_that_the_rows_do_not_have_is_refused_before_a_row_is_written(writing: PostgresWriting) -> None:
    with pytest.raises(ConfigInvalid, match="no column number, which the policy's primaryKeys names") as refusal:
        writing.put(writing.to("merge", key=("number",)), [note(1)])

    assert refusal.value.details == {"field": "primaryKeys"}
