"""A schema that is not there: made by a sink that may make it, and refused where nobody would make it."""

from __future__ import annotations

from contextlib import closing

import pytest
from postgres_reading import READER, reader
from postgres_server import PostgresServer, postgres_server

from headrace.endpoint import TestLevel
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.systems.postgres import PostgresSystem
from headrace.errors import ConfigInvalid, UnitNotFound
from headrace.protocol import ConnectionTest

ARRIVALS = "Schema arrivals does not exist in database shop."


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database("create table orders (id int)", "create schema sales")
    return server


def probed(server: PostgresServer, schemas: str, level: TestLevel | None = None) -> ConnectionTest:
    return PostgresSystem.test_connection(server.parameters("shop", schemas=schemas), level)


def test_the_first_schema_may_be_missing_where_it_can_be_made_and_that_is_said(server: PostgresServer) -> None:
    found = probed(server, "arrivals, sales")

    assert (found.success, [(each.level, each.field) for each in found.diagnostics]) == (True, [("WARN", "schemas")])
    assert found.message.endswith(f"{ARRIVALS} A sink makes it when it is first written; a source needs it.")
    assert probed(server, "arrivals", "write").success
    assert server.rows("shop", "select from pg_namespace where nspname = 'arrivals'") == []


@pytest.mark.parametrize(("schemas", "level"), [("arrivals", "read"), ("sales, arrivals", None), ("x, arrivals", None)])
def test_a_schema_that_nobody_would_make_is_refused(
    server: PostgresServer, schemas: str, level: TestLevel | None
) -> None:
    found = probed(server, schemas, level)

    assert (found.success, found.message, found.diagnostics[0].field) == (False, ARRIVALS, "schemas")


def test_a_user_who_may_not_make_the_schema_is_told_which_right_is_missing(server: PostgresServer) -> None:
    found = PostgresSystem.test_connection({**reader(server, "shop"), "schemas": "arrivals"})

    assert (found.success, found.diagnostics[0].field) == (False, "schemas")
    assert f"{ARRIVALS} A sink could not make it, for user {READER} may not create schemas." in found.message
    assert f"grant create on database shop to {READER}" in found.message


def test_a_user_may_write_to_a_schema_that_is_there_without_the_right_to_make_one(server: PostgresServer) -> None:
    parameters = {**reader(server, "shop", "usage, create on schema sales"), "schemas": "sales"}

    assert PostgresSystem.test_connection(parameters, "write").message.startswith("Connected")


def test_a_source_refuses_a_schema_that_is_not_there_and_names_a_near_one(server: PostgresServer) -> None:
    with closing(PostgresSource(server.parameters("shop", schemas="sale"))) as source:
        with pytest.raises(
            ConfigInvalid, match=r"Schema sale does not exist in database shop\. Did you mean sales\?"
        ) as e:
            source.list_units()
        assert e.value.details["field"] == "schemas"
        with pytest.raises(ConfigInvalid, match=r"Schema sale does not exist"):
            source.describe("sale.orders")
    with closing(PostgresSource(server.parameters("shop", schemas="sales"))) as source:
        assert source.list_units() == []
        with pytest.raises(UnitNotFound, match=r"no table or view public\.orders in the schemas sales"):
            source.describe("public.orders")


def test_a_table_that_the_user_may_not_read_is_not_what_was_meant(server: PostgresServer) -> None:
    server.run("shop", "create table orders_2 (id int)", "create table orders_secret (id int)")
    user = reader(server, "shop", "usage on schema public", "select on orders_2")

    with closing(PostgresSource(user)) as source, pytest.raises(UnitNotFound) as refusal:
        source.describe("public.orders_")

    assert refusal.value.message.endswith("public.orders_. Did you mean public.orders_2?")
