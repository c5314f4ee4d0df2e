"""Values in PostgreSQL as a sink: from table to table nothing changes, and what a column cannot hold is refused."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from postgres_reading import ArrowSource, carried
from postgres_server import PostgresServer, postgres_server
from postgres_values import CASES, CORPUS, ROWS, Case, fill, quoted
from postgres_writing import PostgresWriting

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import RowRejected, SchemaChanged


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    """A table of everything, and copies of it: filled unseen and exchanged, merged by key, and appended in slices.

    Each of them once in blocks and once as Arrow. The last ones were first filled
    in blocks, and a second time as Arrow, or the other way round.
    """
    server = postgres_server()
    fill(server)
    source = server.parameters(CORPUS)
    policies: dict[str, dict[str, Any]] = {
        "replaced": {"mode": "full"},
        "merged": {"mode": "incremental", "cursorField": "id", "targetSliceSize": 4},
        "appended": {"mode": "incremental", "cursorField": "id", "writeDisposition": "append", "targetSliceSize": 3},
    }
    readers = {"": PostgresSource, "_by_arrow": ArrowSource}
    for way, reads in readers.items():
        for schema, policy in policies.items():
            found = carried(source, {**source, "schemas": schema + way}, "public.everything", policy, reads=reads)
            assert (found.errors, found.stats["applied_rows"]) == ([], ROWS)
    for schema, reads in (("then_arrow", PostgresSource), ("then_blocks", ArrowSource)):
        for epoch, reader in ((1, reads), (2, ArrowSource if reads is PostgresSource else PostgresSource)):
            to = {**source, "schemas": schema}
            again = carried(
                source, to, "public.everything", {"mode": "full"}, reads=reader, epoch=epoch, generation=epoch
            )
            assert again.errors == []
    return server


COPIES = (
    "replaced", "merged", "appended", "replaced_by_arrow", "merged_by_arrow", "appended_by_arrow", "then_arrow",
    "then_blocks",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.declared)
def test_a_value_is_the_same_in_the_tables_it_came_to_as_in_the_one_it_came_from(
    server: PostgresServer, case: Case
) -> None:
    one = shown(case, "public")
    with server.connect(CORPUS) as connection:
        for schema in COPIES:
            other = shown(case, schema)
            differing = f"({one} except {other}) union all ({other} except {one})"
            counted = f"select count({quoted(case.declared)}) from {schema}.everything"

            assert connection.execute(differing.encode()).fetchall() == []
            assert connection.execute(counted.encode()).fetchall() == [(len(case.values),)]


def shown(case: Case, schema: str) -> str:
    """The value as text; a ``char`` with the blanks that belong to it, which PostgreSQL leaves out of text."""
    text = f"{quoted(case.declared)}::text"
    return f"select id, {f'rpad({text}, 5)' if case.declared == 'char(5)' else text} as v from {schema}.everything"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.declared)
def test_a_column_is_made_of_the_type_that_the_page_says_and_keeps_it(server: PostgresServer, case: Case) -> None:
    by_arrow = case.stored or case.declared
    in_blocks = case.copied or by_arrow
    made = {schema: type_of(server, schema, case) for schema in COPIES}

    assert made == {
        **dict.fromkeys(("replaced", "merged", "appended", "then_arrow"), in_blocks),
        **dict.fromkeys(("replaced_by_arrow", "merged_by_arrow", "appended_by_arrow", "then_blocks"), by_arrow),
    }


def type_of(server: PostgresServer, schema: str, case: Case) -> str:
    found = server.rows(
        CORPUS,
        "select format_type(atttypid, atttypmod) from pg_attribute "
        f"where attrelid = '{schema}.everything'::regclass and attname = '{case.declared}'",
    )
    return found[0][0]


# ---- what sources other than PostgreSQL bring


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    return PostgresWriting(server, server.parameters(server.database()))


def put(writing: PostgresWriting, values: list[Any], kind: pa.DataType) -> None:
    schema = pa.schema([("id", pa.int64()), ("v", kind)])
    writing.put(writing.to("append"), [{"id": n, "v": value} for n, value in enumerate(values)], schema=schema)


@pytest.mark.parametrize(
    ("kind", "values", "declared", "shown"),
    [
        (pa.int8(), [-128, 127], "smallint", ["-128", "127"]),
        (pa.uint16(), [65535], "integer", ["65535"]),
        (pa.uint32(), [4294967295], "bigint", ["4294967295"]),
        (pa.uint64(), [18446744073709551615, 0], "numeric(20,0)", ["18446744073709551615", "0"]),
        (pa.float16(), [0.5, float("nan")], "real", ["0.5", "NaN"]),
        (pa.null(), [None], "text", [None]),
        (pa.large_string(), ["😀", ""], "text", ["😀", ""]),
        (pa.large_binary(), [b"\x00"], "bytea", ["\\x00"]),
        (pa.string_view(), ["😀" * 9, "", None], "text", ["😀" * 9, "", None]),
        (pa.binary_view(), [b"\x00"], "bytea", ["\\x00"]),
        (pa.binary(2), [b"ab"], "bytea", ["\\x6162"]),
        (pa.uuid(), [uuid.UUID(int=10)], "uuid", ["00000000-0000-0000-0000-00000000000a"]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"], "text", ["a", "b", "a"]),
        (pa.date64(), [datetime.date(1969, 12, 31)], "date", ["1969-12-31"]),
        (pa.time32("ms"), [datetime.time(23, 59, 59, 999000)], "time without time zone", ["23:59:59.999"]),
        (pa.timestamp("s"), [-1], "timestamp without time zone", ["1969-12-31 23:59:59"]),
        (pa.timestamp("ns"), [1000], "timestamp without time zone", ["1970-01-01 00:00:00.000001"]),
        (pa.timestamp("ms", "Europe/Berlin"), [1719828000000], "timestamp with time zone", ["2024-07-01 10:00:00+00"]),
        (pa.decimal256(60, 5), ["9" * 55 + ".12345"], "numeric(60,5)", ["9" * 55 + ".12345"]),
        (pa.decimal128(5, -2), ["12300"], "numeric(7,0)", ["12300"]),
        (pa.list_(pa.int32()), [[1, None], []], "integer[]", ["{1,NULL}", "{}"]),
        (pa.large_list(pa.string()), [["a,b", ""]], "text[]", ['{"a,b",""}']),
        (pa.list_(pa.decimal256(60, 5)), [[Decimal("1.5"), None]], "numeric[]", ["{1.50000,NULL}"]),
    ],
    ids=str,
)
def test_an_arrow_type_is_stored_exactly_in_a_column_of_its_own(
    writing: PostgresWriting, kind: pa.DataType, values: list[Any], declared: str, shown: list[str]
) -> None:
    array = pa.array(values, type=pa.string()).cast(kind) if pa.types.is_decimal(kind) else pa.array(values, type=kind)

    put(writing, array.to_pylist() if not pa.types.is_timestamp(kind) else values, kind)

    writing.server.run("shop", "alter database shop set timezone = 'UTC'")
    assert writing.rows("id, v::text") == list(enumerate(shown))
    assert writing.rows("pg_typeof(v)::text, null")[:1] == [(declared.partition("(")[0], None)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64()), pa.list_(pa.list_(pa.int64())),
        pa.duration("us"), pa.month_day_nano_interval(),
    ],
    ids=str,
)  # fmt: skip
def test_an_arrow_type_that_has_no_column_is_refused_by_name_before_a_row_is_written(
    writing: PostgresWriting, kind: pa.DataType
) -> None:
    with pytest.raises(SchemaChanged, match=r"which jdbc\.postgres cannot store yet; leave it out") as refusal:
        put(writing, [None], kind)

    assert (refusal.value.details, writing.rows("1, 2")) == ({"column": "v"}, [])


FIRST_DAY, LAST_DAY = -2_440_588, 2_145_042_905


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.timestamp("ns"), 1),
        (pa.timestamp("s"), 2**60),
        (pa.timestamp("us"), -(2**63)),
        (pa.timestamp("us"), 946_684_800_000_000 - 2**63),
        (pa.timestamp("us", "UTC"), -210_866_803_200_000_001),
        (pa.date32(), FIRST_DAY - 1),
        (pa.date32(), LAST_DAY + 1),
        (pa.date32(), -(2**31)),
        (pa.date32(), 10957 - 2**31),
        (pa.list_(pa.date32()), [LAST_DAY + 1]),
        (pa.string(), "a\0b"),
    ],
    ids=str,
)
def test_a_value_that_postgresql_does_not_have_is_refused_by_column_and_nothing_is_written(
    writing: PostgresWriting, kind: pa.DataType, value: Any
) -> None:
    """F32: the driver alone would make infinity of some of these."""
    with pytest.raises(RowRejected, match="Column v has a") as refusal:
        put(writing, [value], kind)

    assert (refusal.value.details, writing.rows("1, 2")) == ({"column": "v"}, [])
    assert writing.leftovers() == []


def test_the_first_and_the_last_moment_of_both_are_stored(writing: PostgresWriting) -> None:
    put(writing, [FIRST_DAY, LAST_DAY], pa.date32())
    assert writing.rows("id, v::text") == [(0, "4714-11-24 BC"), (1, "5874897-12-31")]

    writing.server.run("shop", "drop table orders")
    target = writing.to("append", generation=2)
    schema = pa.schema([("id", pa.int64()), ("v", pa.timestamp("us"))])
    rows = [{"id": n, "v": value} for n, value in enumerate((-210_866_803_200_000_000, 2**63 - 1))]
    writing.put(target, rows, epoch=2, schema=schema)
    assert writing.rows("id, v::text") == [(0, "4714-11-24 00:00:00 BC"), (1, "294247-01-10 04:00:54.775807")]
