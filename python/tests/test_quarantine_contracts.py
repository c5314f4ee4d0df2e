"""Rows that do not fit the schema there, or the bound of a row: discarded or set aside, as the policy says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer, postgres_server
from quarantine_carrying import ALL, SAME_TABLE, Carrying, lake, shop

from headrace.errors import RowRejected
from headrace.events import Finished


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def carrying(server: PostgresServer, tmp_path: Path) -> Iterator[Carrying]:
    yield Carrying(server, tmp_path)


# ---- what the schema there decides


@pytest.mark.parametrize(
    ("contract", "ids", "kinds", "rejected", "discarded"),
    [
        ("discard_row", [1, 3], [1, 3], [1], None),
        ("discard_value", [1, 2, 3], [1, None, 3], [], {"values": 1, "by_column": {"kind": 1}}),
    ],
)
def test_a_value_too_wide_for_the_column_is_discarded_as_the_contract_says(
    server: PostgresServer, carrying: Carrying, contract: str, ids: Any, kinds: Any, rejected: Any, discarded: Any
) -> None:
    shop(
        server,
        "create table orders (id int, kind bigint)",
        "insert into orders values (1, 1), (2, 99999999999), (3, 3)",
    )
    lake(server, "create table orders (id int, kind int)")

    finished = carrying.run({**SAME_TABLE, "schemaContract": contract, "quarantine": ALL})

    assert finished.errors == []
    assert carrying.stored("id, kind") == list(zip(ids, kinds, strict=True))
    assert [(row.position, row.code, row.column) for row in carrying.rejected] == [
        (at, "SCHEMA", "kind") for at in rejected
    ]
    assert finished.stats.get("discarded") == discarded


@pytest.mark.parametrize("contract", ["discard_row", "discard_value"])
def test_a_column_that_is_new_is_not_added_and_only_rows_that_use_it_are_touched(
    server: PostgresServer, carrying: Carrying, contract: str
) -> None:
    shop(
        server, "create table orders (id int, added text)", "insert into orders values (1, null), (2, 'new'), (3, null)"
    )
    lake(server, "create table orders (id int)")

    finished = carrying.run({**SAME_TABLE, "schemaContract": contract, "quarantine": ALL})

    assert finished.errors == []
    assert [row for (row,) in carrying.stored()] == ([1, 3] if contract == "discard_row" else [1, 2, 3])
    columns = "select column_name::text from information_schema.columns where table_name = 'orders'"
    assert server.rows("lake", columns) == [("id",)]


def test_rows_are_discarded_within_the_limits_that_quarantine_has_unsaid(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(server, "create table orders (id int, added text)", "insert into orders values (1, null), (2, 'new')")
    lake(server, "create table orders (id int)")

    finished = carrying.run({**SAME_TABLE, "schemaContract": "discard_row"})

    assert [error.tag for error in finished.errors] == ["QuarantineExceeded"]
    assert carrying.stored() == []


# ---- rows that are too large


def test_a_row_above_the_bound_stays_behind_without_its_content_where_that_is_too_long(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server, "create table orders (id int primary key, note text)",
        "insert into orders select i, repeat('x', 1000 * i) from generate_series(1, 10) i",
        "insert into orders values (11, repeat('y', 500000))",
    )  # fmt: skip
    lake(server)

    finished = carrying.run({"quarantine": ALL, "limits": {"rowBytes": 8000}})

    assert finished.errors == []
    assert [row for (row,) in carrying.stored()] == [1, 2, 3, 4, 5, 6, 7]
    assert [(row.position, row.code, row.payload is None) for row in carrying.rejected] == [
        (7, "TOO_LARGE", False), (8, "TOO_LARGE", False), (9, "TOO_LARGE", False), (10, "TOO_LARGE", True),
    ]  # fmt: skip


def test_a_bound_without_a_quarantine_ends_the_run_at_the_first_row_above_it(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(server, "create table orders as select i as id, repeat('x', 1000 * i) as note from generate_series(1, 10) i")
    lake(server)

    with pytest.raises(RowRejected, match="more than 8000 bytes"):
        _raised(carrying.run({"limits": {"rowBytes": 8000}}))


def test_a_row_that_the_index_of_the_target_cannot_hold_stays_behind(
    server: PostgresServer, carrying: Carrying
) -> None:
    shop(
        server, "create table orders (id int, note text)",
        "insert into orders values (1, 'short')",
        "insert into orders select 2, string_agg(md5(i::text), '') from generate_series(1, 500) i",
    )  # fmt: skip
    lake(server, "create table orders (id int, note text unique)")

    finished = carrying.run({**SAME_TABLE, "quarantine": ALL})

    assert finished.errors == []
    assert [(row.position, row.code) for row in carrying.rejected] == [(1, "TOO_LARGE")]


def _raised(finished: Finished) -> None:
    for error in finished.errors:
        raise RowRejected(error.message)
