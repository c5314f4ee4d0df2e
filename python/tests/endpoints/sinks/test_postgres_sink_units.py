"""Several units of one PostgreSQL: a table that another unit made is not added to, one that people made takes any."""

from __future__ import annotations

import pytest
from postgres_server import postgres_server
from postgres_writing import PostgresWriting, note

from headrace.endpoint import Target
from headrace.errors import ConfigInvalid

OURS, THEIRS = [note(n) for n in range(1, 4)], [(n, "theirs") for n in range(1, 6)]


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop", statement_timeout_ms="20000"))


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
