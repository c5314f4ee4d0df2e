"""Every type of PostgreSQL arrives exactly, widened or as PostgreSQL's own text, or its row is refused by column."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from postgres_server import PostgresServer, postgres_server
from postgres_values import CASES, CORPUS, REFUSED, Case, fill, quoted

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import RowRejected

UNIT = "public.orders"
PAGE = Path(__file__).parents[4] / "docs" / "ENDPOINTS.md"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def read(server: PostgresServer, **policy: Any) -> pa.Table:
    with closing(PostgresSource(server.parameters("shop"))) as source:
        batches = [
            batch for slice_ in source.plan(UNIT, None, policy).slices for batch in source.read(UNIT, slice_, policy)
        ]
    return table_of(batches)


def table_of(batches: list[Any]) -> pa.Table:
    tables: Any = pa.Table
    return tables.from_batches(batches)


@pytest.fixture(scope="module")
def everything() -> pa.Table:
    """What is read of a table with a column for every case."""
    server = postgres_server()
    fill(server)
    policy: dict[str, Any] = {}
    with closing(PostgresSource(server.parameters(CORPUS))) as source:
        (slice_,) = source.plan("public.everything", None, policy).slices
        return table_of(list(source.read("public.everything", slice_, policy)))


def of_kind(*kinds: str) -> Any:
    return pytest.mark.parametrize(
        "case", [case for case in CASES if case.kind in kinds], ids=lambda case: case.declared
    )


@of_kind("as text")
def test_what_arrow_cannot_say_arrives_as_postgresqls_own_text(everything: pa.Table, case: Case) -> None:
    is_list = case.declared.endswith("[]")
    with postgres_server().connect(CORPUS) as connection:
        connection.execute("set intervalstyle = iso_8601")
        text = f"select {quoted(case.declared)}::text{'[]' if is_list else ''} from everything order by id"
        shown = [value for (value,) in connection.execute(text.encode()).fetchall()]

    found = everything.column(case.declared)

    assert found.type == (pa.list_(pa.string()) if is_list else pa.string())
    assert found.to_pylist() == shown


@of_kind("exact", "widened")
def test_a_value_of_a_type_that_arrow_has_arrives_exactly(everything: pa.Table, case: Case) -> None:
    values = f"select {told(case.arrow)} from (select id, {quoted(case.declared)} as v from everything) t order by id"

    found = everything.column(case.declared)

    assert found.type == case.arrow
    assert plain(found) == [value for (value,) in postgres_server().rows(CORPUS, values)]


def told(kind: pa.DataType) -> str:
    """SQL of what ``plain`` makes of a column ``v``: days and microseconds since 1970, and the bits of floats."""
    if pa.types.is_list(kind):
        inner = told(kind.value_type).replace("v", "e", 1) if "v" in told(kind.value_type) else "e"
        return f"case when v is not null then array(select {inner} from unnest(v) e) end"
    if pa.types.is_date32(kind):
        return "(v - date '1970-01-01')"
    if pa.types.is_timestamp(kind):
        return "(extract(epoch from v) * 1000000)::int8"
    if pa.types.is_floating(kind):
        return f"encode(float{kind.bit_width // 8}send(v), 'hex')"
    return "v"


def plain(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_list(kind):
        return [None if not item.is_valid else plain(item.values) for item in column]
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).to_pylist()
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).to_pylist()
    if pa.types.is_floating(kind):
        words = [None if value is None else value.as_py() for value in column]
        return [
            None
            if word is None
            else pa.array([word], kind).buffers()[1].to_pybytes()[: kind.bit_width // 8][::-1].hex()
            for word in words
        ]
    return column.to_pylist()


ELSEWHERE = [("int[]", "'[2:3]={1,2}'"), ("uuid[]", "'[-5:-5]={00000000-0000-0000-0000-000000000001}'")]
"""Arrays that begin where the driver breaks off by itself, and says neither why nor of which column."""


@pytest.mark.parametrize(("declared", "value"), [*REFUSED, *ELSEWHERE])
def test_a_value_that_arrow_cannot_say_is_refused_by_column(server: PostgresServer, declared: str, value: str) -> None:
    """F32, F37: never rounded, cut or changed."""
    server.database(f"create table orders (id int primary key, v {declared})")
    server.run("shop", f"insert into orders values (1, {value})")

    with pytest.raises(
        RowRejected, match=r" row of public\.orders (with id = 1 )?has .* in column v .* leave the column out"
    ) as no:
        read(server)

    assert no.value.details == {"column": "v"}


def test_a_value_that_arrow_cannot_say_hurts_nobody_who_leaves_its_column_out(server: PostgresServer) -> None:
    server.database("create table orders (id int primary key, v date)", "insert into orders values (1, 'infinity')")

    assert read(server, columns=["id"]).to_pylist() == [{"id": 1}]


def test_the_same_values_arrive_whatever_the_database_is_configured_to_show(server: PostgresServer) -> None:
    server.database("create table orders (id int, v timestamptz, i interval, f float4, b bytea, r daterange)")
    row = r"1, '2024-07-01 12:00+00', '1 day 2 h', 0.1, '\x01', '[2024-02-03,2024-05-06)'"
    server.run("shop", f"insert into orders values ({row})")
    first = read(server)
    settings = ("timezone = 'Asia/Kathmandu'", "datestyle = 'German'", "intervalstyle = 'sql_standard'",
                "extra_float_digits = -10", "bytea_output = 'escape'", "standard_conforming_strings = off")  # fmt: skip
    server.run("shop", *(f"alter database shop set {setting}" for setting in settings))
    try:
        assert read(server) == first
    finally:
        server.run("shop", "alter database shop reset all")


def encoded(server: PostgresServer, encoding: str) -> str:
    """An empty database of that encoding."""
    name = f"in_{encoding}"
    if not server.rows("postgres", f"select from pg_database where datname = '{name}'"):
        server.run("postgres", f"create database {name} encoding '{encoding}' template template0 locale 'C'")
    return server.database("create table orders (größe text primary key)", name=name)


def read_one_by_one(server: PostgresServer, database: str) -> list[str]:
    policy = {"targetSliceSize": 1}
    with closing(PostgresSource(server.parameters(database))) as source:
        slices = source.plan(UNIT, None, policy).slices
        batches = [batch for slice_ in slices for batch in source.read(UNIT, slice_, policy)]
    return table_of(batches).column("größe").to_pylist()


@pytest.mark.parametrize("encoding", ["latin1", "sql_ascii"])
def test_text_arrives_as_unicode_whatever_the_encoding_of_the_database(server: PostgresServer, encoding: str) -> None:
    """Names and keys with it: each row here is a slice, and its key is sent back."""
    database = encoded(server, encoding)
    server.run(database, "insert into orders values ('ß'), ('é'), ('ü')")

    assert read_one_by_one(server, database) == ["ß", "é", "ü"]


def test_text_that_is_no_unicode_ends_the_run(server: PostgresServer) -> None:
    """F32"""
    database = encoded(server, "sql_ascii")
    server.run(database, "insert into orders values (chr(200))")

    with pytest.raises(RowRejected, match='invalid byte sequence for encoding "UTF8"'):
        read_one_by_one(server, database)


# ---- the page

SAID = {
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "varchar": "varchar(10)",
    "char": "char(5)",
    "`numeric(p,s)` to 76 digits": "numeric(38,9)",
    "one-dimensional arrays of these": "text[]",
    "a domain": "positive",
    "numeric without bounds or beyond 76 digits": "numeric",
    "bit": "bit(5)",
    "varbit": "bit varying(9)",
    "ranges": "int4range",
    "multiranges": "int4multirange",
    "geometric types": "polygon",
    "arrays of them": "uuid[]",
    "enums": "mood",
    "composite types": "place",
    '`"char"`': '"char"',
    "types of extensions": "hstore",
}
"""Words of the page that are no names of types, and the case that tries them."""


def test_every_type_that_the_page_names_is_tried_and_becomes_what_the_page_says() -> None:
    table_of_types = PAGE.read_text().partition("| PostgreSQL | Travels as |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table_of_types.splitlines()[2:]]

    named = {
        (SAID.get(word, word), kind.replace("exact as", "as"))
        for types, _, kind in rows
        if not kind.startswith("refused")
        for word in re.split(r", (?![^()`]*\))|; ", types)
    }

    assert named - {(case.declared, case.kind) for case in CASES} == set()
    assert len(named) > 40


@pytest.mark.parametrize(
    ("key", "values", "told"),
    [
        ("id int", "17", "id = 17"),
        ("id uuid", "'8f14e45f-ceea-467f-a8b1-4c1d2c3b4a59'", "id = 8f14e45f-ceea-467f-a8b1-4c1d2c3b4a59"),
        ("id text", "repeat('x', 100)", f"id = {'x' * 40}…"),
    ],
)
def test_a_row_that_cannot_be_carried_is_told_by_its_key(
    server: PostgresServer, key: str, values: str, told: str
) -> None:
    server.database(f"create table orders ({key} primary key, a numeric(10,2), note text)")
    with server.connect("shop") as connection:
        connection.execute(f"insert into orders select {values}, 'NaN', 'secret'")  # pyright: ignore[reportArgumentType, reportCallIssue]

    with pytest.raises(RowRejected) as refused:
        read(server)
    with pytest.raises(RowRejected) as without_key:
        read(server, columns=["a"])

    assert refused.value.message.startswith(f"The row of public.orders with {told} has NaN, which ")
    assert "secret" not in refused.value.message
    assert without_key.value.message.startswith("A row of public.orders has NaN, which ")
