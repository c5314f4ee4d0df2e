"""What cannot be a cursor, or is not the cursor it was, ends a run before a row is read."""

from __future__ import annotations

import pytest
from postgres_reading import Taken, taken
from postgres_server import PostgresServer, postgres_server

from headrace.errors import ConfigInvalid, RowRejected, SchemaChanged
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def read(server: PostgresServer, checkpoint: Json = None, *, field: str = "at", **policy: Json) -> Taken:
    asked = {"mode": "incremental", "cursorField": field, **policy}
    return taken(server.parameters("shop"), UNIT, checkpoint, **asked)


@pytest.mark.parametrize("declared", ["real", "double precision", "json", "boolean", "interval", "timestamptz[]"])
def test_a_column_without_an_exact_order_is_refused_as_a_cursor(server: PostgresServer, declared: str) -> None:
    """F39"""
    server.database(f"create table orders (id int primary key, at {declared})")

    with pytest.raises(ConfigInvalid, match=r"Column at of public\.orders is .*cannot be a cursor") as refusal:
        read(server)

    assert refusal.value.details == {"field": "cursorField"}


def test_a_cursor_that_does_not_exist_is_refused_with_the_names_near_it(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key, updated_at timestamptz)")

    with pytest.raises(ConfigInvalid, match=r"no column update_at to be the cursor. Did you mean updated_at\?"):
        read(server, field="update_at")


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_number_after_which_nothing_is_new_is_refused_before_a_row_is_read(
    server: PostgresServer, value: str
) -> None:
    """F39: as the bound it would leave out every later row."""
    server.database("create table orders (id int primary key, at numeric)", f"insert into orders values (1, '{value}')")

    with pytest.raises(RowRejected, match=f"has {value} in at") as refusal:
        read(server)

    assert refusal.value.details == {"column": "at"}


@pytest.mark.parametrize(
    ("before", "after", "using"),
    [("timestamptz", "timestamp", ""), ("int", "text", ""), ("text", "int", "using at::int"), ("date", "text", "")],
)
def test_a_cursor_that_changed_its_type_ends_the_run(
    server: PostgresServer, before: str, after: str, using: str
) -> None:
    """F35: 9 comes before 10 as a number, and after it as text."""
    value = "2024-01-01" if before[:4] in ("time", "date") else "10"
    server.database(
        f"create table orders (id int primary key, at {before})", f"insert into orders values (1, '{value}')"
    )
    first = read(server)

    server.run("shop", f"alter table orders alter at type {after} {using}")

    with pytest.raises(SchemaChanged, match=r"at was .* and is .* now\. Reset the unit") as refusal:
        read(server, first.checkpoint)
    assert refusal.value.details == {"column": "at"}


@pytest.mark.parametrize(("before", "after"), [("int", "bigint"), ("bigint", "numeric"), ("varchar(4)", "text")])
def test_a_cursor_that_only_grew_wider_goes_on(server: PostgresServer, before: str, after: str) -> None:
    server.database(f"create table orders (id int primary key, at {before})", "insert into orders values (1, '10')")
    first = read(server)

    server.run("shop", f"alter table orders alter at type {after}", "insert into orders values (2, '11')")

    assert read(server, first.checkpoint).ids == [2]


def test_a_key_that_changed_ends_the_run(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key, other int, at timestamptz)")
    server.run("shop", "insert into orders values (1, 1, '2024-01-01')")
    first = read(server)

    server.run("shop", "alter table orders drop constraint orders_pkey, add primary key (id, other)")

    with pytest.raises(SchemaChanged, match=r"the key was \(id\) and is \(id, other\) now"):
        read(server, first.checkpoint)


def test_a_cursor_other_than_that_of_the_checkpoint_is_refused(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key, at timestamptz)", "insert into orders values (1, now())")
    first = read(server, field="id")

    with pytest.raises(ConfigInvalid, match="was read by id, and cursorField is at now") as refusal:
        read(server, first.checkpoint)

    assert refusal.value.details == {"field": "cursorField"}


def test_a_table_without_a_key_is_refused(server: PostgresServer) -> None:
    server.database("create table orders (id int, at timestamptz)")

    with pytest.raises(ConfigInvalid, match="Add a key, or choose mode full") as refusal:
        read(server)

    assert refusal.value.details == {"field": "mode"}
