"""A filter in PostgreSQL wants the same rows as after reading, reads no other, and is never text of a query."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from postgres_reading import BY_TIME, Taken, carried, reader, refused, taken
from postgres_server import PostgresServer, postgres_server
from psycopg import sql

from headrace import filters
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid, PermissionDenied
from headrace.filtering import BatchFilter
from headrace.protocol import Json

UNIT = "public.orders"
COLUMNS = {
    "id": "int", "small": "smallint", "big": "bigint", "price": "numeric(7,2)", "any": "numeric", "ratio": "real",
    "exact": "double precision", "note": 'text collate "en-x-icu"', "code": "varchar(4)", "is_open": "boolean",
    "day": "date", "at": "timestamptz", "local": "timestamp", "hour": "time", "raw": "bytea", "key": "uuid",
}  # fmt: skip
ROWS = """
insert into orders values
  (1, 1, 9007199254740993, 1.20, 1.2, 0.1, 0.1, 'Ärger', 'ab', true, '2024-01-01', '2024-01-01 12:00Z',
   '2024-01-01 12:00', '12:00', '\\x00ff', '00000000-0000-0000-0000-000000000007'),
  (2, -5, -1, 1.21, 1.200, 0.2, 1e300, 'zebra', 'abcd', false, '1969-12-31', '2024-01-01 12:00:00.000001Z',
   '1969-12-31 23:59:59.999999', '00:00', '\\x', '00000000-0000-0000-0000-000000000008'),
  (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
  (4, 32767, 4, 99999.99, 1e30, -0.0, 0, 'Zebra', 'O''x"', true, '2024-02-29', '2024-01-02', '2024-01-02', '23:59:59',
   '\\x00', 'ffffffff-ffff-ffff-ffff-ffffffffffff')
"""


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    declared = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    server.database(f"create table orders ({declared}, primary key (id))", ROWS)
    return server


def read(server: PostgresServer, chosen: Json, checkpoint: Json = None, **policy: Json) -> Taken:
    return taken(server.parameters("shop"), UNIT, checkpoint, filter=chosen, **policy)


CHOSEN: list[tuple[Json, list[int]]] = [
    ({"eq": ["small", 1]}, [1]),
    ({"lt": ["small", 2**70]}, [1, 2, 4]),
    ({"in": ["big", [9007199254740993, "-1"]]}, [1, 2]),
    ({"gt": ["big", 9007199254740992]}, [1]),
    ({"eq": ["price", 1.2]}, [1]),
    ({"le": ["price", "1.205"]}, [1]),
    ({"eq": ["any", "1.20"]}, [1, 2]),
    ({"eq": ["ratio", 0.1]}, [1]),
    ({"ge": ["exact", 0.1]}, [1, 2]),
    ({"gt": ["note", "Z"]}, [1, 2, 4]),
    ({"lt": ["note", "a"]}, [4]),
    ({"eq": ["code", "O'x\""]}, [4]),
    ({"eq": ["code", "abcde"]}, []),
    ({"ne": ["code", "ab"]}, [2, 4]),
    ({"eq": ["is_open", True]}, [1, 4]),
    ({"not": {"eq": ["is_open", True]}}, [2]),
    ({"lt": ["day", "1970-01-01"]}, [2]),
    ({"ge": ["at", "2024-01-01T13:00:00+01:00"]}, [1, 2, 4]),
    ({"gt": ["at", "2024-01-01T12:00:00Z"]}, [2, 4]),
    ({"lt": ["local", "1970-01-01"]}, [2]),
    ({"le": ["hour", "12:00"]}, [1, 2]),
    ({"eq": ["raw", "\\x00"]}, [4]),
    ({"gt": ["raw", "\\x00"]}, [1]),
    ({"lt": ["key", "00000000-0000-0000-0000-000000000008"]}, [1]),
    ({"isNull": "key"}, [3]),
    ({"or": [{"isNull": "note"}, {"eq": ["small", -5]}]}, [2, 3]),
    ({"not": {"and": [{"gt": ["small", 0]}, {"in": ["code", ["ab"]]}]}}, [2, 4]),
]


@pytest.mark.parametrize(("chosen", "wanted"), CHOSEN, ids=lambda value: str(value))
def test_the_server_wants_the_rows_that_are_wanted_after_reading(
    server: PostgresServer, chosen: Json, wanted: list[int]
) -> None:
    parsed = filters.parse(chosen)
    assert parsed is not None
    afterwards = BatchFilter(parsed, UNIT)

    assert read(server, chosen).ids == wanted
    if not {"any", "key"} & set(filters.columns(parsed)) or "isNull" in str(chosen):  # which travel as text
        kept = [afterwards.kept(batch).column("id").to_pylist() for batch in batches(server)]
        assert [number for numbers in kept for number in numbers] == wanted


def batches(server: PostgresServer) -> list[Any]:
    with closing(PostgresSource(server.parameters("shop"))) as source:
        return [batch for slice_ in source.plan(UNIT, None, {}).slices for batch in source.read(UNIT, slice_, {})]


def test_rows_that_are_not_wanted_are_never_read(server: PostgresServer) -> None:
    server.database(name="target")
    policy: dict[str, Json] = {"filter": {"gt": ["small", 0]}, "columns": ["id", "note"]}

    stats = carried(server.parameters("shop"), server.parameters("target"), UNIT, policy).stats

    assert (stats["exported_rows"], stats["applied_rows"], stats["filtered_rows"]) == (2, 2, 0)
    assert server.rows("target", "select id from orders order by id") == [(1,), (4,)]


def test_slices_have_the_size_asked_for_in_rows_that_are_wanted(server: PostgresServer) -> None:
    server.run("shop", "insert into orders (id, small) select n, n % 10 from generate_series(10, 509) n")

    found = read(server, {"eq": ["small", 7]}, targetSliceSize=20)

    assert [len(rows) for rows in found.slices] == [20, 20, 10]


# ---- what is hostile

HOSTILE = [
    "'; drop table orders; --", '"; drop table orders; --', "\\'; select 1; --", "$$", "%s $1 {0}", "é\u2028\U0001f4a3",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_and_a_value_a_value_whatever_they_hold(server: PostgresServer, name: str) -> None:
    quoted = sql.Identifier(name)
    with server.connect("shop") as connection:
        connection.execute(sql.SQL("alter table orders add {} text").format(quoted))
        connection.execute(sql.SQL("update orders set {} = {} where id = 2").format(quoted, sql.Literal(name)))

    assert read(server, {"eq": [name, name]}).ids == [2]
    assert read(server, {"in": [name, [name, "other"]]}).ids == [2]
    assert read(server, {"ge": [name, name]}).ids == [2]


@pytest.mark.parametrize("literal", [*HOSTILE, "1); drop table orders; --", "now()", "a\0b"])
def test_a_text_where_a_number_belongs_is_refused(server: PostgresServer, literal: str) -> None:
    with refused(ConfigInvalid, "column small is smallint, and .* is not a whole number", column="small"):
        read(server, {"eq": ["small", literal]})


def test_types_that_only_the_server_knows_are_shown_to_it_first(server: PostgresServer) -> None:
    server.run("shop", "create type mood as enum ('ok', 'it''s bad')", "alter table orders add mood mood, add ip inet",
               "update orders set mood = 'it''s bad', ip = '10.0.0.1' where id = 4")  # fmt: skip

    assert read(server, {"eq": ["mood", "it's bad"]}).ids == [4]
    assert read(server, {"lt": ["ip", "10.0.0.2"]}).ids == [4]
    with refused(ConfigInvalid, "column mood is mood, and 'good' is none", column="mood"):
        read(server, {"in": ["mood", ["ok", "good"]]})
    with refused(ConfigInvalid, "column ip is inet", column="ip"):
        read(server, {"eq": ["ip", "'; drop table orders; --"]})


@pytest.mark.parametrize("declared", ["json", "point", "int[]", "xml"])
def test_a_column_that_is_not_compared_can_be_asked_for_null(server: PostgresServer, declared: str) -> None:
    server.run("shop", f"alter table orders add odd {declared}")

    assert read(server, {"isNull": "odd"}).ids == [1, 2, 3, 4]
    with refused(ConfigInvalid, "column odd is .* which can be asked for by isNull only", column="odd"):
        read(server, {"eq": ["odd", "1"]})


def test_a_column_that_does_not_exist_is_refused_with_the_names_near_it(server: PostgresServer) -> None:
    with refused(ConfigInvalid, r"public\.orders has no column smal to filter by. Did you mean small\?", column="smal"):
        read(server, {"eq": ["smal", 1]})


# ---- beside the other keys


def test_an_increment_goes_on_behind_rows_that_were_not_wanted(server: PostgresServer) -> None:
    server.run("shop", "update orders set at = '2024-01-01 10:00' where at is null")
    first = read(server, {"gt": ["small", 0]}, **BY_TIME)
    server.run("shop", "insert into orders (id, small, at) values (7, 1, '2024-01-05'), (8, -1, '2024-01-06')")

    second = read(server, {"gt": ["small", 0]}, first.checkpoint, **BY_TIME)

    assert (first.ids, second.ids) == ([1, 4], [7])
    assert read(server, {"gt": ["small", 0]}, second.checkpoint, **BY_TIME).slices == []


@pytest.mark.parametrize("other", [None, {"gt": ["small", -10]}])
def test_another_filter_than_that_of_the_checkpoint_is_refused(server: PostgresServer, other: Json) -> None:
    """I1: what the first one left out lies behind the cursor."""
    first = read(server, {"gt": ["small", 0]}, **BY_TIME)

    with refused(ConfigInvalid, "was read with another filter", field="filter"):
        read(server, other, first.checkpoint, **BY_TIME)


def test_a_row_that_is_gone_is_told_whether_or_not_it_is_wanted(server: PostgresServer) -> None:
    """It may have been wanted when it was read before."""
    server.run("shop", "alter table orders add gone boolean", "update orders set gone = true where id in (2, 4)")

    found = read(server, {"gt": ["small", 0]}, deletes="soft", deletedField="gone", writeDisposition="merge")

    assert [(row["id"], row["_headrace_op"]) for row in found.rows] == [(1, 0), (2, 1), (4, 1)]


def test_a_filter_by_a_column_that_is_not_read_needs_the_right_to_look_at_it(server: PostgresServer) -> None:
    parameters = reader(server, "shop", "usage on schema public", "select (id, small) on orders")

    assert taken(parameters, UNIT, columns=["id"], filter={"eq": ["small", 1]}).ids == [1]
    with refused(PermissionDenied, "orders"):
        taken(parameters, UNIT, columns=["id"], filter={"eq": ["big", 4]})
