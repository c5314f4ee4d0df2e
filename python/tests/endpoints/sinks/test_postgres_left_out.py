"""A row that a trigger or rule of the target lets go is not said to be there: PostgreSQL itself says nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from postgres_server import postgres_server
from postgres_writing import TOMBSTONES, PostgresWriting, note

from headrace.errors import RowRejected

TABLE = "create table orders (id bigint primary key, note text)"
DROPS_EVEN_ROWS = (
    "create function drops() returns trigger language plpgsql as 'begin return case when new.id % 2 = 1 then new end; "
    "end'",
    "create trigger t before insert on orders for each row execute function drops()",
)
DOES_NOTHING = ("create rule r as on insert to orders where new.id % 2 = 0 do instead nothing",)
ROWS = [note(n) for n in range(1, 6)]


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    return PostgresWriting(server, server.parameters(server.database(TABLE)))


def run(writing: PostgresWriting, *statements: str) -> None:
    writing.server.run("shop", *statements)


@pytest.mark.parametrize("disposition", ["append", "merge"])
@pytest.mark.parametrize("built", [DROPS_EVEN_ROWS, DOES_NOTHING], ids=["trigger", "rule"])
def test_a_slice_of_which_rows_are_let_go_is_refused_whole(
    writing: PostgresWriting, disposition: str, built: tuple[str, ...]
) -> None:
    if disposition == "merge" and built is DOES_NOTHING:
        built = ("create rule r as on insert to orders do instead nothing",)
    run(writing, *built)

    with pytest.raises(RowRejected, match=r"^public\.orders left out \d of 5 rows .* a trigger or rule of the table"):
        writing.put(writing.to(disposition), ROWS)

    assert writing.rows() == []


def test_a_replacement_of_which_rows_are_let_go_leaves_what_was_there(writing: PostgresWriting) -> None:
    run(writing, "drop table orders")
    writing.put(writing.to("replace"), ROWS)
    run(writing, *DROPS_EVEN_ROWS)

    with pytest.raises(RowRejected, match="left out 1 of 2 rows"):
        writing.put(writing.to("replace", generation=2), [note(1, "new"), note(2, "new")], epoch=2)

    assert writing.rows() == [(n, "old") for n in range(1, 6)]


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_rows_that_a_trigger_sends_to_a_child_are_there(writing: PostgresWriting, disposition: Any) -> None:
    run(
        writing,
        "create table even (primary key (id)) inherits (orders)",
        "create function sends() returns trigger language plpgsql as 'begin if new.id % 2 = 1 then return new; end if; "
        "insert into even values (new.*); return null; end'",
        "create trigger t before insert on orders for each row execute function sends()",
    )

    writing.put(writing.to(disposition), ROWS)

    assert writing.rows() == [(n, "old") for n in range(1, 6)]


def test_an_update_that_is_suppressed_for_it_changes_nothing_is_no_row_let_go(writing: PostgresWriting) -> None:
    run(
        writing,
        "create function keeps() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger a before insert on orders for each row execute function keeps()",
        "create trigger b before update on orders for each row execute function suppress_redundant_updates_trigger()",
    )

    writing.put(writing.to("merge"), ROWS)
    writing.put(writing.to("merge", generation=2), ROWS, epoch=2)

    assert len(writing.rows()) == 5


def test_a_row_whose_key_a_trigger_rewrites_is_no_row_let_go(writing: PostgresWriting) -> None:
    run(
        writing,
        "create function moves() returns trigger language plpgsql as 'begin new.id = new.id + 100; return new; end'",
        "create trigger t before insert on orders for each row execute function moves()",
    )

    writing.put(writing.to("merge"), ROWS)

    assert writing.rows() == [(100 + n, "old") for n in range(1, 6)]


def test_rows_that_were_deleted_are_not_looked_for(writing: PostgresWriting) -> None:
    run(writing, *DROPS_EVEN_ROWS)

    writing.put(writing.to("merge"), [note(1, _headrace_op=0), note(2, _headrace_op=1)], schema=TOMBSTONES)

    assert writing.rows() == [(1, "old")]
