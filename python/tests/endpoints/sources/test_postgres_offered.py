"""What a database offers as units, and how far the catalogue's words about a column are believed."""

from __future__ import annotations

from contextlib import closing

import pytest
from postgres_reading import BY_TIME, READER, reader, taken
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid, PermissionDenied, UnitNotFound
from headrace.protocol import Json

UNIT = "public.orders"


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database()
    return server


def nullable(server: PostgresServer, unit_id: str = UNIT) -> dict[str, bool]:
    with closing(PostgresSource(server.parameters("shop"))) as source:
        return {column.name: column.nullable for column in source.describe(unit_id).columns}


# ---- what is offered


def test_only_what_the_user_may_read_is_offered(server: PostgresServer) -> None:
    server.run("shop", "create schema hidden", "create table hidden.within (id int)")
    server.run("shop", *(f"create table {name} (id int, other int)" for name in ("whole", "part", "refused")))
    user = reader(server, "shop", "usage on schema public", "select on whole", "select (id) on part",
                  "select on hidden.within", "insert on refused")  # fmt: skip

    with closing(PostgresSource(user)) as source:
        units = [unit.unit_id for unit in source.list_units()]
        described = {record.payload["unitId"] for record in source.collect_metadata()}

    assert (units, described) == (["public.part", "public.whole"], {"public.part", "public.whole"})


@pytest.mark.parametrize(
    ("unit_id", "right"),
    [
        ("public.refused", "Grant select on the table,"),
        ("hidden.within", "Grant usage on schema hidden, and select on the table,"),
    ],
)
def test_a_table_that_is_there_and_closed_is_not_said_to_be_missing(
    server: PostgresServer, unit_id: str, right: str
) -> None:
    server.run("shop", "create schema hidden", "create table hidden.within (id int)", "create table refused (id int)")
    user = reader(server, "shop", "usage on schema public", "select on hidden.within", "insert on refused")

    with closing(PostgresSource(user)) as source:
        for ask in (lambda: source.preview(unit_id, 1), lambda: source.plan(unit_id, None, {})):
            with pytest.raises(PermissionDenied, match=f"{unit_id} is there, and user {READER} may not read it") as e:
                ask()
            assert right in e.value.message


def test_a_misspelt_table_is_answered_with_what_is_like_it_and_may_be_read(server: PostgresServer) -> None:
    for name in ("orders", "orders_closed", "customer", "region"):
        server.run("shop", f"create table {name} (id int)")
    server.run("shop", "create schema sales", "create table sales.invoices (id int)")
    user = reader(server, "shop", "usage on schema public, sales", "select on orders, customer, region, sales.invoices")

    with closing(PostgresSource(user)) as source:
        for asked, meant in (("public.order", "public.orders"), ("public.invoices", "sales.invoices")):
            with pytest.raises(UnitNotFound, match=rf"{asked}\. Did you mean {meant}\?$"):
                source.preview(asked, 1)


def test_a_materialized_view_that_was_never_filled_says_how_to_fill_it(server: PostgresServer) -> None:
    server.run("shop", 'create materialized view "big orders" as select 1 as id with no data')
    unit_id = "public.big orders"

    for use in (lambda: taken(server.parameters("shop"), unit_id), lambda: preview(server, unit_id)):
        with pytest.raises(ConfigInvalid, match=r'Fill it: refresh materialized view "public"\."big orders"'):
            use()
    server.run("shop", 'refresh materialized view "big orders"')

    assert taken(server.parameters("shop"), unit_id).ids == [1]


def preview(server: PostgresServer, unit_id: str) -> object:
    with closing(PostgresSource(server.parameters("shop"))) as source:
        return source.preview(unit_id, 1)


# ---- what may be NULL


def test_a_not_null_that_was_never_validated_is_not_believed(server: PostgresServer) -> None:
    """It holds for new rows; older ones may be NULL, as a column and as a key."""
    server.run("shop", "create table orders (id int, at timestamptz)", "insert into orders values (null, now())")
    server.run("shop", "create unique index on orders (id)")
    if has_unvalidated(server):
        server.run("shop", "alter table orders add constraint filled not null id not valid")

    assert nullable(server)["id"]
    with pytest.raises(ConfigInvalid, match="Add a key"):
        taken(server.parameters("shop"), UNIT, **BY_TIME)
    assert taken(server.parameters("shop"), UNIT).ids == [None]


def test_a_not_null_that_was_validated_is_believed(server: PostgresServer) -> None:
    server.run("shop", "create table orders (id int)", "create unique index on orders (id)")
    if has_unvalidated(server):
        server.run("shop", "alter table orders add constraint filled not null id not valid")
        server.run("shop", "alter table orders validate constraint filled")
    server.run("shop", "alter table orders alter id set not null")

    assert nullable(server) == {"id": False}


def has_unvalidated(server: PostgresServer) -> bool:
    """Older servers know no NOT NULL that is not validated."""
    (version,) = server.rows("shop", "select current_setting('server_version_num')::int")[0]
    return version >= 180000


@pytest.mark.parametrize(
    "made",
    [
        "create view orders as select b.id from a left join b using (id)",
        "create materialized view orders as select b.id from a left join b using (id)",
        "create table orders as select b.id from a left join b using (id)",
    ],
)
def test_a_null_of_a_domain_that_forbids_it_is_carried_where_it_is_there_all_the_same(
    server: PostgresServer, made: str
) -> None:
    """A domain's NOT NULL holds where a value is made, and an outer join makes none."""
    server.run(
        "shop", "create domain filled as int not null", "create table a (id filled)", "create table b (id filled)"
    )
    server.run("shop", "insert into a values (1)", made)

    assert nullable(server) == {"id": True}
    assert taken(server.parameters("shop"), UNIT).ids == [None]


def test_a_not_null_of_a_foreign_table_is_not_believed_for_nobody_checks_it(server: PostgresServer) -> None:
    server.run(
        "shop",
        "create extension if not exists file_fdw schema public",
        "create server files foreign data wrapper file_fdw",
        "create foreign table orders (id int not null) server files options (program 'echo ?', null '?')",
    )

    assert nullable(server) == {"id": True}
    assert taken(server.parameters("shop"), UNIT).ids == [None]


# ---- a column's name


def test_a_column_that_would_be_taken_for_tombstones_is_refused_by_name(server: PostgresServer) -> None:
    """A sink that merges would delete the rows in which it is 1."""
    server.run("shop", "create table orders (id int primary key, _headrace_op int)", "insert into orders values (1, 1)")
    columns: list[Json] = ["id"]

    with pytest.raises(ConfigInvalid, match=r"Column _headrace_op of public\.orders .*policy's columns") as refusal:
        taken(server.parameters("shop"), UNIT)

    assert refusal.value.details == {"field": "columns"}
    assert taken(server.parameters("shop"), UNIT, columns=columns).ids == [1]
