"""Row-level security leaves rows out without a word, so the run has to say it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from postgres_reading import BY_TIME, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid, PermissionDenied

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, at timestamptz not null, owner text)",
        "insert into orders select n, '2024-01-01', case n % 2 when 0 then 'reader' else 'other' end "
        "from generate_series(1, 4) n",
        "alter table orders enable row level security",
        "create policy own on orders using (owner = current_user)",
    )
    return server


@pytest.mark.parametrize("policy", [{}, BY_TIME], ids=["full", "incremental"])
def test_a_run_that_may_not_see_all_rows_says_so(server: PostgresServer, policy: dict[str, Any]) -> None:
    read = taken(reader(server, "shop", "usage on schema public", "select on orders"), UNIT, **policy)

    assert read.ids == [2, 4]
    assert read.delivery["hiddenRows"] == (
        "row-level security of public.orders may hide rows from this user; to read all: alter role <user> bypassrls, "
        "or read as a user to whom no policy applies"
    )


def test_a_user_to_whom_no_policy_applies_sees_all_and_hears_nothing(server: PostgresServer) -> None:
    read = taken(server.parameters("shop"), UNIT)

    assert (read.ids, "hiddenRows" in read.delivery) == ([1, 2, 3, 4], False)


def test_rows_that_are_only_hidden_are_not_taken_for_deleted(server: PostgresServer) -> None:
    with pytest.raises(ConfigInvalid) as error:
        taken(
            reader(server, "shop", "usage on schema public", "select on orders"),
            UNIT,
            **BY_TIME,
            deletes="keyDiff",
            writeDisposition="merge",
        )

    assert error.value.details["field"] == "policy.deletes"
    assert "would take for deleted. Alter role <user> bypassrls" in error.value.message


@pytest.mark.parametrize(
    ("view", "hides"),
    [("with (security_invoker = true) as", True), ("as", False)],
    ids=["read in the name of the user", "read in the name of its owner"],
)
def test_a_view_says_so_where_policies_hide_rows_of_what_it_reads_from(
    server: PostgresServer, view: str, hides: bool
) -> None:
    server.run("shop", f"create view seen {view} select * from orders")
    parameters = reader(server, "shop", "usage on schema public", "select on orders", "select on seen")

    read = taken(parameters, "public.seen")

    assert (read.ids, "hiddenRows" in read.delivery) == ([2, 4] if hides else [1, 2, 3, 4], hides)


def test_a_view_whose_owner_does_not_see_all_rows_says_so_too(server: PostgresServer) -> None:
    parameters = reader(server, "shop", "usage on schema public", "select on orders")
    server.run("shop", "create view seen as select * from orders", "alter view seen owner to reader")

    read = taken(parameters, "public.seen")

    assert (read.ids, "hiddenRows" in read.delivery) == ([2, 4], True)


@pytest.mark.parametrize("format_", ["arrow", "parquet", "pgcopy"])
def test_rows_that_a_policy_begins_to_hide_during_the_run_end_it_instead_of_being_left_out(
    server: PostgresServer, tmp_path: Path, format_: str
) -> None:
    parameters = reader(server, "shop", "usage on schema public", "select on orders")
    file = {"path": str(tmp_path / "slice"), "compression": "snappy"}
    policy = {"targetSliceSize": 2, "nativeFormat": format_, "nativeFile": file}
    server.run("shop", "alter role reader bypassrls")
    with closing(PostgresSource(parameters)) as source:
        first, second = source.plan(UNIT, None, policy).slices
        read_whole = list(source.read(UNIT, first, policy))
        server.run("shop", "alter role reader nobypassrls")

        with pytest.raises(PermissionDenied, match="row-level security"):
            list(source.read(UNIT, second, policy))

    assert read_whole != []
