"""Whose table it is: PostgreSQL's sink goes on with the very table it filled, and never takes one for another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from postgres_server import postgres_server
from postgres_writing import NOTES, TOMBSTONES, PostgresWriting, note

from headrace.endpoint import Target
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid

OURS, THEIRS = [note(n) for n in range(1, 4)], [(n, "theirs") for n in range(1, 6)]
PUT_ANOTHER_IN_ITS_PLACE = (
    "alter table orders rename to orders_old",
    "create table orders (id bigint, note text)",
    "insert into orders select n, 'theirs' from generate_series(1, 5) n",
)


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop", statement_timeout_ms="20000"))


def run(writing: PostgresWriting, *statements: str) -> None:
    writing.server.run("shop", *statements)


def look(writing: PostgresWriting, target: Target, epoch: int = 9) -> None:
    with closing(writing.sink()) as sink:
        sink.high_water(target, epoch)


def made_by_an_earlier_version(writing: PostgresWriting) -> None:
    run(
        writing,
        "alter table _hr_target drop column table_oid, drop column ledger_oid",
        "alter table _hr_commit drop column emptied",
    )


# ---- replaced by its name


def test_a_table_that_people_put_in_the_place_of_ours_is_not_replaced(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace"), OURS)
    run(writing, *PUT_ANOTHER_IN_ITS_PLACE)

    with pytest.raises(ConfigInvalid, match=r"public\.orders was not made by Headrace, so it is not replaced"):
        writing.put(writing.to("replace", generation=2), [note(7)], epoch=2)

    assert (writing.rows(), len(writing.rows(table="orders_old"))) == (THEIRS, 3)


def test_a_table_that_people_put_there_during_the_run_is_not_replaced(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace"), OURS)
    target = writing.to("replace", generation=2)
    with writing.owner(target, epoch=2) as sink:
        writing.write(sink, target, [note(7)], seq=0, epoch=2, schema=NOTES)
        run(writing, *PUT_ANOTHER_IN_ITS_PLACE)

        with pytest.raises(ConfigInvalid, match="was not made by Headrace"):
            sink.complete(target, {})

    assert (writing.rows(), len(writing.rows(table="orders_old"))) == (THEIRS, 3)


@pytest.mark.parametrize("built", ["select", "create index on orders (note)"])
def test_a_table_that_people_put_there_while_we_waited_for_its_lock_is_not_replaced(
    writing: PostgresWriting, built: str
) -> None:
    """Whether the table is exchanged or its rows are."""
    writing.put(writing.to("replace"), OURS)
    run(writing, built)
    target = writing.to("replace", generation=2)
    with (
        writing.owner(target, epoch=2) as sink,
        closing(writing.server.connect("shop")) as people,
        ThreadPoolExecutor(1) as beside,
    ):
        writing.write(sink, target, [note(7)], seq=0, epoch=2, schema=NOTES)
        for statement in ("begin", *PUT_ANOTHER_IN_ITS_PLACE):
            people.execute(statement.encode())
        shown = beside.submit(lambda: sink.complete(target, {}))
        while not shown.done() and not _waits_for_a_lock(writing):
            pass
        people.execute("commit")

        with pytest.raises(ConfigInvalid, match="was not made by Headrace"):
            shown.result()

    assert (writing.rows(), len(writing.rows(table="orders_old"))) == (THEIRS, 3)


def _waits_for_a_lock(writing: PostgresWriting) -> bool:
    return writing.server.rows("postgres", "select from pg_stat_activity where wait_event_type = 'Lock'") != []


def test_a_table_of_an_earlier_version_is_replaced_and_known_from_then_on(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace"), OURS)
    made_by_an_earlier_version(writing)

    writing.put(writing.to("replace", generation=2), [note(7)], epoch=2)

    assert writing.rows() == [(7, "old")]
    run(writing, *PUT_ANOTHER_IN_ITS_PLACE)
    with pytest.raises(ConfigInvalid, match="was not made by Headrace"):
        writing.put(writing.to("replace", generation=3), [note(8)], epoch=3)


def test_a_table_of_an_earlier_version_that_is_added_to_is_known_from_then_on(writing: PostgresWriting) -> None:
    target = writing.to("append")
    writing.put(target, OURS)
    made_by_an_earlier_version(writing)
    with writing.owner(target, epoch=2):
        run(writing, *PUT_ANOTHER_IN_ITS_PLACE)

    with pytest.raises(CheckpointAheadOfSink, match="another table"):
        look(writing, target)


def test_a_table_that_came_out_of_a_dump_with_its_ledger_is_ours(writing: PostgresWriting) -> None:
    """All its oids are new, and so are those of the ledger."""
    writing.put(writing.to("replace"), OURS)
    for name in ("orders", "_hr_target"):
        run(writing, f"create table new (like {name} including all)", f"insert into new table {name}",
            f"drop table {name}", f"alter table new rename to {name}")  # fmt: skip

    writing.put(writing.to("replace", generation=2), [note(7)], epoch=2)

    assert writing.rows() == [(7, "old")]


# ---- what was committed is gone

LOST = {
    "dropped": (("drop table orders",), "it is gone"),
    "renamed": (("alter table orders rename to orders_old",), "it is gone"),
    "truncated": (("truncate orders",), "it is empty"),
    "emptied": (("delete from orders",), "it is empty"),
    "another": (PUT_ANOTHER_IN_ITS_PLACE, "what has that name now is another table"),
}


@pytest.mark.parametrize("disposition", ["append", "merge"])
@pytest.mark.parametrize("how", LOST)
def test_a_run_does_not_go_on_where_what_was_committed_is_gone(
    writing: PostgresWriting, how: str, disposition: str
) -> None:
    """I1: what was read already is not read again."""
    statements, said = LOST[how]
    target = writing.to(disposition)
    writing.put(target, OURS)
    run(writing, *statements)
    left = writing.rows()

    with pytest.raises(CheckpointAheadOfSink, match=rf"3 rows .* committed to public\.orders, and {said}.* reset the"):
        look(writing, target)

    assert writing.rows() == left
    reset = writing.to("append" if how == "another" else disposition, generation=2)
    writing.put(reset, OURS, epoch=10)
    look(writing, reset, epoch=11)
    assert writing.rows() == sorted([*left, *((row["id"], row["note"]) for row in OURS)])


def test_a_table_that_goes_during_a_run_is_not_made_anew_for_the_columns_that_come(writing: PostgresWriting) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        writing.write(sink, target, OURS, seq=0, schema=NOTES)
        run(writing, "drop table orders")

        with pytest.raises(CheckpointAheadOfSink, match="it is gone"):
            sink.prepare(target, writing.schema(NOTES), {})

    assert writing.rows() == []


def test_a_replacement_that_lost_what_it_was_filled_with_is_not_shown(writing: PostgresWriting) -> None:
    writing.put(writing.to("replace"), OURS)
    target = writing.to("replace", generation=2)
    writing.put(target, [note(7)], epoch=2, complete=False)
    run(writing, "drop table _headrace_g2_orders")

    with pytest.raises(CheckpointAheadOfSink, match=r"committed to public\._headrace_g2_orders, and it is gone"):
        look(writing, target)


def test_a_table_that_people_made_and_dropped_is_missed_too(writing: PostgresWriting) -> None:
    run(writing, "create table orders (id bigint, note text)")
    target = writing.to("append")
    writing.put(target, OURS)
    run(writing, "drop table orders")

    with pytest.raises(CheckpointAheadOfSink):
        look(writing, target)


def test_rows_that_people_delete_are_theirs_as_long_as_some_are_left(writing: PostgresWriting) -> None:
    target = writing.to("merge")
    writing.put(target, OURS)
    run(writing, "delete from orders where id < 3")

    look(writing, target)

    assert writing.rows() == [(3, "old")]


def test_a_table_whose_every_row_was_deleted_by_the_source_lost_nothing_until_more_rows_come(
    writing: PostgresWriting,
) -> None:
    target = writing.to("merge")
    gone = [note(n, None, _headrace_op=1) for n in range(1, 4)]
    with writing.owner(target) as sink:
        writing.write(sink, target, OURS, seq=0, schema=NOTES)
        writing.write(sink, target, gone, seq=1, schema=TOMBSTONES)
        look(writing, target, epoch=1)
        writing.write(sink, target, OURS, seq=2, schema=NOTES)
    run(writing, "truncate orders")

    with pytest.raises(CheckpointAheadOfSink, match="3 rows of this unit were committed"):
        look(writing, target)


def test_a_generation_that_was_given_no_row_lost_none(writing: PostgresWriting) -> None:
    target = writing.to("append")
    writing.put(target, [])
    run(writing, "truncate orders")

    look(writing, target)

    assert writing.rows() == []


def test_a_table_that_we_may_add_to_and_not_read_is_not_called_empty(writing: PostgresWriting) -> None:
    run(writing, "create table orders (id bigint, note text)", "drop role if exists adder", "create role adder",
        "grant insert on orders to adder", "grant usage, create on schema public to adder")  # fmt: skip
    adding = PostgresWriting(writing.server, {**writing.parameters, "role": "adder"})
    target = adding.to("append")
    try:
        adding.put(target, OURS)
        look(adding, target)
    finally:
        run(writing, "drop owned by adder", "drop role adder")

    assert len(writing.rows()) == 3


def test_going_on_with_another_table_as_it_is_takes_the_statement_that_the_refusal_names(
    writing: PostgresWriting,
) -> None:
    target = writing.to("append")
    writing.put(target, OURS)
    run(writing, *PUT_ANOTHER_IN_ITS_PLACE)
    with pytest.raises(CheckpointAheadOfSink) as refusal:
        look(writing, target)

    run(writing, refusal.value.message.partition("as it is (")[2].partition("),")[0])

    look(writing, target)
    assert writing.rows() == THEIRS
