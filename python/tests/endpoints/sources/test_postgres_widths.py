"""Slices are cut by the bytes of their rows, also where few rows are nearly all of the table and lie elsewhere."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from postgres_reading import BY_TIME
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource

UNIT = "public.orders"
LONG, BUDGET = 1_000_000, 4_000_000
KINDS = {
    "text that is compressed to next to nothing": ("text", f"repeat('x', {LONG})"),
    "bytes": ("bytea", f"convert_to(repeat('x', {LONG}), 'utf8')"),
    "JSON": ("jsonb", f"to_jsonb(repeat(md5(n::text), {LONG // 32}))"),
}


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def table(server: PostgresServer, kind: str, *more: str, key: str = "primary key") -> None:
    """3,000 rows of which thirty have a megabyte each, none of them among the first."""
    declared, long = KINDS[kind]
    server.database(
        f"create table orders (id int {key}, at timestamptz not null default '2024-01-01', note {declared})",
        f"insert into orders (id, note) select n, case when n % 100 = 0 then {long} end "
        "from generate_series(1, 3000) n",
        *more,
    )


def slices_of(server: PostgresServer, policy: dict[str, Any]) -> list[tuple[list[int], int]]:
    """The ids of each slice, and its bytes."""
    with closing(PostgresSource(server.parameters("shop"))) as source:
        found: list[tuple[list[int], int]] = []
        for slice_ in source.plan(UNIT, None, policy).slices:
            batches: list[Any] = list(source.read(UNIT, slice_, policy))
            ids = [n for batch in batches for n in batch.column("id").to_pylist()]
            found.append((ids, sum(batch.nbytes for batch in batches)))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", [{}, BY_TIME], ids=["full", "incremental"])
def test_no_slice_is_much_larger_than_asked_for_where_a_few_rows_are_nearly_all_of_the_table(
    server: PostgresServer, kind: str, policy: dict[str, Any]
) -> None:
    table(server, kind)

    slices = slices_of(server, {**policy, "sliceBytes": BUDGET})

    assert sorted(n for ids, _ in slices for n in ids) == list(range(1, 3001))
    assert len(slices) > 6
    assert max(size for _, size in slices) < 1.5 * BUDGET


def test_a_row_that_alone_is_more_than_a_slice_is_one(server: PostgresServer) -> None:
    table(server, "bytes", "delete from orders where id % 100 <> 0 and id < 2990")

    slices = slices_of(server, {"sliceBytes": LONG // 2})

    assert [ids for ids, _ in slices[:3]] == [[100], [200], [300]]
    assert [n for ids, _ in slices for n in ids] == [*range(100, 2900 + 1, 100), *range(2990, 3001)]


def test_tables_below_a_partitioned_one_count(server: PostgresServer) -> None:
    server.database(
        "create table orders (id int primary key, note text) partition by range (id)",
        "create table low partition of orders for values from (0) to (1500)",
        "create table high partition of orders for values from (1500) to (9000)",
        f"insert into orders select n, case when n % 100 = 0 then repeat('x', {LONG}) end "
        "from generate_series(1, 3000) n",
    )

    slices = slices_of(server, {"sliceBytes": BUDGET})

    assert sorted(n for ids, _ in slices for n in ids) == list(range(1, 3001))
    assert max(size for _, size in slices) < 1.5 * BUDGET


def test_by_pages_the_rows_of_all_the_table_tell_how_wide_they_are(server: PostgresServer) -> None:
    table(server, "bytes", "vacuum analyze orders", key="not null")

    slices = slices_of(server, {"sliceBytes": BUDGET})

    assert sorted(n for ids, _ in slices for n in ids) == list(range(1, 3001))
    assert max(size for _, size in slices) < 2 * BUDGET
