"""Several units of one PostgreSQL: a table that another unit made is not added to, one that people made takes any."""

from __future__ import annotations

import pytest
from carrying import Watching
from postgres_reading import carried
from postgres_server import PostgresServer, postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.endpoint import Target
from headrace.errors import ConfigInvalid

UNIT = "public.orders"
OURS, THEIRS = [note(n) for n in range(1, 4)], [(n, "theirs") for n in range(1, 6)]


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop", statement_timeout_ms="20000"))


@pytest.fixture
def server_of_blocks() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders as select generate_series(1, 3) as id")
    server.database(name="target")
    return server


def run(writing: PostgresWriting, *statements: str) -> None:
    writing.server.run("shop", *statements)


def of_another_unit(writing: PostgresWriting, disposition: str) -> Target:
    """What a control plane that was made anew calls the same table of the same database."""
    known = writing.to(disposition)
    return Target(
        unit="dev/another/public.orders/lake", unit_id=known.unit_id, run_id=known.run_id, generation=1,
        disposition=known.disposition, primary_key=known.primary_key,
    )  # fmt: skip


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_table_of_another_unit_is_not_added_to_before_people_say_so(
    writing: PostgresWriting, disposition: str
) -> None:
    """A control plane that lost its database would write every row once more."""
    writing.put(writing.to(disposition), OURS)
    anew = of_another_unit(writing, disposition)

    with pytest.raises(ConfigInvalid, match=r"belongs to the unit dev/shop/public\.orders/lake") as refusal:
        writing.put(anew, OURS)

    assert (len(writing.rows()), refusal.value.details["field"]) == (3, "schemas")
    run(writing, refusal.value.message.rpartition("unit: ")[2])
    writing.put(anew, OURS)
    assert len(writing.rows()) == (3 if disposition == "merge" else 6)


def test_a_table_of_another_unit_that_is_gone_may_be_made_anew(writing: PostgresWriting) -> None:
    writing.put(writing.to("append"), OURS)
    run(writing, "drop table orders")

    writing.put(of_another_unit(writing, "append"), OURS)

    assert len(writing.rows()) == 3


def test_a_table_that_people_made_may_be_filled_by_several_units(writing: PostgresWriting) -> None:
    run(writing, "create table orders (id bigint, note text)")

    for target in (writing.to("append"), of_another_unit(writing, "append")):
        writing.put(target, OURS)

    assert len(writing.rows()) == 6


def test_a_table_that_one_unit_begins_to_fill_is_not_filled_by_another(writing: PostgresWriting) -> None:
    """Both are hidden under one name until they are whole."""
    ours, others = writing.to("replace"), of_another_unit(writing, "replace")

    with writing.owner(ours) as sink:
        writing.write(sink, ours, OURS, seq=0, schema=NOTES)
        with pytest.raises(ConfigInvalid, match=r"is being filled by the unit dev/shop/public\.orders/lake"):
            writing.put(others, [note(9, "theirs")])
        writing.write(sink, ours, [note(4)], seq=1, schema=NOTES)
        sink.complete(ours, {})

    assert writing.rows() == [(n, "old") for n in range(1, 5)]
    assert (writing.leftovers(), writing.rows("target, unit", "_hr_target")) == ([], [("public.orders", ours.unit)])


def test_a_unit_that_may_not_fill_a_table_does_not_end_the_session_of_the_one_that_does(
    server_of_blocks: PostgresServer,
) -> None:
    """What is loaded in blocks stays in one open transaction until its slice is judged."""
    server = server_of_blocks
    refusals: list[str] = []

    def another_comes() -> None:
        there = carried(server.parameters("shop"), server.parameters("target"), UNIT, {}, endpoint_id="other")
        refusals.extend(error.message for error in there.errors)

    watching = Watching(on_ask=another_comes)
    finished = carried(server.parameters("shop"), server.parameters("target"), UNIT, {}, watching)

    assert finished.errors == []
    assert [message.partition(",")[0] for message in refusals] == [
        "public.orders is being filled by the unit dev/shop/public.orders/lake"
    ]
    assert server.rows("target", "select array_agg(id order by id) from orders") == [([1, 2, 3],)]


def test_what_a_unit_left_half_filled_is_in_the_way_of_another_until_people_drop_it(writing: PostgresWriting) -> None:
    ours, others = writing.to("replace"), of_another_unit(writing, "replace")
    writing.put(ours, OURS, complete=False)

    with pytest.raises(ConfigInvalid, match="is being filled by") as refusal:
        writing.put(others, OURS)
    run(writing, refusal.value.message.rpartition("given up: ")[2])
    writing.put(others, OURS)

    assert len(writing.rows()) == 3
