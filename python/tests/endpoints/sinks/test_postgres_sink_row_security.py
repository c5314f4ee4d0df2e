"""Policies of the target hide rows from whoever writes there: none stays unnoticed that was to go."""

from __future__ import annotations

from contextlib import closing

import pytest
from postgres_reading import reader
from postgres_server import postgres_server
from postgres_writing import NOTES, TOMBSTONES, PostgresWriting, note

from headrace.endpoint import Policy
from headrace.errors import PermissionDenied, RowRejected

ROWS = [note(n) for n in range(1, 5)]
ALL = [(n, "old") for n in range(1, 5)]
HIDING = (
    "alter table orders enable row level security",
    "alter table orders force row level security",
    "create policy seen on orders using (id > 2) with check (true)",
)
GONE = [note(1, None, _headrace_op=1), note(3, None, _headrace_op=1)]


@pytest.fixture
def writing() -> PostgresWriting:
    """Of a user who owns what he makes, and to whom policies apply where they are forced."""
    server = postgres_server()
    server.database()
    return PostgresWriting(server, reader(server, "shop", "all on schema public"))


def hidden(writing: PostgresWriting, disposition: str) -> None:
    """Four rows, and a policy under which the writer sees two."""
    writing.put(writing.to(disposition), ROWS)
    writing.server.run("shop", *HIDING)


def test_a_table_with_hidden_rows_is_not_replaced_for_they_would_stay(writing: PostgresWriting) -> None:
    hidden(writing, "replace")

    with pytest.raises(PermissionDenied, match=r"of public\.orders hides rows from this user.*bypassrls"):
        writing.put(writing.to("replace", 2), [note(9)], epoch=2)

    assert writing.rows() == ALL
    assert writing.leftovers() == []


def test_a_policy_that_came_during_the_run_keeps_the_table_from_being_replaced(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace"), ROWS)

    with writing.owner(writing.to("replace", 2), 2) as sink:
        writing.write(sink, writing.to("replace", 2), [note(9)], seq=0, epoch=2, schema=NOTES)
        writing.server.run("shop", *HIDING)
        with pytest.raises(PermissionDenied, match="hides rows"):
            sink.complete(writing.to("replace", 2), {})

    assert writing.rows() == ALL


@pytest.mark.parametrize("policy", [{}, {"deletes": "soft", "deletedField": "gone"}], ids=["unsaid", "soft"])
def test_rows_that_are_gone_do_not_stay_because_they_are_hidden(writing: PostgresWriting, policy: Policy) -> None:
    hidden(writing, "merge")
    target = writing.to("merge", 2)

    with pytest.raises(PermissionDenied, match="hides rows"):
        writing.put(target, GONE, epoch=2, schema=TOMBSTONES, policy=policy)

    assert writing.rows() == ALL


def test_hidden_keys_are_not_taken_for_keys_that_are_not_there(writing: PostgresWriting) -> None:
    hidden(writing, "merge")

    with closing(writing.sink()) as sink, pytest.raises(PermissionDenied, match="hides rows"):
        list(sink.existing_keys(writing.to("merge")))


def test_rows_are_added_beside_hidden_ones_and_those_are_not_overwritten_without_a_word(
    writing: PostgresWriting,
) -> None:
    hidden(writing, "merge")
    target = writing.to("merge", 2)

    writing.put(target, [note(3, "new"), note(5, "new")], epoch=2)
    with pytest.raises(PermissionDenied, match=r"violates row-level security policy.*change its policy or use one"):
        writing.put(writing.to("merge", 3), [note(1, "new")], epoch=3)

    assert writing.rows() == [(1, "old"), (2, "old"), (3, "new"), (4, "old"), (5, "new")]


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_trigger_that_lets_rows_go_is_noticed_where_rows_are_hidden_too(
    writing: PostgresWriting, disposition: str
) -> None:
    hidden(writing, disposition)
    writing.server.run(
        "shop",
        "create function leave() returns trigger language plpgsql as 'begin return null; end'",
        "create trigger leaves before insert on orders for each row execute function leave()",
    )

    with pytest.raises(RowRejected, match="left out 1 of 1 rows"):
        writing.put(writing.to(disposition, 2), [note(9)], epoch=2)
