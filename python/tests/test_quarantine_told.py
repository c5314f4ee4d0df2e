"""Whoever is told of a row that is not carried is told which one it is, of which table, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer, postgres_server
from quarantine_carrying import SAME_TABLE, Carrying, lake, shop


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def carrying(server: PostgresServer, tmp_path: Path) -> Iterator[Carrying]:
    yield Carrying(server, tmp_path)


def test_a_row_that_ends_a_run_is_said_to_be_one_that_could_be_set_aside(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(server, "create table orders (id int primary key)", "insert into orders values (3), (4)")
    lake(server, "create table orders (id int check (id < 3))")

    (error,) = carrying.run(SAME_TABLE).errors
    (limit,) = carrying.run({**SAME_TABLE, "quarantine": {"maxRows": 1, "maxRatio": 1}}).errors

    assert error.message.endswith(' Or set such rows aside with quarantine {"maxRows": 100}.')
    assert "set such rows aside" not in limit.message


@pytest.mark.parametrize("quarantine", [{}, {"quarantine": {"maxRows": 0, "maxRatio": 1}}], ids=["blocks", "arrow"])
def test_a_row_whose_key_is_there_is_told_of_the_table_and_not_of_a_hidden_one(
    server: PostgresServer, carrying: Carrying, quarantine: dict[str, Any]
) -> None:
    for database in (shop, lake):
        database(server, "create table orders (id int primary key)", "insert into orders values (3)")

    (error,) = carrying.run({**SAME_TABLE, **quarantine}).errors

    assert error.message.startswith('public.orders: duplicate key value violates unique constraint "orders_pkey"')
    assert "_hr_" not in error.message
    assert "Where writeDisposition append only adds rows, merge replaces those of the same key." in error.message


def test_the_first_of_too_many_rows_is_told_by_its_key_whichever_end_refuses_it(
    server: PostgresServer, carrying: Carrying
) -> None:
    rows = "insert into orders select i, case when i > 15 then 'NaN' else i::numeric end from generate_series(1, 20) i"
    shop(server, "create table orders (id int primary key, a numeric(10, 2))", rows)
    lake(server, "create table orders (id int, a numeric(10, 2) check (a <> 7))")
    few = {**SAME_TABLE, "quarantine": {"maxRows": 1, "maxRatio": 1}}

    (of_source,) = carrying.run(few).errors
    server.run("shop", "delete from orders where id not in (7, 8)", "update orders set a = 7")
    (of_sink,) = carrying.run(few).errors

    assert ". The row with id = 16: A row of public.orders has NaN" in of_source.message
    assert ". The row with id = 7: " in of_sink.message


def test_a_row_that_is_too_large_is_told_by_its_key(server: PostgresServer, carrying: Carrying) -> None:
    shop(
        server, "create table orders (id int primary key, t text)", "insert into orders values (17, repeat('x', 9999))"
    )
    lake(server)

    (error,) = carrying.run({**SAME_TABLE, "limits": {"rowBytes": 500}}).errors

    assert error.message.startswith("The row with id = 17: the row has more than 500 bytes")
