"""Names that are hard to say in SQL are carried as they are; those that PostgreSQL cannot hold are refused."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from postgres_reading import carried
from postgres_server import postgres_server
from postgres_writing import PostgresWriting, note

from headrace.errors import ConfigInvalid, SchemaChanged

NAMES = [
    'quoted "twice"', "it's", "a.b.c", "per%cent %s %(x)s", "$1 {0} {x}", "back\\slash", "größe 😀", "e\u0301",
    "UPPER", "select", "t", "line\nbreak", " ", "semi;colon -- /* comment", "a" * 63, "ü" * 31,
]  # fmt: skip


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop"))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", NAMES)
def test_a_name_goes_from_table_to_table_as_table_key_cursor_and_column(writing: PostgresWriting, name: str) -> None:
    key_name = f"k{name[:29]}"
    table, cursor, key = quoted(name), quoted(name), quoted(key_name)
    writing.server.run(
        "shop",
        f"create table {table} ({cursor} timestamptz, {key} int primary key)",
        f"insert into {table} select timestamptz '2024-01-01' + n * interval '1 s', n from generate_series(1, 5) n",
    )
    sink = {**writing.parameters, "schemas": json.dumps([f"in {name[:29]}"])}
    policy = {"mode": "incremental", "cursorField": name, "targetSliceSize": 2, "columns": [name, key_name]}

    first = carried(writing.parameters, sink, f"public.{name}", policy)
    writing.server.run("shop", f"update {table} set {cursor} = '2024-02-01' where {key} = 2")
    second = carried(writing.parameters, sink, f"public.{name}", policy, epoch=2)

    assert [found.errors for found in (first, second)] == [[], []]
    copy = f"{quoted(f'in {name[:29]}')}.{table}"
    assert writing.server.rows("shop", f"select * from {table} except select * from {copy}") == []
    assert writing.server.rows("shop", f"select count(*) from {copy}") == [(5,)]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name_is_made_and_replaced(writing: PostgresWriting, name: str) -> None:
    unit = f"public.{name}"
    for generation in (1, 2):
        rows = [note(generation, name)]
        writing.put(writing.to("replace", generation=generation, unit=unit), rows, epoch=generation)

    assert writing.rows(table=f"public.{quoted(name)}") == [(2, name)]
    assert writing.leftovers() == []


@pytest.mark.parametrize("name", ["a" * 64, "ü" * 32, "", "nul\0"])
def test_a_name_that_postgresql_would_cut_or_cannot_hold_is_refused_and_nothing_is_made(
    writing: PostgresWriting, name: str
) -> None:
    """Cut, two names could become one."""
    with pytest.raises(ConfigInvalid, match=r"has \d+ bytes.* Choose a shorter name|cannot hold an object of the name"):
        writing.put(writing.to("append", unit=f"public.{name}"), [note(1)])

    assert writing.server.rows("shop", "select relname from pg_class where relnamespace = 'public'::regnamespace") == []


@pytest.mark.parametrize("name", ["a" * 64, ""])
def test_a_column_that_postgresql_would_cut_or_cannot_hold_is_refused(writing: PostgresWriting, name: str) -> None:
    schema = pa.schema([("id", pa.int64()), (name, pa.int64())])

    with pytest.raises(ConfigInvalid, match=r"Choose a shorter name|cannot hold an object of the name"):
        writing.put(writing.to("append"), [{"id": 1, name: 1}], schema=schema)

    assert writing.rows() == []


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid"])
def test_a_column_called_like_one_of_postgresqls_own_is_refused_by_name(writing: PostgresWriting, name: str) -> None:
    schema = pa.schema([("id", pa.int64()), (name, pa.int64())])

    with pytest.raises(SchemaChanged, match="a name that PostgreSQL keeps for itself") as refusal:
        writing.put(writing.to("append"), [{"id": 1, name: 1}], schema=schema)

    assert refusal.value.details == {"column": name}


def test_columns_that_differ_in_case_alone_are_two(writing: PostgresWriting) -> None:
    schema = pa.schema([("id", pa.int64()), ("ID", pa.int64()), ("Id", pa.int64())])

    writing.put(writing.to("merge"), [{"id": 1, "ID": 2, "Id": 3}], schema=schema)

    assert writing.rows('"id", "ID", "Id"') == [(1, 2, 3)]


def test_a_column_that_comes_twice_is_refused_by_name(writing: PostgresWriting) -> None:
    schema = pa.schema([("id", pa.int64()), ("id", pa.int64())])

    with (
        pytest.raises(SchemaChanged, match="Column id comes twice") as refusal,
        writing.owner(writing.to("append"), schema=schema),
    ):
        pass

    assert refusal.value.details == {"column": "id"}


@pytest.mark.parametrize("name", ["_hr_commit", "_hr_stage_x", "_headrace_g1_orders"])
def test_a_unit_called_like_a_table_of_ours_is_refused(writing: PostgresWriting, name: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"a name Headrace keeps for itself\. Rename the unit"):
        writing.put(writing.to("append", unit=f"public.{name}"), [note(1)])


def test_a_long_name_is_filled_unseen_under_a_name_of_its_own(writing: PostgresWriting) -> None:
    """What the hidden table is called must not be cut into the name of another's."""
    units = [f"public.{'x' * 60}{end}" for end in ("abc", "abd")]
    for unit in units:
        writing.put(writing.to("replace", unit=unit), [note(1, unit)])

    for unit in units:
        writing.put(writing.to("replace", generation=2, unit=unit), [note(2, unit)], epoch=2, complete=False)
    assert len(writing.leftovers()) == 2
    for unit in units:
        writing.put(writing.to("replace", generation=2, unit=unit), [note(2, unit)], epoch=3)

    assert [writing.rows(table=unit) for unit in units] == [[(2, unit)] for unit in units]


def test_a_unit_whose_name_ends_in_anothers_is_not_touched_by_its_replacement(writing: PostgresWriting) -> None:
    longer = writing.to("replace", unit="public.2_orders")
    writing.put(longer, [note(1, "a")], complete=False)

    writing.put(writing.to("replace", generation=3), [note(1, "b")])
    with writing.owner(longer, epoch=2) as sink:
        sink.complete(longer, {})

    assert (writing.rows(), writing.rows(table='public."2_orders"')) == ([(1, "b")], [(1, "a")])


NO_TABLES = {
    "a view": "create view orders as select 1::bigint as id, ''::text as note",
    "a materialized view": "create materialized view orders as select 1::bigint as id, ''::text as note",
    "a sequence": "create sequence orders",
    "an index": "create table others (id bigint); create index orders on others (id)",
    "a composite type": "create type orders as (id bigint, note text)",
    "a foreign table": "create extension if not exists file_fdw schema public; "
    "create server files foreign data wrapper file_fdw; "
    "create foreign table orders (id bigint, note text) server files options (filename '/dev/null')",
}


@pytest.mark.parametrize(
    ("what", "disposition"), [*((what, "append") for what in NO_TABLES), ("a view", "replace"), ("a view", "merge")]
)
def test_what_is_no_table_is_not_written_to_and_stays(writing: PostgresWriting, what: str, disposition: str) -> None:
    writing.server.run("shop", NO_TABLES[what])

    with pytest.raises(ConfigInvalid, match=rf"public\.orders is {what}, and rows are stored in tables") as refusal:
        writing.put(writing.to(disposition), [note(1)])

    assert refusal.value.details == {"table": "public.orders", "field": "schemas"}
    assert writing.server.rows("shop", "select to_regclass('orders') is not null") == [(True,)]


@pytest.mark.parametrize(
    ("schemas", "lands"), [("", "shop.orders"), ("lake", "lake.orders"), ("lake, other", "lake.orders")]
)
def test_rows_go_to_the_first_of_schemas_else_to_that_of_the_unit(
    writing: PostgresWriting, schemas: str, lands: str
) -> None:
    writing.parameters["schemas"] = schemas

    writing.put(writing.to("append", unit="shop.orders"), [note(1)])

    assert writing.rows(table=lands) == [(1, "old")]
