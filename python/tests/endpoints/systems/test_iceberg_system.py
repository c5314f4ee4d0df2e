"""The ``warehouse.iceberg`` template: what it says of itself, and what a connection test finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from postgres_server import PASSWORD, PostgresServer, postgres_server

from headrace.endpoint import TestLevel
from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.endpoints.systems.iceberg import IcebergSystem
from headrace.endpoints.systems.iceberg_catalog import table_name
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.errors import ConfigInvalid, DataPlaneError

_SOURCES = Path(__file__).parents[3] / "src"
REST = {"catalog_type": "rest", "catalog_uri": "https://catalog.example.com/api"}
SQL = {"catalog_type": "sql", "catalog_uri": "postgresql://app@db:5433/catalog?sslmode=require", "warehouse": "/lake"}


def test_the_template_is_a_warehouse_whose_secrets_are_sealed() -> None:
    descriptor = IcebergSystem.descriptor()

    fields = {field.key: field for field in descriptor.fields}
    assert (descriptor.id, descriptor.family) == ("warehouse.iceberg", "WAREHOUSE")
    assert [option.value for option in fields["catalog_type"].options or []] == ["rest", "sql", "hive"]
    assert {key for key, field in fields.items() if field.sensitive} == {"token", "additional_properties"}
    assert {capability.key for capability in descriptor.capabilities} == {"sink.iceberg"}


def test_describing_building_and_refusing_load_no_library() -> None:
    code = (
        "import sys; from headrace.endpoints.systems.iceberg import IcebergSystem as S;"
        f"S.descriptor(); S.build_connection({REST!r}); S.test_connection({{}});"
        "print({'pyarrow', 'pyiceberg', 'sqlalchemy'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(_SOURCES)}, capture_output=True, text=True
    )

    assert done.stdout.strip() == "set()", done.stderr


def test_a_connection_shows_no_secret() -> None:
    secret = {**REST, "token": "s3cret", "additional_properties": '{"s3.secret-access-key": "k3y"}'}

    connection = IcebergSystem.build_connection(secret)

    assert connection.url == "iceberg+https://catalog.example.com/api"
    assert connection.config["parameters"] == REST
    assert "s3cret" not in repr(IcebergParameters.parse(secret)) and "k3y" not in repr(IcebergParameters.parse(secret))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"catalog_type": ""}, "catalog_type"),
    ({"catalog_type": "glue"}, "catalog_type"),
    ({"catalog_type": "hive"}, "catalog_type"),
    ({"catalog_uri": " "}, "catalog_uri"),
    ({"catalog_uri": "https://host"}, "catalog_uri"),
    ({"catalog_uri": "mysql://app@db/catalog"}, "catalog_uri"),
    ({"catalog_uri": "sqlite:///catalog.db"}, "catalog_uri"),
    ({"catalog_uri": "postgresql:///catalog"}, "catalog_uri"),
    ({"catalog_uri": "postgresql://app:secret@db/catalog"}, "catalog_uri"),
    ({"catalog_uri": "postgresql://app@db/catalog?password=secret"}, "catalog_uri"),
    ({"catalog_uri": "postgresql://db/catalog", "token": "secret"}, "catalog_uri"),
    ({**REST, "catalog_uri": "https://app@host"}, "catalog_uri"),
    ({**REST, "catalog_uri": "sqlite:////catalog.db"}, "catalog_uri"),
    ({"warehouse": ""}, "warehouse"),
    ({"warehouse": "ftp://host/lake"}, "warehouse"),
    ({"namespace": "a..b"}, "namespace"),
    ({"additional_properties": "{"}, "additional_properties"),
    ({"additional_properties": "[]"}, "additional_properties"),
    ({"additional_properties": '{"py-io-impl": "os.system"}'}, "additional_properties"),
    ({"additional_properties": '{"py-catalog-impl": "x"}'}, "additional_properties"),
    ({"additional_properties": '{"s3.retry-strategy-impl": "x.Y"}'}, "additional_properties"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=str)
def test_a_parameter_that_cannot_be_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        IcebergSink({**SQL, **change})

    assert refusal.value.details["field"] == field
    assert "secret" not in refusal.value.message.replace("holds a secret", "")
    tested = IcebergSystem.test_connection({**SQL, **change})
    assert (tested.success, tested.details["step"], tested.diagnostics[0].field) == (False, "parameters", field)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (
            {**SQL, "catalog_uri": "postgresql://app@db/catalog?tokn=secret"},
            '"tokn". Take it away. Did you mean token?',
        ),
        ({**SQL, "catalog_uri": "postgresql://app@db/catalog?sslmod=require"}, "Did you mean sslmode"),
        ({**SQL, "catalog_uri": "sqlite:////catalog.db?warehous="}, "Did you mean warehouse?"),
        ({**REST, "catalog_uri": "https://host/api?creden=secret"}, "Did you mean credential?"),
    ],
)
def test_a_mistyped_setting_of_the_address_is_refused_with_the_one_that_was_meant(
    parameters: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        IcebergParameters.parse(parameters)

    assert told in refusal.value.message
    assert refusal.value.details["field"] == "catalog_uri"
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize("query", ["sslmode=require&connect_timeout=3&options=-c%20a%3Db", "host=/run/pg&port=5433"])
def test_settings_of_the_driver_stay_in_the_address(query: str) -> None:
    parsed = IcebergParameters.parse({**SQL, "catalog_uri": f"postgresql://app@db/catalog?{query}"})

    assert parsed.catalog_uri.endswith(f"?{query}")


def test_the_token_is_the_password_of_a_database_and_the_bearer_of_a_server() -> None:
    database = IcebergParameters.parse({**SQL, "token": "p@ss/word"}).properties()
    server = IcebergParameters.parse({**REST, "token": "t0ken", "additional_properties": '{"name": "x"}'}).properties()

    assert database["uri"] == "postgresql+psycopg://app:p%40ss%2Fword@db:5433/catalog?sslmode=require"
    assert "token" not in database
    assert (server["token"], server["uri"], "name" in server) == ("t0ken", REST["catalog_uri"], False)


@pytest.mark.parametrize(
    ("unit_id", "namespace", "expected"),
    [
        ("public.orders", None, "public.orders"),
        ("public.orders", "raw.shop", "raw.shop.orders"),
        ("orders", None, "default.orders"),
        ("public.a.b", "raw", "raw.a_b"),
        ("in/größe.my table", None, "in_gr__e.my_table"),
    ],
)
def test_a_unit_lands_in_the_table_that_is_listed(unit_id: str, namespace: str | None, expected: str) -> None:
    assert str(table_name(unit_id, namespace)) == expected


def test_a_file_lands_in_a_table_that_is_called_as_its_source_calls_it() -> None:
    assert str(table_name("eu/orders.csv", None, "orders")) == "default.orders"
    assert str(table_name("eu/orders.csv", "raw", "my orders")) == "raw.my_orders"


# ---- connection tests


def step_of(parameters: dict[str, str], level: TestLevel = "write") -> tuple[bool, Any, Any]:
    tested = IcebergSystem.test_connection(parameters, level)
    return tested.success, tested.details.get("step"), tested.diagnostics[-1].field


def test_a_catalog_that_is_yet_to_be_made_is_promised_and_not_made(tmp_path: Path) -> None:
    tested = IcebergSystem.test_connection({**sqlite_catalog(tmp_path), "namespace": "raw"}, "write")

    assert tested.success
    assert [diagnostic.code for diagnostic in tested.diagnostics] == ["ICEBERG_CATALOG", "ICEBERG_CATALOG_MISSING"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_catalog_that_is_there_is_asked_for_its_namespace(tmp_path: Path) -> None:
    parameters = sqlite_catalog(tmp_path)
    writing = IcebergWriting(parameters)
    writing.put(writing.to("append"), [note(1)])

    found = IcebergSystem.test_connection({**parameters, "namespace": "public"}, "write")
    missing = IcebergSystem.test_connection({**parameters, "namespace": "raw"}, "read")

    assert [diagnostic.code for diagnostic in found.diagnostics] == ["ICEBERG_CATALOG"]
    assert [diagnostic.code for diagnostic in missing.diagnostics] == ["ICEBERG_CATALOG", "ICEBERG_NAMESPACE_MISSING"]
    assert (found.success, missing.success, found.capabilities) == (True, True, ["sink.iceberg"])


def test_the_first_step_that_fails_is_named_with_the_field_to_look_at(tmp_path: Path) -> None:
    good = sqlite_catalog(tmp_path)
    (tmp_path / "text.db").write_text("no database " * 100)
    (tmp_path / "file").write_text("")

    assert step_of({**good, "catalog_uri": "sqlite:////nowhere/catalog.db"}) == (False, "catalog", "catalog_uri")
    assert step_of({**good, "catalog_uri": f"sqlite:///{tmp_path}/text.db"}) == (False, "sign-in", "catalog_uri")
    assert step_of({**good, "warehouse": f"{tmp_path}/file/lake"}) == (False, "warehouse", "warehouse")
    unknown = "postgresql://app@no-such-host.invalid/x"
    assert step_of({**good, "catalog_uri": unknown}) == (False, "name resolution", "catalog_uri")
    assert step_of({**good, "catalog_uri": "postgresql://app@127.0.0.1:1/x"}) == (False, "TCP", "catalog_uri")
    assert step_of({**REST, "catalog_uri": "http://127.0.0.1:1"}) == (False, "TCP", "catalog_uri")


# ---- a catalog in PostgreSQL


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database()
    server.run("postgres", "drop role if exists onlooker", "create role onlooker login password 'onlooker'")
    return server


def in_postgres(server: PostgresServer, tmp_path: Path, user: str = "headrace", **others: str) -> dict[str, str]:
    uri = f"postgresql://{user}@127.0.0.1:{server.port}/shop"
    known = {"catalog_type": "sql", "catalog_uri": uri, "warehouse": str(tmp_path / "lake"), "token": PASSWORD}
    return {**known, **others}


def let_in(server: PostgresServer) -> None:
    """The onlooker may read the catalog, and no more."""
    server.run(
        "shop", "grant usage on schema public to onlooker", "grant select on all tables in schema public to onlooker"
    )


def test_a_database_is_asked_and_keeps_nothing_of_the_test(server: PostgresServer, tmp_path: Path) -> None:
    tested = IcebergSystem.test_connection(in_postgres(server, tmp_path), "write")

    assert tested.success, tested.message
    assert server.rows("shop", "select relname from pg_class where relname like 'iceberg%'") == []


def test_a_database_that_refuses_is_the_step_that_failed(server: PostgresServer, tmp_path: Path) -> None:
    parameters = in_postgres(server, tmp_path)
    writing = IcebergWriting(parameters)
    writing.put(writing.to("append"), [note(1)])
    onlooker = in_postgres(server, tmp_path, "onlooker", token="onlooker")
    let_in(server)

    wrong = IcebergSystem.test_connection({**parameters, "token": "wr0ng"}, "connect")
    nowhere = {**parameters, "catalog_uri": parameters["catalog_uri"].replace("/shop", "/nowhere")}

    assert (wrong.details["step"], wrong.details["tag"]) == ("sign-in", "AuthenticationFailed")
    assert "wr0ng" not in wrong.message
    assert step_of(nowhere) == (False, "sign-in", "catalog_uri")
    assert step_of(onlooker, "read")[0]
    assert step_of(onlooker) == (False, "catalog", "catalog_uri")


def test_a_sink_that_may_not_write_says_so(server: PostgresServer, tmp_path: Path) -> None:
    writing = IcebergWriting(in_postgres(server, tmp_path))
    writing.put(writing.to("append"), [note(1)])
    let_in(server)
    onlooker = IcebergWriting(in_postgres(server, tmp_path, "onlooker", token="onlooker"))

    with pytest.raises(DataPlaneError) as refusal:
        onlooker.put(onlooker.to("append"), [note(2)], epoch=2, first=1)

    assert refusal.value.tag == "PermissionDenied"
    assert writing.notes() == [(1, "old")]


def test_a_warehouse_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    parameters = {**sqlite_catalog(tmp_path), "warehouse": f"{tmp_path}/file/lake"}
    (tmp_path / "file").write_text("")
    writing = IcebergWriting(parameters)

    with pytest.raises(ConfigInvalid) as refusal:
        writing.put(writing.to("append"), [note(1)])

    assert refusal.value.details["field"] == "warehouse"
    assert os.listdir(tmp_path) != []
