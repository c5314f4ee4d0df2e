"""Columns of a PostgreSQL target only ever grow, and hold what comes exactly or are refused by name."""

from __future__ import annotations

from typing import Any

import psycopg
import pyarrow as pa
import pytest
from postgres_server import postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.endpoints.sinks.postgres_columns import can_hold
from headrace.errors import RowRejected, SchemaChanged

WANTED: dict[str, list[str]] = {
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9007199254740993"],
    "real": ["3.4028235e38", "0.1", "NaN", "-Infinity"],
    "double precision": ["1.7976931348623157e308", "0.1", "NaN"],
    "numeric(10,2)": ["99999999.99", "-0.01", "0.50"],
    "numeric(20,0)": ["18446744073709551615"],
    "numeric(38,9)": ["99999999999999999999999999999.999999999"],
    "numeric": ["1e-30", "NaN", "1.10"],
    "boolean": ["true", "false"],
    "bytea": ["\\x00ff"],
    "date": ["4714-11-24 BC", "5874897-12-31"],
    "timestamp without time zone": ["2024-02-29 23:59:59.999999"],
    "timestamp with time zone": ["2024-02-29 23:59:59.999999+00"],
    "time without time zone": ["23:59:59.999999"],
    "time with time zone": ["23:59:59.999999+05:30"],
    "uuid": ["00000000-0000-0000-0000-00000000000a"],
    "jsonb": ['{"a": 1.0}'],
    "json": ['{"b":1,  "a" : 1.0}'],
    "interval": ["1 year 2 mons 3 days 04:05:06.000007"],
    "bit varying": ["10101"],
    "inet": ["10.0.0.1/8"],
    "integer[]": ["{1,NULL}"],
    "text": ["", "trailing   ", "😀"],
    "text[]": ["{trailing\\ \\ ,NULL}"],
}
"""Types that rows may come in, and values at their ends."""

DECLARED = [
    *WANTED, "varchar", "varchar(3)", "varchar(3)[]", "char(5)", "citext", "name", "money", "bit(3)", "bit varying(3)",
    "timestamp(3)", "timestamp(0) with time zone", "time(0)", "interval(0)", "interval day to second", "numeric(5,2)",
    "numeric(4)", "numeric(40,9)", "numeric(10,-2)", "smallint[]", "bigint[]", "oid", "mood", "xml", "hstore",
]  # fmt: skip


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database("create type mood as enum ('ok')", "create extension if not exists citext schema public",
                    "create extension if not exists hstore schema public")  # fmt: skip
    return PostgresWriting(server, server.parameters("shop"))


def test_a_column_that_is_said_to_hold_a_type_gives_every_value_of_it_back_or_refuses_it_aloud(
    writing: PostgresWriting,
) -> None:
    """F35: of all pairs of what comes and what is there, those that are accepted lose nothing."""
    accepted, changed = 0, []
    with writing.server.connect("shop") as connection:
        for declared in DECLARED:
            connection.execute(f"create temp table kept (v {declared})".encode())
            (shown, is_enum) = connection.execute(
                b"select format_type(atttypid, atttypmod), typtype = 'e' from pg_attribute join pg_type t "
                b"on t.oid = atttypid where attrelid = 'kept'::regclass and attname = 'v'"
            ).fetchall()[0]
            for wanted in (kind for kind in WANTED if kind not in ("text", "text[]")):
                if can_hold(shown, wanted, is_enum=is_enum):
                    accepted += 1
                    changed += [(shown, wanted, v) for v in WANTED[wanted] if changes(connection, wanted, v)]
            connection.execute(b"drop table kept")

    assert changed == []
    assert accepted > 2 * len(WANTED)


def changes(connection: Any, wanted: str, value: str) -> bool:
    """Whether the column silently makes another value of it."""
    try:
        connection.execute(f"truncate kept; insert into kept values ('{value}'::{wanted})".encode())
    except psycopg.DataError:
        return False
    same = "v::{0} = '{1}'::{0}" if wanted.startswith("numeric") else "v::{0}::text = '{1}'::{0}::text"
    return connection.execute(f"select {same.format(wanted, value)} from kept".encode()).fetchall() != [(True,)]


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ("bigint", "integer"), ("integer", "smallint"), ("numeric", "bigint"), ("numeric(20,0)", "bigint"),
        ("numeric(12,4)", "numeric(10,2)"), ("double precision", "real"), ("timestamp without time zone", "date"),
        ("text", "uuid"), ("character varying", "text"), ("uuid", "text"), ("jsonb", "text"),
    ],
)  # fmt: skip
def test_a_wider_column_holds_a_narrower_type(declared: str, wanted: str) -> None:
    assert can_hold(declared, wanted)


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ("integer", "bigint"), ("real", "double precision"), ("double precision", "bigint"),
        ("numeric(18,0)", "bigint"), ("character varying(3)[]", "text[]"),
        ("numeric(10,2)", "numeric(10,3)"), ("date", "timestamp without time zone"), ("integer", "text"),
        ("timestamp(3) without time zone", "timestamp without time zone"), ("bytea", "text"), ("boolean", "smallint"),
        ("timestamp with time zone", "timestamp without time zone"), ("text", "text[]"), ("text[]", "text"),
        ("bit(3)", "bit varying"), ("character(5)", "text"), ("jsonb", "json"), ("numeric(10,2)", "numeric"),
        ("double precision", "numeric(10,2)"),
    ],
)  # fmt: skip
def test_a_column_that_would_round_cut_or_reinterpret_is_refused(declared: str, wanted: str) -> None:
    assert not can_hold(declared, wanted)


# ---- columns that come and go


def test_new_columns_are_added_empty_for_the_rows_before_and_missing_ones_are_empty_after(
    writing: PostgresWriting,
) -> None:
    wider = NOTES.append(pa.field("extra", pa.int64()))
    writing.put(writing.to("append"), [note(1)])
    writing.put(writing.to("append", generation=2), [note(2, extra=7)], epoch=2, schema=wider)

    writing.put(writing.to("append", generation=3), [note(3)], epoch=3)

    assert writing.rows("id, extra") == [(1, None), (2, 7), (3, None)]


def test_a_frozen_schema_ends_the_run_before_a_row_of_a_new_column_is_written(writing: PostgresWriting) -> None:
    """F34"""
    writing.put(writing.to("append"), [note(1)])
    wider = NOTES.append(pa.field("extra", pa.int64()))

    with pytest.raises(SchemaChanged, match=r"is new to public\.orders, and the policy.* is freeze") as no:
        writing.put(
            writing.to("append", generation=2), [note(2, extra=7)], epoch=2, schema=wider,
            policy={"schemaContract": "freeze"},
        )  # fmt: skip

    assert (no.value.details, writing.rows()) == ({"column": "extra"}, [(1, "old")])


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_column_that_cannot_hold_what_comes_is_refused_by_name_and_is_not_altered(
    writing: PostgresWriting, disposition: str
) -> None:
    """F35"""
    writing.server.run("shop", "create table orders (id bigint primary key, note smallint)")
    wider = pa.schema([("id", pa.int64()), ("new", pa.int64()), ("note", pa.int32())])

    with pytest.raises(SchemaChanged, match=r"Column note of public\.orders is smallint and would have to hold") as no:
        writing.put(writing.to(disposition), [{"id": 1, "new": 1, "note": 70000}], schema=wider)

    assert no.value.details == {"column": "note"}
    assert writing.rows("count(*), null") == [(0, None)]
    names = "select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = 'orders'::regclass"
    assert writing.server.rows("shop", f"{names} and attnum > 0") == [("id,note",)]


def test_columns_are_matched_by_name_in_whatever_order_they_are(writing: PostgresWriting) -> None:
    writing.server.run("shop", "create table orders (note text, mine int, id bigint)")

    writing.put(writing.to("append"), [note(1, "a")])

    assert writing.rows("id, note, mine") == [(1, "a", None)]


@pytest.mark.parametrize(
    ("column", "error", "said"),
    [
        ("note text generated always as ('x') stored", SchemaChanged, "fills the column itself; leave it out"),
        ("note text, mine int not null", RowRejected, 'null value in column "mine"'),
        ("note varchar(3)", RowRejected, r"note is longer than character varying\(3\) in 2 rows"),
    ],
)
def test_a_column_that_takes_no_such_rows_ends_the_run_and_leaves_nothing(
    writing: PostgresWriting, column: str, error: Any, said: str
) -> None:
    writing.server.run("shop", f"create table orders (id bigint, {column})")

    with pytest.raises(error, match=said):
        writing.put(writing.to("append"), [note(1, "abc"), note(2, "abcd"), note(3, "abc ")])

    assert (writing.rows("count(*), null"), writing.leftovers()) == ([(0, None)], [])


def test_a_target_that_is_dropped_during_the_run_ends_it(writing: PostgresWriting) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        writing.server.run("shop", "drop table orders")

        with pytest.raises(SchemaChanged, match=r"public\.orders was dropped during the run\. Start the unit again"):
            writing.write(sink, target, [note(1)], seq=0, schema=NOTES)

    assert writing.leftovers() == []
