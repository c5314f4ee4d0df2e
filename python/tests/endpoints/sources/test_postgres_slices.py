"""A full read of a table with a key: its slices cover every row of one moment exactly once, whatever the key."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from postgres_reading import BY_TIME, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources import postgres_plan
from headrace.errors import ConfigInvalid
from headrace.protocol import Json

UNIT = "public.orders"

KEYS: dict[str, tuple[str, str]] = {
    "gaps": ("id bigint primary key", "select n * n * n from generate_series(-5, 5) n"),
    "limits": (
        "id bigint primary key",
        "values (-9223372036854775808), (-1), (0), (9007199254740993), (9223372036854775807)",
    ),
    "numeric": ("id numeric primary key", "values (-1e20), (0.1), (0.10001), (1e20), ('NaN'), ('Infinity')"),
    "float": ("id float8 primary key", "values (0.1::float8), (1e-300), (-1e300), ('NaN'), ('Infinity'), (0.3)"),
    "uuid": ("id uuid primary key", "select gen_random_uuid() from generate_series(1, 11)"),
    "moment": ("id timestamptz primary key", "values ('2024-01-01 00:00:00.000001'), ('2024-01-01'), ('1969-01-01')"),
    "bytes": ("id bytea primary key", r"values ('\x'::bytea), ('\x00'), ('\x27'), ('\x5c'), ('\xff00'), ('\xff')"),
    "text": (
        "id text primary key",
        r"values (''), (' '), ('a'), ('A'), ('ä'), ('b'), (''''), ('\'), ('%s'), ('$1'), ('Ω'), ('😀'), (E'\n')",
    ),
    "other collation": (
        "id text collate german primary key",
        "values ('a'), ('A'), ('ä'), ('B'), ('b'), ('-'), ('z'), ('Z'), ('10'), ('9')",
    ),
    "no case": ("id text collate nocase primary key", "values ('a'), ('B'), ('c'), ('D'), ('e'), ('F')"),
    "padded": ("id char(4) primary key", "values ('a'), ('ab'), ('abc'), (''), ('  x'), ('z')"),
    "enum": ("id mood primary key", "select unnest(enum_range(null::mood))"),
    "domain": ("id positive primary key", "select generate_series(1, 9)"),
    "network": ("id inet primary key", "values ('10.0.0.1'), ('10.0.0.0/8'), ('::1'), ('192.168.0.1/24')"),
    "two columns": (
        "a text, b int, primary key (a, b)",
        "select left(md5((n / 3)::text), 2), -n from generate_series(1, 12) n",
    ),
    "two columns, backwards": (
        "a int not null, b text not null, unique (b, a)",
        "select n / 3, (n % 3)::text from generate_series(1, 12) n",
    ),
    "unique index": ("id int not null", "select -n from generate_series(1, 8) n"),
    "partitions": ("id int, part int, primary key (id, part)", "select n, n % 3 from generate_series(1, 11) n"),
}
"""How a table is declared, and what is in it."""

AROUND = (
    "create type mood as enum ('zeta', 'alpha', 'm', 'beta')",
    "create domain positive as int check (value > 0)",
    "create collation german (provider = icu, locale = 'de')",
    "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
)

PARTITIONS = tuple(f"create table part{n} partition of orders for values in ({n})" for n in range(3))


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def make(server: PostgresServer, kind: str) -> list[str]:
    """The table with rows of that kind of key. Every row says itself in column ``shown``."""
    declared, rows = KEYS[kind]
    server.database(
        *AROUND,
        f"create table orders ({declared}) {'partition by list (part)' if kind == 'partitions' else ''}",
        *(PARTITIONS if kind == "partitions" else ()),
        *(["create unique index on orders (id)"] if kind == "unique index" else ()),
        f"insert into orders {rows}",
        "alter table orders add shown text",
        "update orders set shown = orders::text",
    )
    return sorted(shown for (shown,) in server.rows("shop", "select shown from orders"))


@pytest.mark.parametrize("kind", KEYS)
def test_ranges_of_any_key_cover_every_row_once_also_in_a_run_that_goes_on_where_another_died(
    server: PostgresServer, kind: str
) -> None:
    rows = make(server, kind)
    parameters = server.parameters("shop")

    first = taken(parameters, UNIT, stop_after=1, targetSliceSize=2, columns=["shown"])
    rest = taken(parameters, UNIT, first.checkpoint, targetSliceSize=2, columns=["shown"])

    slices = [*first.slices, *rest.slices]
    assert sorted(row["shown"] for rows in slices for row in rows) == rows
    assert [len(rows) for rows in slices[:-1]] == [2] * (len(slices) - 1)
    assert (rest.strategy, rest.checkpoint) == ("key ranges", None)


@pytest.mark.parametrize("order", [{}, {"mode": "incremental", "cursorField": "at"}], ids=["by key", "by cursor"])
def test_slices_are_cut_by_columns_the_user_may_see_though_others_are_hidden(
    server: PostgresServer, order: dict[str, Any]
) -> None:
    server.database("create table orders (id int primary key, at int not null, secret text)")
    server.run("shop", "insert into orders select n, n, 'hidden' from generate_series(1, 5) n")
    user = reader(server, "shop", "usage on schema public", "select (id, at) on orders", "pg_read_all_stats")

    found = taken(user, UNIT, targetSliceSize=2, columns=["id", "at"], **order)

    assert found.rows == [{"id": n, "at": n} for n in range(1, 6)]
    assert len(found.slices) == 3


@pytest.fixture
def scattered(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    """Random keys: in their order the rows lie all over the table."""
    monkeypatch.setattr(postgres_plan, "LARGE_PAGES", 1)
    server.database("create table orders (id uuid primary key, n int, at timestamptz)")
    server.run("shop", "insert into orders select gen_random_uuid(), n, '2024-01-01' from generate_series(1, 900) n",
               "analyze orders")  # fmt: skip
    return server


@pytest.mark.parametrize("disposition", ["replace", "merge"])
def test_a_table_whose_key_is_random_is_read_by_pages_and_says_so(scattered: PostgresServer, disposition: str) -> None:
    found = taken(scattered.parameters("shop"), UNIT, targetSliceSize=300, writeDisposition=disposition)

    assert (found.strategy, found.delivery) == ("page ranges", {"cut": postgres_plan.FASTER})
    assert sorted(row["n"] for row in found.rows) == list(range(1, 901))
    assert len(found.slices) > 1


@pytest.mark.parametrize("policy", [{"writeDisposition": "append"}, BY_TIME])
def test_one_that_has_to_go_on_where_it_broke_off_is_read_by_key_and_says_so(
    scattered: PostgresServer, policy: Any
) -> None:
    found = taken(scattered.parameters("shop"), UNIT, targetSliceSize=300, **policy)

    assert (found.strategy, found.delivery["cut"]) == ("key ranges", postgres_plan.SLOWLY)


def test_a_key_that_follows_the_order_of_the_rows_is_read_by_key(scattered: PostgresServer) -> None:
    key = "lpad(n::text, 32, '0')::uuid"
    scattered.run("shop", "truncate orders", f"insert into orders select {key}, n from generate_series(1, 900) n",
                  "analyze orders")  # fmt: skip

    found = taken(scattered.parameters("shop"), UNIT, targetSliceSize=300)

    assert (found.strategy, found.delivery) == ("key ranges", {})


def test_slices_of_a_run_are_of_one_moment_whatever_happens_meanwhile(server: PostgresServer) -> None:
    """F45: rows are added, moved, changed and deleted between slices, and none is lost, doubled or new."""
    server.database("create table orders (id int primary key, note text)")
    server.run("shop", "insert into orders select n, 'old' from generate_series(2, 40, 2) n")

    def meanwhile() -> None:
        server.run(
            "shop",
            "insert into orders select max(id) + 1, 'new' from orders",
            "insert into orders select min(id) - 1, 'new' from orders",
            "update orders set id = 1000 - id, note = 'moved' where id = (select max(id) from orders where id < 41)",
            "update orders set note = 'changed' where id % 3 = 0",
            "delete from orders where id = (select min(id) from orders where id > 6)",
            "vacuum orders",
        )

    found = taken(server.parameters("shop"), UNIT, meanwhile=meanwhile, targetSliceSize=4)

    assert found.rows == [{"id": n, "note": "old"} for n in range(2, 41, 2)]


def test_a_table_is_not_rewritten_dropped_or_emptied_under_a_run(server: PostgresServer) -> None:
    """F36: what would take the rows from the run's moment waits for the run."""
    server.database("create table orders (id int primary key)", "insert into orders select generate_series(1, 6)")
    waited: list[bool] = []

    def rewrite() -> None:
        for statement in ("vacuum full orders", "truncate orders", "drop table orders"):
            with server.connect("shop") as other:
                other.execute("set lock_timeout = '1ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute(statement.encode())
            waited.append(True)

    found = taken(server.parameters("shop"), UNIT, meanwhile=rewrite, targetSliceSize=3)

    assert (found.ids, len(waited)) == ([1, 2, 3, 4, 5, 6], 6)


def test_a_load_that_died_and_the_reads_after_it_deliver_what_changed_meanwhile(server: PostgresServer) -> None:
    """The load is fuzzy in time; the first incremental read begins at the bound of its first snapshot."""
    server.database(
        "create table orders (id int primary key, at timestamptz default now(), note text)",
        "insert into orders select n, date '2024-01-01' + n * interval '1 s', 'old' from generate_series(1, 9) n",
    )
    parameters = server.parameters("shop")
    first = taken(parameters, UNIT, stop_after=1, targetSliceSize=3, **BY_TIME)
    server.run(
        "shop",
        "update orders set note = 'changed', at = now() where id in (2, 5)",
        "insert into orders values (0, now(), 'new'), (10, now(), 'new')",
        "delete from orders where id = 6",
    )

    rest = taken(parameters, UNIT, first.checkpoint, targetSliceSize=3, **BY_TIME)
    later = taken(parameters, UNIT, rest.checkpoint, **BY_TIME)

    assert (first.ids, rest.ids, sorted(later.ids)) == ([1, 2, 3], [4, 7, 8, 9], [0, 2, 5, 10])
    assert {row["note"] for row in [*first.rows, *rest.rows]} == {"old"}


def test_a_load_whose_rows_are_all_gone_by_the_time_it_goes_on_ends_and_becomes_incremental(
    server: PostgresServer,
) -> None:
    server.database(
        "create table orders (id int primary key, at timestamptz default now())",
        "insert into orders select n, timestamptz '2024-01-01' + n * interval '1 s' from generate_series(1, 6) n",
    )
    parameters = server.parameters("shop")
    first = taken(parameters, UNIT, stop_after=1, targetSliceSize=3, **BY_TIME)
    server.run("shop", "delete from orders where id > 3", "insert into orders values (7)")

    rest = taken(parameters, UNIT, first.checkpoint, targetSliceSize=3, **BY_TIME)

    assert rest.ids == []
    assert taken(parameters, UNIT, rest.checkpoint, **BY_TIME).ids == [7]


# ---- how large slices are, and what is in them


def test_slices_are_cut_by_bytes_before_rows_when_rows_are_wide(server: PostgresServer) -> None:
    server.database(
        "create table orders (id int primary key, note text)",
        "insert into orders select n, repeat('x', 100000) from generate_series(1, 20) n",
    )

    found = taken(server.parameters("shop"), UNIT, sliceBytes=500_000)

    sizes = [sum(len(row["note"]) for row in slice_) for slice_ in found.slices]
    assert found.ids == list(range(1, 21))
    assert max(sizes) <= 500_000 and len(sizes) >= 4


def test_a_row_wider_than_a_slice_is_a_slice_of_its_own(server: PostgresServer) -> None:
    """F37"""
    server.database(
        "create table orders (id int primary key, note text)",
        "insert into orders select n, repeat('x', 1000) from generate_series(1, 3) n",
    )

    assert [len(rows) for rows in taken(server.parameters("shop"), UNIT, sliceBytes=1).slices] == [1, 1, 1]


@pytest.mark.parametrize("policy", [{}, {"targetSliceSize": 1}, BY_TIME])
def test_a_table_without_rows_has_no_slices_and_no_checkpoint(server: PostgresServer, policy: dict[str, Json]) -> None:
    """F61"""
    server.database("create table orders (id int primary key, at timestamptz)")

    found = taken(server.parameters("shop"), UNIT, **policy)

    assert (found.slices, found.checkpoint) == ([], None)


def test_limit_reads_the_first_rows_by_key_in_one_slice(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key)", "insert into orders select generate_series(9, 1, -1)")

    found = taken(server.parameters("shop"), UNIT, limit=4, targetSliceSize=2)

    assert found.slices == [[{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]]


@pytest.mark.parametrize("policy", [{}, BY_TIME])
def test_only_the_columns_asked_for_are_read_in_their_order_also_without_key_and_cursor(
    server: PostgresServer, policy: dict[str, Json]
) -> None:
    server.database(
        "create table orders (id int primary key, at timestamptz, note text, amount int)",
        "insert into orders values (1, '2024-01-01', 'a', 10), (2, '2024-01-02', 'b', 20)",
    )

    found = taken(server.parameters("shop"), UNIT, columns=["amount", "note"], targetSliceSize=1, **policy)

    assert [list(row.items()) for row in found.rows] == [
        [("amount", 10), ("note", "a")], [("amount", 20), ("note", "b")],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "field", "said"),
    [
        ({"columns": ["id", "nota"]}, "columns", r"has no column nota. Did you mean note\?"),
        ({"columns": []}, "columns", "a list of column names"),
        ({"columns": ["id", "id"]}, "columns", "each once"),
        ({"targetSliceSize": 0}, "targetSliceSize", "a whole number from 1"),
        ({"limit": 5, **BY_TIME}, "limit", "an incremental read that stops early loses rows"),
        ({"mode": "sideways"}, "mode", "full or incremental"),
        ({"mode": "incremental"}, "cursorField", "no cursorField says which column grows"),
    ],
)
def test_a_policy_that_cannot_be_met_is_refused_by_key(
    server: PostgresServer, policy: dict[str, Json], field: str, said: str
) -> None:
    server.database("create table orders (id int primary key, note text, at timestamptz)")

    with pytest.raises(ConfigInvalid, match=said) as refusal:
        taken(server.parameters("shop"), UNIT, **policy)

    assert refusal.value.details == {"field": field}
