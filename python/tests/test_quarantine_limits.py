"""How many rows of PostgreSQL may be set aside: one beyond that ends the run, and what came before it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer, postgres_server
from quarantine_carrying import ALL, SAME_TABLE, Carrying, lake, shop

from headrace.events import Rejected


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def carrying(server: PostgresServer, tmp_path: Path) -> Carrying:
    return Carrying(server, tmp_path)


def test_one_row_beyond_the_limit_ends_the_run_with_nothing_of_its_slice_in_the_sink(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server, "create table orders (id int primary key, kind int)",
        "insert into orders select i, case when i in (5, 15, 16) then 3 end from generate_series(1, 30) i",
    )  # fmt: skip
    lake(server, "create table orders (id int primary key, kind int check (kind <> 3))")
    policy = {**SAME_TABLE, "targetSliceSize": 10, "quarantine": {"maxRows": 2, "maxRatio": 1}}

    finished = carrying.run(policy)

    (error,) = finished.errors
    assert (error.tag, error.details["rejected"], error.details["read"]) == ("QuarantineExceeded", 3, 20)
    assert error.details["first"][0]["position"] == 4
    assert [row for (row,) in carrying.stored()] == [n for n in range(1, 11) if n != 5]
    assert [event.slice_seq for event in carrying.watching.of(Rejected)] == [0]
    assert carrying.staged == []


def test_a_part_of_rows_beyond_the_limit_ends_the_run_too(server: PostgresServer, carrying: Carrying) -> None:
    shop(server, "create table orders as select i as id, i % 10 as kind from generate_series(1, 100) i")
    lake(server, "create table orders (id int, kind int check (kind <> 3))")

    finished = carrying.run({**SAME_TABLE, "quarantine": {"maxRows": 100, "maxRatio": 0.09}})

    assert [error.tag for error in finished.errors] == ["QuarantineExceeded"]
    assert carrying.stored() == []


@pytest.mark.parametrize("limits", [{"maxRows": 2, "maxRatio": 1}, {"maxRows": 9, "maxRatio": 0.09}], ids=str)
def test_a_run_ended_by_its_very_last_row_goes_on_with_that_slice_once_the_limit_is_raised(
    server: PostgresServer, carrying: Carrying, limits: dict[str, float]
) -> None:
    shop(
        server, "create table orders (id int primary key, kind int)",
        "insert into orders select i, case when i in (14, 25, 30) then 3 end from generate_series(1, 30) i",
    )  # fmt: skip
    lake(server, "create table orders (id int primary key, kind int check (kind <> 3))")
    policy: dict[str, Any] = {**SAME_TABLE, "targetSliceSize": 10}

    ended = carrying.run({**policy, "quarantine": limits})
    before = [row for (row,) in carrying.stored()]
    finished = carrying.run({**policy, "quarantine": ALL}, epoch=2, checkpoint=ended.new_checkpoint, next_seq=2)

    assert [(error.tag, error.details["rejected"], error.details["read"]) for error in ended.errors] == [
        ("QuarantineExceeded", 3, 30)
    ]
    assert before == [n for n in range(1, 21) if n != 14]
    assert (finished.errors, finished.stats["exported_rows"], finished.stats["rejected_rows"]) == ([], 10, 2)
    assert [row for (row,) in carrying.stored()] == [n for n in range(1, 31) if n not in (14, 25, 30)]
